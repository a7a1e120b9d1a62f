//! How long to wait before an authority is asked again: they count attempts, and shut out who hurries.

use std::time::{Duration, SystemTime};

use super::AcmeError;

/// After the first failure to reach the authority at all; nobody counts those.
const UNREACHED: Duration = Duration::from_secs(30);
/// After the first failure that the authority saw. Doubled each time: four attempts in the first hour, where Let's Encrypt
/// allows five.
const REFUSED: Duration = Duration::from_mins(5);
/// Never longer, but where the authority itself says so.
const LONGEST: Duration = Duration::from_hours(6);
/// What an authority may ask for at most.
const LONGEST_ASKED: Duration = Duration::from_hours(24 * 7);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    unreached: u32,
    refused: u32,
}

impl Pauses {
    /// How long to wait after this failure. `random` spreads servers that failed at the same time over a tenth of it.
    pub(super) fn next(&mut self, error: &AcmeError, now: SystemTime, random: u32) -> Duration {
        let (count, first) = if error.was_seen_by_authority() {
            (&mut self.refused, REFUSED)
        } else {
            (&mut self.unreached, UNREACHED)
        };
        let pause = first.saturating_mul(1 << (*count).min(16)).min(LONGEST);
        *count += 1;
        let asked = error.retry_at().and_then(|at| at.duration_since(now).ok()).unwrap_or_default();
        let pause = pause.max(asked.min(LONGEST_ASKED));
        pause + pause.mul_f64(0.1 * f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(error: &AcmeError, count: usize) -> Vec<u64> {
        let mut pauses = Pauses::default();
        let now = SystemTime::now();
        (0..count).map(|_| pauses.next(error, now, 0).as_secs() / 60).collect()
    }

    #[test]
    fn attempts_become_rare() {
        let unreached = AcmeError::Unreached { host: "ca.example".into(), error: "timed out".into() };
        assert_eq!(minutes(&unreached, 6), [0, 1, 2, 4, 8, 16]);
        let refused = AcmeError::Refused { said: "no".into() };
        assert_eq!(minutes(&refused, 10), [5, 10, 20, 40, 80, 160, 320, 360, 360, 360]);
        assert_eq!(minutes(&refused, 100)[99], 360);
    }

    #[test]
    fn the_authority_may_ask_for_more_patience() {
        let now = SystemTime::now();
        let limited = |hours| AcmeError::TooOften {
            said: "slow down".into(),
            retry_at: Some(now + Duration::from_hours(hours)),
        };
        assert_eq!(Pauses::default().next(&limited(30), now, 0), Duration::from_hours(30));
        assert_eq!(Pauses::default().next(&limited(1_000_000), now, 0), LONGEST_ASKED);
        assert_eq!(Pauses::default().next(&limited(0), now, u32::MAX), REFUSED.mul_f64(1.1));
    }
}
