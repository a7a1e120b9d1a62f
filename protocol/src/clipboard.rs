//! Clipboards, either way: what an end's clipboard holds, who wants it, and its contents in pieces.
//!
//! The customer's goes to the technician under [`crate::grant::Right::ClipboardOut`]: the host tells what was copied, and
//! the contents follow only when the technician wants them. The technician's comes under
//! [`crate::grant::Right::ClipboardIn`], and only when they paste. Neither end keeps anything for another session.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::file::MAX_BUNDLE;
use crate::wire::{Message, WireError, bounds};

/// Longest plain text or HTML, in bytes of UTF-8.
pub const MAX_TEXT: u64 = 4 << 20;
/// Largest picture, in bytes of PNG.
pub const MAX_PNG: u64 = 32 << 20;
/// Most files.
pub const MAX_FILES: u16 = MAX_BUNDLE as u16;
/// Most bytes of contents in one piece; with its header it stays below [`crate::channel::Channel::MAX_MESSAGE`].
pub const MAX_PART: usize = 60 * 1024;

/// One way in which a clipboard's contents can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Format {
    /// Plain text, UTF-8.
    Text,
    /// HTML, UTF-8. Whoever receives it passes it on as it is, and never makes it part of a page of their own.
    Html,
    /// A picture as PNG.
    Png,
    /// Files; they have no contents here: each travels as [`crate::file::FileMessage::Offer`], behind a
    /// [`crate::file::FileMessage::Bundle`] that says to which clipboard they belong.
    Files,
}

impl Format {
    /// Every format; first what says most.
    pub const ALL: [Self; 4] = [Self::Text, Self::Html, Self::Png, Self::Files];

    /// Most bytes of contents.
    pub const fn limit(self) -> u64 {
        match self {
            Self::Text | Self::Html => MAX_TEXT,
            Self::Png => MAX_PNG,
            Self::Files => 0,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of formats. Bits that this version does not know are dropped on receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Formats(u8);

impl Formats {
    /// None: the clipboard is empty, or holds only what nobody here understands.
    pub const NONE: Self = Self(0);

    /// The set with this one format.
    pub const fn only(format: Format) -> Self {
        Self(format.bit())
    }

    /// This set and `format`.
    #[must_use]
    pub const fn with(self, format: Format) -> Self {
        Self(self.0 | format.bit())
    }

    /// Whether `format` is in the set.
    pub const fn has(self, format: Format) -> bool {
        self.0 & format.bit() != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The formats in the set.
    pub fn iter(self) -> impl Iterator<Item = Format> {
        Format::ALL.into_iter().filter(move |format| self.has(*format))
    }
}

impl From<u8> for Formats {
    fn from(bits: u8) -> Self {
        Self(Format::ALL.into_iter().fold(0, |known, format| known | (bits & format.bit())))
    }
}

impl From<Formats> for u8 {
    fn from(formats: Formats) -> Self {
        formats.0
    }
}

impl FromIterator<Format> for Formats {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        formats.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Why something did not get from one clipboard into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClipboardProblem {
    /// The right for this direction does not hold.
    NoRight,
    /// More than the receiver takes.
    TooLarge,
    /// The clipboard holds something else by now.
    Gone,
    /// It is not there in this format.
    NotThere,
    /// The program that it was copied from marks it as secret.
    Secret,
    /// The system refused, or the program that it was copied from does not answer.
    Failed,
}

/// What goes over the clipboard channel, either way.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClipboardMessage<'a> {
    /// The sender's clipboard holds this now. Of the customer's the contents follow when they are wanted; of the
    /// technician's right behind, in one format, since pasting is the wish.
    Holds {
        /// Counts what the sender's clipboard held; a higher one replaces every lower one.
        serial: u32,
        /// The formats in which it can be had.
        formats: Formats,
        /// The size of the largest, in bytes; of files, of all together. Not limited here: what is too large is refused in
        /// words.
        bytes: u64,
        /// How many files; 0 where there are none.
        files: u16,
    },
    /// Send it in this format.
    Want {
        /// As in [`Self::Holds`].
        serial: u32,
        /// Which.
        format: Format,
    },
    /// A piece of the contents; pieces come in their order, and the one that reaches `total` is the last.
    Part {
        /// As in [`Self::Holds`].
        serial: u32,
        /// Of which format.
        format: Format,
        /// Where the piece begins, in bytes.
        offset: u64,
        /// The size of the whole, in bytes.
        total: u64,
        /// The contents; empty only where there are none at all.
        #[serde(borrow, with = "serde_bytes")]
        data: &'a [u8],
    },
    /// It is in the receiver's clipboard: a paste that is typed from here on finds it.
    Taken {
        /// As in [`Self::Holds`].
        serial: u32,
    },
    /// It will not be.
    Refused {
        /// As in [`Self::Holds`].
        serial: u32,
        /// Why.
        problem: ClipboardProblem,
    },
}

impl fmt::Debug for ClipboardMessage<'_> {
    /// A clipboard never enters a log, nor how much it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { serial, formats, files, .. } => {
                write!(
                    f,
                    "Holds {{ serial: {serial}, {:?}, {files} files }}",
                    formats.iter().collect::<Vec<_>>()
                )
            }
            Self::Want { serial, format } => write!(f, "Want {{ serial: {serial}, {format:?} }}"),
            Self::Part { serial, format, offset, .. } => {
                write!(f, "Part {{ serial: {serial}, {format:?}, offset: {offset} }}")
            }
            Self::Taken { serial } => write!(f, "Taken {{ serial: {serial} }}"),
            Self::Refused { serial, problem } => write!(f, "Refused {{ serial: {serial}, {problem:?} }}"),
        }
    }
}

