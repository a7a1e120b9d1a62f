//! One technician's tab: what it looks at, what it has, and what is sent to it next.

mod allowance;
mod sending;

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_encoder::LEAST_QP;
use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::{Figures, Quality, Watch};
use nearhand_protocol::cursor::CursorMessage;
use nearhand_protocol::grant::ViewGrant;
use nearhand_protocol::picture::{Area, Painted, View};
use nearhand_protocol::tile;
use nearhand_protocol::wire::encode;

use super::ViewerId;
use super::budget::Bucket;
use super::cells::Cells;
use super::company::Company;
use super::figures::Tally;
use super::ledger::{Ledger, Sent};
use super::plan::{self, STEP, Tile};
use super::rate::Rate;
use super::region::Grid;
use super::repair::{self, Repair};
use super::screen::{Change, Screen, Shift};
use super::sharpen::Sharpening;
use super::stream::within;
use super::trace::Look;
use super::window::Window;
use crate::cursor::Cursor;
use crate::rtc::Transport;
use allowance::code;

/// A channel that takes nothing is tried again after this long.
const REFUSED: Duration = Duration::from_millis(15);
/// While it lags.
const LAGS: Duration = Duration::from_millis(3);
/// While it stands still.
const STANDS: Duration = Duration::from_millis(15);
/// A technician may look at something else this often.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(200);
/// And may have everything sent anew.
const REFRESH: Duration = Duration::from_millis(500);
/// What goes with a frame waits for it no longer than this.
const HELD: Duration = Duration::from_millis(40);
/// The round trip where it is not known.
const ROUND_TRIP: Duration = Duration::from_millis(60);
/// A queue that is longer is none of ours.
const LONGEST_QUEUE: Duration = Duration::from_secs(1);
/// This part of the packets lost is more than an accident.
const LOSSY: f32 = 0.005;
/// See [`Viewer::sharpest`].
const MOVING_QP: u8 = 27;
/// What the technician who saves data gets, in bits per second.
const SAVING: u32 = 1_000_000;

/// One viewer.
pub(super) struct Viewer {
    pub(super) id: ViewerId,
    pub(super) grant: ViewGrant,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) rate: Rate,
    pub(super) cursor: Cursor,
    pub(super) tally: Tally,
    pub(super) view: View,
    /// It has every frame of its stream since the last keyframe.
    pub(super) synced: bool,
    /// How its line is beside those of the others.
    pub(super) company: Company,
    watch: Watch,
    wish: Option<Watch>,
    looked_elsewhere: Option<Instant>,
    refreshed: Option<Instant>,
    cells: Cells,
    ledger: Ledger,
    /// Something changed that was not decided about.
    undecided: bool,
    /// Moves that go with the next update.
    moving: Vec<Shift>,
    /// When something moved last.
    moved: Option<Instant>,
    /// Tiles that go with them and with a frame: all that one look brings is painted at once.
    held: Vec<Tile>,
    /// The frame is waited for until then.
    held_until: Option<Instant>,
    /// When that is made at the earliest.
    next_frame: Option<Instant>,
    spent: Bucket,
    repaired: Bucket,
    window: Window,
    sharpening: Sharpening,
    /// The channel carries nothing just now.
    stands: bool,
    refused_until: Option<Instant>,
}

/// What there is to do for a viewer.
#[derive(Debug, Default)]
pub(super) struct Attended {
    /// Something was sent: there may be more.
    pub(super) more: bool,
    /// Then it is to be looked at again.
    pub(super) again: Option<Instant>,
}

impl Attended {
    fn at(&mut self, then: Instant) {
        self.again = Some(self.again.map_or(then, |again| again.min(then)));
    }
}

impl Viewer {
    /// One that has seen nothing; it is shown nothing before [`Self::look_at`].
    pub(super) fn new(id: ViewerId, grant: ViewGrant, transport: Arc<dyn Transport>) -> Self {
        let area = Area::new(0, 0, 1, 1);
        Self {
            id,
            grant,
            transport,
            rate: Rate::new(),
            cursor: Cursor::default(),
            tally: Tally::default(),
            view: View { number: 0, monitor: None, area },
            synced: false,
            company: Company::default(),
            watch: Watch::default(),
            wish: None,
            looked_elsewhere: None,
            refreshed: None,
            cells: Cells::new(Grid { width: 1, height: 1 }),
            ledger: Ledger::new(),
            undecided: true,
            moving: Vec::new(),
            moved: None,
            held: Vec::new(),
            held_until: None,
            next_frame: None,
            spent: Bucket::default(),
            repaired: Bucket::default(),
            window: Window::default(),
            sharpening: Sharpening::new(),
            stands: false,
            refused_until: None,
        }
    }

    /// The technician wants to look at something, some way; the last wish counts.
    pub(super) fn wish(&mut self, watch: Watch) {
        self.wish = Some(watch);
    }

