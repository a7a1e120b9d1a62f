//! A technician's tab as the protocol describes it, in memory: what it paints by which update, and what it says of that.

use std::collections::{BTreeMap, BTreeSet};

use nearhand_protocol::picture::{Area, Cells, Painted, Step, Update};
use nearhand_protocol::tile;
use nearhand_protocol::wire::{decode_borrowed, encode};

use super::super::region::{Grid, common};

/// A decoded frame of the video: its timestamp, and the pixels of the whole view.
#[derive(Clone, Debug)]
pub(super) struct Decoded {
    pub(super) timestamp: u32,
    pub(super) pixels: Vec<[u8; 3]>,
}

/// The tab.
pub(super) struct Tab {
    pub(super) view: u8,
    pub(super) grid: Grid,
    /// Red, green, blue.
    pub(super) canvas: Vec<[u8; 3]>,
    /// The highest number that painted each cell.
    painted_by: Vec<u32>,
    came: BTreeSet<u32>,
    painted: BTreeSet<u32>,
    /// Steps of these were not painted, and never will be: a frame of theirs that comes later makes them no better.
    failed: BTreeSet<u32>,
    /// Updates that wait, until when at the latest, and the cells that they touch.
    waiting: BTreeMap<u32, (Vec<u8>, u64, BTreeSet<usize>)>,
    /// Frames that are awaited: by the update's number, the timestamp and the cells.
    awaited: BTreeMap<u32, (u32, Vec<usize>)>,
    last: Option<Decoded>,
    highest: u32,
    told: u32,
    untold_since: Option<u64>,
    missing: bool,
    decoder: tile::Decoder,
    /// How often it painted which way.
    pub(super) tiles: u32,
    pub(super) moves: u32,
    pub(super) refused: u32,
    pub(super) cells: u32,
}

impl Tab {
    pub(super) fn new(view: u8, grid: Grid) -> Self {
        Self {
            view,
            grid,
            canvas: vec![[0; 3]; usize::from(grid.width) * usize::from(grid.height)],
            painted_by: vec![0; grid.count()],
            came: BTreeSet::new(),
            painted: BTreeSet::new(),
            failed: BTreeSet::new(),
            waiting: BTreeMap::new(),
            awaited: BTreeMap::new(),
            last: None,
            highest: 0,
            told: 0,
            untold_since: None,
            missing: false,
            decoder: tile::Decoder::default(),
            tiles: 0,
            moves: 0,
            refused: 0,
            cells: 0,
        }
    }

    /// An update came, at this time in milliseconds.
    pub(super) fn update(&mut self, update: &Update<'_>, now: u64) {
        if update.view != self.view || !self.came.insert(update.number) {
            return;
        }
        self.missing |= update.number > self.highest + 1;
        self.highest = self.highest.max(update.number);
        self.untold_since.get_or_insert(now);
        if self.waits(update) {
            let mut cells = BTreeSet::new();
            for step in &update.steps {
                cells.extend(self.touched(step));
            }
            let bytes = encode(update).expect("an update");
            self.waiting.insert(update.number, (bytes, now + 200, cells));
        } else {
            self.carry_out(update);
        }
        self.go_on(now);
    }

    /// Paints what waited long enough, or for what has come.
    pub(super) fn go_on(&mut self, now: u64) {
        let numbers: Vec<u32> = self.waiting.keys().copied().collect();
        for number in numbers {
            let (bytes, until, _) = self.waiting[&number].clone();
            let update = decode_borrowed::<Update<'_>>(&bytes).expect("an update");
            if now >= until || !self.waits(&update) {
                self.waiting.remove(&number);
                self.carry_out(&update);
            }
        }
    }

    /// Whether an update is not to be painted yet: one with a frame and more waits for it, and one that touches the same
    /// cells waits behind it.
    fn waits(&self, update: &Update<'_>) -> bool {
        let there = |timestamp: u32| {
            self.last.as_ref().is_some_and(|frame| frame.timestamp.wrapping_sub(timestamp) < 1 << 31)
        };
        let before: BTreeSet<usize> =
            self.waiting.range(..update.number).flat_map(|(_, (.., cells))| cells.iter().copied()).collect();
        update.steps.iter().any(|step| match step {
            Step::Frame { timestamp, .. } => update.steps.len() > 1 && !there(*timestamp),
            Step::Move { since, from_x, from_y, to } => {
                let from = Area::new(*from_x, *from_y, to.width, to.height);
                self.grid.touched(from).any(|cell| self.is_awaited(cell))
                    || self.waiting.range(since..&update.number).next().is_some()
                    || self.touched(step).iter().any(|cell| before.contains(cell))
            }
            Step::Tile { .. } => self.touched(step).iter().any(|cell| before.contains(cell)),
        })
    }

    /// The cells that a step paints or copies from.
    fn touched(&self, step: &Step<'_>) -> Vec<usize> {
        match step {
            Step::Tile { area, .. } => self.grid.touched(*area).collect(),
            Step::Move { from_x, from_y, to, .. } => {
                let from = Area::new(*from_x, *from_y, to.width, to.height);
                self.grid.touched(from).chain(self.grid.touched(*to)).collect()
            }
            Step::Frame { cells, .. } => cells.indices(self.grid.count()).collect(),
        }
    }

