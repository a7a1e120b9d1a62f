//! What the canvas shows, cell by cell, and what an update or a frame of the video may change of it: no clock, no browser.
//!
//! Updates and frames come by different ways, in any order, and some never. [`nearhand_protocol::picture`] says what
//! follows; the names here are those of its docs. The pixels themselves are the [`Canvas`]'s.

mod grid;
mod history;
mod pace;

use nearhand_protocol::picture::{Area, Painted, Step, Update, View};
use nearhand_protocol::tile::TileError;
use nearhand_protocol::wire::{self, WireError};

pub use grid::{around, common};

use grid::{Grid, Key, May, Set};
use history::{Fate, History};
use pace::Pace;

/// Most updates that wait for their view to be announced.
const MOST_EARLY: usize = 64;
/// Most updates that wait for one that was overtaken.
const MOST_WAITING: usize = 64;
/// How long they wait, in milliseconds. A reordered update comes within a few; one that is lost never comes.
const WAIT_MS: f64 = 30.0;
/// How long an update waits for its frame, in milliseconds, before it is painted in parts.
const FRAME_MS: f64 = 200.0;
/// How long a step whose frame was left out waits for the announcement of the later one that is there, in milliseconds. Painted
/// at once it would be ahead of updates that are still on their way, and those would paint something old over it.
const LATE_MS: f64 = 100.0;
/// Most steps that wait for their frame.
const MOST_AWAITED: usize = 64;
/// Most rectangles that are remembered as painted while a frame was awaited.
const MOST_OVER: usize = 64;
/// Most rectangles into which the cells of one frame are cut around those.
const MOST_CUTS: usize = 4096;

/// What is painted on. Areas are pixels of the view, and lie within it.
pub trait Canvas {
    /// Puts these parts of a tile.
    fn tile(&mut self, area: Area, coded: &[u8], parts: &[Area]) -> Result<(), TileError>;

    /// Copies what is at `from` to another place.
    fn copy(&mut self, from: Area, to: Area);

    /// Paints these parts from the newest frame, of which `width × height` pixels hold the whole view; `false` where there
    /// is no such frame.
    fn frame(&mut self, width: u16, height: u16, parts: &[Area]) -> bool;
}

/// A step that waits for its frame.
#[derive(Debug)]
struct Awaited {
    number: u32,
    key: Key,
    timestamp: u32,
    width: u16,
    height: u16,
    cells: Set,
    /// What later steps painted in the meantime; `None`: too much to know.
    over: Option<Vec<Area>>,
    /// Since when there is a later frame, which nothing has announced.
    late_ms: Option<f64>,
}

impl Awaited {
    /// Whether this frame is the awaited one or a later one, which may be painted in its place some time.
    const fn is_met_by(&self, newest: u32) -> bool {
        is_at_or_after(newest, self.timestamp)
    }
}

/// An update that waits for another one, or for its frame.
#[derive(Debug)]
struct Waiting {
    number: u32,
    came_ms: f64,
    until_ms: f64,
    /// The cells that it paints, or copies from: what comes later waits behind it there.
    cells: Set,
    /// Its last frame.
    frame: Option<Awaited>,
    bytes: Vec<u8>,
}

/// Whether an update can be carried out whole. Later ones count more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ready {
    Yes,
    /// Not before a frame.
    Frame,
    /// Not before another update, which has not come.
    Overtaken,
    /// Something that it moves will never be there.
    Never,
}

impl Ready {
    /// How long that is waited for, in milliseconds; `None` where it is not.
    const fn patience_ms(self) -> Option<f64> {
        match self {
            Self::Yes | Self::Never => None,
            Self::Frame => Some(FRAME_MS),
            Self::Overtaken => Some(WAIT_MS),
        }
    }
}

