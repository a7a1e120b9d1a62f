//! What was sent to one viewer, and is not known to be painted. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearhand_protocol::picture::{Area, Painted};

use super::region::common;

/// Most updates whose fate is not known: as many as a viewer's report tells about.
const MOST: usize = 120;
/// Updates overtake each other by no more than this.
const OVERTAKEN: u32 = 3;
/// A viewer tells what it painted after this long at the latest.
const TOLD_AFTER: Duration = Duration::from_millis(200);
/// Nothing is given up earlier without a word from the viewer: a tab that paints much speaks late.
const LEAST_WAIT: Duration = Duration::from_millis(400);
/// What a frame takes from being announced to being painted, beside the round trip: it is encoded, let out packet by
/// packet, perhaps repeated in parts, and decoded.
const FRAME: Duration = Duration::from_millis(400);
/// A viewer that tells nothing at all is waited for longer each time, up to this many times as long.
const MOST_PATIENCE: u32 = 16;

/// One update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its number.
    pub(super) number: u32,
    /// When it was sent.
    pub(super) at: Instant,
    /// What its tiles and moves painted.
    pub(super) areas: Vec<Area>,
    /// Where its moves came from.
    pub(super) sources: Vec<Area>,
    /// The cells that its frame is for.
    pub(super) cells: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    sent: Sent,
    /// The viewer knows of later ones, and this one was not painted.
    missing: bool,
    /// And of a later frame that was painted.
    overtaken: bool,
    /// It was painted, but its moves may have copied what an update before it was to paint.
    moved: bool,
}

/// The updates outstanding.
#[derive(Debug)]
pub(super) struct Ledger {
    last: u32,
    entries: VecDeque<Entry>,
    highest: u32,
    patience: u32,
    /// Updates that did not come, though later ones did.
    missed: usize,
}

impl Ledger {
    /// Nothing was sent.
    pub(super) const fn new() -> Self {
        Self { last: 0, entries: VecDeque::new(), highest: 0, patience: 1, missed: 0 }
    }

    /// The number of the next update.
    pub(super) const fn next_number(&self) -> u32 {
        self.last + 1
    }

    /// The oldest update of which it is not known whether it was painted, or the next one.
    pub(super) fn since(&self) -> u32 {
        self.entries.front().map_or(self.next_number(), |entry| entry.sent.number)
    }

    /// Whether one more may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < MOST
    }

    /// The update with the next number was sent. What it pushes out is taken for lost.
    pub(super) fn sent(&mut self, sent: Sent) -> Option<Sent> {
        self.last = sent.number;
        let oldest = if self.has_room() { None } else { self.entries.pop_front() };
        self.entries.push_back(Entry { sent, missing: false, overtaken: false, moved: false });
        oldest.map(|entry| entry.sent)
    }

    /// Nothing of it matters any more: the viewer looks at something else.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
    }

    /// The viewer tells what it painted. What it tells of updates that were never sent is nothing. Returns the updates
    /// whose frames were painted.
    pub(super) fn painted(&mut self, painted: &Painted) -> Vec<Sent> {
        let mut frames = Vec::new();
        if painted.highest > self.last || painted.highest < self.highest {
            return frames;
        }
        self.highest = painted.highest;
        self.patience = 1;
        let mut frame_came = None;
        self.entries.retain_mut(|entry| match painted.tells(entry.sent.number) {
            Some(true) => {
                entry.moved = !entry.sent.sources.is_empty();
                if !entry.sent.cells.is_empty() {
                    frame_came = Some(entry.sent.number);
                    let cells = std::mem::take(&mut entry.sent.cells);
                    frames.push(Sent { cells, areas: Vec::new(), sources: Vec::new(), ..entry.sent });
                }
                entry.moved
            }
            Some(false) => {
                entry.missing = true;
                true
            }
            None => {
                // So far back that it will never be told.
                entry.missing |= entry.sent.number < painted.highest;
                true
            }
        });
        self.settle();
        if let Some(came) = frame_came {
            self.entries.iter_mut().for_each(|entry| entry.overtaken |= entry.sent.number < came);
        }
        frames
    }

    /// Takes out what is lost by now.
    pub(super) fn lost(&mut self, now: Instant, round_trip: Duration) -> Vec<Sent> {
        let (highest, patience) = (self.highest, self.patience);
        let mut lost: Vec<Sent> = Vec::new();
        let (mut silent, mut missed) = (false, 0);
        self.entries.retain_mut(|entry| {
            let due =
                !entry.moved && (entry.overtaken_by(highest) || now >= entry.deadline(round_trip, patience));
            // What copied from a place that was not painted has copied something old.
            let spoilt = entry.copies_from(&lost);
            if due || spoilt {
                silent |= due && !entry.missing;
                missed += usize::from(due && entry.missing && entry.sent.cells.is_empty());
                lost.push(entry.sent.take());
            }
            !(due || spoilt)
        });
        self.settle();
        self.missed += missed;
        if silent {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        lost
    }

    /// How many updates did not come though later ones did, since this was asked last. Frames don't count: they go another way.
    pub(super) const fn take_missed(&mut self) -> usize {
        std::mem::replace(&mut self.missed, 0)
    }

    /// When something may be lost.
    pub(super) fn deadline(&self, round_trip: Duration) -> Option<Instant> {
        let awaited = self.entries.iter().filter(|entry| !entry.moved);
        awaited.map(|entry| entry.deadline(round_trip, self.patience)).min()
    }

    /// The cells of frames that are not known to be painted, with the number of the update that announced each.
    pub(super) fn awaited(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.entries.iter().flat_map(|entry| entry.sent.cells.iter().map(|cell| (*cell, entry.sent.number)))
    }

    /// Lets go of the moves that copied from nothing that is still awaited.
    fn settle(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.moved) {
            self.entries.pop_front();
        }
    }

    /// Takes out the frames, which are not to be waited for any more.
    pub(super) fn give_up_frames(&mut self) -> Vec<Sent> {
        let mut given_up = Vec::new();
        self.entries.retain_mut(|entry| {
            if !entry.sent.cells.is_empty() {
                given_up.push(entry.sent.clone());
            }
            entry.sent.cells.is_empty()
        });
        self.settle();
        given_up
    }

    /// Whether the viewer misses something, so that it would refuse moves.
    pub(super) fn misses_some(&self) -> bool {
        self.entries.iter().any(|entry| entry.missing && !entry.moved && entry.sent.cells.is_empty())
    }
}