    /// What was wished, once it may be done; else when.
    pub(super) fn grant_wish(&mut self, now: Instant) -> Result<Option<Watch>, Instant> {
        if self.wish.is_none() {
            return Ok(None);
        }
        let from = self.looked_elsewhere.map_or(now, |last| last + LOOK_ELSEWHERE);
        if from > now {
            return Err(from);
        }
        self.looked_elsewhere = Some(now);
        if let Some(wish) = self.wish {
            self.watch = wish;
        }
        Ok(self.wish.take())
    }

    /// The monitor that it looks at, where there is such a one.
    pub(super) fn monitor(&self) -> Option<u8> {
        self.watch.monitor
    }

    /// Shows it this part of the desktop, from its beginning.
    pub(super) fn look_at(&mut self, monitor: Option<u8>, area: Area) -> View {
        self.view = View { number: self.view.number.wrapping_add(1), monitor, area };
        self.begin();
        self.view
    }

    /// It has nothing of what was painted any more.
    pub(super) fn refresh(&mut self, now: Instant) {
        if self.refreshed.is_some_and(|last| now.saturating_duration_since(last) < REFRESH) {
            return;
        }
        self.refreshed = Some(now);
        self.begin();
    }

    fn begin(&mut self) {
        self.cells = Cells::new(Grid { width: self.view.area.width, height: self.view.area.height });
        self.ledger.forget();
        self.moving.clear();
        self.held.clear();
        self.held_until = None;
        self.synced = false;
        self.undecided = true;
    }

    /// Whether anything is sent to it.
    pub(super) fn is_watching(&self) -> bool {
        !self.watch.paused
    }

    /// The screen became another, in its own pixels.
    pub(super) fn follow(&mut self, change: &Change, now: Instant) {
        self.stay();
        self.sharpening.done();
        let moves = self.moves(change, now);
        for area in if moves { &change.rest } else { &change.areas } {
            if let Some(part) = within(*area, self.view.area) {
                self.cells.change(part, now);
                self.undecided = true;
            }
        }
    }

    /// Prepares the moves, where all of them can be made.
    fn moves(&mut self, change: &Change, now: Instant) -> bool {
        if change.moves.is_empty()
            || !self.is_watching()
            || self.rate.loss() > LOSSY
            || self.ledger.misses_some()
            || self.refused_until.is_some()
        {
            return false;
        }
        let here = |area| within(area, self.view.area).filter(|part| part.pixels() == area.pixels());
        let shift = |shift: &Shift| Some(Shift { from: here(shift.from)?, to: here(shift.to)? });
        let Some(moves) = change.moves.iter().map(shift).collect::<Option<Vec<_>>>() else { return false };
        for shift in moves {
            if !self.cells.can_move(shift.from, shift.to) {
                // What was moved already is painted instead.
                self.stay();
                return false;
            }
            self.cells.moved(shift.from, shift.to, now);
            self.moved = Some(now);
            self.moving.push(shift);
            self.undecided = true;
        }
        true
    }

    /// What was prepared is not sent: the pixels of the moves are painted.
    fn stay(&mut self) {
        self.undecided |= self.held_until.take().is_some();
        self.held.clear();
        for shift in std::mem::take(&mut self.moving) {
            self.cells.stay(shift.to);
        }
    }

    /// It tells what it painted.
    pub(super) fn painted(&mut self, painted: &Painted) {
        for frame in self.ledger.painted(painted) {
            self.cells.settle(&frame.cells, frame.number);
        }
    }

    /// It asks for a keyframe. One that has everything asks because nothing comes, and needs none.
    pub(super) fn keyframe_asked(&mut self, now: Instant) {
        if self.ledger.awaited().next().is_none() {
            return;
        }
        self.synced = false;
        for sent in self.ledger.give_up_frames() {
            self.lose(&sent, now);
        }
    }

    /// Bits per second that its frames may take.
    pub(super) fn bitrate(&self) -> u32 {
        let bitrate = self.rate.bitrate();
        if self.watch.quality == Quality::SaveData { bitrate.min(SAVING) } else { bitrate }
    }

    /// Most frames a second that it gets.
    pub(super) fn fps(&self) -> u32 {
        let fps = self.rate.fps();
        match self.watch.quality {
            Quality::Smooth => fps,
            // A little more than the thirty that films have, or some of theirs would fall between two.
            Quality::Auto | Quality::Sharp => fps.min(36),
            Quality::SaveData => fps.min(12),
        }
    }

    /// Bits per second that are worth spending on its frames: what moves need not be sharp, for tiles follow.
    pub(super) fn video_bitrate(&self) -> u32 {
        let most = match self.watch.quality {
            Quality::Auto | Quality::SaveData => 3_600_000,
            Quality::Sharp | Quality::Smooth => 8_000_000,
        };
        self.sharpening.bitrate(self.bitrate().min(most), self.rate.carries())
    }

