//! STUN messages and ChannelData on a stream (RFC 8489, 6.2.2; RFC 8656, 12.4 and 12.5): pure.
//!
//! A STUN message says how long it is. ChannelData does too, and is padded to a multiple of four on a stream.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};

/// Longest message that is passed on: what a datagram between two ends can be, and its wrapping. A longer one is
/// skipped without being stored; some peer sent it through the relay, and the stack would cut it off anyway.
pub(super) const MAX_MESSAGE: usize = 1920;

/// Length of a STUN header.
const STUN_HEADER: usize = 20;
/// Length of a ChannelData header.
const CHANNEL_HEADER: usize = 4;
/// In every STUN message since RFC 5389.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The attribute with what a peer gets or has sent.
const DATA: u16 = 0x0013;

/// What stands on the stream is neither STUN nor ChannelData: no way to tell where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the relay sent what is neither STUN nor ChannelData")]
pub(super) struct OutOfStep;

/// What begins with these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Too few bytes to tell.
    Unknown,
    /// A message of this length, and how many bytes it takes on the stream.
    Message { length: usize, on_stream: usize },
}

fn head(bytes: &[u8]) -> Result<Head, OutOfStep> {
    let Some(first) = bytes.first() else { return Ok(Head::Unknown) };
    let stun = match first {
        0x00..=0x3f => true,
        0x40..=0x4f => false,
        _ => return Err(OutOfStep),
    };
    if stun {
        let seen = bytes.len().clamp(4, 8) - 4;
        if bytes.get(4..4 + seen).is_some_and(|cookie| cookie != &MAGIC_COOKIE[..seen]) {
            return Err(OutOfStep);
        }
        if bytes.len() < 8 {
            return Ok(Head::Unknown);
        }
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        if !length.is_multiple_of(4) {
            return Err(OutOfStep);
        }
        Ok(Head::Message { length: STUN_HEADER + length, on_stream: STUN_HEADER + length })
    } else {
        if bytes.len() < CHANNEL_HEADER {
            return Ok(Head::Unknown);
        }
        let length = CHANNEL_HEADER + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        Ok(Head::Message { length, on_stream: length.next_multiple_of(4) })
    }
}

/// Whether this is a request, which every server answers, whatever it says (RFC 8489, 5: class 00).
pub(super) fn is_request(datagram: &[u8]) -> bool {
    matches!(datagram, [first @ 0x00..=0x3f, second, ..] if first & 0x01 == 0 && second & 0x10 == 0)
}

