//! Identifiers that must be unique, not secret: request ids, revisions, traces.
//!
//! The entropy is that of the standard library's hash maps (keyed by the operating system once per thread), which
//! spares a dependency; nothing that grants access may be made here.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// A UUID of version 4, in its text form.
pub(crate) fn uuid() -> String {
    let [a, b] = [random(), random()];
    let (high, low) = (a & !0xf000 | 0x4000, b & !(0b11 << 62) | (0b10 << 62));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// 32 hexadecimal digits, as at the end of a log stream's name.
pub(crate) fn hex32() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// An X-Ray header for an invocation that brought none.
pub(crate) fn trace(epoch_ms: u64) -> String {
    let root = format!("{:016x}{:08x}", random(), random() >> 32);
    format!("Root=1-{:08x}-{root};Parent={:016x};Sampled=0", epoch_ms / 1000, random())
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
}
