//! Scenes that move: what of them is shown, how old it is then, and what it costs.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::report::Goal::{AtLeast, AtMost};
use super::report::{Goal, Report, percentile};
use super::{Bench, Collected};
use crate::process::cpu_seconds;
use crate::stage::Stage;
use crate::x::scenes::{Clock, Drag, Motion, Scroll, Typing};
use crate::x::window::{Scene, Window};

/// The stream finds its rate before it is measured.
const SETTLE: Duration = Duration::from_secs(4);
const MEASURE: Duration = Duration::from_secs(15);

/// The goals of a moving scene: shown per second, kB/s, age at half and at 95 %.
struct Goals {
    shown: Goal,
    kilobytes: Option<Goal>,
    p50: Goal,
    p95: Goal,
}

async fn scene(
    stage: &Stage,
    report: &mut Report,
    id: &'static str,
    scene: impl Scene,
    goals: Goals,
) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let mut seen = watch(&bench, scene).await?;
    let runs = seen.ages.len();
    report.add(id, "shown", seen.shown, "/s", runs, Some(goals.shown));
    report.add(id, "drawn", seen.drawn, "/s", runs, None);
    report.add(id, "frames", seen.frames, "/s", 1, None);
    report.add(id, "updates", seen.updates, "/s", 1, None);
    if seen.unreadable > 0 {
        report.add(id, "unreadable", seen.unreadable as f64, "frames", 1, None);
    }
    report.add(id, "p50", percentile(&mut seen.ages, 0.5), "ms", runs, Some(goals.p50));
    report.add(id, "p95", percentile(&mut seen.ages, 0.95), "ms", runs, Some(goals.p95));
    report.add(id, "rate", seen.kilobytes, "kB/s", 1, goals.kilobytes);
    report.add(id, "host_cpu", seen.host_cpu, "% core", 1, None);
    Ok(())
}

/// What was seen of a moving scene, a second.
pub(super) struct Seen {
    pub(super) shown: f64,
    drawn: f64,
    frames: f64,
    updates: f64,
    unreadable: usize,
    /// In ms.
    pub(super) ages: Vec<f64>,
    kilobytes: f64,
    host_cpu: f64,
}

/// Shows a scene with a clock, and watches it for a while once the stream has found its rate.
pub(super) async fn watch(bench: &Bench, scene: impl Scene) -> Result<Seen> {
    let window = Window::open(&bench.xvfb.display, scene)?;
    tokio::time::sleep(SETTLE).await;
    let (drawn, before, cpu) = (window.ticks(), bench.received().await?, cpu_seconds(bench.host.pid())?);
    let Collected { ages, unreadable, seconds, .. } = bench.collect(MEASURE).await?;
    let (drawn, after, cpu) =
        (window.ticks() - drawn, bench.received().await?, cpu_seconds(bench.host.pid())? - cpu);
    ensure!(!ages.is_empty(), "no time code was read, {unreadable} were unreadable");
    Ok(Seen {
        shown: ages.len() as f64 / seconds,
        drawn: f64::from(drawn) / seconds,
        frames: (after.frames - before.frames) / seconds,
        updates: (after.updates - before.updates) / seconds,
        unreadable,
        ages,
        kilobytes: (after.all - before.all) / seconds / 1000.0,
        host_cpu: cpu / seconds * 100.0,
    })
}

/// A clock of 1024×32 pixels, drawn 59 times a second; its age when it is presented.
pub(super) async fn screen_to_screen(stage: &Stage, report: &mut Report) -> Result<()> {
    let goals = Goals { shown: AtLeast(57.0), kilobytes: None, p50: AtMost(15.0), p95: AtMost(24.0) };
    scene(stage, report, "screen_to_screen", Clock::default(), goals).await
}

/// The whole screen pans, 30 times a second.
pub(super) async fn motion(stage: &Stage, report: &mut Report) -> Result<()> {
    let goals =
        Goals { shown: AtLeast(29.0), kilobytes: Some(AtMost(600.0)), p50: AtMost(45.0), p95: AtMost(90.0) };
    scene(stage, report, "motion", Motion::default(), goals).await
}

/// 1600×900 pixels of text scroll by three lines about ten times a second; the clock beside them is drawn 29 times.
pub(super) async fn scroll(stage: &Stage, report: &mut Report) -> Result<()> {
    let goals =
        Goals { shown: AtLeast(28.0), kilobytes: Some(AtMost(450.0)), p50: AtMost(35.0), p95: AtMost(70.0) };
    scene(stage, report, "scroll", Scroll::default(), goals).await
}

/// A window of 800×600 pixels moves at 60 Hz.
pub(super) async fn drag(stage: &Stage, report: &mut Report) -> Result<()> {
    let goals =
        Goals { shown: AtLeast(29.0), kilobytes: Some(AtMost(450.0)), p50: AtMost(35.0), p95: AtMost(60.0) };
    scene(stage, report, "drag", Drag::default(), goals).await
}

/// Ten characters a second appear in a window of text.
pub(super) async fn typing(stage: &Stage, report: &mut Report) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let _window = Window::open(&bench.xvfb.display, Typing::default())?;
    tokio::time::sleep(SETTLE).await;
    let (bytes, cpu) = (bench.received().await?, cpu_seconds(bench.host.pid())?);
    tokio::time::sleep(MEASURE).await;
    let (after, used) = (bench.received().await?, cpu_seconds(bench.host.pid())? - cpu);
    let seconds = MEASURE.as_secs_f64();
    report.add("typing", "rate", (after.all - bytes.all) / seconds / 1000.0, "kB/s", 1, Some(AtMost(1.5)));
    report.add("typing", "picture_rate", (after.picture - bytes.picture) / seconds / 1000.0, "kB/s", 1, None);
    report.add("typing", "host_cpu", used / seconds * 100.0, "% core", 1, Some(AtMost(1.5)));
    Ok(())
}
