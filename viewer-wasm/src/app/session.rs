//! What the server and the customer's program say, and what the session's machine decides about it.

use nearhand_protocol::channel::Channel;
use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::control::{Notice, ToHost, ToViewer};
use nearhand_protocol::cursor::CursorMessage;
use nearhand_protocol::file::{FileChunk, FileMessage};
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::Epoch;
use nearhand_protocol::signal::{ServerToViewer, ViewerToServer};
use nearhand_protocol::wire;

use super::{App, Input, now_ms};
use crate::dom;
use crate::kept;
use crate::rtc::{self, Peer};
use crate::signal::{Report, Wire};
use crate::state::{Announcement, Effect, Event, Phase, may_live_on};
use crate::stats::Sample;
use crate::toolbar::Toolbar;
use crate::words;

impl App {
    pub(super) fn advance(&mut self, event: Event) {
        for effect in self.state.handle(now_ms(), event) {
            self.carry_out(&effect);
        }
    }

    pub(super) fn carry_out(&mut self, effect: &Effect) {
        match *effect {
            Effect::StartPeer(epoch) => self.start_peer(epoch),
            Effect::RestartIce => {
                if let Some(peer) = &self.peer {
                    peer.restart_ice(&self.ways);
                }
            }
            Effect::OfferAgain => {
                if let Some(peer) = &self.peer {
                    peer.offer_again(&self.ways);
                }
            }
            Effect::Redial => self.redial(),
            Effect::KeepSeed { code, ref seed } => kept::keep_seed(&self.memory, code, seed),
            Effect::Share(share) => self.server.send(&ViewerToServer::Share { share }),
            Effect::KeepKey => {
                if let Some(key) = self.state.key() {
                    kept::keep_key(&self.memory, key);
                }
            }
            Effect::Proven => self.proven(),
            Effect::Tell(message) => self.tell(message),
            Effect::TellServerEnd(reason) => self.server.send(&ViewerToServer::End { reason }),
            Effect::ReleaseInput => self.release(),
            Effect::Darken => self.screen.set_acting(false),
            Effect::Close => self.close(),
            Effect::Announce(announcement) => self.announce(announcement),
        }
    }

    pub(super) fn start_peer(&mut self, epoch: Epoch) {
        self.files.interrupted();
        self.sample = Sample::default();
        self.received = 0.0;
        self.sampling = None;
        self.watching.begin();
        self.panel.begin();
        self.sequence = 0;
        self.sent = None;
        self.toolbar.show_path(None);
        // The old one first: two at once would share what the network gives.
        self.peer = None;
        self.unproven = None;
        self.shown = None;
        self.waking = None;
        self.screen.begin();
        let sink = self.handle.sink(move |event| Input::Rtc(epoch, event));
        self.peer = Peer::offer(epoch, &self.ways, sink).ok();
    }

    pub(super) fn close(&mut self) {
        self.files.interrupted();
        self.screen.darken();
        self.shown = None;
        self.waking = None;
        // What was said just now still goes out: closing sends it first.
        self.server.close();
        self.peer = None;
        self.unproven = None;
        self.sampling = None;
        if !matches!(self.state.phase(), Phase::Ended(reason) if may_live_on(reason)) {
            for what in ["resume", "secret", "seed", "key", "chat", "offers", "relay", "invitation"] {
                self.memory.forget(what);
            }
        }
        self.toolbar.show_path(None);
        Toolbar::close_popups();
        if let Ok(document) = dom::document()
            && document.fullscreen_element().is_some()
        {
            document.exit_fullscreen();
        }
    }

    /// The host is who it should be: its picture is taken, and what was written in the meantime goes out.
    pub(super) fn proven(&mut self) {
        if let Some(stream) = self.unproven.take() {
            self.screen.play(&stream);
        }
        self.say_waiting();
    }

    pub(super) fn announce(&mut self, announcement: Announcement) {
        // The picture itself says that it may be seen, and a notice stays where a toast would go.
        let shown = matches!(announcement, Announcement::Given(Right::View) | Announcement::Notice(_))
            && announcement != Announcement::Notice(Notice::NotAsked);
        if !shown {
            let (text, bad) = words::announcement(announcement);
            self.toolbar.toast(&text, bad);
        }
        if announcement == Announcement::Given(Right::Control) {
            self.keyboard.set_active(true);
            self.keyboard.focus();
        }
    }

    pub(super) fn signal(&mut self, wire: Wire) {
        for report in self.server.handle(wire) {
            match report {
                Report::Lost => self.advance(Event::SignalLost),
                Report::Refused(reason) => self.advance(Event::SignalEnded(reason)),
                Report::Message(message) => self.server_said(message),
            }
        }
    }

    /// Connects to the server anew: what is there may be dead and not know it.
    pub(super) fn redial(&mut self) {
        if self.server.redial() {
            self.advance(Event::SignalLost);
        }
    }

