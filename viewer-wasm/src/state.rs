//! What the session is, and what is allowed next: events in, effects out; no clock, no browser.
//!
//! Three things can break on their own: the connection to the server, the peer connection to the customer's program,
//! and that program itself. Each has its part of [`State`]; [`State::phase`] says in one word what follows for the
//! technician. The control channel alone grants rights, once the host has proven itself on it; what the server says about
//! them is not looked at.

mod event;
mod mending;
mod phase;
mod proving;
mod talk;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::control::ToHost;
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::id::Epoch;
use nearhand_protocol::machine::handshake::Binding;
use nearhand_protocol::picture::View;
use nearhand_protocol::signal::HostInfo;
use nearhand_protocol::version::{Capabilities, Version};

pub use event::{Announcement, Effect, Event};
pub use mending::{
    ANSWER_MS, BETTER_MS, CONNECT_MS, DUMB_AFTER_MS, DUMB_MS, HINTED_MS, KEPT_MS, MEND_MS, RARELY_MS,
    RESTART_MS, RETRY_MS, SILENT_MS, SUSPECT_MS, UNANSWERED_MS,
};
pub use phase::{Phase, may_live_on};
pub use proving::{Known, PROVE_MS, Seed};

use mending::Pulse;
use proving::Agreement;

/// How often the host is asked for a sign of life, in milliseconds.
pub const PING_MS: u64 = 450;
/// With more peer connections in a row than this without data, the technician is told that something is wrong.
const TELL_UNREACHED: u8 = 1;
/// A clock that jumps by more than this slept (a closed lid, a throttled tab): nobody was silent, in milliseconds.
const SLEPT_MS: u64 = 1_500;

/// The connection to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Never,
    Up,
    Lost,
}

/// How the packets of the peer connection flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    New,
    Up,
    Broken { since_ms: u64, failed: bool },
}

/// The peer connection that is current.
#[derive(Clone, Copy, Debug)]
struct Peer {
    epoch: Epoch,
    started_ms: u64,
    link: Link,
    control_open: bool,
    opened_ms: u64,
    /// The certificates that it really uses, once both descriptions hold.
    binding: Option<Binding>,
    /// The host's proof was right.
    proven: bool,
    /// Our proof is out since, and not answered.
    awaited_ms: Option<u64>,
    /// The host said on it which rights hold.
    told: bool,
    /// What the host can do, as it said in its hello.
    capabilities: Option<Capabilities>,
    /// What it shows.
    view: Option<View>,
    pulse: Pulse,
}

/// The code, as the server told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// The first six digits.
    pub nameplate: Nameplate,
    /// When it can be used no longer, on this machine's clock, in milliseconds.
    pub valid_until_ms: u64,
    /// Nobody used it yet.
    pub open: bool,
}

/// What the customer's program said about itself and its screen.
#[derive(Clone, Copy, Debug, Default)]
struct Noticed {
    headless: bool,
    screen_unavailable: bool,
}

/// The session.
#[derive(Debug)]
pub struct State {
    capabilities: Capabilities,
    agreement: Agreement,
    now_ms: u64,
    signal: Signal,
    pairing: Option<Pairing>,
    host: Option<HostInfo>,
    host_present: bool,
    host_gone_until_ms: Option<u64>,
    next_epoch: Epoch,
    /// When a new peer connection was made because the host had lost its addresses.
    anew_ms: Option<u64>,
    peer: Option<Peer>,
    met: bool,
    held: Rights,
    asked: Rights,
    declined: bool,
    noticed: Noticed,
    layout: Option<Layout>,
    nonce: u32,
    disbelieved: u32,
    /// Peer connections in a row, the current one among them, that have carried no data so far.
    unreached: u8,
    /// Until when the last picture of an earlier peer connection stands.
    kept_until_ms: Option<u64>,
    /// The pauses between attempts for a better path than a relay: shorter ones once there was one.
    pauses_ms: [u64; 4],
    ended: Option<CloseReason>,
}

