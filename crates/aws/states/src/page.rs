//! Pages: how many, and where the next one begins.
//!
//! A token is opaque to callers. Inside it is what it continues, so that a token of another list is refused
//! instead of giving nonsense.

use aws_protocol::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::errors;

/// "maxResults: the default is 100 and the maximum allowed page size is 1000. A value of 0 uses the default."
const DEFAULT: usize = 100;
const MAX: u64 = 1000;

pub fn limit(max_results: Option<i64>) -> Result<usize, Error> {
    match max_results {
        None | Some(0) => Ok(DEFAULT),
        Some(count) => match u64::try_from(count) {
            Ok(count) if count <= MAX => Ok(count as usize),
            Ok(_) => Err(errors::constraint(
                &format!("'{count}'"),
                "maxResults",
                "Member must have value less than or equal to 1000",
            )),
            Err(_) => Err(errors::constraint(
                &format!("'{count}'"),
                "maxResults",
                "Member must have value greater than or equal to 0",
            )),
        },
    }
}

/// A token that continues `list` at `place`.
pub fn token(list: &str, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1\n{list}\n{place}"))
}

/// The place in a token for `list`.
pub fn place(token: &str, list: &str) -> Result<String, Error> {
    let refused = || errors::invalid_token("The nextToken is not one that this list has given out");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
    let text = String::from_utf8(bytes).map_err(|_| refused())?;
    let mut lines = text.splitn(3, '\n');
    match (lines.next(), lines.next(), lines.next()) {
        (Some("1"), Some(of), Some(place)) if of == list => Ok(place.to_owned()),
        _ => Err(refused()),
    }
}

/// The number in a token for `list`.
pub fn number(token: &str, list: &str) -> Result<u64, Error> {
    let refused = || errors::invalid_token("The nextToken is not one that this list has given out");
    place(token, list)?.parse().map_err(|_| refused())
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
    fn tokens_are_for_one_list() {
        let made = token("executions of m", "7");
        assert_eq!(number(&made, "executions of m").unwrap(), 7);
        assert_eq!(number(&made, "executions of n").unwrap_err().name, "InvalidToken");
        for bad in ["", "x", "!!", "MQ"] {
            assert_eq!(place(bad, "l").unwrap_err().name, "InvalidToken", "{bad}");
        }
    }
}
