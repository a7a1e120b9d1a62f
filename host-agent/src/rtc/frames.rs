//! Frames over a data channel, for a browser that has WebCodecs but no H.264 in WebRTC.

use super::EncodedFrame;
use bytes::Bytes;
use nearhand_protocol::frame::{FrameChunk, MAX_CHUNK, MAX_FRAME};
use nearhand_protocol::wire::encode;
use std::time::Duration;

/// What of a frame may still wait when the next one is taken: this much time of the line, beyond its round trip.
const AHEAD: Duration = Duration::from_millis(30);
/// Bytes that wait without meaning anything: a browser acknowledges the last packet of a burst up to 200 ms late
/// (RFC 9260, 6.2), and the line may not be known yet.
const LEAST_ROOM: usize = 8 * 1024;
const UNKNOWN_ROOM: usize = 64 * 1024;

/// A frame as messages of [`Channel::Frames`](nearhand_protocol::channel::Channel::Frames); `None` where it is too
/// large for any.
pub(super) fn chunks(frame: &EncodedFrame) -> Option<Vec<Bytes>> {
    let length = frame.annex_b.len();
    if length == 0 || length > MAX_FRAME {
        return None;
    }
    let count = u16::try_from(length.div_ceil(MAX_CHUNK)).ok()?;
    (0..count)
        .zip(frame.annex_b.chunks(MAX_CHUNK))
        .map(|(index, bytes)| {
            let chunk =
                FrameChunk { timestamp: frame.timestamp, keyframe: frame.keyframe, index, count, bytes };
            encode(&chunk).ok().map(Bytes::from)
        })
        .collect()
}

/// How many bytes may wait unacknowledged when the next frame is taken, on a line of so many bits per second and this
/// round trip.
pub(super) fn room(bitrate: Option<u32>, round_trip: Duration) -> usize {
    let Some(bitrate) = bitrate else { return UNKNOWN_ROOM };
    let bytes = f64::from(bitrate) / 8.0 * (round_trip + AHEAD).as_secs_f64();
    (bytes as usize).max(LEAST_ROOM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_protocol::channel::Channel;
    use nearhand_protocol::wire::decode_borrowed;

    fn frame(bytes: usize) -> EncodedFrame {
        let annex_b = (0..bytes).map(|at| at as u8).collect::<Vec<_>>().into();
        EncodedFrame { annex_b, timestamp: u32::MAX, keyframe: true }
    }

    #[test]
    fn a_frame_is_whole_again_at_the_other_end() {
        for bytes in [1, MAX_CHUNK, MAX_CHUNK + 1, 3 * MAX_CHUNK, MAX_FRAME] {
            let sent = frame(bytes);
            let messages = chunks(&sent).unwrap();
            let mut whole = Vec::new();
            for (place, message) in messages.iter().enumerate() {
                assert!(message.len() <= Channel::MAX_MESSAGE);
                let chunk: FrameChunk<'_> = decode_borrowed(message).unwrap();
                assert_eq!(usize::from(chunk.index), place);
                assert_eq!(usize::from(chunk.count), messages.len());
                assert_eq!((chunk.timestamp, chunk.keyframe), (u32::MAX, true));
                whole.extend_from_slice(chunk.bytes);
            }
            assert!(whole == sent.annex_b, "{bytes} bytes");
        }
    }

    #[test]
    fn what_no_message_can_carry_is_refused() {
        assert!(chunks(&frame(0)).is_none());
        assert!(chunks(&frame(MAX_FRAME + 1)).is_none());
    }

    #[test]
    fn room_is_a_round_trip_and_thirty_milliseconds() {
        assert_eq!(room(None, Duration::ZERO), UNKNOWN_ROOM);
        assert_eq!(room(Some(8_000_000), Duration::from_millis(70)), 100_000);
        assert_eq!(room(Some(1), Duration::from_secs(1)), LEAST_ROOM);
    }
}
