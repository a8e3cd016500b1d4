//! The results of a Map Run, as `ResultWriter` leaves them.
//!
//! ```text
//!   PREFIX/RUN/SUCCEEDED_0.json   what succeeded           push() ── a file of each kind grows in memory
//!             FAILED_0.json      failed, timed out,               and is written when it is large enough
//!                                aborted                 finish() ── the rest, and last the manifest
//!             PENDING_0.json     was never started
//!             manifest.json      names them all
//! ```
//!
//! The manifest is written last: whoever finds it finds everything that it names. RUN is the last part of the Map Run's
//! ARN. Written again, the same results get the same names.
//!
//! Shapes are those of *ResultWriter (Map)* in the developer guide. What a failed execution's record has beside them
//! was seen in programs that read such files.

use std::io::Cursor;
use std::sync::Arc;

use aws_client::time;
use bytes::Bytes;
use serde_json::Value;

use crate::items::{Format, decode, quoted};
use crate::limits::RESULT_FILE_BYTES_MAX;
use crate::{Address, Error, ObjectStore};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
    /// Not started when the Map Run ended.
    Pending,
}

/// What became of one child execution.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    pub status: Status,
    /// JSON.
    pub input: &'a str,
    /// JSON: of a success, what its record or the transformed result holds.
    pub output: Option<&'a str>,
    pub error: Option<&'a str>,
    pub cause: Option<&'a str>,
    /// Empty where nothing was started.
    pub execution_arn: &'a str,
    pub state_machine_arn: &'a str,
    /// Milliseconds since 1970.
    pub started_at: i64,
    pub stopped_at: i64,
    pub redrive_count: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transformation {
    /// A record of each execution.
    #[default]
    None,
    /// The outputs of those that succeeded.
    Compact,
    /// The same, and what is an array is its elements.
    Flatten,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputType {
    #[default]
    Json,
    JsonLines,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterConfig {
    pub transformation: Transformation,
    pub output_type: OutputType,
}

impl WriterConfig {
    /// From the JSON of `WriterConfig`. Without one, results that are written have the default.
    pub fn parse(value: &Value) -> Result<WriterConfig, Error> {
        let Value::Object(fields) = value else {
            return Err(Error::configuration("WriterConfig must be an object"));
        };
        let mut config = WriterConfig::default();
        for (field, value) in fields {
            match (field.as_str(), value.as_str()) {
                ("Transformation", Some("NONE")) => config.transformation = Transformation::None,
                ("Transformation", Some("COMPACT")) => config.transformation = Transformation::Compact,
                ("Transformation", Some("FLATTEN")) => config.transformation = Transformation::Flatten,
                ("OutputType", Some("JSON")) => config.output_type = OutputType::Json,
                ("OutputType", Some("JSONL")) => config.output_type = OutputType::JsonLines,
                ("Transformation", _) => return Err(not_one_of(field, "NONE, COMPACT or FLATTEN", value)),
                ("OutputType", _) => return Err(not_one_of(field, "JSON or JSONL", value)),
                _ => return Err(Error::configuration(format!("WriterConfig has no field {field}"))),
            }
        }
        Ok(config)
    }
}

fn not_one_of(field: &str, names: &str, value: &Value) -> Error {
    Error::configuration(format!("{field} must be {names}, but is {value}"))
}

/// Where results go: `Bucket`, `Prefix` and `ExpectedBucketOwner` of the writer's `Parameters` or `Arguments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub bucket: String,
    pub prefix: String,
    pub expected_bucket_owner: Option<String>,
}

impl Destination {
    pub fn parse(arguments: &Value) -> Result<Destination, Error> {
        let Value::Object(fields) = arguments else {
            return Err(Error::configuration("the ResultWriter's arguments must be an object"));
        };
        let mut destination = Destination { bucket: String::new(), prefix: String::new(), expected_bucket_owner: None };
        for (field, value) in fields {
            let text = value
                .as_str()
                .ok_or_else(|| Error::configuration(format!("{field} must be a string, but is {value}")))?
                .to_owned();
            match field.as_str() {
                "Bucket" => destination.bucket = text,
                "Prefix" => destination.prefix = text,
                "ExpectedBucketOwner" => destination.expected_bucket_owner = Some(text),
                _ => return Err(Error::configuration(format!("{field} is not an argument of the ResultWriter"))),
            }
        }
        if destination.bucket.is_empty() {
            return Err(Error::configuration("the ResultWriter needs a Bucket"));
        }
        Ok(destination)
    }
}

/// Writes the results of one Map Run. Dropped before [`Writer::finish`], it leaves files that no manifest names.
pub struct Writer {
    store: Arc<dyn ObjectStore>,
    destination: Destination,
    config: WriterConfig,
    map_run_arn: String,
    folder: String,
    files: [Kind; 3],
    file_bytes_max: usize,
}

/// The files of one kind.
struct Kind {
    name: &'static str,
    body: Vec<u8>,
    /// Key and size of those that are written.
    written: Vec<(String, usize)>,
}

/// In the order of the manifest's members.
const FAILED: usize = 0;
const PENDING: usize = 1;
const SUCCEEDED: usize = 2;

impl Writer {
    pub fn new(
        store: Arc<dyn ObjectStore>,
        destination: Destination,
        config: WriterConfig,
        map_run_arn: impl Into<String>,
    ) -> Writer {
        let map_run_arn = map_run_arn.into();
        let kind = |name| Kind { name, body: Vec::new(), written: Vec::new() };
        Writer {
            folder: folder(&destination.prefix, &map_run_arn),
            files: [kind("FAILED"), kind("PENDING"), kind("SUCCEEDED")],
            file_bytes_max: RESULT_FILE_BYTES_MAX,
            store,
            destination,
            config,
            map_run_arn,
        }
    }

    pub fn push(&mut self, outcome: &Outcome<'_>) -> Result<(), Error> {
        let kind = match outcome.status {
            Status::Succeeded => SUCCEEDED,
            Status::Failed | Status::TimedOut | Status::Aborted => FAILED,
            Status::Pending => PENDING,
        };
        for result in results(outcome, self.config.transformation)? {
            let body = &mut self.files[kind].body;
            append(body, &result, self.config.output_type);
            if body.len() >= self.file_bytes_max {
                self.write(kind)?;
            }
        }
        Ok(())
    }

    /// Writes what is left and the manifest. The result is the Map state's: `{"MapRunArn": .., "ResultWriterDetails": ..}`.
    pub fn finish(mut self) -> Result<String, Error> {
        for kind in [FAILED, PENDING, SUCCEEDED] {
            if !self.files[kind].body.is_empty() {
                self.write(kind)?;
            }
        }
        let key = format!("{}manifest.json", self.folder);
        self.put(&key, self.manifest().into(), OutputType::Json)?;
        let (arn, bucket) = (quoted(&self.map_run_arn), quoted(&self.destination.bucket));
        Ok(format!("{{\"MapRunArn\":{arn},\"ResultWriterDetails\":{{\"Bucket\":{bucket},\"Key\":{}}}}}", quoted(&key)))
    }

    fn write(&mut self, kind: usize) -> Result<(), Error> {
        let Kind { name, body, written } = &mut self.files[kind];
        let mut body = std::mem::take(body);
        let ending = match self.config.output_type {
            OutputType::Json => {
                body.push(b']');
                "json"
            }
            OutputType::JsonLines => "jsonl",
        };
        let key = format!("{}{name}_{}.{ending}", self.folder, written.len());
        written.push((key.clone(), body.len()));
        self.put(&key, body.into(), self.config.output_type)
    }

    fn put(&self, key: &str, body: Bytes, output_type: OutputType) -> Result<(), Error> {
        let address = Address {
            expected_bucket_owner: self.destination.expected_bucket_owner.clone(),
            ..Address::new(self.destination.bucket.clone(), key)
        };
        let content_type = match output_type {
            OutputType::Json => "application/json",
            OutputType::JsonLines => "application/jsonl",
        };
        self.store.put(&address, body, content_type)
    }

    fn manifest(&self) -> String {
        let file = |(key, size): &(String, usize)| format!("{{\"Key\":{},\"Size\":{size}}}", quoted(key));
        let kind = |kind: &Kind| {
            let files: Vec<String> = kind.written.iter().map(file).collect();
            format!("\"{}\":[{}]", kind.name, files.join(","))
        };
        let kinds: Vec<String> = self.files.iter().map(kind).collect();
        format!(
            "{{\"DestinationBucket\":{},\"MapRunArn\":{},\"ResultFiles\":{{{}}}}}",
            quoted(&self.destination.bucket),
            quoted(&self.map_run_arn),
            kinds.join(",")
        )
    }
}

/// The Map state's result when its writer has a `WriterConfig` and no place to write to: an array, or the lines as one
/// string. It holds what it is made of: the caller holds that against the limit of payloads.
pub struct StateOutput {
    config: WriterConfig,
    body: Vec<u8>,
}

impl StateOutput {
    pub fn new(config: WriterConfig) -> StateOutput {
        StateOutput { config, body: Vec::new() }
    }

    pub fn push(&mut self, outcome: &Outcome<'_>) -> Result<(), Error> {
        for result in results(outcome, self.config.transformation)? {
            append(&mut self.body, &result, self.config.output_type);
        }
        Ok(())
    }

    /// The output has at least so many bytes.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    pub fn finish(mut self) -> String {
        match self.config.output_type {
            OutputType::Json if self.body.is_empty() => return "[]".into(),
            OutputType::Json => self.body.push(b']'),
            OutputType::JsonLines => {}
        }
        let text = String::from_utf8(self.body).expect("results are texts");
        if self.config.output_type == OutputType::Json { text } else { quoted(&text) }
    }
}

