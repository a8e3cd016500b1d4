//! Fields that hold expressions: of JSONata everywhere, of either language in `Assign` and `ItemSelector`.

use serde_json::Value;

use crate::definition::{CaughtOutput, Io, JsonataIo, PathIo, Query};
use crate::jsonata::{self, Available};
use crate::variables;

use super::fields::{Fields, expected};
use super::language::Language;
use super::report::{Problem, Read, Refused, Report};

/// What `$states` holds where an expression stands, besides `input` and `context`.
#[derive(Clone, Copy)]
pub(crate) enum Moment {
    Before,
    /// `result`: the work of a Task, Parallel or Map is done.
    After,
    /// `errorOutput`: in a catcher.
    Caught,
}

impl Moment {
    pub fn available(self) -> Available {
        Available { result: matches!(self, Moment::After), error_output: matches!(self, Moment::Caught) }
    }
}

impl<'a> Fields<'a> {
    /// An expression, when the field holds one; none for any other value.
    pub fn expression(&self, name: &str, moment: Moment, report: &mut Report) -> Read<Option<jsonata::Expression>> {
        let template = self.jsonata(name, moment, report)?;
        Ok(template.and_then(|template| template.expression().cloned()))
    }

    /// JSON that may hold expressions.
    pub fn jsonata(&self, name: &str, moment: Moment, report: &mut Report) -> Read<Option<jsonata::Template>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let pointer = self.at.key(name).pointer();
        let template = jsonata::Template::parse(value, &pointer, moment.available(), &mut report.diagnostics);
        template.map(Some).ok_or(Refused)
    }

    /// JSON that may hold expressions of this language.
    pub fn query(&self, name: &str, language: Language, moment: Moment, report: &mut Report) -> Read<Option<Query>> {
        match language {
            Language::JsonPath => Ok(self.template(name, report)?.map(Query::Path)),
            Language::Jsonata => Ok(self.jsonata(name, moment, report)?.map(Query::Jsonata)),
        }
    }

    /// `Assign`, of a state, a choice rule or a catcher.
    pub fn assign(&self, language: Language, moment: Moment, report: &mut Report) -> Read<Option<Query>> {
        const NAME: &str = "Assign";
        let names = match self.get(NAME) {
            None => return Ok(None),
            Some(Value::Object(members)) => self.variable_names(members.keys(), language, report),
            Some(_) => return Err(expected("[OBJECT]", &self.at.key(NAME), report)),
        };
        let query = self.query(NAME, language, moment, report);
        names?;
        query
    }

    fn variable_names<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
        language: Language,
        report: &mut Report,
    ) -> Read<()> {
        let assign = self.at.key("Assign");
        let mut result = Ok(());
        for name in names {
            let bare = match language {
                Language::JsonPath => name.strip_suffix(".$").unwrap_or(name),
                Language::Jsonata => name,
            };
            if let Some(why) = variables::refusal(bare) {
                let problem = Problem::schema(&assign.key(name), format!("'{bare}' is not a valid variable name"));
                result = Err(report.add(problem.help(why)));
            }
        }
        result
    }

    /// The fields around a state's work. `parameters`: the field of this name is among them.
    pub fn io(&self, language: Language, moment: Moment, parameters: bool, report: &mut Report) -> Read<Io> {
        if language == Language::Jsonata {
            let arguments = self.jsonata("Arguments", Moment::Before, report);
            let output = self.jsonata("Output", moment, report);
            return Ok(Io::Jsonata(JsonataIo { arguments: arguments?, output: output? }));
        }
        let input_path = self.filter("InputPath", report);
        let output_path = self.filter("OutputPath", report);
        let parameters = if parameters { self.template("Parameters", report) } else { Ok(None) };
        let result_selector = self.template("ResultSelector", report);
        let result_path = self.result_path(report);
        Ok(Io::Path(PathIo {
            input_path: input_path?,
            parameters: parameters?,
            result_selector: result_selector?,
            result_path: result_path?,
            output_path: output_path?,
        }))
    }

    /// What a catcher makes of the error output.
    pub fn caught_output(&self, language: Language, report: &mut Report) -> Read<CaughtOutput> {
        match language {
            Language::JsonPath => self.result_path(report).map(CaughtOutput::Path),
            Language::Jsonata => self.jsonata("Output", Moment::Caught, report).map(CaughtOutput::Jsonata),
        }
    }
}
