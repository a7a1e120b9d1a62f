//! What the customer decides: to be seen, to be controlled, and to stop either.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::story;
use crate::host;
use crate::meeting::{Meeting, names};
use crate::runner::Story;
use crate::stage::Stage;
use crate::x::programs::Typist;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_picture_comes_with_the_first_yes_and_control_with_the_second", 40, two_questions),
        story!("a_no_to_the_first_question_shows_nothing", 40, no_view),
        story!("a_no_to_the_second_question_lets_no_key_through", 40, no_control),
        story!("the_customer_takes_control_back", 40, control_back),
        story!("the_customer_hides_the_screen_again", 40, view_back),
    ]
}

/// How long a key that must not arrive is given to arrive.
const NEVER: Duration = Duration::from_millis(700);

async fn two_questions(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::arrive(stage).await?;
    meeting.host.says(host::VIEW).await?;
    meeting.viewer.phase("asking").await?;
    ensure!(meeting.viewer.painted().await? == 0, "a frame before the first yes");
    meeting.host.says("[y/N] ").await?;
    meeting.host.types("y")?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    meeting.allow_control().await
}

async fn no_view(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::arrive(stage).await?;
    meeting.host.asked(host::VIEW, false).await?;
    let refused = "document.querySelector('[data-phase=declined], [data-phase=ended]')";
    meeting.viewer.tab.until("the refusal", refused).await?;
    meeting.viewer.picture_gone(Duration::from_secs(1)).await?;
    ensure!(meeting.viewer.painted().await? == 0, "a frame without a yes");
    Ok(())
}

async fn no_control(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let typist = Typist::start(stage, &meeting.xvfb).await?;
    meeting.viewer.tab.click(names::CONTROL).await?;
    meeting.host.asked(host::CONTROL, false).await?;
    meeting.viewer.tab.reads("body", "does not want to give you control").await?;
    nothing_arrives(&meeting, &typist).await
}

async fn nothing_arrives(meeting: &Meeting, typist: &Typist) -> Result<()> {
    ensure!(meeting.viewer.now().await? == "viewing", "the phase is {}", meeting.viewer.now().await?);
    let before = (typist.typed()?, meeting.xvfb.screen()?.pointer()?);
    meeting.viewer.click_pixel(200, 200).await?;
    meeting.viewer.stroke("KeyA", "a").await?;
    meeting.viewer.stroke("Enter", "Enter").await?;
    // Something that never happens can only be waited for by time.
    tokio::time::sleep(NEVER).await;
    let after = (typist.typed()?, meeting.xvfb.screen()?.pointer()?);
    ensure!(before == after, "input without the right to it: {before:?} became {after:?}");
    Ok(())
}

async fn control_back(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let typist = Typist::start(stage, &meeting.xvfb).await?;
    meeting.viewer.click_pixel(200, 200).await?;
    meeting.viewer.stroke("KeyA", "a").await?;
    meeting.viewer.stroke("Enter", "Enter").await?;
    crate::wait::until(Duration::from_secs(5), "the letter", || Ok(typist.typed()? == "a\n")).await?;
    // Held while control ends: it must not stay down.
    meeting.viewer.key("ShiftLeft", "Shift", 8, true).await?;
    let screen = meeting.xvfb.screen()?;
    crate::wait::until(Duration::from_secs(5), "the key to go down", || Ok(!screen.keys_down()?.is_empty()))
        .await?;
    meeting.host.types("/control off")?;
    meeting.viewer.phase("viewing").await?;
    crate::wait::until(Duration::from_secs(5), "the key to go up", || Ok(screen.keys_down()?.is_empty()))
        .await?;
    nothing_arrives(&meeting, &typist).await?;
    // And it can be given again.
    meeting.allow_control().await
}

async fn view_back(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    meeting.host.types("/view off")?;
    meeting.viewer.picture_gone(Duration::from_secs(2)).await?;
    meeting.viewer.phase("declined").await?;
    ensure!(meeting.host.alive()?, "hiding the screen ended the program");
    Ok(())
}
