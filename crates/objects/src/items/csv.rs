//! Items of delimited text: a row becomes an object of strings, named by the columns' headers.
//!
//! The rules are AWS's, from *How Step Functions parses input CSV files* and recorded runs. They differ from RFC 4180:
//!
//! | text | becomes |
//! |---|---|
//! | fewer fields than headers | empty strings |
//! | more fields than headers | the rest is skipped |
//! | `""` in any field that has begun, quoted or not | `"` |
//! | `\\`, `\"`, `\` and the delimiter | the character after the backslash |
//! | `\` before anything else | nothing |
//! | a quote within an unquoted field | stays, and the delimiter is text up to the next one |
//! | a line of nothing | a row of empty strings |
//! | a header twice | its last column |

use std::sync::Arc;

use super::config::Headers;
use super::input::Input;
use super::{Item, quoted};
use crate::Error;
use crate::limits::{CSV_HEADER_BYTES_MAX, ITEM_BYTES_MAX};

pub(super) struct Rows {
    records: Records,
    /// For each column that is kept: its place in a record and its header as JSON.
    columns: Vec<(usize, String)>,
    record: Record,
}

impl Rows {
    pub fn new(input: Input, delimiter: u8, headers: &Headers) -> Result<Rows, Error> {
        let mut records = Records { input, delimiter };
        let names = match headers {
            Headers::Given(names) => names.clone(),
            Headers::FirstRow => records.header()?,
        };
        let bytes: usize = names.iter().map(String::len).sum();
        if bytes > CSV_HEADER_BYTES_MAX {
            let reason = format!("its header has more than the {CSV_HEADER_BYTES_MAX} bytes that one may have");
            return Err(records.input.broken(reason));
        }
        let is_last = |at: usize| !names[at + 1..].contains(&names[at]);
        let columns = (0..names.len()).filter(|at| is_last(*at)).map(|at| (at, quoted(&names[at]))).collect();
        Ok(Rows { records, columns, record: Record { text: Vec::new(), ends: Vec::new(), fields_max: names.len() } })
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        if !self.records.read(&mut self.record, ITEM_BYTES_MAX)? {
            return Ok(None);
        }
        let mut value = String::from("{");
        for (index, (at, name)) in self.columns.iter().enumerate() {
            if index > 0 {
                value.push(',');
            }
            value.push_str(name);
            value.push(':');
            value.push_str(&quoted(self.records.text(&self.record, *at)?));
        }
        value.push('}');
        Ok(Some(Item { key: None, value, source: Arc::clone(&self.records.input.source) }))
    }
}

impl Iterator for Rows {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Result<Item, Error>> {
        self.item().transpose()
    }
}

/// The first fields of a record, one after the other.
struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Further fields are skipped: memory is for what is kept.
    fields_max: usize,
}

impl Record {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn push(&mut self, byte: u8) {
        if self.ends.len() < self.fields_max {
            self.text.push(byte);
        }
    }

    fn end_field(&mut self) {
        if self.ends.len() < self.fields_max {
            self.ends.push(self.text.len());
        }
    }