fn folder(prefix: &str, map_run_arn: &str) -> String {
    let run = map_run_arn.rsplit(':').next().unwrap_or(map_run_arn);
    match prefix.trim_end_matches('/') {
        "" => format!("{run}/"),
        prefix => format!("{prefix}/{run}/"),
    }
}

/// A file that is no longer empty begins with `[` and is closed when it is written.
fn append(body: &mut Vec<u8>, result: &str, output_type: OutputType) {
    match output_type {
        OutputType::Json => {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(result.as_bytes());
        }
        OutputType::JsonLines => {
            body.extend_from_slice(result.as_bytes());
            body.push(b'\n');
        }
    }
}

/// What an execution adds to its file. One that did not succeed adds its record, whatever the transformation.
fn results(outcome: &Outcome<'_>, transformation: Transformation) -> Result<Vec<String>, Error> {
    let output = match (outcome.status, transformation) {
        (Status::Succeeded, Transformation::Compact | Transformation::Flatten) => outcome.output.unwrap_or("null"),
        _ => return Ok(vec![record(outcome)]),
    };
    if transformation == Transformation::Compact || !output.trim_start().starts_with('[') {
        return Ok(vec![output.to_owned()]);
    }
    // The elements' own texts, as a reader of items gets them, so that numbers stay as they are written.
    let source = format!("the output of {}", outcome.execution_arn);
    let whole = Format::Json { pointer: String::new() };
    let elements = decode(Box::new(Cursor::new(output.to_owned().into_bytes())), None, &source, &whole)?;
    elements.map(|element| element.map(|item| item.value)).collect()
}

