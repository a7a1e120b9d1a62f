//! When a peer connection counts as broken, and how it is repaired: ask, restart ICE, make a new one; and when a relayed
//! one is tried for a better path.
//!
//! Only this end offers, so two restarts never cross; the host asks for one. A browser says `disconnected` five seconds
//! after the last packet. So it is asked itself, twice a second, whether anything came: a ping always brings back a packet.

use nearhand_protocol::id::Epoch;

use super::{Effect, Link, Signal, State};

/// A restart begins when nothing came for so long, although two pings should have brought something, in milliseconds.
pub const SUSPECT_MS: u64 = 1_200;
/// The same, when the browser says that the network has changed, in milliseconds.
pub const HINTED_MS: u64 = 600;
/// The technician is told, and control is let go, when nothing came for so long, in milliseconds.
pub const SILENT_MS: u64 = 2_500;
/// A link that the browser calls broken often mends itself within this time, in milliseconds.
pub const MEND_MS: u64 = 300;
/// An offer that was not answered by then was lost on the way to the server or from it, in milliseconds.
pub const ANSWER_MS: u64 = 1_500;
/// After an answered ICE restart a new peer connection is made, if nothing has come by then: twice the time that this one
/// took at its beginning, within these bounds, in milliseconds.
pub const RESTART_MS: core::ops::RangeInclusive<u64> = 1_000..=4_000;
/// The same after one that nobody answers, in milliseconds.
pub const UNANSWERED_MS: u64 = 8_000;
/// A peer connection that is not up by then is replaced, in milliseconds.
pub const CONNECT_MS: u64 = 15_000;
/// A peer connection that failed at once is not replaced before it is so old, in milliseconds.
pub const RETRY_MS: u64 = 2_000;
/// After a silence of this length the data channels wait for a timer of SCTP, which has doubled with each packet in vain: longer
/// than a new peer connection takes, in milliseconds.
pub const DUMB_AFTER_MS: u64 = 3_000;
/// So long the host may say nothing although packets flow again after such a silence: as long as the connection took to come up,
/// within these bounds, in milliseconds.
pub const DUMB_MS: core::ops::RangeInclusive<u64> = 500..=4_000;
/// How long a last picture is kept for a new peer connection, in milliseconds; the host keeps the rights as long.
pub const KEPT_MS: u64 = 60_000;
/// The pauses between attempts to find a better path than a relay, where this session had one before, in milliseconds; the
/// last one repeats itself. Each attempt stops the picture for a third of a second.
pub const BETTER_MS: [u64; 4] = [30_000, 60_000, 120_000, 300_000];
/// The same where it never had one, and the networks are hardly about to change.
pub const RARELY_MS: [u64; 4] = [60_000, 600_000, 600_000, 1_800_000];

/// The pauses where there is a better path for sure, since this end sends over it: the host took the first pair that the
/// browser nominated, and keeps to it.
const SURE_MS: [u64; 3] = [1_000, 5_000, 30_000];

/// A restart of ICE that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    began_ms: u64,
    offered_ms: u64,
    answered_ms: Option<u64>,
    redialled: bool,
}

impl Restart {
    const fn new(now_ms: u64) -> Self {
        Self { began_ms: now_ms, offered_ms: now_ms, answered_ms: None, redialled: false }
    }
}

/// Signs of life of one peer connection, and what is done for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    /// When something came over it.
    pub(super) heard_ms: u64,
    /// When it was pinged.
    pub(super) pinged_ms: u64,
    /// Pings since something came.
    unanswered: u8,
    /// The browser said that the network has changed, and nothing came since.
    hinted_ms: Option<u64>,
    /// Since when packets flow again after a long silence, while the host has said nothing.
    dumb_ms: Option<u64>,
    restart: Option<Restart>,
    /// A file is on its way.
    busy: bool,
    /// Attempts for a better path so far, and when the next is due; `None` on a direct one.
    tried: usize,
    better_ms: Option<u64>,
    /// Since when a better path is known for sure.
    sure_ms: Option<u64>,
}

impl Pulse {
    pub(super) const fn new(now_ms: u64) -> Self {
        Self {
            heard_ms: now_ms,
            pinged_ms: now_ms,
            unanswered: 0,
            hinted_ms: None,
            dumb_ms: None,
            restart: None,
            busy: false,
            tried: 0,
            better_ms: None,
            sure_ms: None,
        }
    }

