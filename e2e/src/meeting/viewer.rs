//! The session's tab: how it is opened, the phase that it shows, and its buttons.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{SECRET, Session, names};
use crate::browser::{Kind, PAGE, Tab};
use crate::server::{Server, TOKEN};

/// The session's tab.
#[derive(Clone)]
pub(crate) struct Viewer {
    pub(crate) tab: Tab,
}

/// Keeps the page's peer connections, and the data channels of the newest by their labels, where the stories and
/// measurements can ask them for their statistics, or misuse them.
const KEEP_PEERS: &str = "
    window.nearhandPeers = [];
    const Native = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
        constructor(...options) { super(...options); window.nearhandPeers.push(this); window.nearhandChannels = {}; }
        createDataChannel(label, ...options) {
            return window.nearhandChannels[label] = super.createDataChannel(label, ...options);
        }
    };";

/// Notes when the first picture is presented, on the wall clock; runs before the page's own script. That is the first
/// animation frame in which the canvas's upper edge, where the scenes have their clock, is not black.
const FIRST_FRAME: &str = "
    const watch = () => {
        const screen = document.getElementById('screen');
        if (!screen) return setTimeout(watch, 5);
        const small = document.createElement('canvas');
        [small.width, small.height] = [128, 4];
        const context = small.getContext('2d', { willReadFrequently: true });
        const look = () => {
            // Hidden, it may hold the picture of an earlier connection.
            if (screen.checkVisibility() && screen.width > 1) {
                context.drawImage(screen, 0, 14, screen.width, 4, 0, 0, 128, 4);
                const words = new Uint32Array(context.getImageData(0, 0, 128, 4).data.buffer);
                if (words.some((word) => (word & 0xffffff) !== 0)) {
                    window.nearhandFirst = performance.timeOrigin + performance.now();
                    return;
                }
            }
            requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    };
    watch();";

/// From now on each page of the tab notes when its first frame is presented.
pub(crate) async fn note_first_frame(tab: &Tab) -> Result<()> {
    tab.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": FIRST_FRAME})).await.map(drop)
}

impl Viewer {
    /// Signs in by a link that leads into the session.
    pub(crate) async fn open(tab: Tab, server: &Server, session: &Session) -> Result<Self> {
        Self::open_at(tab, server, session, SECRET).await
    }

    /// Makes a session, and waits in its tab for the customer.
    pub(crate) async fn waiting(tab: Tab, server: &Server) -> Result<(Self, Session)> {
        let session = Session::new(server).await?;
        let viewer = Self::open(tab, server, &session).await?;
        viewer.phase("waiting").await?;
        Ok((viewer, session))
    }

    /// As [`Self::open`], with a tab that uses relayed paths only.
    pub(crate) async fn open_relayed(tab: Tab, server: &Server, session: &Session) -> Result<Self> {
        Self::open_at(tab, server, session, &format!("{SECRET}%26relay%3Donly")).await
    }

    /// Opens the link by which another technician invited this one.
    pub(crate) async fn open_invited(tab: Tab, server: &Server, link: &str) -> Result<Self> {
        let (session, invitation) = link
            .split_once("/session/")
            .and_then(|(_, rest)| rest.split_once('#'))
            .with_context(|| "that is no invitation".to_owned())?;
        let session = Session { id: session.to_owned(), code: String::new() };
        Self::open_at(tab, server, &session, &invitation.replace('=', "%3D")).await
    }

    /// Invites another technician: the link for them.
    pub(crate) async fn invites(&self) -> Result<String> {
        self.tab.click("#invite-button").await?;
        self.tab.click("#invite").await?;
        self.tab.reads("#invite-link", "#invitation=").await?;
        let link = self.tab.text("#invite-link").await?;
        if self.tab.sees("#invite-menu").await? {
            self.tab.click("#invite-button").await?;
        }
        self.tab.unseen("#invite-menu").await?;
        Ok(link.trim().to_owned())
    }

    async fn open_at(tab: Tab, server: &Server, session: &Session, fragment: &str) -> Result<Self> {
        if tab.kind == Kind::Chromium {
            tab.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": KEEP_PEERS})).await?;
        }
        tab.goto(&format!("{}/sign-in#token={TOKEN}&next=/session/{}%23{fragment}", server.url, session.id))
            .await?;
        tab.click("#submit").await?;
        Ok(Self { tab })
    }

    /// Opens another session in a tab that was signed in by [`Self::open`].
    pub(crate) async fn open_next(tab: Tab, server: &Server, session: &Session) -> Result<Self> {
        tab.goto(&format!("{}/session/{}#{SECRET}", server.url, session.id)).await?;
        Ok(Self { tab })
    }

    /// Waits for the first frame, where [`note_first_frame`] was asked for: when it was presented, as [`wall_clock_ms`].
    pub(crate) async fn first_frame(&self) -> Result<f64> {
        self.tab.until("the first frame", "window.nearhandFirst").await?;
        self.tab.js("return window.nearhandFirst;", &[]).await
    }

    /// The tab's program has not broken: a panic, or the trap that it ends in, is told to the console.
    pub(crate) async fn did_not_break(&self) -> Result<()> {
        let mut broken = self.tab.console().await?;
        broken.retain(|line| line.contains("panicked") || line.contains("unreachable"));
        ensure!(broken.is_empty(), "the tab broke: {broken:?}");
        Ok(())
    }

    /// How packets travel: `direct`, `relayed`, or nothing while there is no connection.
    pub(crate) async fn path(&self) -> Result<String> {
        self.tab.js("return document.body.dataset.path ?? '';", &[]).await
    }

    /// Waits until the session is in this phase.
    pub(crate) async fn phase(&self, phase: &str) -> Result<()> {
        self.phase_within(phase, PAGE).await
    }

    pub(crate) async fn phase_within(&self, phase: &str, limit: Duration) -> Result<()> {
        let condition = format!("document.querySelector('[data-phase={phase}]')");
        let found = self.tab.until_within(limit, &format!("the phase “{phase}”"), &condition).await;
        match found {
            Ok(()) => Ok(()),
            Err(error) => {
                let now = self.now().await.unwrap_or_default();
                Err(error.context(format!("the phase is “{now}”")))
            }
        }
    }

    /// The phase just now.
    pub(crate) async fn now(&self) -> Result<String> {
        self.tab.js("return document.querySelector('[data-phase]')?.dataset.phase ?? 'none';", &[]).await
    }

    /// Opens chat and files, if they are not.
    pub(crate) async fn open_panel(&self) -> Result<()> {
        if !self.tab.sees(names::CHAT_INPUT).await? {
            self.tab.click(names::PANEL).await?;
        }
        self.tab.seen(names::CHAT_INPUT).await.map(drop)
    }

    /// Closes chat and files, if they are open.
    pub(crate) async fn close_panel(&self) -> Result<()> {
        if self.tab.sees(names::CHAT_INPUT).await? {
            self.tab.click(names::PANEL).await?;
        }
        self.tab.unseen(names::CHAT_INPUT).await
    }

    /// Ends the session, as the technician.
    pub(crate) async fn end(&self) -> Result<()> {
        self.tab.click(names::END).await?;
        self.tab.click(names::END_CONFIRM).await
    }
}
