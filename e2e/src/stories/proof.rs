//! The proof between the ends: a wrong secret, the words on both screens, and a server that lies about who is connected.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use nearhand_protocol::close::CloseReason;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::hostile::channels;
use super::story;
use crate::browser::Tab;
use crate::host::{self, Host, fails_with_one_sentence};
use crate::meeting::{Meeting, SECRET, Session, Viewer};
use crate::runner::Story;
use crate::server::Server;
use crate::stage::Stage;
use crate::x::xvfb::Xvfb;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("a_wrong_secret_is_caught_by_both_ends", 40, wrong_secret),
        story!("both_ends_show_the_same_four_words", 40, same_words),
        story!("a_server_that_changes_fingerprints_gets_no_connection", 100, changed_fingerprints),
        story!("a_server_that_stands_in_the_middle_of_the_connection_is_caught", 60, in_the_middle),
    ]
}

/// An error if the customer was asked anything, or the tab believed or showed anything.
pub(super) async fn nothing_happened(viewer: &Viewer, host: &Host) -> Result<()> {
    let said = host.said();
    ensure!(!said.contains("QUESTION:"), "the customer was asked:\n{said}");
    ensure!(!said.contains("WORDS:"), "the host shows words that nobody proved:\n{said}");
    let shown: Vec<String> = viewer
        .tab
        .js(
            "const { proof, words, rights } = document.body.dataset;
             return [proof, words, rights].map((value) => value ?? '').filter(Boolean);",
            &[],
        )
        .await?;
    ensure!(shown.is_empty(), "the tab believes {shown:?}");
    // Not only hidden: there never was a frame.
    let frames: u64 = viewer.ask("return pixelsOf()[0] + paintedOf();", &[]).await?;
    ensure!(frames == 0, "a picture came");
    ensure!(!viewer.tab.sees("#verified").await?, "the tab says that it is verified");
    Ok(())
}

/// The host sees it first, from the tab's proof, and the tab is told: that is how both ends come to the same end.
async fn wrong_secret(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let (viewer, session) = Viewer::waiting(stage.chromium().await?, &server).await?;
    let nameplate = session.code.strip_suffix(SECRET).context("a code without the secret")?;
    let mut guesser = Host::start(stage, &server.url, &xvfb.display, &format!("{nameplate}706"))?;

    let reason = CloseReason::NotProven.as_str();
    guesser.says(&format!("SESSION ENDED: {reason}\n")).await?;
    guesser.says("The code was wrong").await?;
    let status = guesser.ends(Duration::from_secs(10)).await?;
    ensure!(!status.success(), "a host that proved nothing ends with {status}");
    viewer.phase("ended").await?;
    let end: String = viewer.tab.js("return document.body.dataset.end;", &[]).await?;
    ensure!(end == reason, "the tab ended with “{end}”");
    viewer.tab.reads("body", "could not be verified").await?;
    nothing_happened(&viewer, &guesser).await?;

    // There is no second guess, not even a right one: for neither end.
    let mut late = Host::start(stage, &server.url, &xvfb.display, &session.code)?;
    fails_with_one_sentence(&mut late, "code").await?;
    ensure!(server.sessions().await?.is_empty(), "the session is still on the desk");
    viewer.tab.reload().await?;
    viewer.phase("ended").await
}

/// The words as the tab shows them, once it is verified.
pub(super) async fn verified(viewer: &Viewer) -> Result<String> {
    viewer.tab.until("the proof", "document.body.dataset.proof === 'verified'").await?;
    viewer.tab.seen("#verified").await?;
    viewer.tab.js("return document.body.dataset.words;", &[]).await
}

async fn same_words(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let said = meeting.host.said();
    let at_host =
        said.lines().find_map(|line| line.strip_prefix("WORDS: ")).context("no words at the host")?;
    ensure!(at_host.split(' ').filter(|word| !word.is_empty()).count() == 4, "the host's words: {at_host}");
    let at_tab = verified(&meeting.viewer).await?;
    ensure!(at_tab == at_host, "the host says “{at_host}”, the tab “{at_tab}”");

    let epoch = "Number(document.body.dataset.epoch)";
    let before: u64 = meeting.viewer.tab.js(&format!("return {epoch};"), &[]).await?;
    meeting.viewer.tab.reload().await?;
    meeting.viewer.phase("viewing").await?;
    let again = verified(&meeting.viewer).await?;
    ensure!(again == at_host, "after a reload the tab says “{again}”, the host “{at_host}”");
    let after: u64 = meeting.viewer.tab.js(&format!("return {epoch};"), &[]).await?;
    ensure!(after > before, "that was the proof of the old connection: {before}, {after}");
    meeting.viewer.picture_there().await?;
    ensure!(meeting.host.alive()?, "the host has ended");
    Ok(())
}

