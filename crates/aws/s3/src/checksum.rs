//! The checksums that clients send with a body, and that it is held against.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The headers of the checksums that are computed.
pub const HEADERS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// A cyclic redundancy check whose bits are reflected, which begins and ends with all bits turned.
#[derive(Clone, Copy)]
struct Crc {
    table: &'static [u64; 256],
    bits: u32,
}

const CRC32: [u64; 256] = table(0xedb8_8320);
const CRC32C: [u64; 256] = table(0x82f6_3b78);
const CRC64NVME: [u64; 256] = table(0x9a6c_9329_ac4b_c9b5);
static TABLES: [[u64; 256]; 3] = [CRC32, CRC32C, CRC64NVME];

const fn table(polynomial: u64) -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ polynomial } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

impl Crc {
    fn all(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    fn update(self, value: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(value, |value, byte| self.table[(value as u8 ^ byte) as usize] ^ value >> 8)
    }
}

enum State {
    Crc(Crc, u64),
    Sha1(Sha1),
    Sha256(Sha256),
}

/// One checksum, as its body goes by.
pub struct Checksum {
    pub header: &'static str,
    state: State,
}

impl Checksum {
    /// By its header, or by the name of its algorithm: `CRC32`.
    pub fn find(name: &str) -> Option<Checksum> {
        let name = name.to_ascii_lowercase();
        let header = HEADERS.into_iter().find(|header| *header == name || header["x-amz-checksum-".len()..] == name)?;
        let crc = |table: usize, bits: u32| {
            let crc = Crc { table: &TABLES[table], bits };
            State::Crc(crc, crc.all())
        };
        let state = match header {
            "x-amz-checksum-crc32" => crc(0, 32),
            "x-amz-checksum-crc32c" => crc(1, 32),
            "x-amz-checksum-crc64nvme" => crc(2, 64),
            "x-amz-checksum-sha1" => State::Sha1(Sha1::new()),
            _ => State::Sha256(Sha256::new()),
        };
        Some(Checksum { header, state })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(crc, value) => *value = crc.update(*value, bytes),
            State::Sha1(sha) => sha.update(bytes),
            State::Sha256(sha) => sha.update(bytes),
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self.state {
            State::Crc(crc, value) => (value ^ crc.all()).to_be_bytes()[8 - crc.bits as usize / 8..].to_vec(),
            State::Sha1(sha) => sha.finalize().to_vec(),
            State::Sha256(sha) => sha.finalize().to_vec(),
        }
    }

    /// As it stands in its header.
    pub fn finish(self) -> String {
        STANDARD.encode(self.bytes())
    }

    pub fn hex(self) -> String {
        aws_client::sigv4::hex(&self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the text that the catalogue of parametrised CRC algorithms checks with, and of nothing.
    #[test]
    fn checksums() {
        let check = |name: &str, text: &str, expect: &str| {
            let mut sum = Checksum::find(name).unwrap();
            text.as_bytes().chunks(4).for_each(|bytes| sum.update(bytes));
            assert_eq!(sum.hex(), expect, "{name} {text}");
        };
        check("CRC32", "123456789", "cbf43926");
        check("x-amz-checksum-crc32c", "123456789", "e3069283");
        check("CRC64NVME", "123456789", "ae8b14860a799888");
        check("SHA1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check("SHA256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check("CRC32", "", "00000000");
        assert!(Checksum::find("MD5").is_none());
    }
}
