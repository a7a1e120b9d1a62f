//! What the figures of both ends come to, in one finding: pure.

/// What is known about the line and the two computers; `None`: not measured (yet).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Nothing comes, although something should, for so long, in milliseconds.
    pub silent_ms: Option<u64>,
    /// Round trip, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Packets lost, in thousandths.
    pub loss_permille: Option<u16>,
    /// Time that packets stand in queues on the way, in milliseconds.
    pub queue_ms: Option<u16>,
    /// What the line is thought to carry, in kilobits per second.
    pub carries_kbit: Option<f64>,
    /// The frames are smaller than what they show, because the line carries no more.
    pub shrunk: bool,
    /// Time for which the customer's computer is busy with one picture, in milliseconds.
    pub host_ms: Option<f64>,
    /// The same of this computer.
    pub decode_ms: Option<f64>,
}

/// The finding: what is worst, if anything is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is known yet.
    Unknown,
    /// Nothing to complain of.
    Good,
    /// Nothing comes any more.
    Silent,
    /// So much of what is sent is lost.
    Lossy {
        /// In percent, at least 1.
        percent: u16,
    },
    /// It carries little.
    Narrow {
        /// So much, in kilobits per second.
        kbit: u32,
    },
    /// What is sent waits on the way.
    Congested {
        /// For so long, in milliseconds.
        ms: u16,
    },
    /// It is long: each answer takes its time.
    Far {
        /// Round trip, in milliseconds.
        ms: u32,
    },
    /// The customer's computer is too slow for smooth motion.
    HostBusy {
        /// For each picture, in milliseconds.
        ms: u32,
    },
    /// This one is.
    TabBusy {
        /// For each picture, in milliseconds.
        ms: u32,
    },
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Nothing measured yet.
    Unknown,
    /// Good.
    Good,
    /// It is felt.
    Fair,
    /// It hinders.
    Poor,
}

impl Grade {
    /// The stable name, as in the page's `data-line`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
        }
    }
}

/// From here on losses are felt, in thousandths: below, what is lost is sent again unnoticed.
const LOSS: u16 = 15;
/// From here on losses hinder.
const HEAVY_LOSS: u16 = 100;
/// Below this even text comes late, in kilobits per second.
const LITTLE_KBIT: f64 = 1_000.0;
const VERY_LITTLE_KBIT: f64 = 300.0;
/// A queue that is felt, in milliseconds.
const QUEUE_MS: u16 = 100;
/// A round trip that is felt, in milliseconds.
const FAR_MS: f64 = 150.0;
/// Below 20 pictures a second motion is not smooth any more: the time for one, in milliseconds.
const BUSY_MS: f64 = 50.0;

impl Facts {
    /// What is worst. What hides the cause of something else comes first: a silent line loses nothing.
    pub fn verdict(&self) -> Verdict {
        let whole = |value: f64| value.round() as u32;
        if self.silent_ms.is_some() {
            return Verdict::Silent;
        }
        if let Some(permille) = self.loss_permille.filter(|permille| *permille >= LOSS) {
            return Verdict::Lossy { percent: permille.saturating_add(5) / 10 };
        }
        if let Some(kbit) = self.carries_kbit.filter(|kbit| *kbit < LITTLE_KBIT || self.shrunk) {
            return Verdict::Narrow { kbit: whole(kbit) };
        }
        if let Some(ms) = self.queue_ms.filter(|ms| *ms >= QUEUE_MS) {
            return Verdict::Congested { ms };
        }
        if let Some(ms) = self.round_trip_ms.filter(|ms| *ms >= FAR_MS) {
            return Verdict::Far { ms: whole(ms) };
        }
        if let Some(ms) = self.host_ms.filter(|ms| *ms >= BUSY_MS) {
            return Verdict::HostBusy { ms: whole(ms) };
        }
        if let Some(ms) = self.decode_ms.filter(|ms| *ms >= BUSY_MS) {
            return Verdict::TabBusy { ms: whole(ms) };
        }
        if self.round_trip_ms.is_none() && self.carries_kbit.is_none() {
            return Verdict::Unknown;
        }
        Verdict::Good
    }
}

impl Verdict {
    /// How bad it is.
    pub const fn grade(self) -> Grade {
        match self {
            Self::Unknown => Grade::Unknown,
            Self::Good => Grade::Good,
            Self::Silent => Grade::Poor,
            Self::Lossy { percent } if percent * 10 >= HEAVY_LOSS => Grade::Poor,
            Self::Narrow { kbit } if (kbit as f64) < VERY_LITTLE_KBIT => Grade::Poor,
            Self::Congested { ms } if ms >= 4 * QUEUE_MS => Grade::Poor,
            Self::Far { ms } if ms as f64 >= 3.0 * FAR_MS => Grade::Poor,
            _ => Grade::Fair,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Facts = Facts {
        silent_ms: None,
        round_trip_ms: Some(20.0),
        loss_permille: Some(3),
        queue_ms: Some(10),
        carries_kbit: Some(20_000.0),
        shrunk: false,
        host_ms: Some(6.0),
        decode_ms: Some(4.0),
    };

    #[test]
    fn the_worst_is_found() {
        for (facts, verdict, grade) in [
            (Facts::default(), Verdict::Unknown, Grade::Unknown),
            (WELL, Verdict::Good, Grade::Good),
            (Facts { silent_ms: Some(1_300), ..WELL }, Verdict::Silent, Grade::Poor),
            (Facts { loss_permille: Some(14), ..WELL }, Verdict::Good, Grade::Good),
            (Facts { loss_permille: Some(15), ..WELL }, Verdict::Lossy { percent: 2 }, Grade::Fair),
            (Facts { loss_permille: Some(50), ..WELL }, Verdict::Lossy { percent: 5 }, Grade::Fair),
            (Facts { loss_permille: Some(400), ..WELL }, Verdict::Lossy { percent: 40 }, Grade::Poor),
            (Facts { loss_permille: Some(u16::MAX), ..WELL }, Verdict::Lossy { percent: 6553 }, Grade::Poor),
            (Facts { carries_kbit: Some(480.4), ..WELL }, Verdict::Narrow { kbit: 480 }, Grade::Fair),
            (Facts { carries_kbit: Some(120.0), ..WELL }, Verdict::Narrow { kbit: 120 }, Grade::Poor),
            (
                Facts { carries_kbit: Some(1_500.0), shrunk: true, ..WELL },
                Verdict::Narrow { kbit: 1500 },
                Grade::Fair,
            ),
            (Facts { queue_ms: Some(150), ..WELL }, Verdict::Congested { ms: 150 }, Grade::Fair),
            (Facts { round_trip_ms: Some(310.2), ..WELL }, Verdict::Far { ms: 310 }, Grade::Fair),
            (Facts { round_trip_ms: Some(600.0), ..WELL }, Verdict::Far { ms: 600 }, Grade::Poor),
            (Facts { host_ms: Some(70.0), ..WELL }, Verdict::HostBusy { ms: 70 }, Grade::Fair),
            (Facts { decode_ms: Some(55.0), ..WELL }, Verdict::TabBusy { ms: 55 }, Grade::Fair),
            (
                Facts { loss_permille: Some(30), round_trip_ms: Some(900.0), ..WELL },
                Verdict::Lossy { percent: 3 },
                Grade::Fair,
            ),
        ] {
            assert_eq!(facts.verdict(), verdict, "{facts:?}");
            assert_eq!(verdict.grade(), grade, "{verdict:?}");
        }
    }
}
