//! Nonces that the server does not have to remember: each carries its own time, and a MAC over it and the address that
//! it was given to.

use std::net::IpAddr;
use std::time::Duration;

use crate::key::{KeyError, ServerKey, Signer};

/// How long a nonce can be used; a client with an older one is given another (RFC 8656, 5).
const LIFETIME: Duration = Duration::from_hours(1);
/// "Nonce cookie" with the bit for password algorithms (RFC 8489, 9.2 and 18.1).
const COOKIE: &str = "obMatJos2gAAA";
/// Bytes of the MAC: a forged nonce buys nothing without the password, so these need not be many, and the answer that
/// carries them to a stranger stays small.
const MAC: usize = 6;
/// Seconds come around after 194 days, in three bytes.
const AROUND: u64 = 1 << 24;

/// Gives and checks nonces.
pub(super) struct Nonces(Signer);

impl Nonces {
    /// With a key that lives as long as the process.
    pub(super) fn new() -> Result<Self, KeyError> {
        Ok(Self(ServerKey::generate()?.signer("nonce", b"")))
    }

    /// A nonce for this address; `now` in seconds since 1970.
    pub(super) fn give(&self, address: IpAddr, now: u64) -> String {
        let [_, time @ ..] = (now as u32).to_be_bytes();
        let mut bytes = time.to_vec();
        bytes.extend_from_slice(&self.mac(time, address));
        format!("{COOKIE}{}", data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }

    /// Whether it was given to this address and is not too old.
    pub(super) fn check(&self, nonce: &str, address: IpAddr, now: u64) -> bool {
        let Some(bytes) = nonce
            .strip_prefix(COOKIE)
            .and_then(|text| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok())
        else {
            return false;
        };
        let Some((time, mac)) = bytes.split_first_chunk() else { return false };
        let [a, b, c] = *time;
        let age = now.wrapping_sub(u32::from_be_bytes([0, a, b, c]).into()) % AROUND;
        age < LIFETIME.as_secs() && mac == self.mac(*time, address)
    }

    fn mac(&self, time: [u8; 3], address: IpAddr) -> [u8; MAC] {
        let mut payload = time.to_vec();
        match address.to_canonical() {
            IpAddr::V4(address) => payload.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => payload.extend_from_slice(&address.octets()),
        }
        let mut mac = [0; MAC];
        mac.copy_from_slice(&self.0.sign(&payload)[..MAC]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_for_its_address_and_its_hour() {
        let nonces = Nonces::new().unwrap();
        let (here, there): (IpAddr, IpAddr) =
            ("203.0.113.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let nonce = nonces.give(here, 1_000_000);
        assert_eq!(nonce.len(), 25);
        assert!(nonces.check(&nonce, here, 1_000_000));
        assert!(nonces.check(&nonce, "::ffff:203.0.113.1".parse().unwrap(), 1_003_599));
        assert!(!nonces.check(&nonce, here, 1_003_600));
        assert!(!nonces.check(&nonce, here, 999_999));
        assert!(!nonces.check(&nonce, there, 1_000_000));
        // Over the turn of its own clock.
        let late = nonces.give(here, AROUND * 100 - 1);
        assert!(nonces.check(&late, here, AROUND * 100 + 3_598));
        assert!(!nonces.check(&late, here, AROUND * 100 + 3_599));
        assert!(!Nonces::new().unwrap().check(&nonce, here, 1_000_000));
        for text in ["", COOKIE, &nonce[..24], &format!("{nonce}A"), &nonce[13..], "obMatJos2gAAA####"] {
            assert!(!nonces.check(text, here, 1_000_000), "{text}");
        }
    }
}
