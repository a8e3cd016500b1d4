//! Definitions drawn from a seed: sequences of every kind of state, nested, with Retry, Catch and timeouts.
//!
//! Every definition ends by itself when its tasks are answered: there is no loop, and every pause is short.

use store::testing::Chance;

/// Tokens and activities are in a definition only where somebody may wait that long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Standard,
    /// No callbacks, no activities, nothing that is waited for.
    Express,
    /// One that others start: it starts none.
    Nested,
}

const FUNCTION: (&str, &str) = ("arn:aws:states:::lambda:invoke", r#""FunctionName":"f","Payload.$":"$""#);

/// What a task may be: resource and parameters.
const LONGER: [(&str, &str); 6] = [
    ("arn:aws:states:::lambda:invoke.waitForTaskToken", r#""FunctionName":"f","Payload":{"t.$":"$$.Task.Token"}"#),
    ("arn:aws:states:us-east-1:000000000000:activity:a", r#""in.$":"$""#),
    ("arn:aws:states:us-east-1:000000000000:activity:b", r#""in.$":"$""#),
    ("arn:aws:states:::states:startExecution.sync", r#""StateMachineArn":"c""#),
    ("arn:aws:states:::states:startExecution.sync:2", r#""StateMachineArn":"c","Input":{"in.$":"$"}"#),
    ("arn:aws:states:::states:startExecution", r#""StateMachineArn":"c""#),
];

/// What every execution gets, so that Maps have something to go through.
pub const INPUTS: [&str; 2] = [
    r#"{"none":[],"one":[1],"two":[1,2],"three":[1,2,3]}"#,
    r#"{"none":[],"one":[2],"two":[1,2],"three":[1,2,3],"x":1}"#,
];

pub fn definition(kind: Kind, chance: &mut Chance) -> String {
    let mut writer = Writer { kind, chance, names: 0 };
    let block = writer.block(if kind == Kind::Nested { 1 } else { 3 });
    let timeout = match writer.draw(4) {
        0 => format!(r#""TimeoutSeconds":{},"#, 5 + writer.draw(60)),
        _ => String::new(),
    };
    format!("{{{timeout}{block}}}")
}

struct Writer<'c> {
    kind: Kind,
    chance: &'c mut Chance,
    names: u32,
}

impl Writer<'_> {
    fn draw(&mut self, bound: u64) -> u64 {
        self.chance.below(bound)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("S{}", self.names)
    }

    fn block(&mut self, depth: u64) -> String {
        let length = 1 + self.draw(3) as usize;
        let names: Vec<String> = (0..length).map(|_| self.name()).collect();
        let states: Vec<String> = (0..length)
            .map(|at| {
                let text = self.state(depth, names.get(at + 1).map(String::as_str));
                format!(r#""{}":{{{text}}}"#, names[at])
            })
            .collect();
        format!(r#""StartAt":"{}","States":{{{}}}"#, names[0], states.join(","))
    }

    fn state(&mut self, depth: u64, next: Option<&str>) -> String {
        let go = next.map_or(r#""End":true"#.to_owned(), |next| format!(r#""Next":"{next}""#));
        let kinds = if depth == 0 { 9 } else { 14 };
        match self.draw(kinds) {
            0 => format!(r#""Type":"Pass",{go}"#),
            1 => format!(r#""Type":"Pass","Assign":{{"v.$":"States.UUID()"}},{go}"#),
            2 => format!(r#""Type":"Wait","Seconds":{},{go}"#, self.draw(4)),
            3 => self.choice(next),
            4..=6 => self.task(FUNCTION, next, &go),
            7 | 8 if self.kind == Kind::Standard => {
                let longer = LONGER[self.draw(LONGER.len() as u64) as usize];
                self.task(longer, next, &go)
            }
            7 | 8 => self.task(FUNCTION, next, &go),
            9 | 10 => self.parallel(depth, next, &go),
            11 | 12 => self.map(depth, next, &go),
            _ if self.kind == Kind::Standard => self.map_run(next, &go),
            _ => format!(r#""Type":"Pass","QueryLanguage":"JSONata","Assign":{{"v":"{{% $uuid() %}}"}},{go}"#),
        }
    }

    /// Goes on, whatever it finds; without a next state it may fail.
    fn choice(&mut self, next: Option<&str>) -> String {
        match next {
            Some(next) => format!(
                r#""Type":"Choice","Choices":[{{"Variable":"$.x","IsPresent":true,"Next":"{next}"}}],"Default":"{next}""#
            ),
            None if self.draw(2) == 0 => r#""Type":"Fail","Error":"E""#.into(),
            None => r#""Type":"Succeed""#.into(),
        }
    }

    fn task(&mut self, (resource, parameters): (&str, &str), next: Option<&str>, go: &str) -> String {
        let timeout = match self.draw(3) {
            0 => format!(r#","TimeoutSeconds":{}"#, 10 + self.draw(20)),
            _ => String::new(),
        };
        let heartbeat = match self.draw(2) {
            0 if !timeout.is_empty() => format!(r#","HeartbeatSeconds":{}"#, 3 + self.draw(5)),
            _ => String::new(),
        };
        let guard = self.guard(next);
        format!(
            r#""Type":"Task","Resource":"{resource}","Parameters":{{{parameters}}}{timeout}{heartbeat}{guard},{go}"#
        )
    }

    fn parallel(&mut self, depth: u64, next: Option<&str>, go: &str) -> String {
        let branches: Vec<String> = (0..1 + self.draw(3)).map(|_| format!("{{{}}}", self.block(depth - 1))).collect();
        let guard = self.guard(next);
        format!(r#""Type":"Parallel","Branches":[{}]{guard},{go}"#, branches.join(","))
    }

    fn items(&mut self) -> &'static str {
        ["none", "one", "two", "three"][self.draw(4) as usize]
    }

    fn map(&mut self, depth: u64, next: Option<&str>, go: &str) -> String {
        let (items, concurrency) = (self.items(), self.draw(3));
        let processor = self.block(depth - 1);
        let guard = self.guard(next);
        format!(
            r#""Type":"Map","ItemsPath":"$$.Execution.Input.{items}","MaxConcurrency":{concurrency},"ItemProcessor":{{{processor}}}{guard},{go}"#
        )
    }

    /// A distributed Map: its items from the input or read, its results given back or written.
    fn map_run(&mut self, next: Option<&str>, go: &str) -> String {
        let (name, last, guard, items) = (self.name(), self.name(), self.guard(next), self.items());
        let source = match self.draw(3) {
            0 => r#""ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}}"#
                .into(),
            _ => format!(r#""ItemsPath":"$$.Execution.Input.{items}""#),
        };
        let writer = match self.draw(4) {
            0 => {
                r#","ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b","Prefix":"p"}}"#
            }
            _ => "",
        };
        let batcher = if self.draw(3) == 0 { r#","ItemBatcher":{"MaxItemsPerBatch":2}"# } else { "" };
        let tolerated = if self.draw(2) == 0 { r#","ToleratedFailureCount":1"# } else { "" };
        let execution = if self.draw(3) == 0 { "EXPRESS" } else { "STANDARD" };
        let (concurrency, timeout) = (self.draw(3), 5 + self.draw(20));
        let (resource, parameters) = FUNCTION;
        format!(
            r#""Type":"Map","MaxConcurrency":{concurrency},{source}{writer}{batcher}{tolerated},
               "ItemProcessor":{{"ProcessorConfig":{{"Mode":"DISTRIBUTED","ExecutionType":"{execution}"}},"StartAt":"{name}","States":{{
                 "{name}":{{"Type":"Task","Resource":"{resource}","Parameters":{{{parameters}}},"TimeoutSeconds":{timeout},"Next":"{last}"}},
                 "{last}":{{"Type":"Pass","End":true}}}}}}{guard},{go}"#
        )
    }

    fn guard(&mut self, next: Option<&str>) -> String {
        let jitter = if self.draw(2) == 0 { r#","JitterStrategy":"FULL""# } else { "" };
        let retry = match self.draw(3) {
            0 => String::new(),
            attempts => format!(r#","Retry":[{{"ErrorEquals":["States.ALL"],"MaxAttempts":{attempts}{jitter}}}]"#),
        };
        let catch = next.filter(|_| self.draw(2) == 0).map(|next| {
            format!(r#","Catch":[{{"ErrorEquals":["E","States.Timeout"],"ResultPath":"$.caught","Next":"{next}"}}]"#)
        });
        retry + &catch.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_valid() {
        for seed in 0..300 {
            for kind in [Kind::Standard, Kind::Express, Kind::Nested] {
                let text = definition(kind, &mut Chance(seed));
                if let Err(found) = asl::parse(&text) {
                    panic!("seed {seed}, {kind:?}: {found:?}: {text}");
                }
            }
        }
    }
}
