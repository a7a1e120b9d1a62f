//! The two write to each other.

use anyhow::{Result, ensure};

use super::story;
use crate::host;
use crate::meeting::{Meeting, names};
use crate::runner::Story;
use crate::stage::Stage;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("both_write_and_read_and_unread_lines_are_counted", 40, both_ways),
        story!("they_can_write_before_anything_is_allowed", 40, before_consent),
    ]
}

/// Opens the chat and sends a line.
pub(super) async fn write(meeting: &Meeting, line: &str) -> Result<()> {
    let tab = &meeting.viewer.tab;
    meeting.viewer.open_panel().await?;
    // WebDriver's Enter: a line feed is another key in Firefox.
    tab.fill(names::CHAT_INPUT, &format!("{line}\u{e007}")).await?;
    tab.reads(names::CHAT_LINES, line).await
}

async fn both_ways(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let viewer = meeting.viewer.clone();
    viewer.close_panel().await?;
    meeting.host.types("Hello, it is the printer")?;
    meeting.host.types("the grey one")?;
    viewer.tab.reads(names::CHAT_UNREAD, "2").await?;
    viewer.tab.click(names::PANEL).await?;
    viewer.tab.reads(names::CHAT_LINES, "the grey one").await?;
    viewer.tab.unseen(names::CHAT_UNREAD).await?;
    write(&meeting, "Let me look <b>now</b> & é").await?;
    meeting.host.says("Let me look <b>now</b> & é").await?;
    let bold: bool = viewer
        .tab
        .js("return Boolean(document.querySelector(arguments[0] + ' b'));", &[names::CHAT_LINES.into()])
        .await?;
    ensure!(!bold, "a line of chat became markup");
    Ok(())
}

async fn before_consent(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::arrive(stage).await?;
    meeting.host.says(host::VIEW).await?;
    write(&meeting, "I am the one on the telephone").await?;
    meeting.host.says("I am the one on the telephone").await?;
    ensure!(meeting.viewer.now().await? == "asking", "writing answered the question");
    Ok(())
}
