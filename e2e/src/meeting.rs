//! A technician's tab and a customer's program that meet: what most stories begin with.

mod hands;
mod screen;
mod viewer;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::browser::Kind;
use crate::host::{self, Host};
use crate::server::Server;
use crate::stage::Stage;
use crate::x::xvfb::Xvfb;

pub(crate) use viewer::{Viewer, note_first_frame};

/// The last three digits of every code of the stories.
pub(crate) const SECRET: &str = "705";

/// Both ends, and what is between them.
pub(crate) struct Meeting {
    pub(crate) viewer: Viewer,
    pub(crate) host: Host,
    pub(crate) server: Server,
    pub(crate) xvfb: Xvfb,
    pub(crate) session: Session,
}

/// A session that was made for a story.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) code: String,
}

impl Session {
    pub(crate) async fn new(server: &Server) -> Result<Self> {
        let (id, nameplate) = server.new_session().await?;
        Ok(Self { id, code: format!("{nameplate}{SECRET}") })
    }
}

impl Meeting {
    /// The technician waits in the session's tab; the customer's program was started with the code and has asked nothing
    /// that was answered yet.
    pub(crate) async fn arrive(stage: &Stage) -> Result<Self> {
        Self::arrive_with(stage, Kind::Chromium, &[]).await
    }

    pub(crate) async fn arrive_with(stage: &Stage, kind: Kind, server: &[(&str, &str)]) -> Result<Self> {
        Self::arrive_at(stage, kind, Xvfb::start(stage, 1280, 800).await?, server).await
    }

    /// At this screen of the customer.
    pub(crate) async fn arrive_at(
        stage: &Stage,
        kind: Kind,
        xvfb: Xvfb,
        server: &[(&str, &str)],
    ) -> Result<Self> {
        let server = Server::start_with(stage, server).await?;
        let (viewer, session) = Viewer::waiting(stage.browser(kind).await?, &server).await?;
        let host = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
        Ok(Self { viewer, host, server, xvfb, session })
    }

    /// The customer has said yes to the first question, and the picture is there.
    pub(crate) async fn begin(stage: &Stage) -> Result<Self> {
        let mut meeting = Self::arrive(stage).await?;
        meeting.allow_view().await?;
        Ok(meeting)
    }

    /// As [`Self::begin_with_control`], at a screen of this size.
    pub(crate) async fn control_of(stage: &Stage, width: u16, height: u16) -> Result<Self> {
        let xvfb = Xvfb::start(stage, width, height).await?;
        let mut meeting = Self::arrive_at(stage, Kind::Chromium, xvfb, &[]).await?;
        meeting.allow_view().await?;
        meeting.allow_control().await?;
        Ok(meeting)
    }

    /// The customer has said yes to both questions.
    pub(crate) async fn begin_with_control(stage: &Stage) -> Result<Self> {
        let mut meeting = Self::begin(stage).await?;
        meeting.allow_control().await?;
        Ok(meeting)
    }

    pub(crate) async fn allow_view(&mut self) -> Result<()> {
        self.host.asked(host::VIEW, true).await?;
        self.viewer.phase("viewing").await?;
        self.viewer.picture_there().await
    }

    pub(crate) async fn allow_control(&mut self) -> Result<()> {
        self.viewer.tab.click(names::CONTROL).await?;
        self.host.asked(host::CONTROL, true).await?;
        self.viewer.phase("controlling").await
    }
}

/// What the session's page calls its parts; the page's own comment is the contract.
pub(crate) mod names {
    /// Asks for control, and gives it back.
    pub(crate) const CONTROL: &str = "#request-control";
    /// Fitted into the tab, or in its own size.
    pub(crate) const SCALE: &str = "#scale";
    /// Opens and closes chat and files.
    pub(crate) const PANEL: &str = "#panel-toggle";
    pub(crate) const CHAT_LINES: &str = "#chat-log";
    pub(crate) const CHAT_INPUT: &str = "#chat-input";
    pub(crate) const CHAT_UNREAD: &str = "#unread";
    pub(crate) const FILE_INPUT: &str = "#file-input";
    pub(crate) const TRANSFERS: &str = "#files";
    pub(crate) const SAVE: &str = "#files .file-save";
    pub(crate) const END: &str = "#end";
    pub(crate) const END_CONFIRM: &str = "#end-yes";
    /// The state of the session in words.
    pub(crate) const STATUS: &str = "#status";
    /// Says that nobody was asked.
    pub(crate) const HEADLESS: &str = "#notice-headless";
}

/// Milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}
