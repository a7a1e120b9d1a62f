//! The measurements, on one machine, in one run: real Chromium, real server, real host, 1920×1080.
//!
//! How each figure comes about is said where it is measured. CPU time is the operating system's count for the process;
//! bytes are those of the tab's own transport statistics. What is shown when comes from `page.js`, the picture's content
//! read from that very frame: the clock in the first animation frame whose canvas holds it, which is when the browser takes
//! the canvas to its compositor.

mod bad_line;
mod far;
mod long;
mod moving;
mod plot;
mod relayed;
mod report;
mod sizes;
mod still;
mod times;
mod trace;
mod turn;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::host::Host;
use crate::lab::{Conditions, Lab, Plan};
use crate::meeting::{Session, Viewer, names};
use crate::places::Places;
use crate::runner::{interrupted, name_of_run, nothing_left};
use crate::server::Server;
use crate::stage::Stage;
use crate::x::canvas::area;
use crate::x::scenes::Button;
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;
use report::Report;
pub(crate) use report::percentile;

/// Measures one row.
type Measure = for<'a> fn(&'a Stage, &'a mut Report) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// What is measured, and how often.
#[derive(Args)]
pub struct Options {
    /// Writes the figures to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only rows whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Measures every row so many times, one round after the other, and tells the medians with their spread.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=50))]
    runs: u8,
    /// Follows single frames and tiles from the damage to the screen, and prints how long each stage took.
    #[arg(long, conflicts_with_all = ["only", "lines", "long"])]
    trace: bool,
    /// Only the bad lines: a table of how the picture stops and recovers, and a drawing of each.
    #[arg(long, conflicts_with_all = ["only", "long"])]
    lines: bool,
    /// Mixed use for so many minutes: whether memory stays flat and latency stays what it was.
    #[arg(long, value_name = "MINUTES", conflicts_with = "only")]
    long: Option<u32>,
}

/// The rows, by the names in the table of goals.
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
        ("slow_line", |stage, report| Box::pin(far::slow_line(stage, report))),
        ("bad_line", |stage, report| Box::pin(bad_line::row(stage, report))),
        ("connect", |stage, report| Box::pin(times::connect(stage, report))),
        ("connect_far", |stage, report| Box::pin(relayed::connect(stage, report))),
        ("reconnect", |stage, report| Box::pin(times::reconnect(stage, report))),
        ("reconnect_lab", |stage, report| Box::pin(far::reconnect(stage, report))),
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
const LIMIT: Duration = Duration::from_mins(10);

/// Measures what the options say; a row that can't be measured is said and left out.
pub async fn run(options: &Options) -> Result<bool> {
    let places = Places::find()?;
    let run = name_of_run();
    let folder =
        tempfile::Builder::new().prefix("nearhand-e2e-").tempdir().context("making a temporary folder")?;
    if let Some(minutes) = options.long {
        let limit = Duration::from_mins(u64::from(minutes) + 5);
        let stage = Stage::new("long", &run, &places, folder.path())?;
        watched(&stage, limit, long::run(&stage, Duration::from_mins(minutes.into()))).await?;
        drop(stage);
        nothing_left(&run, folder.path())?;
        return Ok(true);
    }
    if options.trace {
        let stage = Stage::new("trace", &run, &places, folder.path())?;
        watched(&stage, LIMIT, trace::run(&stage)).await?;
        drop(stage);
        nothing_left(&run, folder.path())?;
        return Ok(true);
    }
    let mut report = Report::new();
    let only = if options.lines { Some("bad_line") } else { options.only.as_deref() };
    let chosen = || rows().into_iter().filter(|(id, _)| only.is_none_or(|text| id.contains(text)));
    if chosen().next().is_none() {
        bail!("no row is called so; `nearhand-e2e list` names them");
    }
    for round in 1..=options.runs {
        if options.runs > 1 {
            println!("round {round} of {}", options.runs);
        }
        for (id, measure) in chosen() {
            let stage = Stage::new(id, &run, &places, folder.path())?;
            match watched(&stage, LIMIT, measure(&stage, &mut report)).await {
                Ok(()) => {}
                Err(error) if error.is::<Interrupted>() => {
                    drop(stage);
                    nothing_left(&run, folder.path())?;
                    return Err(error);
                }
                Err(error) => report.leave_out(id, &format!("{error:#}")),
            }
        }
    }
    report.print();
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    nothing_left(&run, folder.path())?;
    Ok(true)
}

/// Somebody ended the run.
#[derive(Debug)]
struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Runs a measurement to its end, or to the limit; of a failed one the evidence is kept.
async fn watched(stage: &Stage, limit: Duration, measure: impl Future<Output = Result<()>>) -> Result<()> {
    let error = tokio::select! {
        measured = tokio::time::timeout(limit, measure) => match measured {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("not over within {limit:?}"),
        },
        _ = interrupted() => return Err(Interrupted.into()),
    };
    stage.keep_evidence(&format!("{error:#}")).await;
    Err(error)
}

/// What the host of a measurement may do: everything, so that no person's answer is part of a figure.
const RIGHTS: &str = "view,control,files-in,files-out";

/// A session that is watched while it is measured, with a headless host.
pub(crate) struct Bench {
    pub(crate) viewer: Viewer,
    pub(crate) host: Host,
    pub(crate) xvfb: Xvfb,
    pub(crate) server: Server,
    /// The network between the ends, where that is not the loopback interface.
    pub(crate) lab: Option<Arc<Lab>>,
}

/// Measures in the page; `screen.js` goes before it.
pub(crate) const PAGE: &str = include_str!("page.js");

