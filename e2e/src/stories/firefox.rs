//! The main job in Firefox ESR: pages, consent, picture, chat, files and the end. What only its picture is about is in the
//! group `picture`.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{chat, files, story};
use crate::browser::Kind;
use crate::host;
use crate::meeting::{Meeting, Session};
use crate::runner::{Skipped, Story};
use crate::server::{Server, TECHNICIAN};
use crate::stage::Stage;
use crate::x::scenes::Pattern;
use crate::x::window::Window;

/// How long a still picture may take until every pixel is right.
const EXACT: Duration = Duration::from_secs(4);

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("firefox_customer_page_and_desk", 90, pages),
        story!("firefox_consent_picture_chat_files_and_the_end", 120, session),
    ]
}

fn there(stage: &Stage) -> Result<()> {
    match &stage.places.geckodriver {
        Ok(_) => Ok(()),
        Err(reason) => Err(Skipped(reason.clone()).into()),
    }
}

async fn pages(stage: &Stage) -> Result<()> {
    there(stage)?;
    let server = Server::start(stage).await?;
    let session = Session::new(&server).await?;
    let tab = stage.browser(Kind::Firefox).await?;
    tab.goto(&format!("{}/#{}", server.url, session.code)).await?;
    tab.reads("#who-name", TECHNICIAN).await?;
    super::gallery::shoot(stage, &tab, "customer-start-firefox").await?;
    super::pairing::sign_in(&tab, &server).await?;
    tab.click("#new-session").await?;
    super::pairing::code_on_desk(&tab).await?;
    super::gallery::shoot(stage, &tab, "desk-firefox").await
}

async fn session(stage: &Stage) -> Result<()> {
    there(stage)?;
    let mut meeting = Meeting::arrive_with(stage, Kind::Firefox, &[]).await?;
    meeting.host.says(host::VIEW).await?;
    meeting.viewer.phase("asking").await?;
    ensure!(meeting.viewer.painted().await? == 0, "a picture before the first yes");
    meeting.host.says("[y/N] ").await?;
    meeting.host.types("y")?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    let _pattern = Window::open(&meeting.xvfb.display, Pattern)?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, EXACT).await?;
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("viewing").await?;
    meeting.viewer.picture_there().await?;
    meeting.viewer.is_exact(stage, &meeting.xvfb, None, EXACT).await?;
    chat::write(&meeting, "from Firefox").await?;
    meeting.host.says("from Firefox").await?;
    meeting.host.types("to Firefox")?;
    meeting.viewer.tab.reads(crate::meeting::names::CHAT_LINES, "to Firefox").await?;
    let file = files::random_file(&stage.folder("sent")?, "from firefox.bin", 2_000_000)?;
    files::send(&meeting, &file).await?;
    meeting.host.asked(host::FILES_IN, true).await?;
    files::arrives(&meeting.host.downloads.join("from firefox.bin"), &file).await?;
    super::gallery::shoot(stage, &meeting.viewer.tab, "session-firefox").await?;
    ensure!(meeting.host.alive()?, "the host has ended");
    meeting.viewer.end().await?;
    meeting.viewer.phase("ended").await?;
    meeting.viewer.picture_gone(Duration::from_secs(2)).await
}
