//! A short preference for direct paths.
//!
//! Chromium nominates every pair at first and settles on the best one later (`SEMI_AGGRESSIVE`); the stack keeps the pair
//! that was nominated first. So a relay that was the quickest would carry the host's packets for ever while the browser's
//! go directly. For a moment after each offer, nominations that came through a relay are therefore not heard; they are
//! repeated. The moment is longer where there is a direct path for sure, since the browser sends over it.

use super::frame;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A direct path has answered by then if there is one, unless it is a very long one.
const MOMENT: Duration = Duration::from_millis(350);
/// The same for a path that carries the browser's packets already: checks of all pairs may come before its own.
const LONG_MOMENT: Duration = Duration::from_millis(1500);
/// What came directly counts for this long.
const RECENT: Duration = Duration::from_secs(3);
/// The first byte of what is neither STUN nor a TURN channel's (RFC 7983): DTLS, RTP and RTCP.
const FIRST_OF_DATA: u8 = 20;
/// Relayed addresses of the browser that are remembered.
const ADDRESSES: usize = 32;

/// What is not heard at the moment.
#[derive(Debug, Default)]
pub(in crate::rtc) struct Hold(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// When the browser's last packet came directly, checks apart.
    direct: Option<Instant>,
    /// The browser's relayed addresses: what comes from there came through its relay.
    relayed: HashSet<SocketAddr>,
}

impl Hold {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An offer was answered; `relayed`: our packets go through a relay until now.
    pub(in crate::rtc) fn begin(&self, relayed: bool, now: Instant) {
        let mut state = self.state();
        let sure = relayed && state.direct.is_some_and(|last| now.saturating_duration_since(last) < RECENT);
        let moment = if sure { LONG_MOMENT } else { MOMENT };
        *state = State { until: Some(now + moment), direct: state.direct, relayed: HashSet::new() };
    }

    /// The browser has this relayed address.
    pub(in crate::rtc) fn learn(&self, relayed: SocketAddr) {
        let mut state = self.state();
        if state.relayed.len() < ADDRESSES {
            state.relayed.insert(relayed);
        }
    }

    /// Whether a packet from a relay of ours is to be dropped.
    pub(super) fn drops_relayed(&self, datagram: &[u8], now: Instant) -> bool {
        self.state().until.is_some_and(|until| now < until)
            && frame::relayed_payload(datagram).is_some_and(frame::nominates)
    }

    /// Whether a packet that came directly from this address is to be dropped.
    pub(in crate::rtc) fn drops(&self, from: SocketAddr, packet: &[u8], now: Instant) -> bool {
        let mut state = self.state();
        if state.relayed.contains(&from) {
            return state.until.is_some_and(|until| now < until) && frame::nominates(packet);
        }
        if packet.first().is_some_and(|first| *first >= FIRST_OF_DATA) {
            state.direct = Some(now);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOMINATION: [u8; 24] =
        [0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0x25, 0, 0];

    #[test]
    fn only_relayed_nominations_are_held_and_only_for_a_moment() {
        let (hold, now) = (Hold::default(), Instant::now());
        let relay: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let channel = [&[0x40, 0, 0, 24][..], &NOMINATION].concat();
        assert!(!hold.drops_relayed(&channel, now), "not before an offer");
        hold.begin(false, now);
        assert!(hold.drops_relayed(&channel, now));
        assert!(!hold.drops_relayed(&channel[..20], now), "cut off");
        assert!(!hold.drops(relay, &NOMINATION, now), "a direct one");
        hold.learn(relay);
        assert!(hold.drops(relay, &NOMINATION, now));
        assert!(!hold.drops(relay, &NOMINATION[..20], now), "a check that nominates nothing");
        let later = now + MOMENT;
        assert!(!hold.drops(relay, &NOMINATION, later) && !hold.drops_relayed(&channel, later));
    }

    #[test]
    fn a_direct_path_that_is_in_use_is_waited_for_longer() {
        let (hold, now) = (Hold::default(), Instant::now());
        let relay: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let browser: SocketAddr = "192.0.2.2:1".parse().unwrap();
        let waits = |relayed, now| {
            hold.begin(relayed, now);
            hold.learn(relay);
            hold.drops(relay, &NOMINATION, now + MOMENT)
        };
        assert!(!hold.drops(browser, &NOMINATION, now));
        assert!(!waits(true, now), "a check is no proof that the path carries anything");
        assert!(!hold.drops(browser, &[0x80; 40], now));
        assert!(!waits(false, now), "what is direct already needs no help");
        assert!(waits(true, now));
        assert!(!hold.drops(relay, &NOMINATION, now + LONG_MOMENT));
        assert!(!waits(true, now + RECENT), "long ago");
    }
}
