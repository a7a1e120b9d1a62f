//! How often somebody may be wrong: wrong codes and wrong tokens cost, right ones are free.
//!
//! Written by hand rather than taken from a library because those charge an attempt when they are asked about it: an
//! office behind one address that pairs thirty times in a minute would be shut out. Here one asks first, and pays for
//! failures only. The arithmetic is that of the generic cell rate algorithm: one time stamp for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nearhand_protocol::code::Nameplate;

/// Most keys of one limit. Above it those that have recovered are forgotten, and if there are none, strangers wait.
const MAX_KEYS: usize = 100_000;

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
/// Wrong codes from one address while many others are wrong too.
const ADDRESS_UNDER_PRESSURE: Quota = Quota { burst: 2, every: Duration::from_mins(1) };
/// Wrong uses of one nameplate, from anywhere.
const NAMEPLATE: Quota = Quota { burst: 20, every: Duration::from_secs(10) };
/// Wrong codes from anywhere. A thousand open codes among a million: one hit in a thousand tries.
const GLOBAL: Quota = Quota { burst: 300, every: Duration::from_millis(500) };
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

impl<K: Eq + Hash> Failures<K> {
    fn new(quota: Quota) -> Self {
        Self { quota, forgotten_at: HashMap::new() }
    }

    /// Whether one more attempt is allowed.
    fn check(&self, key: &K, now: Instant) -> Result<(), Throttled> {
        let allowed_debt = self.quota.every * (self.quota.burst - 1);
        let debt = match self.forgotten_at.get(key) {
            Some(at) => at.saturating_duration_since(now),
            None if self.forgotten_at.len() >= MAX_KEYS => return Err(Throttled(self.quota.every)),
            None => Duration::ZERO,
        };
        match debt.saturating_sub(allowed_debt) {
            Duration::ZERO => Ok(()),
            wait => Err(Throttled(wait)),
        }
    }

    fn charge(&mut self, key: K, now: Instant) {
        if self.forgotten_at.len() >= MAX_KEYS {
            self.forgotten_at.retain(|_, at| *at > now);
        }
        if self.forgotten_at.len() < MAX_KEYS || self.forgotten_at.contains_key(&key) {
            let at = self.forgotten_at.entry(key).or_insert(now);
            *at = (*at).max(now) + self.quota.every;
        }
    }
}

/// Limits on guesses at codes.
///
/// An address that is wrong too often waits. While very many are wrong at one nameplate, or at all, every address has
/// fewer tries; but each still has some, so that nobody can lock out the real pair from another address.
#[derive(Debug)]
pub struct CodeThrottle(Mutex<CodeFailures>);

#[derive(Debug)]
struct CodeFailures {
    address: Failures<IpAddr>,
    address_under_pressure: Failures<IpAddr>,
    nameplate: Failures<Nameplate>,
    global: Failures<()>,
}

impl Default for CodeThrottle {
    fn default() -> Self {
        Self(Mutex::new(CodeFailures {
            address: Failures::new(ADDRESS),
            address_under_pressure: Failures::new(ADDRESS_UNDER_PRESSURE),
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
        let address = network(address);
        let mut failures = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.address.check(&address, now)?;
        if failures.nameplate.check(&nameplate, now).is_err() || failures.global.check(&(), now).is_err() {
            failures.address_under_pressure.check(&address, now)?;
        }
        let found = attempt();
        if found.is_none() {
            failures.address.charge(address, now);
            failures.address_under_pressure.charge(address, now);
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
        let address = network(address);
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
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
    }
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
            assert_eq!(throttle.attempt(address(crowd), nameplate(5), now, WRONG), Ok(None));
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
        for number in 0..GLOBAL.burst {
            assert_eq!(throttle.attempt(address(number), nameplate(number), now, WRONG), Ok(None));
        }
        assert_eq!(throttle.attempt(address(5_000), nameplate(5), now, RIGHT), Ok(Some(())));
        for number in 0..ADDRESS_UNDER_PRESSURE.burst {
            assert_eq!(throttle.attempt(address(6_000), nameplate(number), now, WRONG), Ok(None));
        }
        assert!(throttle.attempt(address(6_000), nameplate(5), now, RIGHT).is_err());
    }
}