    /// Something came.
    pub(super) const fn beat(&mut self, now_ms: u64) {
        if now_ms - self.heard_ms >= DUMB_AFTER_MS {
            self.dumb_ms = Some(now_ms);
        }
        self.excuse(now_ms);
    }

    /// The host said something, so the data channels carry.
    pub(super) const fn said(&mut self, now_ms: u64) {
        self.excuse(now_ms);
        self.dumb_ms = None;
    }

    /// Its silence so far is not held against it.
    pub(super) const fn excuse(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
        self.unanswered = 0;
        self.hinted_ms = None;
    }

    /// A ping goes out.
    pub(super) const fn ping(&mut self, now_ms: u64) {
        self.pinged_ms = now_ms;
        self.unanswered = self.unanswered.saturating_add(1);
    }

    fn is_silent(&self, now_ms: u64) -> bool {
        let hinted = self.hinted_ms.is_some_and(|since_ms| now_ms - since_ms >= HINTED_MS);
        hinted || (self.unanswered >= 2 && now_ms - self.heard_ms >= SUSPECT_MS)
    }
}

impl State {
    /// Repairs the peer connection, as far as the server and the host are there to help.
    pub(super) fn mend(&mut self, effects: &mut Vec<Effect>) {
        if self.signal != Signal::Up || !self.host_present {
            return;
        }
        let now_ms = self.now_ms;
        let sick = self.is_sick();
        let Some(peer) = &mut self.peer else { return };
        let age_ms = now_ms - peer.started_ms;
        let restart_ms =
            (2 * (peer.opened_ms - peer.started_ms)).clamp(*RESTART_MS.start(), *RESTART_MS.end());
        let patience_ms = (peer.opened_ms - peer.started_ms).clamp(*DUMB_MS.start(), *DUMB_MS.end());
        // A file goes on where it was once the channels carry again; with a new connection it would begin anew.
        let dumb = !sick
            && !peer.pulse.busy
            && peer.control_open
            && peer.pulse.dumb_ms.is_some_and(|since_ms| now_ms - since_ms >= patience_ms);
        let anew = match (peer.link, &mut peer.pulse.restart) {
            _ if dumb => true,
            (Link::Broken { failed: true, .. }, _) if !peer.control_open => age_ms >= RETRY_MS,
            _ if !peer.control_open => age_ms >= CONNECT_MS,
            (_, None) => {
                if sick {
                    peer.pulse.restart = Some(Restart::new(now_ms));
                    effects.push(Effect::RestartIce);
                }
                false
            }
            (_, Some(restart)) => match restart.answered_ms {
                _ if !sick => {
                    // It brought something, or nothing had to be brought: the old path goes on without an answer.
                    let done =
                        restart.answered_ms.is_some_and(|answered_ms| peer.pulse.heard_ms > answered_ms);
                    if done || now_ms - restart.began_ms >= CONNECT_MS {
                        peer.pulse.restart = None;
                    }
                    false
                }
                Some(answered_ms) => now_ms - answered_ms >= restart_ms,
                None => {
                    if now_ms - restart.offered_ms >= ANSWER_MS && !restart.redialled {
                        // Our own way to the server may be as dead as that to the host, and says nothing about it.
                        restart.redialled = true;
                        effects.push(Effect::Redial);
                    }
                    now_ms - restart.began_ms >= UNANSWERED_MS
                }
            },
        };
        if anew {
            self.start(effects);
        }
    }

    /// Both ends are in their seats (again): what was said meanwhile may be lost.
    pub(super) fn take_up(&mut self, effects: &mut Vec<Effect>) {
        let now_ms = self.now_ms;
        let sick = self.is_sick();
        match &mut self.peer {
            Some(peer) if peer.control_open => match &mut peer.pulse.restart {
                Some(restart) if restart.answered_ms.is_none() => {
                    *restart = Restart { redialled: restart.redialled, ..Restart::new(now_ms) };
                    effects.push(Effect::OfferAgain);
                }
                // Answered, and yet nothing came: the candidates may be lost.
                pending if sick => {
                    *pending = Some(Restart::new(now_ms));
                    effects.push(Effect::RestartIce);
                }
                _ => {}
            },
            // Its offer, or the answer, may be lost.
            _ => self.start(effects),
        }
    }

