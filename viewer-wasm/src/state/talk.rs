//! What the two ends say to each other on the control channel.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{Hello, Notice, ToHost, ToViewer};
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::id::Epoch;
use nearhand_protocol::version::Version;

use super::{Announcement, Effect, Link, State};

impl State {
    pub(super) fn greet(&mut self, epoch: Epoch, effects: &mut Vec<Effect>) {
        let now_ms = self.now_ms;
        let Some(peer) = self.current(epoch).filter(|peer| !peer.control_open) else { return };
        peer.control_open = true;
        // Data came through: whatever the connection state lags behind, the link is there.
        peer.link = Link::Up;
        peer.pulse.said(now_ms);
        peer.opened_ms = now_ms;
        self.unreached = 0;
        let hello = Hello { version: Version::CURRENT, capabilities: self.capabilities };
        effects.push(Effect::Tell(ToHost::Hello(hello)));
        self.prove(effects);
    }

    pub(super) fn hear(&mut self, message: ToViewer, effects: &mut Vec<Effect>) {
        let now_ms = self.now_ms;
        let Some(peer) = self.peer.as_mut().filter(|peer| peer.control_open) else { return };
        // It came through, so the packets flow; what the browser says of the link lags behind.
        peer.link = Link::Up;
        peer.pulse.said(now_ms);
        let introduces = matches!(message, ToViewer::Hello(_) | ToViewer::Prove(_) | ToViewer::End(_));
        if !introduces && !self.believes() {
            return;
        }
        match message {
            ToViewer::Hello(hello) => {
                if let Some(peer) = &mut self.peer {
                    peer.capabilities = Some(hello.capabilities);
                }
                if !hello.version.speaks_with(Version::CURRENT) {
                    effects.push(Effect::TellServerEnd(CloseReason::TechnicianEnded));
                    self.end(CloseReason::VersionMismatch, effects);
                }
            }
            ToViewer::Rights { held, asked } => self.change(held, asked, effects),
            ToViewer::Refused(right) => {
                self.asked = self.asked.without(right);
                self.declined |= right == Right::View;
                effects.push(Effect::Announce(Announcement::Refused(right)));
            }
            ToViewer::Layout(layout) => self.layout = Some(layout),
            ToViewer::Notice(notice) => {
                match notice {
                    Notice::Headless => self.noticed.headless = true,
                    Notice::ScreenUnavailable => self.noticed.screen_unavailable = true,
                    Notice::ScreenAvailable => self.noticed.screen_unavailable = false,
                    Notice::NotAsked
                    | Notice::ScopeClosed
                    | Notice::WindowHidden
                    | Notice::WindowBack
                    | Notice::Covered
                    | Notice::OwnWindowHidden => {}
                }
                effects.push(Effect::Announce(Announcement::Notice(notice)));
            }
            ToViewer::View(view) => {
                if let Some(peer) = &mut self.peer {
                    peer.view = Some(view);
                }
            }
            // The last two come only where our hello has `Capabilities::SCOPE`.
            ToViewer::Pong { .. } | ToViewer::Figures(_) | ToViewer::Shared(_) | ToViewer::Rests(_) => {}
            ToViewer::End(reason) => self.end(reason, effects),
            ToViewer::Prove(proof) => self.verify(&proof, effects),
            ToViewer::InputIgnored(problem) => {
                effects.push(Effect::Announce(Announcement::InputIgnored(problem)));
            }
        }
    }

    fn change(&mut self, held: Rights, asked: Rights, effects: &mut Vec<Effect>) {
        // Control without sight is no right: the host never gives it, so it is not believed either.
        let held = if held.has(Right::View) { held } else { held.without(Right::Control) };
        for right in Right::ALL {
            match (self.held.has(right), held.has(right)) {
                (false, true) => effects.push(Effect::Announce(Announcement::Given(right))),
                (true, false) => effects.push(Effect::Announce(Announcement::Taken(right))),
                _ => {}
            }
        }
        self.declined |= self.held.has(Right::View) && !held.has(Right::View);
        self.declined &= !held.has(Right::View);
        self.held = held;
        self.asked = asked;
        self.kept_until_ms = None;
        if let Some(peer) = &mut self.peer {
            peer.told = true;
        }
    }

    pub(super) fn ask(&mut self, right: Right, effects: &mut Vec<Effect>) {
        let sensible = right != Right::Control || self.held.has(Right::View);
        if sensible && self.is_healthy() && !self.held.has(right) && !self.asked.has(right) {
            self.asked = self.asked.with(right);
            effects.push(Effect::Tell(ToHost::Ask(Rights::only(right))));
        }
    }

    pub(super) fn ping(&mut self, effects: &mut Vec<Effect>) {
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.control_open && peer.proven) {
            peer.pulse.ping(self.now_ms);
            self.nonce = self.nonce.wrapping_add(1);
            effects.push(Effect::Tell(ToHost::Ping { nonce: self.nonce }));
        }
    }
}