/// The relayed address in a success response to an Allocate request (RFC 8656, 7.3).
pub(super) fn allocated(datagram: &[u8]) -> Option<SocketAddr> {
    const SUCCESS: [u8; 2] = [0x01, 0x03];
    const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    if !datagram.starts_with(&SUCCESS) {
        return None;
    }
    let value = attribute(datagram, XOR_RELAYED_ADDRESS)?;
    let port = u16::from_be_bytes(value.get(2..4)?.try_into().ok()?) ^ 0x2112;
    let mask = datagram.get(4..STUN_HEADER)?;
    let ip: Vec<u8> = value.get(4..)?.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match *ip.as_slice() {
        [a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
    };
    Some(SocketAddr::new(ip, port))
}

/// Whether the server says that it knows of no such allocation (437, RFC 8656, 19.2).
pub(super) fn is_mismatch(datagram: &[u8]) -> bool {
    const ERROR_CODE: u16 = 0x0009;
    let is_error =
        matches!(datagram, [first @ 0x00..=0x3f, second, ..] if first & 1 == 1 && second & 0x10 != 0);
    is_error && attribute(datagram, ERROR_CODE).is_some_and(|value| matches!(value, [_, _, 4, 37, ..]))
}

/// What a peer sent, in ChannelData or a Data indication (RFC 8656, 11.4 and 12.4).
pub(super) fn relayed_payload(datagram: &[u8]) -> Option<&[u8]> {
    const DATA_INDICATION: [u8; 2] = [0x00, 0x17];
    match datagram {
        [0x40..=0x4f, _, high, low, payload @ ..] => {
            payload.get(..usize::from(u16::from_be_bytes([*high, *low])))
        }
        _ if datagram.starts_with(&DATA_INDICATION) => attribute(datagram, DATA),
        _ => None,
    }
}

/// What is in it for a peer or from one, in ChannelData or an indication; else all of it.
pub(in crate::rtc) fn unwrapped(datagram: &[u8]) -> &[u8] {
    const SEND_INDICATION: [u8; 2] = [0x00, 0x16];
    let sent = || datagram.starts_with(&SEND_INDICATION).then(|| attribute(datagram, DATA)).flatten();
    relayed_payload(datagram).or_else(sent).unwrap_or(datagram)
}

/// Whether this is an ICE check that nominates its pair (RFC 8445, 7.1.2).
pub(super) fn nominates(packet: &[u8]) -> bool {
    const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
    const USE_CANDIDATE: u16 = 0x0025;
    packet.starts_with(&BINDING_REQUEST) && attribute(packet, USE_CANDIDATE).is_some()
}

/// The first attribute of this kind in a STUN message.
fn attribute(datagram: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut attributes = datagram.get(STUN_HEADER..)?;
    loop {
        let kind = u16::from_be_bytes(attributes.get(..2)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(attributes.get(2..4)?.try_into().ok()?));
        let value = attributes.get(4..4 + length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
    }
}

/// Appends a datagram as it stands on a stream. `false`, and nothing is appended: it is no TURN.
pub(super) fn frame(datagram: &[u8], stream: &mut BytesMut) -> bool {
    let Ok(Head::Message { length, on_stream }) = head(datagram) else { return false };
    let Some(message) = datagram.get(..length) else { return false };
    stream.extend_from_slice(message);
    stream.put_bytes(0, on_stream - length);
    true
}

/// Cuts a stream into datagrams. Holds less than [`MAX_MESSAGE`] bytes between calls, whatever the stream claims.
#[derive(Debug, Default)]
pub(super) struct Deframer {
    buffer: BytesMut,
    /// Bytes still to be thrown away.
    skip: usize,
}

impl Deframer {
    /// Takes what was read from the stream, and gives the datagrams that are complete, without padding. After an
    /// error the stream is of no use.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut complete: impl FnMut(Bytes),
    ) -> Result<(), OutOfStep> {
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes.advance(skipped);
            self.skip -= skipped;
            if self.skip > 0 || (bytes.is_empty() && self.buffer.is_empty()) {
                return Ok(());
            }
            // Never more than one message is stored, so the rest waits where it is.
            match head_of(&self.buffer, bytes)? {
                Head::Unknown => {
                    self.buffer.extend_from_slice(bytes);
                    return Ok(());
                }
                Head::Message { length, on_stream } if length > MAX_MESSAGE => {
                    self.skip = on_stream - self.buffer.len();
                    self.buffer.clear();
                }
                Head::Message { length, on_stream } => {
                    let (missing, there) = (on_stream - self.buffer.len(), bytes.len());
                    self.buffer.extend_from_slice(&bytes[..missing.min(there)]);
                    bytes.advance(missing.min(there));
                    if there < missing {
                        return Ok(());
                    }
                    let mut message = self.buffer.split();
                    message.truncate(length);
                    complete(message.freeze());
                }
            }
        }
    }
}

