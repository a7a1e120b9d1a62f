//! How often somebody may be wrong: wrong codes and wrong tokens cost, right ones are free.
//!
//! Written by hand rather than taken from a library because those charge an attempt when they are asked about it: an
//! office behind one address that pairs thirty times in a minute would be shut out. Here one asks first, and pays for
//! failures only. The arithmetic is that of the generic cell rate algorithm: one time stamp for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nearhand_protocol::code::Nameplate;

/// Most keys of one limit. Above it those that would be forgotten soonest are, before their time: a crowd of that size may
/// try a little more often, but no stranger is refused for it.
const MAX_KEYS: usize = 500_000;

/// Failures that are forgiven at once, and the time after which one more is.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// How many in a row.
    pub burst: u32,
    /// The time after which one is forgotten.
    pub every: Duration,
}

/// Wrong codes from one address.
const ADDRESS: Quota = Quota { burst: 10, every: Duration::from_secs(6) };
/// Wrong codes from one address while many others are wrong too. `tests/guessing.rs` shows what that is worth: an hour,
/// because ten thousand addresses that may try once a minute find ten codes in each.
const ADDRESS_UNDER_PRESSURE: Quota = Quota { burst: 3, every: Duration::from_hours(1) };
/// The same from one network, since addresses are rented by the network.
const NETWORK_UNDER_PRESSURE: Quota = Quota { burst: 30, every: Duration::from_mins(6) };
/// The same from all networks of one provider of IPv6, who has 65,536 of them.
const PROVIDER_UNDER_PRESSURE: Quota = Quota { burst: 1000, every: Duration::from_secs(4) };
/// Wrong uses of one nameplate, from anywhere.
const NAMEPLATE: Quota = Quota { burst: 20, every: Duration::from_secs(10) };
/// Wrong codes from anywhere. A thousand open codes among a million: one hit in a thousand tries.
const GLOBAL: Quota = Quota { burst: 300, every: Duration::from_secs(1) };
/// Wrong tokens from one address.
const SIGN_IN: Quota = Quota { burst: 5, every: Duration::from_secs(12) };

/// Too many failures; try again after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts, try again in {} seconds", .0.as_secs() + 1)]
pub struct Throttled(pub Duration);

/// Failures by key.
#[derive(Debug)]
struct Failures<K> {
    quota: Quota,
    /// When everything that the key did will be forgotten.
    forgotten_at: HashMap<K, Instant>,
}

impl<K: Copy + Eq + Hash> Failures<K> {
    fn new(quota: Quota) -> Self {
        Self { quota, forgotten_at: HashMap::new() }
    }

    /// Whether one more attempt is allowed.
    fn check(&self, key: &K, now: Instant) -> Result<(), Throttled> {
        let allowed_debt = self.quota.every * (self.quota.burst - 1);
        let debt = self.forgotten_at.get(key).map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        match debt.saturating_sub(allowed_debt) {
            Duration::ZERO => Ok(()),
            wait => Err(Throttled(wait)),
        }
    }

    /// Charges one failure. Twice the quota is the most that is remembered: what was done while nobody looked at this
    /// limit must not shut the key out for days.
    fn charge(&mut self, key: K, now: Instant) {
        if self.forgotten_at.len() >= MAX_KEYS && !self.forgotten_at.contains_key(&key) {
            self.make_room(now);
        }
        let most = now + self.quota.every * (2 * self.quota.burst);
        let at = self.forgotten_at.entry(key).or_insert(now);
        *at = ((*at).max(now) + self.quota.every).min(most);
    }

    /// Forgets who has recovered; if that is less than half, also those who would be next.
    fn make_room(&mut self, now: Instant) {
        self.forgotten_at.retain(|_, at| *at > now);
        let over = self.forgotten_at.len().saturating_sub(MAX_KEYS / 2);
        if over > 0 {
            let mut by_time: Vec<_> = self.forgotten_at.iter().map(|(key, at)| (*at, *key)).collect();
            by_time.select_nth_unstable_by_key(over - 1, |(at, _)| *at);
            for (_, key) in &by_time[..over] {
                self.forgotten_at.remove(key);
            }
        }
    }
}

/// Limits on guesses at codes.
///
/// An address that is wrong too often waits. While very many are wrong at one nameplate, or at all, every address has
/// fewer tries, and so have all of a network together; but each still has some, so that nobody can lock out the real pair
/// from another network.
#[derive(Debug)]
pub struct CodeThrottle(Mutex<CodeFailures>);

#[derive(Debug)]
struct CodeFailures {
    address: Failures<IpAddr>,
    pressure: Pressure,
    nameplate: Failures<Nameplate>,
    global: Failures<()>,
}

/// What counts while many are wrong: who asks, by ever wider groups.
#[derive(Debug)]
struct Pressure {
    address: Failures<IpAddr>,
    network: Failures<IpAddr>,
    provider: Failures<IpAddr>,
}

