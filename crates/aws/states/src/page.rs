//! Pages: how many, and where the next one begins.
//!
//! A token is opaque to callers. Inside it is what it continues, so that a token of another list is refused
//! instead of giving nonsense; and when it was given out, because it is good for a day.

use aws_protocol::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use interpreter::Timestamp;
use serde::Deserialize;

use crate::errors;

/// "maxResults: the default is 100 and the maximum allowed page size is 1000. A value of 0 uses the default."
const DEFAULT: usize = 100;

/// "Each pagination token expires after 24 hours." Source: API reference, ListExecutions.
const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// The members that ask for a page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    max_results: Option<i64>,
    pub next_token: Option<String>,
}

impl Page {
    /// How many entries may be shown. The model has refused what is out of bounds.
    pub fn limit(&self) -> usize {
        self.max_results.filter(|count| *count > 0).map_or(DEFAULT, |count| count as usize)
    }
}

/// A token that continues `list` at `place`.
pub fn token(list: &str, place: &str) -> String {
    token_of(engine::now(), list, place)
}

fn token_of(now: Timestamp, list: &str, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{list}\n{place}", now.0))
}

/// The place in a token for `list`.
pub fn place(token: &str, list: &str) -> Result<String, Error> {
    place_at(engine::now(), token, list)
}

fn place_at(now: Timestamp, token: &str, list: &str) -> Result<String, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid_token())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid_token())?;
    let mut lines = text.splitn(3, '\n');
    let given_at = lines.next().and_then(|ms| ms.parse().ok()).unwrap_or(i64::MIN);
    let is_fresh = now.0.saturating_sub(given_at) <= TOKEN_LIFE_MS;
    match (lines.next(), lines.next()) {
        (Some(of), Some(place)) if of == list && is_fresh => Ok(place.to_owned()),
        _ => Err(invalid_token()),
    }
}

/// The number in a token for `list`.
pub fn number(token: &str, list: &str) -> Result<u64, Error> {
    place(token, list)?.parse().map_err(|_| invalid_token())
}

pub fn invalid_token() -> Error {
    errors::invalid_token("Invalid token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let check = |max_results: Option<i64>, expect: usize| {
            assert_eq!(Page { max_results, next_token: None }.limit(), expect, "{max_results:?}");
        };
        check(None, 100);
        check(Some(0), 100);
        check(Some(1), 1);
        check(Some(1000), 1000);
    }

    #[test]
    fn tokens_are_for_one_list() {
        let made = token("executions of m", "7");
        assert_eq!(number(&made, "executions of m").unwrap(), 7);
        assert_eq!(number(&made, "executions of n").unwrap_err().name, "InvalidToken");
        let (at, day) = (Timestamp(7), TOKEN_LIFE_MS);
        let made = token_of(at, "l", "a\nb");
        assert_eq!(place_at(Timestamp(7 + day), &made, "l").unwrap(), "a\nb");
        assert_eq!(place_at(Timestamp(8 + day), &made, "l").unwrap_err().name, "InvalidToken");
        for bad in ["", "x", "!!", "MQ"] {
            assert_eq!(place(bad, "l").unwrap_err().name, "InvalidToken", "{bad}");
        }
    }
}