impl Message for ClipboardMessage<'_> {
    const MAX: usize = MAX_PART + 32;

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Holds { files, .. } => bounds(*files <= MAX_FILES, "number of files"),
            Self::Part { format, offset, total, data, .. } => {
                bounds(data.len() <= MAX_PART && (*total == 0 || !data.is_empty()), "part length")?;
                bounds(*format != Format::Files && *total <= format.limit(), "clipboard size")?;
                let end = offset.checked_add(data.len() as u64);
                bounds(end.is_some_and(|end| end <= *total), "part offset")
            }
            Self::Want { .. } | Self::Taken { .. } | Self::Refused { .. } => Ok(()),
        }
    }
}

/// The pieces of contents on their way out.
pub fn parts(serial: u32, format: Format, contents: &[u8]) -> impl Iterator<Item = ClipboardMessage<'_>> {
    let total = contents.len() as u64;
    // Nothing at all is one empty piece.
    let empty = contents.is_empty().then_some(&[][..]);
    let pieces = contents.chunks(MAX_PART).chain(empty);
    pieces.enumerate().map(move |(index, data)| ClipboardMessage::Part {
        serial,
        format,
        offset: (index * MAX_PART) as u64,
        total,
        data,
    })
}

/// Contents that are coming in: what has come of one clipboard in one format. It keeps no byte that its sender had no leave
/// to send, and never more than the format's limit.
#[derive(Debug, Default)]
pub struct Incoming {
    expected: Option<(u32, Format)>,
    total: u64,
    contents: Vec<u8>,
}

impl Incoming {
    /// From now on the contents of this clipboard are taken, in this format; what had come of another is forgotten.
    pub fn expect(&mut self, serial: u32, format: Format) {
        *self = Self { expected: Some((serial, format)), ..Self::default() };
    }

    /// Nothing is taken any more, and what had come is forgotten.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// What is expected.
    pub const fn expected(&self) -> Option<(u32, Format)> {
        self.expected
    }