/// What the server in the middle does with the descriptions that it relays.
#[derive(Clone)]
enum Lie {
    None,
    /// To the host about the tab's certificate.
    Offer,
    /// To the tab about the host's certificate.
    Answer,
    /// To both: this page connects to each of them in the name of the other.
    Both(Tab),
}

/// A hostile server, as the host sees it: between it and the real one.
struct Middle {
    url: String,
    task: JoinHandle<Result<()>>,
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Middle {
    async fn start(server: &Server, lie: &Lie) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (address, lie) = (server.address().to_owned(), lie.clone());
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            relay(stream, &address, &lie).await
        });
        Ok(Self { url, task })
    }
}

/// Relays the host's one WebSocket until either side closes it.
async fn relay(stream: TcpStream, server: &str, lie: &Lie) -> Result<()> {
    let host = tokio_tungstenite::accept_async(stream).await?;
    let (server, _) = tokio_tungstenite::connect_async(format!("ws://{server}/ws/host")).await?;
    let ((mut to_host, mut from_host), (mut to_server, mut from_server)) = (host.split(), server.split());
    let mut look = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            message = from_host.next() => {
                let message = message.context("the host is gone")??;
                if let Some(message) = lie.about(message, "host", matches!(lie, Lie::Answer)).await? {
                    to_server.send(message).await?;
                }
            }
            message = from_server.next() => {
                let message = message.context("the server is gone")??;
                if let Some(message) = lie.about(message, "tab", matches!(lie, Lie::Offer)).await? {
                    to_host.send(message).await?;
                }
            }
            _ = look.tick() => if let Lie::Both(page) = lie {
                for (to, message) in page.js::<Vec<(String, String)>>("return middle.out.splice(0);", &[]).await? {
                    let message = Message::text(message);
                    if to == "tab" { to_server.send(message).await? } else { to_host.send(message).await? }
                }
            },
        }
    }
}

impl Lie {
    /// What becomes of a message; nothing where the page keeps it.
    async fn about(&self, message: Message, from: &str, changed: bool) -> Result<Option<Message>> {
        let Message::Text(text) = &message else { return Ok(Some(message)) };
        let mut content: Value = serde_json::from_str(text)?;
        if content["type"] != "negotiate" {
            return Ok(Some(message));
        }
        if let Self::Both(page) = self {
            page.js::<Value>("middle.take(arguments[0], arguments[1]);", &[from.into(), content]).await?;
            return Ok(None);
        }
        if let Some(sdp) = content["sdp"].as_str().filter(|_| changed) {
            content["sdp"] = with_another_fingerprint(sdp).into();
        }
        Ok(Some(Message::text(content.to_string())))
    }
}

fn with_another_fingerprint(sdp: &str) -> String {
    const NAME: &str = "a=fingerprint:sha-256 ";
    let other = format!("{NAME}{}\r\n", ["AB"; 32].join(":"));
    sdp.split_inclusive('\n').map(|line| if line.starts_with(NAME) { &other } else { line }).collect()
}

/// Shows that neither end takes a connection whose certificate is not the one that it was told, whichever end was lied
/// to: DTLS fails before anything is proven, so there is neither question nor picture. Nothing is said about proofs here,
/// nor about words: the tab goes on trying, and says that it does so in vain.
async fn changed_fingerprints(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let tab = stage.chromium().await?;
    for lie in [Lie::None, Lie::Offer, Lie::Answer] {
        let (viewer, session) = Viewer::waiting(tab.clone(), &server).await?;
        let middle = Middle::start(&server, &lie).await?;
        let mut host = Host::start(stage, &middle.url, &xvfb.display, &session.code)?;
        if matches!(lie, Lie::None) {
            // It is the lie that is noticed, not that somebody relays.
            host.says(host::VIEW).await?;
            verified(&viewer).await?;
            continue;
        }
        let failed =
            "nearhandPeers.some((peer) => ['failed', 'closed'].includes(peer.sctp?.transport.state))";
        viewer.tab.until("DTLS to fail", failed).await?;
        viewer.phase_within("unreached", Duration::from_secs(30)).await?;
        nothing_happened(&viewer, &host).await?;
    }
    Ok(())
}

