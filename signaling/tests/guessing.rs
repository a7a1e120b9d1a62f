//! A botnet guesses at codes while a thousand of them are open: the real limits and the real registry, in simulated time.
//!
//! What is printed with `--nocapture` is what SECURITY.md quotes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nearhand_protocol::code::Nameplate;
use nearhand_signaling::account::PersonId;
use nearhand_signaling::attendant::Command;
use nearhand_signaling::metrics::Metrics;
use nearhand_signaling::registry::{Handle, House, Registry};
use nearhand_signaling::room::{Event, Terms};
use nearhand_signaling::throttle::CodeThrottle;
use nearhand_signaling::turn::Sessions;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Codes that wait for their customer all the time. Each works for ten minutes, so this is six thousand sessions an hour.
const OPEN: usize = 1000;
/// Who guesses.
const BOTS: u32 = 10_000;
const HOURS: usize = 3;
const HOUR: Duration = Duration::from_hours(1);
/// Customers of an hour, each from an address of their own; every tenth mistypes once, and each hundredth twice.
const CUSTOMERS: u64 = 1200;
/// A bot that is let through tries again after this.
const BREATH: Duration = Duration::from_millis(100);
/// A bot that was refused tries again after this, whatever it was told: pressure may have gone.
const PAUSE: Duration = Duration::from_mins(4);
/// The last three digits, which the server does not know: one guess, and the code is gone.
const SECRETS: f64 = 1000.0;

/// Who comes next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Visitor {
    Bot(u32),
    Customer { number: u32, mistypes: u32 },
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    /// Guesses of the bots that the server looked up, by hour.
    let_through: [u64; HOURS],
    /// Guesses that it refused to look up.
    refused: u64,
    /// Open codes among the nameplates that were guessed, by hour. Each is gone after one guess at its other digits.
    burnt: [u64; HOURS],
    customers_in: u64,
    /// Customers whom the limits kept out; what must not be.
    customers_refused: u64,
}

/// How the bots go about it.
struct Attack {
    name: &'static str,
    address: fn(u32) -> String,
    /// How long each waits between two tries of its own accord.
    patience: Duration,
    /// Most codes burnt in the first hour, and in each later one.
    burnt: [u64; 2],
}

const ATTACKS: [Attack; 6] = [
    Attack {
        name: "10,000 homes, each in a network of its own",
        address: |n| format!("{}.{}.{}.66", 20 + n % 100, n / 100 % 250, n % 7),
        patience: BREATH,
        // 10 × 4 and 10 are expected; five standard deviations more.
        burnt: [72, 26],
    },
    Attack {
        name: "the same, patient: together just below what is noticed",
        address: |n| format!("{}.{}.{}.66", 20 + n % 100, n / 100 % 250, n % 7),
        patience: Duration::from_secs(BOTS as u64 + BOTS as u64 / 10),
        burnt: [14, 14],
    },
    Attack {
        name: "40 rented networks (/24) of IPv4",
        address: |n| format!("198.51.{}.{}", n / 256, n % 256),
        patience: BREATH,
        burnt: [14, 14],
    },
    Attack {
        name: "8 networks of subscribers (/64) of IPv6",
        address: |n| format!("2001:db8:1:{:x}::{n:x}", n % 8),
        patience: BREATH,
        burnt: [14, 14],
    },
    Attack {
        name: "10,000 networks (/64) of one site (/48)",
        address: |n| format!("2001:db8:1:{n:x}::1"),
        patience: BREATH,
        burnt: [14, 14],
    },
    Attack {
        name: "10,000 sites (/48) of one provider (/32)",
        address: |n| format!("2001:db8:{n:x}::1"),
        patience: BREATH,
        burnt: [16, 14],
    },
];

#[tokio::test]
async fn a_botnet_finds_hardly_a_code_and_keeps_nobody_out() {
    println!(
        "{OPEN} open codes, {BOTS} addresses, {HOURS} hours; chance of success: a guess looked up, and an hour of it"
    );
    for attack in &ATTACKS {
        let tally = play(attack).await;
        let Tally { let_through, refused, burnt, customers_in, customers_refused } = &tally;
        let (guesses, hits) = (let_through.iter().sum::<u64>(), burnt.iter().sum::<u64>());
        let per_guess = hits as f64 / guesses as f64 / SECRETS;
        println!(
            "{:<55} looked up by hour {let_through:?}, refused {refused}; burnt by hour {burnt:?}; \
             chance {per_guess:.1e} a guess, {:.1} % the first hour, {:.1} % the last; \
             customers in {customers_in}, kept out {customers_refused}",
            attack.name,
            burnt[0] as f64 / SECRETS * 100.0,
            burnt[HOURS - 1] as f64 / SECRETS * 100.0,
        );
        assert_eq!(*customers_refused, 0, "{}: customers were kept out", attack.name);
        assert!(*customers_in > CUSTOMERS * HOURS as u64 * 9 / 10, "{}: {tally:?}", attack.name);
        // A thousand among a million, and then one among a thousand: 10⁻⁶. The dice may fall five deviations off.
        let expected = guesses as f64 * OPEN as f64 / f64::from(Nameplate::COUNT);
        assert!(hits as f64 <= expected + 5.0 * expected.sqrt().max(1.0), "{}: {tally:?}", attack.name);
        for (hour, burnt) in burnt.iter().enumerate() {
            let most = attack.burnt[hour.min(1)];
            assert!(*burnt <= most, "{}: {burnt} codes burnt in hour {hour}, {most} at most", attack.name);
        }
        assert!(guesses > 0, "{}: nobody guessed", attack.name);
    }
}