/// Members ascend by name, as in AWS's examples.
fn record(outcome: &Outcome<'_>) -> String {
    let Outcome { status, execution_arn, .. } = outcome;
    let included = || "{\"Included\":true}".to_owned();
    if *status == Status::Pending {
        return members(&[
            ("Input", Some(quoted(outcome.input))),
            ("InputDetails", Some(included())),
            ("Status", Some(quoted("PENDING"))),
        ]);
    }
    let (word, redrive) = match status {
        Status::Succeeded => ("SUCCEEDED", "NOT_REDRIVABLE"),
        Status::Failed => ("FAILED", "REDRIVABLE_BY_MAP_RUN"),
        Status::TimedOut => ("TIMED_OUT", "REDRIVABLE_BY_MAP_RUN"),
        Status::Aborted => ("ABORTED", "REDRIVABLE_BY_MAP_RUN"),
        Status::Pending => unreachable!("what is pending has been answered for"),
    };
    let reason = (*status == Status::Succeeded).then(|| quoted("Execution is SUCCEEDED and cannot be redriven"));
    let name = execution_arn.rsplit(':').next().unwrap_or(execution_arn);
    members(&[
        ("Cause", outcome.cause.map(quoted)),
        ("Error", outcome.error.map(quoted)),
        ("ExecutionArn", Some(quoted(execution_arn))),
        ("Input", Some(quoted(outcome.input))),
        ("InputDetails", Some(included())),
        ("Name", Some(quoted(name))),
        ("Output", outcome.output.map(quoted)),
        ("OutputDetails", Some(included())),
        ("RedriveCount", Some(outcome.redrive_count.to_string())),
        ("RedriveStatus", Some(quoted(redrive))),
        ("RedriveStatusReason", reason),
        ("StartDate", Some(quoted(&time::iso(outcome.started_at)))),
        ("StateMachineArn", Some(quoted(outcome.state_machine_arn))),
        ("Status", Some(quoted(word))),
        ("StopDate", Some(quoted(&time::iso(outcome.stopped_at)))),
    ])
}