/// The picture of one peer connection.
#[derive(Debug, Default)]
pub struct Painter {
    view: Option<View>,
    grid: Grid,
    history: History,
    pace: Pace,
    /// For a view that was not announced yet.
    early: Vec<Vec<u8>>,
    /// Sorted by number.
    waiting: Vec<Waiting>,
    /// Sorted by key.
    awaited: Vec<Awaited>,
    /// The timestamp of the newest frame, while the canvas holds it.
    newest: Option<u32>,
    /// The latest timestamp that an update has named.
    announced: Option<u32>,
    /// Updates painted.
    painted: u64,
}

impl Painter {
    /// Nothing is painted, and no view is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is looked at.
    pub const fn shown(&self) -> Option<View> {
        self.view
    }

    /// How many updates were painted whole.
    pub const fn painted(&self) -> u64 {
        self.painted
    }

    /// The host announces what it shows from now on. Answers how many of the updates that waited for this made no sense.
    pub fn view(&mut self, view: View, now_ms: f64, canvas: &mut impl Canvas) -> u32 {
        if self.view == Some(view) {
            return 0;
        }
        self.view = Some(view);
        self.grid = Grid::new(view.area.width, view.area.height);
        self.pace.set_view(view.area.pixels(), now_ms);
        for number in self.awaited.drain(..).map(|awaited| awaited.number) {
            self.history.fail(number);
        }
        for number in self.waiting.drain(..).map(|waiting| waiting.number) {
            self.history.fail(number);
        }
        let early = core::mem::take(&mut self.early);
        let bad = early.into_iter().filter(|bytes| self.update(bytes, now_ms, canvas).is_err()).count();
        bad as u32
    }

    /// An update came.
    pub fn update(&mut self, bytes: &[u8], now_ms: f64, canvas: &mut impl Canvas) -> Result<(), WireError> {
        let update: Update<'_> = wire::decode_borrowed(bytes)?;
        if update.number == 0 {
            return Err(WireError::OutOfBounds("number of an update"));
        }
        let ahead = self.view.map(|view| update.view.wrapping_sub(view.number).cast_signed());
        match ahead {
            Some(0) => {}
            Some(..0) => {
                // Of what is looked at no longer.
                self.history.came(update.number);
                return Ok(());
            }
            None | Some(_) => {
                if self.early.len() >= MOST_EARLY {
                    self.early.remove(0);
                }
                self.early.push(bytes.to_vec());
                return Ok(());
            }
        }
        if !self.history.came(update.number) {
            return Ok(());
        }
        if let Err(error) = self.check(&update, now_ms) {
            self.history.fail(update.number);
            return Err(error);
        }
        for step in &update.steps {
            if let Step::Frame { timestamp, .. } = step
                && !self.is_announced(*timestamp)
            {
                self.announced = Some(*timestamp);
            }
        }
        let done = if let Some(patience_ms) = self.ready(&update).patience_ms() {
            self.wait(&update, bytes, now_ms, patience_ms);
            Ok(())
        } else {
            self.carry_out(&update, now_ms, canvas)
        };
        self.go_on(now_ms, canvas).and(done)
    }

    /// A frame of the video is there, which the canvas holds from now on.
    pub fn frame(&mut self, timestamp: u32, now_ms: f64, canvas: &mut impl Canvas) -> Result<(), WireError> {
        self.newest = Some(timestamp);
        self.go_on(now_ms, canvas)
    }

    /// Paints what waited for the frame that is there.
    fn paint_awaited(&mut self, now_ms: f64, canvas: &mut impl Canvas) {
        let Some(newest) = self.newest else { return };
        let announced = self.is_announced(newest);
        let due = |awaited: &mut Awaited| {
            awaited.is_met_by(newest)
                && (serves(newest, announced, awaited.timestamp)
                    || now_ms >= *awaited.late_ms.get_or_insert(now_ms) + LATE_MS)
        };
        let due: Vec<Awaited> = self.awaited.extract_if(.., due).collect();
        for awaited in due {
            if self.paint_frame(&awaited, newest, canvas) {
                self.settle(awaited.number, now_ms, true);
            } else {
                self.history.fail(awaited.number);
            }
        }
    }

