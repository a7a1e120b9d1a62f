//! Repeats of the DTLS handshake that the stack has to be kept from. Pure.
//!
//! When the browser's flight comes once more, because our answer was lost, the stack does not repeat the answer, as RFC 6347,
//! 4.2.4 wants it, and forgets the time when it would have repeated it by itself. Nothing happens any more from then on: the
//! browser repeats its flight in vain until the technician's page gives the connection up. So here the answer is repeated
//! instead, as it was: where it has arrived already, the browser drops it as a replay. The stack hears nothing of that, and
//! repeats its answer after a second with new numbers, which is what makes the browser repeat a lost end of the handshake.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What leaves within this time is one flight.
const ONE_FLIGHT: Duration = Duration::from_millis(100);
/// A flight that the browser repeats in several datagrams is answered once.
const LEAST_APART: Duration = Duration::from_millis(20);
/// So often at most: whoever forges the browser's address must not get more out of us.
const MOST_REPEATS: usize = 16;
/// Datagrams of a flight that are kept; ours is one, or two with a long certificate.
const MOST_KEPT: usize = 8;

/// Kinds of records (RFC 5246, A.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// The handshake of one connection, on whatever sockets.
#[derive(Debug, Default)]
pub(super) struct Handshake(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Our newest flight, and since when it leaves.
    flight: Vec<Sent>,
    began: Option<Instant>,
    /// The browser has sent something since.
    heard: bool,
    /// Our flight with the change of ciphers has left: the browser's before it is known.
    answered: bool,
    repeats: usize,
    repeated: Option<Instant>,
}

/// What was sent in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) to: SocketAddr,
    /// With what a relay has it wrapped in.
    pub(super) contents: Vec<u8>,
    /// Where it is several datagrams of this length.
    pub(super) segment_size: Option<usize>,
}

impl Handshake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what leaves. `dtls`: what is in `contents`, without a relay's wrapping.
    pub(super) fn sent(
        &self,
        now: Instant,
        to: SocketAddr,
        contents: &[u8],
        dtls: &[u8],
        segment: Option<usize>,
    ) {
        if !is_handshake(dtls) {
            return;
        }
        let mut state = self.state();
        let old = state.began.is_none_or(|began| now.saturating_duration_since(began) > ONE_FLIGHT);
        if old || state.heard {
            state.flight.clear();
            (state.began, state.heard) = (Some(now), false);
        }
        state.answered |=
            Records(dtls).any(|record| record.is_some_and(|(kind, _)| kind == CHANGE_CIPHER_SPEC));
        if state.flight.len() < MOST_KEPT {
            state.flight.push(Sent { to, contents: contents.to_vec(), segment_size: segment });
        }
    }

    /// Looks at what came, without a relay's wrapping. `Some`: it was answered before and is to be dropped, and this is to be
    /// sent once more.
    pub(super) fn received(&self, now: Instant, dtls: &[u8]) -> Option<Vec<Sent>> {
        if !is_handshake(dtls) {
            return None;
        }
        let mut state = self.state();
        let in_clear = Records(dtls).all(|record| record == Some((HANDSHAKE, 0)));
        if !state.answered || !in_clear {
            state.heard = true;
            return None;
        }
        let soon = state.repeated.is_some_and(|last| now.saturating_duration_since(last) < LEAST_APART);
        if soon || state.repeats >= MOST_REPEATS {
            return Some(Vec::new());
        }
        state.repeats += 1;
        state.repeated = Some(now);
        Some(state.flight.clone())
    }
}

fn is_handshake(dtls: &[u8]) -> bool {
    matches!(dtls.first(), Some(&(CHANGE_CIPHER_SPEC | HANDSHAKE)))
}

/// Kind and epoch of each record (RFC 6347, 4.1); `None` is the last one: it is cut off.
struct Records<'a>(&'a [u8]);

