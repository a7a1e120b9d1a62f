//! A technician's browser and a customer's program in the lab, who meet again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::browser::{PAGE, Tab};
use crate::host::Host;
use crate::lab::{Lab, Plan};
use crate::meeting::{Session, Viewer, note_first_frame, wall_clock_ms};
use crate::server::Server;
use crate::stage::Stage;
use crate::wait;
use crate::x::scenes::Clock;
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

/// How long a path that is not the expected one may be taken at the beginning.
const SETTLE: Duration = Duration::from_secs(5);

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Direct,
    Relayed,
}

impl Path {
    /// As the tab calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed",
        }
    }
}

/// What both ends and the server need.
pub(crate) struct Ends {
    pub(crate) lab: Arc<Lab>,
    pub(crate) server: Server,
    pub(crate) xvfb: Xvfb,
    /// Always moving, so that a picture that stops is seen.
    _clock: Window,
    tab: Option<Tab>,
    signed_in: bool,
    /// Words for the browser's command line.
    browser: Vec<String>,
    /// Variables for the customer's program.
    host: Vec<(&'static str, String)>,
}

/// A session that both ends are in.
pub(crate) struct Met {
    pub(crate) viewer: Viewer,
    pub(crate) host: Host,
    /// From the start of the customer's program to the first frame that the technician sees.
    pub(crate) seconds: f64,
}

impl Ends {
    /// Builds the lab and starts the server in it.
    pub(crate) async fn new(stage: &Stage, customer: Plan, technician: Plan) -> Result<Self> {
        let lab = Lab::build(stage, customer, technician).await?;
        let server = lab.start_server(stage, &[]).await?;
        let xvfb = Xvfb::start(stage, 1280, 800).await?;
        let clock = Window::open(&xvfb.display, Clock::default())?;
        let (tab, browser, host) = (None, Vec::new(), Vec::new());
        Ok(Self { lab, server, xvfb, _clock: clock, tab, signed_in: false, browser, host })
    }

    /// From now on the technician's browser is told to go through this proxy, or through none.
    pub(crate) fn set_browsers_proxy(&mut self, stage: &Stage, proxy: Option<(&str, SocketAddr)>) {
        let browser: Vec<String> = proxy
            .into_iter()
            .map(|(scheme, address)| format!("--proxy-server={scheme}://{address}"))
            .collect();
        if browser == self.browser {
            return;
        }
        self.browser = browser;
        self.signed_in = false;
        if let Some(tab) = self.tab.take() {
            stage.kill_browser(&tab);
        }
    }

    /// From now on the customer's environment names this proxy, or none.
    pub(crate) fn set_hosts_proxy(&mut self, proxy: Option<(&str, SocketAddr)>) {
        let variable = |(scheme, address)| [("ALL_PROXY", format!("{scheme}://{address}"))];
        self.host = proxy.into_iter().flat_map(variable).collect();
    }

    /// A new session, until its first frame is seen.
    pub(crate) async fn meet(&mut self, stage: &Stage) -> Result<Met> {
        let tab = if let Some(tab) = &self.tab {
            tab.clone()
        } else {
            let tab = self.lab.browser(stage, &self.browser).await?;
            note_first_frame(&tab).await?;
            self.tab = Some(tab.clone());
            tab
        };
        let session = Session::new(&self.server).await?;
        let viewer = if self.signed_in {
            Viewer::open_next(tab, &self.server, &session).await?
        } else {
            Viewer::open(tab, &self.server, &session).await?
        };
        viewer.phase("waiting").await?;
        self.signed_in = true;
        let begin = wall_clock_ms();
        let host = self.lab.host(stage, &self.xvfb.display, &session.code, |command| {
            command.envs(self.host.iter().cloned());
        })?;
        let first = viewer.first_frame().await.with_context(|| {
            format!(
                "the customer's program said: {}{}",
                host.said(),
                crate::process::tail(&host.complaint(), 12)
            )
        })?;
        Ok(Met { viewer, host, seconds: (first - begin) / 1000.0 })
    }
}

impl Met {
    /// Waits until packets travel in this way.
    pub(crate) async fn travels(&self, path: Path) -> Result<()> {
        self.travels_within(path, SETTLE).await
    }

