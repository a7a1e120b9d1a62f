//! What goes through a relay: connecting, a file, and how much of it a core carries, beside coturn.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::report::Goal::{AtLeast, AtMost};
use super::report::{Report, percentile};
use super::turn::{Turn, User};
use crate::host::Host;
use crate::lab::{Conditions, Firewall, Lab, Plan};
use crate::meeting::{Session, Viewer, names, note_first_frame, wall_clock_ms};
use crate::process::{Process, cpu_seconds};
use crate::server::Server;
use crate::stage::Stage;
use crate::stories::files::{hash, random_file};
use crate::wait;
use crate::x::scenes::Pattern;
use crate::x::window::Window;
use crate::x::xvfb::Xvfb;

const CONNECTIONS: usize = 7;

/// As `connect`, in the network lab: both ends behind NATs that let nothing out but TCP to port 443, so that packets go
/// through the server's relay over TLS; and both behind ordinary NATs with 100 ms from one end to the other and back, whatever
/// path the first frame takes.
pub(super) async fn connect(stage: &Stage, report: &mut Report) -> Result<()> {
    let far = Conditions { delay: Duration::from_millis(25), ..Conditions::PERFECT };
    for (name, line, firewall, path, goal) in [
        ("turn_tls_443", None, Firewall::Only443, "relayed", 1600.0),
        ("100_ms", Some(far), Firewall::Open, "any", 1200.0),
        ("100_ms_turn_tls_443", Some(far), Firewall::Only443, "relayed", 1600.0),
    ] {
        let plan = Plan { line, ..Plan::V4 };
        let lab = Lab::build(stage, plan, plan).await?;
        for side in [&lab.customer, &lab.technician] {
            side.router.set_firewall(firewall)?;
        }
        let server = lab.start_server(stage, &[]).await?;
        let xvfb = Xvfb::start(stage, 1280, 800).await?;
        let desktop = Window::open(&xvfb.display, Pattern)?;
        let tab = lab.browser(stage, &[]).await?;
        note_first_frame(&tab).await?;
        let mut took = Vec::new();
        for run in 0..CONNECTIONS {
            let session = Session::new(&server).await?;
            let viewer = if run == 0 {
                Viewer::open(tab.clone(), &server, &session).await?
            } else {
                Viewer::open_next(tab.clone(), &server, &session).await?
            };
            viewer.phase("waiting").await?;
            let begin = wall_clock_ms();
            let host = lab.host(stage, &xvfb.display, &session.code, |_| {})?;
            took.push(viewer.first_frame().await? - begin);
            wait::find(Duration::from_secs(6), &format!("the path to be {path}"), || async {
                let now = viewer.path().await?;
                Ok((now == path || (path == "any" && !now.is_empty())).then_some(()))
            })
            .await
            .with_context(|| name.to_owned())?;
            host.kill();
        }
        let runs = took.len();
        report.add(
            "connect",
            &format!("{name}_p50"),
            percentile(&mut took, 0.5),
            "ms",
            runs,
            Some(AtMost(goal)),
        );
        report.add("connect", &format!("{name}_p95"), percentile(&mut took, 0.95), "ms", runs, None);
        // The next lab has the same names.
        drop((desktop, server, tab, lab));
        stage.clear();
    }
    Ok(())
}

const FILE: usize = 50_000_000;
const FILE_LIMIT: Duration = Duration::from_secs(100);

/// 50 MB of random bytes to the customer, both ends on the loopback interface with relayed paths only, as `file` else.
pub(super) async fn file(stage: &Stage, report: &mut Report) -> Result<()> {
    let xvfb = Xvfb::start(stage, 1280, 800).await?;
    let server = Server::start_with(stage, &[("NEARHAND_RELAY_BANDWIDTH", "0")]).await?;
    let session = Session::new(&server).await?;
    let viewer = Viewer::open_relayed(stage.chromium().await?, &server, &session).await?;
    viewer.phase("waiting").await?;
    let host = Host::start_with(stage, &server.url, |command| {
        command.args([
            "--code",
            &session.code,
            "--ui",
            "headless",
            "--grant",
            "view,files-in",
            "--relay-only",
        ]);
        command.args(["--display", &xvfb.display]);
    })?;
    viewer.phase("viewing").await?;
    wait::find(Duration::from_secs(6), "the path to be relayed", || async {
        Ok((viewer.path().await? == "relayed").then_some(()))
    })
    .await?;
    let sent = random_file(&stage.folder("sent")?, "large.bin", FILE)?;
    viewer.open_panel().await?;
    let there = host.downloads.join("large.bin");
    let (begin, cpu) = (Instant::now(), cpu_seconds(server.pid())?);
    viewer.tab.choose_file(names::FILE_INPUT, &sent).await?;
    wait::until(FILE_LIMIT, "the file on the customer's side", || {
        Ok(std::fs::metadata(&there).is_ok_and(|data| data.len() == FILE as u64))
    })
    .await?;
    let (took, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds(server.pid())? - cpu);
    ensure!(hash(&there)? == hash(&sent)?, "another file arrived at the customer");
    let megabytes = FILE as f64 / 1e6;
    report.add("file", "relayed_to_customer", megabytes / took, "MB/s", 1, Some(AtLeast(25.0)));
    report.add("file", "relayed_per_server_core", megabytes / cpu.max(0.01), "MB/s", 1, None);
    Ok(())
}

