//! Chat lines. They pass between the two ends only; the server never sees one.

use serde::{Deserialize, Serialize};

use crate::wire::{Message, WireError, bounds};

/// Longest chat line, in bytes of UTF-8.
pub const MAX_TEXT: usize = 8 * 1024;

/// What goes over the chat channel, either way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChatMessage {
    /// A line.
    Line {
        /// Counts this sender's lines, from 1; repeated after a reconnection, so that the receiver drops doubles.
        number: u32,
        /// When the sender wrote it, in milliseconds since the Unix epoch.
        written_at_ms: u64,
        /// The text, as typed: plain text, never markup.
        text: String,
    },
    /// The line with this number, and all before it, were shown.
    Seen {
        /// The number of the line.
        number: u32,
    },
}

impl core::fmt::Debug for ChatMessage {
    /// A chat line never enters a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Line { number, text, .. } => write!(f, "Line {{ number: {number}, {} bytes }}", text.len()),
            Self::Seen { number } => write!(f, "Seen {{ number: {number} }}"),
        }
    }
}

impl Message for ChatMessage {
    const MAX: usize = MAX_TEXT + 32;

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Line { text, .. } => bounds(!text.is_empty() && text.len() <= MAX_TEXT, "chat text"),
            Self::Seen { .. } => Ok(()),
        }
    }
}
