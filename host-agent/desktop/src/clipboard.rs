//! The clipboard: what the person copied, and what the technician puts there. Each direction needs a grant of its own.

use std::fmt;
use std::path::PathBuf;

pub use nearhand_protocol::clipboard::{Format, Formats};
use nearhand_protocol::grant::Revoked;
pub(crate) use nearhand_protocol::grant::{ClipboardInGrant, ClipboardOutGrant};

use crate::Error;

/// What the technician puts into the clipboard.
#[derive(Clone, PartialEq, Eq)]
pub enum Contents {
    /// Plain text.
    Text(String),
    /// HTML, and the same as text.
    Html {
        /// Passed on as it is.
        html: String,
        /// For programs that take no HTML.
        text: String,
    },
    /// A picture, as PNG.
    Png(Vec<u8>),
    /// Files that are on this computer, by their absolute names.
    Files(Vec<PathBuf>),
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents never enter a log.
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Html { .. } => "Html",
            Self::Png(_) => "Png",
            Self::Files(_) => "Files",
        })
    }
}

/// Why the clipboard was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipboardError {
    /// The customer took the right back.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// There is nothing in it, or nothing in this form.
    #[error("the clipboard has nothing of this kind")]
    NotThere,
    /// The program that owns the contents marked them as secret, as password managers do.
    #[error("the program that copied this marked it as secret")]
    Secret,
    /// It is larger than was allowed.
    #[error("the clipboard's contents are larger than {limit} bytes")]
    TooLarge {
        /// What was allowed.
        limit: u64,
    },
    /// The program that owns the contents does not hand them over, or went away.
    #[error("the program that copied this does not hand it over")]
    Gone,
    /// They are not what their owner says they are.
    #[error("the clipboard's contents are not what they are said to be")]
    Lie,
    /// The desktop failed.
    #[error(transparent)]
    Desktop(#[from] Error),
}

/// The clipboard of the desktop. Calls block until its owner has answered, for seconds at most: keep it on a thread of its own.
pub trait Clipboard: Send + fmt::Debug {
    /// Calls `changed` whenever something else is in the clipboard, at most four times a second, and not for what
    /// [`put`](Self::put) put there. What it is, is not looked at. `changed` runs on another thread and must not block.
    fn watch(
        &mut self,
        grant: &ClipboardOutGrant,
        changed: Box<dyn Fn() + Send>,
    ) -> Result<(), ClipboardError>;

    /// Wants to know of changes no more.
    fn unwatch(&mut self);

    /// The forms that the contents can be had in, as their owner says.
    fn formats(&mut self, grant: &ClipboardOutGrant) -> Result<Formats, ClipboardError>;

    /// The contents in one form, of at most `limit` bytes. Text and HTML come as UTF-8, a picture begins as PNGs do.
    fn read(
        &mut self,
        grant: &ClipboardOutGrant,
        format: Format,
        limit: u64,
    ) -> Result<Vec<u8>, ClipboardError>;

    /// Puts this into the clipboard, marked so that histories of it keep nothing.
    fn put(&mut self, grant: &ClipboardInGrant, contents: Contents) -> Result<(), ClipboardError>;

    /// Takes out again what [`put`](Self::put) put there, unless something else has come since.
    fn let_go(&mut self);
}
