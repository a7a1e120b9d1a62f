//! Turning steps into updates, and remembering what was sent.

use std::time::Instant;

use nearhand_protocol::channel::Channel;
use nearhand_protocol::picture::{Cells, MAX_STEPS, Step, Update};
use nearhand_protocol::wire::encode;

use super::super::ledger::Sent;
use super::super::plan::{STEP, Tile};
use super::super::screen::Shift;
use super::super::trace::{self, Kind, Look};
use super::{LOSSY, REFUSED, Viewer};
use crate::rtc::SendError;

/// Where packets are lost, an update is one of them; else it is all of one look, which is painted at once then.
pub(super) const SHORT: usize = 1_100;
const LONG: usize = Channel::MAX_MESSAGE - 4 * 1024;

impl Viewer {
    /// The cells that a frame would be for: those that wait for one, and those of frames that did not come yet.
    fn wants(&self) -> Vec<usize> {
        let mut cells: Vec<usize> = self.cells.by_video().collect();
        if !cells.is_empty() {
            cells.extend(
                self.ledger
                    .awaited()
                    .filter(|(cell, number)| self.cells.shows(*cell, *number))
                    .map(|(cell, _)| cell),
            );
        }
        cells
    }

    /// Announces a frame that will have this timestamp and size, together with what else changed since it was looked at
    /// last: one update is painted at once. False where that can't be said now.
    pub(in crate::video) fn announce(
        &mut self,
        timestamp: u32,
        (width, height): (u32, u32),
        now: Instant,
    ) -> bool {
        self.held_until = None;
        let held = std::mem::take(&mut self.held);
        let bytes: usize = held.iter().map(|tile| tile.coded.len() + STEP).sum();
        let most = self.longest();
        if bytes + self.moving.len() * STEP > most || held.len() + self.moving.len() >= MAX_STEPS {
            self.send_tiles(held, now, None);
        } else {
            self.held = held;
        }
        let moves = std::mem::take(&mut self.moving);
        let tiles = std::mem::take(&mut self.held);
        let number = self.ledger.next_number();
        for shift in &moves {
            self.cells.shifted(shift.to, number);
        }
        let wanted = self.wants();
        let mut flags = vec![false; self.cells.grid().count()];
        for cell in &wanted {
            flags[*cell] = true;
        }
        let cells = Cells::from_flags(flags);
        let frame = Step::Frame { timestamp, width: width as u16, height: height as u16, cells };
        let frame = (!wanted.is_empty()).then_some(frame);
        if frame.is_none() && moves.is_empty() && tiles.is_empty() {
            return true;
        }
        // A frame paints whole cells: over what was moved there, and below the exact pixels in them.
        let since = self.ledger.since();
        let steps =
            moves.iter().map(|shift| step(shift, since)).chain(frame).chain(tiles.iter().map(Tile::step));
        let Ok(bytes) = self.send(steps.collect(), now) else {
            for shift in moves {
                self.cells.stay(shift.to);
            }
            self.undecided = true;
            return false;
        };
        self.tally.tiles(tiles.len(), bytes);
        self.cells.frame(&wanted, number);
        self.note_painted(number, &moves, &tiles, wanted, now);
        true
    }

    /// The frame that was announced last does not come.
    pub(in crate::video) fn frame_failed(&mut self, now: Instant) {
        self.synced = false;
        for sent in self.ledger.give_up_frames() {
            self.lose(&sent, now);
        }
    }

    /// A frame is made at this time at the earliest; `None`: nobody knows.
    pub(in crate::video) const fn set_next_frame(&mut self, next: Option<Instant>) {
        self.next_frame = next;
    }

