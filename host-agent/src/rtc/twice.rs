//! Which packets of the data channels leave twice: those on a line that loses some though it is not full. Pure.
//!
//! SCTP takes every loss for a full line. Where one packet in twenty is lost at random, its window comes down to a few
//! packets, and about every twentieth loss (the second one of a window, where the acknowledgements do not suffice to
//! tell of it before the first one is repaired) stops it until its timer fires, after a second at least. A second copy
//! of each packet makes one in four hundred of one in twenty, and the other end's DTLS drops the copies that are not
//! needed, as it does with what is replayed. Simulated with 20 ms there and back and 5 % lost: 150 kB/s with the packets
//! once, 920 kB/s with them twice; and of small messages beside that 8 % in time, and 99 %.

use super::line::Findings;
use std::time::{Duration, Instant};

/// A line is a bad one from this part of its packets on, and a good one again below half of it.
const BAD: f64 = 0.01;
/// And from so many of them: one may be an accident.
const LEAST_LOST: f64 = 3.0;
/// Packets that are remembered, about.
const REMEMBERED: f64 = 1_000.0;
/// What was found is forgotten when nothing was told for this long.
const FORGOTTEN: Duration = Duration::from_mins(1);
/// A queue this long says that the line is full: what is lost then, and for a while after it, is lost to that.
const FULL: Duration = Duration::from_millis(35);
const AFTER_FULL: Duration = Duration::from_millis(500);
/// Bytes of copies per second, on a line that shows no limit; on others this part of what they carry.
const MOST: f64 = 1_000_000.0;
const SHARE: f64 = 0.2;
/// And at once, as time.
const AT_ONCE: f64 = 0.1;
/// One message that did not come makes the line a suspect for this long, and each further one within [`RECENT`] for twice as
/// long, up to this. Where nothing but small updates go there is no media to tell of losses, and the three that would prove
/// them take seconds.
const SUSPECTED: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_mins(1);
const RECENT: Duration = Duration::from_secs(30);
/// Bytes of copies per second while it is no more than suspected: small updates, nothing that could fill a narrow line.
const MOST_SUSPECTED: f64 = 40_000.0;

/// What is known of the line's losses, and what may be spent against them.
#[derive(Debug)]
pub(super) struct Twice {
    packets: f64,
    lost: f64,
    heard: Option<Instant>,
    full: Option<Instant>,
    bad: bool,
    /// Since when it has been a suspect, and for how long.
    suspected: Option<(Instant, Duration)>,
    rate: f64,
    level: f64,
    filled: Option<Instant>,
}

impl Twice {
    /// A line that is not known to lose anything.
    pub(super) const fn new() -> Self {
        Self {
            packets: 0.0,
            lost: 0.0,
            heard: None,
            full: None,
            bad: false,
            suspected: None,
            rate: MOST,
            level: MOST * AT_ONCE,
            filled: None,
        }
    }

    /// So many packets' fate was told, and so many of them were lost.
    pub(super) fn told(&mut self, now: Instant, packets: usize, lost: usize, line: &Findings) {
        self.heard = Some(now);
        if let Some(capacity) = line.capacity {
            let share = f64::from(capacity.bits) / 8.0 * SHARE;
            self.rate = if capacity.reached { share.min(MOST) } else { MOST };
        }
        if line.queue.is_some_and(|queue| queue >= FULL) {
            self.full = Some(now);
        }
        if self.is_full(now) {
            return;
        }
        self.packets += packets as f64;
        self.lost += lost as f64;
        if self.packets > REMEMBERED {
            let kept = REMEMBERED / self.packets;
            (self.packets, self.lost) = (REMEMBERED, self.lost * kept);
        }
        let least = if self.bad { BAD / 2.0 } else { BAD };
        self.bad = self.lost >= (self.packets * least).max(LEAST_LOST * if self.bad { 0.5 } else { 1.0 });
    }

    /// A message of ours did not come.
    pub(super) fn missed(&mut self, now: Instant) {
        if self.is_full(now) {
            return;
        }
        let again = self.suspected.filter(|(since, lasts)| now < *since + *lasts + RECENT);
        let lasts = match again {
            // A burst of losses is one.
            Some((since, lasts)) if now < since + SUSPECTED / 4 => lasts,
            Some((_, lasts)) => (lasts * 2).min(LONGEST),
            None => SUSPECTED,
        };
        self.suspected = Some((now, lasts));
    }

    /// Whether packets leave twice now.
    pub(super) fn is_on(&self, now: Instant) -> bool {
        !self.is_full(now) && (self.is_bad(now) || self.is_suspected(now))
    }

    fn is_bad(&self, now: Instant) -> bool {
        self.bad && self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < FORGOTTEN)
    }

    fn is_suspected(&self, now: Instant) -> bool {
        self.suspected.is_some_and(|(since, lasts)| now < since + lasts)
    }

    /// Whether this datagram does.
    pub(super) fn copies(&mut self, now: Instant, datagram: &[u8]) -> bool {
        if !self.is_on(now) || !is_data(datagram) {
            return false;
        }
        let passed = self.filled.replace(now).map_or(0.0, |filled| (now - filled).as_secs_f64());
        let rate = if self.is_bad(now) { self.rate } else { self.rate.min(MOST_SUSPECTED) };
        self.level = (self.level + passed * rate).min(rate * AT_ONCE);
        let bytes = datagram.len() as f64;
        let enough = self.level >= bytes;
        if enough {
            self.level -= bytes;
        }
        enough
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full.is_some_and(|full| now.saturating_duration_since(full) < AFTER_FULL)
    }
}

