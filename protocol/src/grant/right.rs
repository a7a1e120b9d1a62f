//! One thing that a technician may be allowed to do, and sets of such things.

use core::fmt;

use serde::{Deserialize, Serialize};

/// One thing that a technician may be allowed to do. Each is its own yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See the screen.
    View,
    /// Move the pointer, click and type.
    Control,
    /// Send files to the customer.
    FilesIn,
    /// Receive files from the customer.
    FilesOut,
    /// Put something into the customer's clipboard.
    ClipboardIn,
    /// Learn that the customer copied something, and fetch it.
    ClipboardOut,
    /// Get what is known of the customer's computer, once for each yes.
    Facts,
    /// Keep a recording.
    Record,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::Control,
        Self::FilesIn,
        Self::FilesOut,
        Self::ClipboardIn,
        Self::ClipboardOut,
        Self::Facts,
        Self::Record,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The stable name, as on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
            Self::FilesIn => "files-in",
            Self::FilesOut => "files-out",
            Self::ClipboardIn => "clipboard-in",
            Self::ClipboardOut => "clipboard-out",
            Self::Facts => "facts",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::str::FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        Self::ALL.into_iter().find(|right| right.as_str() == text).ok_or(UnknownRight)
    }
}

/// A name that is no right's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such right; there are view, control, files-in, files-out, clipboard-in, clipboard-out, facts and record"
)]
pub struct UnknownRight;

/// A set of rights. Bits that this version does not know are dropped on receipt: an unknown right is no right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub struct Rights(u16);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// The set with this one right.
    pub const fn only(right: Right) -> Self {
        Self(right.bit())
    }

    /// This set and `right`.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Self(self.0 | right.bit())
    }

    /// This set but `right`.
    #[must_use]
    pub const fn without(self, right: Right) -> Self {
        Self(self.0 & !right.bit())
    }

    /// Whether `right` is in the set.
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights in the set.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl From<u16> for Rights {
    fn from(bits: u16) -> Self {
        Self(Right::ALL.into_iter().fold(0, |known, right| known | (bits & right.bit())))
    }
}

impl From<Rights> for u16 {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::NONE, Self::with)
    }
}
