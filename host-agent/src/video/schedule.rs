//! When the next frame is made: only for a reason, at most 60 times a second, and never faster than the line takes it.
//! Pure: the time and the state of the line are arguments.

use std::time::{Duration, Instant};

/// Frames follow each other no faster: damage in between is merged into one.
const INTERVAL: Duration = Duration::from_micros(16_600);
/// Keyframes follow each other no faster: one costs as much as half a second of motion.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);
/// While a frame is still on its way out, look again after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// A picture that has not changed for this long rests. Scrolling and typing come ten times a second: refined in
/// between, the encoder's rate control would take each rest for easy content and code the next change far too well.
const REST: Duration = Duration::from_millis(150);
/// Between two refinements of a resting picture.
const REFINE_INTERVAL: Duration = Duration::from_millis(50);
/// Refinements of one resting picture; the encoder's rate control sharpens each a little.
const REFINEMENTS: u8 = 10;
/// A quantiser that nobody can tell from a better one on a desktop: no refinement below.
const SHARP_QP: u8 = nearhand_encoder::LEAST_QP;
/// Chromium asks for a keyframe whenever it saw no frame for three seconds, also of a screen that rests. Requests from
/// here on are that question, and not a sign of trouble.
const ASKED_BY_SILENCE: Duration = Duration::from_millis(2_500);
/// What may be sent ahead of the bitrate's even flow, as time.
const BURST: Duration = Duration::from_millis(80);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Capture, encode and send a frame.
    Frame {
        /// As a keyframe.
        keyframe: bool,
    },
    /// Wait for the desktop to change, until then at the latest.
    WaitUntil(Instant),
    /// Wait for the desktop to change.
    Wait,
}

/// Decides when a frame is due.
#[derive(Debug)]
pub(super) struct Schedule {
    damaged: bool,
    keyframe_wanted: bool,
    last_keyframe: Option<Instant>,
    last_frame: Option<Instant>,
    refinements_left: u8,
    /// The even flow of the bitrate has caught up with what was sent at this time.
    caught_up: Option<Instant>,
}

impl Schedule {
    /// Nothing was sent: the first frame is a keyframe, and due at once.
    pub(super) fn new() -> Self {
        Self {
            damaged: true,
            keyframe_wanted: true,
            last_keyframe: None,
            last_frame: None,
            refinements_left: 0,
            caught_up: None,
        }
    }

    /// The desktop changed.
    pub(super) fn damaged(&mut self) {
        self.damaged = true;
    }

    /// Decoding must start anew.
    pub(super) fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// The other end asks for a keyframe; `all_arrived`: it has everything that was sent.
    pub(super) fn keyframe_asked(&mut self, now: Instant, all_arrived: bool) {
        let silent =
            self.last_frame.is_some_and(|last| now.saturating_duration_since(last) >= ASKED_BY_SILENCE);
        if !(silent && all_arrived) {
            self.keyframe_wanted = true;
        }
    }

    /// What to do at `now`; `line_free`: the transport would take a frame.
    pub(super) fn next(&self, now: Instant, line_free: bool) -> Step {
        let keyframe_from = self.last_keyframe.map_or(now, |last| last + KEYFRAME_INTERVAL);
        let reason_from = if self.damaged {
            self.last_frame.map_or(now, |last| last + INTERVAL)
        } else if self.keyframe_wanted {
            keyframe_from
        } else if self.refinements_left > 0 {
            let pause = if self.refinements_left == REFINEMENTS { REST } else { REFINE_INTERVAL };
            self.last_frame.map_or(now, |last| last + pause)
        } else {
            return Step::Wait;
        };
        let flow_from = self.caught_up.and_then(|time| time.checked_sub(BURST)).unwrap_or(now);
        let from = reason_from.max(flow_from);
        if from > now {
            Step::WaitUntil(from)
        } else if !line_free {
            Step::WaitUntil(now + LOOK_AGAIN)
        } else {
            Step::Frame { keyframe: self.keyframe_wanted && keyframe_from <= now }
        }
    }

    /// A frame was made at `now` and nothing had to be sent.
    pub(super) fn skipped(&mut self, now: Instant) {
        self.damaged = false;
        self.refinements_left = 0;
        self.last_frame = Some(now);
    }

