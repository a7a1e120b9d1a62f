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

const MEASURE: Duration = Duration::from_mins(1);

/// Longest time that a still picture is given until nothing of it is sent any more.
const PATIENCE: Duration = Duration::from_secs(40);
/// Silence of this length is the end; a browser that misses frames asks for a keyframe after three seconds.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it takes until no byte of picture came for [`SILENCE`]; [`PATIENCE`] if that does not happen.
async fn quiet_after(bench: &Bench) -> Result<Duration> {
    let begin = Instant::now();
    let (mut last, mut changed) = (bench.received().await?.picture, begin);
    while begin.elapsed() < PATIENCE && changed.elapsed() < SILENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = bench.received().await?.picture;
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
    report.add(
        "idle",
        "picture_rate",
        (after.picture - bytes.picture) / seconds,
        "B/s",
        1,
        Some(AtMost(0.0)),
    );
    report.add("idle", "rate", (after.all - bytes.all) / seconds, "B/s", 1, None);
    report.add("idle", "host_cpu", used / seconds * 100.0, "% core", 1, Some(AtMost(0.3)));
    Ok(())
}

/// How long a still picture is given to become exact.
const STILL: Duration = Duration::from_secs(4);

/// The picture after full-screen motion has stopped, against the true framebuffer: when every pixel is the same, looked at
/// every 25 ms, and what is left then or after [`STILL`].
pub(super) async fn still(stage: &Stage, report: &mut Report) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let motion = Window::open(&bench.xvfb.display, Motion::default())?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(motion);
    let _pattern = Window::open(&bench.xvfb.display, Pattern)?;
    let truth = bench.xvfb.screen()?.picture()?;
    let identical = bench.viewer.becomes(&truth, STILL).await?;
    let shown = bench.viewer.picture().await?;
    let pixels = f64::from(truth.width) * f64::from(truth.height);
    let psnr = shown.psnr(&truth)?.into_iter().fold(f64::INFINITY, f64::min);
    // What never happened took longer than anybody waited.
    let after = identical.unwrap_or(STILL).as_secs_f64();
    report.add("still", "identical_after", after, "s", 1, Some(AtMost(0.5)));
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