impl Pressure {
    fn check(&self, address: IpAddr, now: Instant) -> Result<(), Throttled> {
        self.address.check(&address, now)?;
        self.network.check(&network(address), now)?;
        provider(address).map_or(Ok(()), |provider| self.provider.check(&provider, now))
    }

    fn charge(&mut self, address: IpAddr, now: Instant) {
        self.address.charge(address, now);
        self.network.charge(network(address), now);
        if let Some(provider) = provider(address) {
            self.provider.charge(provider, now);
        }
    }
}

impl Default for CodeThrottle {
    fn default() -> Self {
        Self(Mutex::new(CodeFailures {
            address: Failures::new(ADDRESS),
            pressure: Pressure {
                address: Failures::new(ADDRESS_UNDER_PRESSURE),
                network: Failures::new(NETWORK_UNDER_PRESSURE),
                provider: Failures::new(PROVIDER_UNDER_PRESSURE),
            },
            nameplate: Failures::new(NAMEPLATE),
            global: Failures::new(GLOBAL),
        }))
    }
}

impl CodeThrottle {
    /// Runs one attempt at a nameplate if this address may still try; `None` from `attempt` is a failure and costs.
    ///
    /// Asked, tried and charged under one lock: a thousand attempts at once are no way around.
    pub fn attempt<T>(
        &self,
        address: IpAddr,
        nameplate: Nameplate,
        now: Instant,
        attempt: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, Throttled> {
        let address = subscriber(address);
        let mut failures = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.address.check(&address, now)?;
        if failures.nameplate.check(&nameplate, now).is_err() || failures.global.check(&(), now).is_err() {
            failures.pressure.check(address, now)?;
        }
        let found = attempt();
        if found.is_none() {
            failures.address.charge(address, now);
            failures.pressure.charge(address, now);
            failures.nameplate.charge(nameplate, now);
            failures.global.charge((), now);
        }
        Ok(found)
    }
}

/// Limits on guesses at tokens.
#[derive(Debug)]
pub struct SignInThrottle(Mutex<Failures<IpAddr>>);

impl Default for SignInThrottle {
    fn default() -> Self {
        Self(Mutex::new(Failures::new(SIGN_IN)))
    }
}

impl SignInThrottle {
    /// As [`CodeThrottle::attempt`].
    pub fn attempt<T>(
        &self,
        address: IpAddr,
        now: Instant,
        attempt: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, Throttled> {
        let address = subscriber(address);
        let mut failures = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.check(&address, now)?;
        let found = attempt();
        if found.is_none() {
            failures.charge(address, now);
        }
        Ok(found)
    }
}

/// What counts as one address: all of a subscriber's IPv6 network (a /64), since its owner has 2⁶⁴ to choose from.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => first_groups(address, 4),
    }
}

/// What is given out, or rented, as a whole: a /24, or a site's /48.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(address) => first_groups(address, 3),
    }
}

/// A provider's /32 of IPv6. Of IPv4 nobody has that many addresses to spare.
fn provider(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(first_groups(address, 2)),
    }
}