/// How long each relay is loaded, and left alone before.
const LOAD: Duration = Duration::from_secs(5);
/// Pairs of peers at a time.
const PAIRS: usize = 4;
/// Bytes of one datagram: what WebRTC sends.
const DATAGRAM: usize = 1200;
const SECRET: &str = "the-secret-of-both-relays-for-the-measurements";

/// Megabytes a second that arrive at the peers, for each second of processor time that the relay took for them; four pairs
/// send datagrams of 1,200 bytes over UDP as fast as they can, first between two allocations, then from one to a plain
/// socket. Both relays get the same load from the same client, one after the other, on the loopback interface.
pub(super) async fn relay(stage: &Stage, report: &mut Report) -> Result<()> {
    let port = free_port()?;
    let address = format!("127.0.0.1:{port}");
    let server = Server::start_with(
        stage,
        &[
            ("NEARHAND_TURN_SECRET", SECRET),
            ("NEARHAND_RELAY_LISTEN", &address),
            ("NEARHAND_RELAY_BANDWIDTH", "0"),
            ("NEARHAND_RELAY_ALLOW", "127.0.0.0/8"),
            ("NEARHAND_LOG", "warn"),
        ],
    )
    .await?;
    let session = Session::new(&server).await?;
    let coturn_at: SocketAddr = format!("127.0.0.1:{}", free_port()?).parse()?;
    let coturn = start_coturn(stage, coturn_at).await?;
    for both in [true, false] {
        let shape = if both { "both_relayed" } else { "one_relayed" };
        let mut best_known = None;
        for (whose, pid, at) in [("_coturn", coturn.pid(), coturn_at), ("", server.pid(), address.parse()?)] {
            let id = session.id.clone();
            let load = tokio::task::spawn_blocking(move || load(pid, at, &id, both));
            let Load { megabytes, seconds, cpu } = load.await?.with_context(|| format!("{shape}{whose}"))?;
            ensure!(cpu > 0.1, "{shape}{whose}: the relay did nothing");
            let per_core = megabytes / cpu;
            report.add("relay", &format!("{shape}{whose}_per_core"), per_core, "MB/s", PAIRS, best_known);
            report.add("relay", &format!("{shape}{whose}"), megabytes / seconds, "MB/s", PAIRS, None);
            best_known = Some(AtLeast(per_core.round()));
        }
    }
    Ok(())
}

struct Load {
    megabytes: f64,
    seconds: f64,
    cpu: f64,
}

fn load(pid: u32, relay: SocketAddr, session: &str, both: bool) -> Result<Load> {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let mut sender = Turn::allocate(relay, User::new(SECRET, &format!("{session}:viewer"))?)?;
        let receiver = if both {
            let mut receiver = Turn::allocate(relay, User::new(SECRET, &format!("{session}:host"))?)?;
            receiver.bind(sender.relayed)?;
            sender.bind(receiver.relayed)?;
            receiver.socket().try_clone()?
        } else {
            let receiver = UdpSocket::bind("127.0.0.1:0")?;
            sender.bind(receiver.local_addr()?)?;
            receiver
        };
        receiver.set_read_timeout(Some(Duration::from_millis(100)))?;
        pairs.push((sender, receiver));
    }
    let (over, arrived) = (AtomicBool::new(false), Arc::new(AtomicU64::new(0)));
    let frame = Turn::frame(&[0x5a; DATAGRAM]);
    std::thread::scope(|scope| {
        for (sender, receiver) in &pairs {
            let (over, arrived, frame) = (&over, &arrived, &frame);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // A full buffer is what this is about.
                    let _ = sender.socket().send(frame);
                }
            });
            scope.spawn(move || {
                let mut buffer = [0; 2048];
                while !over.load(Ordering::Relaxed) {
                    if let Ok(length) = receiver.recv(&mut buffer) {
                        let payload = if both { Turn::payload(length) } else { length };
                        arrived.fetch_add(payload as u64, Ordering::Relaxed);
                    }
                }
            });
        }
        // The first moments are the caches' and the scheduler's.
        std::thread::sleep(LOAD / 5);
        let measure = || anyhow::Ok((arrived.load(Ordering::Relaxed), cpu_seconds(pid)?, Instant::now()));
        let measured = measure().and_then(|before| {
            std::thread::sleep(LOAD);
            Ok((before, measure()?))
        });
        over.store(true, Ordering::Relaxed);
        let (before, after) = measured?;
        Ok(Load {
            megabytes: (after.0 - before.0) as f64 / 1e6,
            seconds: (after.2 - before.2).as_secs_f64(),
            cpu: after.1 - before.1,
        })
    })
}

/// The real one, with nothing that would hold it back.
async fn start_coturn(stage: &Stage, at: SocketAddr) -> Result<Process> {
    let mut command = stage.command("turnserver");
    command.args([
        "-n",
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        "--use-auth-secret",
        "--realm=bench",
    ]);
    command.args([
        "--no-cli",
        "--no-tls",
        "--no-dtls",
        "--allow-loopback-peers",
        "--log-file=stdout",
        "--pidfile=",
    ]);
    command.arg(format!("--listening-port={}", at.port())).arg(format!("--static-auth-secret={SECRET}"));
    let process = stage.start("coturn", &mut command).context("coturn is not installed")?;
    wait::until(Duration::from_secs(10), "coturn to listen", || {
        Ok(std::net::TcpStream::connect(at).is_ok() || process.ended()?.is_some())
    })
    .await?;
    ensure!(process.ended()?.is_none(), "coturn ended: {}", process.stdout.text());
    Ok(process)
}

fn free_port() -> Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(socket.local_addr()?.port())
}