    /// The next piece; with the last one the contents are there. Pieces of what is not expected say
    /// [`ClipboardProblem::Gone`], those with gaps, overlaps or another size than before [`ClipboardProblem::Failed`];
    /// after that nothing is expected.
    pub fn part(
        &mut self,
        serial: u32,
        format: Format,
        offset: u64,
        total: u64,
        data: &[u8],
    ) -> Result<Option<Vec<u8>>, ClipboardProblem> {
        if self.expected != Some((serial, format)) {
            return Err(ClipboardProblem::Gone);
        }
        let had = self.contents.len() as u64;
        let end = had + data.len() as u64;
        let problem = if total > format.limit() {
            Some(ClipboardProblem::TooLarge)
        } else if offset != had
            || end > total
            || (had > 0 && total != self.total)
            || (data.is_empty() && total > 0)
        {
            Some(ClipboardProblem::Failed)
        } else {
            None
        };
        if let Some(problem) = problem {
            self.forget();
            return Err(problem);
        }
        self.total = total;
        self.contents.extend_from_slice(data);
        if end < total {
            return Ok(None);
        }
        let contents = core::mem::take(&mut self.contents);
        self.forget();
        Ok(Some(contents))
    }
}

/// Whether these bytes begin as a PNG does (ISO/IEC 15948, 5.2).
pub fn is_png(contents: &[u8]) -> bool {
    contents.starts_with(b"\x89PNG\r\n\x1a\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(incoming: &mut Incoming, messages: impl Iterator<Item = Vec<u8>>) -> Option<Vec<u8>> {
        let mut whole = None;
        for bytes in messages {
            let message = crate::wire::decode_borrowed::<ClipboardMessage<'_>>(&bytes).unwrap();
            let ClipboardMessage::Part { serial, format, offset, total, data } = message else { panic!() };
            assert!(whole.is_none(), "something follows the last piece");
            whole = incoming.part(serial, format, offset, total, data).unwrap();
        }
        whole
    }

    #[test]
    fn contents_of_every_size_arrive_whole() {
        for len in [0, 1, MAX_PART - 1, MAX_PART, MAX_PART + 1, 3 * MAX_PART, MAX_TEXT as usize] {
            let contents: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut incoming = Incoming::default();
            incoming.expect(7, Format::Html);
            let sent = parts(7, Format::Html, &contents).map(|part| crate::wire::encode(&part).unwrap());
            assert_eq!(all(&mut incoming, sent), Some(contents), "{len}");
            assert_eq!(incoming.expected(), None);
        }
    }

    #[test]
    fn what_is_not_expected_is_not_kept() {
        let mut incoming = Incoming::default();
        let gone = Err(ClipboardProblem::Gone);
        assert_eq!(incoming.part(1, Format::Text, 0, 1, b"x"), gone);
        incoming.expect(2, Format::Text);
        assert_eq!(incoming.part(1, Format::Text, 0, 1, b"x"), gone);
        assert_eq!(incoming.part(2, Format::Html, 0, 1, b"x"), gone);
        assert_eq!(incoming.expected(), Some((2, Format::Text)), "that was another's");
        for (offset, total, data) in [(1, 9, &b"gap"[..]), (0, 2, b"too much"), (0, 9, b"")] {
            incoming.expect(2, Format::Text);
            assert_eq!(incoming.part(2, Format::Text, offset, total, data), Err(ClipboardProblem::Failed));
            assert_eq!(incoming.expected(), None);
        }
        for (offset, total, data) in [(0, 9, &b"again"[..]), (2, 9, b"overlap"), (3, 8, b"other")] {
            incoming.expect(2, Format::Text);
            assert_eq!(incoming.part(2, Format::Text, 0, 9, b"abc"), Ok(None));
            assert_eq!(incoming.part(2, Format::Text, offset, total, data), Err(ClipboardProblem::Failed));
        }
        incoming.expect(3, Format::Png);
        assert_eq!(incoming.part(3, Format::Png, 0, MAX_PNG + 1, b"x"), Err(ClipboardProblem::TooLarge));
        incoming.expect(4, Format::Files);
        assert_eq!(incoming.part(4, Format::Files, 0, 1, b"x"), Err(ClipboardProblem::TooLarge));
    }

    #[test]
    fn unknown_formats_are_none_and_contents_are_not_printed() {
        assert_eq!(Formats::from(0xf0), Formats::NONE);
        assert_eq!(Formats::from(0xff).iter().count(), Format::ALL.len());
        let part =
            ClipboardMessage::Part { serial: 1, format: Format::Text, offset: 0, total: 6, data: b"hidden" };
        assert_eq!(format!("{part:?}"), "Part { serial: 1, Text, offset: 0 }");
    }
}
