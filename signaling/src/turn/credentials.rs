//! Credentials of a session, by the REST scheme that coturn has as well (`use-auth-secret`): the name says until when and
//! for whom, the password is its HMAC. Whoever has the secret can check them, and nobody stores them.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nearhand_protocol::id::SessionId;
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::chair::Chair;
use crate::key::ServerKey;

/// What coturn calls `static-auth-secret`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// One that is shared with other servers.
    pub fn shared(text: &str) -> Self {
        Self(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// One that follows from the server's own key, and so lives as long as that.
    pub fn derived(key: &ServerKey) -> Self {
        Self(Zeroizing::new(key.signer("turn", b"").seal(b"").into_bytes()))
    }

    /// The password of this name.
    pub fn password(&self, username: &str) -> String {
        // No length is wrong for HMAC (RFC 2104, 2).
        let mac = Hmac::<Sha1>::new_from_slice(&self.0).map(|mac| mac.chain_update(username.as_bytes()));
        mac.map(|mac| BASE64.encode(&mac.finalize().into_bytes())).unwrap_or_default()
    }
}

/// What a name claims; true only if the password fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Until when it may be used, in seconds since 1970.
    pub until: u64,
    /// The session that it is for.
    pub session: SessionId,
    /// Which end.
    pub chair: Chair,
}

impl Claim {
    /// Longest name that is read, in bytes: ten digits, a UUID, a chair.
    const MAX_LEN: usize = 80;

    /// The claim that a name makes, if it is one of ours.
    pub fn parse(username: &str) -> Option<Self> {
        if username.len() > Self::MAX_LEN {
            return None;
        }
        let mut parts = username.splitn(3, ':');
        let until = parts.next()?.parse().ok()?;
        let session = parts.next()?.parse().ok()?;
        let chair = parts.next()?.parse().ok()?;
        let claim = Self { until, session, chair };
        // One way to write each: no `+1`, no upper case, no braces.
        (claim.to_string() == username).then_some(claim)
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.until, self.session, self.chair)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_claim_is_written_in_one_way_only() {
        let claim =
            Claim { until: 1_900_000_000, session: SessionId::new(Uuid::from_u128(7)), chair: Chair::Host };
        let text = claim.to_string();
        assert_eq!(text, "1900000000:00000000000000000000000000000007:host");
        assert_eq!(Claim::parse(&text), Some(claim));
        let guest = Claim { chair: Chair::Guest(nearhand_protocol::id::GuestId(u32::MAX)), ..claim };
        assert_eq!(Claim::parse(&guest.to_string()), Some(guest));
        for wrong in [
            "",
            "1900000000",
            "1900000000:00000000000000000000000000000007",
            "1900000000:00000000000000000000000000000007:hosts",
            "1900000000:00000000000000000000000000000007:host:",
            "1900000000:00000000000000000000000000000007:guest-",
            "1900000000:00000000000000000000000000000007:guest-07",
            "1900000000:00000000000000000000000000000007:guest-4294967296",
            "+1900000000:00000000000000000000000000000007:host",
            "01900000000:00000000000000000000000000000007:host",
            "1900000000:00000000-0000-0000-0000-000000000007:host",
            "1900000000:{00000000000000000000000000000007}:host",
            "99999999999999999999999:00000000000000000000000000000007:host",
            &format!("{text}{}", "x".repeat(1000)),
        ] {
            assert_eq!(Claim::parse(wrong), None, "{wrong}");
        }
    }

    /// As `openssl dgst -sha1 -hmac north -binary | base64` has it.
    #[test]
    fn the_password_is_the_one_that_coturn_computes() {
        let secret = Secret::shared("north");
        assert_eq!(secret.password("1433895918:ninefingers"), "jy8hTxmOO7UtEKXqSkSlvakPVYA=");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_derived_secret_is_the_keys_own() {
        let (key, other) = (ServerKey::generate().unwrap(), ServerKey::generate().unwrap());
        assert_eq!(Secret::derived(&key).password("a"), Secret::derived(&key).password("a"));
        assert_ne!(Secret::derived(&key).password("a"), Secret::derived(&other).password("a"));
    }
}