    /// The bytes of the field that is being read.
    fn open_field(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
}

struct Records {
    input: Input,
    delimiter: u8,
}

/// Where one is within a field.
#[derive(Default)]
struct Field {
    is_quoted: bool,
    /// Has it text, or does a quote stand open? Then two quotes are one that is meant.
    has_begun: bool,
    /// Has anything of it been read at all?
    is_any: bool,
}

impl Records {
    /// Reads the next record; `false` at the end. A quoted field may go over lines, which then end with `\n`.
    fn read(&mut self, record: &mut Record, bytes_max: usize) -> Result<bool, Error> {
        record.clear();
        if self.input.peek()?.is_none() {
            return Ok(false);
        }
        let first_line = self.input.line;
        let mut field = Field::default();
        let mut length = 0;
        loop {
            length += 1;
            if length > bytes_max {
                let reason = format!("the record in line {first_line} has more than {bytes_max} bytes");
                return Err(self.input.broken(reason));
            }
            match self.input.next()? {
                None if field.is_quoted => {
                    let reason = format!("a quoted field of the record in line {first_line} has no end");
                    return Err(self.input.broken(reason));
                }
                None => break,
                Some(byte @ (b'\n' | b'\r')) => {
                    if byte == b'\r' && self.input.peek()? == Some(b'\n') {
                        self.input.next()?;
                    }
                    if !field.is_quoted {
                        break;
                    }
                    record.push(b'\n');
                }
                Some(b'\\') => self.escaped(record, &mut field)?,
                Some(b'"') => self.quote(record, &mut field)?,
                Some(byte) if byte == self.delimiter && !field.is_quoted => {
                    record.end_field();
                    field = Field::default();
                    continue;
                }
                Some(byte) => {
                    record.push(byte);
                    field.has_begun = true;
                }
            }
            field.is_any = true;
        }
        record.end_field();
        Ok(true)
    }

    fn escaped(&mut self, record: &mut Record, field: &mut Field) -> Result<(), Error> {
        if let Some(byte) = self.input.peek()?
            && (byte == b'\\' || byte == b'"' || byte == self.delimiter)
        {
            self.input.next()?;
            record.push(byte);
            field.has_begun = true;
        }
        Ok(())
    }

    fn quote(&mut self, record: &mut Record, field: &mut Field) -> Result<(), Error> {
        let next = self.input.peek()?;
        if next == Some(b'"') && (field.is_quoted || field.has_begun) {
            self.input.next()?;
            record.push(b'"');
            return Ok(());
        }
        let is_within = field.is_any && !matches!(next, None | Some(b'\n' | b'\r')) && next != Some(self.delimiter);
        if is_within {
            let from = record.open_field();
            if record.text[from..].iter().all(u8::is_ascii_whitespace) && !field.is_quoted {
                // White space before an opening quote is no part of the field.
                record.text.truncate(from);
            } else {
                record.push(b'"');
            }
        }
        field.is_quoted = !field.is_quoted;
        field.has_begun = !field.has_begun;
        Ok(())
    }

    /// A field of the record, empty if it has none there.
    fn text<'r>(&self, record: &'r Record, at: usize) -> Result<&'r str, Error> {
        let Some(end) = record.ends.get(at) else { return Ok("") };
        let start = if at == 0 { 0 } else { record.ends[at - 1] };
        std::str::from_utf8(&record.text[start..*end]).map_err(|_| {
            self.input.broken(format!("the record that ends before line {} is not UTF-8", self.input.line))
        })
    }

    fn header(&mut self) -> Result<Vec<String>, Error> {
        let mut record = Record { text: Vec::new(), ends: Vec::new(), fields_max: CSV_HEADER_BYTES_MAX };
        // What the record needs beside the names is less than twice as much.
        if !self.read(&mut record, 2 * CSV_HEADER_BYTES_MAX)? {
            return Err(self.input.broken("it is empty, but its first row should be the header"));
        }
        (0..record.ends.len()).map(|at| self.text(&record, at).map(str::to_owned)).collect()
    }
}

/// The first field of each record: the one that says where, in a list of places.
pub(super) struct FirstFields {
    records: Records,
    record: Record,
}

impl FirstFields {
    pub fn new(input: Input) -> FirstFields {
        let record = Record { text: Vec::new(), ends: Vec::new(), fields_max: 1 };
        FirstFields { records: Records { input, delimiter: b',' }, record }
    }
}

impl Iterator for FirstFields {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Result<String, Error>> {
        match self.records.read(&mut self.record, ITEM_BYTES_MAX) {
            Ok(false) => None,
            Ok(true) => Some(self.records.text(&self.record, 0).map(str::to_owned)),
            Err(error) => Some(Err(error)),
        }
    }
}
