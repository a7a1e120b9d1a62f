//! How sessions end, and what outlives a lost connection.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use super::{chat, story};
use crate::host::{self, Host};
use crate::meeting::{Meeting, Session, names};
use crate::runner::Story;
use crate::server::Server;
use crate::stage::Stage;
use crate::wait;
use crate::x::scenes::Clock;
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_reloaded_tab_is_back_with_picture_and_rights", 60, reload),
        story!("without_the_server_the_picture_never_stops_and_chat_goes_on", 90, server_killed),
        story!("a_killed_host_is_noticed_within_five_seconds", 40, host_killed),
        story!("the_customer_ends_and_the_picture_is_gone_at_once", 40, customer_ends),
        story!("the_technician_ends", 40, technician_ends),
        story!("ctrl_c_ends_the_host_cleanly", 40, interrupted_host),
        story!("ctrl_c_ends_the_server_cleanly", 40, interrupted_server),
    ]
}

async fn reload(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    let begin = Instant::now();
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("controlling").await?;
    meeting.viewer.picture_there().await?;
    let took = begin.elapsed();
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    ensure!(
        !meeting.host.said_since().contains("[y/N]"),
        "the customer was asked again:\n{}",
        meeting.host.said_since()
    );
    meeting.viewer.shows(&meeting.xvfb, 30.0).await?;
    // Two in a row, as an impatient person does.
    meeting.viewer.tab.reload().await?;
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("controlling").await?;
    meeting.viewer.picture_there().await
}

/// How long the picture is watched for a stop.
const WATCHED: Duration = Duration::from_secs(6);
/// A longer stop is one that a person sees.
const STOP: Duration = Duration::from_millis(1500);

/// An error if no new frame is shown for longer than [`STOP`].
async fn keeps_moving(meeting: &Meeting) -> Result<()> {
    let begin = Instant::now();
    let (mut frames, mut last) = (meeting.viewer.painted().await?, Instant::now());
    while begin.elapsed() < WATCHED {
        let now = meeting.viewer.painted().await?;
        if now > frames {
            (frames, last) = (now, Instant::now());
        }
        ensure!(last.elapsed() < STOP, "no new frame for {STOP:?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

async fn server_killed(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let _clock = Window::open(&meeting.xvfb.display, Clock::default())?;
    keeps_moving(&meeting).await?;
    meeting.server.kill();
    keeps_moving(&meeting).await?;
    chat::write(&meeting, "still here?").await?;
    meeting.host.says("still here?").await?;
    meeting.host.types("still here")?;
    meeting.viewer.tab.reads(names::CHAT_LINES, "still here").await?;
    ensure!(meeting.viewer.now().await? == "controlling", "the phase is {}", meeting.viewer.now().await?);
    meeting.server.start_again(stage).await?;
    keeps_moving(&meeting).await?;
    let server = &meeting.server;
    wait::find(Duration::from_secs(40), "both ends to be back at the server", || async {
        let sessions = server.sessions().await?;
        Ok(sessions
            .iter()
            .any(|session| session["state"] == "active" && !session["host"].is_null())
            .then_some(()))
    })
    .await?;
    // Through the new server a new peer connection can be made.
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("controlling").await?;
    meeting.viewer.picture_there().await
}

async fn host_killed(stage: &Stage) -> Result<()> {
    let meeting = Meeting::begin_with_control(stage).await?;
    meeting.host.kill();
    let said =
        "document.querySelector('[data-phase=interrupted], [data-phase=reconnecting], [data-phase=ended]')";
    meeting
        .viewer
        .tab
        .until_within(Duration::from_secs(5), "the tab to say that the host is gone", said)
        .await?;
    let words = meeting.viewer.tab.text(names::STATUS).await?;
    ensure!(!words.trim().is_empty(), "the tab has no words for it");
    Ok(())
}

/// The session is over: no picture, words for it, a code that opens nothing.
async fn is_over(stage: &Stage, meeting: &mut Meeting, words: &str) -> Result<()> {
    meeting.viewer.picture_gone(Duration::from_secs(1)).await?;
    meeting.viewer.phase("ended").await?;
    meeting.viewer.tab.reads("body", words).await?;
    let status = meeting.host.ends(Duration::from_secs(5)).await?;
    ensure!(status.success(), "the host ended with {status}");
    let mut again = Host::start(stage, &meeting.server.url, &meeting.xvfb.display, &meeting.session.code)?;
    host::fails_with_one_sentence(&mut again, "code").await?;
    ensure!(meeting.server.sessions().await?.is_empty(), "the desk still lists it");
    let screen = meeting.xvfb.screen()?;
    wait::until(Duration::from_secs(2), "nothing held", || Ok(screen.keys_down()?.is_empty())).await
}

async fn customer_ends(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    meeting.host.types("/end")?;
    is_over(stage, &mut meeting, "customer").await
}

async fn technician_ends(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    meeting.viewer.end().await?;
    meeting.host.says("technician_ended").await?;
    is_over(stage, &mut meeting, "ended").await
}

async fn interrupted_host(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin_with_control(stage).await?;
    let screen = meeting.xvfb.screen()?;
    meeting.viewer.mouse("mouseMoved", 300, 300, false).await?;
    meeting.viewer.key("ShiftLeft", "Shift", 8, true).await?;
    wait::until(Duration::from_secs(5), "the key to go down", || Ok(!screen.keys_down()?.is_empty())).await?;
    meeting.host.signal(Signal::SIGINT)?;
    is_over(stage, &mut meeting, "customer").await
}

async fn interrupted_server(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let mut server = Server::start(stage).await?;
    let session = Session::new(&server).await?;
    let mut host = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
    host.says("connected to").await?;
    let begin = Instant::now();
    let status = server.interrupt(Signal::SIGINT).await?;
    ensure!(status.success(), "the server ended with {status}");
    ensure!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    ensure!(host.alive()?, "the host gave up with the server");
    server.start_again(stage).await?;
    let status = server.interrupt(Signal::SIGTERM).await?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(())
}