/// The head of what is stored and what follows.
fn head_of(stored: &[u8], following: &[u8]) -> Result<Head, OutOfStep> {
    let mut first = [0; 8];
    let mut length = 0;
    for byte in stored.iter().chain(following).take(first.len()) {
        first[length] = *byte;
        length += 1;
    }
    head(&first[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stun(kind: u16, body: usize) -> Vec<u8> {
        let mut message = kind.to_be_bytes().to_vec();
        message.extend_from_slice(&u16::try_from(body).unwrap().to_be_bytes());
        message.extend_from_slice(&MAGIC_COOKIE);
        message.extend_from_slice(&[7; 12]);
        message.resize(STUN_HEADER + body, 0x55);
        message
    }

    fn channel_data(number: u16, body: usize) -> Vec<u8> {
        let mut message = number.to_be_bytes().to_vec();
        message.extend_from_slice(&u16::try_from(body).unwrap().to_be_bytes());
        message.resize(CHANNEL_HEADER + body, 0xaa);
        message
    }

    fn deframe(stream: &[u8]) -> Result<Vec<Bytes>, OutOfStep> {
        let (mut deframer, mut found) = (Deframer::default(), Vec::new());
        deframer.push(stream, |datagram| found.push(datagram))?;
        Ok(found)
    }

    #[test]
    fn channel_data_is_padded_and_stun_is_not() {
        for (body, on_stream) in [(0, 4), (1, 8), (3, 8), (4, 8), (5, 12), (1200, 1204)] {
            let mut stream = BytesMut::new();
            assert!(frame(&channel_data(0x4001, body), &mut stream));
            assert_eq!(stream.len(), on_stream, "{body}");
        }
        // What is padded already, as the stack does, comes out the same.
        let mut stream = BytesMut::new();
        assert!(frame(&[&channel_data(0x4001, 5)[..], &[0; 3]].concat(), &mut stream));
        assert_eq!(deframe(&stream).unwrap(), [channel_data(0x4001, 5)]);
        stream.clear();
        assert!(frame(&stun(3, 8), &mut stream));
        assert_eq!(stream.len(), 28);
    }

    #[test]
    fn what_is_no_turn_is_not_sent() {
        let mut stream = BytesMut::new();
        let mut no_cookie = stun(1, 0);
        no_cookie[5] = 0;
        for datagram in [&[][..], &[0], &[0x80, 0, 0, 0], &[22, 254, 253, 0], &no_cookie, &stun(1, 8)[..27]] {
            assert!(!frame(datagram, &mut stream), "{datagram:?}");
        }
        assert!(!frame(&channel_data(0x4000, 9)[..12], &mut stream), "cut off");
        assert!(stream.is_empty());
    }

    #[test]
    fn hostile_streams_end() {
        for stream in [
            &[0x50][..],
            &[0x80],
            &[0xff; 64],
            &[0, 1, 0, 0, 0x21, 0x13],
            &[0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42],
        ] {
            assert_eq!(deframe(stream), Err(OutOfStep), "{stream:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_skipped_without_being_stored() {
        let mut deframer = Deframer::default();
        let long = [channel_data(0x4001, 65_533), vec![0; 3], stun(1, 65_532), stun(1, 4)].concat();
        let mut found = Vec::new();
        for part in long.chunks(999) {
            deframer.push(part, |datagram| found.push(datagram)).unwrap();
            assert!(deframer.buffer.len() <= MAX_MESSAGE);
        }
        assert_eq!(found, [stun(1, 4)]);
    }

    #[test]
    fn requests_are_told_from_the_rest() {
        // Binding, Allocate, Refresh, Send (indication), CreatePermission, ChannelBind; then a success and an error.
        for (kind, request) in
            [(0x0001, true), (0x0003, true), (0x0004, true), (0x0016, false), (0x0008, true), (0x0009, true)]
        {
            assert_eq!(is_request(&stun(kind, 0)), request, "{kind:#x}");
        }
        assert!(!is_request(&stun(0x0101, 0)) && !is_request(&stun(0x0111, 0)));
        assert!(!is_request(&channel_data(0x4000, 4)) && !is_request(&[]) && !is_request(&[0]));
    }

    #[test]
    fn the_relayed_address_and_a_lost_allocation_are_read() {
        let with = |kind, attributes: &[u8]| {
            let mut message = stun(kind, attributes.len());
            message.truncate(STUN_HEADER);
            message.extend_from_slice(attributes);
            message
        };
        let response = |attributes| with(0x0103, attributes);
        // LIFETIME, then the address 192.0.2.15, port 9, XORed with the cookie.
        let v4 = [0, 0x0d, 0, 4, 0, 0, 2, 0x58, 0, 0x16, 0, 8, 0, 1, 0x21, 0x1b, 0xe1, 0x12, 0xa6, 0x4d];
        assert_eq!(allocated(&response(&v4)), Some("192.0.2.15:9".parse().unwrap()));
        let mut v6 = vec![0, 0x16, 0, 20, 0, 2, 0x21, 0x1b, 0x01, 0x13, 0xa9, 0xfa];
        v6.extend([7; 11]);
        v6.push(6);
        assert_eq!(allocated(&response(&v6)), Some("[2001:db8::1]:9".parse().unwrap()));
        for attributes in
            [&v4[..8], &v4[..18], &[0, 0x16, 0, 0], &[0, 0x16, 0, 5, 0, 1, 0, 0, 9, 0, 0, 0], &[]]
        {
            assert_eq!(allocated(&response(attributes)), None, "{attributes:?}");
        }
        assert_eq!(allocated(&stun(0x0113, 8)), None);
        // Refresh, CreatePermission, ChannelBind; another error; a success.
        for (kind, number, lost) in [
            (0x0114, 37, true),
            (0x0118, 37, true),
            (0x0119, 37, true),
            (0x0114, 38, false),
            (0x0104, 37, false),
        ] {
            assert_eq!(is_mismatch(&with(kind, &[0, 9, 0, 4, 0, 0, 4, number])), lost, "{kind:#x} {number}");
        }
    }

    #[test]
    fn nominations_are_found_in_both_wrappings() {
        let mut check = stun(0x0001, 12);
        check[STUN_HEADER..].copy_from_slice(&[0, 0x24, 0, 4, 1, 2, 3, 4, 0, 0x25, 0, 0]);
        assert!(nominates(&check));
        assert!(!nominates(&stun(0x0101, 12)) && !nominates(&check[..28]) && !nominates(&[]));
        let mut channel = channel_data(0x4001, check.len());
        channel[CHANNEL_HEADER..].copy_from_slice(&check);
        assert_eq!(relayed_payload(&channel), Some(&check[..]));
        assert_eq!(relayed_payload(&channel[..9]), None);
        let mut indication = stun(0x0017, 4 + check.len());
        indication[STUN_HEADER..STUN_HEADER + 4].copy_from_slice(&[0, 0x13, 0, 32]);
        indication[STUN_HEADER + 4..].copy_from_slice(&check);
        assert_eq!(relayed_payload(&indication), Some(&check[..]));
        let mut sent = indication.clone();
        sent[1] = 0x16;
        for wrapped in [&channel[..], &indication, &sent, &check] {
            assert_eq!(unwrapped(wrapped), &check[..]);
        }
        assert_eq!(relayed_payload(&check), None);
    }

    fn datagram() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0..0x3fff_u16, 0..(MAX_MESSAGE - STUN_HEADER) / 4)
                .prop_map(|(kind, words)| stun(kind, words * 4)),
            (0x4000..0x4fff_u16, 0..MAX_MESSAGE - CHANNEL_HEADER)
                .prop_map(|(number, body)| channel_data(number, body)),
        ]
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_wherever_the_stream_is_split(
            datagrams in prop::collection::vec(datagram(), 1..12),
            splits in prop::collection::vec(1..600_usize, 1..40),
        ) {
            let mut stream = BytesMut::new();
            for datagram in &datagrams {
                prop_assert!(frame(datagram, &mut stream));
            }
            let (mut deframer, mut found) = (Deframer::default(), Vec::new());
            let mut splits = splits.iter().cycle();
            while !stream.is_empty() {
                let part = stream.split_to((*splits.next().unwrap()).min(stream.len()));
                deframer.push(&part, |datagram| found.push(datagram)).unwrap();
            }
            prop_assert_eq!(found, datagrams);
        }

        #[test]
        fn no_bytes_panic_or_fill_the_memory(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let mut deframer = Deframer::default();
            for part in parts {
                let _ = (allocated(&[&[1, 3], &part[..]].concat()), is_mismatch(&[&[1, 0x14], &part[..]].concat()));
                let _ = (unwrapped(&part), relayed_payload(&part).map(nominates), nominates(&[&[0, 1], &part[..]].concat()));
                if deframer.push(&part, |datagram| assert!(datagram.len() <= MAX_MESSAGE)).is_err() {
                    break;
                }
                prop_assert!(deframer.buffer.len() <= MAX_MESSAGE + 3);
            }
        }
    }
}