    pub(super) fn server_said(&mut self, message: ServerToViewer) {
        match message {
            ServerToViewer::Welcome {
                version, nameplate, code_valid_s, epoch, ice_servers, host, ..
            } => {
                self.ways.ice_servers = ice_servers;
                Toolbar::show_code(&nameplate.to_string(), &self.memory);
                self.advance(Event::Welcomed { version, nameplate, code_valid_s, epoch, host });
            }
            ServerToViewer::HostArrived { host } => self.advance(Event::HostArrived(host)),
            ServerToViewer::HostDropped { grace_s } => self.advance(Event::HostDropped { grace_s }),
            ServerToViewer::Share { share } => self.advance(Event::Shared(share)),
            ServerToViewer::Negotiate(message) => {
                if let Some(peer) = &mut self.peer {
                    peer.receive(message);
                }
            }
            ServerToViewer::End { reason } => self.advance(Event::SignalEnded(reason)),
        }
    }

    pub(super) fn rtc(&mut self, epoch: Epoch, event: rtc::Event) {
        if self.peer.as_ref().is_none_or(|peer| peer.epoch() != epoch) {
            return;
        }
        match event {
            rtc::Event::Negotiate(message) => {
                return self.server.send(&ViewerToServer::Negotiate(message));
            }
            rtc::Event::RestartWanted { anew } => self.advance(Event::RestartWanted { epoch, anew }),
            rtc::Event::Up => self.advance(Event::LinkUp(epoch)),
            rtc::Event::Broken => self.advance(Event::LinkBroken(epoch)),
            rtc::Event::Failed => self.advance(Event::LinkFailed(epoch)),
            rtc::Event::Described(binding) => self.advance(Event::Described(epoch, binding)),
            rtc::Event::Picture(stream) if self.state.is_proven() => self.screen.play(&stream),
            rtc::Event::Picture(stream) => self.unproven = Some(stream),
            rtc::Event::Opened(Channel::Control) => self.advance(Event::ControlOpen(epoch)),
            rtc::Event::Closed(Channel::Control) => self.advance(Event::ControlClosed(epoch)),
            rtc::Event::Opened(Channel::Chat) => self.say_waiting(),
            rtc::Event::Closed(Channel::Files | Channel::FileData) => self.files.interrupted(),
            rtc::Event::Opened(_) | rtc::Event::Closed(_) => return,
            rtc::Event::Room(Channel::Pointer) => return self.move_pointer(),
            rtc::Event::Room(_) => {
                return self.files.pump(self.peer.as_ref().filter(|_| self.state.is_proven()));
            }
            rtc::Event::Message(channel, bytes) => {
                if self.message(channel, &bytes).is_err() {
                    self.malformed = self.malformed.saturating_add(1);
                }
                if !matches!(channel, Channel::Control | Channel::Chat) {
                    return;
                }
            }
        }
        self.render();
    }

    /// A message of the host. What can't be understood is counted and otherwise ignored.
    pub(super) fn message(&mut self, channel: Channel, bytes: &[u8]) -> Result<(), wire::WireError> {
        if channel != Channel::Control && !self.state.believes() {
            return Ok(());
        }
        match channel {
            Channel::Control => {
                let message: ToViewer = wire::decode(bytes)?;
                if self.state.is_proven() {
                    self.panel.hear(&message);
                }
                self.advance(Event::Heard(message));
                self.show_view();
            }
            Channel::Cursor => {
                let message: CursorMessage = wire::decode(bytes)?;
                if self.state.may_see() {
                    self.screen.cursor(message);
                }
            }
            Channel::Chat => {
                let message: ChatMessage = wire::decode(bytes)?;
                if self.chat.receive(message, self.hidden) && !self.hidden {
                    self.look_at_chat();
                }
            }
            Channel::Files => {
                let message: FileMessage = wire::decode(bytes)?;
                self.files.receive(&message, self.peer.as_ref());
            }
            Channel::FileData => {
                let chunk: FileChunk<'_> = wire::decode_borrowed(bytes)?;
                self.files.chunk(&chunk, self.peer.as_ref());
            }
            Channel::Picture | Channel::Frames => self.picture_came(channel, bytes),
            // These go the other way only, or were not asked for by our hello.
            Channel::Input | Channel::Pointer | Channel::Clipboard | Channel::Facts => {
                return Err(wire::WireError::Malformed);
            }
        }
        Ok(())
    }

    fn say_waiting(&self) {
        for message in self.chat.waiting() {
            self.say(&message);
        }
    }

    pub(super) fn tell(&self, message: ToHost) {
        if let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(&message)) {
            // A full control channel belongs to a dead link, which is noticed by its silence.
            let _ = peer.send(Channel::Control, &bytes);
        }
    }

    pub(super) fn say(&self, message: &ChatMessage) {
        if self.state.is_proven()
            && let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(message))
        {
            // What does not go out waits in the conversation until the channel is there again.
            let _ = peer.send(Channel::Chat, &bytes);
        }
    }
}