    fn carry_out(&mut self, update: &Update<'_>) {
        for step in &update.steps {
            let whole = match step {
                Step::Tile { area, coded } => self.tile(update.number, *area, coded),
                Step::Move { since, from_x, from_y, to } => {
                    self.shift(update.number, *since, (*from_x, *from_y), *to)
                }
                Step::Frame { timestamp, cells, .. } => {
                    self.frame(update.number, *timestamp, cells);
                    true
                }
            };
            if !whole {
                self.failed.insert(update.number);
                self.missing = true;
            }
        }
        if !self.awaited.contains_key(&update.number) {
            self.painted.insert(update.number);
        }
    }

    fn tile(&mut self, number: u32, area: Area, coded: &[u8]) -> bool {
        let mut pixels = Vec::new();
        self.decoder.decode(coded, area.width, area.height, &mut pixels).expect("a tile");
        self.tiles += 1;
        let mut whole = true;
        for cell in self.grid.touched(area) {
            if self.painted_by[cell] > number {
                whole = false;
                continue;
            }
            self.painted_by[cell] = number;
            let part = common(area, self.grid.cell(cell)).expect("touched");
            for y in part.y..part.y + part.height {
                for x in part.x..part.x + part.width {
                    let from =
                        (usize::from(y - area.y) * usize::from(area.width) + usize::from(x - area.x)) * 4;
                    let at = self.at(x, y);
                    self.canvas[at] = [pixels[from], pixels[from + 1], pixels[from + 2]];
                }
            }
        }
        whole
    }

    fn shift(&mut self, number: u32, since: u32, (x, y): (u16, u16), to: Area) -> bool {
        let from = Area::new(x, y, to.width, to.height);
        let all_came =
            (since..number).all(|before| self.came.contains(&before) && !self.waiting.contains_key(&before));
        let newer =
            self.grid.touched(from).chain(self.grid.touched(to)).any(|cell| self.painted_by[cell] > number);
        if !all_came || newer || self.grid.touched(from).any(|cell| self.is_awaited(cell)) {
            self.refused += 1;
            return false;
        }
        self.moves += 1;
        let pixels: Vec<[u8; 3]> = (0..to.height)
            .flat_map(|row| (0..to.width).map(move |column| (x + column, y + row)))
            .map(|(x, y)| self.canvas[self.at(x, y)])
            .collect();
        for (place, pixel) in pixels.into_iter().enumerate() {
            let (column, row) = (place % usize::from(to.width), place / usize::from(to.width));
            let at = self.at(to.x + column as u16, to.y + row as u16);
            self.canvas[at] = pixel;
        }
        for cell in self.grid.touched(to) {
            self.painted_by[cell] = number;
        }
        true
    }

    fn is_awaited(&self, cell: usize) -> bool {
        self.awaited.iter().any(|(by, (_, cells))| cells.contains(&cell) && self.painted_by[cell] <= *by)
    }

    fn frame(&mut self, number: u32, timestamp: u32, cells: &Cells) {
        let cells: Vec<usize> = cells.indices(self.grid.count()).collect();
        self.awaited.insert(number, (timestamp, cells));
        self.paint_awaited();
    }

    /// A frame was decoded.
    pub(super) fn decoded(&mut self, frame: Decoded, now: u64) {
        self.last = Some(frame);
        self.untold_since.get_or_insert(now);
        self.paint_awaited();
        self.go_on(now);
    }

    fn paint_awaited(&mut self) {
        let Some(frame) = self.last.take() else { return };
        let ready: Vec<u32> = self
            .awaited
            .iter()
            .filter(|(_, (timestamp, _))| frame.timestamp.wrapping_sub(*timestamp) < 1 << 31)
            .map(|(number, _)| *number)
            .collect();
        for number in ready {
            let Some((_, cells)) = self.awaited.remove(&number) else { continue };
            for cell in cells {
                // What was painted over meanwhile counts as painted: nobody waits for it.
                if self.painted_by[cell] > number {
                    continue;
                }
                self.painted_by[cell] = number;
                self.cells += 1;
                let area = self.grid.cell(cell);
                for y in area.y..area.y + area.height {
                    for x in area.x..area.x + area.width {
                        let at = self.at(x, y);
                        self.canvas[at] = frame.pixels[at];
                    }
                }
            }
            self.painted.insert(number);
        }
        self.last = Some(frame);
    }

    /// What it has to say at this time.
    pub(super) fn tells(&mut self, now: u64) -> Option<Painted> {
        let due = self.missing
            || self.came.len() as u32 >= self.told + 16
            || self.untold_since.is_some_and(|since| now >= since + 200);
        if !due {
            return None;
        }
        self.missing = false;
        self.told = self.came.len() as u32;
        self.untold_since = None;
        let painted = (0..128)
            .filter(|back| {
                self.highest
                    .checked_sub(*back)
                    .is_some_and(|number| self.painted.contains(&number) && !self.failed.contains(&number))
            })
            .fold(0_u128, |bits, back| bits | 1 << back);
        Some(Painted { highest: self.highest, painted })
    }

    pub(super) fn at(&self, x: u16, y: u16) -> usize {
        usize::from(y) * usize::from(self.grid.width) + usize::from(x)
    }
}