/// The first groups of 16 bits of an address; the others are zero.
fn first_groups(address: Ipv6Addr, count: usize) -> IpAddr {
    let mut groups = address.segments();
    groups.iter_mut().skip(count).for_each(|group| *group = 0);
    IpAddr::from(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: fn() -> Option<()> = || None;
    const RIGHT: fn() -> Option<()> = || Some(());

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn nameplate(number: u32) -> Nameplate {
        Nameplate::from_number(number).unwrap()
    }

    #[test]
    fn failures_cost_and_time_heals() {
        let throttle = CodeThrottle::default();
        let now = Instant::now();
        for number in 0..1000 {
            assert_eq!(throttle.attempt(address(1), nameplate(number), now, RIGHT), Ok(Some(())));
        }
        for number in 0..ADDRESS.burst {
            assert_eq!(throttle.attempt(address(1), nameplate(number), now, WRONG), Ok(None), "{number}");
        }
        let blocked = throttle.attempt(address(1), nameplate(9), now, RIGHT);
        assert_eq!(blocked, Err(Throttled(ADDRESS.every)));
        assert_eq!(throttle.attempt(address(2), nameplate(9), now, RIGHT), Ok(Some(())));
        let later = now + ADDRESS.every;
        assert_eq!(throttle.attempt(address(1), nameplate(9), later, WRONG), Ok(None));
        assert!(throttle.attempt(address(1), nameplate(9), later, WRONG).is_err());
    }

    #[test]
    fn one_subscriber_is_one_address() {
        let throttle = SignInThrottle::default();
        let now = Instant::now();
        for number in 0..SIGN_IN.burst {
            let address = format!("2001:db8:0:1::{number:x}").parse().unwrap();
            assert_eq!(throttle.attempt(address, now, WRONG), Ok(None));
        }
        assert!(throttle.attempt("2001:db8:0:1:ffff::".parse().unwrap(), now, RIGHT).is_err());
        assert!(throttle.attempt("2001:db8:0:2::".parse().unwrap(), now, RIGHT).is_ok());
        for _ in 0..SIGN_IN.burst {
            assert_eq!(throttle.attempt("::ffff:192.0.2.1".parse().unwrap(), now, WRONG), Ok(None));
        }
        assert!(throttle.attempt("192.0.2.1".parse().unwrap(), now, RIGHT).is_err());
    }

    #[test]
    fn a_crowd_at_one_code_narrows_the_way_but_does_not_shut_it() {
        let throttle = CodeThrottle::default();
        let now = Instant::now();
        let mut crowd = 0;
        while throttle.0.lock().unwrap().nameplate.check(&nameplate(5), now).is_ok() {
            crowd += 1;
            assert_eq!(throttle.attempt(address(crowd << 8), nameplate(5), now, WRONG), Ok(None));
        }
        let pair = address(1_000_000);
        for _ in 0..ADDRESS_UNDER_PRESSURE.burst {
            assert_eq!(throttle.attempt(pair, nameplate(5), now, WRONG), Ok(None));
        }
        assert!(throttle.attempt(pair, nameplate(5), now, RIGHT).is_err());
        assert!(
            throttle.attempt(pair, nameplate(6), now, RIGHT).is_ok(),
            "another nameplate is not under pressure"
        );
    }

    #[test]
    fn a_flood_narrows_the_way_for_all() {
        let throttle = CodeThrottle::default();
        let now = Instant::now();
        flood(&throttle, now);
        assert_eq!(throttle.attempt(address(5_000), nameplate(5), now, RIGHT), Ok(Some(())));
        for number in 0..ADDRESS_UNDER_PRESSURE.burst {
            assert_eq!(throttle.attempt(address(6_000), nameplate(number), now, WRONG), Ok(None));
        }
        assert!(throttle.attempt(address(6_000), nameplate(5), now, RIGHT).is_err());
    }

    /// Puts the whole house under pressure, from networks in 240.0.0.0/8.
    fn flood(throttle: &CodeThrottle, now: Instant) {
        for number in 0..GLOBAL.burst {
            let from = address(0xf000_0000 | number << 8);
            assert_eq!(throttle.attempt(from, nameplate(number), now, WRONG), Ok(None));
        }
    }

    #[test]
    fn a_rented_network_has_the_tries_of_a_few_addresses() {
        type Rented = fn(u32) -> String;
        let rented: [(Rented, u32); 3] = [
            (|n| format!("198.51.100.{}", n % 256), NETWORK_UNDER_PRESSURE.burst),
            (|n| format!("2001:db8:7:{n:x}::1"), NETWORK_UNDER_PRESSURE.burst),
            (|n| format!("2001:db8:{n:x}::1"), PROVIDER_UNDER_PRESSURE.burst),
        ];
        let now = Instant::now();
        for (rented, burst) in rented {
            let throttle = CodeThrottle::default();
            flood(&throttle, now);
            let tries = (0..2 * burst)
                .filter(|n| throttle.attempt(rented(*n).parse().unwrap(), nameplate(*n), now, WRONG).is_ok());
            assert_eq!(tries.count(), burst as usize, "{}", rented(1));
            assert_eq!(throttle.attempt(address(1), nameplate(9), now, RIGHT), Ok(Some(())));
        }
    }

    #[test]
    fn what_was_done_in_quiet_times_is_not_held_against_anybody_for_long() {
        let throttle = CodeThrottle::default();
        let mut now = Instant::now();
        // An office behind one address: a hundred wrong codes in a day, and nobody minds.
        for number in 0..100 {
            now += Duration::from_mins(15);
            assert_eq!(throttle.attempt(address(1), nameplate(number), now, WRONG), Ok(None));
        }
        now += ADDRESS_UNDER_PRESSURE.every * (ADDRESS_UNDER_PRESSURE.burst + 1);
        flood(&throttle, now);
        assert_eq!(throttle.attempt(address(1), nameplate(5), now, RIGHT), Ok(Some(())));
    }

    #[test]
    fn a_crowd_beyond_all_measure_shuts_no_stranger_out() {
        let mut failures = Failures::new(ADDRESS_UNDER_PRESSURE);
        let now = Instant::now();
        for number in 0..=MAX_KEYS as u32 {
            failures.charge(number, now + Duration::from_millis(u64::from(number)));
        }
        assert!(failures.forgotten_at.len() <= MAX_KEYS / 2 + 1);
        assert!(failures.forgotten_at.contains_key(&(MAX_KEYS as u32)), "the newest is remembered");
        assert!(!failures.forgotten_at.contains_key(&0), "the oldest is forgotten");
        assert_eq!(failures.check(&u32::MAX, now), Ok(()));
    }
}