/// An object of those members that are there; their values are JSON already.
fn members(all: &[(&str, Option<String>)]) -> String {
    let there = all.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("\"{name}\":{value}")));
    format!("{{{}}}", there.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    const ARN: &str = "arn:aws:states:us-east-1:111111111111:mapRun:m/TestMap:run-1";

    fn outcome(status: Status, output: Option<&str>) -> Outcome<'_> {
        let failed = matches!(status, Status::Failed | Status::TimedOut | Status::Aborted);
        Outcome {
            status,
            input: "{\"a\":1}",
            output,
            error: failed.then_some("E"),
            cause: failed.then_some("\"why\""),
            execution_arn: "arn:x:execution:m/TestMap:n",
            state_machine_arn: "arn:x:stateMachine:m/TestMap",
            started_at: 1_738_633_790_099,
            stopped_at: 1_738_633_790_163,
            redrive_count: 0,
        }
    }

    const SUCCESS: &str = r#"{"ExecutionArn":"arn:x:execution:m/TestMap:n","Input":"{\"a\":1}","InputDetails":{"Included":true},"Name":"n","Output":"[1]","OutputDetails":{"Included":true},"RedriveCount":0,"RedriveStatus":"NOT_REDRIVABLE","RedriveStatusReason":"Execution is SUCCEEDED and cannot be redriven","StartDate":"2025-02-04T01:49:50.099Z","StateMachineArn":"arn:x:stateMachine:m/TestMap","Status":"SUCCEEDED","StopDate":"2025-02-04T01:49:50.163Z"}"#;
    const FAILURE: &str = r#"{"Cause":"\"why\"","Error":"E","ExecutionArn":"arn:x:execution:m/TestMap:n","Input":"{\"a\":1}","InputDetails":{"Included":true},"Name":"n","OutputDetails":{"Included":true},"RedriveCount":0,"RedriveStatus":"REDRIVABLE_BY_MAP_RUN","StartDate":"2025-02-04T01:49:50.099Z","StateMachineArn":"arn:x:stateMachine:m/TestMap","Status":"TIMED_OUT","StopDate":"2025-02-04T01:49:50.163Z"}"#;
    const NOT_STARTED: &str = r#"{"Input":"{\"a\":1}","InputDetails":{"Included":true},"Status":"PENDING"}"#;

    #[test]
    fn outputs_of_a_state() {
        let check = |transformation, output_type, outputs: &[&str], expect: &str| {
            let mut output = StateOutput::new(WriterConfig { transformation, output_type });
            for given in outputs {
                output.push(&outcome(Status::Succeeded, Some(given))).unwrap();
            }
            assert!(output.bytes() <= expect.len());
            assert_eq!(output.finish(), expect);
        };
        use {OutputType::*, Transformation::*};
        check(None, Json, &["[1]"], &format!("[{SUCCESS}]"));
        check(None, Json, &[], "[]");
        check(Compact, Json, &["[1,2]", "{\"b\":1.0}"], "[[1,2],{\"b\":1.0}]");
        check(Flatten, Json, &["[1,[1.50]]", "\"x\"", "[]"], "[1,[1.50],\"x\"]");
        check(Flatten, Json, &["[]"], "[]");
        check(Flatten, JsonLines, &["[1,\"a\"]"], "\"1\\n\\\"a\\\"\\n\"");
    }

    #[test]
    fn files() {
        let root = std::env::temp_dir().join(format!("objects-results-{}", std::process::id()));
        let check = |prefix: &str, config: WriterConfig, file_bytes_max: usize, expect: &[(&str, &str)]| {
            let bucket = root.join("out");
            std::fs::create_dir_all(&bucket).unwrap();
            let destination =
                Destination { bucket: "out".into(), prefix: prefix.into(), expected_bucket_owner: Option::None };
            let store = Arc::new(Folder::open(&root).unwrap());
            let mut writer = Writer::new(store, destination, config, ARN);
            writer.file_bytes_max = file_bytes_max;
            for (status, output) in [
                (Status::Succeeded, Some("[1]")),
                (Status::TimedOut, Option::None),
                (Status::Succeeded, Some("[1]")),
                (Status::Pending, Option::None),
            ] {
                writer.push(&outcome(status, output)).unwrap();
            }
            let answer: Value = serde_json::from_str(&writer.finish().unwrap()).unwrap();
            assert_eq!(answer["MapRunArn"], ARN);
            assert_eq!(answer["ResultWriterDetails"]["Bucket"], "out");
            let manifest = expect.last().unwrap();
            assert_eq!(answer["ResultWriterDetails"]["Key"], manifest.0);
            for (key, text) in expect {
                assert_eq!(std::fs::read_to_string(bucket.join(key)).unwrap(), *text, "{key}");
            }
            std::fs::remove_dir_all(&root).unwrap();
        };
        let manifest = |folder: &str, sizes: [(&str, &[usize]); 3], ending: &str| {
            let kinds = sizes.map(|(name, sizes)| {
                let files = sizes.iter().enumerate();
                let files =
                    files.map(|(n, size)| format!("{{\"Key\":\"{folder}{name}_{n}.{ending}\",\"Size\":{size}}}"));
                format!("\"{name}\":[{}]", files.collect::<Vec<_>>().join(","))
            });
            format!("{{\"DestinationBucket\":\"out\",\"MapRunArn\":\"{ARN}\",\"ResultFiles\":{{{}}}}}", kinds.join(","))
        };
        let (s, f, p) = (SUCCESS.len(), FAILURE.len(), NOT_STARTED.len());
        check(
            "mapJobs",
            WriterConfig::default(),
            usize::MAX,
            &[
                ("mapJobs/run-1/SUCCEEDED_0.json", &format!("[{SUCCESS},{SUCCESS}]")),
                ("mapJobs/run-1/FAILED_0.json", &format!("[{FAILURE}]")),
                ("mapJobs/run-1/PENDING_0.json", &format!("[{NOT_STARTED}]")),
                (
                    "mapJobs/run-1/manifest.json",
                    &manifest(
                        "mapJobs/run-1/",
                        [("FAILED", &[f + 2]), ("PENDING", &[p + 2]), ("SUCCEEDED", &[2 * s + 3])],
                        "json",
                    ),
                ),
            ],
        );
        let lines = WriterConfig { transformation: Transformation::Compact, output_type: OutputType::JsonLines };
        check(
            "",
            lines,
            1,
            &[
                ("run-1/SUCCEEDED_0.jsonl", "[1]\n"),
                ("run-1/SUCCEEDED_1.jsonl", "[1]\n"),
                ("run-1/FAILED_0.jsonl", &format!("{FAILURE}\n")),
                (
                    "run-1/manifest.json",
                    &manifest("run-1/", [("FAILED", &[f + 1]), ("PENDING", &[p + 1]), ("SUCCEEDED", &[4, 4])], "jsonl"),
                ),
            ],
        );
    }
}