/// Who shares a subscriber's network with ten thousand guessers is one guesser with them.
#[tokio::test]
async fn all_addresses_of_a_subscriber_are_one() {
    let one =
        Attack { name: "one", address: |n| format!("2001:db8:1:1::{n:x}"), patience: BREATH, burnt: [5, 5] };
    let tally = play(&one).await;
    // Ten at once and one each six seconds: what a single address may while nobody else is wrong.
    assert!(tally.let_through.iter().all(|guesses| (590..=620).contains(guesses)), "{tally:?}");
}

async fn play(attack: &Attack) -> Tally {
    let tasks = TaskTracker::new();
    let mut town = Town::new(&tasks);
    let throttle = CodeThrottle::default();
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut visits = BinaryHeap::new();
    for bot in 0..BOTS {
        // Somebody comes at every moment, so that nothing that becomes free is left.
        let first = attack.patience.max(PAUSE) * bot / BOTS;
        visits.push(Reverse((first, Visitor::Bot(bot))));
    }
    for number in 0..(CUSTOMERS as u32 * HOURS as u32) {
        let at = HOUR * HOURS as u32 / (CUSTOMERS as u32 * HOURS as u32) * number;
        let mistypes = u32::from(number % 10 == 0) + u32::from(number % 100 == 0);
        visits.push(Reverse((at, Visitor::Customer { number, mistypes })));
    }
    while let Some(Reverse((at, visitor))) = visits.pop() {
        let hour = (at.as_secs() / HOUR.as_secs()) as usize;
        if hour >= HOURS {
            continue;
        }
        match visitor {
            Visitor::Bot(bot) => {
                let address = (attack.address)(bot).parse().unwrap();
                let guess = town.any_nameplate();
                let found =
                    throttle.attempt(address, guess, begin + at, || town.registry.by_nameplate(guess));
                let next = if let Ok(found) = found {
                    tally.let_through[hour] += 1;
                    if found.is_some() {
                        tally.burnt[hour] += 1;
                        town.replace(guess).await;
                    }
                    attack.patience
                } else {
                    tally.refused += 1;
                    attack.patience.max(PAUSE)
                };
                visits.push(Reverse((at + next, visitor)));
            }
            Visitor::Customer { number, mistypes } => {
                let address: IpAddr = if number % 3 == 0 {
                    format!("3fff:1:{:x}:{number:x}::7", number / 7).parse().unwrap()
                } else {
                    IpAddr::from([10, (number >> 16) as u8, (number >> 8) as u8, number as u8])
                };
                let typed = if mistypes > 0 { town.any_nameplate() } else { town.any_open() };
                match throttle.attempt(address, typed, begin + at, || town.registry.by_nameplate(typed)) {
                    Ok(Some(_)) => {
                        tally.customers_in += 1;
                        town.replace(typed).await;
                    }
                    Ok(None) => {
                        assert!(mistypes > 0, "an open code is unknown");
                        let again = Visitor::Customer { number, mistypes: mistypes - 1 };
                        visits.push(Reverse((at + Duration::from_secs(10), again)));
                    }
                    Err(_) => tally.customers_refused += 1,
                }
            }
        }
    }
    town.stop.cancel();
    tasks.close();
    tasks.wait().await;
    tally
}

/// The registry with its open codes.
struct Town {
    registry: Registry,
    stop: CancellationToken,
    open: Vec<Handle>,
    random: u64,
}

impl Town {
    fn new(tasks: &TaskTracker) -> Self {
        let stop = CancellationToken::new();
        // Nothing of a room expires in the moment that all this takes.
        let terms = Terms { code_lifetime: HOUR, grace: HOUR, longest: HOUR };
        let house = House { terms, technician: <_>::default() };
        let registry = Registry::new(house, Sessions::new(None, Metrics::new()), stop.clone(), tasks.clone());
        let open = (0..OPEN).map(|_| registry.create(PersonId::OPERATOR).unwrap()).collect();
        Self { registry, stop, open, random: 1 }
    }

    /// The code is used up, rightly or not, and another customer is given a new one.
    async fn replace(&mut self, nameplate: Nameplate) {
        let at = self.open.iter().position(|handle| handle.nameplate() == nameplate).unwrap();
        let handle = std::mem::replace(&mut self.open[at], self.registry.create(PersonId::OPERATOR).unwrap());
        handle.commands.send(Command::Event(Box::new(Event::Deleted))).await.unwrap();
        while self.registry.by_nameplate(nameplate).is_some() {
            tokio::task::yield_now().await;
        }
    }

    fn any_open(&mut self) -> Nameplate {
        let at = self.draw() as usize % self.open.len();
        self.open[at].nameplate()
    }

    fn any_nameplate(&mut self) -> Nameplate {
        let number = self.draw() % Nameplate::COUNT;
        Nameplate::from_number(number).unwrap()
    }

    /// SplitMix64: dice that fall the same way in each run. The registry's own nameplates do not.
    fn draw(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 16) as u32
    }
}
