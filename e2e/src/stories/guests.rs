//! A second technician at the same customer: by an invitation, asked for by name, on a connection of their own.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::story;
use crate::host;
use crate::meeting::{Meeting, Viewer, names};
use crate::runner::Story;
use crate::server::{TECHNICIAN, TOKEN};
use crate::stage::Stage;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!(
            "a_second_technician_joins_sees_chats_and_leaves_and_the_first_goes_on",
            120,
            joins_and_leaves
        ),
        story!("the_pointer_is_held_by_one_and_handed_over_by_a_yes", 90, one_pointer),
        story!("an_invitation_opens_once_and_to_nobody_who_does_not_have_it", 90, opens_once),
        story!("the_customers_end_is_everybodys", 60, ends_for_all),
    ]
}

/// The first technician's tab makes a link; it is shown there, and given from hand to hand.
async fn invite(meeting: &mut Meeting) -> Result<String> {
    let link = meeting.viewer.invites().await?;
    ensure!(link.contains(&format!("/session/{}#invitation=", meeting.session.id)), "the link is {link}");
    meeting.host.says("invites another technician").await?;
    Ok(link)
}

/// Another technician's browser opens it, and signs in on the way.
async fn open(stage: &Stage, link: &str) -> Result<Viewer> {
    let tab = stage.chromium().await?;
    tab.goto(link).await?;
    tab.fill("#token", TOKEN).await?;
    tab.click("#submit").await?;
    Ok(Viewer { tab })
}

/// Both technicians see the screen.
async fn both(stage: &Stage) -> Result<(Meeting, Viewer, String)> {
    let mut meeting = Meeting::begin(stage).await?;
    let link = invite(&mut meeting).await?;
    let guest = open(stage, &link).await?;
    meeting.host.says(&format!("COLLEAGUE: {TECHNICIAN} 2 (")).await?;
    guest.phase("asking").await?;
    ensure!(!guest.ask::<bool>("return isShown();", &[]).await?, "a picture before the yes");
    meeting.host.says(&format!("{TECHNICIAN} 2 (")).await.context("the question does not say who asks")?;
    meeting.host.asked(host::VIEW, true).await?;
    guest.phase("viewing").await?;
    guest.picture_there().await?;
    Ok((meeting, guest, link))
}

async fn write(viewer: &Viewer, line: &str) -> Result<()> {
    viewer.open_panel().await?;
    viewer.tab.fill(names::CHAT_INPUT, &format!("{line}\u{e007}")).await?;
    viewer.tab.reads(names::CHAT_LINES, line).await
}

async fn joins_and_leaves(stage: &Stage) -> Result<()> {
    let (mut meeting, guest, _) = both(stage).await?;
    let fragment: String = guest.tab.js("return location.hash;", &[]).await?;
    ensure!(fragment.is_empty(), "the invitation stays in the address bar");
    meeting.viewer.shows(&meeting.xvfb, 30.0).await.context("the first one's picture")?;
    guest.shows(&meeting.xvfb, 30.0).await.context("the second one's picture")?;

    write(&guest, "I am the second one").await?;
    meeting.host.says(&format!("{TECHNICIAN} 2: I am the second one")).await?;
    meeting.host.types("Hello, both of you")?;
    for viewer in [&meeting.viewer, &guest] {
        viewer.open_panel().await?;
        viewer.tab.reads(names::CHAT_LINES, "Hello, both of you").await?;
    }

    // A reloaded tab is who it was: nobody is asked again.
    guest.tab.reload().await?;
    guest.phase("viewing").await?;
    guest.picture_there().await?;
    let said = meeting.host.said();
    ensure!(said.matches("QUESTION:").count() == said.matches("see your screen").count(), "{said}");
    ensure!(said.matches("2 (").count() >= 1 && !meeting.host.said_since().contains("QUESTION:"), "{said}");

    guest.end().await?;
    guest.phase("ended").await?;
    meeting.host.says("gone (technician_ended)").await?;
    ensure!(meeting.viewer.now().await? == "viewing", "the first one's session ended with it");
    meeting.host.types("Are you still there?")?;
    meeting.viewer.tab.reads(names::CHAT_LINES, "Are you still there?").await?;
    meeting.viewer.shows(&meeting.xvfb, 30.0).await?;
    meeting.allow_control().await
}

async fn one_pointer(stage: &Stage) -> Result<()> {
    let (mut meeting, guest, _) = both(stage).await?;
    meeting.allow_control().await?;
    guest.tab.click(names::CONTROL).await?;
    meeting.host.says(&format!("instead of {TECHNICIAN}. Allow it?")).await?;
    ensure!(meeting.viewer.now().await? == "controlling", "the question alone took the pointer");
    meeting.host.types("y")?;
    guest.phase("controlling").await?;
    meeting.viewer.phase("viewing").await?;
    // And back.
    meeting.viewer.tab.click(names::CONTROL).await?;
    meeting.host.asked(&format!("instead of {TECHNICIAN} 2"), true).await?;
    meeting.viewer.phase("controlling").await?;
    guest.phase("viewing").await
}

async fn opens_once(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let link = invite(&mut meeting).await?;
    let (start, secret) = link.rsplit_once('.').context("a link without a secret")?;
    let wrong: String = secret
        .chars()
        .enumerate()
        .map(|(at, c)| if at == 3 { if c == 'A' { 'B' } else { 'A' } } else { c })
        .collect();
    let asked = |meeting: &Meeting| meeting.host.said().matches("QUESTION:").count();
    let before = asked(&meeting);

    // Who knows the link but for a character gets nothing, and spoils the invitation.
    let stranger = open(stage, &format!("{start}.{wrong}")).await?;
    stranger.phase("ended").await?;
    ensure!(end_of(&stranger).await? == "not_proven", "ended as {}", end_of(&stranger).await?);
    meeting.host.says("not who was invited").await?;
    // The right one comes too late.
    let late = Viewer { tab: stranger.tab.clone() };
    late.tab.goto(&link).await?;
    late.tab.js::<Value>("sessionStorage.clear();", &[]).await?;
    late.tab.goto("about:blank").await?;
    late.tab.goto(&link).await?;
    late.phase("ended").await?;
    ensure!(end_of(&late).await? == "unknown_code", "ended as {}", end_of(&late).await?);
    ensure!(asked(&meeting) == before, "somebody was asked:\n{}", meeting.host.said());
    for viewer in [&stranger, &late] {
        let frames: u64 = viewer.ask("return pixelsOf()[0] + paintedOf();", &[]).await?;
        ensure!(frames == 0, "a picture came");
    }
    ensure!(meeting.viewer.now().await? == "viewing", "the first one's session suffered");

    // With a new one they come in.
    let link = invite(&mut meeting).await?;
    late.tab.goto("about:blank").await?;
    late.tab.goto(&link).await?;
    meeting.host.asked(host::VIEW, true).await?;
    late.phase("viewing").await
}

async fn end_of(viewer: &Viewer) -> Result<String> {
    viewer.tab.js("return document.body.dataset.end ?? '';", &[]).await
}

async fn ends_for_all(stage: &Stage) -> Result<()> {
    let (mut meeting, guest, _) = both(stage).await?;
    meeting.host.types("/end")?;
    for viewer in [&meeting.viewer, &guest] {
        viewer.phase("ended").await?;
        ensure!(end_of(viewer).await? == "customer_ended", "ended as {}", end_of(viewer).await?);
    }
    meeting.host.says("SESSION ENDED: customer_ended").await
}
