use proptest::prelude::*;

use super::*;

/// Looks every 100 ms for so many seconds, using this part of the rate.
fn look(rate: &mut Rate, now: &mut Instant, seconds: f64, used: f64, stats: &Stats) {
    for _ in 0..(seconds * 10.0) as u32 {
        rate.sent((f64::from(rate.bitrate()) * used * 0.1) as u64);
        *now += INTERVAL;
        rate.update(*now, stats);
    }
}

fn queue(ms: u64, delivered: u32) -> Stats {
    Stats { queue_delay: Some(Duration::from_millis(ms)), delivered_now: Some(delivered), ..Stats::default() }
}

#[test]
fn it_climbs_only_while_it_is_used() {
    let (mut rate, mut now) = (Rate::new(), Instant::now());
    look(&mut rate, &mut now, 60.0, 0.3, &queue(0, 2_000_000));
    assert_eq!(rate.bitrate(), START);
    look(&mut rate, &mut now, 5.0, 1.0, &queue(0, 6_000_000));
    assert_eq!(rate.bitrate(), MOST);
}

#[test]
fn it_does_not_shrink_because_nothing_was_sent() {
    let (mut rate, mut now) = (Rate::new(), Instant::now());
    look(&mut rate, &mut now, 60.0, 0.0, &queue(0, 0));
    look(&mut rate, &mut now, 10.0, 0.0, &queue(300, 0));
    assert_eq!(rate.bitrate(), START, "a queue of others, too");
}

#[test]
fn it_never_climbs_beyond_what_packets_show() {
    let (mut rate, mut now) = (Rate::new(), Instant::now());
    let stats = Stats { capacity: Some(Capacity { bits: 8_000_000, reached: true }), ..queue(0, 6_000_000) };
    look(&mut rate, &mut now, 10.0, 1.0, &stats);
    assert_eq!(rate.bitrate(), 7_200_000);
    assert!(rate.is_thin(now) && rate.pacing(now) < FREE_PACING);
}

#[test]
fn the_other_ends_full_buffer_counts() {
    let (mut rate, mut now) = (Rate::new(), Instant::now());
    look(&mut rate, &mut now, 1.0, 0.8, &queue(0, 5_000_000));
    let before = rate.bitrate();
    rate.arrival(Arrival { jitter_buffer_ms: 400, ..Arrival::default() });
    look(&mut rate, &mut now, 0.1, 0.8, &queue(0, 5_000_000));
    assert!(rate.bitrate() < before);
    assert_eq!(rate.pacing(now), (rate.bitrate * PACING) as u32);
}

#[test]
fn tiles_have_a_budget_that_fills_again() {
    let (mut rate, mut now) = (Rate::new(), Instant::now());
    look(&mut rate, &mut now, 0.5, 0.0, &queue(0, 0));
    let budget = rate.tile_budget(now);
    assert_eq!(budget, 150_000, "30 ms of 40 Mbit/s");
    rate.sent_tiles(500_000);
    assert_eq!(rate.tile_budget(now), 0);
    let later = now + Duration::from_secs(1);
    assert!(rate.tile_budget(later) > 100_000);

    let thin = Stats { capacity: Some(Capacity { bits: 1_000_000, reached: true }), ..queue(200, 1_000_000) };
    look(&mut rate, &mut now, 2.0, 1.0, &thin);
    assert!(rate.tile_budget(now + Duration::from_secs(2)) <= 12_500, "100 ms of the line at most");
}

proptest! {
    #[test]
    fn it_stays_in_its_bounds(steps in prop::collection::vec((
        0..3_000_u64, 0..100_000_000_u64, 0.0..=1.0_f32, 0..5_000_u64, any::<Option<u32>>(),
        any::<Option<(u32, bool)>>(), 0..=51_u8,
    ), 0..200)) {
        let (mut rate, mut now) = (Rate::new(), Instant::now());
        for (ms, bits, loss, queue, delivered, capacity, qp) in steps {
            now += Duration::from_millis(ms);
            rate.sent(bits);
            rate.coded(now, qp);
            let stats = Stats {
                loss: Some(loss),
                queue_delay: Some(Duration::from_millis(queue)),
                delivered_now: delivered,
                capacity: capacity.map(|(bits, reached)| Capacity { bits, reached }),
                ..Stats::default()
            };
            rate.update(now, &stats);
            prop_assert!((LEAST..=MOST).contains(&rate.bitrate()));
            prop_assert!(rate.pacing(now) >= rate.bitrate());
            prop_assert!(rate.tile_budget(now) <= 500_000);
        }
    }
}
