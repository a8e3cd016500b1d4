//! Workflow variables: what a name may be, and which states read which.
//!
//! Source: "Passing data between states with variables", AWS Step Functions Developer Guide.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{
    Catcher, CaughtOutput, Condition, Count, Definition, Distributed, Filter, Io, Items, Kind, Query, Seconds,
    Settings, State, Text, Tolerance, Until,
};
use crate::jsonata;
use crate::path::Path;
use crate::template::Template;

/// `$states` belongs to JSONata.
pub(crate) const RESERVED: &str = "states";

/// "The maximum length of a variable name is 80."
pub(crate) const NAME_CHARS_MAX: usize = 80;

/// The length in bytes of the name at the beginning of the text; zero when there is none. A name is a Unicode
/// identifier; an underscore may begin it, as in most languages.
pub(crate) fn name_len(text: &str) -> usize {
    let starts = |char: char| char.is_alphabetic() || char == '_';
    if !text.starts_with(starts) {
        return 0;
    }
    let end = text.char_indices().find(|(_, char)| !(starts(*char) || char.is_alphanumeric()));
    end.map_or(text.len(), |(at, _)| at)
}

/// Why this cannot be the name of a variable.
pub(crate) fn refusal(name: &str) -> Option<String> {
    if name == RESERVED {
        Some(format!("'{RESERVED}' is reserved: choose another name"))
    } else if name.is_empty() || name_len(name) < name.len() {
        Some("a name begins with a letter, and has letters, digits and underscores only".to_owned())
    } else if name.chars().nth(NAME_CHARS_MAX).is_some() {
        Some(format!("a name has at most {NAME_CHARS_MAX} characters"))
    } else {
        None
    }
}

/// The names of the variables that each state reads, without states that read none. As AWS tells them: those of a
/// state inside a Parallel or Map stand under its own name.
pub fn references(definition: &Definition) -> BTreeMap<String, BTreeSet<String>> {
    let read = definition.states.iter().map(|state| (state.name.to_string(), Reads::of(state)));
    read.filter(|(_, names)| !names.is_empty()).collect()
}

/// The names that one state reads, collected.
#[derive(Default)]
struct Reads(BTreeSet<String>);

