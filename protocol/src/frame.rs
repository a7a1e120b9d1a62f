//! Frames of the video over a data channel, for a browser that has WebCodecs but no H.264 in WebRTC.

use serde::{Deserialize, Serialize};

use crate::wire::{Message, WireError, bounds};

/// Most bytes of a frame in one chunk; with its header it stays below [`crate::channel::Channel::MAX_MESSAGE`].
pub const MAX_CHUNK: usize = 60 * 1024;
/// Largest frame, in bytes: eight times what the first frame of a crowded desktop takes.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;
/// Most chunks of one frame.
pub const MAX_CHUNKS: u16 = MAX_FRAME.div_ceil(MAX_CHUNK) as u16;

/// A part of one frame. The parts of a frame follow each other, and frames follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameChunk<'a> {
    /// 90 kHz, as the same frame would have it in RTP: [`crate::picture::Step::Frame`] refers to it.
    pub timestamp: u32,
    /// The frame is an IDR picture: decoding can start here.
    pub keyframe: bool,
    /// The how manieth part it is, from 0.
    pub index: u16,
    /// How many parts there are.
    pub count: u16,
    /// H.264 in Annex B form (ITU-T H.264, annex B).
    #[serde(with = "serde_bytes")]
    pub bytes: &'a [u8],
}

impl Message for FrameChunk<'_> {
    const MAX: usize = crate::channel::Channel::MAX_MESSAGE;

    fn check(&self) -> Result<(), WireError> {
        bounds((1..=MAX_CHUNKS).contains(&self.count) && self.index < self.count, "part of a frame")?;
        bounds(!self.bytes.is_empty() && self.bytes.len() <= MAX_CHUNK, "length of a part of a frame")
    }
}