impl State {
    /// A tab that was just opened, what its browser can do, and what it knows.
    pub fn new(capabilities: Capabilities, known: Known) -> Self {
        Self {
            capabilities,
            agreement: Agreement::new(known),
            now_ms: 0,
            signal: Signal::Never,
            pairing: None,
            host: None,
            host_present: false,
            host_gone_until_ms: None,
            next_epoch: Epoch(0),
            anew_ms: None,
            peer: None,
            met: false,
            held: Rights::NONE,
            asked: Rights::NONE,
            declined: false,
            noticed: Noticed::default(),
            layout: None,
            nonce: 0,
            disbelieved: 0,
            unreached: 0,
            kept_until_ms: None,
            pauses_ms: RARELY_MS,
            ended: None,
        }
    }

    /// The session in one word.
    pub fn phase(&self) -> Phase {
        if let Some(reason) = self.ended {
            return Phase::Ended(reason);
        }
        if self.is_healthy() {
            return if self.held.has(Right::View) {
                if self.held.has(Right::Control) { Phase::Controlling } else { Phase::Viewing }
            } else if self.declined && !self.asked.has(Right::View) {
                Phase::Declined
            } else if self.keeps_last() && !self.peer.is_some_and(|peer| peer.told) {
                // Proven a moment ago: which rights still hold is just being said.
                Phase::Reconnecting
            } else {
                Phase::Asking
            };
        }
        if let Some(phase) = self.doubt() {
            return phase;
        }
        if !self.met && self.signal == Signal::Never {
            return Phase::Opening;
        }
        if self.signal == Signal::Lost {
            return Phase::Reconnecting;
        }
        match (self.host_present, self.met) {
            (true, false) if self.unreached > TELL_UNREACHED => Phase::Unreached,
            (true, false) => Phase::Connecting,
            (true, true) => Phase::Reconnecting,
            (false, false) if self.pairing.is_some_and(|pairing| pairing.open) => Phase::Waiting,
            (false, _) => Phase::Interrupted,
        }
    }

    /// Whether keys and pointer may be sent at this moment.
    pub fn may_control(&self) -> bool {
        matches!(self.phase(), Phase::Controlling)
    }

    /// Whether the picture may be shown at this moment; while the connection is being mended the last one stays, dimmed.
    pub fn may_see(&self) -> bool {
        self.is_proven() && self.held.has(Right::View)
    }

    /// Whether the two ends have spoken with each other since the page was opened.
    pub const fn has_met(&self) -> bool {
        self.met
    }

    /// Whether a message of the host is believed, other than its hello, its proof and its end; what is not is counted.
    pub fn believes(&mut self) -> bool {
        let proven = self.is_proven();
        self.disbelieved = self.disbelieved.saturating_add(u32::from(!proven));
        proven
    }

    /// How many messages came before the host had proven itself.
    pub const fn disbelieved(&self) -> u32 {
        self.disbelieved
    }

    /// The rights that hold, as the host said.
    pub const fn held(&self) -> Rights {
        self.held
    }

    /// The rights that the customer is being asked about.
    pub const fn asked(&self) -> Rights {
        self.asked
    }

    /// The number of the current peer connection.
    pub fn epoch(&self) -> Option<Epoch> {
        self.peer.map(|peer| peer.epoch)
    }

    /// The code.
    pub const fn pairing(&self) -> Option<Pairing> {
        self.pairing
    }

    /// The customer's program, as it described itself.
    pub const fn host(&self) -> Option<&HostInfo> {
        self.host.as_ref()
    }

    /// What the customer's computer is called, if it has told a name.
    pub fn machine(&self) -> Option<&str> {
        self.host.as_ref().map(|host| host.machine.as_str()).filter(|name| !name.is_empty())
    }

    /// Whether the customer's program runs without a person.
    pub fn is_headless(&self) -> bool {
        self.noticed.headless || self.host.as_ref().is_some_and(|host| host.headless)
    }

    /// Whether the customer's screen can't be captured just now.
    pub const fn is_screen_unavailable(&self) -> bool {
        self.noticed.screen_unavailable
    }

