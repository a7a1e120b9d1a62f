//! The controller and the measurements of the line, over simulated lines: how late, how well used, how soon recovered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::*;
use crate::rtc::line::{Line, Report};

const MS: f64 = 0.001;
/// Payload and headers of one packet.
const PACKET: usize = 1_200;

/// One direction of a line: constant delay, jitter that keeps the order, a rate that may change, a queue that drops.
#[derive(Clone, Copy)]
struct Way {
    delay: f64,
    jitter: f64,
    loss: f64,
    /// Bits per second.
    rate: f64,
    /// Bytes.
    queue: f64,
}

const GOOD: Way = Way { delay: 20.0 * MS, jitter: 0.0, loss: 0.0, rate: 1e9, queue: 1e9 };

/// What is sent: this part of the rate, at most so many bits per second; frames vary by this part.
#[derive(Clone, Copy)]
struct Picture {
    most: f64,
    varies: f64,
    keyframe: usize,
}

const MOTION: Picture = Picture { most: 1e9, varies: 0.3, keyframe: 60_000 };

/// What came of it, each 100 ms.
#[derive(Debug, Default)]
struct Outcome {
    /// Bits per second: target, arrived, carried by the line at most.
    target: Vec<f64>,
    arrived: Vec<f64>,
    capacity: Vec<f64>,
    /// The longest queue that a packet stood in.
    queue: Vec<f64>,
}

impl Outcome {
    /// The longest time without a pause that the queue was longer than 150 ms.
    fn late(&self, from: f64) -> f64 {
        let mut longest: f64 = 0.0;
        let mut run = 0.0;
        for queue in &self.queue[(from * 10.0) as usize..] {
            run = if *queue > 0.150 { run + 0.1 } else { 0.0 };
            longest = longest.max(run);
        }
        longest
    }

    /// The part that was used of what the line carried, or of `wanted` where that is less.
    fn used(&self, from: f64, until: f64, wanted: f64) -> f64 {
        let range = (from * 10.0) as usize..(until * 10.0) as usize;
        let arrived: f64 = self.arrived[range.clone()].iter().sum();
        let carried: f64 = self.capacity[range].iter().map(|capacity| capacity.min(wanted)).sum();
        arrived / carried
    }

    /// Seconds from `at` until the target is this high.
    fn reaches(&self, at: f64, target: f64) -> f64 {
        let from = (at * 10.0) as usize;
        self.target[from..]
            .iter()
            .position(|now| *now >= target)
            .map_or(f64::INFINITY, |steps| steps as f64 * 0.1)
    }
}

/// Numbers from 0 to 1, the same in each run (Park and Miller).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 as f64 / 2_147_483_647.0
    }
}

