//! SHA-256 fingerprints of DTLS certificates (RFC 8122).

use sha2::{Digest, Sha256};
use std::fmt;

/// The SHA-256 hash of a certificate in DER form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn of_certificate(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The first `a=fingerprint:sha-256` of a session description.
    pub(super) fn from_sdp(sdp: &str) -> Option<Self> {
        sdp.lines().find_map(|line| {
            let (algorithm, value) = line.trim().strip_prefix("a=fingerprint:")?.split_once(' ')?;
            algorithm.eq_ignore_ascii_case("sha-256").then(|| parse_hex(value.trim()))?.map(Self)
        })
    }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// `AB:CD:…`, as in SDP.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let fingerprint = Fingerprint::of_certificate(b"certificate");
        let sdp = format!("v=0\r\na=fingerprint:sha-1 AA:BB\r\na=fingerprint:sha-256 {fingerprint}\r\n");
        assert_eq!(Fingerprint::from_sdp(&sdp), Some(fingerprint));
    }

    #[test]
    fn refuses_what_is_not_32_bytes() {
        for value in ["", "AA", "AA:BB", &"AA:".repeat(32), &"AAA:".repeat(32), &vec!["GG"; 32].join(":")] {
            assert_eq!(Fingerprint::from_sdp(&format!("a=fingerprint:sha-256 {value}")), None, "{value}");
        }
        assert!(
            Fingerprint::from_sdp(&format!("a=fingerprint:sha-256 {}", vec!["0a"; 33].join(":"))).is_none()
        );
    }
}
