//! A server that is against both ends: it repeats, keeps back, replays, guesses, and connects by itself.
//!
//! What it can't do in any of these is to be asked about, to see or to touch anything; and both ends say what happened. The
//! server that swaps fingerprints, and the one that stands in the middle of the connection, are in `proof`.

mod middle;
mod stranger;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Code;
use nearhand_protocol::control::{Hello, ToHost, ToViewer};
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::id::{Epoch, Seat, SessionId};
use nearhand_protocol::proof::Proof;
use nearhand_protocol::version::{Capabilities, Version};
use serde_json::json;
use tokio::net::TcpListener;

use super::proof::{nothing_happened, verified};
use super::story;
use crate::host::{self, Host, fails_with_one_sentence};
use crate::meeting::{SECRET, Viewer};
use crate::runner::Story;
use crate::server::{ORGANISATION, Server, TECHNICIAN};
use crate::stage::Stage;
use crate::wait;
use crate::x::xvfb::Xvfb;
use middle::{GUEST, Middle, Mode, Way};
use stranger::{Line, Page, guess, key};

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_server_that_says_everything_twice_opens_nothing", 60, everything_twice),
        story!("what_was_said_in_an_earlier_session_proves_nothing", 60, earlier_session),
        story!("a_server_that_keeps_the_key_exchange_back_gets_nothing", 90, kept_back),
        story!("a_server_that_guesses_at_the_host_has_one_guess", 120, guesses_at_host),
        story!("a_stranger_who_guesses_at_the_tab_has_one_guess", 120, guesses_at_tab),
        story!("a_connection_of_the_servers_own_after_the_proof_gets_nothing", 60, second_connection),
        story!("a_technician_whom_the_server_invents_gets_nothing", 60, invented_guest),
    ]
}

/// Both ends with a server between them.
struct Betrayed {
    viewer: Viewer,
    host: Host,
    middle: Middle,
}

impl Betrayed {
    async fn begin(
        stage: &Stage,
        server: &Server,
        viewer: Viewer,
        display: &str,
        mode: Mode,
    ) -> Result<Self> {
        let (viewer, session) = Viewer::waiting(viewer.tab, server).await?;
        let middle = Middle::start(server, mode).await?;
        let host = Host::start(stage, &middle.url, display, &session.code)?;
        Ok(Self { viewer, host, middle })
    }

    /// The customer says yes to the first question.
    async fn allow_view(&mut self) -> Result<()> {
        self.host.asked(host::VIEW, true).await?;
        self.viewer.phase("viewing").await?;
        verified(&self.viewer).await?;
        self.viewer.picture_there().await
    }

    fn questions(&self) -> usize {
        self.host.said().matches("QUESTION:").count()
    }

    /// Both ends say that somebody lied.
    async fn both_say_so(&mut self) -> Result<()> {
        let reason = CloseReason::NotProven.as_str();
        self.host.says(&format!("SESSION ENDED: {reason}\n")).await?;
        self.host.says("somebody tried to stand between").await?;
        let status = self.host.ends(Duration::from_secs(10)).await?;
        ensure!(!status.success(), "the host ended with {status}");
        tab_says_so(&self.viewer).await
    }
}

async fn tab_says_so(viewer: &Viewer) -> Result<()> {
    viewer.phase("ended").await?;
    let end: String = viewer.tab.js("return document.body.dataset.end;", &[]).await?;
    ensure!(end == CloseReason::NotProven.as_str(), "the tab ended with “{end}”");
    viewer.tab.reads("body", "somebody tried to stand between").await
}

fn hello() -> Hello {
    Hello { version: Version::CURRENT, capabilities: Capabilities::default() }
}