    /// The areas that a frame with this timestamp would paint, and how much of the frame holds the view; for who wants to
    /// prepare for it.
    pub fn wanted(&self, timestamp: u32) -> Option<(u16, u16, Vec<Area>)> {
        let waiting = self.waiting.iter().filter_map(|waiting| waiting.frame.as_ref());
        let due = self.awaited.iter().chain(waiting).filter(|awaited| awaited.is_met_by(timestamp));
        let last = due.max_by_key(|awaited| awaited.key)?;
        let cells = last.cells.iter().filter(|cell| self.grid.may(*cell, last.key) != May::Skip);
        Some((last.width, last.height, self.grid.rectangles(cells)))
    }

    /// The canvas holds no frame any more.
    pub const fn forget_frame(&mut self) {
        self.newest = None;
    }

    /// Time passed: who waited long enough waits no longer.
    pub fn tick(&mut self, now_ms: f64, canvas: &mut impl Canvas) -> Result<(), WireError> {
        self.go_on(now_ms, canvas)
    }

    /// What the host is to be told by now.
    pub fn tell(&mut self, now_ms: f64) -> Option<Painted> {
        self.history.tell(now_ms)
    }

    /// When [`Self::tick`] or [`Self::tell`] has something to do; `None` while nothing is pending.
    pub fn due_ms(&self) -> Option<f64> {
        let waiting = self.waiting.iter().map(|waiting| waiting.until_ms).reduce(f64::min);
        let late =
            self.awaited.iter().filter(|awaited| self.newest.is_some_and(|newest| awaited.is_met_by(newest)));
        let late =
            late.filter_map(|awaited| awaited.late_ms).reduce(f64::min).map(|since_ms| since_ms + LATE_MS);
        [waiting, late, self.history.due_ms()].into_iter().flatten().reduce(f64::min)
    }

    /// Whether this update makes sense in this view, and can be afforded.
    fn check(&mut self, update: &Update<'_>, now_ms: f64) -> Result<(), WireError> {
        let (width, height) = self.grid.size();
        let mut pixels = 0_u64;
        for step in &update.steps {
            let (within, more) = match step {
                Step::Tile { area, .. } => (area.within(width, height), area.pixels().into()),
                Step::Move { since, from_x, from_y, to } => {
                    let from = Area::new(*from_x, *from_y, to.width, to.height);
                    let within = to.within(width, height) && from.within(width, height);
                    (within && (1..=update.number).contains(since), to.pixels().into())
                }
                Step::Frame { width: of_frame, height: rows, cells, .. } => {
                    let count = cells.indices(self.grid.len()).count() as u64;
                    (*of_frame <= width && *rows <= height, count * 4096)
                }
            };
            if !within {
                return Err(WireError::OutOfBounds("place in the view"));
            }
            pixels += more;
        }
        self.pace.spend(pixels, now_ms)
    }

    /// Whether an update can be carried out whole.
    fn ready(&self, update: &Update<'_>) -> Ready {
        let mut ready = Ready::Yes;
        for (index, step) in update.steps.iter().enumerate() {
            ready = ready.max(match step {
                Step::Move { since, from_x, from_y, to } => {
                    let from = Area::new(*from_x, *from_y, to.width, to.height);
                    self.can_move(*since, from, Key::new(update.number, index))
                        .max(self.is_behind(update.number, *to))
                }
                Step::Tile { area, .. } => self.is_behind(update.number, *area),
                // A frame alone changes nothing before it is there: that is awaited without holding anything up.
                Step::Frame { timestamp, .. } if update.steps.len() > 1 && !self.has_frame(*timestamp) => {
                    Ready::Frame
                }
                Step::Frame { .. } => Ready::Yes,
            });
        }
        ready
    }

