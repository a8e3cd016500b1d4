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
const MAX: u64 = 1000;

/// The longest token of a list. Source: the service model, as is the next.
const TOKEN_CHARS_MAX: usize = 1024;
/// The longest token of ListExecutions.
pub const EXECUTIONS_TOKEN_CHARS_MAX: usize = 3096;

/// The members that ask for a page.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    max_results: Option<i64>,
    pub next_token: Option<String>,
}

impl Page {
    /// How many entries may be shown, if both members are as the service model wants them.
    pub fn limit(&self) -> Result<usize, Error> {
        self.limit_with(TOKEN_CHARS_MAX)
    }

    pub fn limit_with(&self, token_chars_max: usize) -> Result<usize, Error> {
        let limit = limit(self.max_results);
        let broken: Vec<String> =
            limit.clone().err().into_iter().chain(self.token_violation(token_chars_max)).collect();
        limit.ok().filter(|_| broken.is_empty()).ok_or_else(|| errors::constraints(&broken))
    }

    fn token_violation(&self, chars_max: usize) -> Option<String> {
        let token = self.next_token.as_deref()?;
        let rule = match token.chars().count() {
            0 => "greater than or equal to 1".to_owned(),
            count if count > chars_max => format!("less than or equal to {chars_max}"),
            _ => return None,
        };
        Some(errors::violation(&format!("'{token}'"), "nextToken", &format!("Member must have length {rule}")))
    }
}

fn limit(max_results: Option<i64>) -> Result<usize, String> {
    let Some(count) = max_results.filter(|count| *count != 0) else { return Ok(DEFAULT) };
    let bound = match u64::try_from(count) {
        Ok(count) if count <= MAX => return Ok(count as usize),
        Ok(_) => "less than or equal to 1000",
        Err(_) => "greater than or equal to 0",
    };
    Err(errors::violation(&format!("'{count}'"), "maxResults", &format!("Member must have value {bound}")))
}

/// "Each pagination token expires after 24 hours." Source: API reference, ListExecutions.
const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

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
        let check = |asked: Option<i64>, expect: Option<usize>| assert_eq!(limit(asked).ok(), expect, "{asked:?}");
        check(None, Some(100));
        check(Some(0), Some(100));
        check(Some(1), Some(1));
        check(Some(1000), Some(1000));
        check(Some(1001), None);
        check(Some(-1), None);
    }

    #[test]
    fn what_breaks_the_model_is_told_at_once() {
        let page = |max_results, token: &str| Page { max_results, next_token: Some(token.to_owned()) };
        assert_eq!(page(Some(7), "t").limit(), Ok(7));
        assert_eq!(page(None, &"t".repeat(1025)).limit_with(EXECUTIONS_TOKEN_CHARS_MAX), Ok(100));
        let told = page(Some(1001), "").limit().unwrap_err().message;
        assert_eq!(
            told,
            "2 validation errors detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value \
             less than or equal to 1000; Value '' at 'nextToken' failed to satisfy constraint: Member must have length \
             greater than or equal to 1"
        );
        let told = page(None, &"t".repeat(1025)).limit().unwrap_err().message;
        assert!(told.starts_with("1 validation error detected: ") && told.ends_with("less than or equal to 1024"));
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
