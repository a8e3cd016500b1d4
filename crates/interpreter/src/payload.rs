//! JSON that travels: shared bytes, looked into only when somebody needs to.
//!
//! A payload is made either from text (an input, a task's answer) or from a value (what an expression built);
//! the other form is made once, on demand. A clone shares both. The output of a state *is* the input of the
//! next, so most payloads of a transition are the same allocation, and a record stores them once: while a
//! [`Table`] is in use (see [`Table::encode`]), serialising a payload writes its index in that table.
//!
//! Where the text is compact ([`asl::compact`]) a payload is made of others without anybody reading them:
//! [`Payload::spliced`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use asl::compact;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::limits::PAYLOAD_DEPTH_MAX;

#[derive(Clone)]
pub struct Payload(Arc<Inner>);

#[derive(Default)]
struct Inner {
    text: OnceLock<Box<str>>,
    value: OnceLock<Value>,
    /// Of the text, found out when it is first asked for: a payload goes through many states.
    is_compact: OnceLock<bool>,
    brackets: OnceLock<u32>,
    depth: OnceLock<u32>,
}

impl Payload {
    /// From text that is known to be JSON, or none.
    pub fn parse(text: &str) -> Result<Payload, serde_json::Error> {
        if compact::is_compact(text) {
            return Ok(Payload::from_compact_text(text));
        }
        let value: Value = serde_json::from_str(text)?;
        Ok(Payload::of(Inner {
            text: OnceLock::from(Box::from(text)),
            value: OnceLock::from(value),
            is_compact: OnceLock::from(false),
            ..Inner::default()
        }))
    }

    /// From text that was checked before, for instance because we wrote it. [`Payload::value`] panics on what is
    /// not JSON.
    pub fn from_checked_text(text: impl Into<Box<str>>) -> Payload {
        Payload::of(Inner { text: OnceLock::from(text.into()), ..Inner::default() })
    }

    /// From text that [`asl::compact`] has found to be so, or has made of such.
    pub fn from_compact_text(text: impl Into<Box<str>>) -> Payload {
        let (text, is_compact) = (OnceLock::from(text.into()), OnceLock::from(true));
        Payload::of(Inner { text, is_compact, ..Inner::default() })
    }

    pub fn from_value(value: Value) -> Payload {
        let (value, is_compact) = (OnceLock::from(value), OnceLock::from(true));
        Payload::of(Inner { value, is_compact, ..Inner::default() })
    }

    fn of(inner: Inner) -> Payload {
        Payload(Arc::new(inner))
    }

