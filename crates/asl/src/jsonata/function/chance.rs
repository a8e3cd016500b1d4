//! Functions of chance: replayable, since the scope says what falls.

use jsonata_core::value::JValue;

use super::super::host::{Host, Outcome};
use super::{at_most, integer, mismatch};

/// Without a seed from the scope's entropy; with one, Java's `Random`, which gives the numbers that AWS gives.
pub(in super::super) fn random(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(1, args, "random")?;
    let drawn = match integer(args, 0, "random")? {
        Some(seed) => Java::new(seed).double(),
        None => host.entropy.borrow().unit(),
    };
    Ok(JValue::Number(drawn))
}

/// Of version 4.
pub(in super::super) fn uuid(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(0, args, "uuid")?;
    let version_4 = (host.entropy.borrow().next() & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000;
    let variant_1 = (host.entropy.borrow().next() & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    Ok(JValue::string(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        version_4 >> 32,
        version_4 >> 16 & 0xFFFF,
        version_4 & 0xFFFF,
        variant_1 >> 48,
        variant_1 & 0xFFFF_FFFF_FFFF
    )))
}

pub(in super::super) fn shuffle(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    at_most(1, args, "shuffle")?;
    match args {
        [JValue::Array(items)] => {
            let mut items = items.to_vec();
            for last in (1..items.len()).rev() {
                let chosen = (host.entropy.borrow().unit() * (last + 1) as f64) as usize;
                items.swap(last, chosen.min(last));
            }
            Ok(JValue::array(items))
        }
        [JValue::Undefined] => Ok(JValue::Undefined),
        [single] => Ok(JValue::array(vec![single.clone()])),
        _ => Err(mismatch(1, "shuffle")),
    }
}

/// The linear congruential generator that `java.util.Random` is specified to be.
struct Java(u64);

impl Java {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const INCREMENT: u64 = 0xB;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> Java {
        Java((seed as u64 ^ Java::MULTIPLIER) & Java::MASK)
    }

    fn bits(&mut self, bits: u32) -> u64 {
        self.0 = self.0.wrapping_mul(Java::MULTIPLIER).wrapping_add(Java::INCREMENT) & Java::MASK;
        self.0 >> (48 - bits)
    }

    fn double(&mut self) -> f64 {
        let high = self.bits(26) << 27;
        (high + self.bits(27)) as f64 / (1u64 << 53) as f64
    }
}