    /// Whether the server can't be reached, while the session itself goes on.
    pub fn is_server_lost(&self) -> bool {
        self.ended.is_none() && self.signal == Signal::Lost
    }

    /// When the session ends if the customer's program stays away, on this machine's clock, in milliseconds.
    pub const fn host_gone_until_ms(&self) -> Option<u64> {
        self.host_gone_until_ms
    }

    /// The picture's size and monitors.
    pub const fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// What of it is shown, as the host of the current peer connection announced it.
    pub fn view(&self) -> Option<View> {
        self.peer.and_then(|peer| peer.view)
    }

    /// Whether the host says what is painted where; one that does not sends frames of everything, and nothing else. `None`
    /// while it has not said what it can.
    pub fn host_paints(&self) -> Option<bool> {
        self.peer?.capabilities.map(|capabilities| capabilities.has(Capabilities::PICTURE))
    }

    /// Takes one event in; `now_ms` is any clock that does not run backwards.
    pub fn handle(&mut self, now_ms: u64, event: Event) -> Vec<Effect> {
        if self.ended.is_some() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        // Asked before the clock moves: silence alone can end control.
        let (controlled, saw) = (self.may_control(), self.may_see());
        let slept = now_ms.saturating_sub(self.now_ms) > SLEPT_MS;
        self.now_ms = self.now_ms.max(now_ms);
        if let Some(peer) = self.peer.as_mut().filter(|_| slept) {
            peer.pulse.excuse(self.now_ms);
            peer.awaited_ms = peer.awaited_ms.map(|_| self.now_ms);
        }
        self.take(event, &mut effects);
        if self.ended.is_none() {
            self.doubt_too_long(&mut effects);
        }
        if self.ended.is_none() {
            self.mend(&mut effects);
        }
        // Whatever the event was: who may act no longer lets go, who may see no longer sees nothing.
        if controlled && !self.may_control() {
            effects.push(Effect::ReleaseInput);
        }
        if saw && !self.may_see() {
            effects.push(Effect::Darken);
        }
        effects
    }

