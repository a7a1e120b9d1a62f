//! The protocol's version and what an end can do beyond it: said by each side in its first message.

use serde::{Deserialize, Serialize};

/// The version of everything in this crate. Raised when an old peer could misunderstand a new one; a new message or a
/// new capability alone does not raise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u16);

impl Version {
    /// What this build speaks.
    pub const CURRENT: Self = Self(1);

    /// Whether the two can talk with each other.
    pub const fn speaks_with(self, other: Self) -> bool {
        self.0 == other.0
    }
}

/// A set of things that an end can do, one bit each. Unknown bits are kept and ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// Receives or sends H.264 in a WebRTC video track.
    pub const H264_TRACK: Self = Self(1);
    /// Draws, or sends, the cursor as its own channel.
    pub const CURSOR: Self = Self(1 << 1);
    /// Transfers files.
    pub const FILES: Self = Self(1 << 2);
    /// Paints, or sends, the picture by updates: [`crate::picture`].
    pub const PICTURE: Self = Self(1 << 3);
    /// Decodes H.264 by WebCodecs, or sends it over a data channel: [`crate::frame`].
    pub const H264_CHANNEL: Self = Self(1 << 4);
    /// Carries clipboards: [`crate::clipboard`].
    pub const CLIPBOARD: Self = Self(1 << 5);
    /// Tells, or shows, facts about the computer: [`crate::facts`].
    pub const FACTS: Self = Self(1 << 6);
    /// Knows that a part of the desktop may be shared, and that control may rest: [`crate::control::ToViewer::Shared`] and
    /// what came with it.
    pub const SCOPE: Self = Self(1 << 7);
    /// Can keep a recording.
    pub const RECORD: Self = Self(1 << 8);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether everything in `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
