//! What only a distributed Map has: its Label, ItemReader, ItemBatcher and ResultWriter.
//!
//! Source: "Using Map state in Distributed mode", AWS Step Functions Developer Guide, and the pages on its fields.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::definition::{Count, Distributed, ItemBatcher, ItemReader, ResultWriter, Settings};

use super::fields::Fields;
use super::language::Language;
use super::query::Moment;
use super::report::{Problem, Read, Refused};
use super::schema;
use super::state::{Here, Parser};

/// The fields of a Map state that an inline Map has not. (Tolerated failures mean nothing to one, and do no harm.)
pub(crate) const FIELDS: &[&str] = &["Label", "ItemReader", "ItemBatcher", "ResultWriter"];

/// "Label ... can't exceed 40 characters in length." Source: "Using Map state in Distributed mode".
const LABEL_CHARS_MAX: usize = 40;
/// What a label must not hold. Source: the same page.
const NOT_IN_LABELS: &[char] =
    &['?', '*', '<', '>', '{', '}', '[', ']', ':', ';', ',', '\\', '|', '^', '~', '$', '#', '%', '&', '`', '"'];

const READERS: &[&str] = &["s3:getObject", "s3:listObjectsV2"];
const WRITERS: &[&str] = &["s3:putObject"];

const READER: &[&str] = &["Resource", "ReaderConfig", "Parameters", "Arguments"];
const READER_CONFIG: &[&str] = &[
    "InputType",
    "Transformation",
    "CSVHeaderLocation",
    "CSVHeaders",
    "CSVDelimiter",
    "ManifestType",
    "ItemsPointer",
    "MaxItems",
    "MaxItemsPath",
];
const BATCHER: &[&str] =
    &["MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", "BatchInput"];
const WRITER: &[&str] = &["Resource", "Parameters", "Arguments", "WriterConfig"];
const WRITER_CONFIG: &[&str] = &["OutputType", "Transformation"];