impl Sent {
    fn take(&mut self) -> Self {
        let none = Self {
            number: self.number,
            at: self.at,
            areas: Vec::new(),
            sources: Vec::new(),
            cells: Vec::new(),
        };
        std::mem::replace(self, none)
    }
}

impl Entry {
    fn copies_from(&self, lost: &[Sent]) -> bool {
        let areas = || lost.iter().flat_map(|sent| &sent.areas);
        self.sent.sources.iter().any(|source| areas().any(|area| common(*source, *area).is_some()))
    }

    fn overtaken_by(&self, highest: u32) -> bool {
        let frame = !self.sent.cells.is_empty();
        self.missing && highest >= self.sent.number + OVERTAKEN && (!frame || self.overtaken)
    }

    fn deadline(&self, round_trip: Duration, patience: u32) -> Instant {
        let frame = !self.sent.cells.is_empty();
        let wait = match (frame, self.missing) {
            (false, true) => round_trip * 3 / 2 + Duration::from_millis(30),
            (false, false) => (round_trip * 2 + TOLD_AFTER).max(LEAST_WAIT) * patience,
            (true, true) if self.overtaken => round_trip * 3 / 2 + Duration::from_millis(30),
            (true, _) => (round_trip * 2 + TOLD_AFTER + FRAME) * patience,
        };
        self.sent.at + wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(40);

    fn update(number: u32, at: Instant) -> Sent {
        let areas = vec![Area::new(number as u16, 0, 1, 1)];
        Sent { number, at, areas, sources: Vec::new(), cells: Vec::new() }
    }

    fn frame(number: u32, at: Instant) -> Sent {
        Sent { areas: Vec::new(), cells: vec![1, 2], ..update(number, at) }
    }

    fn numbers(lost: &[Sent]) -> Vec<u32> {
        lost.iter().map(|sent| sent.number).collect()
    }

    #[test]
    fn what_was_painted_is_done() {
        let (mut ledger, now) = (Ledger::new(), Instant::now());
        assert_eq!((ledger.next_number(), ledger.since(), ledger.deadline(ROUND_TRIP)), (1, 1, None));
        for number in 1..=3 {
            assert_eq!(ledger.sent(update(number, now)), None);
        }
        assert_eq!(ledger.since(), 1);
        ledger.painted(&Painted { highest: 3, painted: 0b111 });
        assert_eq!((ledger.since(), ledger.deadline(ROUND_TRIP)), (4, None));
        assert!(ledger.lost(now + Duration::from_hours(1), ROUND_TRIP).is_empty());
    }

    #[test]
    fn what_is_missing_is_lost_when_others_overtook_it_by_far_or_after_a_while() {
        let (mut ledger, now) = (Ledger::new(), Instant::now());
        (1..=3).for_each(|number| assert!(ledger.sent(update(number, now)).is_none()));
        ledger.painted(&Painted { highest: 3, painted: 0b011 });
        assert!(ledger.misses_some());
        assert!(ledger.lost(now + ROUND_TRIP, ROUND_TRIP).is_empty(), "it may have been overtaken");
        assert_eq!(numbers(&ledger.lost(now + ROUND_TRIP * 3, ROUND_TRIP)), [1]);
        assert_eq!((ledger.take_missed(), ledger.take_missed()), (1, 0));
        (4..=8).for_each(|number| assert!(ledger.sent(update(number, now)).is_none()));
        ledger.painted(&Painted { highest: 8, painted: 0b0_1111 });
        assert_eq!(numbers(&ledger.lost(now, ROUND_TRIP)), [4]);
    }

    #[test]
    fn silence_is_a_loss_and_waited_for_longer_each_time() {
        let (mut ledger, mut now) = (Ledger::new(), Instant::now());
        let mut last = Duration::ZERO;
        for number in 1..=4 {
            assert!(ledger.sent(update(number, now)).is_none());
            let deadline = ledger.deadline(ROUND_TRIP).expect("something is outstanding");
            assert!(deadline - now > last);
            last = deadline - now;
            now = deadline;
            assert_eq!(numbers(&ledger.lost(now, ROUND_TRIP)), [number]);
        }
        assert_eq!(ledger.take_missed(), 0, "the tab may sleep");
        ledger.painted(&Painted { highest: 4, painted: 0 });
        assert!(ledger.sent(update(5, now)).is_none());
        assert!(ledger.deadline(ROUND_TRIP).expect("one") - now <= LEAST_WAIT);
    }

    #[test]
    fn a_frame_takes_its_time_until_a_later_one_came() {
        let (mut ledger, now) = (Ledger::new(), Instant::now());
        assert!(ledger.sent(frame(1, now)).is_none());
        (2..=6).for_each(|number| assert!(ledger.sent(update(number, now)).is_none()));
        ledger.painted(&Painted { highest: 6, painted: 0b1_1111 });
        assert!(ledger.lost(now + ROUND_TRIP * 2, ROUND_TRIP).is_empty());
        assert_eq!(ledger.awaited().collect::<Vec<_>>(), [(1, 1), (2, 1)]);
        assert!(ledger.sent(frame(7, now)).is_none());
        ledger.painted(&Painted { highest: 7, painted: 0b11_1111 });
        assert_eq!(numbers(&ledger.lost(now + ROUND_TRIP * 2, ROUND_TRIP)), [1]);
    }

    #[test]
    fn what_copied_something_old_is_lost_with_it() {
        let (mut ledger, now) = (Ledger::new(), Instant::now());
        assert!(ledger.sent(update(1, now)).is_none());
        let from = |number, x| Sent { sources: vec![Area::new(x, 0, 5, 5)], ..update(number, now) };
        assert!(ledger.sent(from(2, 0)).is_none());
        assert!(ledger.sent(from(3, 2)).is_none());
        assert!(ledger.sent(from(4, 50)).is_none());
        // It claims to have painted all but the first.
        ledger.painted(&Painted { highest: 4, painted: 0b0111 });
        assert_eq!(ledger.since(), 1);
        assert_eq!(numbers(&ledger.lost(now + ROUND_TRIP * 3, ROUND_TRIP)), [1, 2, 3]);
        assert_eq!((ledger.since(), ledger.deadline(ROUND_TRIP)), (5, None));
    }

    #[test]
    fn it_is_bounded_and_garbage_is_nothing() {
        let (mut ledger, now) = (Ledger::new(), Instant::now());
        for number in 1..=MOST as u32 {
            assert!(ledger.sent(update(number, now)).is_none());
        }
        assert!(!ledger.has_room());
        assert_eq!(ledger.sent(update(MOST as u32 + 1, now)).map(|sent| sent.number), Some(1));
        ledger.painted(&Painted { highest: u32::MAX, painted: u128::MAX });
        ledger.painted(&Painted { highest: MOST as u32 + 2, painted: u128::MAX });
        assert!(!ledger.has_room(), "nobody painted what was never sent");
    }
}
