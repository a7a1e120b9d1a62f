//! What is counted for the technician's panel. Pure.

use std::time::{Duration, Instant};

use nearhand_protocol::control::Figures;

use crate::rtc::Stats;

/// They are told this often.
const EVERY: Duration = Duration::from_secs(1);

/// The counts since they were told last.
#[derive(Debug, Default)]
pub(super) struct Tally {
    figures: Figures,
    moved: u64,
    captured: Mean,
    encoded: Mean,
    told: Option<Instant>,
}

#[derive(Debug, Default)]
struct Mean {
    sum: Duration,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Duration) {
        self.sum += value;
        self.count += 1;
    }

    fn take(&mut self) -> u32 {
        let mean = self.sum.checked_div(self.count).unwrap_or_default();
        *self = Self::default();
        mean.as_micros().try_into().unwrap_or(u32::MAX)
    }
}

impl Tally {
    /// The desktop was looked at.
    pub(super) fn captured(&mut self, took: Duration) {
        self.captured.add(took);
    }

    /// A frame was converted and encoded, and sent.
    pub(super) fn frame(&mut self, took: Duration, bytes: usize, (width, height): (u32, u32)) {
        self.encoded.add(took);
        self.figures.frames = self.figures.frames.saturating_add(1);
        self.figures.video_bytes = self.figures.video_bytes.saturating_add(bytes as u32);
        (self.figures.frame_width, self.figures.frame_height) = (width as u16, height as u16);
    }

    /// An update with so many tiles was sent.
    pub(super) fn tiles(&mut self, tiles: usize, bytes: usize) {
        self.figures.tiles = self.figures.tiles.saturating_add(tiles as u16);
        self.figures.tile_bytes = self.figures.tile_bytes.saturating_add(bytes as u32);
    }

    /// So many pixels were moved.
    pub(super) fn moved(&mut self, pixels: u32) {
        self.moved += u64::from(pixels);
    }

    /// When they are to be told.
    pub(super) fn due(&self, now: Instant) -> Instant {
        self.told.map_or(now, |told| told + EVERY)
    }

    /// What is told at `now`; it counts from nothing again.
    pub(super) fn take(&mut self, now: Instant, stats: &Stats, bitrate: u32, exact_percent: u8) -> Figures {
        let since = self.told.replace(now).map_or(EVERY, |told| now.saturating_duration_since(told));
        let size = Figures {
            frame_width: self.figures.frame_width,
            frame_height: self.figures.frame_height,
            ..Figures::default()
        };
        let counted = std::mem::replace(&mut self.figures, size);
        let moved = std::mem::take(&mut self.moved) / 1_000;
        if since >= EVERY * 2 {
            // The panel was closed meanwhile: this is no second.
            return Figures { bitrate, exact_percent, ..size };
        }
        Figures {
            moved_kilopixels: moved.try_into().unwrap_or(u32::MAX),
            capture_us: self.captured.take(),
            encode_us: self.encoded.take(),
            bitrate,
            loss_permille: (stats.loss.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u16,
            queue_ms: stats.queue_delay.unwrap_or_default().as_millis().try_into().unwrap_or(u16::MAX),
            exact_percent,
            ..counted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_counted_and_then_the_next() {
        let start = Instant::now();
        let mut tally = Tally::default();
        assert_eq!(tally.due(start), start);
        tally.take(start, &Stats::default(), 1, 0);
        for _ in 0..4 {
            tally.frame(Duration::from_millis(8), 1_000, (1920, 1080));
            tally.captured(Duration::from_millis(2));
        }
        tally.tiles(3, 200);
        let now = start + EVERY;
        assert_eq!(tally.due(start), now);
        let stats =
            Stats { loss: Some(0.05), queue_delay: Some(Duration::from_millis(7)), ..Stats::default() };
        let expected = Figures {
            frames: 4,
            tiles: 3,
            video_bytes: 4_000,
            tile_bytes: 200,
            capture_us: 2_000,
            encode_us: 8_000,
            bitrate: 5_000_000,
            loss_permille: 50,
            queue_ms: 7,
            frame_width: 1920,
            frame_height: 1080,
            exact_percent: 99,
            ..Figures::default()
        };
        assert_eq!(tally.take(now, &stats, 5_000_000, 99), expected);
        let next = tally.take(now + EVERY, &stats, 5_000_000, 99);
        assert_eq!((next.frames, next.encode_us, next.frame_width), (0, 0, 1920));
    }
}