/// A page that is the host to the tab and the tab to the host, each over a connection of its own with a certificate of
/// its own, and passes on every message of every data channel unchanged.
const MIDDLE: &str = r#"
    const [labels] = arguments;
    const middle = window.middle = { out: [], passed: { tab: 0, host: 0 } };
    let toTab = null, toHost = null, epoch = 0;
    const say = (to, message) => middle.out.push([to, JSON.stringify({ type: "negotiate", epoch, ...message })]);
    const connect = (to) => {
        const peer = new RTCPeerConnection();
        peer.onicecandidate = ({ candidate }) => {
            if (candidate) say(to, { kind: "candidate", candidate: { candidate: candidate.candidate, sdp_mid: candidate.sdpMid, sdp_m_line_index: candidate.sdpMLineIndex } });
        };
        return peer;
    };
    const ends = { tab: new Map(), host: new Map() }, kept = new Map();
    const join = (from, to, channel) => {
        const key = to + channel.label, mine = from + channel.label;
        channel.binaryType = "arraybuffer";
        ends[from].set(channel.label, channel);
        channel.onmessage = ({ data }) => {
            middle.passed[from] += 1;
            const other = ends[to].get(channel.label);
            if (other?.readyState === "open") other.send(data);
            else kept.set(key, [...(kept.get(key) ?? []), data]);
        };
        const flush = () => { for (const data of kept.get(mine) ?? []) channel.send(data); kept.delete(mine); };
        if (channel.readyState === "open") flush(); else channel.onopen = flush;
    };
    const handle = async (from, message) => {
        if (message.kind === "candidate") {
            const { candidate, sdp_mid, sdp_m_line_index } = message.candidate;
            await (from === "tab" ? toTab : toHost)?.addIceCandidate({ candidate, sdpMid: sdp_mid, sdpMLineIndex: sdp_m_line_index }).catch(() => {});
        } else if (message.kind === "answer") {
            await toHost.setRemoteDescription({ type: "answer", sdp: message.sdp });
        } else {
            epoch = message.epoch;
            toTab = connect("tab");
            toHost = connect("host");
            toTab.ondatachannel = ({ channel }) => join("tab", "host", channel);
            toHost.addTransceiver("video", { direction: "recvonly" });
            for (const [label, options] of labels) join("host", "tab", toHost.createDataChannel(label, options));
            await toTab.setRemoteDescription({ type: "offer", sdp: message.sdp });
            await toTab.setLocalDescription();
            say("tab", { kind: "answer", sdp: toTab.localDescription.sdp });
            await toHost.setLocalDescription();
            say("host", { kind: "offer", sdp: toHost.localDescription.sdp });
        }
    };
    let last = Promise.resolve();
    middle.take = (from, message) => { last = last.then(() => handle(from, message)).catch((error) => { middle.error = String(error); }); };
"#;

/// Shows what only the proofs can notice: both connections come up, each end speaks DTLS with exactly the certificate
/// that it was told, the key exchange and every message go through unchanged, and still nothing is asked or shown. It is
/// the host that sees it, from the proof that comes first, and the tab ends because it is told; that the tab would not
/// believe a wrong proof either, its own tests show. The page does not guess the code; who guesses it right is not
/// noticed.
async fn in_the_middle(stage: &Stage) -> Result<()> {
    let xvfb = Xvfb::start(stage, 640, 480).await?;
    let server = Server::start(stage).await?;
    let session = Session::new(&server).await?;
    let page = stage.chromium().await?;
    page.goto(&server.url).await?;
    page.js::<Value>(MIDDLE, &[channels()]).await?;
    let viewer = Viewer::open(stage.chromium().await?, &server, &session).await?;
    viewer.phase("waiting").await?;
    let middle = Middle::start(&server, &Lie::Both(page.clone())).await?;
    let mut host = Host::start(stage, &middle.url, &xvfb.display, &session.code)?;

    let reason = CloseReason::NotProven.as_str();
    let ended = host.says(&format!("SESSION ENDED: {reason}\n")).await;
    let passed: Value = page.js("return [middle.passed, middle.error ?? null];", &[]).await?;
    ended.with_context(|| format!("the page passed on: {passed}"))?;
    // Hello and proof of the tab, hello of the host: without them nobody stood in the middle.
    ensure!(
        passed[0]["tab"].as_u64() >= Some(2) && passed[0]["host"].as_u64() >= Some(1),
        "passed on: {passed}"
    );
    host.says("somebody tried to stand between").await?;
    viewer.phase("ended").await?;
    let end: String = viewer.tab.js("return document.body.dataset.end;", &[]).await?;
    ensure!(end == reason, "the tab ended with “{end}”");
    viewer.tab.reads("body", "somebody tried to stand between").await?;
    nothing_happened(&viewer, &host).await
}