/// Twice means at once, and once more when it is long over: after a reload, all of the first connection again. What is
/// shown is that nothing opens and nothing is asked again; that the picture suffers, as by any server that is in the way,
/// is not looked at.
async fn everything_twice(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let tab = Viewer { tab: stage.chromium().await? };
    let mut both = Betrayed::begin(stage, &server, tab, &xvfb.display, Mode::Twice).await?;
    both.host.asked(host::VIEW, true).await?;
    both.viewer.phase("viewing").await?;
    verified(&both.viewer).await?;
    let first = both.middle.heard();
    ensure!(both.middle.last(Way::ToHost, "share").is_some(), "nothing went through the server");

    both.middle.set_mode(Mode::Honest);
    both.viewer.tab.reload().await?;
    both.viewer.phase("viewing").await?;
    verified(&both.viewer).await?;
    both.viewer.picture_there().await?;
    let epoch: u64 = both.viewer.tab.js("return Number(document.body.dataset.epoch);", &[]).await?;
    for (way, message) in first {
        both.middle.slip(way, message).await?;
    }
    // A question and its answer after all that: the connection is the one that it was.
    both.viewer.tab.click(crate::meeting::names::CONTROL).await?;
    both.host.asked(host::CONTROL, true).await?;
    both.viewer.phase("controlling").await?;
    let after: u64 = both.viewer.tab.js("return Number(document.body.dataset.epoch);", &[]).await?;
    ensure!(after == epoch, "what was repeated made another connection: {epoch}, then {after}");
    ensure!(both.questions() == 2, "the customer was asked again:\n{}", both.host.said());
    ensure!(both.host.said().matches("WORDS:").count() == 1, "the words changed:\n{}", both.host.said());
    Ok(())
}

/// The server recorded a session. In the next one it gives one end what the other said in the first.
async fn earlier_session(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let tab = Viewer { tab: stage.chromium().await? };
    let mut first = Betrayed::begin(stage, &server, tab, &xvfb.display, Mode::Honest).await?;
    first.allow_view().await?;
    first.host.types("/end")?;
    first.viewer.phase("ended").await?;
    for way in [Way::ToHost, Way::ToTab] {
        let old = first.middle.last(way, "share").context("no part of the key exchange was recorded")?;
        let tab = first.viewer.clone();
        let mode = Mode::Replace(way, old);
        let mut next = Betrayed::begin(stage, &server, tab, &xvfb.display, mode).await?;
        next.both_say_so().await.with_context(|| format!("replayed {way:?}"))?;
        nothing_happened(&next.viewer, &next.host).await?;
    }
    Ok(())
}

/// The connection comes up, and the proof does not: the technician is told that it takes too long, and nobody is asked.
async fn kept_back(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let mut tab = Viewer { tab: stage.chromium().await? };
    for way in [Way::ToHost, Way::ToTab] {
        let both = Betrayed::begin(stage, &server, tab, &xvfb.display, Mode::Keep(way)).await?;
        let open = "nearhandPeers.some((peer) => peer.sctp?.transport.state === 'connected')";
        both.viewer.tab.until("the connection", open).await?;
        both.viewer
            .phase_within("stranded", Duration::from_secs(25))
            .await
            .with_context(|| format!("kept {way:?}"))?;
        nothing_happened(&both.viewer, &both.host).await?;
        both.viewer.end().await?;
        both.viewer.phase("ended").await?;
        tab = both.viewer;
    }
    Ok(())
}

/// Sessions with a wrong guess that are played; one with the right one is the counter-check.
const WRONG: [&str; 3] = ["706", "000", "507"];