    /// The finest quantiser that is worth its bits: where exact tiles follow soon, what moves need not be finer than the eye
    /// follows.
    pub(super) fn sharpest(&self, now: Instant) -> u8 {
        let soon = !self.rate.is_thin(now);
        if soon && matches!(self.watch.quality, Quality::Auto | Quality::SaveData) {
            MOVING_QP
        } else {
            LEAST_QP
        }
    }

    /// Whose stream it looks at: its own, or that of everybody.
    pub(super) fn own_stream(&self) -> Option<ViewerId> {
        self.company.is_apart().then_some(self.id)
    }

    /// Sends what is due but frames, and what is to be painted together with one, which the viewer holds until
    /// [`Self::announce`] or [`Self::let_go`]; `looked`: when the screen was read last, `running`: frames go on elsewhere.
    pub(super) fn attend(
        &mut self,
        now: Instant,
        screen: &Screen,
        coder: &mut tile::Encoder,
        looked: &Look,
        (pointer, running): ((u16, u16), bool),
    ) -> Attended {
        let mut attended = Attended::default();
        let round_trip = self.round_trip();
        for sent in self.ledger.lost(now, round_trip) {
            tracing::trace!(number = sent.number, "an update was lost");
            self.lose(&sent, now);
        }
        if self.ledger.take_missed() > 0 {
            self.transport.missed();
        }
        if self.watch.paused {
            self.stay();
            return attended;
        }
        if let Some(until) = self.refused_until.filter(|until| *until > now) {
            self.stay();
            attended.at(until);
            return attended;
        }
        self.refused_until = None;
        let under_way = self.transport.buffered(Channel::Picture);
        self.stands = self.window.stands(now, under_way, round_trip);
        if self.stands {
            // Neither an update nor what announces a frame would come through: all of it is merged until something does.
            self.stay();
            attended.at(now + STANDS);
            return attended;
        }
        if self.lags(now) || !self.ledger.has_room() {
            self.stay();
            if self.undecided || !matches!(repair::next(&self.cells, now, pointer), Repair::Nothing) {
                attended.at(now + LAGS);
            }
            return attended;
        }
        if std::mem::take(&mut self.undecided) {
            self.held_until = None;
            let limits = self.limits(now, running);
            let area = self.view.area;
            let tiles = plan::decide(&mut self.cells, now, limits, &mut |part, most| {
                code(coder, screen, area, part, most)
            });
            let bytes = tiles.iter().map(|tile| tile.coded.len() + STEP).sum();
            self.spent.take(bytes);
            let encoded = Instant::now();
            if self.wants_frame() {
                self.held = tiles;
                self.held_until = Some(now + HELD);
                return attended;
            }
            if !self.send_tiles(tiles, now, Some((looked, encoded))) {
                self.undecided = true;
                attended.at(now + REFUSED);
                return attended;
            }
        }
        if self.held_until.is_none() {
            self.repair(now, screen, coder, (pointer, running), &mut attended);
        }
        attended
    }

    /// When something of what was sent may be lost, and [`Self::attend`] is to look.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ledger.deadline(self.round_trip())
    }

    /// Whether a frame would be for anything.
    pub(super) fn wants_frame(&self) -> bool {
        self.is_watching() && !self.stands && self.cells.by_video().next().is_some()
    }

    /// What is told to the panel, where it is open and the time has come; else when.
    pub(super) fn figures(&mut self, now: Instant) -> Result<Option<Figures>, Instant> {
        if !self.watch.figures {
            return Ok(None);
        }
        let due = self.tally.due(now);
        if due > now {
            return Err(due);
        }
        let (bitrate, exact) = (self.bitrate(), self.cells.exact_percent());
        Ok(Some(self.tally.take(now, &self.transport.stats(), bitrate, exact)))
    }

    /// Says something about the cursor.
    pub(super) fn say(&self, message: &CursorMessage) {
        match encode(message) {
            Ok(bytes) => {
                if self.transport.send(Channel::Cursor, bytes.into()).is_err() {
                    // Told again when the channel opens or has room: the driver says when.
                    tracing::trace!("the cursor channel takes nothing now");
                }
            }
            Err(error) => tracing::debug!(%error, "the cursor can't be told"),
        }
    }

    /// Looks at the line; what it carries may have changed.
    pub(super) fn measure(&mut self, now: Instant) {
        if self.rate.update(now, &self.transport.stats()) {
            self.transport.set_pacing(Some(self.rate.pacing(now)));
        }
    }

    fn lose(&mut self, sent: &Sent, now: Instant) {
        for area in &sent.areas {
            self.cells.lose(*area, sent.number, now);
        }
        for cell in &sent.cells {
            let area = self.cells.grid().cell(*cell);
            self.cells.lose(area, sent.number, now);
        }
        self.undecided = true;
    }

    fn round_trip(&self) -> Duration {
        let stats = self.transport.stats();
        // What is sent stands behind what fills the line.
        stats.round_trip.unwrap_or(ROUND_TRIP) + stats.queue_delay.unwrap_or_default().min(LONGEST_QUEUE)
    }
}