/// Runs for so many seconds over a line that is as `way` says at each moment.
fn run(seconds: f64, picture: Picture, way: impl Fn(f64) -> Way) -> Outcome {
    let start = Instant::now();
    let at = |time: f64| start + Duration::from_secs_f64(time);
    let (mut line, mut rate, mut dice) = (Line::new(start), Rate::new(), Dice(20_261_122));
    let mut outcome = Outcome::default();
    // Packets that wait for pacing; on their way: departure, arrival, size; told: when, and of what.
    let mut waiting: VecDeque<usize> = VecDeque::new();
    let mut travelling: VecDeque<(f64, Option<f64>, usize)> = VecDeque::new();
    let mut feedback: VecDeque<(f64, Vec<Report>)> = VecDeque::new();
    let (mut free, mut last_arrival, mut credit) = (0.0_f64, 0.0_f64, 0.0);
    let (mut next_frame, mut next_feedback, mut first) = (0.0, 0.05, true);
    let (mut arrived_bits, mut longest_queue) =
        (vec![0.0; (seconds * 10.0) as usize + 1], vec![0.0_f64; (seconds * 10.0) as usize + 1]);
    // Bytes that the queue holds are counted by time: what the line would need for them at its rate of now.
    let mut queued: f64 = 0.0;
    let mut time = 0.0;
    while time < seconds {
        let now = at(time);
        let conditions = way(time);
        let stats = |line: &Line| {
            let found = line.findings(now);
            Stats {
                queue_delay: found.queue,
                loss: found.loss,
                delivered_bitrate: found.delivered,
                delivered_now: found.delivered_now,
                capacity: found.capacity,
                round_trip: Some(Duration::from_secs_f64(conditions.delay * 2.0)),
                ..Stats::default()
            }
        };
        queued = (queued - conditions.rate * MS / 8.0).max(0.0);
        let slot = (time * 10.0) as usize;
        longest_queue[slot] = longest_queue[slot].max(queued * 8.0 / conditions.rate);
        // A frame, where nothing holds it back.
        if ((time / MS) as u32).is_multiple_of(10) {
            rate.update(now, &stats(&line));
        }
        if time >= next_frame && waiting.is_empty() && line.is_free(now) && rate.tile_budget(now) > 0 {
            let fps = f64::from(rate.fps().min(30));
            next_frame = time + 1.0 / fps;
            let wanted = f64::from(rate.bitrate()).min(picture.most) / fps / 8.0;
            let bytes = (wanted * (1.0 + picture.varies * (2.0 * dice.roll() - 1.0))) as usize;
            let bytes = if std::mem::take(&mut first) { picture.keyframe } else { bytes };
            rate.sent(bytes as u64 * 8);
            waiting.extend(std::iter::repeat_n(PACKET, bytes / PACKET));
            waiting.extend((bytes % PACKET > 0).then_some(bytes % PACKET));
        }
        credit = (credit + f64::from(rate.pacing(now)) * MS / 8.0)
            .min(f64::from(rate.pacing(now)) * MS / 4.0)
            .max(0.0);
        while let Some(bytes) = waiting.front().copied() {
            if credit <= 0.0 {
                break;
            }
            waiting.pop_front();
            credit -= bytes as f64;
            line.sent(now, bytes);
            // The line.
            let lost = dice.roll() < conditions.loss || queued + bytes as f64 > conditions.queue;
            if lost {
                travelling.push_back((time, None, bytes));
                continue;
            }
            queued += bytes as f64;
            free = free.max(time);
            let waits = queued * 8.0 / conditions.rate;
            let leaves = time + waits;
            let arrival = (leaves + conditions.delay + conditions.jitter * dice.roll()).max(last_arrival);
            last_arrival = arrival;
            travelling.push_back((time, Some(arrival), bytes));
            let slot = ((arrival - conditions.delay) * 10.0) as usize;
            if let Some(bits) = arrived_bits.get_mut(slot) {
                *bits += bytes as f64 * 8.0;
            }
        }
        // Feedback every 50 ms about what has arrived, and about what was lost before it.
        if time >= next_feedback {
            next_feedback += 0.05;
            let come =
                travelling.iter().rposition(|(_, arrival, _)| arrival.is_some_and(|arrival| arrival <= time));
            let told: Vec<Report> = travelling
                .drain(..come.map_or(0, |come| come + 1))
                .map(|(departure, arrival, bytes)| Report {
                    departure: at(departure),
                    // Resolution of a quarter of a millisecond, by another clock.
                    arrival: arrival
                        .map(|arrival| Duration::from_micros((arrival * 4000.0) as u64 * 250 + 7_000_000)),
                    bytes,
                })
                .collect();
            if !told.is_empty() && dice.roll() >= conditions.loss {
                feedback.push_back((time + conditions.delay, told));
            }
        }
        while feedback.front().is_some_and(|(due, _)| *due <= time) {
            if let Some((_, told)) = feedback.pop_front() {
                line.reports(now, &told);
            }
        }
        if outcome.target.len() < (time * 10.0) as usize + 1 {
            outcome.target.push(f64::from(rate.bitrate()));
            outcome.capacity.push(conditions.rate);
        }
        time += MS;
    }
    outcome.arrived = arrived_bits.iter().map(|bits| bits * 10.0).collect();
    outcome.queue = longest_queue;
    outcome
}

fn tell(name: &str, outcome: &Outcome) {
    println!("{name}");
    for second in 0..outcome.target.len() / 10 {
        let range = second * 10..second * 10 + 10;
        let mean = |values: &[f64]| values[range.clone()].iter().sum::<f64>() / 10.0;
        let queue = outcome.queue[range.clone()].iter().copied().fold(0.0, f64::max);
        println!(
            "  {second:3} s: target {:6.2} arrived {:6.2} of {:6.2} Mbit/s, queue {:4.0} ms",
            mean(&outcome.target) / 1e6,
            mean(&outcome.arrived) / 1e6,
            mean(&outcome.capacity).min(99e6) / 1e6,
            queue * 1e3
        );
    }
}

/// A queue of this many seconds at this rate, in bytes.
fn seconds_of(rate: f64, seconds: f64) -> f64 {
    rate * seconds / 8.0
}

#[test]
fn a_good_line_is_used_whole_and_quickly() {
    let outcome = run(10.0, MOTION, |_| GOOD);
    tell("good", &outcome);
    assert!(outcome.reaches(0.0, f64::from(MOST) * 0.95) <= 2.0);
    assert!(outcome.late(0.0) == 0.0);
}

#[test]
fn a_constant_line_is_found_and_kept() {
    for rate in [0.5e6, 1.5e6, 3e6, 10e6] {
        for queue in [0.15, 0.5, 5.0] {
            let outcome = run(20.0, MOTION, |_| Way { rate, queue: seconds_of(rate, queue), ..GOOD });
            tell(&format!("{} Mbit/s, {queue} s", rate / 1e6), &outcome);
            let (late, used) = (outcome.late(3.0), outcome.used(5.0, 20.0, 20e6));
            println!("late at the start {:.1} s, later {late:.1} s, used {used:.2}", outcome.late(0.0));
            // The first picture alone takes a second of the thinnest.
            let found = if rate < 1e6 { 2.5 } else { 1.5 };
            assert!(outcome.late(0.0) <= found, "its capacity is found soon");
            assert!(late <= 0.5, "{late}");
            assert!(used >= 0.7, "{used}");
        }
    }
}

