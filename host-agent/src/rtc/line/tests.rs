use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn report(epoch: Instant, sent_ms: u64, arrived_ms: Option<u64>) -> Report {
    Report {
        departure: epoch + Duration::from_millis(sent_ms),
        arrival: arrived_ms.map(Duration::from_millis),
        bytes: 1000,
    }
}

#[test]
fn tells_loss_rate_and_queue() {
    let epoch = Instant::now();
    let mut line = Line::new(epoch);
    assert_eq!(line.findings(epoch), Findings::default());
    // A clock that is an hour ahead, a way of 20 ms, and every fourth packet lost.
    let arrival = |sent: u64, way: u64| (!sent.is_multiple_of(4)).then_some(3_600_000 + sent + way);
    let calm: Vec<_> = (0..100).map(|sent| report(epoch, sent, arrival(sent, 20))).collect();
    line.reports(epoch + 150 * MS, &calm);
    let found = line.findings(epoch + 150 * MS);
    assert_eq!(found.loss, Some(0.25));
    assert_eq!(found.delivered, Some(75 * 1000 * 8));
    assert_eq!(found.queue, Some(Duration::ZERO));

    let queued: Vec<_> = (1101..1104).map(|sent| report(epoch, sent, arrival(sent, 95))).collect();
    line.sent(epoch + 1100 * MS, 1000);
    line.sent(epoch + 1104 * MS, 1000);
    line.reports(epoch + 1250 * MS, &queued);
    let found = line.findings(epoch + 1250 * MS);
    assert_eq!(found.queue, Some(75 * MS));
    assert_eq!(found.delivered, Some(3 * 1000 * 8), "what is older than a second is forgotten");
    line.reports(epoch + 1251 * MS, &[report(epoch, 1104, None)]);
    assert_eq!(line.findings(epoch + 1291 * MS).queue, Some(35 * MS), "it drains while nothing is sent");
}

#[test]
fn a_frame_that_takes_long_is_no_queue() {
    let epoch = Instant::now();
    let mut line = Line::new(epoch);
    // Frames of 12 packets at once every 100 ms, through a line that carries one packet in 6 ms.
    for frame in 0..10 {
        let sent = frame * 100;
        let packets: Vec<_> =
            (0..12).map(|packet| report(epoch, sent, Some(sent + 20 + packet * 6))).collect();
        line.reports(epoch + Duration::from_millis(sent + 100), &packets);
        let found = line.findings(epoch + Duration::from_millis(sent + 100));
        assert_eq!(found.queue, Some(Duration::ZERO));
    }
    let capacity = line.findings(epoch + 1000 * MS).capacity.unwrap();
    assert!(capacity.reached && (1_300_000..1_400_000).contains(&capacity.bits), "{capacity:?}");
}

proptest! {
    /// A hostile browser reports what it likes.
    #[test]
    fn any_reports_are_survived(reports in prop::collection::vec(
        (0..10_000_u64, any::<Option<u64>>(), 0..100_000_usize), 0..300,
    )) {
        let epoch = Instant::now();
        let mut line = Line::new(epoch);
        for (at, (departure, arrival, bytes)) in reports.into_iter().enumerate() {
            let now = epoch + MS * at as u32;
            line.sent(now, bytes);
            let arrival = arrival.map(|micros| Duration::from_micros(micros >> 2));
            let departure = epoch + Duration::from_millis(departure);
            line.reports(now, &[Report { departure, arrival, bytes }]);
            let _ = line.is_free(now);
            let found = line.findings(now);
            prop_assert!(found.loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)));
        }
    }
}
