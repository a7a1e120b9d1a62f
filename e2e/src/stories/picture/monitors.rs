//! Several monitors: all at once, one of them, each in a window of its own; plugged in and out, resized and turned while
//! they are looked at; and the pointer where it should be on each.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use x11rb::protocol::xproto::Rectangle;

use super::super::story;
use crate::browser::Kind;
use crate::meeting::{Meeting, Viewer, names};
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::area;
use crate::x::monitors::Monitors;
use crate::x::scenes::{Page, Presses, Reporter};
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("one_monitor_or_all_of_them_and_every_pixel_can_be_hit", 120, choose),
        story!("each_monitor_in_a_window_of_its_own", 60, windows),
        story!("monitors_come_and_go_while_they_are_looked_at", 120, plugged),
        story!("the_screen_is_resized_and_turned", 90, resized),
    ]
}

const BUTTON: &str = "#monitors-button";
const ALL: &str = "#monitors-all";
/// How long a change of what is shown may take.
const SOON: Duration = Duration::from_secs(8);
/// After the last change.
const STILL: Duration = Duration::from_secs(3);

const LEFT: Rectangle = area(0, 0, 1024, 768);
/// Higher than its neighbour, and lower at its upper edge: there is a part of the picture that no monitor shows.
const RIGHT: Rectangle = area(1024, 100, 800, 900);

/// A session with control of a desktop of two monitors, the second with letters of double size.
async fn two_monitors(stage: &Stage) -> Result<(Meeting, Monitors)> {
    let xvfb = Xvfb::start(stage, 1824, 1000).await?;
    let monitors = Monitors::of(&xvfb)?;
    monitors.set("LEFT", LEFT)?;
    monitors.set_scaled("RIGHT", RIGHT, 2.0)?;
    let mut meeting = Meeting::arrive_at(stage, Kind::Chromium, xvfb, &[]).await?;
    meeting.allow_view().await?;
    meeting.allow_control().await?;
    one_to_one(&meeting.viewer).await?;
    count(&meeting.viewer, 2).await?;
    Ok((meeting, monitors))
}

/// A pixel of the page is one of the picture from now on, and none of it is out of sight: each can be hit.
async fn one_to_one(viewer: &Viewer) -> Result<()> {
    viewer.tab.set_size(2600, 1700).await?;
    viewer.tab.click(names::SCALE).await?;
    viewer.tab.until("the picture in its own size", "document.body.dataset.scale === 'actual'").await
}

/// Waits until the tab knows of so many monitors.
async fn count(viewer: &Viewer, monitors: usize) -> Result<()> {
    let known = format!("document.body.dataset.monitors === '{monitors}'");
    viewer.tab.until_within(SOON, &format!("{monitors} monitors"), &known).await
}

/// Chooses by the menu: the monitor in this place of the list, or all.
async fn look_at(viewer: &Viewer, monitor: Option<usize>, size: (u16, u16)) -> Result<()> {
    viewer.tab.click(BUTTON).await?;
    match monitor {
        Some(place) => {
            let choose = format!("#monitors-list li:nth-child({}) .monitor-choose", place + 1);
            viewer.tab.click(&choose).await?;
        }
        None => viewer.tab.click(ALL).await?,
    }
    has_size(viewer, size).await?;
    // The menu must not cover what is pressed next.
    if viewer.tab.sees("#monitors").await? {
        viewer.tab.click(BUTTON).await?;
    }
    viewer.tab.unseen("#monitors").await
}

async fn has_size(viewer: &Viewer, (width, height): (u16, u16)) -> Result<()> {
    let found = wait::find(SOON, &format!("a picture of {width}×{height}"), || async {
        Ok((viewer.pixels().await? == (width.into(), height.into())).then_some(()))
    })
    .await;
    match found {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!("it has {:?}", viewer.pixels().await?))),
    }
}

/// Presses these pixels of what is shown of `part`, and asks the window below what was pressed.
async fn hits(viewer: &Viewer, presses: &Presses, part: Rectangle, pixels: &[(u16, u16)]) -> Result<()> {
    for &(x, y) in pixels {
        let told = || presses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = told().len();
        viewer.click_pixel(x.into(), y.into()).await?;
        let expected = (part.x + x as i16, part.y + y as i16);
        let pressed =
            wait::until(Duration::from_secs(5), "the press to arrive", || Ok(told().len() > before)).await;
        pressed.with_context(|| format!("pixel {x}, {y}"))?;
        ensure!(told().last() == Some(&expected), "pressed {:?} instead of {expected:?}", told().last());
    }
    Ok(())
}

