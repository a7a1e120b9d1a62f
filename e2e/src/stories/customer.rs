//! The customer obeys nobody: their hand and their keys come before the technician's.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::story;
use crate::meeting::Meeting;
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;
use crate::x::canvas::area;
use crate::x::hand::{ALT, CONTROL, END, F12, Hand};
use crate::x::scenes::Button;
use crate::x::window::Window;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_customers_own_hand_takes_control_back_at_once", 60, precedence),
        story!("one_key_takes_control_and_gives_it_and_is_the_customers_alone", 60, one_key),
        story!("one_combination_ends_everything_also_without_a_server", 60, panic),
    ]
}

/// Within this a hand is back in charge, whatever else the machine does; the figure itself is measured elsewhere.
const SOON: Duration = Duration::from_secs(2);

async fn precedence(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let button = Window::open(&meeting.xvfb.display, Button::new(area(900, 600, 48, 24)))?;
    let screen = meeting.xvfb.screen()?;
    let hand = Hand::on(&meeting.xvfb.display)?;
    meeting.viewer.click_pixel(924, 612).await?;
    wait::until(Duration::from_secs(5), "the press", || Ok(button.presses() == 1)).await?;
    // The technician holds a key when the customer takes the mouse.
    meeting.viewer.key("ShiftLeft", "Shift", 8, true).await?;
    wait::until(Duration::from_secs(5), "the key to go down", || Ok(!screen.keys_down()?.is_empty())).await?;
    // The hand that gave control is off the mouse by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    hand.move_by(-200, -150)?;
    wait::until(SOON, "the key to go up", || Ok(screen.keys_down()?.is_empty())).await?;
    meeting.host.says("you have taken over, and Ada Byron only looks").await?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.click_pixel(924, 612).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(button.presses() == 1, "the technician pressed a button while the customer acted");
    ensure!(meeting.viewer.painted().await? > 0, "the picture is gone");
    // The customer works on undisturbed, and then lets the technician go on.
    hand.click()?;
    meeting.host.types("/resume")?;
    meeting.host.says("goes on with your mouse and keyboard").await?;
    meeting.viewer.phase("controlling").await?;
    meeting.viewer.click_pixel(924, 612).await?;
    wait::until(Duration::from_secs(5), "another press", || Ok(button.presses() == 2)).await
}

async fn one_key(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let hand = Hand::on(&meeting.xvfb.display)?;
    hand.tap(&[F12])?;
    meeting.host.says("RIGHTS: view\n").await?;
    meeting.viewer.phase("viewing").await?;
    hand.tap(&[F12])?;
    meeting.host.says("RIGHTS: view control").await?;
    meeting.viewer.phase("controlling").await?;
    // What the technician types is not the customer's hand.
    meeting.viewer.stroke("F12", "F12").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(meeting.viewer.now().await? == "controlling", "the technician pressed the customer's key");
    Ok(())
}

async fn panic(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let screen = meeting.xvfb.screen()?;
    let hand = Hand::on(&meeting.xvfb.display)?;
    meeting.viewer.key("ShiftLeft", "Shift", 8, true).await?;
    wait::until(Duration::from_secs(5), "the key to go down", || Ok(!screen.keys_down()?.is_empty())).await?;
    meeting.server.kill();
    meeting.host.says("server").await?;
    let begin = Instant::now();
    hand.tap(&[CONTROL, ALT, END])?;
    let status = meeting.host.ends(Duration::from_secs(5)).await?;
    ensure!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    ensure!(status.success(), "the host ended with {status}");
    ensure!(screen.keys_down()?.is_empty(), "a key of the technician's is still down");
    meeting.viewer.picture_gone(Duration::from_secs(5)).await
}
