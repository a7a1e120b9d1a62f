//! What comes of the picture, and what the host is told about it.

use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::ToHost;
use nearhand_protocol::picture::View;
use nearhand_protocol::wire::{self, WireError};

use super::{App, Input};
use crate::dom;
use crate::listen::{self, Timer};
use crate::screen::{self, Done, MOST_PIXELS};
use crate::state::Event;
use crate::words::picture;

/// With more messages than this about the picture that make no sense, the session is ended.
const MOST_MISLEADING: u32 = 100;
/// The whole picture is asked for at most so often, in milliseconds.
const REFRESH_MS: f64 = 500.0;

/// When the picture is to be looked at without anything coming.
pub(super) struct Waking {
    at_ms: f64,
    _timer: Timer,
}

impl App {
    /// Something of the picture came, or is ready.
    pub(super) fn picture(&mut self, event: screen::Event) {
        let done = self.screen.handle(event);
        self.painted_or_not(done);
    }

    /// A message on the channels of the picture.
    pub(super) fn picture_came(&mut self, channel: Channel, bytes: &[u8]) {
        let done =
            if channel == Channel::Picture { self.screen.update(bytes) } else { self.screen.chunk(bytes) };
        self.painted_or_not(done);
    }

    /// It is time to look.
    pub(super) fn woken(&mut self) {
        self.waking = None;
        let done = self.screen.tick();
        self.painted_or_not(done);
    }

    /// Shows what the host says it shows; of one that says nothing, everything.
    pub(super) fn show_view(&mut self) {
        match (self.state.view(), self.state.host_paints(), self.state.layout()) {
            (Some(view), ..) => self.show_part(view),
            (None, Some(false), Some(layout)) => {
                let (width, height) = (layout.width, layout.height);
                self.screen.set_bare(width, height);
            }
            _ => {}
        }
    }

    fn show_part(&mut self, view: View) {
        if self.shown.replace(view) == Some(view) {
            return;
        }
        if view.area.pixels() > MOST_PIXELS {
            return self.toolbar.toast(&picture::too_large(), true);
        }
        let bad = self.screen.set_view(view);
        self.misled(bad);
        self.acknowledge();
    }

    fn painted_or_not(&mut self, done: Result<Done, WireError>) {
        match done {
            Ok(done) => {
                if done.painted {
                    self.painted();
                }
                if done.refresh {
                    self.refresh();
                }
            }
            Err(_) => self.misled(1),
        }
        self.acknowledge();
    }

    fn misled(&mut self, times: u32) {
        if times == 0 {
            return;
        }
        self.malformed = self.malformed.saturating_add(times);
        self.misleading = self.misleading.saturating_add(times);
        if self.misleading > MOST_MISLEADING {
            self.advance(Event::Misled);
        }
        self.render();
    }

    fn refresh(&mut self) {
        let now_ms = dom::page_ms();
        // What needs it goes on asking.
        if self.refreshed_ms.is_none_or(|last_ms| now_ms - last_ms >= REFRESH_MS) && self.state.is_proven() {
            self.refreshed_ms = Some(now_ms);
            self.tell(ToHost::Refresh);
        }
    }

    /// Tells the host what was painted, where that is due, and sees to it that it will be.
    fn acknowledge(&mut self) {
        if let Some(painted) = self.screen.tell()
            && let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(&painted))
        {
            // Each tells about the last 128, so that one that is not sent costs nothing.
            let _ = peer.send(Channel::Picture, &bytes);
        }
        let Some(due_ms) = self.screen.due_in_ms() else {
            self.waking = None;
            return;
        };
        let due_ms = due_ms.max(1.0).ceil();
        let at_ms = dom::page_ms() + due_ms;
        if self.waking.as_ref().is_none_or(|waking| waking.at_ms > at_ms + 1.0) {
            let wake = self.handle.sink(|()| Input::Wake);
            let timer = listen::after(due_ms as i32, move || wake(()));
            self.waking = timer.map(|timer| Waking { at_ms, _timer: timer });
        }
    }
}