    /// A JSON array of these, their texts unchanged.
    pub fn array<'p>(items: impl Iterator<Item = &'p Payload>) -> Payload {
        let mut text = String::from("[");
        for (index, item) in items.enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(item.text());
        }
        text.push(']');
        Payload::from_checked_text(text)
    }

    /// Is the text what we would write? Then it may be taken apart by [`asl::compact`].
    pub fn is_compact(&self) -> bool {
        *self.0.is_compact.get_or_init(|| compact::is_compact(self.text()))
    }

    /// What `splice` makes of the text, which is compact and gives compact text. None where that is not possible: then the
    /// way by the value tells what comes of it.
    pub fn spliced(&self, splice: impl FnOnce(&str) -> Option<String>) -> Option<Payload> {
        let text = if self.is_compact() { splice(self.text()) } else { None };
        // INVARIANT: a text that is nested deeper than can be read does not come from here.
        text.map(Payload::from_compact_text).filter(|made| !made.is_deeper_than(PAYLOAD_DEPTH_MAX))
    }

    pub fn text(&self) -> &str {
        self.0.text.get_or_init(|| {
            let value = self.0.value.get().expect("a payload has a text or a value");
            // Not `to_string` of `Display`: that goes through the formatter, piece by piece.
            serde_json::to_string(value).expect("a JSON value always serialises").into_boxed_str()
        })
    }

    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| {
            let text = self.0.text.get().expect("a payload has a text or a value");
            serde_json::from_str(text).expect("payload text is checked to be JSON where it enters")
        })
    }

    /// The value, to be changed: taken out when nobody else holds this payload, else a copy. The text stays, so
    /// the payload is what it was.
    pub fn take_value(&mut self) -> Value {
        self.value();
        self.text();
        let taken = Arc::get_mut(&mut self.0).and_then(|inner| inner.value.take());
        taken.unwrap_or_else(|| self.value().clone())
    }

    /// Length of the text in UTF-8 bytes: what AWS's payload quota counts.
    pub fn size(&self) -> usize {
        self.text().len()
    }

    /// Are objects and arrays nested in the text deeper than this?
    pub fn is_deeper_than(&self, levels: usize) -> bool {
        // Few texts have so many brackets at all, and counting them is quick.
        let brackets = self.0.brackets.get_or_init(|| opening_brackets(self.text()) as u32);
        *brackets as usize > levels && *self.0.depth.get_or_init(|| self.depth() as u32) as usize > levels
    }

    /// How deep objects and arrays are nested in the text.
    fn depth(&self) -> usize {
        let (mut depth, mut deepest) = (0usize, 0);
        let mut bytes = self.text().bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'[' | b'{' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                // Brackets inside a string are text. The escaped byte is passed over, be it a quote or not.
                b'"' => {
                    while let Some(byte) = bytes.next() {
                        match byte {
                            b'"' => break,
                            b'\\' => drop(bytes.next()),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        deepest
    }

    /// Are these the same allocation? (Equal payloads need not be.)
    pub fn is(&self, other: &Payload) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn is_parsed(&self) -> bool {
        self.0.value.get().is_some()
    }

    /// Drops the parsed form when nobody else holds this payload: a waiting execution costs its bytes only.
    pub fn settle(&mut self) {
        self.text();
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.value.take();
        }
    }
}

/// Inside strings too. In pieces short enough for a byte to hold the sum, which the compiler turns into vector code.
fn opening_brackets(text: &str) -> usize {
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte | 0x20 == b'{')).sum::<u8>();
    text.as_bytes().chunks(u8::MAX.into()).map(|piece| usize::from(count(piece))).sum()
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.is(other) || self.text() == other.text()
    }
}

/// The payloads of one record, each once.
#[derive(Default)]
pub struct Table {
    /// Most records have a handful, which a tree finds without hashing.
    index: BTreeMap<*const Inner, u32>,
    payloads: Vec<Payload>,
}

thread_local! {
    static IN_USE: RefCell<Option<Table>> = const { RefCell::new(None) };
}

impl Table {
    pub fn of(payloads: Vec<Payload>) -> Table {
        Table { index: BTreeMap::new(), payloads }
    }

    /// Runs `write`; every payload that is serialised meanwhile is entered here and written as its index.
    pub fn encode<R>(self, write: impl FnOnce() -> R) -> (Table, R) {
        self.in_use(write)
    }

    /// Runs `read`; every payload that is deserialised meanwhile is an index into this table.
    pub fn decode<R>(self, read: impl FnOnce() -> R) -> R {
        self.in_use(read).1
    }

    pub fn payloads(&self) -> &[Payload] {
        &self.payloads
    }

