//! When a peer connection counts as broken, and how it is repaired: wait, restart ICE, make a new one.

use super::{Effect, Link, Signal, State};

/// A host that says nothing for so long does not hear us either, in milliseconds; it answers a ping each second.
pub const SILENT_MS: u64 = 4_000;
/// The same, where the server has said already that the host is gone.
pub const SILENT_AFTER_DROP_MS: u64 = 2_000;
/// A link that broke often mends itself within this time, in milliseconds.
pub const MEND_MS: u64 = 1_000;
/// After an ICE restart a new peer connection is made, if the link is not back by then, in milliseconds.
pub const RESTART_MS: u64 = 5_000;
/// A peer connection that is not up by then is replaced, in milliseconds.
pub const CONNECT_MS: u64 = 15_000;
/// A peer connection that failed at once is not replaced before it is so old, in milliseconds.
pub const RETRY_MS: u64 = 2_000;

impl State {
    /// Repairs the peer connection, as far as the server and the host are there to help.
    pub(super) fn mend(&mut self, effects: &mut Vec<Effect>) {
        if self.signal != Signal::Up || !self.host_present {
            return;
        }
        let now_ms = self.now_ms;
        let silent_ms = self.silent_ms();
        let Some(peer) = &mut self.peer else { return };
        let age_ms = now_ms - peer.started_ms;
        let anew = match peer.link {
            Link::Broken { failed: true, .. } if !peer.control_open => age_ms >= RETRY_MS,
            Link::Broken { since_ms, failed } => match peer.restarted_ms {
                Some(restarted_ms) => now_ms - restarted_ms >= RESTART_MS,
                None if failed || now_ms - since_ms >= MEND_MS => {
                    peer.restarted_ms = Some(now_ms);
                    effects.push(Effect::RestartIce);
                    false
                }
                None => false,
            },
            // The packets flow, they say, and yet nobody answers.
            Link::Up if peer.control_open && peer.proven => match peer.restarted_ms {
                _ if now_ms - peer.heard_ms < silent_ms => {
                    peer.restarted_ms = None;
                    false
                }
                Some(restarted_ms) => now_ms - restarted_ms >= RESTART_MS,
                None => {
                    peer.restarted_ms = Some(now_ms);
                    effects.push(Effect::RestartIce);
                    false
                }
            },
            // Nothing is asked of a host that has not proven itself, so its silence means nothing; how long it may take to
            // prove itself is not decided here.
            Link::Up if peer.control_open => false,
            Link::New | Link::Up => age_ms >= CONNECT_MS,
        };
        if anew {
            self.start(effects);
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.peer.is_some_and(|peer| {
            peer.control_open
                && peer.proven
                && peer.link == Link::Up
                && self.now_ms - peer.heard_ms < self.silent_ms()
        })
    }

    pub(super) fn silent_ms(&self) -> u64 {
        if self.host_present || self.signal != Signal::Up { SILENT_MS } else { SILENT_AFTER_DROP_MS }
    }
}
