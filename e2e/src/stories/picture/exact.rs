//! A still screen ends as it is, to the pixel, whatever was there before; and costs nothing from then on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::story;
use crate::ends::Ends;
use crate::lab::{Conditions, Plan};
use crate::meeting::{Meeting, Viewer};
use crate::process::cpu_seconds;
use crate::runner::Story;
use crate::stage::Stage;
use crate::x::scenes::{Drag, Motion, Page, Scroll};
use crate::x::window::{Scene, Window};
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("letters_a_photograph_a_checkerboard_and_thin_lines_are_shown_to_the_pixel", 60, page),
        story!("the_picture_is_exact_after_motion_scrolling_and_dragging", 90, after_motion),
        story!("the_picture_is_exact_on_a_line_that_loses_packets", 90, on_a_bad_line),
        story!("a_still_screen_costs_nothing", 120, idle),
    ]
}

/// After the last change.
const STILL: Duration = Duration::from_secs(2);

/// As [`STILL`], on a line that loses packets.
const BACK: Duration = Duration::from_secs(5);

async fn page(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    let took = meeting.viewer.is_exact(stage, &meeting.xvfb, None, STILL).await?;
    println!("        exact after {} ms", took.as_millis());
    // A new tab has nothing of it yet.
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, STILL).await.context("after a reload").map(drop)
}

async fn after_motion(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1920, 1080).await?;
    let mut meeting = Meeting::arrive_at(stage, crate::browser::Kind::Chromium, xvfb, &[]).await?;
    meeting.allow_view().await?;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    let (viewer, xvfb) = (&meeting.viewer, &meeting.xvfb);
    moved(stage, viewer, xvfb, "motion", Motion::default()).await?;
    moved(stage, viewer, xvfb, "scrolling", Scroll::default()).await?;
    moved(stage, viewer, xvfb, "dragging", Drag::default()).await
}

/// Shows something that moves for a while, and then what is below it.
async fn moved(stage: &Stage, viewer: &Viewer, xvfb: &Xvfb, name: &str, scene: impl Scene) -> Result<()> {
    let window = Window::open(&xvfb.display, scene)?;
    let before = viewer.painted().await?;
    viewer
        .until(Duration::from_secs(10), "the picture to move", &format!("paintedOf() > {}", before + 40))
        .await?;
    drop(window);
    // What it covered is drawn anew, by whoever opened it.
    let _page = Window::open(&xvfb.display, Page)?;
    let took = viewer.is_exact(stage, xvfb, None, STILL).await.with_context(|| format!("after {name}"))?;
    println!("        {name}: exact after {} ms", took.as_millis());
    Ok(())
}

async fn on_a_bad_line(stage: &Stage) -> Result<()> {
    let line = Conditions { delay: Duration::from_millis(10), loss: 0.05, ..Conditions::PERFECT };
    let mut ends = Ends::new(stage, Plan { line: Some(line), ..Plan::V4 }, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.viewer.picture_there().await?;
    // The clock of the other stories moves below it, and is not seen.
    for round in 0..3 {
        let motion = Window::open(&ends.xvfb.display, Motion::default())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(motion);
        let _page = Window::open(&ends.xvfb.display, Page)?;
        let took = met
            .viewer
            .is_exact(stage, &ends.xvfb, None, BACK)
            .await
            .with_context(|| format!("round {round}"))?;
        println!("        5 % lost: exact after {} ms", took.as_millis());
    }
    Ok(())
}

/// How long it is still.
const IDLE: Duration = Duration::from_mins(1);

async fn idle(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin(stage).await?;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, STILL).await?;
    // What tells the host that all has come is on its way.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let look = || async {
        let painted = meeting.viewer.painted().await?;
        let bytes: f64 = meeting.viewer.tab.js_async(PICTURE_BYTES, &[]).await?;
        anyhow::Ok((painted, bytes, cpu_seconds(meeting.host.pid())?))
    };
    let before = look().await?;
    tokio::time::sleep(IDLE).await;
    let after = look().await?;
    let cpu = (after.2 - before.2) / IDLE.as_secs_f64() * 100.0;
    println!("        {:.2} % of a core, {} bytes of picture", cpu, after.1 - before.1);
    ensure!(after.0 == before.0, "the picture was painted {} times", after.0 - before.0);
    ensure!(after.1 - before.1 < 1.0, "{} bytes of picture came", after.1 - before.1);
    // A busy machine makes wake-ups dearer; what is meant is a loop that does not rest.
    ensure!(cpu < 3.0, "the customer's program takes {cpu:.1} % of a core");
    Ok(())
}

const PICTURE_BYTES: &str = "
    const done = arguments[0];
    (async () => {
        let sum = 0;
        for (const peer of window.nearhandPeers) {
            if (peer.connectionState !== 'connected') continue;
            for (const report of (await peer.getStats()).values()) {
                if (report.type === 'inbound-rtp' && report.kind === 'video') sum += report.bytesReceived;
                if (report.type === 'data-channel' && ['picture', 'frames'].includes(report.label)) sum += report.bytesReceived;
            }
        }
        return sum;
    })().then(done);";