impl Reads {
    fn of(state: &State) -> BTreeSet<String> {
        let mut reads = Reads::default();
        reads.query(state.assign.as_ref());
        reads.kind(&state.kind);
        reads.0
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Pass(pass) => self.io(&pass.io),
            Kind::Succeed(succeed) => self.io(&succeed.io),
            Kind::Task(task) => {
                self.io(&task.io);
                self.query(task.credentials.as_ref());
                [&task.timeout, &task.heartbeat].into_iter().flatten().for_each(|seconds| self.seconds(seconds));
                self.catch(&task.catch);
            }
            Kind::Choice(choice) => {
                self.io(&choice.io);
                for rule in &choice.rules {
                    self.condition(&rule.condition);
                    self.query(rule.assign.as_ref());
                    self.output(rule.output.as_ref());
                }
            }
            Kind::Wait(wait) => {
                self.io(&wait.io);
                match &wait.until {
                    Until::SecondsPath(path) | Until::TimestampPath(path) => self.path(path),
                    Until::SecondsJsonata(it) | Until::TimestampJsonata(it) => self.expression(it),
                    Until::Seconds(_) | Until::Timestamp(_) => {}
                }
            }
            Kind::Fail(fail) => {
                for text in [&fail.error, &fail.cause].into_iter().flatten() {
                    match text {
                        Text::Fixed(_) => {}
                        Text::Path(expression) => expression.paths(&mut |path| self.path(path)),
                        Text::Jsonata(expression) => self.expression(expression),
                    }
                }
            }
            Kind::Parallel(parallel) => {
                self.io(&parallel.io);
                self.catch(&parallel.catch);
            }
            Kind::Map(map) => {
                self.io(&map.io);
                match &map.items {
                    None => {}
                    Some(Items::Path(path)) => self.path(path),
                    Some(Items::Jsonata(expression)) => self.expression(expression),
                    Some(Items::Listed(list)) => self.output(Some(list)),
                }
                self.query(map.item_selector.as_ref());
                self.count(Some(&map.max_concurrency));
                for tolerance in [&map.tolerated_failure_count, &map.tolerated_failure_percentage].into_iter().flatten()
                {
                    match tolerance {
                        Tolerance::Fixed(_) => {}
                        Tolerance::Path(path) => self.path(path),
                        Tolerance::Jsonata(expression) => self.expression(expression),
                    }
                }
                self.catch(&map.catch);
                map.distributed.iter().for_each(|distributed| self.distributed(distributed));
            }
        }
    }

    fn distributed(&mut self, distributed: &Distributed) {
        if let Some(reader) = &distributed.reader {
            self.query(reader.parameters.as_ref());
            self.settings(&reader.config);
            self.count(reader.max_items.as_ref());
        }
        if let Some(batcher) = &distributed.batcher {
            self.count(batcher.max_items.as_ref());
            self.count(batcher.max_bytes.as_ref());
            self.query(batcher.batch_input.as_ref());
        }
        if let Some(writer) = &distributed.writer {
            self.query(writer.parameters.as_ref());
            self.settings(&writer.config);
        }
    }

    fn settings(&mut self, settings: &Settings) {
        match settings {
            Settings::Fixed(_) => {}
            Settings::Jsonata(template) => self.output(Some(template)),
        }
    }

    fn count(&mut self, count: Option<&Count>) {
        match count {
            None | Some(Count::Fixed(_)) => {}
            Some(Count::Path(path)) => self.path(path),
            Some(Count::Jsonata(expression)) => self.expression(expression),
        }
    }

    fn io(&mut self, io: &Io) {
        match io {
            Io::Path(io) => {
                for filter in [&io.input_path, &io.output_path] {
                    if let Filter::Path(path) = filter {
                        self.path(path);
                    }
                }
                [&io.parameters, &io.result_selector].into_iter().flatten().for_each(|it| self.template(it));
            }
            Io::Jsonata(io) => [&io.arguments, &io.output].into_iter().for_each(|it| self.output(it.as_ref())),
        }
    }

    fn catch(&mut self, catchers: &[Catcher]) {
        for catcher in catchers {
            self.query(catcher.assign.as_ref());
            if let CaughtOutput::Jsonata(output) = &catcher.output {
                self.output(output.as_ref());
            }
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Fixed(_) => {}
            Condition::Path(condition) => condition.paths(&mut |path| self.path(path)),
            Condition::Jsonata(expression) => self.expression(expression),
        }
    }

    fn seconds(&mut self, seconds: &Seconds) {
        match seconds {
            Seconds::Fixed(_) => {}
            Seconds::Path(path) => self.path(path),
            Seconds::Jsonata(expression) => self.expression(expression),
        }
    }

    fn query(&mut self, query: Option<&Query>) {
        match query {
            None => {}
            Some(Query::Path(template)) => self.template(template),
            Some(Query::Jsonata(template)) => self.output(Some(template)),
        }
    }

    fn template(&mut self, template: &Template) {
        template.paths(&mut |path| self.path(path));
    }

    fn output(&mut self, template: Option<&jsonata::Template>) {
        self.0.extend(template.into_iter().flat_map(jsonata::Template::variables));
    }

    fn expression(&mut self, expression: &jsonata::Expression) {
        self.0.extend(expression.variables().iter().cloned());
    }

    fn path(&mut self, path: &Path) {
        self.0.extend(path.variable().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, is_good) in [
            ("x", true),
            ("_x1", true),
            ("größe", true),
            ("", false),
            ("1x", false),
            ("x.y", false),
            ("x[2]", false),
            ("x-y", false),
            ("states", false),
            ("statesman", true),
        ] {
            assert_eq!(refusal(name).is_none(), is_good, "{name}");
        }
        assert!(refusal(&"é".repeat(80)).is_none());
        assert!(refusal(&"é".repeat(81)).is_some());
    }
}