    fn in_use<R>(self, work: impl FnOnce() -> R) -> (Table, R) {
        /// Takes the table away even when `work` panics, so that the thread's next record starts clean.
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                IN_USE.take();
            }
        }
        assert!(IN_USE.replace(Some(self)).is_none(), "payload tables do not nest");
        let guard = Guard;
        let result = work();
        let table = IN_USE.take().expect("the table stays in use until its work is done");
        drop(guard);
        (table, result)
    }

    fn enter(&mut self, payload: &Payload) -> u32 {
        *self.index.entry(Arc::as_ptr(&payload.0)).or_insert_with(|| {
            self.payloads.push(payload.clone());
            self.payloads.len() as u32 - 1
        })
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = IN_USE.with_borrow_mut(|table| table.as_mut().map(|table| table.enter(self)));
        match index {
            Some(index) => serializer.serialize_u32(index),
            None => serializer.serialize_str(self.text()),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        if !IN_USE.with_borrow(Option::is_some) {
            return Ok(Payload::from_checked_text(String::deserialize(deserializer)?));
        }
        let index = u32::deserialize(deserializer)? as usize;
        IN_USE
            .with_borrow(|table| table.as_ref().and_then(|table| table.payloads.get(index).cloned()))
            .ok_or_else(|| serde::de::Error::custom(format!("payload {index} is not in the record's table")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_keep_the_texts_of_their_items() {
        let item = Payload::parse("[1, 2]").unwrap();
        assert_eq!(Payload::array([&item, &item].into_iter()).text(), "[[1, 2],[1, 2]]");
        assert_eq!(Payload::array([].into_iter()).text(), "[]");
    }

    #[test]
    fn depths() {
        let check = |text: &str, expect: usize| {
            let payload = Payload::from_checked_text(text);
            assert_eq!(payload.depth(), expect, "{text}");
            assert!(!payload.is_deeper_than(expect) && (expect == 0 || payload.is_deeper_than(expect - 1)), "{text}");
        };
        check("1", 0);
        check("[]", 1);
        check(r#"{"a":[1,{"b":2}],"c":[]}"#, 3);
        check(r#""[[[""#, 0);
        check(r#"["\"[[[", "\\"]"#, 1);
    }

    #[test]
    fn what_is_spliced() {
        let check = |payload: Payload, expect: Option<&str>| {
            let made = payload.spliced(|text| Some(format!("[{text}]")));
            assert_eq!(made.as_ref().map(Payload::text), expect);
            if let Some(made) = made {
                assert_eq!(made.value(), &serde_json::json!([payload.value()]));
            }
        };
        check(Payload::parse("{\"a\":1}").unwrap(), Some("[{\"a\":1}]"));
        check(Payload::parse("{\"a\": 1}").unwrap(), None);
        check(Payload::from_checked_text("[1, 2]"), None);
        check(Payload::from_checked_text("[1,2]"), Some("[[1,2]]"));
        check(Payload::from_value(serde_json::json!({ "a": 1e300 })), Some("[{\"a\":1e+300}]"));
        let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(Payload::from_value(nested(PAYLOAD_DEPTH_MAX - 1)).spliced(|text| Some(format!("[{text}]"))).is_some());
        check(Payload::from_value(nested(PAYLOAD_DEPTH_MAX)), None);
    }

    #[test]
    fn a_value_is_taken_from_a_payload_that_stays_what_it_is() {
        let mut alone = Payload::from_value(serde_json::json!({ "a": 1 }));
        let mut shared = Payload::parse("[2]").unwrap();
        let other = shared.clone();
        assert_eq!(
            (alone.take_value().to_string(), shared.take_value().to_string()),
            ("{\"a\":1}".into(), "[2]".into())
        );
        assert_eq!((alone.text(), alone.value().to_string()), ("{\"a\":1}", "{\"a\":1}".into()));
        assert!(shared.is(&other) && other.text() == "[2]");
    }

    #[test]
    fn a_table_holds_each_payload_once() {
        let one = Payload::from_value(Value::from(1));
        let other = Payload::from_value(Value::from(1));
        let both = vec![one.clone(), other.clone(), one.clone()];
        let (table, text) = Table::default().encode(|| serde_json::to_string(&both).unwrap());
        assert_eq!(text, "[0,1,0]");
        assert_eq!(table.payloads().len(), 2);
        let read: Vec<Payload> = table.decode(|| serde_json::from_str(&text).unwrap());
        assert_eq!(read, both);
        assert!(read[0].is(&read[2]) && !read[0].is(&read[1]));
    }

    #[test]
    fn an_unknown_index_is_an_error_and_leaves_no_table_behind() {
        let read = Table::of(vec![]).decode(|| serde_json::from_str::<Payload>("7"));
        assert!(read.is_err());
        assert_eq!(serde_json::to_string(&Payload::from_value(Value::Null)).unwrap(), "\"null\"");
    }
}
