//! The only codec: how a message of a data channel becomes bytes, and what is refused on the way back.
//!
//! The encoding is [postcard](https://postcard.jamesmunns.com/wire-format): little-endian base-128 integers, enums by
//! the index of their variant. So variants and fields are only ever added at the end, and the golden files in
//! `tests/golden/` hold every message to its bytes. Messages of the signaling WebSocket are JSON: [`crate::signal`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than this topic allows; nothing was parsed or allocated.
    #[error("a message of {len} bytes is over this topic's limit of {limit}")]
    TooLarge {
        /// Length of the message, in bytes.
        len: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Not the encoding of a message that this version knows.
    #[error("a message that this version does not understand")]
    Malformed,
    /// A message, and more bytes behind it.
    #[error("a message with {0} bytes too many behind it")]
    TrailingBytes(usize),
    /// Well-formed, but with a value that is out of its bounds.
    #[error("a message whose {0} is out of bounds")]
    OutOfBounds(&'static str),
}

/// A message that travels on a data channel.
pub trait Message: Serialize {
    /// Longest encoding, in bytes.
    const MAX: usize;

    /// Checks the bounds that the types alone can't express.
    fn check(&self) -> Result<(), WireError> {
        Ok(())
    }
}

/// A message as bytes. It fails only where the message itself breaks its limits.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, WireError> {
    message.check()?;
    let bytes = postcard::to_stdvec(message).map_err(|_| WireError::Malformed)?;
    within::<M>(bytes.len())?;
    Ok(bytes)
}

/// A message from bytes of the peer.
pub fn decode<M: Message + DeserializeOwned>(bytes: &[u8]) -> Result<M, WireError> {
    decode_borrowed(bytes)
}

/// As [`decode`], for messages that borrow their payload from the bytes.
pub fn decode_borrowed<'a, M: Message + Deserialize<'a>>(bytes: &'a [u8]) -> Result<M, WireError> {
    within::<M>(bytes.len())?;
    let (message, rest) = postcard::take_from_bytes::<M>(bytes).map_err(|_| WireError::Malformed)?;
    if !rest.is_empty() {
        return Err(WireError::TrailingBytes(rest.len()));
    }
    message.check()?;
    Ok(message)
}

fn within<M: Message>(len: usize) -> Result<(), WireError> {
    if len > M::MAX { Err(WireError::TooLarge { len, limit: M::MAX }) } else { Ok(()) }
}

/// For [`Message::check`]: `Ok` where `holds`, else the name of what is out of bounds.
pub(crate) const fn bounds(holds: bool, what: &'static str) -> Result<(), WireError> {
    if holds { Ok(()) } else { Err(WireError::OutOfBounds(what)) }
}
