//! Lines that go bad in the middle of a session: how the picture stops, what it does meanwhile, and when it is back.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::report::Goal::AtMost;
use super::report::{Report, percentile};
use super::{Bench, Collected, plot};
use crate::lab::Conditions;
use crate::meeting::wall_clock_ms;
use crate::stage::Stage;
use crate::x::canvas::area;
use crate::x::scenes::{Button, Scroll};
use crate::x::window::Window;

/// What a line does for a while.
struct Case {
    /// In the table and in the names of files.
    name: &'static str,
    title: &'static str,
    bad: Conditions,
    /// In seconds.
    lasts: f64,
}

/// An ordinary good line: 20 ms there and back, 20 Mbit/s.
const GOOD: Conditions = Conditions {
    delay: Duration::from_millis(10),
    rate: Some(20_000_000),
    // A router's buffer.
    queue: 64 * 1024,
    ..Conditions::PERFECT
};

const fn cases() -> [Case; 5] {
    let far = Conditions { delay: Duration::from_millis(75), ..GOOD };
    [
        Case {
            name: "loss_5",
            title: "5 % of the packets are lost",
            bad: Conditions { loss: 0.05, ..GOOD },
            lasts: 20.0,
        },
        Case { name: "far_150_ms", title: "150 ms there and back", bad: far, lasts: 20.0 },
        Case {
            name: "rate_1500",
            title: "1.5 Mbit/s",
            bad: Conditions { rate: Some(1_500_000), ..GOOD },
            lasts: 20.0,
        },
        Case {
            name: "drop_500",
            title: "500 kbit/s for 10 s",
            bad: Conditions { rate: Some(500_000), ..GOOD },
            lasts: 10.0,
        },
        Case {
            name: "loss_40",
            title: "40 % of the packets are lost for 2 s",
            bad: Conditions { loss: 0.4, ..GOOD },
            lasts: 2.0,
        },
    ]
}

/// Seconds of good line before it goes bad, after the stream has found its rate, and after it is good again.
const BEFORE: f64 = 6.0;
const AFTER: f64 = 15.0;
const SETTLE: Duration = Duration::from_secs(5);
/// A part of the time that has figures of its own, in seconds.
const PART: f64 = 0.5;
/// Time between two clicks.
const PAUSE: Duration = Duration::from_millis(500);
/// A click that is not seen by then counts as this, in ms.
const LOST: f64 = 3000.0;
/// How long the picture is given to be exact at the end.
const LIMIT: Duration = Duration::from_secs(4);

/// What happened; times are seconds after the line went bad.
pub(super) struct Course {
    pub(super) title: &'static str,
    pub(super) lasts: f64,
    /// Time, and kbit/s since the one before.
    pub(super) rates: Vec<(f64, f64)>,
    /// Time at which a new picture was shown, and its age in ms.
    pub(super) shown: Vec<(f64, f64)>,
    /// Time of a click, and ms until it was seen.
    pub(super) clicks: Vec<(f64, f64)>,
}

/// Text of 1600×900 pixels scrolls, a clock tells the pictures apart, and a button is pressed twice a second; all at the
/// customer's end of a line that is good, goes bad, and is good again. Recovered is the picture when from then on every half
/// second shows nine tenths of the pictures that were shown before, no more than 50 ms older than then.
pub(super) async fn row(stage: &Stage, report: &mut Report) -> Result<()> {
    for case in cases() {
        let name = case.name;
        let (course, exact) = play(stage, &case).await.with_context(|| name.to_owned())?;
        let Found { mut clicks, freeze, recovered } = course.judge()?;
        let runs = clicks.len();
        // Twice the round trip, and 150 ms.
        let goal = case.bad.delay.as_secs_f64() * 4000.0 + 150.0;
        let p95 = percentile(&mut clicks, 0.95);
        report.add("bad_line", &format!("{name}_click_p95"), p95, "ms", runs, Some(AtMost(goal)));
        report.add("bad_line", &format!("{name}_click_p50"), percentile(&mut clicks, 0.5), "ms", runs, None);
        report.add("bad_line", &format!("{name}_freeze"), freeze, "s", course.shown.len(), Some(AtMost(1.0)));
        report.add("bad_line", &format!("{name}_recovered"), recovered, "s", 1, Some(AtMost(5.0)));
        report.add("bad_line", &format!("{name}_exact"), exact, "s", 1, None);
        std::fs::create_dir_all(&stage.places.plots)?;
        let file = stage.places.plots.join(format!("{name}.svg"));
        plot::draw(&course, &file).with_context(|| format!("drawing {}", file.display()))?;
        println!("{:<18} drawn in {}", "", file.display());
        // The next lab has the same names.
        stage.clear();
    }
    Ok(())
}

