//! Keys and pointer on their way to the customer's computer: only with the right to act, and let go of in time.

use nearhand_protocol::channel::Channel;
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::wire;

use super::App;
use crate::{keyboard, monitors, pointer};

/// A pointer move waits while more bytes than this are on their way: only the newest place counts.
const POINTER_BUSY: usize = 256;

impl App {
    pub(super) fn input(&self, event: &InputEvent) {
        // Letting go needs no right.
        if (self.state.may_control() || (*event == InputEvent::ReleaseAll && self.state.is_proven()))
            && let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(event))
        {
            let _ = peer.send(Channel::Input, &bytes);
        }
    }

    pub(super) fn release(&mut self) {
        self.moved = None;
        let mut held = self.keyboard.release_all().is_some() | self.pointer.release_all().is_some();
        for window in &self.windows {
            held |= window.release_all();
        }
        if held {
            self.input(&InputEvent::ReleaseAll);
        }
    }

    pub(super) fn typed(&mut self, event: keyboard::Event) {
        match event {
            keyboard::Event::Send(events) => {
                for event in &events {
                    self.input(event);
                }
            }
            keyboard::Event::Blurred => self.release(),
            keyboard::Event::Monitor(number) => {
                self.release();
                self.monitors_used(monitors::Event::Number(number));
            }
            keyboard::Event::Leave => {
                self.release();
                self.come_back();
                self.toolbar.focus();
            }
        }
    }

    pub(super) fn pointed(&mut self, event: pointer::Event) {
        match event {
            pointer::Event::Moved(x, y) => {
                if self.sent != Some((x, y)) {
                    self.moved = Some((x, y));
                    self.screen.moved_here();
                    self.move_pointer();
                }
            }
            pointer::Event::Send(events) => {
                self.screen.moved_here();
                for event in &events {
                    self.input(event);
                }
            }
            pointer::Event::Took => self.keyboard.focus(),
        }
    }

    pub(super) fn move_pointer(&mut self) {
        let Some((x, y)) = self.moved.filter(|_| self.state.may_control()) else { return };
        let Some(peer) = self.peer.as_ref().filter(|peer| peer.buffered(Channel::Pointer) < POINTER_BUSY)
        else {
            // It goes out as soon as the channel has room; if it moves on before, all the better.
            return;
        };
        self.sequence = self.sequence.wrapping_add(1);
        let message = PointerMove { sequence: self.sequence, x, y };
        if wire::encode(&message).is_ok_and(|bytes| peer.send(Channel::Pointer, &bytes).is_ok()) {
            self.sent = self.moved.take();
        }
    }
}
