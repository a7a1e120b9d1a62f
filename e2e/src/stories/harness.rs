//! What the other stories stand on: that the harness sees a wrong picture, a pressed button and typed text.

use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;
use x11rb::protocol::xtest::ConnectionExt as _;

use super::story;
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::{Canvas, area};
use crate::x::programs::Typist;
use crate::x::scenes::{Button, Pattern};
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_harness_sees_a_pressed_button_and_a_spoilt_picture", 30, screen),
        story!("the_harness_reads_what_is_typed", 30, typing),
        story!("the_harness_drives_a_browser", 30, browser),
    ]
}

async fn screen(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let screen = xvfb.screen()?;
    let pattern = Window::open(&xvfb.display, Pattern)?;
    let before = screen.picture()?;
    ensure!(before.differing(&screen.picture()?)? == 0, "a still screen changes");
    let button = Window::open(&xvfb.display, Button::new(area(100, 100, 200, 100)))?;
    ensure!(before.differing(&screen.picture()?)? > 19_000, "a new window is not seen");
    let hand = Canvas::connect(&xvfb.display)?;
    for (kind, detail) in [(4, 1), (5, 1)] {
        hand.connection.xtest_fake_input(kind, detail, 0, hand.root, 0, 0, 0)?;
    }
    hand.connection.xtest_fake_input(6, 0, 0, hand.root, 150, 150, 0)?;
    for (kind, detail) in [(4, 1), (5, 1)] {
        hand.connection.xtest_fake_input(kind, detail, 0, hand.root, 0, 0, 0)?;
    }
    hand.sync()?;
    wait::until(Duration::from_secs(5), "the press", || Ok(button.presses() > 0)).await?;
    drop((button, pattern));
    wait::until(Duration::from_secs(5), "the windows to go", || Ok(screen.windows()? == 0)).await
}

async fn typing(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    xvfb.set_layout("us")?;
    let typist = Typist::start(stage, &xvfb).await?;
    let hand = Canvas::connect(&xvfb.display)?;
    hand.connection.xtest_fake_input(6, 0, 0, hand.root, 300, 300, 0)?;
    // `a` and Return of a PC keyboard.
    for (kind, detail) in [(2, 38), (3, 38), (2, 36), (3, 36)] {
        hand.connection.xtest_fake_input(kind, detail, 0, hand.root, 0, 0, 0)?;
    }
    hand.sync()?;
    wait::until(Duration::from_secs(5), "the letter", || Ok(typist.typed()? == "a\n")).await
}

async fn browser(stage: &Stage) -> Result<()> {
    let tab = stage.chromium().await?;
    tab.goto("data:text/html,<button onclick=\"this.textContent='pressed'\">press</button>").await?;
    tab.set_dark(true).await?;
    tab.until("the dark scheme", "matchMedia('(prefers-color-scheme: dark)').matches").await?;
    tab.click("button").await?;
    tab.reads("button", "pressed").await?;
    let sum: u32 = tab.js("return arguments[0] + arguments[1];", &[json!(20), json!(22)]).await?;
    ensure!(sum == 42, "a script's result is {sum}");
    Ok(())
}
