//! Desktops that are very large and very small.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::story;
use crate::browser::Kind;
use crate::meeting::Meeting;
use crate::process::memory_kb;
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::area;
use crate::x::monitors::Monitors;
use crate::x::scenes::{Button, Page};
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_desktop_of_7680_by_4320_pixels", 180, huge),
        story!("a_desktop_and_a_window_of_a_single_pixel", 90, tiny),
    ]
}

async fn huge(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::control_of(stage, 7680, 4320).await?;
    let pixels = meeting.viewer.pixels().await?;
    ensure!(pixels == (7680, 4320), "the picture has {pixels:?} pixels");
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    let took = meeting.viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(30)).await?;
    println!("        exact after {:.1} s", took.as_secs_f32());
    let _button = Window::open(&meeting.xvfb.display, Button::new(area(6000, 3000, 800, 600)))?;
    let took = meeting.viewer.is_exact(stage, &meeting.xvfb, None, Duration::from_secs(10)).await?;
    println!("        a button of 800×600: exact after {:.1} s", took.as_secs_f32());
    let memory = memory_kb(meeting.host.pid())? / 1000;
    println!("        the customer's program takes {memory} MB");
    ensure!(memory < 800, "the customer's program takes {memory} MB");
    ensure!(meeting.host.alive()?, "the host has ended");
    Ok(())
}

async fn tiny(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let monitors = Monitors::of(&xvfb)?;
    let mut meeting = Meeting::arrive_at(stage, Kind::Chromium, xvfb, &[]).await?;
    meeting.allow_view().await?;
    meeting.allow_control().await?;
    let (viewer, xvfb) = (&meeting.viewer, &meeting.xvfb);
    let exact = Duration::from_secs(3);
    let _page = Window::open(&xvfb.display, Page)?;
    viewer.is_exact(stage, xvfb, None, exact).await?;
    // A window of one pixel that changes its colour.
    let button = Window::open(&xvfb.display, Button::new(area(321, 123, 1, 1)))?;
    viewer.is_exact(stage, xvfb, None, exact).await.context("with a window of one pixel")?;
    viewer.tab.click(crate::meeting::names::SCALE).await?;
    viewer.click_pixel(321, 123).await?;
    wait::until(Duration::from_secs(5), "the one pixel to be pressed", || Ok(button.presses() == 1)).await?;
    viewer.is_exact(stage, xvfb, None, exact).await.context("after its press")?;
    drop(button);
    for (width, height) in [(1, 1), (1, 480), (3, 2), (640, 480)] {
        monitors.resize(width, height)?;
        wait::find(Duration::from_secs(8), &format!("a picture of {width}×{height}"), || async {
            Ok((viewer.pixels().await? == (width.into(), height.into())).then_some(()))
        })
        .await?;
        viewer.is_exact(stage, xvfb, None, exact).await.with_context(|| format!("{width}×{height}"))?;
    }
    ensure!(meeting.host.alive()?, "the host has ended");
    Ok(())
}
