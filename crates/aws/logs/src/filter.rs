//! Filter patterns over unstructured messages: terms that must be there, may be there, or must not.
//!
//! | pattern | matches messages with |
//! |---|---|
//! | (empty) | anything |
//! | `ERROR timeout` | both terms |
//! | `"in quotes"` | the phrase |
//! | `?ERROR ?WARN` | one of the terms |
//! | `ERROR -retried` | the one and not the other |
//!
//! Patterns over JSON (`{ … }`), over columns (`[ … ]`) and regular expressions (`% … %`) are refused.
//!
//! Source: "Filter pattern syntax", Amazon CloudWatch Logs User Guide.

/// The longest pattern. Source: the service model.
const PATTERN_CHARS_MAX: usize = 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filter {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Filter {
    /// The reason, if the pattern is refused.
    pub fn parse(pattern: &str) -> Result<Filter, String> {
        let pattern = pattern.trim();
        if pattern.chars().count() > PATTERN_CHARS_MAX {
            return Err(format!("it is longer than {PATTERN_CHARS_MAX} characters"));
        }
        if let Some(what) = [("{", "JSON"), ("[", "columns"), ("%", "regular expressions")]
            .iter()
            .find_map(|(start, what)| pattern.starts_with(start).then_some(what))
        {
            return Err(format!("Ithaca does not serve patterns over {what}: give terms that the message holds"));
        }
        let mut filter = Filter::default();
        let mut rest = pattern;
        while !rest.is_empty() {
            let (list, term) = match rest.as_bytes()[0] {
                b'?' => (&mut filter.any, &rest[1..]),
                b'-' => (&mut filter.none, &rest[1..]),
                _ => (&mut filter.all, rest),
            };
            let (term, after) = term_of(term)?;
            list.push(term);
            rest = after.trim_start();
        }
        Ok(filter)
    }

    pub fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        // One of the optional terms is needed only when nothing else is.
        let has_any = self.any.is_empty() || !self.all.is_empty() || self.any.iter().any(has);
        has_any && self.all.iter().all(has) && !self.none.iter().any(has)
    }
}

/// The first term, without its quotes, and what follows it.
fn term_of(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (term, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        return if term.is_empty() { Err("a term is missing".to_owned()) } else { Ok((term.to_owned(), rest)) };
    };
    let mut term = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((term, &quoted[at + 1..])),
            '\\' => term.extend(chars.next().map(|(_, c)| c)),
            c => term.push(c),
        }
    }
    Err("a quotation mark is missing at the end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, matching: &[&str], others: &[&str]| {
            let filter = Filter::parse(pattern).unwrap();
            for (messages, expect) in [(matching, true), (others, false)] {
                for message in messages {
                    assert_eq!(filter.matches(message), expect, "{pattern:?} {message:?}");
                }
            }
        };
        check("", &["", "anything"], &[]);
        check("ERROR", &["an ERROR"], &["an error", ""]);
        check("a  b", &["b a"], &["a", "b"]);
        check("?a ?b", &["a", "b"], &["c"]);
        check("a -b", &["a"], &["ab", "c"]);
        check(r#""a b" c"#, &["c a b"], &["a c b"]);
        check(r#""say \"x\"""#, &[r#"say "x""#], &["say x"]);
        check(r#"-"a b""#, &["ab"], &["a b"]);
        check("\u{e9}", &["\u{e9}t\u{e9}"], &["ete"]);
    }

    #[test]
    fn what_is_refused() {
        for (pattern, why) in [
            (r#"{ $.type = "x" }"#, "JSON"),
            ("[a, b]", "columns"),
            ("%x%", "regular expressions"),
            (r#""open"#, "quotation mark"),
            ("a ?", "term is missing"),
            (&"x".repeat(1025), "longer"),
        ] {
            let refused = Filter::parse(pattern).unwrap_err();
            assert!(refused.contains(why), "{pattern}: {refused}");
        }
    }
}
