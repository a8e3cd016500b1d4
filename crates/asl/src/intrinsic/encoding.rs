//! Intrinsic functions that encode, decode, hash and identify.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use md5::Md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

use super::{Arguments, Problem, expected, string};
use crate::jvm;
use crate::path::Work;
use crate::scope::Scope;

/// AWS's limit for the data of `Base64Encode`, `Base64Decode` and `Hash`.
const CHARACTERS_MAX: usize = 10_000;

type Digester = fn(&[u8]) -> String;

const HASHES: [(&str, Digester); 5] = [
    ("MD5", hex_digest::<Md5>),
    ("SHA-1", hex_digest::<Sha1>),
    ("SHA-256", hex_digest::<Sha256>),
    ("SHA-384", hex_digest::<Sha384>),
    ("SHA-512", hex_digest::<Sha512>),
];

/// Lenient, see [`base64_decode`].
const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

pub(super) fn base64_encode(arguments: &Arguments<'_>, _: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let text = string(arguments, 0)?;
    limit(text)?;
    Ok(Value::String(base64::engine::general_purpose::STANDARD.encode(text)))
}

/// As AWS does it: what is not of the alphabet is skipped, padding may be missing, nothing is read behind it, and
/// bytes that are not UTF-8 become the replacement character.
pub(super) fn base64_decode(arguments: &Arguments<'_>, _: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let text = string(arguments, 0)?;
    limit(text)?;
    let mut digits: Vec<u8> = text.bytes().take_while(|byte| *byte != b'=').filter_map(digit).collect();
    // One digit alone holds no whole byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    let bytes = LENIENT.decode(digits).map_err(|error| Problem::new(format!("not Base64: {error}")))?;
    Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Data other than text is hashed as Java writes it.
pub(super) fn hash(arguments: &Arguments<'_>, _: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let data = match &*arguments[0] {
        Value::Null => return Err(expected(0, "a string", &Value::Null)),
        value => jvm::text(value),
    };
    let wanted = string(arguments, 1)?;
    limit(&data)?;
    let Some((_, digest)) = HASHES.iter().find(|(name, _)| *name == wanted) else {
        let names = HASHES.map(|(name, _)| name).join(", ");
        return Err(Problem::new(format!("there is no algorithm '{wanted}'; there are {names}")));
    };
    Ok(Value::String(digest(data.as_bytes())))
}

/// Version 4, from the entropy of the step.
pub(super) fn uuid(_: &Arguments<'_>, scope: &Scope<'_>, _: &Work) -> Result<Value, Problem> {
    let high = scope.entropy.next();
    let low = scope.entropy.next();
    let version_4 = (high & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000;
    let variant_1 = (low & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    Ok(Value::String(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        version_4 >> 32,
        version_4 >> 16 & 0xFFFF,
        version_4 & 0xFFFF,
        variant_1 >> 48,
        variant_1 & 0xFFFF_FFFF_FFFF
    )))
}

fn limit(text: &str) -> Result<(), Problem> {
    // Bytes are an upper bound of characters: most texts need no count.
    if text.len() > CHARACTERS_MAX && text.chars().count() > CHARACTERS_MAX {
        return Err(Problem::new(format!("the data has more than {CHARACTERS_MAX} characters")));
    }
    Ok(())
}

/// The digit in the standard alphabet; the two of the URL-safe alphabet are taken as well.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => Some(byte),
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        _ => None,
    }
}

fn hex_digest<D: Digest>(data: &[u8]) -> String {
    D::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}