    /// The host asks for a restart. One that is under way serves it too, unless it was answered before the host's network changed.
    /// Where nothing is left of the host's addresses a restart brings nothing, since its sockets are bound to them.
    pub(super) fn restart_wanted(&mut self, epoch: Epoch, anew: bool, effects: &mut Vec<Effect>) {
        let now_ms = self.now_ms;
        let anew = anew && self.anew_ms.is_none_or(|last_ms| now_ms - last_ms >= RETRY_MS);
        let Some(peer) = self.current(epoch).filter(|peer| peer.control_open) else { return };
        if anew {
            self.anew_ms = Some(now_ms);
            self.start(effects);
            return;
        }
        let recent = peer
            .pulse
            .restart
            .is_some_and(|restart| restart.answered_ms.is_none() || now_ms - restart.offered_ms < ANSWER_MS);
        if !recent {
            peer.pulse.restart = Some(Restart::new(now_ms));
            effects.push(Effect::RestartIce);
        }
    }

    /// An answer holds.
    pub(super) fn answered(&mut self, epoch: Epoch) {
        let now_ms = self.now_ms;
        if let Some(restart) = self.current(epoch).and_then(|peer| peer.pulse.restart.as_mut()) {
            restart.answered_ms.get_or_insert(now_ms);
        }
    }

    /// The browser noticed a change of the network: does the path still hold?
    pub(super) fn hinted(&mut self, effects: &mut Vec<Effect>) {
        let now_ms = self.now_ms;
        self.ping(effects);
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.control_open && peer.proven) {
            // A path that holds is left alone: browsers hint at each new estimate of the line's speed, too.
            peer.pulse.hinted_ms.get_or_insert(now_ms);
        }
    }

    /// How the packets of the peer connection travel. While they go through a relay, a better path is looked for now and
    /// then: not while a file is on its way, which would feel the gap most. `sure`: this end sends over a direct one.
    pub(super) fn travels(
        &mut self,
        epoch: Epoch,
        relayed: bool,
        sure: bool,
        busy: bool,
        effects: &mut Vec<Effect>,
    ) {
        let now_ms = self.now_ms;
        let ready = self.is_healthy() && self.signal == Signal::Up && self.host_present && !busy;
        if !relayed {
            self.pauses_ms = BETTER_MS;
        }
        let pauses_ms = self.pauses_ms;
        let Some(peer) = self.current(epoch) else { return };
        let pulse = &mut peer.pulse;
        pulse.busy = busy;
        if !relayed {
            pulse.tried = 0;
            pulse.better_ms = None;
            pulse.sure_ms = None;
            return;
        }
        let mut due_ms = *pulse.better_ms.get_or_insert(now_ms + pauses_ms[0]);
        if !sure {
            pulse.sure_ms = None;
        } else if let Some(pause_ms) = SURE_MS.get(pulse.tried) {
            due_ms = due_ms.min(*pulse.sure_ms.get_or_insert(now_ms) + pause_ms);
        }
        if ready && now_ms >= due_ms && pulse.restart.is_none() {
            pulse.tried = (pulse.tried + 1).min(pauses_ms.len() - 1);
            pulse.better_ms = Some(now_ms + pauses_ms[pulse.tried]);
            pulse.sure_ms = None;
            pulse.restart = Some(Restart::new(now_ms));
            effects.push(Effect::RestartIce);
        }
    }

    /// Whether the peer connection carries nothing, as far as can be known.
    fn is_sick(&self) -> bool {
        self.peer.is_some_and(|peer| match peer.link {
            Link::Broken { since_ms, failed } => failed || self.now_ms - since_ms >= MEND_MS,
            // The packets flow, they say, and yet nothing comes. Of a host that has not proven itself nothing is asked, so
            // its silence means nothing; how long it may take to prove itself is not decided here.
            Link::New | Link::Up => peer.control_open && peer.proven && peer.pulse.is_silent(self.now_ms),
        })
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.peer.is_some_and(|peer| {
            peer.control_open
                && peer.proven
                && peer.link == Link::Up
                && self.now_ms - peer.pulse.heard_ms < SILENT_MS
        })
    }

    /// For how long nothing has come over the peer connection although pings should have brought something, in
    /// milliseconds.
    pub fn silent_ms(&self) -> Option<u64> {
        let peer = self.peer.filter(|peer| peer.control_open && peer.proven)?;
        (peer.pulse.unanswered >= 2).then(|| self.now_ms - peer.pulse.heard_ms)
    }

    /// Whether the last picture of an earlier peer connection still stands, because this one is to go on with it.
    pub fn keeps_last(&self) -> bool {
        self.kept_until_ms.is_some_and(|until_ms| self.now_ms < until_ms)
    }
}