    pub(crate) async fn travels_within(&self, path: Path, limit: Duration) -> Result<()> {
        let found = wait::find(limit, &format!("the path to be {}", path.name()), || async {
            Ok((self.viewer.path().await? == path.name()).then_some(()))
        })
        .await;
        match found {
            Ok(()) => Ok(()),
            Err(error) => {
                let now = self.viewer.path().await.unwrap_or_default();
                let tried = self.pairs().await.unwrap_or_default();
                Err(error.context(format!("the path is “{now}”; pairs of candidates:\n{tried}")))
            }
        }
    }

    /// The candidate pairs of the newest connection, as `chrome://webrtc-internals` shows them.
    pub(crate) async fn pairs(&self) -> Result<String> {
        let body = "const done = arguments[0];
            const peer = window.nearhandPeers.filter(p => p.connectionState !== 'closed').at(-1);
            if (!peer) { done('no connection'); return; }
            peer.getStats().then(stats => {
                const end = id => { const c = stats.get(id); return c ? `${c.candidateType} ${c.address ?? '…'}:${c.port} ${c.relayProtocol ?? c.protocol}` : '?'; };
                const lines = [], chosen = new Set();
                for (const s of stats.values()) if (s.type === 'transport') chosen.add(s.selectedCandidatePairId);
                for (const s of stats.values()) {
                    if (s.type === 'candidate-pair') lines.push(`${chosen.has(s.id) ? '* ' : ''}${s.state}${s.nominated ? ' nominated' : ''} ${s.priority} ${s.responsesReceived}/${s.requestsSent} in ${s.bytesReceived}: ${end(s.localCandidateId)} – ${end(s.remoteCandidateId)}`);
                }
                done(lines.sort().join('\\n') || 'no pairs');
            });";
        self.viewer.tab.js_async(body, &[]).await
    }

    /// From now on the tab keeps account of its frames.
    pub(crate) async fn watch_frames(&self) -> Result<()> {
        // The first ones are slow to come: they are not what is looked for.
        self.viewer.until(PAGE, "a picture that moves", "paintedOf() > 20").await?;
        let body = "const account = window.nearhandFrames = { last: performance.now(), worst: 0, count: 0, shown: null };
            const copy = document.createElement('canvas');
            [copy.width, copy.height] = [1024, 1];
            const context = copy.getContext('2d', { willReadFrequently: true });
            everyFrame(() => {
                // What is shown once more is no news: the clock of the scene tells.
                context.drawImage(screen, 0, 16, 1024, 1, 0, 0, 1024, 1);
                const shown = context.getImageData(0, 0, 1024, 1).data.filter((_, at) => at % 128 === 65).map((value) => value >> 7).join('');
                if (shown === account.shown) return;
                const now = performance.now();
                account.shown = shown;
                account.worst = Math.max(account.worst, now - account.last);
                account.last = now;
                account.count += 1;
            });
            return true;";
        self.viewer.ask::<Value>(body, &[]).await.map(drop)
    }

    /// The longest time without a frame since the account was last asked for or begun, up to now.
    pub(crate) async fn longest_stop(&self) -> Result<Duration> {
        let body = "const account = window.nearhandFrames;
            const worst = Math.max(account.worst, performance.now() - account.last);
            account.worst = 0;
            return worst;";
        let milliseconds: f64 = self.viewer.tab.js(body, &[]).await?;
        Ok(Duration::from_secs_f64(milliseconds / 1000.0))
    }

    /// Whether frames come just now.
    async fn moves(&self) -> Result<bool> {
        let count = "return window.nearhandFrames.count;";
        let before: u64 = self.viewer.tab.js(count, &[]).await?;
        tokio::time::sleep(Duration::from_millis(250)).await;
        let after: u64 = self.viewer.tab.js(count, &[]).await?;
        Ok(after >= before + 3)
    }

    /// Waits until frames have stopped and come again; how long there was none.
    pub(crate) async fn picture_gone_and_back(&self, limit: Duration) -> Result<Duration> {
        let gone =
            "performance.now() - window.nearhandFrames.last > 300 || window.nearhandFrames.worst > 300";
        self.viewer.tab.until_within(limit, "the picture to stop", gone).await?;
        self.picture_back(limit).await
    }

    /// Waits until frames come again; the longest time without one since the account was last asked for.
    pub(crate) async fn picture_back(&self, limit: Duration) -> Result<Duration> {
        wait::find(limit, "the picture to come back", || async { Ok(self.moves().await?.then_some(())) })
            .await?;
        self.longest_stop().await
    }
}