async fn choose(stage: &Stage) -> Result<()> {
    let (meeting, _monitors) = two_monitors(stage).await?;
    let (viewer, xvfb) = (&meeting.viewer, &meeting.xvfb);
    let (reporter, presses) = Reporter::new(area(0, 0, 1824, 1000));
    let _reporter = Window::open(&xvfb.display, reporter)?;
    let whole = area(0, 0, 1824, 1000);
    viewer.is_exact(stage, xvfb, None, STILL).await.context("all of them")?;
    hits(viewer, &presses, whole, &[(0, 0), (1823, 999), (1024, 100), (1023, 767), (777, 333)]).await?;

    for (place, part) in [(0, LEFT), (1, RIGHT)] {
        look_at(viewer, Some(place), (part.width, part.height)).await?;
        viewer.is_exact(stage, xvfb, Some(part), STILL).await.with_context(|| format!("monitor {place}"))?;
        let (right, bottom) = (part.width - 1, part.height - 1);
        hits(viewer, &presses, part, &[(0, 0), (right, bottom), (1, bottom), (right, 0), (411, 300)]).await?;
    }
    look_at(viewer, None, (1824, 1000)).await?;
    viewer.is_exact(stage, xvfb, None, STILL).await.context("all of them again")?;
    hits(viewer, &presses, whole, &[(1500, 50), (3, 900)]).await
}

async fn windows(stage: &Stage) -> Result<()> {
    let (meeting, _monitors) = two_monitors(stage).await?;
    let viewer = &meeting.viewer;
    let _page = Window::open(&meeting.xvfb.display, Page)?;
    viewer.is_exact(stage, &meeting.xvfb, None, STILL).await?;
    viewer.tab.click(BUTTON).await?;
    viewer.tab.click("#monitors-list li:nth-child(2) .monitor-window").await?;
    viewer.tab.follow_new_tab().await?;
    // Whatever paints it: the largest canvas or video of the window shows that monitor's pixels.
    let size = "[...document.querySelectorAll('canvas, video')].some((e) => (e.width || e.videoWidth) === 800 && (e.height || e.videoHeight) === 900 && e.checkVisibility())";
    viewer.tab.until_within(SOON, "the second monitor in its window", size).await?;
    let truth = meeting.xvfb.screen()?.picture()?;
    let truth = truth.part(RIGHT.x as u32, RIGHT.y as u32, RIGHT.width.into(), RIGHT.height.into());
    let read = "const shown = [...document.querySelectorAll('canvas, video')].find((e) => (e.width || e.videoWidth) === 800);
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [800, 900];
        canvas.getContext('2d').drawImage(shown, 0, 0);
        return canvas.toDataURL('image/png').split(',')[1];";
    let last = wait::find(STILL, "the window to show it to the pixel", || async {
        let encoded: String = viewer.tab.js(read, &[]).await?;
        let png = data_encoding::BASE64.decode(encoded.as_bytes())?;
        let differing = crate::picture::Picture::from_png(&png)?.differing(&truth)?;
        ensure!(differing == 0, "{differing} pixels are others");
        Ok(Some(()))
    });
    last.await
}

async fn plugged(stage: &Stage) -> Result<()> {
    let (meeting, monitors) = two_monitors(stage).await?;
    let (viewer, xvfb) = (&meeting.viewer, &meeting.xvfb);
    let _page = Window::open(&xvfb.display, Page)?;
    look_at(viewer, Some(1), (RIGHT.width, RIGHT.height)).await?;
    viewer.is_exact(stage, xvfb, Some(RIGHT), STILL).await?;

    // The one that is looked at vanishes: all that is left is shown.
    monitors.remove("RIGHT")?;
    count(viewer, 1).await?;
    has_size(viewer, (1824, 1000)).await?;
    viewer.is_exact(stage, xvfb, None, STILL).await.context("after one was plugged out")?;

    let third = area(1200, 0, 600, 500);
    monitors.set("THIRD", third)?;
    count(viewer, 2).await?;
    look_at(viewer, Some(1), (600, 500)).await?;
    viewer.is_exact(stage, xvfb, Some(third), STILL).await.context("the new one")?;
    // It is moved and changes its mode.
    let other = area(1100, 200, 640, 480);
    monitors.set("THIRD", other)?;
    // Whoever looks at it goes on doing so, or at everything where it was away for a moment.
    viewer.until(SOON, "another picture", "pixelsOf().join() !== '600,500'").await?;
    if viewer.pixels().await? != (640, 480) {
        look_at(viewer, Some(1), (640, 480)).await?;
    }
    viewer.is_exact(stage, xvfb, Some(other), STILL).await.context("in another mode").map(drop)
}

/// Xvfb can't turn its picture; for whoever captures it a turned screen is one whose sides have changed places.
async fn resized(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 1280).await?;
    let monitors = Monitors::of(&xvfb)?;
    monitors.resize(1280, 800)?;
    let mut meeting = Meeting::arrive_at(stage, Kind::Chromium, xvfb, &[]).await?;
    meeting.allow_view().await?;
    meeting.allow_control().await?;
    one_to_one(&meeting.viewer).await?;
    let (reporter, presses) = Reporter::new(area(0, 0, 1280, 1280));
    let _reporter = Window::open(&meeting.xvfb.display, reporter)?;
    for (width, height) in [(1280, 800), (800, 1280), (1024, 768), (333, 77), (1280, 1280)] {
        monitors.resize(width, height)?;
        has_size(&meeting.viewer, (width, height)).await?;
        let exact = meeting.viewer.is_exact(stage, &meeting.xvfb, None, STILL).await;
        exact.with_context(|| format!("{width}×{height}"))?;
        let part = area(0, 0, width, height);
        hits(&meeting.viewer, &presses, part, &[(width - 1, height - 1), (0, 0)]).await?;
    }
    Ok(())
}