    /// Sends what is held for a frame, where that does not come soon; else says until when it is held. True where something
    /// was sent.
    pub(in crate::video) fn let_go(&mut self, now: Instant, looked: &Look) -> Result<bool, Instant> {
        let Some(until) = self.held_until else { return Ok(false) };
        if until > now && self.next_frame.is_some_and(|next| next <= until) {
            return Err(until);
        }
        self.held_until = None;
        let held = std::mem::take(&mut self.held);
        if !self.send_tiles(held, now, Some((looked, now))) {
            self.undecided = true;
        }
        Ok(true)
    }

    /// Sends tiles in as few updates as the line likes, the moves with the first of them; false where the channel refused.
    pub(super) fn send_tiles(
        &mut self,
        tiles: Vec<Tile>,
        now: Instant,
        looked: Option<(&Look, Instant)>,
    ) -> bool {
        let mut moves = std::mem::take(&mut self.moving);
        let most = self.longest();
        let mut tiles = tiles.into_iter().peekable();
        while tiles.peek().is_some() || !moves.is_empty() {
            let (mut batch, mut bytes) = (Vec::new(), moves.len() * STEP);
            while let Some(tile) = tiles.next_if(|tile| {
                batch.is_empty() || (bytes + tile.coded.len() + STEP <= most && batch.len() < MAX_STEPS)
            }) {
                bytes += tile.coded.len() + STEP;
                batch.push(tile);
            }
            let number = self.ledger.next_number();
            let since = self.ledger.since();
            let steps = moves.iter().map(|shift| step(shift, since)).chain(batch.iter().map(Tile::step));
            let Ok(bytes) = self.send(steps.collect(), now) else {
                for shift in moves {
                    self.cells.stay(shift.to);
                }
                return false;
            };
            self.tally.tiles(batch.len(), bytes);
            for shift in &moves {
                self.cells.shifted(shift.to, number);
            }
            self.note_painted(number, &std::mem::take(&mut moves), &batch, Vec::new(), now);
            if let Some((look, encoded)) = looked {
                trace::sent(Kind::Tiles, number, look, look.grabbed, encoded);
            }
        }
        true
    }

    /// Bytes of an update.
    fn longest(&self) -> usize {
        if self.rate.loss() > LOSSY { SHORT } else { LONG }
    }

    /// Writes down what an update paints that was sent.
    fn note_painted(
        &mut self,
        number: u32,
        moves: &[Shift],
        tiles: &[Tile],
        cells: Vec<usize>,
        now: Instant,
    ) {
        for shift in moves {
            self.tally.moved(shift.to.pixels());
        }
        for tile in tiles {
            self.cells.tile(tile.area, number);
        }
        let areas = moves.iter().map(|shift| shift.to).chain(tiles.iter().map(|tile| tile.area)).collect();
        let sources = moves.iter().map(|shift| shift.from).collect();
        self.note(Sent { number, at: now, areas, sources, cells }, now);
    }

    fn send(&mut self, steps: Vec<Step<'_>>, now: Instant) -> Result<usize, SendError> {
        let update = Update { view: self.view.number, number: self.ledger.next_number(), steps };
        let message = match encode(&update) {
            Ok(message) => message,
            Err(error) => {
                // What is built here keeps to the bounds; if not, it is not sent, and seen in the log.
                tracing::warn!(%error, "an update of the picture can't be sent");
                return Err(SendError::TooLong);
            }
        };
        let bytes = message.len();
        match self.transport.send(Channel::Picture, message.into()) {
            Ok(()) => {
                self.rate.sent_tiles(bytes);
                self.window.sent(bytes);
                Ok(bytes)
            }
            Err(error) => {
                self.refused_until = Some(now + REFUSED);
                Err(error)
            }
        }
    }

    fn note(&mut self, sent: Sent, now: Instant) {
        if let Some(pushed_out) = self.ledger.sent(sent) {
            self.lose(&pushed_out, now);
        }
    }
}

/// A move, where the viewer may lack updates from `since` on.
const fn step<'a>(shift: &Shift, since: u32) -> Step<'a> {
    Step::Move { since, from_x: shift.from.x, from_y: shift.from.y, to: shift.to }
}
