//! One recorded case, as its file tells it.

use std::fs;
use std::path::{Path, PathBuf};

use asl::MachineType;
use interpreter::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::canonical::without_tokens;

/// Members that are only there to be read, and members of other kinds, are left out.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// `area/file`, without the extension.
    #[serde(skip)]
    pub place: String,
    pub area: String,
    pub kind: String,
    #[serde(rename = "type")]
    pub machine_type: Option<String>,
    #[serde(default)]
    pub recorded: String,
    #[serde(default)]
    pub definition: Value,
    #[serde(default)]
    pub input: Value,
    #[serde(default)]
    pub input_omitted: bool,
    #[serde(default)]
    pub task_results: Vec<Value>,
    #[serde(default)]
    pub task_results_order_uncertain: bool,
    #[serde(default)]
    pub expected: Value,
    pub clock_start: Option<String>,
    #[serde(default)]
    pub recorded_input_masked: bool,
    pub logging: Option<Value>,
    #[serde(default)]
    pub other_state_machines: Vec<OtherMachine>,
    #[serde(default)]
    pub external_calls: Vec<Value>,
    #[serde(default)]
    pub s3_objects: Vec<S3Object>,
    #[serde(default)]
    pub rows: Vec<Row>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// False: the stored answer was not AWS's.
    pub aws: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub struct OtherMachine {
    pub name: String,
    pub definition: Value,
    #[serde(rename = "type")]
    pub machine_type: Option<String>,
}

/// An object that was there before the start.
#[derive(Clone, Debug, Deserialize)]
pub struct S3Object {
    pub bucket: String,
    pub key: String,
    pub body: String,
}

#[derive(Debug, Deserialize)]
pub struct Row {
    pub definition: Value,
    #[serde(default)]
    pub input: Value,
    pub expected: Value,
}

#[derive(Debug, Deserialize)]
pub struct Step {
    pub n: u64,
    pub op: String,
    #[serde(default)]
    pub params: Value,
    /// A recorded null is an answer too.
    #[serde(default, deserialize_with = "present")]
    pub expect: Option<Value>,
    pub expect_error: Option<Value>,
    pub expect_path: Option<String>,
    #[serde(default)]
    pub expect_subset: bool,
    pub http_status: Option<u16>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Stands for an account inside ARNs, where only digits may.
const OTHER_ACCOUNT: &str = "test_aws_account_id";

/// The area whose answers are not AWS's.
const UNVERIFIED: &str = "unverified";

/// Members that AWS has added, by the beginning of their names, and when it announced them.
const ADDED: &[(&str, (u16, u8, u8))] = &[
    ("redrive", (2023, 11, 15)),
    ("failuresNotRedrivable", (2023, 11, 15)),
    ("pendingRedrive", (2023, 11, 15)),
    ("encryptionConfiguration", (2024, 7, 25)),
];

/// When time begins in a case whose day of recording cannot be read: 2024-01-01T00:00:00Z.
const DEFAULT_START: Timestamp = Timestamp(1_704_067_200_000);

impl Case {
    pub fn is_counted(&self) -> bool {
        self.area != UNVERIFIED && self.aws != Some(false)
    }

    pub fn machine_type(&self) -> MachineType {
        machine_type(self.machine_type.as_deref())
    }

    /// When the virtual clock starts: as told, else on the day of the recording.
    pub fn start(&self) -> Timestamp {
        let moment = match &self.clock_start {
            Some(text) => asl::timestamp::parse(text),
            None => self.day().and_then(|(y, m, d)| asl::timestamp::parse(&format!("{y:04}-{m:02}-{d:02}T12:00:00Z"))),
        };
        moment.map_or(DEFAULT_START, Timestamp)
    }

    /// The beginnings of the names of members that AWS has added since the recording.
    pub fn later_members(&self) -> Vec<&'static str> {
        let day = self.day();
        ADDED.iter().filter(|(_, added)| day.is_some_and(|day| day < *added)).map(|(name, _)| *name).collect()
    }

    /// `recorded` is written `27-12-2024, 10:03:33`.
    fn day(&self) -> Option<(u16, u8, u8)> {
        let mut parts = self.recorded.split(',').next()?.split('-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
    }

    /// Strings of the input that the recording has masked.
    pub fn masked(&self) -> Vec<String> {
        let mut strings = Vec::new();
        if self.recorded_input_masked {
            collect_strings(&self.input, &mut strings);
        }
        strings
    }
}

pub fn machine_type(name: Option<&str>) -> MachineType {
    if name == Some("EXPRESS") { MachineType::Express } else { MachineType::Standard }
}

/// The text of a definition: as it is if the test sent what is not JSON.
pub fn definition_text(definition: &Value) -> String {
    named(&definition.as_str().map_or_else(|| definition.to_string(), str::to_owned))
}

/// The text of an input: as AWS shows it, if it does, for it keeps the sender's spelling; else compact.
pub fn input_text(input: &Value, expected: &Value) -> String {
    let started = expected["events"].as_array().into_iter().flatten().find(|event| event["type"] == "ExecutionStarted");
    let shown = started.and_then(|event| event["executionStartedEventDetails"]["input"].as_str());
    let spelling = shown.filter(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| value == *input));
    named(&spelling.map_or_else(|| input.to_string(), str::to_owned))
}

/// What is sent has names where the recording has placeholders.
pub fn named(text: &str) -> String {
    without_tokens(text, |name| name.replace(':', "-"))
}

fn collect_strings(value: &Value, strings: &mut Vec<String>) {
    match value {
        Value::String(text) => strings.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_strings(item, strings)),
        Value::Object(members) => members.values().for_each(|member| collect_strings(member, strings)),
        _ => {}
    }
}

/// All cases of a folder, in the order of their names.
pub fn read_all(folder: &Path) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for area in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&area)?.into_iter().filter(|path| path.extension().is_some_and(|it| it == "json")) {
            cases.push(read(&path, folder)?);
        }
    }
    match cases.is_empty() {
        true => Err(format!("{} holds no cases: it should hold AREA/CASE.json", folder.display())),
        false => Ok(cases),
    }
}

fn read(path: &Path, folder: &Path) -> Result<Case, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?.replace(OTHER_ACCOUNT, "222222222222");
    let mut case: Case = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    case.place = path.strip_prefix(folder).unwrap_or(path).with_extension("").display().to_string();
    Ok(case)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let paths: Result<Vec<PathBuf>, _> =
        fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|it| it.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort();
    Ok(paths)
}
