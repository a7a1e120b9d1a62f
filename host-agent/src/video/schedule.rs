//! When the desktop is looked at, and when a stream makes its next frame: only for a reason, at most 60 times a second,
//! and never faster than the line takes it. Pure: the time and the state of the line are arguments.

use std::time::{Duration, Instant};

/// Looks at the desktop, and frames, follow each other no faster: damage in between is merged into one.
pub(super) const INTERVAL: Duration = Duration::from_micros(16_600);
/// A look at the desktop may come so much earlier than its turn: what changes 60 times a second does not do so evenly.
const EARLY: Duration = Duration::from_millis(6);
/// Keyframes follow each other no faster: one costs as much as half a second of motion.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);
/// While a frame is still on its way out, look again after this long.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// What may be sent ahead of the bitrate's even flow, as time.
const BURST: Duration = Duration::from_millis(80);

/// Spreads something evenly over the seconds.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Instant>);

impl Pace {
    /// When the next one may be.
    pub(super) fn from(&self) -> Option<Instant> {
        self.0
    }

    /// One was at `now`, and the next is to be so much later.
    pub(super) fn taken(&mut self, now: Instant, interval: Duration) {
        let turn = self.0.map_or(now, |from| (from + EARLY).max(now));
        self.0 = (turn + interval).checked_sub(EARLY);
    }
}

/// Who wants a frame of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Somebody who can decode one that refers to the one before.
    pub(super) next: bool,
    /// Somebody who can't.
    pub(super) keyframe: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Encode and send a frame.
    Frame {
        /// As a keyframe.
        keyframe: bool,
    },
    /// Wait until then at the latest.
    WaitUntil(Instant),
    /// Wait until somebody wants a frame.
    Wait,
}

/// Decides when a frame is due.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    last_keyframe: Option<Instant>,
    last_frame: Option<Instant>,
    /// The even flow of the bitrate has caught up with what was sent at this time.
    caught_up: Option<Instant>,
}

impl Schedule {
    /// What to do at `now`; `line_free`: the transport would take a frame; `fps`: most frames per second.
    pub(super) fn next(&self, now: Instant, wanted: Wanted, line_free: bool, fps: u32) -> Step {
        let keyframe_from = self.last_keyframe.map_or(now, |last| last + KEYFRAME_INTERVAL);
        let interval = INTERVAL.max(Duration::from_secs(1) / fps.max(1));
        let next_from = self.last_frame.and_then(|last| (last + interval).checked_sub(EARLY)).unwrap_or(now);
        let reason_from = match wanted {
            Wanted { next: true, .. } => next_from,
            Wanted { keyframe: true, .. } => keyframe_from,
            _ => return Step::Wait,
        };
        let flow_from = self.caught_up.and_then(|time| time.checked_sub(BURST)).unwrap_or(now);
        let from = reason_from.max(flow_from);
        if from > now {
            Step::WaitUntil(from)
        } else if !line_free {
            Step::WaitUntil(now + LOOK_AGAIN)
        } else {
            Step::Frame { keyframe: wanted.keyframe && keyframe_from <= now }
        }
    }

    /// A frame of so many bits was sent at `now`, on a line that takes `bitrate` bits per second.
    pub(super) fn sent(&mut self, now: Instant, keyframe: bool, bits: u64, bitrate: u32) {
        if keyframe {
            self.last_keyframe = Some(now);
        }
        self.last_frame = Some(now);
        let from = self.caught_up.map_or(now, |time| time.max(now));
        let takes = bits as f64 / f64::from(bitrate.max(1));
        // A second is enough: what takes longer is the rate control's matter.
        self.caught_up = Some(from + Duration::from_secs_f64(takes.min(1.0)));
    }

    /// Whether a frame was sent not longer ago than this.
    pub(super) fn is_running(&self, now: Instant, within: Duration) -> bool {
        self.last_frame.is_some_and(|last| now.saturating_duration_since(last) < within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: Wanted = Wanted { next: true, keyframe: false };
    const KEYFRAME: Wanted = Wanted { next: false, keyframe: true };
    const BOTH: Wanted = Wanted { next: true, keyframe: true };
    const RATE: u32 = 5_000_000;

    fn started() -> (Schedule, Instant) {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(now, KEYFRAME, true, 60), Step::Frame { keyframe: true });
        schedule.sent(now, true, 8_000, RATE);
        (schedule, now)
    }

    #[test]
    fn nothing_happens_without_a_reason() {
        let (schedule, now) = started();
        assert_eq!(schedule.next(now, Wanted::default(), true, 60), Step::Wait);
        assert_eq!(schedule.next(now + Duration::from_hours(1), Wanted::default(), true, 60), Step::Wait);
    }

    #[test]
    fn the_desktop_is_looked_at_sixty_times_a_second() {
        for every in [1, 5, 16, 17] {
            let (mut pace, start) = (Pace::default(), Instant::now());
            let (mut now, mut looks, mut waited) = (start, 0, Duration::ZERO);
            while now < start + Duration::from_secs(1) {
                // Changes come a little early and late by turns.
                let at = now + Duration::from_millis(if looks % 2 == 0 { 0 } else { 3 });
                let then = pace.from().map_or(at, |from| from.max(at));
                waited = waited.max(then - at);
                pace.taken(then, INTERVAL);
                looks += 1;
                now = (now + Duration::from_millis(every)).max(then);
            }
            assert!((57..=62).contains(&looks), "{looks} of one each {every} ms");
            assert!(every < 17 || waited < Duration::from_millis(1), "{waited:?}");
        }
    }

    #[test]
    fn a_busy_line_is_waited_for_and_only_the_newest_frame_goes() {
        let (schedule, now) = started();
        let now = now + Duration::from_secs(1);
        assert_eq!(schedule.next(now, NEXT, false, 60), Step::WaitUntil(now + LOOK_AGAIN));
        assert_eq!(schedule.next(now + LOOK_AGAIN, NEXT, true, 60), Step::Frame { keyframe: false });
    }

    #[test]
    fn a_large_frame_is_paid_off_before_the_next() {
        let (mut schedule, now) = started();
        let now = now + Duration::from_secs(1);
        schedule.sent(now, false, 2_500_000, RATE);
        let Step::WaitUntil(then) = schedule.next(now, NEXT, true, 60) else {
            panic!("half a second of line is in use")
        };
        assert_eq!(then + BURST, now + Duration::from_millis(500));
        assert_eq!(schedule.next(then, NEXT, true, 60), Step::Frame { keyframe: false });
    }

    #[test]
    fn keyframes_are_rare_however_often_they_are_wanted() {
        let (mut schedule, mut now) = started();
        let (mut keyframes, mut frames, start) = (0, 0, now);
        while now < start + Duration::from_secs(5) {
            now += Duration::from_millis(5);
            if let Step::Frame { keyframe } = schedule.next(now, BOTH, true, 60) {
                keyframes += u32::from(keyframe);
                frames += 1;
                schedule.sent(now, keyframe, 8_000, RATE);
            }
        }
        assert!((9..=10).contains(&keyframes), "{keyframes}");
        assert!(frames > 200, "the others are not held up: {frames}");
    }

    #[test]
    fn who_can_decode_nothing_else_waits_for_a_keyframe() {
        let (schedule, now) = started();
        assert_eq!(schedule.next(now, KEYFRAME, true, 60), Step::WaitUntil(now + KEYFRAME_INTERVAL));
        let later = now + KEYFRAME_INTERVAL;
        assert_eq!(schedule.next(later, KEYFRAME, true, 60), Step::Frame { keyframe: true });
    }
}
