//! Pictures of every page and state, for people to look at.

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use x11rb::protocol::xproto::Rectangle;

use super::{chat, files, pairing, story};
use crate::browser::{PAGE, Tab};
use crate::host;
use crate::meeting::{Meeting, Session, Viewer};
use crate::runner::Story;
use crate::server::Server;
use crate::stage::Stage;
use crate::x::monitors::Monitors;
use crate::x::programs::show_terminal;
use crate::x::scenes::Pattern;
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("pictures_of_the_pages", 90, pages),
        story!("pictures_of_a_session", 120, session),
        story!("pictures_of_the_line", 120, line),
    ]
}

/// One picture.
pub(super) async fn shoot(stage: &Stage, tab: &Tab, name: &str) -> Result<()> {
    let path = stage.places.shots.join(format!("{name}.png"));
    std::fs::write(&path, tab.png().await?).with_context(|| format!("writing {}", path.display()))
}

/// A state in light and in dark, and as a telephone shows it.
async fn shoot_all(stage: &Stage, tab: &Tab, name: &str) -> Result<()> {
    for (dark, suffix) in [(true, "dark"), (false, "light")] {
        tab.set_dark(dark).await?;
        settle(tab).await?;
        shoot(stage, tab, &format!("{name}-{suffix}")).await?;
    }
    Ok(())
}

/// Waits until nothing glides any more.
async fn settle(tab: &Tab) -> Result<()> {
    let calm = "document.getAnimations().every((a) => a.playState !== 'running' || a.effect?.getTiming().iterations === Infinity)";
    tab.until("the page to settle", calm).await
}

async fn pages(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let tab = stage.chromium().await?;
    tab.set_size(1280, 900).await?;
    tab.goto(&server.url).await?;
    tab.seen("#code").await?;
    shoot_all(stage, &tab, "customer").await?;
    tab.fill("#code", "000 000 000").await?;
    tab.click("#code-continue").await?;
    tab.seen("#code-error").await?;
    shoot_all(stage, &tab, "customer-wrong-code").await?;
    let session = Session::new(&server).await?;
    tab.goto("about:blank").await?;
    tab.goto(&format!("{}/#{}", server.url, session.code)).await?;
    tab.seen("#step-start").await?;
    shoot_all(stage, &tab, "customer-with-code").await?;
    tab.set_size(390, 844).await?;
    shoot_all(stage, &tab, "customer-with-code-narrow").await?;
    tab.set_size(1280, 900).await?;
    tab.goto(&format!("{}/desk", server.url)).await?;
    tab.seen("#token").await?;
    shoot_all(stage, &tab, "sign-in").await?;
    // The desk without anybody.
    let empty = Server::start(stage).await?;
    pairing::sign_in(&tab, &empty).await?;
    tab.seen("#empty").await?;
    shoot_all(stage, &tab, "desk").await?;
    tab.click("#new-session").await?;
    pairing::code_on_desk(&tab).await?;
    shoot_all(stage, &tab, "desk-with-session").await?;
    tab.goto(&format!("{}/nothing-is-here", empty.url)).await?;
    shoot_all(stage, &tab, "not-found").await
}

async fn session(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let server = Server::start(stage).await?;
    let tab = stage.chromium().await?;
    tab.set_size(1440, 900).await?;
    let (viewer, session) = Viewer::waiting(tab.clone(), &server).await?;
    shoot_all(stage, &tab, "session-waiting").await?;
    let host = host::Host::start(stage, &server.url, &xvfb.display, &session.code)?;
    let mut meeting = Meeting { viewer, host, server, xvfb, session };
    meeting.host.says(host::VIEW).await?;
    meeting.viewer.phase("asking").await?;
    shoot_all(stage, &tab, "session-asking").await?;
    meeting.host.types("y")?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    let _pattern = Window::open(&meeting.xvfb.display, Pattern)?;
    show_terminal(stage, &meeting.xvfb).await?;
    meeting.viewer.shows(&meeting.xvfb, 28.0).await?;
    shoot_all(stage, &tab, "session-viewing").await?;
    meeting.allow_control().await?;
    chat::write(&meeting, "Hello! I see your printer's queue now.").await?;
    meeting.host.types("Thank you. It is the grey one in the hall.")?;
    meeting.viewer.tab.reads(crate::meeting::names::CHAT_LINES, "grey one").await?;
    let file = files::random_file(&stage.folder("sent")?, "printer-driver.zip", 300_000)?;
    files::send(&meeting, &file).await?;
    meeting.host.asked(host::FILES_IN, true).await?;
    files::arrives(&meeting.host.downloads.join("printer-driver.zip"), &file).await?;
    shoot_all(stage, &tab, "session-controlling-chat-and-files").await?;
    let desk = stage.chromium().await?;
    desk.set_size(1280, 900).await?;
    pairing::sign_in(&desk, &meeting.server).await?;
    desk.reads("#sessions .session", "Active").await?;
    shoot_all(stage, &desk, "desk-with-active-session").await?;
    meeting.host.types("/end")?;
    meeting.viewer.phase("ended").await?;
    shoot_all(stage, &tab, "session-ended").await
}

