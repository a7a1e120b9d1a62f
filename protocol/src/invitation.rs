//! How a second technician comes into a session: by a secret that the first one's tab draws, tells the host over the
//! connection that both have proven, and puts into the fragment of a link. The server never sees it.

use core::fmt;
use core::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

/// Bytes of an [`InvitationSecret`].
pub const SECRET_LEN: usize = 16;

/// Names one invitation of a session, so that the host knows whose proof it is to look at. Drawn at random; no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationId(pub u32);

/// What the invited tab proves that it knows: 128 random bits. It never prints itself.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationSecret([u8; SECRET_LEN]);

impl InvitationSecret {
    /// Wraps fresh bytes of the system's random source.
    pub const fn from_random(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key that is made of them.
    pub const fn expose(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

impl fmt::Debug for InvitationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationSecret(…)")
    }
}

/// One invitation: good for one proof, for a limited time, in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// What opens it.
    pub secret: InvitationSecret,
}

impl Invitation {
    /// As it stands in the fragment of a link: the number, a point, the secret in base64url.
    pub fn to_link(&self) -> String {
        format!("{}.{}", self.id.0, BASE64URL_NOPAD.encode(&self.secret.0))
    }
}

/// A text that is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no invitation: the link was cut off or changed")]
pub struct NoInvitation;

impl FromStr for Invitation {
    type Err = NoInvitation;

    fn from_str(text: &str) -> Result<Self, NoInvitation> {
        let (id, secret) = text.split_once('.').ok_or(NoInvitation)?;
        let id = id.bytes().all(|digit| digit.is_ascii_digit()).then(|| id.parse().ok()).flatten();
        let secret = BASE64URL_NOPAD.decode(secret.as_bytes()).ok();
        let secret = secret.and_then(|bytes| bytes.try_into().ok()).map(InvitationSecret);
        let (id, secret) = id.zip(secret).ok_or(NoInvitation)?;
        Ok(Self { id: InvitationId(id), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written_and_the_secret_is_not_printed() {
        let invitation = Invitation {
            id: InvitationId(4_000_000_000),
            secret: InvitationSecret::from_random([0xfb; SECRET_LEN]),
        };
        let text = invitation.to_link();
        assert_eq!(text, "4000000000.-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(text.parse(), Ok(invitation));
        assert!(!format!("{invitation:?}").contains("251") && format!("{invitation:?}").contains('…'));
        for damaged in
            ["", ".", "1.", "1", &text[1..16], &text[..text.len() - 1], "+1.-_v7-_v7-_v7-_v7-_v7-w"]
        {
            assert_eq!(damaged.parse::<Invitation>(), Err(NoInvitation), "{damaged}");
        }
        assert!(format!("5{text}").parse::<Invitation>().is_err(), "no such number");
    }
}
