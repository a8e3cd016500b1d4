//! Placeholders inside recorded strings.
//!
//! `<name>` matches any text that is not empty, the same text wherever it stands in a case. The word `date` may stand
//! for a time that the recording took out, or for itself. Everything else is verbatim.

use std::collections::BTreeMap;

/// What each placeholder of a case has stood for so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokens(BTreeMap<String, String>);

enum Piece<'p> {
    Text(&'p str),
    Token(&'p str),
    Date,
}

const DATE: &str = "date";

/// An ISO-8601 time with offset and nanoseconds has no more bytes.
const TIME_BYTES_MAX: usize = 40;

/// Does the text fit the pattern? What placeholders stand for is kept only if it does.
pub fn fits(pattern: &str, text: &str, tokens: &mut Tokens, is_time: &dyn Fn(&str) -> bool) -> bool {
    fit(&pieces(pattern), text, tokens, is_time)
}

/// Does the pattern hold a placeholder?
pub fn has_token(pattern: &str) -> bool {
    token(pattern).is_some()
}

/// The text with something else in place of each `<name>`.
pub fn without_tokens(mut rest: &str, instead: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    while let Some((from, to)) = token(rest) {
        text.push_str(&rest[..from]);
        text.push_str(&instead(&rest[from + 1..to - 1]));
        rest = &rest[to..];
    }
    text + rest
}

fn pieces(mut rest: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let next = [token(rest), rest.find(DATE).map(|at| (at, at + DATE.len()))].into_iter().flatten().min();
        let Some((from, to)) = next else {
            pieces.push(Piece::Text(rest));
            break;
        };
        if from > 0 {
            pieces.push(Piece::Text(&rest[..from]));
        }
        pieces.push(if rest[from..].starts_with('<') { Piece::Token(&rest[from..to]) } else { Piece::Date });
        rest = &rest[to..];
    }
    pieces
}

/// Where the first `<name>` begins and ends.
fn token(text: &str) -> Option<(usize, usize)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte))
    };
    text.match_indices('<').find_map(|(from, _)| {
        let to = from + text[from..].find('>')?;
        is_name(&text[from + 1..to]).then_some((from, to + 1))
    })
}

fn fit(pieces: &[Piece<'_>], text: &str, tokens: &mut Tokens, is_time: &dyn Fn(&str) -> bool) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    match first {
        Piece::Text(literal) => text.strip_prefix(literal).is_some_and(|text| fit(rest, text, tokens, is_time)),
        Piece::Date => {
            let is_word = text.strip_prefix(DATE).is_some_and(|text| fit(rest, text, tokens, is_time));
            let mut times = ends(text).take(TIME_BYTES_MAX).filter(|end| is_time(&text[..*end]));
            is_word || times.any(|end| fit(rest, &text[end..], tokens, is_time))
        }
        Piece::Token(name) => match tokens.0.get(*name).cloned() {
            Some(known) => text.strip_prefix(&*known).is_some_and(|text| fit(rest, text, tokens, is_time)),
            None => ends(text).filter(|end| may_follow(rest, &text[*end..])).any(|end| {
                tokens.0.insert((*name).to_owned(), text[..end].to_owned());
                let fits = fit(rest, &text[end..], tokens, is_time);
                if !fits {
                    tokens.0.remove(*name);
                }
                fits
            }),
        },
    }
}

/// A quick look ahead, so that not every end of a placeholder is tried in depth.
fn may_follow(pieces: &[Piece<'_>], text: &str) -> bool {
    match pieces.first() {
        Some(Piece::Text(literal)) => text.starts_with(literal),
        Some(_) => true,
        None => text.is_empty(),
    }
}

/// The ends of the prefixes that are not empty.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, char)| at + char.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_match_and_are_remembered() {
        let check = |pairs: &[(&str, &str)], expect: bool| {
            let mut tokens = Tokens::default();
            let is_time = |text: &str| asl::timestamp::parse(text).is_some();
            let found = pairs.iter().all(|(pattern, text)| fits(pattern, text, &mut tokens, &is_time));
            assert_eq!(found, expect, "{pairs:?}");
        };
        check(&[("plain", "plain")], true);
        check(&[("plain", "other")], false);
        check(&[("<a>", "")], false);
        check(&[("arn:<a>:<b>", "arn:x:y:z")], true);
        check(&[("<a>/<a>", "x/x")], true);
        check(&[("<a>/<a>", "x/y")], false);
        check(&[("<a>", "x"), ("<a>:1", "x:1")], true);
        check(&[("<a>", "x"), ("<a>", "y")], false);
        // A placeholder that a recorded task result has brought in stands for itself.
        check(&[("<uuid:1>", "<uuid:1>"), ("id <uuid:1>", "id <uuid:1>")], true);
        check(&[("a < b > c", "a < b > c")], true);
        check(&[("at date.", "at 2024-01-02T03:04:05Z.")], true);
        check(&[("at date.", "at noon.")], false);
        check(&[("updateItem of date", "updateItem of date")], true);
    }

    #[test]
    fn placeholders_can_be_replaced() {
        let text = without_tokens("a<b:1>c < d > <e>", |name| name.to_uppercase());
        assert_eq!(text, "aB:1c < d > E");
    }

    #[test]
    fn a_failed_match_leaves_nothing_behind() {
        let mut tokens = Tokens::default();
        assert!(!fits("<a>-<b>!", "x-y", &mut tokens, &|_| false));
        assert_eq!(tokens, Tokens::default());
    }
}
