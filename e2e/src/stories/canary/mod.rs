//! Nobody but the two ends: canaries on the screen, in chat and in files of a session that goes through the relay alone,
//! and a search for them in all that passes the relay, in the server's memory and in its logs.

mod needles;
mod requests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt as _;

use super::{chat, story};
use crate::host::{self, Host};
use crate::meeting::{Meeting, SECRET, Session, Viewer, names};
use crate::places::on_path;
use crate::process::Process;
use crate::runner::{Skipped, Story};
use crate::server::{Server, Setting};
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
        let counts =
            said.split("Packets received/dropped").nth(1).context("dumpcap did not count its packets")?;
        let counts = counts.rsplit_once(": ").map_or(counts, |(_, counts)| counts);
        ensure!(
            counts.split_whitespace().next().is_some_and(|c| c.ends_with("/0")),
            "packets were lost: {said}"
        );
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
    let script =
        format!("for n in $(seq 50); do echo {text}; done; touch {}; exec sleep 600", ready.display());
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
async fn meet(stage: &Stage, requests: &Requests, ports: [u16; 2], screen: &str) -> Result<Meeting> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    show(stage, &xvfb, screen).await?;
    let origin = format!("http://{}", requests.address);
    let [listen, relay] = ports.map(|port| format!("127.0.0.1:{port}"));
    requests.pass_on_to(&listen);
    let variables =
        [("NEARHAND_LOG", "trace"), ("NEARHAND_PUBLIC_URL", &origin), ("NEARHAND_RELAY_LISTEN", &relay)];
    let setting = Setting {
        listen: Some(listen),
        url: Some(origin.clone()),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..Setting::default()
    };
    let server = Server::start_in(stage, setting).await?;
    let session = Session::new(&server).await?;
    // The customer looks at the page first, as people do.
    let customer = stage.chromium().await?;
    customer.goto(&format!("{}/#{}", server.url, session.code)).await?;
    customer.seen("#step-start").await?;

    let viewer = Viewer::open_relayed(stage.chromium().await?, &server, &session).await?;
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
    let ports = [free_port()?, free_port()?];
    let capture = Capture::start(stage, &ports).await?;
    let mut meeting = meet(stage, &requests, ports, &screen).await?;
    talk(&mut meeting, &chat_in, &chat_out).await?;
    send_files(stage, &mut meeting, &file_in, &file_out).await?;

    // The counter-check of each search: what everybody may know is found.
    let known = Needles::new(&[("the session", &meeting.session.id)])?;
    let pid = meeting.server.pid();
    let (found, searched) = needles.found_in_memory(pid)?;
    ensure!(found.is_empty(), "the server's memory holds {found:?}");
    let (found, _) = known.found_in_memory(pid)?;
    ensure!(!found.is_empty(), "not even the session was found in {searched} bytes of the server's memory");
    meeting.host.types("/end")?;
    meeting.viewer.phase("ended").await?;
    let (found, _) = needles.found_in_memory(pid)?;
    ensure!(found.is_empty(), "after the session the server's memory holds {found:?}");

    let captured = capture.end().await?;
    ensure!(captured.len() > 2 * FILE, "only {} bytes went through the relay", captured.len());
    let found = needles.found_in(&captured);
    ensure!(found.is_empty(), "the capture holds {found:?}");
    ensure!(!known.found_in(&captured).is_empty(), "not even the session was found in the capture");

    // It is asked for the level `trace`; this is something that it has to say below `info`.
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", ports[0])).await?;
    stream.write_all(b"nonsense\r\n\r\n").await?;
    wait::until(Duration::from_secs(5), "the server to log everything", || {
        Ok(meeting.server.log().contains("DEBUG"))
    })
    .await?;
    let log = meeting.server.log();
    let found = needles.found_in(log.as_bytes());
    ensure!(found.is_empty(), "the log holds {found:?}");
    ensure!(!known.found_in(log.as_bytes()).is_empty(), "not even the session was found in the log");

    no_secret(&requests.all(), &meeting.session.code)?;
    println!(
        "        {} bytes captured, {searched} bytes of memory, {} bytes of log, {} requests and messages",
        captured.len(),
        log.len(),
        requests.all().len()
    );
    Ok(())
}

async fn talk(meeting: &mut Meeting, technicians: &str, customers: &str) -> Result<()> {
    chat::write(meeting, technicians).await?;
    meeting.host.says(technicians).await?;
    meeting.host.types(customers)?;
    meeting.viewer.tab.reads(names::CHAT_LINES, customers).await
}

/// One each way, with the canary as its name too.
async fn send_files(stage: &Stage, meeting: &mut Meeting, technicians: &str, customers: &str) -> Result<()> {
    let folder = stage.folder("sent")?;
    let sent = file_of(&folder, &format!("{technicians}.txt"), technicians)?;
    super::files::send(meeting, &sent).await?;
    meeting.host.asked(host::FILES_IN, true).await?;
    super::files::arrives(&meeting.host.downloads.join(format!("{technicians}.txt")), &sent).await?;
    let sent = file_of(&folder, &format!("{customers}.txt"), customers)?;
    meeting.host.types(&format!("/send {}", sent.display()))?;
    meeting.host.asked(host::FILES_OUT, true).await?;
    let tab = &meeting.viewer.tab;
    tab.reads(names::TRANSFERS, customers).await?;
    tab.click(names::SAVE).await?;
    super::files::arrives(&tab.downloads.join(format!("{customers}.txt")), &sent).await
}

/// Neither the last three digits as a word of their own nor the whole code are in any request.
fn no_secret(requests: &[String], code: &str) -> Result<()> {
    let nameplate = code.strip_suffix(SECRET).context("a code without the secret")?;
    for path in ["GET / ", "GET /ws/host ", "GET /ws/viewer ", "POST /sign-in "] {
        ensure!(requests.iter().any(|request| request.starts_with(path)), "no request {path} was kept");
    }
    ensure!(requests.iter().any(|request| request.contains(nameplate)), "not even the nameplate was found");
    for request in requests {
        let mut words = request.split(|c: char| !c.is_ascii_alphanumeric());
        if request.contains(code) || words.any(|word| word == SECRET) {
            let line = request.lines().next().unwrap_or_default();
            anyhow::bail!("the secret part of the code is in a request: {line}");
        }
    }
    Ok(())
}
