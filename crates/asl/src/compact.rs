//! JSON that is handled as text: taken apart and put together without becoming a tree in between.
//!
//! Most of what a saga moves is moved whole: the state's data into a request, an answer into the data. As trees that is
//! parsing, copying, writing and freeing; as text it is a copy of bytes. It gives the same bytes where the text is
//! *compact*: exactly what we would write had we read it. So everything here first asks for that, and a caller to whom
//! [`is_compact`] says no, or a function here says `None`, takes the way by [`serde_json::Value`], which is always right.

/// Deeper texts take the way by value, whose reader has a bound of its own at 128.
const LEVELS_MAX: usize = 100;

/// That no name of an object stands there twice is seen by comparing all of them.
const NAMES_MAX: usize = 64;

/// More digits may not be what we would write.
const DIGITS_MAX: usize = 15;

/// Is this JSON, and would `serde_json` write just these bytes after reading them? No is also said of what is unusual:
/// escapes by number, exponents, numbers of many digits, objects of many members.
pub fn is_compact(text: &str) -> bool {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0, names: Vec::new() };
    scan.value(LEVELS_MAX) && scan.at == text.len()
}

/// The members of a compact object, names and values as they are written; none of anything else.
pub fn members(compact: &str) -> Members<'_> {
    Members { text: compact, at: if compact.starts_with("{\"") { 1 } else { compact.len() } }
}

/// The text of a value in compact text, by the names that lead to it.
pub fn find<'t>(compact: &'t str, path: &[impl AsRef<str>]) -> Option<&'t str> {
    path.iter().try_fold(compact, |text, name| {
        let is_it = |written: &str| written[1..written.len() - 1] == *name.as_ref();
        // Where names are written with escapes, these are not looked through.
        let is_plain = !name.as_ref().bytes().any(|byte| STOPS[usize::from(byte)]);
        members(text).find(|(written, _)| is_plain && is_it(written)).map(|(_, value)| value)
    })
}

/// A compact object with this member, where it is or else at the end. `None` if the text is not an object.
pub fn with_member(compact: &str, name: &str, value: &str) -> Option<String> {
    let inside = compact.strip_prefix('{')?.strip_suffix('}')?;
    let name = serde_json::to_string(name).expect("a text always serialises");
    let mut text = String::with_capacity(compact.len() + name.len() + value.len() + 2);
    match members(compact).find(|(written, _)| *written == name) {
        Some((_, old)) => {
            let from = old.as_ptr().addr() - compact.as_ptr().addr();
            text.extend([&compact[..from], value, &compact[from + old.len()..]]);
        }
        None => {
            let comma = if inside.is_empty() { "" } else { "," };
            text.extend(["{", inside, comma, &name, ":", value, "}"]);
        }
    }
    Some(text)
}

/// See [`members`].
pub struct Members<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Members<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<(&'t str, &'t str)> {
        if self.at >= self.text.len() {
            return None;
        }
        let bytes = self.text.as_bytes();
        let colon = self.at + string_length(&bytes[self.at..]);
        let end = colon + 1 + value_length(&bytes[colon + 1..]);
        let found = (&self.text[self.at..colon], &self.text[colon + 1..end]);
        self.at = if bytes[end] == b',' { end + 1 } else { bytes.len() };
        Some(found)
    }
}

/// Of the text that begins here, quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    loop {
        at += plain_length(&bytes[at..]);
        match bytes[at] {
            b'"' => return at + 1,
            _ => at += 2,
        }
    }
}

/// Of the value that begins here.
fn value_length(bytes: &[u8]) -> usize {
    let (mut at, mut open) = (0, 0usize);
    loop {
        match bytes.get(at) {
            Some(b'"') => at += string_length(&bytes[at..]),
            Some(b'{' | b'[') => (open, at) = (open + 1, at + 1),
            Some(b'}' | b']') if open > 0 => (open, at) = (open - 1, at + 1),
            Some(b',' | b':') if open > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let rest = &bytes[at..];
                at += rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']')).unwrap_or(rest.len());
            }
        }
        if open == 0 {
            return at;
        }
    }
}

/// What ends the plain part of a string: its quote, an escape, what may only stand there escaped.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        stops[byte] = byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize;
        byte += 1;
    }
    stops
};

