//! Files, either way: who offers what, how far it got, whether it arrived whole.
//!
//! The contents travel in [`FileChunk`]s on a channel of their own, so that neither chat nor consent waits behind them.
//! The rules of the exchange are in [`crate::machine::transfer`].

use serde::{Deserialize, Serialize};

use crate::id::Seat;
use crate::wire::{Message, WireError, bounds};

/// Longest file name, in bytes of UTF-8: what every usual file system takes.
pub const MAX_NAME: usize = 255;
/// Largest file, in bytes.
pub const MAX_SIZE: u64 = 1 << 40;
/// Most files of one clipboard.
pub const MAX_BUNDLE: usize = 256;
/// Most bytes of contents in one chunk; with its header it stays below [`crate::channel::Channel::MAX_MESSAGE`].
pub const MAX_CHUNK: usize = 60 * 1024;

/// Names one transfer within a session: who offered it, and the how manieth it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TransferId {
    /// The end that sends the file.
    pub sender: Seat,
    /// Counts that end's offers, from 1.
    pub number: u32,
}

/// SHA-256 of a file's contents (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sha256(pub [u8; 32]);

impl core::fmt::Display for Sha256 {
    /// 64 hexadecimal digits in lower case, as `sha256sum` prints them.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl core::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sha256({self})")
    }
}

/// Why a transfer did not happen or did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileProblem {
    /// The person asked said no.
    Refused,
    /// The sender or the receiver cancelled it.
    Cancelled,
    /// The name can't be made safe, or is empty.
    BadName,
    /// Larger than the receiver takes.
    TooLarge,
    /// Too many transfers at once.
    TooMany,
    /// The sender could not read the file to its end, or it changed meanwhile.
    CannotRead,
    /// The receiver could not write: folder, rights.
    CannotWrite,
    /// The receiver's disk is full.
    DiskFull,
    /// The contents that arrived are not the ones that were sent.
    HashMismatch,
    /// A chunk out of turn, or any other breach of the protocol.
    Protocol,
    /// The connection broke and the transfer was not taken up again.
    ConnectionLost,
}

/// What goes over the files channel, either way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileMessage {
    /// The sender has a file for the other side.
    Offer {
        /// The transfer.
        id: TransferId,
        /// The file's name without a folder, as the sender's system has it; the receiver makes it safe.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// The receiver wants it, from this byte on.
    Accept {
        /// The transfer.
        id: TransferId,
        /// Bytes that the receiver already has.
        offset: u64,
    },
    /// How much the receiver has written; opens the sender's window.
    Progress {
        /// The transfer.
        id: TransferId,
        /// Bytes from the start of the file.
        received: u64,
    },
    /// The sender has sent everything.
    Complete {
        /// The transfer.
        id: TransferId,
        /// The hash of the whole file.
        sha256: Sha256,
    },
    /// The receiver has it whole and under its final name.
    Saved {
        /// The transfer.
        id: TransferId,
        /// The name under which it lies at the receiver.
        name: String,
    },
    /// The transfer is over without success; sent by either end, once.
    Stop {
        /// The transfer.
        id: TransferId,
        /// Why.
        problem: FileProblem,
    },
    /// The technician asks the customer to choose a file to send.
    Wanted,
    /// The sender's clipboard held these files: the receiver puts them into its own when all of them have arrived.
    Bundle {
        /// Which clipboard: [`crate::clipboard::ClipboardMessage::Holds`].
        serial: u32,
        /// The transfers; each is offered, agreed to and sent like any other.
        ids: Vec<TransferId>,
    },
}

impl Message for FileMessage {
    // A bundle is the longest: seven bytes for each transfer at most.
    const MAX: usize = 2 * 1024;

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Offer { name, size, .. } => {
                bounds(!name.is_empty() && name.len() <= MAX_NAME, "file name")?;
                bounds(*size <= MAX_SIZE, "file size")
            }
            Self::Saved { name, .. } => bounds(name.len() <= MAX_NAME, "file name"),
            Self::Accept { offset: bytes, .. } | Self::Progress { received: bytes, .. } => {
                bounds(*bytes <= MAX_SIZE, "file offset")
            }
            Self::Bundle { ids, .. } => bounds(!ids.is_empty() && ids.len() <= MAX_BUNDLE, "number of files"),
            Self::Complete { .. } | Self::Stop { .. } | Self::Wanted => Ok(()),
        }
    }
}

/// A piece of a file.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChunk<'a> {
    /// The transfer.
    pub id: TransferId,
    /// Where the piece begins, in bytes from the start of the file.
    pub offset: u64,
    /// The contents; never empty.
    #[serde(borrow, with = "serde_bytes")]
    pub data: &'a [u8],
}

impl core::fmt::Debug for FileChunk<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FileChunk {{ {:?}, offset: {}, {} bytes }}", self.id, self.offset, self.data.len())
    }
}

impl Message for FileChunk<'_> {
    const MAX: usize = MAX_CHUNK + 32;

    fn check(&self) -> Result<(), WireError> {
        bounds(!self.data.is_empty() && self.data.len() <= MAX_CHUNK, "chunk length")?;
        bounds(self.offset <= MAX_SIZE, "chunk offset")
    }
}
