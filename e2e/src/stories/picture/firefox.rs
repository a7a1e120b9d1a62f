//! A browser whose WebRTC has no H.264: the same frames come over a data channel, and the picture is as exact.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::story;
use crate::browser::Kind;
use crate::meeting::Meeting;
use crate::runner::{Skipped, Story};
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::area;
use crate::x::programs::Typist;
use crate::x::scenes::{Button, Motion, Page};
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![story!("firefox_sees_the_picture_and_controls", 120, seen_in_firefox)]
}

async fn seen_in_firefox(stage: &Stage) -> Result<()> {
    if let Err(reason) = &stage.places.geckodriver {
        return Err(Skipped(reason.clone()).into());
    }
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let mut meeting = Meeting::arrive_at(stage, Kind::Firefox, xvfb, &[]).await?;
    meeting.allow_view().await?;
    let viewer = &meeting.viewer;
    let exact = Duration::from_secs(4);
    let page = Window::open(&meeting.xvfb.display, Page)?;
    viewer.is_exact(stage, &meeting.xvfb, None, exact).await.context("a page")?;

    // Motion comes as video, over the data channel, and the panel says so.
    viewer.tab.click("#quality-button").await?;
    let motion = Window::open(&meeting.xvfb.display, Motion::default())?;
    let frames = "Number(document.querySelector('#screen').dataset.frames ?? 0)";
    let before: u64 = viewer.tab.js(&format!("return {frames};"), &[]).await?;
    viewer.tab.until("frames of video", &format!("{frames} > {}", before + 30)).await?;
    wait::find(Duration::from_secs(8), "the way of the video to be told", || async {
        let way: String =
            viewer.tab.js("return document.querySelector('#quality-way')?.dataset.value ?? '';", &[]).await?;
        Ok((way == "true").then_some(()))
    })
    .await?;
    viewer.tab.click("#quality-button").await?;
    drop((motion, page));
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    viewer.is_exact(stage, &meeting.xvfb, None, exact).await.context("after motion")?;

    meeting.allow_control().await?;
    let button = Window::open(&meeting.xvfb.display, Button::new(area(500, 300, 200, 100)))?;
    let viewer = &meeting.viewer;
    let (left, top) = viewer.point(600, 350).await?;
    viewer.tab.press_at(left as i64, top as i64).await?;
    wait::until(Duration::from_secs(8), "the press to arrive", || Ok(button.presses() == 1)).await?;
    viewer.is_exact(stage, &meeting.xvfb, None, exact).await.context("after a press")?;
    drop(button);
    let typist = Typist::start(stage, &meeting.xvfb).await?;
    viewer.tab.press_at(left as i64, top as i64).await?;
    viewer.tab.strike("typed in Firefox\n").await?;
    wait::until(Duration::from_secs(8), "the typed line", || Ok(typist.typed()? == "typed in Firefox\n"))
        .await
        .with_context(|| format!("typed {:?}", typist.typed().unwrap_or_default()))?;
    ensure!(meeting.host.alive()?, "the host has ended");
    Ok(())
}
