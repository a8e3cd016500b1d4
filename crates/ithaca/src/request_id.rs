//! The id that every answer carries: a UUID, unique and not secret.
//!
//! The entropy is that of the standard library's hash maps, which the operating system keys once per thread: no call of
//! the system per request.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// The value of a header.
pub fn new() -> HeaderValue {
    HeaderValue::try_from(text()).expect("hexadecimal digits and hyphens make a valid header")
}

/// A UUID of version 4.
pub fn text() -> String {
    let (high, low) = (random() & !0xf000 | 0x4000, random() & !(0b11 << 62) | (0b10 << 62));
    let [first, second, third] = [high >> 32, high >> 16 & 0xffff, high & 0xffff];
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

fn random() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    thread_local!(static KEYS: RandomState = RandomState::new());
    KEYS.with(|keys| keys.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_well_formed_and_differ() {
        let ids: std::collections::HashSet<HeaderValue> = (0..1000).map(|_| new()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let parts: Vec<&str> = id.to_str().unwrap().split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{parts:?}");
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{parts:?}");
        }
    }
}
