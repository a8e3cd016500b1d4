//! What an `ItemReader` asks for, read from its evaluated JSON.

use serde_json::{Map, Value};

use crate::limits::ITEMS_MAX;
use crate::{Address, Error, Listing};

/// The `Resource` of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    GetObject,
    ListObjectsV2,
}

impl Action {
    /// From `arn:aws:states:::s3:getObject` and its like, in any partition.
    pub fn of_resource(resource: &str) -> Option<Action> {
        let (_, rest) = resource.strip_prefix("arn:")?.split_once(":states:::")?;
        match rest.strip_prefix("aws-sdk:").unwrap_or(rest) {
            "s3:getObject" => Some(Action::GetObject),
            "s3:listObjectsV2" => Some(Action::ListObjectsV2),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputType {
    Csv,
    Json,
    JsonLines,
    Parquet,
    Manifest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transformation {
    /// The entries of a listing.
    #[default]
    None,
    /// What is in the listed objects.
    LoadAndFlatten,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestType {
    S3Inventory,
    AthenaData,
}

/// Where the names of a CSV's columns come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Headers {
    FirstRow,
    Given(Vec<String>),
}

/// How the bytes of one object become items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// An array's elements or an object's members; of the whole text, or where the JSON pointer points.
    Json {
        pointer: String,
    },
    JsonLines,
    Csv {
        delimiter: u8,
        headers: Headers,
    },
}

/// `ReaderConfig`, evaluated: `MaxItems` is the value of `MaxItemsPath` where that was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderConfig {
    pub input_type: Option<InputType>,
    pub transformation: Transformation,
    pub manifest_type: Option<ManifestType>,
    /// A comma if not given.
    pub csv_delimiter: Option<u8>,
    pub csv_headers: Option<Headers>,
    pub items_pointer: String,
    /// 0 is no limit (recorded).
    pub max_items: u64,
}

const INPUT_TYPES: &[(&str, InputType)] = &[
    ("CSV", InputType::Csv),
    ("JSON", InputType::Json),
    ("JSONL", InputType::JsonLines),
    ("PARQUET", InputType::Parquet),
    ("MANIFEST", InputType::Manifest),
];
const TRANSFORMATIONS: &[(&str, Transformation)] =
    &[("NONE", Transformation::None), ("LOAD_AND_FLATTEN", Transformation::LoadAndFlatten)];
const MANIFEST_TYPES: &[(&str, ManifestType)] =
    &[("S3_INVENTORY", ManifestType::S3Inventory), ("ATHENA_DATA", ManifestType::AthenaData)];
const DELIMITERS: &[(&str, u8)] =
    &[("COMMA", b','), ("PIPE", b'|'), ("SEMICOLON", b';'), ("SPACE", b' '), ("TAB", b'\t')];
const HEADER_LOCATIONS: &[(&str, bool)] = &[("FIRST_ROW", false), ("GIVEN", true)];

impl ReaderConfig {
    /// From the JSON of `ReaderConfig`; a listing needs none, which is `{}`.
    pub fn parse(value: &Value) -> Result<ReaderConfig, Error> {
        let Value::Object(fields) = value else {
            return Err(Error::configuration("ReaderConfig must be an object"));
        };
        let mut config = ReaderConfig::default();
        let mut given = None;
        let mut names = None;
        for (field, value) in fields {
            match field.as_str() {
                "InputType" => config.input_type = Some(one_of(field, value, INPUT_TYPES)?),
                "Transformation" => config.transformation = one_of(field, value, TRANSFORMATIONS)?,
                "ManifestType" => config.manifest_type = Some(one_of(field, value, MANIFEST_TYPES)?),
                "CSVDelimiter" => config.csv_delimiter = Some(one_of(field, value, DELIMITERS)?),
                "CSVHeaderLocation" => given = Some(one_of(field, value, HEADER_LOCATIONS)?),
                "CSVHeaders" => names = Some(strings(field, value)?),
                "ItemsPointer" => config.items_pointer = text(field, value)?.to_owned(),
                "MaxItems" => config.max_items = max_items(value)?,
                _ => return Err(Error::configuration(format!("ReaderConfig has no field {field}"))),
            }
        }
        config.csv_headers = match (given, names) {
            (Some(true), None) => {
                return Err(Error::configuration("CSVHeaders must be given when CSVHeaderLocation is GIVEN"));
            }
            (Some(true), Some(names)) => Some(Headers::Given(names)),
            (Some(false), _) => Some(Headers::FirstRow),
            (None, _) => None,
        };
        Ok(config)
    }

    pub(crate) fn limit(&self) -> u64 {
        if self.max_items == 0 { ITEMS_MAX } else { self.max_items.min(ITEMS_MAX) }
    }

    /// The manifest that the object is, if it is one.
    pub(crate) fn manifest(&self) -> Result<Option<ManifestType>, Error> {
        match (self.input_type, self.manifest_type) {
            (Some(InputType::Manifest), None) | (None, Some(ManifestType::S3Inventory)) => {
                Ok(Some(ManifestType::S3Inventory))
            }
            // The guide forbids InputType beside S3_INVENTORY; MANIFEST says the same, so no harm is done.
            (Some(InputType::Manifest), Some(ManifestType::S3Inventory)) => Ok(Some(ManifestType::S3Inventory)),
            (Some(_), Some(ManifestType::S3Inventory)) => {
                Err(Error::configuration("an S3_INVENTORY manifest is always CSV: leave InputType out"))
            }
            (Some(InputType::Csv | InputType::JsonLines | InputType::Parquet), Some(ManifestType::AthenaData)) => {
                Ok(Some(ManifestType::AthenaData))
            }
            (_, Some(ManifestType::AthenaData)) => {
                Err(Error::configuration("an ATHENA_DATA manifest needs the InputType CSV, JSONL or PARQUET"))
            }
            (_, None) => Ok(None),
        }
    }

    pub(crate) fn delimiter(&self) -> u8 {
        self.csv_delimiter.unwrap_or(b',')
    }

    pub(crate) fn format(&self) -> Result<Format, Error> {
        match self.input_type {
            Some(InputType::Json) => Ok(Format::Json { pointer: self.items_pointer.clone() }),
            Some(InputType::JsonLines) => Ok(Format::JsonLines),
            Some(InputType::Csv) => match &self.csv_headers {
                Some(headers) => Ok(Format::Csv { delimiter: self.delimiter(), headers: headers.clone() }),
                None => Err(Error::configuration("CSVHeaderLocation must be given when InputType is CSV")),
            },
            Some(InputType::Parquet) => {
                Err(Error::configuration("PARQUET is not read here: convert the file to CSV, JSON or JSONL"))
            }
            Some(InputType::Manifest) => Err(Error::configuration("a MANIFEST is read with s3:getObject only")),
            None => Err(Error::configuration("ReaderConfig needs an InputType")),
        }
    }
}

/// The words for what is not positive are AWS's (recorded).
fn max_items(value: &Value) -> Result<u64, Error> {
    match value.as_f64() {
        Some(number) if number < 0.0 => Err(Error::configuration("field MaxItems must be positive")),
        Some(number) if number.fract() == 0.0 => Ok(number as u64),
        _ => Err(Error::configuration(format!("field MaxItems must be an integer, but is {value}"))),
    }
}

/// Where `s3:getObject` reads.
pub(crate) fn address(arguments: &Value) -> Result<Address, Error> {
    let fields = object(arguments)?;
    let mut address = Address::default();
    for (field, value) in fields {
        match field.as_str() {
            "Bucket" => address.bucket = text(field, value)?.to_owned(),
            "Key" => address.key = text(field, value)?.to_owned(),
            "VersionId" => address.version_id = Some(text(field, value)?.to_owned()),
            "ExpectedBucketOwner" => address.expected_bucket_owner = Some(text(field, value)?.to_owned()),
            _ => {
                return Err(Error::configuration(format!("{field} is not an argument of the ItemReader s3:getObject")));
            }
        }
    }
    if address.bucket.is_empty() || address.key.is_empty() {
        return Err(Error::configuration("the ItemReader s3:getObject needs a Bucket and a Key"));
    }
    Ok(address)
}

/// What `s3:listObjectsV2` lists.
pub(crate) fn listing(arguments: &Value) -> Result<Listing, Error> {
    let fields = object(arguments)?;
    let mut listing = Listing::default();
    for (field, value) in fields {
        match field.as_str() {
            "Bucket" => listing.bucket = text(field, value)?.to_owned(),
            "Prefix" => listing.prefix = text(field, value)?.to_owned(),
            "StartAfter" => listing.start_after = text(field, value)?.to_owned(),
            "ExpectedBucketOwner" => listing.expected_bucket_owner = Some(text(field, value)?.to_owned()),
            // They change how S3 answers, not which objects there are: all pages are read (observed).
            "MaxKeys" | "EncodingType" | "FetchOwner" | "RequestPayer" => {}
            _ => {
                return Err(Error::configuration(format!(
                    "{field} is not an argument of the ItemReader s3:listObjectsV2"
                )));
            }
        }
    }
    if listing.bucket.is_empty() {
        return Err(Error::configuration("the ItemReader s3:listObjectsV2 needs a Bucket"));
    }
    Ok(listing)
}

fn object(arguments: &Value) -> Result<&Map<String, Value>, Error> {
    arguments.as_object().ok_or_else(|| Error::configuration("the ItemReader's arguments must be an object"))
}

fn text<'v>(field: &str, value: &'v Value) -> Result<&'v str, Error> {
    value.as_str().ok_or_else(|| Error::configuration(format!("{field} must be a string, but is {value}")))
}

fn strings(field: &str, value: &Value) -> Result<Vec<String>, Error> {
    let items = value.as_array().ok_or_else(|| Error::configuration(format!("{field} must be an array of strings")))?;
    items.iter().map(|item| text(field, item).map(str::to_owned)).collect()
}

fn one_of<T: Copy>(field: &str, value: &Value, table: &[(&str, T)]) -> Result<T, Error> {
    let found = table.iter().find(|(name, _)| value == name).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        Error::configuration(format!("{field} must be one of {}, but is {value}", names.join(", ")))
    })
}