/// How many bytes of a string are nothing but themselves.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let mut at = 0;
    // Eight at a time: a byte that is to be found has its top bit set here. The lowest that is found is one; those
    // above it may only seem to be.
    while let Some(eight) = bytes[at..].first_chunk() {
        let eight = u64::from_le_bytes(*eight);
        let zero = |it: u64| it.wrapping_sub(ONES) & !it;
        let control = eight.wrapping_sub(ONES * 0x20) & !eight;
        let found = (control | zero(eight ^ (ONES * 0x22)) | zero(eight ^ (ONES * 0x5c))) & TOPS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    bytes[at..].iter().position(|byte| STOPS[usize::from(*byte)]).map_or(bytes.len(), |found| at + found)
}

struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Of the objects that are open, those of the innermost last.
    names: Vec<&'t [u8]>,
}

impl<'t> Scan<'t> {
    fn value(&mut self, levels: usize) -> bool {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string(),
            Some(b'{') => levels > 0 && self.object(levels - 1),
            Some(b'[') => levels > 0 && self.array(levels - 1),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => false,
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let is_there = self.bytes[self.at..].starts_with(word);
        self.at += word.len();
        is_there
    }

    fn string(&mut self) -> bool {
        self.at += 1;
        loop {
            self.at += plain_length(&self.bytes[self.at..]);
            match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(b'"'), _) => {
                    self.at += 1;
                    return true;
                }
                (Some(b'\\'), Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't')) => self.at += 2,
                _ => return false,
            }
        }
    }

    fn array(&mut self, levels: usize) -> bool {
        self.at += 1;
        if self.take(b']') {
            return true;
        }
        while self.value(levels) {
            if !self.take(b',') {
                return self.take(b']');
            }
        }
        false
    }

    fn object(&mut self, levels: usize) -> bool {
        self.at += 1;
        if self.take(b'}') {
            return true;
        }
        let outer = self.names.len();
        while self.name(outer) && self.take(b':') && self.value(levels) {
            if !self.take(b',') {
                self.names.truncate(outer);
                return self.take(b'}');
            }
        }
        false
    }

    /// One that the object does not have yet.
    fn name(&mut self, outer: usize) -> bool {
        let from = self.at;
        if self.bytes.get(from) != Some(&b'"') || !self.string() {
            return false;
        }
        let (name, before) = (&self.bytes[from..self.at], &self.names[outer..]);
        let is_new = before.len() < NAMES_MAX && !before.contains(&name);
        self.names.push(name);
        is_new
    }

    /// Few digits are the shortest that name a number, and so the ones that are written.
    fn number(&mut self) -> bool {
        let is_negative = self.take(b'-');
        let whole = self.digits();
        let begins_with_zero = whole.first() == Some(&b'0');
        if whole.is_empty() || whole.len() > DIGITS_MAX || (begins_with_zero && whole.len() > 1) {
            return false;
        }
        let is_written_so = if self.take(b'.') {
            let fraction = self.digits();
            let is_short = !fraction.is_empty() && whole.len() + fraction.len() <= DIGITS_MAX;
            // What is smaller may be written with an exponent.
            let is_small = begins_with_zero && fraction.first() == Some(&b'0');
            is_short && (fraction == b"0" || (fraction.last() != Some(&b'0') && !is_small))
        } else {
            // A zero with a sign is not a whole number.
            !(begins_with_zero && is_negative)
        };
        is_written_so && !self.is_exponent()
    }

    fn is_exponent(&self) -> bool {
        matches!(self.bytes.get(self.at), Some(b'e' | b'E'))
    }

    fn digits(&mut self) -> &'t [u8] {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        &self.bytes[from..self.at]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn written(text: &str) -> Option<String> {
        serde_json::from_str::<Value>(text).ok().map(|value| value.to_string())
    }

    #[test]
    fn what_is_compact() {
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let wide = |names: usize| {
            let members: Vec<String> = (0..names).map(|name| format!("\"{name}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        let yes = [
            r#"{"a":1,"b":[true,false,null,"x"],"c":{"a":{}},"d":[]}"#.to_owned(),
            r#"[{"a":1},{"a":1}]"#.into(),
            r#"{"a":{"b":1},"b":{"a":1}}"#.into(),
            r#""a \"quoted\" \\ line\n\tof é and 😀""#.into(),
            "0".into(),
            "-1".into(),
            "123456789012345".into(),
            "99.95".into(),
            "-0.5".into(),
            "0.0".into(),
            "10.0".into(),
            "\"\u{7f}\"".into(),
            deep(LEVELS_MAX),
            wide(NAMES_MAX),
        ];
        for text in yes {
            assert!(is_compact(&text), "{text}");
            assert_eq!(written(&text).as_deref(), Some(&*text));
        }
        let no = [
            "",
            " 1",
            "1 ",
            "[1, 2]",
            "{\"a\" :1}",
            "{\"a\":1,}",
            "[1,]",
            "[1",
            "{\"a\":1",
            "{\"a\"}",
            "{1:2}",
            "tru",
            "nul",
            "\"a",
            "\"\\",
            "\"\u{1}\"",
            "\"\\u0041\"",
            "\"\\/\"",
            "\"\\ud83d\"",
            "-",
            "-0",
            "01",
            "1.",
            ".5",
            "1.50",
            "1e3",
            "1.5E3",
            "0.01",
            "12345678901234567890",
            "1234567.123456789",
            "[1]]",
            "{}{}",
            "1]",
            "{\"a\":1,\"a\":2}",
            "{\"a\":{\"b\":1,\"c\":{},\"b\":2}}",
            "NaN",
            "\"a\nb\"",
        ];
        for text in no.into_iter().map(str::to_owned).chain([deep(LEVELS_MAX + 1), wide(NAMES_MAX + 1)]) {
            assert!(!is_compact(&text), "{text}");
        }
    }

    /// Drawn from pieces that meet in every way: what is called compact is what would be written.
    #[test]
    fn compact_is_what_is_written() {
        const PIECES: [&str; 28] = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\"",
            "\"a\":",
            "\"b\":",
            "1",
            "0",
            "-",
            ".",
            "5",
            "e",
            "true",
            "null",
            " ",
            "\"",
            "\\",
            "\\n",
            "\\u0041",
            "é",
            "x",
            "{\"a\":1}",
            "[]",
            "\"long enough text\"",
        ];
        let entropy = crate::scope::Entropy::new(7);
        let (mut compact, mut json) = (0, 0);
        for _ in 0..300_000 {
            let pieces = 1 + entropy.next() % 9;
            let text: String = (0..pieces).map(|_| PIECES[entropy.next() as usize % PIECES.len()]).collect();
            let written = written(&text);
            json += usize::from(written.is_some());
            if is_compact(&text) {
                compact += 1;
                assert_eq!(written.as_deref(), Some(&*text));
            }
        }
        assert!(compact > 1_000 && json > compact, "{compact} of {json}");
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        let entropy = crate::scope::Entropy::new(7);
        let mut compact = 0;
        for _ in 0..200_000 {
            let (digits, scale) = (1 + entropy.next() as u32 % 17, entropy.next() as usize % 18);
            let mut text = (entropy.next() % 10u64.pow(digits)).to_string();
            if scale < text.len() {
                text.insert(text.len() - scale, '.');
            }
            if entropy.next().is_multiple_of(2) {
                text.insert(0, '-');
            }
            if is_compact(&text) {
                compact += 1;
                assert_eq!(written(&text), Some(text));
            }
        }
        assert!(compact > 50_000, "{compact}");
    }

    #[test]
    fn members_and_what_is_found() {
        let text = r#"{"a":{"b\"":[1,{"c":"]}"}],"d":-1.5},"e":"x,y","f":{},"g":[],"h":null}"#;
        assert!(is_compact(text));
        let all: Vec<_> = members(text).collect();
        assert_eq!(
            all,
            [
                ("\"a\"", r#"{"b\"":[1,{"c":"]}"}],"d":-1.5}"#),
                ("\"e\"", "\"x,y\""),
                ("\"f\"", "{}"),
                ("\"g\"", "[]"),
                ("\"h\"", "null")
            ]
        );
        for text in ["{}", "[]", "[{\"a\":1}]", "1", "\"{\""] {
            assert_eq!(members(text).count(), 0, "{text}");
        }
        let check = |path: &[&str], expect: Option<&str>| assert_eq!(find(text, path), expect, "{path:?}");
        check(&[], Some(text));
        check(&["a", "d"], Some("-1.5"));
        check(&["h"], Some("null"));
        check(&["a", "b\""], None);
        check(&["e", "x"], None);
        check(&["g", "0"], None);
        check(&["nope"], None);
    }

    #[test]
    fn a_member_is_put_where_a_map_has_it() {
        for object in ["{}", r#"{"a":1}"#, r#"{"a":[1,2],"b":{"a":3},"c\n":4}"#] {
            for name in ["a", "b", "c\n", "new", ""] {
                let mut value: Value = serde_json::from_str(object).unwrap();
                value[name] = serde_json::json!({ "x": [1] });
                let text = with_member(object, name, r#"{"x":[1]}"#);
                assert_eq!(text, Some(value.to_string()), "{object} {name}");
            }
        }
        assert_eq!(with_member("[]", "a", "1"), None);
        assert_eq!(with_member("\"{}\"", "a", "1"), None);
    }
}
