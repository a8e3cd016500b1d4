//! Identifiers that must be unique, not secret: request ids, revisions, traces.
//!
//! The entropy is that of the standard library's hash maps (keyed by the operating system once per thread), which
//! spares a dependency; nothing that grants access may be made here.
//!
//! Every invocation has two of them, so their digits are written without the formatter.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// A UUID of version 4, in its text form.
pub(crate) fn uuid() -> String {
    let [a, b] = [random(), random()];
    let (high, low) = (a & !0xf000 | 0x4000, b & !(0b11 << 62) | (0b10 << 62));
    let mut text = String::with_capacity(36);
    for (number, digits) in [(high >> 32, 8), (high >> 16, 4), (high, 4), (low >> 48, 4), (low, 12)] {
        if !text.is_empty() {
            text.push('-');
        }
        push_hex(&mut text, number, digits);
    }
    text
}

/// From 0 to below 1.
pub(crate) fn chance() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

/// 32 hexadecimal digits, as at the end of a log stream's name.
pub(crate) fn hex32() -> String {
    let mut text = String::with_capacity(32);
    push_hex(&mut text, random(), 16);
    push_hex(&mut text, random(), 16);
    text
}

/// An X-Ray header for an invocation that brought none.
pub(crate) fn trace(epoch_ms: u64) -> String {
    let mut text = String::with_capacity(74);
    text.push_str("Root=1-");
    push_hex(&mut text, epoch_ms / 1000, 8);
    text.push('-');
    push_hex(&mut text, random(), 16);
    push_hex(&mut text, random(), 8);
    text.push_str(";Parent=");
    push_hex(&mut text, random(), 16);
    text.push_str(";Sampled=0");
    text
}

/// The last so many digits of a number.
fn push_hex(text: &mut String, number: u64, digits: u32) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.extend((0..digits).rev().map(|at| char::from(DIGITS[(number >> (4 * at) & 0xf) as usize])));
}

fn random() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    thread_local!(static KEYS: RandomState = RandomState::new());
    // The counter is shared, so that two threads never hash the same number even if their keys were related.
    KEYS.with(|keys| keys.hash_one(COUNTER.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_well_formed_and_differ() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| uuid()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(parts.iter().map(|p| p.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        }
    }

    #[test]
    fn digits() {
        let check = |number: u64, digits: u32, expect: &str| {
            let mut text = String::new();
            push_hex(&mut text, number, digits);
            assert_eq!(text, expect);
        };
        check(0, 4, "0000");
        check(0x0123_4567_89ab_cdef, 16, "0123456789abcdef");
        check(0x0123_4567_89ab_cdef, 4, "cdef");
        let trace = trace(0x6553_f100 * 1000);
        assert!(trace.starts_with("Root=1-6553f100-") && trace.ends_with(";Sampled=0"), "{trace}");
        assert_eq!((trace.len(), hex32().len()), (74, 32));
    }
}