/// Words that a setting may have, where it is not an expression.
const WORDS: &[(&str, &[&str])] = &[
    ("InputType", &["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"]),
    ("CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]),
    ("CSVDelimiter", &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"]),
    ("ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]),
    ("OutputType", &["JSON", "JSONL"]),
];
const READER_TRANSFORMATIONS: &[&str] = &["NONE", "LOAD_AND_FLATTEN"];
const WRITER_TRANSFORMATIONS: &[&str] = &["NONE", "COMPACT", "FLATTEN"];

pub(crate) fn parse(p: &mut Parser<'_>, here: &Here<'_>, is_express: bool) -> Read<Distributed> {
    let label = label(p, here);
    let reader = reader(p, here);
    let batcher = batcher(p, here);
    let writer = writer(p, here);
    Ok(Distributed { label: label?, is_express, reader: reader?, batcher: batcher?, writer: writer? })
}

fn label(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<Arc<str>>> {
    const NAME: &str = "Label";
    let Some(label) = here.fields.string(NAME, p.report)? else { return Ok(None) };
    let is_bad = |char: char| char.is_whitespace() || char.is_control() || NOT_IN_LABELS.contains(&char);
    if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX || label.contains(is_bad) {
        let help = format!(
            "at most {LABEL_CHARS_MAX} characters, without white space, wildcards, brackets and special characters"
        );
        let problem = Problem::schema(&here.fields.at.key(NAME), "Value is not a valid label").help(help);
        return Err(p.report.add(problem));
    }
    Ok(Some(label.into()))
}

/// An object inside the state, with its fields checked.
fn object<'f>(p: &mut Parser<'_>, outer: &'f Fields<'f>, name: &'f str, known: &[&str]) -> Read<Option<Fields<'f>>> {
    let Some(value) = outer.get(name) else { return Ok(None) };
    let fields = Fields::of(value, outer.at.key(name), p.report)?;
    schema::check(&fields, known, p.report);
    Ok(Some(fields))
}

fn reader(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<ItemReader>> {
    let Some(fields) = object(p, &here.fields, "ItemReader", READER)? else { return Ok(None) };
    let required = fields.require(&["Resource"], p.report);
    let resource = resource(p, &fields, READERS);
    let parameters = parameters(p, here, &fields);
    let (config, max_items) = match object(p, &fields, "ReaderConfig", READER_CONFIG)? {
        None => (Ok(Settings::Fixed(Map::new())), Ok(None)),
        Some(config) => (
            settings(p, here, &config, &["MaxItems", "MaxItemsPath"], READER_TRANSFORMATIONS),
            // Zero is all items, as recorded.
            count(p, here, &config, "MaxItems", "MaxItemsPath", 0),
        ),
    };
    required?;
    let resource = resource?.ok_or(Refused)?;
    Ok(Some(ItemReader { resource, parameters: parameters?, config: config?, max_items: max_items? }))
}

fn batcher(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<ItemBatcher>> {
    let Some(fields) = object(p, &here.fields, "ItemBatcher", BATCHER)? else { return Ok(None) };
    let max_items = count(p, here, &fields, "MaxItemsPerBatch", "MaxItemsPerBatchPath", 1);
    let max_bytes = count(p, here, &fields, "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", 1);
    let batch_input = fields.query("BatchInput", here.language, Moment::Before, p.report);
    let (max_items, max_bytes) = (max_items?, max_bytes?);
    if max_items.is_none() && max_bytes.is_none() {
        let message = "This object should have at least one of the following fields: [MaxItemsPerBatch, MaxItemsPerBatchPath, MaxInputBytesPerBatch, MaxInputBytesPerBatchPath]";
        return Err(p.report.add(Problem::schema(&fields.at, message)));
    }
    Ok(Some(ItemBatcher { max_items, max_bytes, batch_input: batch_input? }))
}

fn writer(p: &mut Parser<'_>, here: &Here<'_>) -> Read<Option<ResultWriter>> {
    let Some(fields) = object(p, &here.fields, "ResultWriter", WRITER)? else { return Ok(None) };
    let resource = resource(p, &fields, WRITERS);
    let parameters = parameters(p, here, &fields);
    let config = match object(p, &fields, "WriterConfig", WRITER_CONFIG)? {
        None => Ok(Settings::Fixed(Map::new())),
        Some(config) => settings(p, here, &config, &[], WRITER_TRANSFORMATIONS),
    };
    Ok(Some(ResultWriter { resource: resource?, parameters: parameters?, config: config? }))
}

fn resource(p: &mut Parser<'_>, fields: &Fields<'_>, known: &[&str]) -> Read<Option<Arc<str>>> {
    let Some(text) = fields.string("Resource", p.report)? else { return Ok(None) };
    let action = text.strip_prefix("arn:").and_then(|rest| rest.split_once(":states:::")).map(|(_, action)| action);
    match action {
        Some(action) if known.contains(&action) => Ok(Some(text.into())),
        _ => {
            let help = format!("write arn:aws:states:::{}", known.join(" or arn:aws:states:::"));
            Err(p
                .report
                .add(Problem::schema(&fields.at.key("Resource"), "Value is not a valid resource ARN").help(help)))
        }
    }
}

/// `Parameters`, in JSONata `Arguments`.
fn parameters(p: &mut Parser<'_>, here: &Here<'_>, fields: &Fields<'_>) -> Read<Option<crate::definition::Query>> {
    let name = if here.language == Language::Jsonata { "Arguments" } else { "Parameters" };
    fields.query(name, here.language, Moment::Before, p.report)
}

fn settings(
    p: &mut Parser<'_>,
    here: &Here<'_>,
    fields: &Fields<'_>,
    but: &[&str],
    transformations: &[&str],
) -> Read<Settings> {
    let mut result = Ok(());
    for (name, words) in WORDS.iter().copied().chain([("Transformation", transformations)]) {
        let is_expression = fields.get(name).and_then(Value::as_str).is_some_and(|text| text.starts_with("{%"));
        if !(is_expression && here.language == Language::Jsonata) {
            result = result.and(fields.word(name, words, p.report).map(drop));
        }
    }
    result?;
    let rest: Map<String, Value> = fields
        .object
        .iter()
        .filter(|(name, _)| !but.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if here.language == Language::JsonPath {
        return Ok(Settings::Fixed(rest));
    }
    let rest = Value::Object(rest);
    let pointer = fields.at.pointer();
    let template =
        crate::jsonata::Template::parse(&rest, &pointer, Moment::Before.available(), &mut p.report.diagnostics);
    template.map(Settings::Jsonata).ok_or(Refused)
}

/// A number, or the path or expression that gives it.
fn count(
    p: &mut Parser<'_>,
    here: &Here<'_>,
    fields: &Fields<'_>,
    name: &str,
    path_name: &str,
    min: u64,
) -> Read<Option<Count>> {
    if here.language == Language::Jsonata {
        if let Some(expression) = fields.expression(name, Moment::Before, p.report)? {
            return Ok(Some(Count::Jsonata(expression)));
        }
        return Ok(fields.integer(name, min, u64::MAX, p.report)?.map(Count::Fixed));
    }
    fields.at_most_one(&[name, path_name], p.report)?;
    let path = fields.path(path_name, p.report)?;
    let fixed = fields.integer(name, min, u64::MAX, p.report)?;
    Ok(path.map(Count::Path).or(fixed.map(Count::Fixed)))
}
