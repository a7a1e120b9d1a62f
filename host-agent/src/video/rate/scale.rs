//! How small and how seldom frames should be so that nobody sees blocks.

use std::time::{Duration, Instant};

/// A mean quantiser at which blocks show in what moves.
const COARSE: f32 = 38.0;
/// A mean quantiser at which there is room for more pixels.
const FINE: f32 = 27.0;
/// Blocks are borne this long before a smaller picture replaces them.
const STEP_DOWN: Duration = Duration::from_millis(400);
/// There must be room for this long before the picture grows, and longer after each time that it was too early.
const STEP_UP: Duration = Duration::from_secs(2);
const LONGEST_STEP_UP: Duration = Duration::from_secs(30);
/// Shrinking again this soon after growing, it was too early.
const TOO_EARLY: Duration = Duration::from_secs(5);
/// Weight of the newest frame in the mean quantiser.
const WEIGHT: f32 = 0.2;

/// How small a stream is beside the view it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scale {
    /// A quarter of the view's width and height.
    Quarter,
    /// Half of them.
    Half,
    /// Three quarters.
    ThreeQuarters,
    /// Pixel for pixel.
    Full,
}

impl Scale {
    /// As numerator and denominator.
    pub(crate) const fn fraction(self) -> (u32, u32) {
        match self {
            Self::Quarter => (1, 4),
            Self::Half => (1, 2),
            Self::ThreeQuarters => (3, 4),
            Self::Full => (1, 1),
        }
    }

    const fn smaller(self) -> Self {
        match self {
            Self::Full => Self::ThreeQuarters,
            Self::ThreeQuarters => Self::Half,
            Self::Half | Self::Quarter => Self::Quarter,
        }
    }

    const fn larger(self) -> Self {
        match self {
            Self::Quarter => Self::Half,
            Self::Half => Self::ThreeQuarters,
            Self::ThreeQuarters | Self::Full => Self::Full,
        }
    }
}

/// Decides the scale by how coarsely frames had to be coded.
#[derive(Debug)]
pub(super) struct Scaler {
    scale: Scale,
    qp: Option<f32>,
    coarse_since: Option<Instant>,
    fine_since: Option<Instant>,
    grew: Option<Instant>,
    step_up: Duration,
}

impl Scaler {
    pub(super) const fn new() -> Self {
        Self {
            scale: Scale::Full,
            qp: None,
            coarse_since: None,
            fine_since: None,
            grew: None,
            step_up: STEP_UP,
        }
    }

    pub(super) const fn scale(&self) -> Scale {
        self.scale
    }

    /// What rests is worth all pixels, whatever it takes.
    pub(super) fn rests(&mut self) {
        self.change(Scale::Full);
        // What moves next is another thing: shrinking again tells nothing.
        self.grew = None;
    }

    /// A frame of something that moves was coded with this mean quantiser.
    pub(super) fn coded(&mut self, now: Instant, qp: u8) {
        let qp = f32::from(qp);
        let mean = self.qp.map_or(qp, |mean| mean + (qp - mean) * WEIGHT);
        self.qp = Some(mean);
        self.coarse_since = (mean >= COARSE).then(|| self.coarse_since.unwrap_or(now));
        self.fine_since = (mean <= FINE).then(|| self.fine_since.unwrap_or(now));
        let lasts = |since: Option<Instant>, long| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= long)
        };
        if lasts(self.coarse_since, STEP_DOWN) && self.scale != Scale::Quarter {
            if lasts(self.grew, TOO_EARLY) {
                self.step_up = STEP_UP;
            } else if self.grew.is_some() {
                self.step_up = (self.step_up * 2).min(LONGEST_STEP_UP);
            }
            self.change(self.scale.smaller());
        } else if lasts(self.fine_since, self.step_up) && self.scale != Scale::Full {
            self.change(self.scale.larger());
            self.grew = Some(now);
        }
    }

    /// What is known is of pictures of another size.
    fn change(&mut self, scale: Scale) {
        self.scale = scale;
        (self.qp, self.coarse_since, self.fine_since) = (None, None, None);
    }
}

/// Most frames a second that are worth their bits at this rate: below a few kilobytes each they would all be blocks.
pub(super) const fn frames_for(bitrate: u32) -> u32 {
    match bitrate {
        0..450_000 => 10,
        450_000..900_000 => 15,
        900_000..1_800_000 => 24,
        1_800_000..3_500_000 => 30,
        _ => 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes frames for so many seconds at 20 a second.
    fn code(scaler: &mut Scaler, now: &mut Instant, seconds: f64, qp: impl Fn(Scale) -> u8) {
        for _ in 0..(seconds * 20.0) as u32 {
            *now += Duration::from_millis(50);
            scaler.coded(*now, qp(scaler.scale()));
        }
    }

    #[test]
    fn it_shrinks_before_blocks_last_and_grows_when_there_is_room() {
        let (mut scaler, mut now) = (Scaler::new(), Instant::now());
        code(&mut scaler, &mut now, 0.3, |_| 48);
        assert_eq!(scaler.scale(), Scale::Full);
        code(&mut scaler, &mut now, 0.3, |_| 48);
        assert_eq!(scaler.scale(), Scale::ThreeQuarters);
        code(&mut scaler, &mut now, 5.0, |_| 48);
        assert_eq!(scaler.scale(), Scale::Quarter);
        code(&mut scaler, &mut now, 60.0, |_| 32);
        assert_eq!(scaler.scale(), Scale::Quarter, "neither coarse nor fine");
        code(&mut scaler, &mut now, 8.0, |_| 20);
        assert_eq!(scaler.scale(), Scale::Full);
    }

    #[test]
    fn what_rests_has_all_pixels_and_what_moves_next_is_seen_soon_to_be_another_thing() {
        let (mut scaler, mut now) = (Scaler::new(), Instant::now());
        code(&mut scaler, &mut now, 5.0, |_| 48);
        assert_eq!(scaler.scale(), Scale::Quarter);
        scaler.rests();
        assert_eq!(scaler.scale(), Scale::Full);
        code(&mut scaler, &mut now, 2.0, |_| 48);
        assert_eq!((scaler.scale(), scaler.step_up), (Scale::Quarter, STEP_UP));
    }

    #[test]
    fn between_two_sizes_it_does_not_swing() {
        let (mut scaler, mut now) = (Scaler::new(), Instant::now());
        let mut changes = 0;
        for _ in 0..120 {
            let before = scaler.scale();
            code(&mut scaler, &mut now, 1.0, |scale| if scale == Scale::Full { 45 } else { 25 });
            changes += u32::from(scaler.scale() != before);
        }
        assert!(changes <= 18, "{changes} changes in two minutes");
    }

    #[test]
    fn frames_never_get_fewer_with_more_bits() {
        let rates = (0..400).map(|step| frames_for(step * 20_000)).collect::<Vec<_>>();
        assert!(rates.is_sorted());
    }
}
