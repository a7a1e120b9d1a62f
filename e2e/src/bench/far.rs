//! What a line in between does to the picture, and what is left of it when a network or the server goes: in the network lab.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::report::Goal::{AtLeast, AtMost};
use super::report::{Goal, Report, percentile};
use super::{Bench, moving};
use crate::ends::{Ends, Path};
use crate::lab::{Conditions, Plan};
use crate::stage::Stage;
use crate::x::scenes::{Motion, Pattern, Scroll};
use crate::x::window::Window;

/// 25 ms each way.
const DELAY: Duration = Duration::from_millis(25);
/// A router's buffer, in bytes.
const QUEUE: usize = 64 * 1024;
const CLICKS: usize = 60;

fn slow(rate: u64) -> Conditions {
    Conditions { delay: DELAY, rate: Some(rate), queue: QUEUE, ..Conditions::PERFECT }
}

/// 25 ms each way; 10 Mbit/s towards a computer and 3 Mbit/s from it, as a home has it. First the technician's home, so that
/// the picture comes through the wider direction: these figures have goals. Then the customer's, where it goes through the
/// narrow one.
pub(super) async fn slow_line(stage: &Stage, report: &mut Report) -> Result<()> {
    let (down, up) = (slow(10_000_000), slow(3_000_000));
    for (prefix, technicians) in [("", true), ("up_", false)] {
        let line = Some(Conditions::PERFECT);
        let bench = if technicians {
            Bench::start_in_lab(stage, None, line).await?
        } else {
            Bench::start_in_lab(stage, line, None).await?
        };
        if let Some(lab) = &bench.lab {
            let side = if technicians { &lab.technician } else { &lab.customer };
            if let Some(line) = &side.line {
                line.set_each(down, up);
            }
        }
        let goal = |goal: Goal| technicians.then_some(goal);
        let add = |report: &mut Report, metric: &str, value, unit, runs, goal| {
            report.add("slow_line", &format!("{prefix}{metric}"), value, unit, runs, goal);
        };

        let desktop = Window::open(&bench.xvfb.display, Pattern)?;
        let mut took = bench.clicks(CLICKS).await?;
        let runs = took.len();
        add(report, "click_p50", percentile(&mut took, 0.5), "ms", runs, goal(AtMost(66.0)));
        add(report, "click_p95", percentile(&mut took, 0.95), "ms", runs, goal(AtMost(75.0)));
        drop(desktop);

        let mut seen = moving::watch(&bench, Scroll::default()).await?;
        let runs = seen.ages.len();
        add(report, "scroll_shown", seen.shown, "/s", runs, goal(AtLeast(27.0)));
        add(report, "scroll_p50", percentile(&mut seen.ages, 0.5), "ms", runs, goal(AtMost(80.0)));
        add(report, "scroll_p95", percentile(&mut seen.ages, 0.95), "ms", runs, None);

        let mut seen = moving::watch(&bench, Motion::default()).await?;
        let runs = seen.ages.len();
        add(report, "motion_shown", seen.shown, "/s", runs, goal(AtLeast(25.0)));
        add(report, "motion_p50", percentile(&mut seen.ages, 0.5), "ms", runs, goal(AtMost(120.0)));
        add(report, "motion_p95", percentile(&mut seen.ages, 0.95), "ms", runs, None);
        // The next lab has the same names.
        drop(bench);
        stage.clear();
    }
    Ok(())
}

/// How long the server is away.
const AWAY: Duration = Duration::from_secs(10);
const REPLACED: usize = 3;

/// How long no new picture is shown when the customer's interface is replaced by another one in another network, and when
/// the server is killed, away for [`AWAY`], and there again.
pub(super) async fn reconnect(stage: &Stage, report: &mut Report) -> Result<()> {
    let mut took = Vec::new();
    for _ in 0..REPLACED {
        let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
        let met = ends.meet(stage).await?;
        met.travels(Path::Direct).await?;
        met.watch_frames().await?;
        ends.lab.customer.replace_interface()?;
        took.push(met.picture_gone_and_back(Duration::from_secs(20)).await?.as_secs_f64());
        drop((met, ends));
        stage.clear();
    }
    report.add("reconnect", "interface_p50", percentile(&mut took, 0.5), "s", REPLACED, Some(AtMost(3.0)));
    report.add("reconnect", "interface_worst", percentile(&mut took, 1.0), "s", REPLACED, None);

    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    ends.server.kill();
    let begin = Instant::now();
    let mut stop = Duration::ZERO;
    while begin.elapsed() < AWAY {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop = stop.max(met.longest_stop().await?);
    }
    ends.server.start_again(stage).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop = stop.max(met.longest_stop().await?);
    report.add("reconnect", "server_killed_stop", stop.as_secs_f64(), "s", 1, Some(AtMost(0.25)));
    Ok(())
}
