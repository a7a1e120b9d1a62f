//! Two technicians at one customer: both see the picture, and a bad line of one is not the other's business.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::super::story;
use crate::bench::{self, Collected, percentile};
use crate::browser::{self, Kind};
use crate::host;
use crate::lab::{Conditions, Lab, Plan};
use crate::meeting::{Meeting, Session, Viewer};
use crate::process::cpu_seconds;
use crate::runner::Story;
use crate::stage::Stage;
use crate::x::canvas::area;
use crate::x::scenes::{Button, Page, Pattern, Scroll};
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_second_technician_sees_the_same_picture", 90, same_picture),
        story!("a_second_technician_on_a_bad_line_does_not_harm_the_first", 150, bad_neighbour),
    ]
}

/// After the last change.
const STILL: Duration = Duration::from_secs(3);

async fn same_picture(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let link = meeting.viewer.invites().await?;
    let second = Viewer::open_invited(stage.chromium().await?, &meeting.server, &link).await?;
    meeting.host.asked(host::VIEW, true).await?;
    second.phase("viewing").await?;
    second.picture_there().await?;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    for viewer in [&meeting.viewer, &second] {
        viewer.is_exact(stage, &meeting.xvfb, None, STILL).await?;
    }
    // What the first one does is seen by both.
    let button = Window::open(&meeting.xvfb.display, Button::new(area(600, 300, 300, 200)))?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, STILL).await?;
    meeting.viewer.click_pixel(750, 400).await?;
    crate::wait::until(Duration::from_secs(5), "the press to arrive", || Ok(button.presses() == 1)).await?;
    for viewer in [&meeting.viewer, &second] {
        viewer.is_exact(stage, &meeting.xvfb, None, STILL).await.context("after a press")?;
    }
    // The second one goes, the first one stays.
    stage.kill_browser(&second.tab);
    drop(button);
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, STILL).await.context("after the other has gone")?;
    ensure!(meeting.viewer.now().await? == "controlling", "the phase is {}", meeting.viewer.now().await?);
    Ok(())
}

/// How long the good one is watched, alone and in company.
const WATCHED: Duration = Duration::from_secs(8);

async fn seen(viewer: &Viewer) -> Result<(f64, f64)> {
    viewer.tab.js::<Value>("window.nearhandBench.begin(); return true;", &[]).await?;
    tokio::time::sleep(WATCHED).await;
    let Collected { mut ages, seconds, .. } =
        viewer.tab.js("return window.nearhandBench.end();", &[]).await?;
    ensure!(!ages.is_empty(), "nothing was shown");
    Ok((ages.len() as f64 / seconds, percentile(&mut ages, 0.5)))
}

/// The first technician sits in the internet itself, the second one behind a narrow line that loses packets.
async fn bad_neighbour(stage: &Stage) -> Result<()> {
    let bad = Conditions {
        delay: Duration::from_millis(80),
        loss: 0.03,
        rate: Some(800_000),
        queue: 64 * 1024,
        ..Conditions::PERFECT
    };
    let lab = Lab::build(stage, Plan::V4, Plan { line: Some(bad), ..Plan::V4 }).await?;
    let xvfb = Xvfb::start(stage, 1920, 1080).await?;
    let server = lab.start_server(stage, &[]).await?;
    let session = Session::new(&server).await?;
    let trust = format!("--ignore-certificate-errors-spki-list={}", lab.certificates.public_key_hash);
    let setting = browser::Setting {
        namespace: Some(lab.server.clone()),
        arguments: vec![trust],
        ..browser::Setting::default()
    };
    let viewer = Viewer::open(stage.browser_with(Kind::Chromium, setting).await?, &server, &session).await?;
    viewer.phase("waiting").await?;
    let host = lab.host(stage, &xvfb.display, &session.code, |_| {})?;
    viewer.phase("viewing").await?;
    viewer.picture_there().await?;
    viewer.ask::<Value>(bench::PAGE, &[]).await?;
    let scroll = Window::open(&xvfb.display, Scroll::default())?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let alone = seen(&viewer).await?;

    let link = viewer.invites().await?;
    let second = Viewer::open_invited(lab.browser(stage, &[]).await?, &server, &link).await?;
    second.phase_within("viewing", Duration::from_secs(30)).await?;
    second.until(Duration::from_secs(30), "the second one's picture", "isShown()").await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let cpu = cpu_seconds(host.pid())?;
    let together = seen(&viewer).await?;
    println!(
        "        alone {:.1}/s, {:.0} ms late; beside a bad line {:.1}/s, {:.0} ms late; the host takes {:.0} % of a core",
        alone.0,
        alone.1,
        together.0,
        together.1,
        (cpu_seconds(host.pid())? - cpu) / WATCHED.as_secs_f64() * 100.0
    );
    // The second browser takes its part of this machine, too.
    ensure!(together.0 > alone.0 * 0.6, "{:.1} pictures a second instead of {:.1}", together.0, alone.0);
    ensure!(together.1 < alone.1 * 2.0 + 60.0, "{:.0} ms late instead of {:.0}", together.1, alone.1);
    drop(scroll);
    let _page = Window::open(&xvfb.display, Page)?;
    viewer.is_exact(stage, &xvfb, None, Duration::from_secs(3)).await.context("the good one")?;
    // To the pixel this would be megabytes for the other: that it shows what is there now is enough.
    let _pattern = Window::open(&xvfb.display, Pattern)?;
    second.shows(&xvfb, 22.0).await.context("the bad one")
}
