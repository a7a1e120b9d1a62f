//! How long things take: a click, a connection, a frame in the encoder, a file.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Bench;
use super::report::Goal::{AtLeast, AtMost};
use super::report::{Report, percentile};
use crate::host::Host;
use crate::meeting::{Viewer, names, note_first_frame, wall_clock_ms};
use crate::server::Server;
use crate::stage::Stage;
use crate::stories::files::{hash, random_file};
use crate::wait;
use crate::x::scenes::Pattern;
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

const CLICKS: usize = 110;

/// From the pointer's press in the tab until the pixel under it has flipped: see [`Bench::clicks`].
pub(super) async fn click_to_photon(stage: &Stage, report: &mut Report) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let _desktop = Window::open(&bench.xvfb.display, Pattern)?;
    let mut took = bench.clicks(CLICKS).await?;
    let runs = took.len();
    report.add("click_to_photon", "p50", percentile(&mut took, 0.5), "ms", runs, Some(AtMost(24.0)));
    report.add("click_to_photon", "p95", percentile(&mut took, 0.95), "ms", runs, Some(AtMost(32.0)));
    let mut here = bench.clicks_answered_here(CLICKS / 2).await?;
    let runs = here.len();
    report.add("click_to_photon", "answered_in_the_tab_p50", percentile(&mut here, 0.5), "ms", runs, None);
    report.add("click_to_photon", "answered_in_the_tab_p95", percentile(&mut here, 0.95), "ms", runs, None);
    Ok(())
}

const CONNECTIONS: usize = 7;

/// From the start of the host's program with the code until its first picture is presented in the waiting tab; the
/// customer's answer takes no time (headless).
pub(super) async fn connect(stage: &Stage, report: &mut Report) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1920, 1080).await?;
    let _desktop = Window::open(&xvfb.display, Pattern)?;
    let server = Server::start(stage).await?;
    let tab = stage.chromium().await?;
    tab.set_size(1920, 1200).await?;
    note_first_frame(&tab).await?;
    let mut took = Vec::new();
    for _ in 0..CONNECTIONS {
        let (viewer, session) = Viewer::waiting(tab.clone(), &server).await?;
        let begin = wall_clock_ms();
        let host = Host::headless(stage, &server.url, &xvfb.display, &session.code, "view")?;
        took.push(viewer.first_frame().await? - begin);
        host.kill();
    }
    let runs = took.len();
    report.add("connect", "p50", percentile(&mut took, 0.5), "ms", runs, Some(AtMost(400.0)));
    report.add("connect", "p95", percentile(&mut took, 0.95), "ms", runs, None);
    Ok(())
}

/// From the reload of the tab until its first picture is presented again.
pub(super) async fn reconnect(stage: &Stage, report: &mut Report) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let _desktop = Window::open(&bench.xvfb.display, Pattern)?;
    let tab = &bench.viewer.tab;
    note_first_frame(tab).await?;
    let mut took = Vec::new();
    for _ in 0..CONNECTIONS {
        let begin = wall_clock_ms();
        tab.reload().await?;
        took.push(bench.viewer.first_frame().await? - begin);
    }
    let runs = took.len();
    report.add("reconnect", "reload_p50", percentile(&mut took, 0.5), "ms", runs, Some(AtMost(1500.0)));
    report.add("reconnect", "reload_p95", percentile(&mut took, 0.95), "ms", runs, None);
    Ok(())
}

/// The encoder alone: what its own example measures, where it was built.
pub(super) async fn encode(stage: &Stage, report: &mut Report) -> Result<()> {
    let program = stage.places.encoder_bench.as_ref().context(
        "cargo build --release --package nearhand-encoder --example encode_bench was not run for this target folder",
    )?;
    let process = stage.start("encode_bench", &mut stage.command(program))?;
    let line = process.line_after("{", Duration::from_mins(2)).await?;
    let told: Value = serde_json::from_str(&format!("{{{line}"))?;
    ensure!(told["assembly"] == true, "the encoder was built without assembly");
    for (scene, goal) in [("static", 4.0), ("scroll", 6.0), ("motion", 12.0)] {
        let part = |name: &str| told[scene][name].as_f64().with_context(|| format!("no {scene}.{name}"));
        report.add("encode", scene, part("encode_ms")?, "ms", 89, Some(AtMost(goal)));
        report.add("encode", &format!("{scene}_convert"), part("convert_ms")?, "ms", 90, None);
    }
    Ok(())
}

const FILE: usize = 200_000_000;
const FILE_LIMIT: Duration = Duration::from_secs(100);

/// 200 MB of random bytes: from the choice in the tab until the whole file lies under its name on the customer's side,
/// and back from the customer's command until the tab has it; both compared by SHA-256 outside the measured time.
pub(super) async fn file(stage: &Stage, report: &mut Report) -> Result<()> {
    let mut bench = Bench::start(stage).await?;
    let folder = stage.folder("sent")?;
    let sent = random_file(&folder, "large.bin", FILE)?;
    bench.viewer.open_panel().await?;
    let tab = &bench.viewer.tab;
    let there = bench.host.downloads.join("large.bin");
    let begin = Instant::now();
    tab.choose_file(names::FILE_INPUT, &sent).await?;
    wait::until(FILE_LIMIT, "the file on the customer's side", || {
        Ok(std::fs::metadata(&there).is_ok_and(|data| data.len() == FILE as u64))
    })
    .await?;
    let up = begin.elapsed().as_secs_f64();
    ensure!(hash(&there)? == hash(&sent)?, "another file arrived at the customer");
    report.add("file", "to_customer", FILE as f64 / up / 1e6, "MB/s", 1, Some(AtLeast(40.0)));

    let back = random_file(&folder, "back.bin", FILE)?;
    let begin = Instant::now();
    bench.host.types(&format!("/send {}", back.display()))?;
    wait::find(FILE_LIMIT, "the file in the tab", || async {
        Ok(tab.sees(names::SAVE).await?.then_some(()))
    })
    .await?;
    let down = begin.elapsed().as_secs_f64();
    tab.click(names::SAVE).await?;
    let saved = tab.downloads.join("back.bin");
    wait::until(FILE_LIMIT, "the download", || {
        Ok(std::fs::metadata(&saved).is_ok_and(|data| data.len() == FILE as u64))
    })
    .await?;
    ensure!(hash(&saved)? == hash(&back)?, "another file arrived at the technician");
    report.add("file", "to_technician", FILE as f64 / down / 1e6, "MB/s", 1, Some(AtLeast(40.0)));
    Ok(())
}
