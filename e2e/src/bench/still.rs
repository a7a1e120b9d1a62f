//! When nothing changes: what that costs, and how true the picture is.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Bench;
use super::report::Goal::{AtLeast, AtMost};
use super::report::Report;
use crate::process::cpu_seconds;
use crate::stage::Stage;
use crate::x::scenes::{Motion, Pattern};
use crate::x::window::Window;

const MEASURE: Duration = Duration::from_secs(20);

/// Longest time that a still picture is given until nothing of it is sent any more.
const PATIENCE: Duration = Duration::from_secs(40);
/// Silence of this length is the end; a browser that misses frames asks for a keyframe after three seconds.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it takes until no byte of picture came for [`SILENCE`]; [`PATIENCE`] if that does not happen.
async fn quiet_after(bench: &Bench) -> Result<Duration> {
    let begin = Instant::now();
    let (mut last, mut changed) = (bench.received().await?.video, begin);
    while begin.elapsed() < PATIENCE && changed.elapsed() < SILENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = bench.received().await?.video;
        if now > last {
            (last, changed) = (now, Instant::now());
        }
    }
    Ok(if changed.elapsed() < SILENCE { PATIENCE } else { changed - begin })
}

/// A still test picture, after everything about it has been sent.
pub(super) async fn idle(stage: &Stage, report: &mut Report) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let _pattern = Window::open(&bench.xvfb.display, Pattern)?;
    let quiet = quiet_after(&bench).await?;
    report.add("idle", "quiet_after", quiet.as_secs_f64(), "s", 1, None);
    let (bytes, cpu) = (bench.received().await?, cpu_seconds(bench.host.pid())?);
    tokio::time::sleep(MEASURE).await;
    let (after, used) = (bench.received().await?, cpu_seconds(bench.host.pid())? - cpu);
    let seconds = MEASURE.as_secs_f64();
    report.add("idle", "picture_rate", (after.video - bytes.video) / seconds, "B/s", 1, Some(AtMost(0.0)));
    report.add("idle", "rate", (after.all - bytes.all) / seconds, "B/s", 1, None);
    report.add("idle", "host_cpu", used / seconds * 100.0, "% core", 1, Some(AtMost(0.3)));
    Ok(())
}

/// The picture after full-screen motion has stopped, against the true framebuffer: when it is identical, and what is
/// left two seconds later.
pub(super) async fn still(stage: &Stage, report: &mut Report) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let motion = Window::open(&bench.xvfb.display, Motion::default())?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(motion);
    let _pattern = Window::open(&bench.xvfb.display, Pattern)?;
    let begin = Instant::now();
    let truth = bench.xvfb.screen()?.picture()?;
    let mut identical = None;
    while begin.elapsed() < Duration::from_secs(2) {
        let looked = begin.elapsed();
        if bench.viewer.picture().await?.differing(&truth)? == 0 {
            identical = Some(looked);
            break;
        }
    }
    let shown = bench.viewer.picture().await?;
    let pixels = f64::from(truth.width) * f64::from(truth.height);
    let psnr = shown.psnr(&truth)?.into_iter().fold(f64::INFINITY, f64::min);
    if let Some(after) = identical {
        report.add("still", "identical_after", after.as_secs_f64(), "s", 1, Some(AtMost(0.5)));
    }
    report.add(
        "still",
        "differing",
        shown.differing(&truth)? as f64 / pixels * 100.0,
        "% pixels",
        1,
        Some(AtMost(0.0)),
    );
    report.add("still", "ssim", shown.ssim(&truth)?, "", 1, Some(AtLeast(1.0)));
    // JSON has no infinity: identical pictures are said by the figure above.
    report.add("still", "psnr", psnr.min(100.0), "dB", 1, None);
    Ok(())
}