    fn has_frame(&self, timestamp: u32) -> bool {
        self.newest.is_some_and(|newest| serves(newest, self.is_announced(newest), timestamp))
    }

    /// Whether an update has named this frame, or a later one.
    fn is_announced(&self, timestamp: u32) -> bool {
        self.announced.is_some_and(|announced| is_at_or_after(announced, timestamp))
    }

    /// An update that waits is to paint here before this one.
    fn is_behind(&self, number: u32, area: Area) -> Ready {
        let before = |waiting: &&Waiting| waiting.number < number;
        let behind = self
            .waiting
            .iter()
            .filter(before)
            .any(|waiting| self.grid.touched(area).any(|cell| waiting.cells.has(cell)));
        if behind { Ready::Frame } else { Ready::Yes }
    }

    /// Whether the pixels here are those that the host means.
    fn can_move(&self, since: u32, from: Area, key: Key) -> Ready {
        if key.number() - since >= history::TOLD {
            return Ready::Never;
        }
        let mut ready = if self.is_awaited(from, key) { Ready::Frame } else { Ready::Yes };
        for number in since..key.number() {
            ready = ready.max(match self.history.fate(number) {
                Fate::Failed => Ready::Never,
                Fate::Missing => Ready::Overtaken,
                Fate::Open if self.waiting.iter().any(|waiting| waiting.number == number) => Ready::Frame,
                Fate::Open | Fate::Painted => Ready::Yes,
            });
        }
        ready
    }

    /// Keeps an update for later.
    fn wait(&mut self, update: &Update<'_>, bytes: &[u8], now_ms: f64, patience_ms: f64) {
        let mut cells = Set::new(self.grid.len());
        let mut frame = None;
        for (index, step) in update.steps.iter().enumerate() {
            match step {
                Step::Tile { area, .. } => self.grid.touched(*area).for_each(|cell| cells.add(cell)),
                Step::Move { from_x, from_y, to, .. } => {
                    let from = Area::new(*from_x, *from_y, to.width, to.height);
                    let both = self.grid.touched(from).chain(self.grid.touched(*to));
                    both.for_each(|cell| cells.add(cell));
                }
                Step::Frame { cells: named, .. } => {
                    named.indices(self.grid.len()).for_each(|cell| cells.add(cell));
                    frame = self.awaited_by(Key::new(update.number, index), step);
                }
            }
        }
        let (number, until_ms, bytes) = (update.number, now_ms + patience_ms, bytes.to_vec());
        let at = self.waiting.partition_point(|other| other.number < number);
        self.waiting.insert(at, Waiting { number, came_ms: now_ms, until_ms, cells, frame, bytes });
    }

    fn awaited_by(&self, key: Key, step: &Step<'_>) -> Option<Awaited> {
        let Step::Frame { timestamp, width, height, cells: named } = step else { return None };
        let mut cells = Set::new(self.grid.len());
        named.indices(self.grid.len()).for_each(|cell| cells.add(cell));
        let (timestamp, width, height) = (*timestamp, *width, *height);
        Some(Awaited {
            number: key.number(),
            key,
            timestamp,
            width,
            height,
            cells,
            over: Some(Vec::new()),
            late_ms: None,
        })
    }

    fn is_awaited(&self, area: Area, before: Key) -> bool {
        let before: Vec<&Awaited> = self.awaited.iter().filter(|awaited| awaited.key < before).collect();
        !before.is_empty()
            && self.grid.touched(area).any(|cell| before.iter().any(|awaited| awaited.cells.has(cell)))
    }

