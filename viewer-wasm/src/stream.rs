//! The video on its way into the page: from the RTP track, or in pieces over a data channel, to single decoded frames.

mod assembly;
mod decoder;
mod frame;
mod track;

pub(crate) use decoder::{Decoder, Decoding};
pub(crate) use frame::Frame;
pub(crate) use track::Track;

use crate::dom;

/// Whether frames of a track can be had one by one, with their timestamps.
pub(crate) fn reads_tracks() -> bool {
    track::is_supported()
}

/// Whether frames that come over a data channel may be decoded; [`decodes_h264`] asks whether they really can.
pub(crate) fn decodes() -> bool {
    ["VideoDecoder", "EncodedVideoChunk", "VideoFrame"].into_iter().all(|name| dom::global(name).is_some())
}

pub(crate) use decoder::decodes_h264;
