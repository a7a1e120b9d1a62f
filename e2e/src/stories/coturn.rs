//! The files of `turn-config/` as they stand, in the real coturn and the real HAProxy: both ends meet through them, and may
//! use nothing else. In the lab nothing of the deny lists needs to be lifted.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::story;
use crate::browser::{self, Kind, Tab};
use crate::host::Host;
use crate::lab::{Certificates, Firewall, Lab, Plan, SERVER_V4, SERVER_V6};
use crate::meeting::{Session, Viewer};
use crate::namespace::Bridge;
use crate::places::on_path;
use crate::runner::{Skipped, Story};
use crate::server::{Server, Setting};
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("they_meet_through_the_real_coturn_with_the_file_of_turn_config", 150, through_coturn),
        story!("they_meet_through_haproxy_and_coturn_with_only_443_open", 90, through_haproxy),
    ]
}

const COTURN: &str = include_str!("../../../turn-config/turnserver.conf");
const HAPROXY: &str = include_str!("../../../turn-config/haproxy.cfg");
// As they are in the files.
const PAGES: &str = "help.example.com";
const TURN: &str = "turn.example.com";

/// A computer of the lab with everything on it, and both ends.
struct Town {
    lab: Arc<Lab>,
    certificates: Certificates,
    folder: PathBuf,
    coturn_log: PathBuf,
    tab: Tab,
    xvfb: Xvfb,
    bridge: Bridge,
}

impl Town {
    async fn build(stage: &Stage) -> Result<Self> {
        for program in ["turnserver", "haproxy"] {
            if on_path(program).is_none() {
                return Err(Skipped(format!("{program} is not installed")).into());
            }
        }
        let lab = Lab::build(stage, Plan::V4, Plan::V4).await?;
        let names = [(SERVER_V4.into(), PAGES), (SERVER_V4.into(), TURN)];
        for namespace in [&lab.customer.end, &lab.technician.end, &lab.server] {
            namespace.set_names(&names)?;
        }
        let folder = stage.folder("turn-config")?;
        let certificates = Certificates::make(&folder, &[PAGES, TURN])?;
        let coturn_log = start_coturn(stage, &lab, &certificates, &folder).await?;
        let trust = format!("--ignore-certificate-errors-spki-list={}", certificates.public_key_hash);
        let setting = browser::Setting {
            namespace: Some(lab.technician.end.clone()),
            arguments: vec![trust],
            ..browser::Setting::default()
        };
        let tab = stage.browser_with(Kind::Chromium, setting).await?;
        let xvfb = Xvfb::start(stage, 1280, 800).await?;
        let bridge = lab.server.bridge((SERVER_V4, 443).into()).await?;
        Ok(Self { lab, certificates, folder, coturn_log, tab, xvfb, bridge })
    }

    /// A client that finds the pages at the end of a bridge.
    fn client(&self, bridge: SocketAddr) -> Result<reqwest::Client> {
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&self.certificates.authority)?)?;
        let client = reqwest::Client::builder().tls_certs_only([authority]).resolve(PAGES, bridge).no_proxy();
        client.build().context("making a client for the lab")
    }

    /// The server with its own relay off, on `listen`; ends that come to it are sent to this relay.
    async fn start_server(&self, stage: &Stage, listen: &str, relay: &str, words: &[&str]) -> Result<Server> {
        let secret = write(&self.folder, "secret", SHARED_SECRET)?;
        let origin = format!("https://{PAGES}");
        let mut arguments =
            vec!["--public-url".into(), origin.clone().into(), "--relay".into(), "off".into()];
        arguments.extend(["--turn-secret".into(), secret.into_os_string()]);
        arguments.extend(["--turn-server".into(), relay.into()]);
        arguments.extend(words.iter().map(Into::into));
        let setting = Setting {
            namespace: Some(self.lab.server.clone()),
            listen: Some(listen.to_owned()),
            url: Some(origin),
            arguments,
            client: self.client(self.bridge.address)?,
            ..Setting::default()
        };
        Server::start_in(stage, setting).await
    }

    /// A session in which both ends use relays only, until the picture is there; then it ends.
    async fn meet(&self, stage: &Stage, server: &Server) -> Result<()> {
        let log = || std::fs::read_to_string(&self.coturn_log).context("reading coturn's log");
        let before = log()?.len();
        let session = Session::new(server).await?;
        let viewer = Viewer::open_relayed(self.tab.clone(), server, &session).await?;
        viewer.phase("waiting").await?;
        let host = Host::start_in(stage, &self.lab.customer.end, &server.url, |command| {
            command.args(["--code", &session.code, "--ui", "headless", "--grant", "view"]);
            command.args(["--display", &self.xvfb.display, "--relay-only"]);
            command.arg("--ca-cert").arg(&self.certificates.authority);
        })?;
        viewer.phase_within("viewing", Duration::from_secs(30)).await.with_context(|| {
            format!("the host said: {}{}", host.said(), crate::process::tail(&host.complaint(), 12))
        })?;
        viewer.picture_there().await?;
        wait::find(Duration::from_secs(5), "the path to be relayed", || async {
            Ok((viewer.path().await? == "relayed").then_some(()))
        })
        .await?;
        // Each end came with credentials of its own seat, made by the one server and checked by the other.
        let log = log()?;
        for seat in ["host", "viewer"] {
            let user = format!(":{}:{seat}>: incoming packet ALLOCATE processed, success", session.id);
            ensure!(log[before..].contains(&user), "coturn did not let the {seat} in:\n{}", &log[before..]);
        }
        viewer.end().await?;
        viewer.phase("ended").await?;
        host.kill();
        Ok(())
    }
}