    /// Carries out what waited for something that has come, or that did not come in time.
    fn go_on(&mut self, now_ms: f64, canvas: &mut impl Canvas) -> Result<(), WireError> {
        let mut result = Ok(());
        self.paint_awaited(now_ms, canvas);
        let mut at = 0;
        while let Some(next) = self.waiting.get(at) {
            let update: Update<'_> = wire::decode_borrowed(&next.bytes)?;
            if let Some(patience_ms) = self.ready(&update).patience_ms() {
                let until_ms = next.came_ms + patience_ms;
                if until_ms > now_ms && self.waiting.len() <= MOST_WAITING {
                    if let Some(next) = self.waiting.get_mut(at) {
                        next.until_ms = until_ms;
                    }
                    at += 1;
                    continue;
                }
            }
            let next = self.waiting.remove(at);
            let update: Update<'_> = wire::decode_borrowed(&next.bytes)?;
            result = result.and(self.carry_out(&update, now_ms, canvas));
            // Those after it may have waited for it; the numbers before it did not.
        }
        while let Some(oldest) = self.awaited.first().map(|awaited| awaited.number)
            && (self.awaited.len() > MOST_AWAITED || self.history.is_past(oldest))
        {
            self.awaited.remove(0);
            self.history.fail(oldest);
        }
        result
    }

    fn carry_out(
        &mut self,
        update: &Update<'_>,
        now_ms: f64,
        canvas: &mut impl Canvas,
    ) -> Result<(), WireError> {
        let may_move = self.ready(update) == Ready::Yes;
        let mut painted = true;
        let mut result = Ok(());
        for (index, step) in update.steps.iter().enumerate() {
            let key = Key::new(update.number, index);
            painted &= match step {
                Step::Tile { area, coded } => self.tile(key, *area, coded, canvas).unwrap_or_else(|_| {
                    result = Err(WireError::Malformed);
                    false
                }),
                Step::Move { from_x, from_y, to, .. } => {
                    let from = Area::new(*from_x, *from_y, to.width, to.height);
                    may_move && painted && self.copy(key, from, *to, canvas)
                }
                Step::Frame { .. } => {
                    self.awaited_by(key, step).is_none_or(|awaited| self.expect(awaited, now_ms, canvas))
                }
            };
        }
        if painted {
            let frame = update.steps.iter().any(|step| matches!(step, Step::Frame { .. }));
            self.settle(update.number, now_ms, frame);
        } else {
            self.history.fail(update.number);
        }
        result
    }

    /// A frame is to paint: the one that is there already, or one that is awaited from now on.
    fn expect(&mut self, mut awaited: Awaited, now_ms: f64, canvas: &mut impl Canvas) -> bool {
        // It was overtaken by a step that painted a part of one of its cells: which part, nobody wrote down.
        if awaited.cells.iter().any(|cell| self.grid.may(cell, awaited.key) == May::Not) {
            awaited.over = None;
        }
        if let Some(newest) = self.newest.filter(|_| self.has_frame(awaited.timestamp)) {
            return self.paint_frame(&awaited, newest, canvas);
        }
        awaited.late_ms = self.newest.filter(|newest| awaited.is_met_by(*newest)).map(|_| now_ms);
        let at = self.awaited.partition_point(|other| other.key < awaited.key);
        self.awaited.insert(at, awaited);
        true
    }

    /// An update of which something was painted: is that all of it?
    fn settle(&mut self, number: u32, now_ms: f64, frame: bool) {
        if self.history.fate(number) == Fate::Open
            && !self.awaited.iter().any(|awaited| awaited.number == number)
        {
            self.history.paint(number, now_ms, frame);
            self.painted += 1;
        }
    }

    fn tile(
        &mut self,
        key: Key,
        area: Area,
        coded: &[u8],
        canvas: &mut impl Canvas,
    ) -> Result<bool, TileError> {
        let mut free = Vec::new();
        let mut all = true;
        for cell in self.grid.touched(area) {
            match self.grid.may(cell, key) {
                May::Paint => free.push(cell),
                May::Skip => all = false,
                May::Not => return Ok(false),
            }
        }
        if all {
            canvas.tile(area, coded, &[area])?;
        } else if !free.is_empty() {
            let parts: Vec<Area> =
                free.iter().filter_map(|cell| common(area, self.grid.area(*cell))).collect();
            canvas.tile(area, coded, &parts)?;
        }
        self.cover(key, area, &free);
        Ok(true)
    }