#[test]
fn a_drop_is_followed_and_recovered_from() {
    // What is under way when it drops takes its time, where the line has room for it: 0.13 s of 5.5 Mbit/s.
    for (queue, late) in [(0.3, 0.8), (5.0, 2.0)] {
        let way = |time: f64| {
            let rate = if (10.0..20.0).contains(&time) { 0.5e6 } else { 6e6 };
            Way { rate, queue: seconds_of(rate, queue), ..GOOD }
        };
        let outcome = run(35.0, MOTION, way);
        tell("6 → 0.5 → 6 Mbit/s", &outcome);
        println!(
            "late {:.1} s, used {:.2} {:.2}, back in {:.1} s",
            outcome.late(3.0),
            outcome.used(12.0, 20.0, 1e9),
            outcome.used(25.0, 35.0, 1e9),
            outcome.reaches(20.0, 4.5e6)
        );
        assert!(outcome.late(3.0) <= late);
        assert!(outcome.used(12.0, 20.0, 1e9) >= 0.7);
        assert!(outcome.used(25.0, 35.0, 1e9) >= 0.7);
        assert!(outcome.reaches(20.0, 4.5e6) <= 5.0);
    }
}

#[test]
fn random_loss_alone_does_not_collapse_the_rate() {
    for loss in [0.01, 0.05, 0.08] {
        let outcome = run(30.0, MOTION, |_| Way { loss, rate: 10e6, queue: seconds_of(10e6, 0.3), ..GOOD });
        tell(&format!("{loss} lost of 10 Mbit/s"), &outcome);
        let used = outcome.used(5.0, 30.0, 20e6);
        assert!(used >= 0.7, "{used}");
        assert!(outcome.late(3.0) <= 0.5);
    }
}

#[test]
fn a_long_way_with_jitter_is_used() {
    for jitter in [0.0, 10.0, 30.0] {
        let outcome = run(30.0, MOTION, |_| Way {
            delay: 75.0 * MS,
            jitter: jitter * MS,
            rate: 8e6,
            queue: seconds_of(8e6, 0.4),
            ..GOOD
        });
        tell(&format!("150 ms, jitter {jitter} ms, 8 Mbit/s"), &outcome);
        let used = outcome.used(5.0, 30.0, 20e6);
        println!("used {used:.2} late {:.1}", outcome.late(3.0));
        assert!(used >= 0.7, "{used}");
        assert!(outcome.late(3.0) <= 0.5);
    }
}

#[test]
fn heavy_loss_for_two_seconds_is_forgotten_soon() {
    let way = |time: f64| {
        let loss = if (10.0..12.0).contains(&time) { 0.4 } else { 0.0 };
        Way { loss, rate: 10e6, queue: seconds_of(10e6, 0.3), ..GOOD }
    };
    let outcome = run(25.0, MOTION, way);
    tell("40 % lost for 2 s", &outcome);
    assert!(outcome.reaches(12.0, 7.5e6) <= 5.0, "{}", outcome.reaches(12.0, 7.5e6));
    let least = outcome.target[100..120].iter().copied().fold(f64::INFINITY, f64::min);
    assert!((1e6..6e6).contains(&least), "it gives way, and does not collapse: {least}");
}

#[test]
fn a_line_that_changes_like_a_mobile_one_is_followed() {
    // Twice a second another rate between 1 and 12 Mbit/s, as a phone on the move sees it.
    let mut dice = Dice(7);
    let mut level: f64 = 5e6;
    let rates: Vec<f64> = (0..140)
        .map(|_| {
            level = (level * (0.6 + 0.9 * dice.roll())).clamp(1e6, 12e6);
            level
        })
        .collect();
    let outcome = run(60.0, MOTION, |time| Way {
        delay: 30.0 * MS,
        jitter: 8.0 * MS,
        rate: rates[(time * 2.0) as usize],
        queue: 300_000.0,
        ..GOOD
    });
    tell("mobile", &outcome);
    let used = outcome.used(5.0, 60.0, 20e6);
    println!("used {used:.2} late {:.1}", outcome.late(3.0));
    assert!(used >= 0.55, "{used}");
    assert!(outcome.late(3.0) <= 1.0, "{}", outcome.late(3.0));
}

#[test]
fn a_line_is_not_taken_for_thin_because_little_is_sent() {
    let typing = Picture { most: 200_000.0, varies: 0.3, keyframe: 60_000 };
    let outcome = run(30.0, typing, |_| Way { rate: 10e6, queue: seconds_of(10e6, 0.3), ..GOOD });
    assert!(outcome.target.iter().all(|target| *target >= 5.5e6), "{:?}", outcome.target);
    assert!(outcome.target.iter().all(|target| *target <= 6.5e6), "and what was not used is not known");
}