impl Iterator for Records<'_> {
    type Item = Option<(u8, u16)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.0.split_first_chunk().and_then(|(header, rest)| {
            let [kind, _, _, epoch, of_epoch, _, _, _, _, _, _, length, of_length]: [u8; 13] = *header;
            self.0 = rest.get(usize::from(u16::from_be_bytes([length, of_length]))..)?;
            Some((kind, u16::from_be_bytes([epoch, of_epoch])))
        });
        if record.is_none() {
            self.0 = &[];
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn record(kind: u8, epoch: u8) -> Vec<u8> {
        [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, 2, 7, 7][..]].concat()
    }

    /// What the browser's flight before our answer looks like, and our answer.
    fn flights() -> (Vec<u8>, Vec<u8>) {
        let theirs = [record(HANDSHAKE, 0), record(HANDSHAKE, 0)].concat();
        let ours = [record(HANDSHAKE, 0), record(CHANGE_CIPHER_SPEC, 0), record(HANDSHAKE, 1)].concat();
        (theirs, ours)
    }

    fn to() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 1))
    }

    #[test]
    fn a_flight_that_was_answered_gets_the_same_answer_and_no_other() {
        let (handshake, now) = (Handshake::default(), Instant::now());
        let (theirs, ours) = flights();
        let hello = record(HANDSHAKE, 0);
        handshake.sent(now, to(), &hello, &hello, None);
        for _ in 0..2 {
            assert_eq!(handshake.received(now, &theirs), None, "the stack has not answered it");
        }
        handshake.sent(now, to(), &ours, &ours, None);
        let sent = |contents: &[u8]| vec![Sent { to: to(), contents: contents.to_vec(), segment_size: None }];
        assert_eq!(handshake.received(now, &theirs), Some(sent(&ours)), "without the hello");
        assert_eq!(handshake.received(now + MS, &theirs), Some(Vec::new()), "the same repetition");
        // The stack's own repetition takes the place of the first answer.
        let again = [&ours[..], &record(HANDSHAKE, 1)].concat();
        handshake.sent(now + ONE_FLIGHT * 10, to(), &again, &again, None);
        assert_eq!(handshake.received(now + ONE_FLIGHT * 11, &theirs), Some(sent(&again)));
    }

    #[test]
    fn an_answer_in_two_datagrams_is_repeated_as_two() {
        let (handshake, now) = (Handshake::default(), Instant::now());
        let (theirs, ours) = flights();
        let (certificate, rest) = ours.split_at(15);
        for start in [now, now + ONE_FLIGHT * 2] {
            handshake.sent(start, to(), certificate, certificate, None);
            handshake.sent(start + MS, to(), rest, rest, Some(9));
        }
        let repeated = handshake.received(now + ONE_FLIGHT * 3, &theirs).unwrap();
        assert_eq!(repeated.iter().map(|sent| &sent.contents[..]).collect::<Vec<_>>(), [certificate, rest]);
        assert_eq!(repeated[1].segment_size, Some(9));
    }

    #[test]
    fn everything_else_is_the_stacks() {
        let (handshake, now) = (Handshake::default(), Instant::now());
        let (theirs, ours) = flights();
        handshake.sent(now, to(), &ours, &ours, None);
        let end = [record(CHANGE_CIPHER_SPEC, 0), record(HANDSHAKE, 1)].concat();
        let (data, cut_off) = (record(23, 1), &theirs[..theirs.len() - 1]);
        for datagram in
            [&end[..], &end[15..], &ours, &data, cut_off, &theirs[..5], &[HANDSHAKE], &[0x80; 40], &[]]
        {
            assert_eq!(handshake.received(now, datagram), None, "{datagram:?}");
        }
        assert!(handshake.received(now, &theirs).is_some());
    }

    #[test]
    fn nobody_gets_more_than_a_few_repetitions() {
        let (handshake, now) = (Handshake::default(), Instant::now());
        let (theirs, ours) = flights();
        handshake.sent(now, to(), &ours, &ours, None);
        let sent = (0..100_u32).filter_map(|turn| handshake.received(now + ONE_FLIGHT * turn, &theirs));
        assert_eq!(sent.map(|sent| sent.len()).sum::<usize>(), MOST_REPEATS);
    }
}