    fn copy(&mut self, key: Key, from: Area, to: Area, canvas: &mut impl Canvas) -> bool {
        let free = |cell| self.grid.may(cell, key) == May::Paint;
        let readable = self.grid.touched(from).all(|cell| free(cell) && !self.grid.is_ahead(cell));
        if !readable || self.is_awaited(from, key) || !self.grid.touched(to).all(free) {
            return false;
        }
        canvas.copy(from, to);
        let cells: Vec<usize> = self.grid.touched(to).collect();
        self.cover(key, to, &cells);
        true
    }

    /// A tile or a move painted these cells, as far as they lie in the area.
    fn cover(&mut self, key: Key, area: Area, cells: &[usize]) {
        for &cell in cells {
            self.grid.paint(cell, area, key);
        }
        for awaited in self.awaited.iter_mut().filter(|awaited| awaited.key < key) {
            if cells.iter().any(|cell| awaited.cells.has(*cell)) {
                awaited.over = awaited.over.take().filter(|over| over.len() < MOST_OVER);
                if let Some(over) = &mut awaited.over {
                    over.push(area);
                }
            }
        }
    }

    /// Whether it could paint all that it was to.
    fn paint_frame(&mut self, awaited: &Awaited, timestamp: u32, canvas: &mut impl Canvas) -> bool {
        let mut free = Vec::new();
        let mut cut = Vec::new();
        let mut pieces = Vec::new();
        let mut all = true;
        for cell in awaited.cells.iter() {
            match self.grid.may(cell, awaited.key) {
                May::Paint => free.push(cell),
                May::Skip => {}
                May::Not => match &awaited.over {
                    Some(over) if pieces.len() < MOST_CUTS => {
                        pieces.extend(without(self.grid.area(cell), over));
                        cut.push(cell);
                    }
                    _ => all = false,
                },
            }
        }
        let mut parts = self.grid.rectangles(free.iter().copied());
        parts.extend(pieces);
        if !parts.is_empty() && !canvas.frame(awaited.width, awaited.height, &parts) {
            return false;
        }
        let ahead = timestamp != awaited.timestamp;
        for cell in free.into_iter().chain(cut) {
            self.grid.paint_frame(cell, awaited.key, ahead);
        }
        all
    }
}

/// Whether this frame may be painted where one with that timestamp was to be: it is the one, or a later one that was announced.
const fn serves(newest: u32, announced: bool, timestamp: u32) -> bool {
    newest == timestamp || (announced && is_at_or_after(newest, timestamp))
}

/// Timestamps of RTP wrap around.
const fn is_at_or_after(timestamp: u32, other: u32) -> bool {
    timestamp.wrapping_sub(other).cast_signed() >= 0
}

/// What of an area lies in none of these.
fn without(area: Area, taken: &[Area]) -> Vec<Area> {
    let mut left = vec![area];
    for hole in taken {
        left = left
            .into_iter()
            .flat_map(|piece| {
                let Some(hole) = common(piece, *hole) else { return vec![piece] };
                let (right, lower) = (hole.right() as u16, hole.bottom() as u16);
                let to_right = (piece.right() - hole.right()) as u16;
                let below = (piece.bottom() - hole.bottom()) as u16;
                let around = [
                    Area::new(piece.x, piece.y, piece.width, hole.y - piece.y),
                    Area::new(piece.x, hole.y, hole.x - piece.x, hole.height),
                    Area::new(right, hole.y, to_right, hole.height),
                    Area::new(piece.x, lower, piece.width, below),
                ];
                around.into_iter().filter(|area| area.width > 0 && area.height > 0).collect()
            })
            .collect();
    }
    left
}

#[cfg(test)]
mod tests;
