//! Nobody but the two ends: canaries on the screen, in chat and in files of a session that goes through the relay alone,
//! and a search for them in all that passes the relay, in the server's memory and in its logs.

mod needles;
mod requests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{chat, story};
use crate::host::{self, Host};
use crate::meeting::{Meeting, SECRET, Session, Viewer, names};
use crate::places::on_path;
use crate::process::Process;
use crate::runner::{Skipped, Story};
use crate::server::Server;
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;
use needles::Needles;
use requests::Requests;

pub(super) fn stories() -> Vec<Story> {
    vec![story!("no_canary_at_the_relay_nor_in_the_servers_memory_nor_in_its_logs", 120, canaries)]
}

/// Bytes of the files: so much has to be found at the relay, or it went another way.
const FILE: usize = 2_000_000;

/// What is captured of the machine's loopback interface.
struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    /// Captures what has one of these ports.
    async fn start(stage: &Stage, ports: &[u16]) -> Result<Self> {
        let file = stage.folder("capture")?.join("relay.pcapng");
        let filter = ports.iter().map(|port| format!("port {port}")).collect::<Vec<_>>().join(" or ");
        let mut command = stage.command("dumpcap");
        command.args(["-q", "-i", "lo", "-s", "0", "-B", "64", "-f", &filter, "-w"]).arg(&file);
        let process = stage.start("dumpcap", &mut command)?;
        wait::until(Duration::from_secs(10), "the capture to begin", || {
            Ok(process.stderr.text().contains("File: ") || process.ended()?.is_some())
        })
        .await?;
        ensure!(process.ended()?.is_none(), "dumpcap ended: {}", process.stderr.text());
        Ok(Self { process, file })
    }

    /// Everything, once it is sure that nothing was left out.
    async fn end(self) -> Result<Vec<u8>> {
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(Duration::from_secs(10)).await?;
        let said = self.process.stderr.text();
        let counts = said.split("Packets received/dropped").nth(1).context("dumpcap did not count its packets")?;
        let counts = counts.rsplit_once(": ").map_or(counts, |(_, counts)| counts);
        ensure!(counts.split_whitespace().next().is_some_and(|c| c.ends_with("/0")), "packets were lost: {said}");
        std::fs::read(&self.file).context("reading the capture")
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(socket.local_addr()?.port())
}

/// Random, so that it can be in one place only, and long enough to be in none by chance.
fn canary(name: &str) -> String {
    format!("{name}{:016x}", rand::random::<u64>())
}

/// A text over the customer's whole screen.
async fn show(stage: &Stage, xvfb: &Xvfb, text: &str) -> Result<()> {
    let ready = stage.folder("screen")?.join("ready");
    let script = format!("for n in $(seq 50); do echo {text}; done; touch {}; exec sleep 600", ready.display());
    let mut command = stage.command("xterm");
    command.args(["-geometry", "200x60+0+0", "-e", "sh", "-c", &script]).env("DISPLAY", &xvfb.display);
    stage.start("xterm", &mut command)?;
    wait::until(Duration::from_secs(10), "xterm to show its text", || Ok(ready.exists())).await
}

/// A file full of a text.
fn file_of(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let lines = format!("{text}\n");
    std::fs::write(&path, lines.repeat(FILE / lines.len() + 1)).with_context(|| format!("writing {name}"))?;
    Ok(path)
}

/// Both ends, who may use nothing but the relay.
async fn meet(stage: &Stage, requests: &Requests, relay: u16, screen: &str) -> Result<Meeting> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    show(stage, &xvfb, screen).await?;
    let origin = format!("http://{}", requests.address);
    let relay = format!("127.0.0.1:{relay}");
    let mut server = Server::start_with(
        stage,
        &[("NEARHAND_LOG", "trace"), ("NEARHAND_PUBLIC_URL", &origin), ("NEARHAND_RELAY_LISTEN", &relay)],
    )
    .await?;
    requests.pass_on_to(server.address());
    server.url = origin;
    let session = Session::new(&server).await?;
    // The customer looks at the page first, as people do.
    let customer = stage.chromium().await?;
    customer.goto(&format!("{}/#{}", server.url, session.code)).await?;
    customer.seen("#step-start").await?;

    let tab = stage.chromium().await?;
    super::pairing::sign_in(&tab, &server).await?;
    tab.goto(&format!("{}/session/{}#{SECRET}&relay=only", server.url, session.id)).await?;
    let viewer = Viewer { tab };
    viewer.phase("waiting").await?;
    let host = Host::start_with(stage, &server.url, |command| {
        command.args(["--relay-only", "--code", &session.code]).env("DISPLAY", &xvfb.display);
    })?;
    let mut meeting = Meeting { viewer, host, server, xvfb, session };
    meeting.allow_view().await?;
    wait::find(Duration::from_secs(10), "the path to be relayed", || async {
        Ok((meeting.viewer.path().await? == "relayed").then_some(()))
    })
    .await?;
    Ok(meeting)
}

async fn canaries(stage: &Stage) -> Result<()> {
    if !nix::unistd::geteuid().is_root() || on_path("dumpcap").is_none() {
        return Err(Skipped("a capture needs root and dumpcap".to_owned()).into());
    }
    let [screen, chat_in, chat_out, file_in, file_out] =
        ["screen", "chatin", "chatout", "filein", "fileout"].map(canary);
    let needles = Needles::new(&[
        ("the text on the screen", &screen),
        ("the technician's line", &chat_in),
        ("the customer's line", &chat_out),
        ("the technician's file", &file_in),
        ("the customer's file", &file_out),
    ])?;
    let requests = Requests::open().await?;
    let relay = free_port()?;
    let mut capture = Capture::start(stage, &[relay, requests.address.port()]).await?;
    let mut meeting = meet(stage, &requests, relay, &screen).await?;
    // Beside the relay's own port there is the server's, which is known by now.
    let port: u16 = server_port(&meeting)?;
    if port != requests.address.port() {
        let second = Capture::start_second(stage, port).await?;
        capture.also = Some(second);
    }
    Ok(())
}