    fn take(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Welcomed { version, nameplate, code_valid_s, epoch, host } => {
                if !version.speaks_with(Version::CURRENT) {
                    return self.end(CloseReason::VersionMismatch, effects);
                }
                self.signal = Signal::Up;
                let valid_until_ms = self.now_ms + u64::from(code_valid_s) * 1000;
                let open = code_valid_s > 0 && host.is_none();
                self.pairing = Some(Pairing { nameplate, valid_until_ms, open });
                self.next_epoch = self.next_epoch.max(epoch);
                self.host_present = false;
                if let Some(host) = host {
                    self.arrive(host, effects);
                }
            }
            Event::HostArrived(host) => self.arrive(host, effects),
            Event::HostDropped { grace_s } => {
                self.host_present = false;
                self.host_gone_until_ms = Some(self.now_ms + u64::from(grace_s) * 1000);
                self.ping(effects);
            }
            Event::SignalLost => self.signal = Signal::Lost,
            Event::SignalEnded(reason) => self.end(reason, effects),
            Event::LinkUp(epoch) => {
                let now_ms = self.now_ms;
                if let Some(peer) = self.current(epoch) {
                    peer.link = Link::Up;
                    peer.pulse.beat(now_ms);
                    peer.awaited_ms = peer.awaited_ms.map(|_| now_ms);
                }
            }
            Event::LinkBroken(epoch) => self.breaks(epoch, false),
            Event::LinkFailed(epoch) => self.breaks(epoch, true),
            Event::ControlOpen(epoch) => self.greet(epoch, effects),
            Event::ControlClosed(epoch) => {
                let now_ms = self.now_ms;
                if let Some(peer) = self.current(epoch).filter(|peer| peer.control_open) {
                    peer.control_open = false;
                    peer.proven = false;
                    peer.awaited_ms = None;
                    peer.link = Link::Broken { since_ms: now_ms, failed: true };
                }
            }
            Event::Traffic(epoch) => {
                let now_ms = self.now_ms;
                if let Some(peer) = self.current(epoch) {
                    peer.pulse.beat(now_ms);
                }
            }
            Event::Travels { epoch, relayed, sure, busy } => {
                self.travels(epoch, relayed, sure, busy, effects);
            }
            Event::NetworkHint => self.hinted(effects),
            Event::RestartWanted { epoch, anew } => self.restart_wanted(epoch, anew, effects),
            Event::Described(epoch, binding) => {
                self.answered(epoch);
                self.describe(epoch, binding, effects);
            }
            Event::Shared(share) => self.agree(&share, effects),
            Event::SecretTyped(secret) => self.learn(secret, effects),
            Event::Heard(message) => self.hear(message, effects),
            Event::Misled => {
                let reason = CloseReason::BadMessage;
                effects
                    .extend([Effect::Tell(ToHost::End), Effect::TellServerEnd(CloseReason::TechnicianEnded)]);
                self.end(reason, effects);
            }
            Event::AskView => self.ask(Right::View, effects),
            Event::AskControl => self.ask(Right::Control, effects),
            Event::GiveBackControl => {
                if self.is_healthy() && self.held.has(Right::Control) {
                    // Not `held` of our own accord alone: the host confirms. But nothing more is sent from now on.
                    self.held = self.held.without(Right::Control);
                    effects.push(Effect::Tell(ToHost::GiveBack(Rights::only(Right::Control))));
                }
            }
            Event::End => {
                let reason = CloseReason::TechnicianEnded;
                effects.extend([Effect::Tell(ToHost::End), Effect::TellServerEnd(reason)]);
                self.end(reason, effects);
            }
            Event::Tick => {
                if let Some(peer) = &self.peer
                    && self.now_ms.saturating_sub(peer.pulse.pinged_ms) >= PING_MS
                {
                    self.ping(effects);
                }
            }
        }
    }

    fn arrive(&mut self, host: HostInfo, effects: &mut Vec<Effect>) {
        self.host = Some(host);
        self.host_present = true;
        self.host_gone_until_ms = None;
        if let Some(pairing) = &mut self.pairing {
            pairing.open = false;
        }
        self.share(effects);
        // A host whose connection to the server alone broke still holds the peer connection; what runs is left alone.
        self.take_up(effects);
    }

    fn start(&mut self, effects: &mut Vec<Effect>) {
        let epoch = self.next_epoch;
        // Each new one counts as vain until data come over it.
        self.unreached = self.unreached.saturating_add(1);
        self.next_epoch = Epoch(epoch.0.saturating_add(1));
        if self.held.has(Right::View) {
            self.kept_until_ms = Some(self.now_ms + KEPT_MS);
        }
        self.held = Rights::NONE;
        self.asked = Rights::NONE;
        self.declined = false;
        self.peer = Some(Peer {
            epoch,
            started_ms: self.now_ms,
            link: Link::New,
            control_open: false,
            opened_ms: self.now_ms,
            binding: None,
            proven: false,
            awaited_ms: None,
            told: false,
            capabilities: None,
            view: None,
            pulse: Pulse::new(self.now_ms),
        });
        effects.push(Effect::StartPeer(epoch));
    }

    fn breaks(&mut self, epoch: Epoch, failed: bool) {
        let now_ms = self.now_ms;
        if let Some(peer) = self.current(epoch) {
            let since_ms = if let Link::Broken { since_ms, .. } = peer.link { since_ms } else { now_ms };
            peer.link = Link::Broken { since_ms, failed };
        }
    }

    fn current(&mut self, epoch: Epoch) -> Option<&mut Peer> {
        self.peer.as_mut().filter(|peer| peer.epoch == epoch)
    }

    fn end(&mut self, reason: CloseReason, effects: &mut Vec<Effect>) {
        self.ended = Some(reason);
        self.kept_until_ms = None;
        effects.push(Effect::Close);
    }
}

#[cfg(test)]
mod tests;
