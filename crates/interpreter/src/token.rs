//! Task tokens: what somebody outside gives back to say how a task went.
//!
//! A token names its attempt, so that finding it needs no table, and holds a secret that is kept with the attempt, so
//! that knowing one token is no help in making another. It is short and fits into a URL, for links that people open.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::execution::{FrameId, TaskId, WaitId};

/// The form of the token, so that another can be told from it.
const FORM: u8 = 1;
const BYTES: usize = 1 + 8 + 4 + 8 + 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// [`crate::About::key`]
    pub execution: u64,
    pub task: TaskId,
    pub secret: u128,
}

impl Token {
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(FORM);
        bytes.extend(self.execution.to_be_bytes());
        bytes.extend(self.task.frame.0.to_be_bytes());
        bytes.extend(self.task.attempt.0.to_be_bytes());
        bytes.extend(self.secret.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None for what never was a token.
    pub fn decode(text: &str) -> Option<Token> {
        let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (form, rest) = bytes.split_first()?;
        let (execution, rest) = rest.split_first_chunk::<8>()?;
        let (frame, rest) = rest.split_first_chunk::<4>()?;
        let (attempt, rest) = rest.split_first_chunk::<8>()?;
        let (secret, _) = rest.split_first_chunk::<16>()?;
        (*form == FORM).then(|| Token {
            execution: u64::from_be_bytes(*execution),
            task: TaskId { frame: FrameId(u32::from_be_bytes(*frame)), attempt: WaitId(u64::from_be_bytes(*attempt)) },
            secret: u128::from_be_bytes(*secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let task = TaskId { frame: FrameId(7), attempt: WaitId(1 << 40) };
        let token = Token { execution: u64::MAX - 3, task, secret: 5 << 100 };
        assert_eq!(Token::decode(&token.encode()), Some(token));
        for bad in ["", "AQ", "no token", &token.encode()[1..], &format!("{}A", token.encode())] {
            assert_eq!(Token::decode(bad), None, "{bad}");
        }
    }
}
