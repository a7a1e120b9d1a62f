//! The data channels of a session: names, order, reliability and limits.
//!
//! The viewer creates all that it knows, negotiated in-band, before its first offer. A host that does not know one closes
//! it at once; one that knows more than the viewer goes on without.

/// One data channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Rights, displays, notices, the end: [`crate::control`].
    Control,
    /// Keys, buttons, wheel and text: [`crate::input::InputEvent`].
    Input,
    /// Pointer moves, of which only the newest counts: [`crate::input::PointerMove`].
    Pointer,
    /// The shape and place of the customer's cursor: [`crate::cursor`].
    Cursor,
    /// Chat: [`crate::chat`].
    Chat,
    /// Offers, answers and the progress of files: [`crate::file::FileMessage`].
    Files,
    /// The contents of files: [`crate::file::FileChunk`].
    FileData,
    /// How the picture is painted: [`crate::picture`].
    Picture,
    /// Frames of the video for a browser whose WebRTC has no H.264: [`crate::frame::FrameChunk`].
    Frames,
    /// What the clipboards of the two ends hold: [`crate::clipboard::ClipboardMessage`].
    Clipboard,
    /// What is known of the customer's computer: [`crate::facts::FactsMessage`].
    Facts,
}

/// How a channel treats its messages (RFC 8831, 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reliability {
    /// Messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// How often a lost message is sent again; `None`: until it arrives.
    pub max_retransmits: Option<u16>,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Control,
        Self::Input,
        Self::Pointer,
        Self::Cursor,
        Self::Chat,
        Self::Files,
        Self::FileData,
        Self::Picture,
        Self::Frames,
        Self::Clipboard,
        Self::Facts,
    ];

    /// Longest message on any channel, in bytes: what every browser can send and receive without fragmenting
    /// trouble (RFC 8831, 6.6).
    pub const MAX_MESSAGE: usize = 64 * 1024;

    /// The label on the wire.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Input => "input",
            Self::Pointer => "pointer",
            Self::Cursor => "cursor",
            Self::Chat => "chat",
            Self::Files => "files",
            Self::FileData => "file-data",
            Self::Picture => "picture",
            Self::Frames => "frames",
            Self::Clipboard => "clipboard",
            Self::Facts => "facts",
        }
    }

    /// The channel with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.label() == label)
    }

    /// Order and reliability.
    pub const fn reliability(self) -> Reliability {
        match self {
            // A move that is late is worth nothing; the sequence number drops those that were overtaken. What is lost of the
            // picture is painted anew from what the screen shows then, long before SCTP's timers would notice.
            Self::Pointer | Self::Picture => Reliability { ordered: false, max_retransmits: Some(0) },
            _ => Reliability { ordered: true, max_retransmits: None },
        }
    }

    /// Bytes that may wait in the sender's buffer before more is refused. Contents of files and clipboards fill it on
    /// purpose; on the others a full buffer means that the peer is gone or hostile.
    pub const fn buffer_limit(self) -> usize {
        match self {
            Self::Pointer => 16 * 1024,
            _ => 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_found() {
        for channel in Channel::ALL {
            assert_eq!(Channel::from_label(channel.label()), Some(channel));
        }
        assert_eq!(Channel::from_label("Control"), None);
    }
}
