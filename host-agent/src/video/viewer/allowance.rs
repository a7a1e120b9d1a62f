//! How much may go as tiles, by the line and by what the technician wants.

use std::time::{Duration, Instant};

use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::Quality;
use nearhand_protocol::picture::Area;
use nearhand_protocol::tile;

use super::super::plan::{Limits, STEP, Tile};
use super::super::rate::Scale;
use super::super::repair::{self, Repair};
use super::super::screen::Screen;
use super::sending::SHORT;
use super::{Attended, LAGS, LOSSY, REFUSED, ROUND_TRIP, Viewer};

/// Tiles of what goes on changing take no more than this, in bytes per second: video would do for less.
const TILES_MOST: f64 = 350_000.0;
/// And this much while frames go anyway: what a dragged window uncovers is painted by them, and made exact when it rests.
const TILES_RUNNING: f64 = 100_000.0;

/// What is made exact on a line that shows no limit, in bytes per second.
const REPAIR_FREE: f64 = 10_000_000.0;
/// Something is still being dragged where it moved not longer ago than this.
const RUNNING: Duration = Duration::from_millis(200);
/// What is made exact beside a film or a window that is dragged, in bytes per second.
const REPAIR_RUNNING: f64 = 150_000.0;

/// The longest tile: with what is around it, it fits one message.
pub(super) const LARGEST: usize = Channel::MAX_MESSAGE - 256;

pub(super) fn code(
    coder: &mut tile::Encoder,
    screen: &Screen,
    view: Area,
    part: Area,
    most: usize,
) -> Option<Vec<u8>> {
    let mut coded = Vec::new();
    let pixels = screen.from(view.x + part.x, view.y + part.y);
    let size = (part.width, part.height);
    coder.encode_within(pixels, screen.stride(), size, most.min(LARGEST), &mut coded).then_some(coded)
}

impl Viewer {
    /// Makes exact what rests.
    pub(super) fn repair(
        &mut self,
        now: Instant,
        screen: &Screen,
        coder: &mut tile::Encoder,
        (pointer, running): ((u16, u16), bool),
        attended: &mut Attended,
    ) {
        let areas = match repair::next(&self.cells, now, pointer) {
            Repair::Now(areas) => areas,
            Repair::From(then) => return attended.at(then),
            Repair::Nothing => return,
        };
        let running = running || self.moved.is_some_and(|last| now.saturating_duration_since(last) < RUNNING);
        let rate = self.repair_rate(now, running);
        if !running && self.sharpen(now, rate) {
            attended.more = true;
            return;
        }
        let under_way = self.transport.buffered(Channel::Picture);
        let room = self.window.room(now, under_way, self.transport.stats().round_trip.unwrap_or(ROUND_TRIP));
        if room == 0 || self.rate.loss() > LOSSY && under_way > self.lossy_moment() {
            return attended.at(now + LAGS);
        }
        let depth = (rate * 0.02).max(4_096.0);
        if self.repaired.level(now, rate, depth) == 0 {
            let wait = Duration::from_secs_f64(self.repaired.wait(rate, 1.0));
            return attended.at(now + wait.clamp(Duration::from_millis(1), Duration::from_secs(1)));
        }
        // One packet each, where packets are lost: a tile in several is lost with any of them.
        let apart = self.rate.loss() > LOSSY;
        let grid = self.cells.grid();
        let cells = areas.iter().flat_map(|area| grid.touched(*area)).map(|cell| grid.cell(cell));
        let areas: Vec<Area> = if apart { cells.collect() } else { areas };
        let mut left = self.repaired.level(now, rate, depth).min(room);
        let mut tiles = Vec::new();
        for area in areas {
            let Some(coded) = code(coder, screen, self.view.area, area, LARGEST) else { continue };
            let bytes = coded.len() + STEP;
            self.repaired.take(bytes);
            self.sharpening.coded(bytes / grid.touched(area).count().max(1));
            tiles.push(Tile { area, coded });
            if bytes >= left {
                break;
            }
            left -= bytes;
        }
        if self.send_tiles(tiles, now, None) {
            attended.more = true;
        } else {
            attended.at(now + REFUSED);
        }
    }

    /// Has everything that rests and is not exact shown by a frame, where that is there much sooner than exact tiles. True
    /// where it is so.
    fn sharpen(&mut self, now: Instant, rate: f64) -> bool {
        if self.wants_frame() {
            return false;
        }
        self.sharpening.done();
        if !self.rate.is_thin(now) {
            return false;
        }
        let found = repair::inexact(&self.cells, now);
        let full = self.rate.wanted_scale() == Scale::Full;
        let due = self.sharpening.is_due(now, &found, rate, full);
        if due {
            let (cells, stale) = (found.cells.len(), found.stale);
            tracing::debug!(cells, stale, full, "what rests is shown by another frame");
            if !full {
                self.rate.rests();
            }
            self.cells.give_to_video(&found.cells);
        }
        due
    }

    /// Bytes of what is not urgent that may be under way where packets are lost: SCTP stops now and then, and what waits
    /// in it then is in front of what is new. Simulated, more than this carries little more.
    fn lossy_moment(&self) -> usize {
        16 * 1024 + (self.round_trip().as_secs_f64() * 500_000.0) as usize
    }

    /// More is under way than the line carries in a moment.
    pub(super) fn lags(&self, now: Instant) -> bool {
        let moment = (f64::from(self.rate.pacing(now)) / 8.0 * 0.03) as usize;
        self.transport.buffered(Channel::Picture) > moment.max(16 * 1024)
    }

    pub(super) fn limits(&mut self, now: Instant, running: bool) -> Limits {
        let line = f64::from(self.bitrate()) / 8.0;
        let (share, scale) = match self.watch.quality {
            Quality::Auto => (0.5, 1.0),
            Quality::Sharp => (0.9, 2.0),
            Quality::Smooth | Quality::SaveData => (0.3, 0.5),
        };
        let most = if running { TILES_RUNNING } else { TILES_MOST };
        let rate = (line * share).min(most * scale);
        let under_way = self.transport.buffered(Channel::Picture);
        let moment = self.rate.tile_budget(now).saturating_sub(under_way) as f64 * scale;
        let level = self.spent.level(now, rate, (rate * 0.4).max(moment));
        let moment = moment.clamp(SHORT as f64, LARGEST as f64) as usize;
        let moved = !self.moving.is_empty();
        let bytes = if moved { level.min(LARGEST) } else { level.min(moment) };
        Limits { bytes, small: SHORT, moved }
    }

    fn repair_rate(&self, now: Instant, running: bool) -> f64 {
        let line = f64::from(self.bitrate()) / 8.0;
        match self.watch.quality {
            // What is painted over in a moment is not worth more.
            _ if running => (line * 0.25).min(REPAIR_RUNNING),
            Quality::SaveData => line * 0.5,
            _ if self.rate.is_thin(now) => line * 0.8,
            // The window finds what the line carries.
            _ => (f64::from(self.rate.pacing(now)) / 8.0 * 0.8).max(REPAIR_FREE),
        }
    }
}