/// The whole server is hostile and holds the nameplate: it sits in the technician's seat itself.
async fn guesses_at_host(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let page = Page::open(stage, &Server::start(stage).await?.url).await?;
    let nameplate = "482913";
    for digits in WRONG.into_iter().chain([SECRET]) {
        page.prepare().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let code = format!("{nameplate}{SECRET}");
        let mut host = Host::start(stage, &origin, &xvfb.display, &code)?;
        let socket = tokio_tungstenite::accept_async(listener.accept().await?.0).await?;
        let mut line = Line::new(socket, page.clone());
        let said = line.hear("hello").await?;
        ensure!(said["entry"]["nameplate"] == nameplate, "the host came in by {}", said["entry"]);
        ensure!(!said.to_string().contains(&code), "the whole code went to the server");

        let session: SessionId = format!("{:032x}", rand::random::<u128>()).parse()?;
        line.say(&json!({"type": "welcome", "version": Version::CURRENT, "session": session, "resume": "token",
            "technician": {"name": TECHNICIAN, "organisation": ORGANISATION}, "ice_servers": [], "viewer_present": true}))
            .await?;
        let guessed: Code = format!("{nameplate}{digits}").parse()?;
        let (exchange, share) = guess(Seat::Viewer, session, guessed);
        line.say(&share).await?;
        let theirs = line.hear("share").await?;
        let guessed_key = key(exchange, &theirs)?;
        let epoch = Epoch(1);
        page.offer(epoch).await?;
        line.until("the channels", "stranger.open.includes('control')").await?;
        let binding = page.binding(epoch, Seat::Viewer).await?;
        page.send("control", &ToHost::Hello(hello())).await?;
        if digits == SECRET {
            page.send("control", &ToHost::Prove(guessed_key.prove(&binding))).await?;
            page.send("control", &ToHost::Ask(Rights::only(Right::View))).await?;
            host.says(host::VIEW)
                .await
                .context("a right guess is not noticed: this story would prove nothing")?;
            host.kill();
            continue;
        }
        // Another guess before the first is shown to be wrong: the exchange is not made again.
        let (other, another_share) = guess(Seat::Viewer, session, format!("{nameplate}{SECRET}").parse()?);
        line.say(&another_share).await?;
        let [first, second] =
            [guessed_key, key(other, &theirs)?].map(|key| ToHost::Prove(key.prove(&binding)));
        // What comes before the proof counts for nothing; after the first proof there is the right code, with what is
        // known of the host's part, and all that once more.
        let ask = ToHost::Ask(Rights::only(Right::View));
        page.send_all("control", &[ask, first, second, first, ask]).await?;

        let reason = CloseReason::NotProven.as_str();
        host.says(&format!("SESSION ENDED: {reason}\n"))
            .await
            .with_context(|| format!("guessed {digits}"))?;
        host.says("The code was wrong").await?;
        ensure!(line.hear("end").await?["reason"] == reason, "the server was told another reason");
        let status = host.ends(Duration::from_secs(10)).await?;
        ensure!(!status.success(), "a host that proved nothing ended with {status}");
        line.closed().await?;
        ensure!(!line.types().contains(&"share"), "a second guess was answered");
        page.learned_nothing().await?;
        let said = host.said();
        ensure!(!said.contains("QUESTION:") && !said.contains("WORDS:"), "the customer was asked:\n{said}");
        // The program does not come back for another guess.
        let again = tokio::time::timeout(Duration::from_millis(500), listener.accept()).await;
        ensure!(again.is_err(), "the host came again");
    }
    Ok(())
}

/// A stranger knows the nameplate and takes the customer's seat at the real server, before the customer does.
async fn guesses_at_tab(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let page = Page::open(stage, &server.url).await?;
    let mut tab = Viewer { tab: stage.chromium().await? };
    for digits in WRONG.into_iter().chain([SECRET]) {
        page.prepare().await?;
        let (viewer, session) = Viewer::waiting(tab.tab, &server).await?;
        let nameplate = session.code.strip_suffix(SECRET).context("a code without the secret")?;
        let socket = tokio_tungstenite::connect_async(format!("ws://{}/ws/host", server.address())).await?.0;
        let mut line = Line::new(socket, page.clone());
        line.say(&json!({"type": "hello", "version": Version::CURRENT, "capabilities": 0,
            "entry": {"by": "nameplate", "nameplate": nameplate}, "info": {"system": "x", "machine": "y"}}))
            .await?;
        line.hear("welcome").await?;
        let (exchange, share) =
            guess(Seat::Host, session.id.parse()?, format!("{nameplate}{digits}").parse()?);
        let theirs = line.hear("share").await?;
        let guessed_key = key(exchange, &theirs)?;
        line.say(&share).await?;
        line.until("the channels", "stranger.open.includes('control')").await?;
        let epoch: u32 = viewer.tab.js("return Number(document.body.dataset.epoch);", &[]).await?;
        let binding = page.binding(Epoch(epoch), Seat::Host).await?;
        page.send("control", &ToViewer::Hello(hello())).await?;
        page.send("control", &ToViewer::Prove(guessed_key.prove(&binding))).await?;
        if digits == SECRET {
            verified(&viewer)
                .await
                .context("a right guess is not noticed: this story would prove nothing")?;
            viewer.end().await?;
            viewer.phase("ended").await?;
        } else {
            tab_says_so(&viewer).await.with_context(|| format!("guessed {digits}"))?;
            // The real customer, and the guesser, come too late.
            let mut late = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
            fails_with_one_sentence(&mut late, "code").await?;
            nothing_happened(&viewer, &late).await?;
            line.closed().await?;
            ensure!(server.sessions().await?.is_empty(), "the session is still on the desk");
        }
        tab = viewer;
    }
    Ok(())
}

/// An honest session of the two with the picture there, and the page of a stranger who is let at the host.
struct Intrusion {
    both: Betrayed,
    page: Page,
    _server: Server,
    _xvfb: Xvfb,
}

