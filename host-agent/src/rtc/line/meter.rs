//! Reports about data channels, made from what SCTP still holds: it tells of no packets, only of bytes acknowledged.

use super::Report;
use std::collections::VecDeque;
use std::time::Instant;

/// The last packet of a burst is acknowledged up to 200 ms late (RFC 9260, 6.2): that says nothing about the line.
const TAIL: usize = 1_500;
/// Messages that are remembered; of more, the oldest is taken for acknowledged.
const MOST: usize = 4_096;

/// Follows one channel.
#[derive(Debug)]
pub(crate) struct Meter {
    epoch: Instant,
    /// When the bytes up to a count were handed over.
    handed: VecDeque<(u64, Instant)>,
    total: u64,
    acknowledged: u64,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { epoch: now, handed: VecDeque::new(), total: 0, acknowledged: 0 }
    }

    /// A message is given to SCTP.
    pub(crate) fn handed(&mut self, now: Instant, bytes: usize) {
        self.total += bytes as u64;
        self.handed.push_back((self.total, now));
        if self.handed.len() > MOST {
            self.handed.pop_front();
        }
    }

    /// SCTP holds so many bytes of it now: how many were acknowledged since the last look, and what that tells.
    pub(crate) fn looked(&mut self, now: Instant, outstanding: usize) -> (usize, Option<Report>) {
        let acknowledged = self.total.saturating_sub(outstanding as u64);
        let bytes = acknowledged.saturating_sub(self.acknowledged) as usize;
        if bytes == 0 {
            return (0, None);
        }
        self.acknowledged = acknowledged;
        while self.handed.front().is_some_and(|(end, _)| *end < acknowledged) {
            self.handed.pop_front();
        }
        let departure = self.handed.front().map(|(_, then)| *then);
        let tail = outstanding == 0 && bytes <= TAIL;
        let report = departure.filter(|_| !tail).map(|departure| Report {
            departure,
            arrival: Some(now.saturating_duration_since(self.epoch)),
            bytes,
        });
        (bytes, report)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Line;
    use super::*;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn bytes_are_told_with_the_time_of_their_message() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        meter.handed(start + MS, 10_000);
        meter.handed(start + 5 * MS, 10_000);
        assert_eq!(meter.looked(start + 10 * MS, 20_000), (0, None));
        let report = |departure: u32, arrival: u32, bytes| Report {
            departure: start + departure * MS,
            arrival: Some(arrival * MS),
            bytes,
        };
        assert_eq!(meter.looked(start + 20 * MS, 12_000), (8_000, Some(report(1, 20, 8_000))));
        assert_eq!(meter.looked(start + 30 * MS, 1_000), (11_000, Some(report(5, 30, 11_000))));
        assert_eq!(meter.looked(start + 230 * MS, 0), (1_000, None), "acknowledged late");
        assert_eq!(meter.looked(start + 240 * MS, usize::MAX), (0, None));
    }

    #[test]
    fn frames_over_a_channel_tell_the_capacity() {
        let start = Instant::now();
        let (mut line, mut meter) = (Line::new(start), Meter::new(start));
        // 25 kB every 200 ms over 1.6 Mbit/s (2 kB in 10 ms) and a way of 30 ms.
        for frame in 0..10 {
            let begin = start + frame * 200 * MS;
            meter.handed(begin, 25_000);
            for look in 1..=15_u32 {
                let now = begin + 30 * MS + look * 10 * MS;
                let (bytes, report) = meter.looked(now, 25_000_usize.saturating_sub(2_000 * look as usize));
                match report {
                    Some(report) => line.reports(now, &[report]),
                    None => line.acknowledged(now, bytes),
                }
            }
        }
        let found = line.findings(start + 1_990 * MS);
        let capacity = found.capacity.unwrap();
        assert!(capacity.reached && (1_450_000..1_750_000).contains(&capacity.bits), "{capacity:?}");
        assert_eq!(found.queue, Some(Duration::ZERO));
    }
}
