//! What the two ends show each other to prove that both know the code; the rules are in
//! [`crate::machine::handshake`].

use core::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a [`Share`]: one for the side, 32 for a point of the curve.
pub const SHARE_LEN: usize = 33;

/// What an end contributes to the key exchange; worthless to who only sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share([u8; SHARE_LEN]);

impl Share {
    /// The bytes as they came.
    pub const fn from_bytes(bytes: [u8; SHARE_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes as they go.
    pub const fn as_bytes(&self) -> &[u8; SHARE_LEN] {
        &self.0
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(…)")
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| <[u8; SHARE_LEN]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not a share"))
    }
}

/// One end's proof for one peer connection.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof(pub [u8; 32]);

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}
