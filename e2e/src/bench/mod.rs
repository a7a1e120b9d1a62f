//! The measurements of the main job, on one machine, in one run: real Chromium, real server, real host, 1920×1080.
//!
//! How each figure comes about is said where it is measured. CPU time is the operating system's count for the process;
//! bytes are those of the tab's own transport statistics. What is shown when comes from `page.js`: the time at which the
//! browser handed the frame to its compositor (`presentationTime` of `requestVideoFrameCallback`), the picture's content
//! read from that very frame.

mod moving;
mod relayed;
mod report;
mod sizes;
mod still;
mod times;
mod turn;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::host::Host;
use crate::meeting::{Session, Viewer, names};
use crate::places::Places;
use crate::runner::{interrupted, name_of_run, nothing_left};
use crate::server::Server;
use crate::stage::Stage;
use crate::x::xvfb::Xvfb;
use report::Report;

/// Measures one row.
type Measure = for<'a> fn(&'a Stage, &'a mut Report) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// The rows that exist so far, by the names in the table of goals.
pub(crate) fn rows() -> Vec<(&'static str, Measure)> {
    vec![
        ("click_to_photon", |stage, report| Box::pin(times::click_to_photon(stage, report))),
        ("screen_to_screen", |stage, report| Box::pin(moving::screen_to_screen(stage, report))),
        ("motion", |stage, report| Box::pin(moving::motion(stage, report))),
        ("scroll", |stage, report| Box::pin(moving::scroll(stage, report))),
        ("drag", |stage, report| Box::pin(moving::drag(stage, report))),
        ("typing", |stage, report| Box::pin(moving::typing(stage, report))),
        ("idle", |stage, report| Box::pin(still::idle(stage, report))),
        ("still", |stage, report| Box::pin(still::still(stage, report))),
        ("connect", |stage, report| Box::pin(times::connect(stage, report))),
        ("connect_far", |stage, report| Box::pin(relayed::connect(stage, report))),
        ("reconnect", |stage, report| Box::pin(times::reconnect(stage, report))),
        ("encode", |stage, report| Box::pin(times::encode(stage, report))),
        ("file", |stage, report| Box::pin(times::file(stage, report))),
        ("file_relayed", |stage, report| Box::pin(relayed::file(stage, report))),
        ("relay", |stage, report| Box::pin(relayed::relay(stage, report))),
        ("host", |stage, report| Box::pin(sizes::host(stage, report))),
        ("viewer", |stage, report| Box::pin(sizes::viewer(stage, report))),
        ("server", |stage, report| Box::pin(sizes::server(stage, report))),
    ]
}

/// Longest time for one row.
const LIMIT: Duration = Duration::from_mins(5);

/// Measures all rows, or those whose name contains `only`; a row that can't be measured is said and left out.
pub async fn run(json: Option<&Path>, only: Option<&str>) -> Result<bool> {
    let places = Places::find()?;
    let run = name_of_run();
    let folder =
        tempfile::Builder::new().prefix("nearhand-e2e-").tempdir().context("making a temporary folder")?;
    let mut report = Report::new();
    let chosen: Vec<_> =
        rows().into_iter().filter(|(id, _)| only.is_none_or(|text| id.contains(text))).collect();
    if chosen.is_empty() {
        bail!("no row is called so; `nearhand-e2e list` names them");
    }
    for (id, measure) in chosen {
        let stage = Stage::new(id, &run, &places, folder.path())?;
        let measured = tokio::select! {
            measured = tokio::time::timeout(LIMIT, measure(&stage, &mut report)) => measured,
            _ = interrupted() => {
                drop(stage);
                nothing_left(&run, folder.path())?;
                bail!("interrupted");
            }
        };
        let failed = match measured {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("not over within {LIMIT:?}")),
        };
        if let Some(reason) = failed {
            stage.keep_evidence(&reason).await;
            report.leave_out(id, &reason);
        }
    }
    report.print();
    if let Some(file) = json {
        report.write(file)?;
    }
    nothing_left(&run, folder.path())?;
    Ok(true)
}

/// A session that is watched while it is measured: a headless host, so that no person's answer is part of a figure.
pub(crate) struct Bench {
    pub(crate) viewer: Viewer,
    pub(crate) host: Host,
    pub(crate) xvfb: Xvfb,
}

/// What `page.js` collected.
#[derive(Deserialize)]
pub(crate) struct Collected {
    /// In ms, one for each time code that was shown.
    pub(crate) ages: Vec<f64>,
    pub(crate) unreadable: usize,
    pub(crate) seconds: f64,
}

/// Bytes and frames received since the session began.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Received {
    pub(crate) all: f64,
    pub(crate) video: f64,
    pub(crate) frames: f64,
}

impl Bench {
    pub(crate) async fn start(stage: &Stage) -> Result<Self> {
        let xvfb = Xvfb::start(stage, 1920, 1080).await?;
        let server = Server::start(stage).await?;
        let session = Session::new(&server).await?;
        let tab = stage.chromium().await?;
        // The picture must not be scaled by the tab: that is the browser's work, and another figure.
        tab.set_size(1920, 1200).await?;
        let viewer = Viewer::open(tab, &server, &session).await?;
        viewer.phase("waiting").await?;
        let grant = "view,control,files-in,files-out";
        let host = Host::headless(stage, &server.url, &xvfb.display, &session.code, grant)?;
        viewer.phase("viewing").await?;
        viewer.tab.click(names::CONTROL).await?;
        viewer.phase("controlling").await?;
        viewer.picture_there().await?;
        let bench = Self { viewer, host, xvfb };
        bench.viewer.ask::<Value>(include_str!("page.js"), &[]).await?;
        Ok(bench)
    }

    pub(crate) async fn received(&self) -> Result<Received> {
        let body = "const done = arguments[0]; window.nearhandBench.received().then(done);";
        self.viewer.tab.js_async(body, &[]).await
    }

    /// Collects the ages of time codes for a while.
    pub(crate) async fn collect(&self, time: Duration) -> Result<Collected> {
        self.viewer.tab.js::<Value>("window.nearhandBench.begin(); return true;", &[]).await?;
        tokio::time::sleep(time).await;
        self.viewer.tab.js("return window.nearhandBench.end();", &[]).await
    }
}

/// The size of a file that a program is installed as.
pub(crate) fn file_size(path: &PathBuf) -> Result<f64> {
    Ok(std::fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?.len() as f64)
}
