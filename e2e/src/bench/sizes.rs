//! How large things are, on disk, on the line and in memory.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::report::Goal::AtMost;
use super::report::{Report, percentile};
use super::{Bench, file_size};
use crate::host::Host;
use crate::meeting::{Session, Viewer};
use crate::process::memory_kb;
use crate::server::Server;
use crate::stage::Stage;
use crate::x::xvfb::Xvfb;

/// Memory settles after a connection was made.
const SETTLE: Duration = Duration::from_secs(3);

/// The customer's program as it was built for this run (what is shipped is built smaller), its memory in a session with
/// a still screen, and from its start until it says where it is connected.
pub(super) async fn host(stage: &Stage, report: &mut Report) -> Result<()> {
    let size = file_size(&stage.places.host)?;
    report.add("host", "program", size / 1e6, "MB", 1, Some(AtMost(6.0)));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&std::fs::read(&stage.places.host)?)?;
    report.add("host", "compressed", packer.finish()?.len() as f64 / 1e6, "MB", 1, Some(AtMost(3.0)));
    let bench = Bench::start(stage).await?;
    tokio::time::sleep(SETTLE).await;
    report.add(
        "host",
        "memory_connected",
        memory_kb(bench.host.pid())? as f64 / 1000.0,
        "MB",
        1,
        Some(AtMost(60.0)),
    );
    stage.clear();

    let xvfb = Xvfb::start(stage, 1920, 1080).await?;
    let server = Server::start(stage).await?;
    let mut took = Vec::new();
    for _ in 0..7 {
        let session = Session::new(&server).await?;
        let begin = Instant::now();
        let mut host = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
        host.says("connected to").await?;
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
        host.kill();
    }
    let runs = took.len();
    report.add("host", "start_p50", percentile(&mut took, 0.5), "ms", runs, Some(AtMost(300.0)));
    Ok(())
}

/// Bytes that a fresh browser transfers for the session's page and everything that it loads, headers included.
pub(super) async fn viewer(stage: &Stage, report: &mut Report) -> Result<()> {
    let server = Server::start(stage).await?;
    let tab = stage.chromium().await?;
    let (viewer, _) = Viewer::waiting(tab.clone(), &server).await?;
    // Once more without what the sign-in page has left in the cache.
    tab.devtools("Network.clearBrowserCache", json!({})).await?;
    tab.devtools("Network.setCacheDisabled", json!({"cacheDisabled": true})).await?;
    tab.reload().await?;
    viewer.phase("waiting").await?;
    let sum =
        "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .reduce((sum, entry) => sum + entry.transferSize, 0);";
    let bytes: f64 = tab.js(sum, &[]).await?;
    report.add("viewer", "transferred", bytes / 1000.0, "kB", 1, Some(AtMost(250.0)));
    Ok(())
}

const WAITING: usize = 200;

/// The server as it was built for this run, its memory with nobody there, and what each waiting host adds to it.
pub(super) async fn server(stage: &Stage, report: &mut Report) -> Result<()> {
    report.add("server", "program", file_size(&stage.places.server)? / 1e6, "MB", 1, Some(AtMost(25.0)));
    let server = Server::start(stage).await?;
    tokio::time::sleep(SETTLE).await;
    let idle = memory_kb(server.pid())?;
    report.add("server", "memory_idle", idle as f64 / 1000.0, "MB", 1, Some(AtMost(25.0)));
    let mut waiting = Vec::with_capacity(WAITING);
    let begin = Instant::now();
    for _ in 0..WAITING {
        let session = Session::new(&server).await?;
        let (mut socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{}/ws/host", server.address())).await?;
        let hello = json!({"type": "hello", "version": 1, "capabilities": 0,
            "entry": {"by": "nameplate", "nameplate": &session.code[..6]}, "info": {"system": "Linux", "machine": "bench"}});
        socket.send(Message::text(hello.to_string())).await?;
        let answer = socket.next().await.context("no answer")??;
        anyhow::ensure!(answer.to_text()?.contains("welcome"), "a host was answered with {answer}");
        waiting.push(socket);
    }
    let seconds = begin.elapsed().as_secs_f64();
    tokio::time::sleep(SETTLE).await;
    let each = memory_kb(server.pid())?.saturating_sub(idle) as f64 / WAITING as f64;
    report.add("server", "memory_per_waiting_host", each, "kB", WAITING, Some(AtMost(10.0)));
    report.add("server", "entries_one_by_one", WAITING as f64 / seconds, "/s", WAITING, None);
    Ok(())
}