impl Intrusion {
    async fn begin(stage: &Stage) -> Result<Self> {
        let xvfb = Xvfb::start(stage, 640, 480).await?;
        let server = Server::start(stage).await?;
        let page = Page::open(stage, &server.url).await?;
        let tab = Viewer { tab: stage.chromium().await? };
        let mut both = Betrayed::begin(stage, &server, tab, &xvfb.display, Mode::Honest).await?;
        both.allow_view().await?;
        Ok(Self { both, page, _server: server, _xvfb: xvfb })
    }

    /// The stranger connects, greets the host, asks it for a right, and writes a line to the customer.
    async fn knocks(&self, epoch: Epoch, right: Right) -> Result<()> {
        self.page.offer(epoch).await?;
        let open = "stranger.open.includes('control') && stranger.open.includes('chat')";
        self.page.0.until("the channels", open).await?;
        self.page.send("control", &ToHost::Hello(hello())).await?;
        self.page.send("control", &ToHost::Ask(Rights::only(right))).await?;
        self.page.send_bytes("chat", &[b"let me in".to_vec()]).await
    }

    /// The stranger proves something wrong. A ping before it is answered to nobody without a proof either: once this one
    /// has been read, so has everything before it.
    async fn lies(&self) -> Result<()> {
        self.page.send_all("control", &[ToHost::Ping { nonce: 7 }, ToHost::Prove(Proof([7; 32]))]).await
    }

    /// Neither has the stranger learned anything, nor the customer been bothered.
    async fn came_to_nothing(&self) -> Result<()> {
        self.page.learned_nothing().await?;
        ensure!(self.both.questions() == 1, "the customer was asked again:\n{}", self.both.host.said());
        ensure!(!self.both.host.said().contains("let me in"), "a stranger's line was shown");
        Ok(())
    }
}

/// Honest until the picture is there; then the server says that somebody came who was invited. First nobody was; then there is
/// an invitation, whose number the server has seen, and not its secret.
async fn invented_guest(stage: &Stage) -> Result<()> {
    let mut intrusion = Intrusion::begin(stage).await?;
    let both = &mut intrusion.both;
    both.middle.set_mode(Mode::Guest(intrusion.page.0.clone()));
    let arrived = |invitation: u32| {
        let technician = json!({"name": TECHNICIAN, "organisation": ORGANISATION});
        json!({"type": "guest_arrived", "guest": GUEST, "invitation": invitation, "technician": technician})
    };
    both.middle.slip(Way::ToHost, arrived(1)).await?;
    let sent_away = || async {
        let said = both.middle.last(Way::ToTab, "guest_end");
        Ok(said.and_then(|said| said["reason"].as_str().map(str::to_owned)))
    };
    let reason = wait::find(Duration::from_secs(10), "the host to send it away", sent_away).await?;
    ensure!(reason == CloseReason::UnknownCode.as_str(), "sent away as {reason}");

    let link = both.viewer.invites().await?;
    both.host.says("invites another technician").await?;
    let number = link.split_once("#invitation=").and_then(|(_, rest)| rest.split_once('.'));
    let number = number.and_then(|(number, _)| number.parse().ok()).context("a link without a number")?;
    both.middle.slip(Way::ToHost, arrived(number)).await?;
    intrusion.knocks(Epoch(5), Right::View).await?;
    let both = &mut intrusion.both;
    both.host.types("for my technician only")?;
    both.viewer.tab.reads("body", "for my technician only").await?;
    intrusion.lies().await?;
    intrusion.both.host.says("refused: not who was invited").await?;
    intrusion.came_to_nothing().await?;
    let now = intrusion.both.viewer.now().await?;
    ensure!(now == "viewing", "the session of the two suffered: {now}");
    Ok(())
}

/// Honest until the picture is there; then the server offers the host a connection of its own.
async fn second_connection(stage: &Stage) -> Result<()> {
    let mut intrusion = Intrusion::begin(stage).await?;
    let both = &mut intrusion.both;
    both.host.types("before")?;
    both.viewer.tab.reads("body", "before").await?;

    both.middle.set_mode(Mode::TakeOver(intrusion.page.0.clone()));
    let epoch: u32 = both.viewer.tab.js("return Number(document.body.dataset.epoch);", &[]).await?;
    intrusion.knocks(Epoch(epoch + 1), Right::Control).await?;
    // The customer writes; who has proved nothing does not read it.
    intrusion.both.host.types("after")?;
    wait::find(Duration::from_secs(10), "the host's hello", || async {
        Ok((!intrusion.page.control::<ToViewer>().await?.is_empty()).then_some(()))
    })
    .await?;
    intrusion.lies().await?;
    intrusion.both.both_say_so().await?;
    intrusion.came_to_nothing().await
}