/// Large, and as a telephone shows it.
async fn shoot_sizes(stage: &Stage, tab: &Tab, name: &str) -> Result<()> {
    shoot_all(stage, tab, name).await?;
    tab.set_size(390, 844).await?;
    shoot_all(stage, tab, &format!("{name}-narrow")).await?;
    tab.set_size(1440, 900).await
}

/// The panel of the line, the map of the monitors, and what is said when the line is silent.
async fn line(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1600, 900).await?;
    let monitors = Monitors::of(&xvfb)?;
    monitors.set("DP-2", Rectangle { x: 0, y: 0, width: 500, height: 900 })?;
    monitors.set("HDMI-1", Rectangle { x: 500, y: 150, width: 1100, height: 619 })?;
    let server = Server::start(stage).await?;
    let tab = stage.chromium().await?;
    tab.set_size(1440, 900).await?;
    let (viewer, session) = Viewer::waiting(tab.clone(), &server).await?;
    let host = host::Host::start(stage, &server.url, &xvfb.display, &session.code)?;
    let mut meeting = Meeting { viewer, host, server, xvfb, session };
    meeting.allow_view().await?;
    meeting.allow_control().await?;
    meeting.viewer.close_panel().await?;
    let _pattern = Window::open(&meeting.xvfb.display, Pattern)?;

    tab.click("#quality-button").await?;
    show_terminal(stage, &meeting.xvfb).await?;
    tab.until("figures of the host", "document.querySelector('#quality-exact').dataset.value").await?;
    tab.until(
        "a verdict",
        "!['', 'unknown'].includes(document.querySelector('#quality').dataset.line ?? '')",
    )
    .await?;
    tab.until("a graph", "document.querySelector('#graph-rate .graph-line').getAttribute('d').length > 40")
        .await?;
    shoot_sizes(stage, &tab, "line-panel").await?;
    tab.click("label:has(#quality-save-data)").await?;
    tab.until("the choice", "document.body.dataset.quality === 'save-data'").await?;
    tab.click("#quality-close").await?;
    tab.unseen("#quality").await?;

    tab.until("two monitors", "document.body.dataset.monitors === '2'").await?;
    tab.click("#monitors-button").await?;
    tab.seen("#monitors-all").await?;
    shoot_sizes(stage, &tab, "monitors").await?;
    let painted = meeting.viewer.painted().await?;
    tab.click("#monitors-list .monitor-choose").await?;
    tab.until("one monitor", "document.body.dataset.monitor !== 'all'").await?;
    meeting
        .viewer
        .until(PAGE, "its picture", &format!("pixelsOf()[0] === 500 && paintedOf() > {painted}"))
        .await?;
    tab.unseen("#monitors").await?;
    shoot_all(stage, &tab, "monitor-alone").await?;

    meeting.host.signal(Signal::SIGSTOP)?;
    tab.until("the word that the line is silent", "document.body.dataset.frozen === 'yes'").await?;
    shoot(stage, &tab, "line-silent-first").await?;
    meeting.viewer.phase("reconnecting").await?;
    shoot_sizes(stage, &tab, "line-silent").await?;
    meeting.host.signal(Signal::SIGCONT)?;
    tab.until("the picture", "document.body.dataset.frozen === 'no'").await
}