/// Whether it holds what data channels send: application data of DTLS 1.2 or 1.3 (RFC 9147, 4.1), also in a message of a
/// TURN channel (RFC 8656, 12.4). Neither a handshake, whose repetition has a meaning, nor media.
fn is_data(datagram: &[u8]) -> bool {
    let is_dtls = |first: &u8| matches!(first, 23 | 32..=63);
    match datagram.first() {
        Some(64..=79) => datagram.get(4).is_some_and(is_dtls),
        Some(first) => is_dtls(first),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Capacity;
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const DATA: [u8; 1_200] = [23; 1_200];

    fn line(queue: u32, capacity: Option<u32>) -> Findings {
        let capacity = capacity.map(|bits| Capacity { bits, reached: true });
        Findings { queue: Some(MS * queue), capacity, ..Findings::default() }
    }

    #[test]
    fn a_line_that_loses_packets_gets_them_twice_until_it_is_a_good_one() {
        let (mut twice, now) = (Twice::new(), Instant::now());
        twice.told(now, 20, 2, &line(0, None));
        assert!(!twice.is_on(now), "two may be an accident");
        twice.told(now, 20, 1, &line(0, None));
        assert!(twice.copies(now, &DATA));
        twice.told(now, 400, 0, &line(0, None));
        assert!(twice.is_on(now), "not so soon");
        twice.told(now, 400, 0, &line(0, None));
        twice.told(now, 600, 0, &line(0, None));
        assert!(!twice.is_on(now));
        for _ in 0..100 {
            twice.told(now, 1_000, 4, &line(0, None));
            assert!(!twice.is_on(now), "good enough");
        }
    }

    #[test]
    fn one_message_that_did_not_come_makes_a_suspect_for_a_while_and_longer_each_time() {
        let (mut twice, now) = (Twice::new(), Instant::now());
        assert!(!twice.is_on(now));
        twice.missed(now);
        assert!(twice.is_on(now + MS * 3_999) && !twice.is_on(now + SUSPECTED));
        // Of those that are lost together the first one counts.
        twice.missed(now + MS * 50);
        assert!(!twice.is_on(now + SUSPECTED + MS * 50));
        let again = now + MS * 10_000;
        twice.missed(again);
        assert!(twice.is_on(again + MS * 7_999) && !twice.is_on(again + SUSPECTED * 2));
        let much_later = now + MS * 100_000;
        twice.missed(much_later);
        assert!(!twice.is_on(much_later + SUSPECTED));
        // What a full line drops is no sign.
        let full = much_later + MS * 100_000;
        twice.told(full, 20, 0, &line(60, None));
        twice.missed(full);
        assert!(!twice.is_on(full + AFTER_FULL));
    }

    #[test]
    fn a_suspect_gets_copies_of_small_updates_only() {
        let (mut twice, now) = (Twice::new(), Instant::now());
        let copied = |twice: &mut Twice, begin: Instant| {
            (0..1_000).filter(|look| twice.copies(begin + MS * *look, &DATA)).count() * DATA.len()
        };
        twice.missed(now);
        let bytes = copied(&mut twice, now);
        assert!((36_000..=44_000).contains(&bytes), "{bytes}");
        twice.told(now + MS * 1_000, 100, 5, &line(0, None));
        assert!(copied(&mut twice, now + MS * 1_000) > 900_000);
    }

    #[test]
    fn it_is_remembered_while_nothing_moves_but_not_for_ever() {
        let (mut twice, now) = (Twice::new(), Instant::now());
        twice.told(now, 100, 5, &line(0, None));
        assert!(twice.is_on(now + MS * 30_000));
        assert!(!twice.is_on(now + MS * 60_000));
    }

    #[test]
    fn what_a_full_line_drops_is_no_reason_and_nothing_is_added_to_its_queue() {
        let (mut twice, now) = (Twice::new(), Instant::now());
        for look in 0..100 {
            twice.told(now + MS * 50 * look, 20, 5, &line(60, None));
        }
        let later = now + MS * 5_000;
        assert!(!twice.is_on(later));
        twice.told(later + AFTER_FULL, 100, 5, &line(0, None));
        assert!(twice.is_on(later + AFTER_FULL));
        twice.told(later + AFTER_FULL * 2, 20, 5, &line(60, None));
        assert!(!twice.is_on(later + AFTER_FULL * 2));
        assert!(twice.is_on(later + AFTER_FULL * 3), "when that has drained");
    }

    #[test]
    fn copies_take_a_part_of_what_the_line_carries() {
        for (capacity, most) in [(Some(800_000), 20_000), (None, 1_000_000), (Some(80_000_000), 1_000_000)] {
            let (mut twice, now) = (Twice::new(), Instant::now());
            twice.told(now, 100, 5, &line(0, capacity));
            twice.level = 0.0;
            let copied = (0..20_000).filter(|look| twice.copies(now + MS * *look / 2, &DATA)).count();
            let a_second = copied * DATA.len() / 10;
            assert!(a_second <= most && a_second > most * 9 / 10, "{a_second} of {most}");
            let rate = twice.rate;
            twice.told(now, 10, 0, &line(0, None));
            assert!((twice.rate - rate).abs() < 1.0, "a resting screen tells nothing new");
        }
    }

    #[test]
    fn only_what_data_channels_send_is_copied() {
        let in_channel = |first| [0x40, 0x01, 0, 1, first];
        assert!(is_data(&[23, 254, 253]) && is_data(&[0x2f]) && is_data(&in_channel(23)));
        let others: [&[u8]; 8] = [
            &[],
            &[22, 254, 253],
            &[0, 1],
            &[0x80, 0x60],
            &[0x40],
            &in_channel(22),
            &in_channel(0x80),
            &[64],
        ];
        for other in others {
            assert!(!is_data(other), "{other:?}");
        }
    }
}