/// The course, and how long after its end the still picture took to be exact.
async fn play(stage: &Stage, case: &Case) -> Result<(Course, f64)> {
    let bench = Bench::start_in_lab(stage, Some(GOOD), None).await?;
    let lab = bench.lab.clone().context("there is no lab")?;
    let line = lab.customer.line.as_ref().context("there is no line")?;
    let scroll = Window::open(&bench.xvfb.display, Scroll::default())?;
    let _button = Window::open(&bench.xvfb.display, Button::new(area(1100, 4, 200, 80)))?;
    bench.viewer.mouse("mouseMoved", 1200, 40, false).await?;
    tokio::time::sleep(SETTLE).await;
    bench.viewer.tab.js::<Value>("window.nearhandBench.begin(true); return true;", &[]).await?;
    let begin = wall_clock_ms() + BEFORE * 1000.0;
    let end = Instant::now() + Duration::from_secs_f64(BEFORE + case.lasts + AFTER);
    let weather = async {
        tokio::time::sleep(Duration::from_secs_f64(BEFORE)).await;
        line.set(case.bad);
        tokio::time::sleep(Duration::from_secs_f64(case.lasts)).await;
        line.set(GOOD);
        anyhow::Ok(())
    };
    let clicks = async {
        let mut clicks = Vec::new();
        while Instant::now() < end {
            tokio::time::sleep(PAUSE).await;
            let at = (wall_clock_ms() - begin) / 1000.0;
            clicks.push((at, bench.click(1200, 40).await?.unwrap_or(LOST)));
        }
        anyhow::Ok(clicks)
    };
    let ((), clicks) = tokio::try_join!(weather, clicks)?;
    let bytes: Vec<(f64, f64)> = bench.viewer.tab.js("return window.nearhandBench.bytes();", &[]).await?;
    let Collected { ages, times, .. } =
        bench.viewer.tab.js("return window.nearhandBench.end();", &[]).await?;
    let since = |time: f64| (time - begin) / 1000.0;
    let rate = |pair: &[(f64, f64)]| {
        let ((before, had), (now, has)) = (pair[0], pair[1]);
        (since(now), (has - had) * 8.0 / (now - before))
    };
    let course = Course {
        title: case.title,
        lasts: case.lasts,
        rates: bytes.windows(2).map(rate).collect(),
        shown: times.into_iter().map(since).zip(ages).collect(),
        clicks,
    };
    drop(scroll);
    let truth = bench.xvfb.screen()?.picture()?;
    let exact = bench.viewer.becomes(&truth, LIMIT).await?;
    Ok((course, exact.unwrap_or(LIMIT).as_secs_f64()))
}

struct Found {
    /// In ms, of those while the line was bad and in the two seconds after.
    clicks: Vec<f64>,
    /// The longest time without a new picture, from when the line went bad to the end, in seconds.
    freeze: f64,
    /// When the picture was what it had been, in seconds after the line was; the whole rest where that never happened.
    recovered: f64,
}

impl Course {
    fn judge(&self) -> Result<Found> {
        let end = self.lasts + AFTER;
        let clicks: Vec<f64> = self
            .clicks
            .iter()
            .filter(|(at, _)| (0.0..self.lasts + 2.0).contains(at))
            .map(|(_, took)| *took)
            .collect();
        ensure!(!clicks.is_empty(), "nothing was clicked while the line was bad");
        let mut freeze = 0.0_f64;
        let mut last = 0.0;
        for at in self.shown.iter().map(|(at, _)| *at).filter(|at| (0.0..end).contains(at)).chain([end]) {
            freeze = freeze.max(at - last);
            last = at;
        }
        let (usual, age) = self.part(-BEFORE, -PART);
        ensure!(usual > 0.0, "nothing was shown while the line was good");
        let parts = (AFTER / PART) as usize;
        let begin = |part: usize| self.lasts + part as f64 * PART;
        let good = |part: &usize| {
            let (shown, old) = self.part(begin(*part), begin(*part) + PART);
            shown >= usual * 0.9 && old <= age + 50.0
        };
        let last_bad = (0..parts).rev().find(|part| !good(part));
        Ok(Found { clicks, freeze, recovered: last_bad.map_or(0.0, |part| begin(part + 1) - self.lasts) })
    }

    /// Pictures a second in a part of the time, and the age of the middle one.
    pub(super) fn part(&self, from: f64, to: f64) -> (f64, f64) {
        let mut ages: Vec<f64> =
            self.shown.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, age)| *age).collect();
        let shown = ages.len() as f64 / (to - from);
        (shown, if ages.is_empty() { f64::INFINITY } else { percentile(&mut ages, 0.5) })
    }

    /// The seconds before the line went bad, and the last one.
    pub(super) fn span(&self) -> (f64, f64) {
        (-BEFORE, self.lasts + AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 pictures a second but in the gap, 20 ms old, and later than that until a time.
    fn course(gap: (f64, f64), old_until: f64) -> Course {
        let shown = (-180..660)
            .map(|frame| f64::from(frame) / 30.0)
            .filter(|at| !(gap.0..gap.1).contains(at))
            .map(|at| (at, if (0.0..old_until).contains(&at) { 200.0 } else { 20.0 }))
            .collect();
        let clicks = vec![(-1.0, 5.0), (1.0, 30.0), (9.0, 40.0), (15.0, 1.0)];
        Course { title: "", lasts: 7.0, rates: Vec::new(), shown, clicks }
    }

    #[test]
    fn a_stop_and_the_way_back_are_found() {
        let Found { clicks, freeze, recovered } = course((1.0, 2.5), 0.0).judge().unwrap();
        assert_eq!(clicks, [30.0]);
        assert!((freeze - 1.5).abs() < 0.1, "{freeze}");
        assert!(recovered < 0.01, "{recovered}");
        let Found { freeze, recovered, .. } = course((7.0, 8.0), 9.2).judge().unwrap();
        assert!((freeze - 1.0).abs() < 0.1, "{freeze}");
        assert!((recovered - 2.0).abs() < 0.01, "{recovered}");
    }

    #[test]
    fn a_picture_that_never_comes_back_is_no_recovery() {
        let Found { freeze, recovered, .. } = course((3.0, 100.0), 0.0).judge().unwrap();
        assert!(freeze > 18.0, "{freeze}");
        assert!((recovered - AFTER).abs() < 0.01, "{recovered}");
    }
}