/// What `page.js` collected.
#[derive(Deserialize)]
pub(crate) struct Collected {
    /// In ms, one for each time code that was shown.
    pub(crate) ages: Vec<f64>,
    /// When each of them was first shown, in ms since 1970.
    pub(crate) times: Vec<f64>,
    pub(crate) unreadable: usize,
    pub(crate) seconds: f64,
}

/// Bytes and frames received since the connection began.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Received {
    pub(crate) all: f64,
    /// Video, and the channels that carry pixels.
    pub(crate) picture: f64,
    /// Frames of video that were painted.
    pub(crate) frames: f64,
    /// Updates with exact pixels that were painted.
    pub(crate) updates: f64,
}

impl Bench {
    pub(crate) async fn start(stage: &Stage) -> Result<Self> {
        Self::start_logging(stage, "info").await
    }

    /// As [`Self::start`], with a host that logs this.
    pub(crate) async fn start_logging(stage: &Stage, log: &str) -> Result<Self> {
        let xvfb = Xvfb::start(stage, 1920, 1080).await?;
        let server = Server::start(stage).await?;
        let session = Session::new(&server).await?;
        let viewer = Self::viewer(stage.chromium().await?, &server, &session).await?;
        let host = Host::start_with(stage, &server.url, |command| {
            command.args(["--code", &session.code, "--ui", "headless", "--grant", RIGHTS]);
            command.args(["--display", &xvfb.display]).env("NEARHAND_LOG", log);
        })?;
        Self { viewer, host, xvfb, server, lab: None }.ready().await
    }

    /// In the network lab, with the customer behind one line and the technician behind another.
    pub(crate) async fn start_in_lab(
        stage: &Stage,
        customer: Option<Conditions>,
        technician: Option<Conditions>,
    ) -> Result<Self> {
        let plan = |line| Plan { line, ..Plan::V4 };
        let lab = Lab::build(stage, plan(customer), plan(technician)).await?;
        let xvfb = Xvfb::start(stage, 1920, 1080).await?;
        let server = lab.start_server(stage, &[]).await?;
        let session = Session::new(&server).await?;
        let viewer = Self::viewer(lab.browser(stage, &[]).await?, &server, &session).await?;
        let host = lab.host_granting(RIGHTS, stage, &xvfb.display, &session.code, |_| {})?;
        Self { viewer, host, xvfb, server, lab: Some(lab) }.ready().await
    }

    async fn viewer(tab: crate::browser::Tab, server: &Server, session: &Session) -> Result<Viewer> {
        // The picture must not be scaled by the tab: that is the browser's work, and another figure.
        tab.set_size(1920, 1200).await?;
        let viewer = Viewer::open(tab, server, session).await?;
        viewer.phase("waiting").await?;
        Ok(viewer)
    }

    async fn ready(self) -> Result<Self> {
        self.viewer.phase("viewing").await?;
        self.viewer.tab.click(names::CONTROL).await?;
        self.viewer.phase("controlling").await?;
        self.viewer.picture_there().await?;
        self.load_page().await?;
        Ok(self)
    }

    /// Gives the page its measuring script: once, and again after a reload.
    pub(crate) async fn load_page(&self) -> Result<()> {
        self.viewer.ask::<Value>(PAGE, &[]).await.map(drop)
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

    /// Presses a button of the customer's so many times, by [`Self::click`], which takes the times; between two clicks the tab
    /// rests a changing while. An error where more than a tenth of the clicks is not seen.
    pub(crate) async fn clicks(&self, times: usize) -> Result<Vec<f64>> {
        let button = Window::open(&self.xvfb.display, Button::new(area(860, 490, 200, 100)))?;
        self.viewer.mouse("mouseMoved", 960, 540, false).await?;
        let mut took = Vec::new();
        for click in 0..times {
            tokio::time::sleep(Duration::from_millis(120 + (click as u64 * 37) % 150)).await;
            took.extend(self.click(960, 540).await?);
        }
        let (seen, arrived) = (took.len(), button.presses());
        ensure!(seen > times * 9 / 10, "of {times} clicks {seen} were seen, {arrived} arrived");
        Ok(took)
    }

    /// The same clicks, answered by the tab itself: what is left is the wait for its frames.
    pub(crate) async fn clicks_answered_here(&self, times: usize) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        for click in 0..times {
            tokio::time::sleep(Duration::from_millis(120 + (click as u64 * 37) % 150)).await;
            took.extend(self.press(960, 540, true).await?);
        }
        Ok(took)
    }

    /// Presses the pointer on a pixel of the picture that changes its colour then: ms from the time stamp of the press in
    /// the tab (a trusted event, sent by the browser's own input) until the first frame in which the pixel has changed is
    /// presented. `None` where that took more than three seconds.
    async fn click(&self, x: u32, y: u32) -> Result<Option<f64>> {
        self.press(x, y, false).await
    }

    async fn press(&self, x: u32, y: u32, answered_here: bool) -> Result<Option<f64>> {
        let tab = &self.viewer.tab;
        let (left, top) = self.viewer.point(x, y).await?;
        let arm = "const done = arguments[3]; window.nearhandBench.press(arguments[0], arguments[1], arguments[2]); done(true);";
        tab.js_async::<bool>(arm, &[x.into(), y.into(), answered_here.into()]).await?;
        self.viewer.mouse_at("mousePressed", left, top, true).await?;
        self.viewer.mouse_at("mouseReleased", left, top, false).await?;
        tab.js_async("const done = arguments[0]; window.nearhandPress.then(done);", &[]).await
    }
}

/// The size of a file that a program is installed as.
pub(crate) fn file_size(path: &Path) -> Result<f64> {
    Ok(std::fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?.len() as f64)
}
