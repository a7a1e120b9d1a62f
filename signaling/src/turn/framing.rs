//! Where one message ends and the next begins on a stream (RFC 8656, 2.1 and 12.5): STUN says its own length, ChannelData
//! too, filled up to four bytes.

/// Bytes of a STUN header.
pub(super) const STUN_HEADER: usize = 20;
/// Bytes of the header of ChannelData.
pub(super) const CHANNEL_HEADER: usize = 4;
/// Longest STUN message that is understood as a request, in bytes. Real ones have a fifth of it.
pub(super) const MAX_REQUEST: usize = 2048;

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What the first bytes of a stream hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A message of `len` bytes, after `taken` bytes the next one begins.
    Frame {
        /// Without what fills it up.
        len: usize,
        /// With it.
        taken: usize,
    },
    /// More bytes are needed.
    Incomplete,
    /// No TURN client says this.
    Broken,
}

/// Looks for the first message in what was read.
pub(super) fn next(bytes: &[u8]) -> Next {
    let [first, ..] = bytes else { return Next::Incomplete };
    if is_channel(*first) {
        let [_, _, high, low, ..] = bytes else { return Next::Incomplete };
        let len = CHANNEL_HEADER + usize::from(u16::from_be_bytes([*high, *low]));
        let taken = len.next_multiple_of(4);
        if bytes.len() < taken { Next::Incomplete } else { Next::Frame { len, taken } }
    } else if *first < 0x40 {
        let cookie = bytes.get(4..bytes.len().min(8)).unwrap_or_default();
        if !MAGIC_COOKIE.starts_with(cookie) {
            return Next::Broken;
        }
        let [_, _, high, low, ..] = bytes else { return Next::Incomplete };
        let body = usize::from(u16::from_be_bytes([*high, *low]));
        let len = STUN_HEADER + body;
        // Everything in a STUN message is filled up to four bytes (RFC 8489, 5).
        if !body.is_multiple_of(4) {
            Next::Broken
        } else if bytes.len() < len {
            Next::Incomplete
        } else {
            Next::Frame { len, taken: len }
        }
    } else {
        Next::Broken
    }
}

/// Whether a message that begins with this byte is ChannelData; else it is STUN or nothing. RFC 8656 leaves 0x50 and up to
/// others that may share a port; nobody does here, and clients of RFC 5766 (coturn's too) use all of it.
pub(super) const fn is_channel(first: u8) -> bool {
    matches!(first, 0x40..=0x7f)
}

/// The channel and the payload of ChannelData; `None` if it is shorter than it says (RFC 8656, 12.6).
pub(super) fn channel_data(frame: &[u8]) -> Option<(u16, &[u8])> {
    let (&[number_high, number_low, high, low], rest) = frame.split_first_chunk()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    Some((u16::from_be_bytes([number_high, number_low]), rest.get(..len)?))
}

/// The header of ChannelData.
pub(super) const fn channel_header(number: u16, len: usize) -> [u8; CHANNEL_HEADER] {
    let ([a, b], [c, d]) = (number.to_be_bytes(), (len as u16).to_be_bytes());
    [a, b, c, d]
}

/// Whether this is exactly one STUN message, as far as its header says.
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= STUN_HEADER
        && datagram[0] < 0x40
        && next(datagram) == Next::Frame { len: datagram.len(), taken: datagram.len() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stun(body: usize) -> Vec<u8> {
        let mut message = vec![0, 1];
        message.extend_from_slice(&(body as u16).to_be_bytes());
        message.extend_from_slice(&MAGIC_COOKIE);
        message.resize(STUN_HEADER + body, 7);
        message
    }

    fn channel(number: u16, payload: &[u8]) -> Vec<u8> {
        let mut message = channel_header(number, payload.len()).to_vec();
        message.extend_from_slice(payload);
        message.resize(message.len().next_multiple_of(4), 0xee);
        message
    }

    /// Takes frames as a connection does: bytes come in pieces, whole frames go out.
    fn frames(pieces: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match next(&buffer) {
                    Next::Frame { len, taken } => {
                        out.push(buffer[..len].to_vec());
                        buffer.drain(..taken);
                    }
                    Next::Incomplete => break,
                    Next::Broken => return None,
                }
            }
        }
        buffer.is_empty().then_some(out)
    }

    #[test]
    fn frames_survive_a_split_at_every_byte() {
        let sent =
            [stun(0), channel(0x4000, b"abc"), stun(48), channel(0x4fff, b""), channel(0x4001, &[9; 1200])];
        let stream = sent.concat();
        let whole: Vec<_> = sent
            .iter()
            .map(|frame| {
                let len = if is_channel(frame[0]) {
                    CHANNEL_HEADER + channel_data(frame).unwrap().1.len()
                } else {
                    frame.len()
                };
                frame[..len].to_vec()
            })
            .collect();
        for at in 0..=stream.len() {
            assert_eq!(frames(&[&stream[..at], &stream[at..]]).as_ref(), Some(&whole), "split at {at}");
        }
        let single: Vec<_> = stream.chunks(1).collect();
        assert_eq!(frames(&single), Some(whole));
    }

    #[test]
    fn what_no_client_says_is_broken_at_once() {
        for bytes in [
            &[0x16, 3, 1, 0, 200, 1, 0, 0, 0][..],
            &[0x80],
            &[0xff; 20],
            &[0xc0, 0, 0, 0],
            &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x43],
            &[0, 1, 0, 0, 0],
        ] {
            assert_eq!(next(bytes), Next::Broken, "{bytes:?}");
        }
        let mut odd = stun(4);
        odd[3] = 3;
        assert_eq!(next(&odd), Next::Broken);
    }

    #[test]
    fn channel_data_that_says_more_than_there_is() {
        assert_eq!(channel_data(&[0x40, 0, 0, 5, 1, 2, 3, 4]), None);
        assert_eq!(channel_data(&[0x40, 0, 0]), None);
        assert_eq!(channel_data(&[0x40, 1, 0, 2, 1, 2, 3, 4]), Some((0x4001, &[1, 2][..])));
    }

    proptest! {
        #[test]
        fn any_bytes_make_progress_or_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            match next(&bytes) {
                Next::Frame { len, taken } => {
                    prop_assert!(0 < len && len <= taken && taken <= bytes.len() && taken <= len + 3);
                }
                // However much more comes, a frame ends within the longest one.
                Next::Incomplete => prop_assert!(bytes.len() < STUN_HEADER + 0xffff),
                Next::Broken => {}
            }
        }

        #[test]
        fn any_split_gives_the_same_frames(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| channel(0x4000, payload)).collect();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let pieces: Vec<_> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let expected: Vec<Vec<u8>> =
                payloads.iter().map(|payload| channel(0x4000, payload)[..4 + payload.len()].to_vec()).collect();
            prop_assert_eq!(frames(&pieces), Some(expected));
        }
    }
}