    /// A frame of so many bits was sent at `now`. `changed`: it showed something new, so that it is worth refining.
    pub(super) fn sent(&mut self, now: Instant, frame: Sent) {
        if frame.keyframe {
            self.keyframe_wanted = false;
            self.last_keyframe = Some(now);
        }
        if frame.changed || frame.keyframe {
            self.refinements_left = REFINEMENTS;
        } else {
            self.refinements_left = self.refinements_left.saturating_sub(1);
        }
        if frame.qp <= SHARP_QP {
            self.refinements_left = 0;
        }
        self.damaged = false;
        self.last_frame = Some(now);
        let from = self.caught_up.map_or(now, |time| time.max(now));
        let takes = frame.bits as f64 / f64::from(frame.bitrate.max(1));
        // A second is enough: what takes longer is the rate control's matter.
        self.caught_up = Some(from + Duration::from_secs_f64(takes.min(1.0)));
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Length in bits.
    pub(super) bits: u64,
    /// Bits per second that the line takes just now.
    pub(super) bitrate: u32,
    /// It was a keyframe.
    pub(super) keyframe: bool,
    /// Its mean quantiser.
    pub(super) qp: u8,
    /// Something had changed on the desktop.
    pub(super) changed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Sent = Sent { bits: 8_000, bitrate: 5_000_000, keyframe: false, qp: 30, changed: true };

    fn started() -> (Schedule, Instant) {
        let now = Instant::now();
        let mut schedule = Schedule::new();
        assert_eq!(schedule.next(now, true), Step::Frame { keyframe: true });
        schedule.sent(now, Sent { keyframe: true, qp: 10, ..SMALL });
        (schedule, now)
    }

    #[test]
    fn nothing_happens_without_a_reason() {
        let (schedule, now) = started();
        assert_eq!(schedule.next(now, true), Step::Wait);
        assert_eq!(schedule.next(now + Duration::from_hours(1), true), Step::Wait);
    }

    #[test]
    fn damage_is_merged_to_sixty_a_second() {
        let (mut schedule, mut now) = started();
        let (mut frames, start) = (0, now);
        while now < start + Duration::from_secs(1) {
            schedule.damaged();
            match schedule.next(now, true) {
                Step::Frame { keyframe } => {
                    assert!(!keyframe);
                    schedule.sent(now, SMALL);
                    frames += 1;
                }
                Step::WaitUntil(then) => assert!(then > now && then <= now + INTERVAL),
                Step::Wait => panic!("damage is a reason"),
            }
            now += Duration::from_millis(1);
        }
        assert!((55..=60).contains(&frames), "{frames}");
    }

    #[test]
    fn a_busy_line_is_waited_for_and_only_the_newest_frame_goes() {
        let (mut schedule, now) = started();
        schedule.damaged();
        let now = now + Duration::from_secs(1);
        assert_eq!(schedule.next(now, false), Step::WaitUntil(now + LOOK_AGAIN));
        schedule.damaged();
        assert_eq!(schedule.next(now + LOOK_AGAIN, true), Step::Frame { keyframe: false });
    }

    #[test]
    fn a_large_frame_is_paid_off_before_the_next() {
        let (mut schedule, now) = started();
        let now = now + Duration::from_secs(1);
        schedule.sent(now, Sent { bits: 2_500_000, ..SMALL });
        schedule.damaged();
        let Step::WaitUntil(then) = schedule.next(now, true) else {
            panic!("half a second of line is in use")
        };
        assert_eq!(then + BURST, now + Duration::from_millis(500));
        assert_eq!(schedule.next(then, true), Step::Frame { keyframe: false });
    }

    #[test]
    fn keyframes_are_rare_however_often_they_are_wanted() {
        let (mut schedule, mut now) = started();
        let (mut keyframes, start) = (0, now);
        while now < start + Duration::from_secs(5) {
            now += Duration::from_millis(5);
            schedule.want_keyframe();
            schedule.damaged();
            if let Step::Frame { keyframe } = schedule.next(now, true) {
                keyframes += u32::from(keyframe);
                schedule.sent(now, Sent { keyframe, ..SMALL });
            }
        }
        assert!((9..=10).contains(&keyframes), "{keyframes}");
    }

    #[test]
    fn a_wanted_keyframe_needs_no_damage() {
        let (mut schedule, now) = started();
        schedule.want_keyframe();
        assert_eq!(schedule.next(now, true), Step::WaitUntil(now + KEYFRAME_INTERVAL));
        assert_eq!(schedule.next(now + KEYFRAME_INTERVAL, true), Step::Frame { keyframe: true });
    }

    #[test]
    fn silence_alone_earns_no_keyframe() {
        let (mut schedule, now) = started();
        let later = now + Duration::from_secs(3);
        schedule.keyframe_asked(later, true);
        assert_eq!(
            schedule.next(later, true),
            Step::Wait,
            "it has everything and asks because nothing comes"
        );
        schedule.keyframe_asked(later, false);
        assert_eq!(
            schedule.next(later, true),
            Step::Frame { keyframe: true },
            "the end of the last frame was lost"
        );
        let (mut schedule, now) = started();
        let soon = now + Duration::from_secs(1);
        schedule.keyframe_asked(soon, true);
        assert_eq!(schedule.next(soon, true), Step::Frame { keyframe: true }, "it can't decode what it has");
    }

    #[test]
    fn a_resting_picture_is_refined_and_then_left_alone() {
        let (mut schedule, mut now) = started();
        schedule.damaged();
        now += Duration::from_secs(1);
        schedule.sent(now, SMALL);
        for refinement in 0..REFINEMENTS {
            let pause = if refinement == 0 { REST } else { REFINE_INTERVAL };
            assert_eq!(schedule.next(now, true), Step::WaitUntil(now + pause));
            now += pause;
            assert_eq!(schedule.next(now, true), Step::Frame { keyframe: false });
            schedule.sent(now, Sent { changed: false, ..SMALL });
        }
        assert_eq!(schedule.next(now, true), Step::Wait);
        schedule.damaged();
        now += Duration::from_secs(1);
        schedule.sent(now, Sent { qp: SHARP_QP, ..SMALL });
        assert_eq!(schedule.next(now, true), Step::Wait, "sharp already");
    }
}
