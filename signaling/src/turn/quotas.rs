//! How much one session, one address and all together may take, and how many answers strangers get.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Bytes that a session may have sent in advance, in seconds of its rate.
const BURST_SECONDS: f64 = 1.0;

/// A token bucket for bytes.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Bytes each second; `None`: as many as there are.
    rate: Option<f64>,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(bytes_each_second: Option<u64>, now: Instant) -> Self {
        let rate = bytes_each_second.map(|rate| rate as f64);
        Self { rate, level: rate.unwrap_or_default() * BURST_SECONDS, at: now }
    }

    /// Whether so many bytes may pass now; if so, they have.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let Some(rate) = self.rate else { return true };
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * rate).min(rate * BURST_SECONDS);
        self.at = now;
        let enough = self.level >= bytes as f64;
        if enough {
            self.level -= bytes as f64;
        }
        enough
    }
}

/// Why there is no place for another allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The client's own share is used up (486).
    Quota,
    /// The server's is (508).
    Capacity,
}

/// Counts allocations, or connections, of each address and in total.
#[derive(Debug, Default)]
pub(super) struct Places(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One of them, which counts until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

impl Places {
    /// A place for a client at this address.
    pub(super) fn take(&self, address: IpAddr, most_each: usize, most: usize) -> Result<Place, Full> {
        let address = household(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= most {
            return Err(Full::Capacity);
        }
        let each = counts.by_address.entry(address).or_default();
        if *each >= most_each {
            return Err(Full::Quota);
        }
        *each += 1;
        counts.total += 1;
        Ok(Place { counts: Arc::clone(&self.0), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(each) = counts.by_address.get_mut(&self.address) {
            *each -= 1;
            if *each == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// Who counts as one: an address, in IPv6 a /64, of which one subscriber has all.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Limits the answers to those who have not proved who they are: a datagram's source can be forged, and the answer would
/// go to the one whose address it is. Its memory is fixed; addresses that share a slot share its limit.
#[derive(Debug)]
pub(super) struct Answers {
    slots: Vec<Slot>,
    hasher: RandomState,
    most: u16,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    second: u32,
    given: u16,
}

impl Answers {
    const SLOTS: usize = 4096;

    /// At most so many answers each second to one address.
    pub(super) fn new(most: u16) -> Self {
        Self { slots: vec![Slot { second: 0, given: 0 }; Self::SLOTS], hasher: RandomState::new(), most }
    }

    /// Whether one more answer may go there; if so, it has. `second` is any clock's.
    pub(super) fn take(&mut self, address: IpAddr, second: u32) -> bool {
        let slot = self.hasher.hash_one(household(address)) as usize % Self::SLOTS;
        let slot = &mut self.slots[slot];
        if slot.second != second {
            *slot = Slot { second, given: 0 };
        }
        let may = slot.given < self.most;
        slot.given = slot.given.saturating_add(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_holds_a_second_and_fills_at_its_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Some(1000), now);
        assert!(bucket.take(1000, now));
        assert!(!bucket.take(1, now));
        assert!(bucket.take(500, now + Duration::from_millis(500)));
        assert!(!bucket.take(1, now + Duration::from_millis(500)));
        assert!(bucket.take(1000, now + Duration::from_hours(1)));
        assert!(!bucket.take(1, now + Duration::from_hours(1)));
        assert!(Bucket::new(None, now).take(usize::MAX, now));
    }

    #[test]
    fn places_are_counted_for_each_address_and_in_total() {
        let places = Places::default();
        let take = |address: &str| places.take(address.parse().unwrap(), 2, 3);
        let (first, _second) = (take("203.0.113.1").unwrap(), take("203.0.113.1").unwrap());
        assert_eq!(take("203.0.113.1").unwrap_err(), Full::Quota);
        assert_eq!(take("::ffff:203.0.113.1").unwrap_err(), Full::Quota);
        let third = take("203.0.113.2").unwrap();
        assert_eq!(take("203.0.113.3").unwrap_err(), Full::Capacity);
        drop(third);
        drop(first);
        let _again = take("203.0.113.1").unwrap();
        assert_eq!(take("203.0.113.1").unwrap_err(), Full::Quota);
    }

    #[test]
    fn a_whole_64_counts_as_one() {
        let places = Places::default();
        let take = |address: &str| places.take(address.parse().unwrap(), 1, 9);
        let _first = take("2001:db8::1").unwrap();
        assert_eq!(take("2001:db8::ffff:2").unwrap_err(), Full::Quota);
        assert!(take("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn strangers_get_so_many_answers_each_second() {
        let mut answers = Answers::new(3);
        let address = "203.0.113.1".parse().unwrap();
        assert_eq!((0..5).filter(|_| answers.take(address, 7)).count(), 3);
        assert_eq!((0..70_000).filter(|_| answers.take(address, 8)).count(), 3);
    }
}