const SHARED_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Writes a file that nobody else can read.
fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// Puts something else in place of what must be there.
fn put(text: &str, changes: &[(&str, &str)]) -> Result<String> {
    changes.iter().try_fold(text.to_owned(), |text, (from, to)| {
        ensure!(text.contains(from), "the file does not say “{from}” any more");
        Ok(text.replace(from, to))
    })
}

fn name(path: &Path) -> Result<&str> {
    path.to_str().context("a temporary folder that is no UTF-8")
}

async fn start_coturn(stage: &Stage, lab: &Lab, files: &Certificates, folder: &Path) -> Result<PathBuf> {
    // What it writes to a pipe comes late, to a file at once.
    let log = folder.join("coturn.log");
    let text = put(
        COTURN,
        &[
            ("192.0.2.10", &SERVER_V4.to_string()),
            ("2001:db8::10", &SERVER_V6.to_string()),
            ("/etc/coturn/fullchain.pem", name(&files.certificate)?),
            ("/etc/coturn/privkey.pem", name(&files.key)?),
            ("CHANGE-this-to-the-secret-of-nearhand", SHARED_SECRET),
            ("\nsyslog\n", &format!("\nlog-file={}\nsimple-log\n", name(&log)?)),
        ],
    )?;
    let file = write(folder, "turnserver.conf", &text)?;
    let mut command = stage.command_in(Some(&lab.server), "turnserver");
    command.arg("-c").arg(file).args(["--pidfile=", "--verbose"]);
    let coturn = stage.start("coturn", &mut command)?;
    for port in [3478, 5349] {
        answers(lab, (SERVER_V4, port).into()).await.with_context(|| coturn.stdout.text())?;
    }
    Ok(log)
}

/// Waits until somebody listens there.
async fn answers(lab: &Lab, address: SocketAddr) -> Result<()> {
    wait::find(Duration::from_secs(10), &format!("an answer at {address}"), || async {
        lab.server.tcp(address).map(Some)
    })
    .await
    .map(drop)
}

/// Nothing but this one way is offered each time, so the picture came by it.
async fn through_coturn(stage: &Stage) -> Result<()> {
    let town = Town::build(stage).await?;
    let certificate = name(&town.certificates.certificate)?.to_owned();
    let key = name(&town.certificates.key)?.to_owned();
    let words = ["--tls-cert", &certificate, "--tls-key", &key];
    for relay in ["turn:turn.example.com:3478?transport=udp", "turns:turn.example.com:5349?transport=tcp"] {
        let mut server = town.start_server(stage, "[::]:443", relay, &words).await?;
        town.meet(stage, &server).await.with_context(|| relay.to_owned())?;
        server.interrupt(nix::sys::signal::Signal::SIGTERM).await?;
    }
    Ok(())
}

/// Both ends' firewalls let nothing out but TCP to port 443.
async fn through_haproxy(stage: &Stage) -> Result<()> {
    let town = Town::build(stage).await?;
    let both = [&town.certificates.certificate, &town.certificates.key];
    let both = both.map(std::fs::read_to_string).into_iter().collect::<std::io::Result<String>>()?;
    let both = write(&town.folder, "both.pem", &both)?;
    let changes = [
        ("192.0.2.10", SERVER_V4.to_string()),
        ("/etc/haproxy/help.example.com.pem", name(&both)?.to_owned()),
    ];
    let file = write(
        &town.folder,
        "haproxy.cfg",
        &put(HAPROXY, &changes.each_ref().map(|(a, b)| (*a, b.as_str())))?,
    )?;
    let mut command = stage.command_in(Some(&town.lab.server), "haproxy");
    command.arg("-db").arg("-f").arg(file);
    let haproxy = stage.start("haproxy", &mut command)?;
    answers(&town.lab, (SERVER_V4, 443).into()).await.with_context(|| haproxy.stderr.text())?;
    let relay = "turns:turn.example.com:443?transport=tcp";
    let server = town.start_server(stage, "127.0.0.1:8080", relay, &["--behind-proxy"]).await?;
    for side in [&town.lab.customer, &town.lab.technician] {
        side.router.set_firewall(Firewall::Only443)?;
    }
    town.meet(stage, &server).await?;

    // The server hears from the proxy who asks, and nothing from whoever says so.
    let bridge = town.lab.customer.end.bridge((SERVER_V4, 443).into()).await?;
    let customer = town.client(bridge.address)?;
    let mut answers = Vec::new();
    for number in 0..12 {
        let asked = customer.get(format!("https://{PAGES}/api/nameplates/{number:06}"));
        let answer = asked.header("x-forwarded-for", format!("192.0.2.{number}")).send().await?;
        answers.push(answer.status().as_u16());
    }
    ensure!(answers.first() == Some(&404), "a guess was answered with {answers:?}");
    ensure!(answers.last() == Some(&429), "a guesser chose its address: {answers:?}");
    Ok(())
}
