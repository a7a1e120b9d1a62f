//! Ends that are not ours: garbage, oversized and out of turn, on the WebSockets and on the data channels.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use nearhand_protocol::close::CloseReason;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{chat, story};
use crate::browser::Kind;
use crate::host;
use crate::meeting::{Meeting, Session, Viewer};
use crate::runner::Story;
use crate::server::{Server, TOKEN};
use crate::stage::Stage;
use crate::wait;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("garbage_on_the_websockets_closes_that_socket_and_no_other", 60, garbage_on_sockets),
        story!("no_code_and_no_chat_line_enters_a_log", 40, silent_logs),
        story!("a_page_of_another_site_gets_no_socket", 30, foreign_page),
        story!("garbage_from_a_hostile_viewer_does_not_kill_the_host", 60, hostile_viewer),
        story!("garbage_from_a_hostile_host_does_not_kill_the_tab", 60, hostile_host),
    ]
}

/// Sends texts on a fresh socket and returns the code with which the server closed it.
async fn closed_with(server: &Server, path: &str, messages: &[Message]) -> Result<u16> {
    let mut request = format!("ws://{}{path}", server.address()).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("Authorization", HeaderValue::from_str(&format!("Bearer {TOKEN}"))?);
    if path == "/ws/viewer" {
        headers.insert("Origin", HeaderValue::from_str(&server.url)?);
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.context("opening a socket")?;
    for message in messages {
        // The server may have closed it already at an earlier one.
        if socket.send(message.clone()).await.is_err() {
            break;
        }
    }
    let closing = async {
        while let Some(message) = socket.next().await {
            match message {
                Ok(Message::Close(Some(frame))) => return Ok(u16::from(frame.code)),
                Ok(Message::Close(None)) => bail!("closed without a reason"),
                Ok(_) => {}
                Err(error) => return Err(error).context("cut without a reason"),
            }
        }
        bail!("cut without a word")
    };
    tokio::time::timeout(Duration::from_secs(8), closing).await.context("not closed")?
}

async fn garbage_on_sockets(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let text = |text: &str| Message::text(text.to_owned());
    let hello = json!({"type": "hello", "version": 1, "capabilities": 0, "info": {"system": "x", "machine": "y"},
        "entry": {"by": "nameplate", "nameplate": "000000"}});
    let mut old = hello.clone();
    old["version"] = json!(65535);
    let resume = json!({"type": "hello", "version": 1, "capabilities": 0, "info": {"system": "x", "machine": "y"},
        "entry": {"by": "resume", "token": "forged"}});
    let bad = CloseReason::BadMessage.websocket_code();
    for path in ["/ws/host", "/ws/viewer"] {
        for (what, message, codes) in [
            ("words", text("hello?"), vec![bad]),
            ("a number", text("42"), vec![bad]),
            ("an unknown message", text(r#"{"type":"take_over"}"#), vec![bad]),
            ("deep nesting", text(&"[".repeat(60_000)), vec![bad]),
            ("bytes", Message::binary(vec![0xff; 100]), vec![bad]),
            ("too much", text(&"x".repeat(70_000)), vec![CloseReason::TooLarge.websocket_code(), 1009]),
            (
                "another version",
                text(&old.to_string()),
                vec![CloseReason::VersionMismatch.websocket_code(), bad],
            ),
            ("a forged token", text(&resume.to_string()), vec![CloseReason::BadResume.websocket_code()]),
            ("an end before hello", text(r#"{"type":"end","reason":"customer_ended"}"#), vec![bad]),
        ] {
            let code = closed_with(&meeting.server, path, &[message])
                .await
                .with_context(|| format!("{what} on {path}"))?;
            ensure!(codes.contains(&code), "{what} on {path} was closed with {code}, not one of {codes:?}");
        }
    }
    let code = closed_with(&meeting.server, "/ws/host", &[text(&hello.to_string())]).await?;
    ensure!(code == CloseReason::UnknownCode.websocket_code(), "a wrong code was closed with {code}");
    // The session beside it has noticed nothing.
    ensure!(meeting.server.alive()? && meeting.host.alive()?, "a program has ended");
    ensure!(meeting.viewer.now().await? == "viewing", "the phase is {}", meeting.viewer.now().await?);
    chat::write(&meeting, "undisturbed").await?;
    meeting.host.says("undisturbed").await
}

async fn silent_logs(stage: &Stage) -> Result<()> {
    let verbose = "nearhand=trace,nearhand_signaling=trace,nearhand_protocol=trace,info";
    let mut meeting = Meeting::arrive_with(stage, Kind::Chromium, &[("NEARHAND_LOG", verbose)]).await?;
    meeting.allow_view().await?;
    chat::write(&meeting, "the word is marzipan").await?;
    meeting.host.says("marzipan").await?;
    meeting.host.types("the answer is nougat")?;
    meeting.viewer.tab.reads(crate::meeting::names::CHAT_LINES, "nougat").await?;
    let console = meeting.viewer.tab.console().await?.join("\n");
    let nameplate = &meeting.session.code[..6];
    for (whose, log) in
        [("server", meeting.server.log()), ("host", meeting.host.complaint()), ("tab", console)]
    {
        for word in
            [nameplate, &meeting.session.code, "marzipan", "nougat", "a=fingerprint", "candidate:", TOKEN]
        {
            ensure!(!log.contains(word), "the log of the {whose} has “{word}” in it");
        }
    }
    ensure!(meeting.server.log().contains(&meeting.session.id), "the server logs nothing at all");
    Ok(())
}

async fn foreign_page(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    for origin in [Some("https://evil.example"), Some("null"), None] {
        let mut request = format!("ws://{}/ws/viewer", server.address()).into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", HeaderValue::from_static(origin));
        }
        match tokio_tungstenite::connect_async(request).await {
            Err(Error::Http(response)) if response.status() == 403 => {}
            Err(error) => bail!("origin {origin:?}: {error}"),
            Ok(_) => bail!("origin {origin:?} got a socket"),
        }
    }
    Ok(())
}

/// A viewer in a page's console: it signs the socket with the page's cookie, offers all channels, and throws garbage on
/// each of them.
const HOSTILE_VIEWER: &str = r#"
    const [session, labels, done] = arguments;
    const report = { opened: [], sent: 0 };
    const socket = new WebSocket(`ws://${location.host}/ws/viewer`);
    const say = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "hello", version: 1, capabilities: 7, entry: { by: "signed_in", session } });
    let epoch = 0;
    const peer = new RTCPeerConnection();
    const throwGarbage = (channel) => {
        report.opened.push(channel.label);
        const random = (length) => crypto.getRandomValues(new Uint8Array(length));
        try {
            channel.send("a text");
            channel.send(new Uint8Array(0));
            for (let length = 1; length < 200; length += 1) { channel.send(random(length)); report.sent += 1; }
            for (let first = 0; first < 16; first += 1) {
                for (const fill of [0x00, 0x7f, 0xff]) channel.send(new Uint8Array(24).fill(fill).with(0, first));
            }
            channel.send(random(60000));
        } catch (error) { report.error = String(error); }
    };
    const begin = async () => {
        peer.addTransceiver("video", { direction: "recvonly" });
        for (const [label, options] of labels) {
            const channel = peer.createDataChannel(label, options);
            channel.onopen = () => throwGarbage(channel);
        }
        const extra = peer.createDataChannel("unheard-of");
        extra.onopen = () => throwGarbage(extra);
        peer.onicecandidate = ({ candidate }) => {
            if (candidate) say({ type: "negotiate", kind: "candidate", epoch, candidate: { candidate: candidate.candidate, sdp_mid: candidate.sdpMid, sdp_m_line_index: candidate.sdpMLineIndex } });
        };
        await peer.setLocalDescription();
        say({ type: "negotiate", kind: "offer", epoch, sdp: peer.localDescription.sdp });
    };
    socket.onmessage = async ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "welcome") { epoch = message.epoch; if (message.host) begin(); }
        if (message.type === "host_arrived") begin();
        if (message.type === "negotiate" && message.kind === "answer") await peer.setRemoteDescription({ type: "answer", sdp: message.sdp });
        if (message.type === "negotiate" && message.kind === "candidate") {
            const { candidate, sdp_mid, sdp_m_line_index } = message.candidate;
            await peer.addIceCandidate({ candidate, sdpMid: sdp_mid, sdpMLineIndex: sdp_m_line_index }).catch(() => {});
        }
    };
    const end = Date.now() + 10000;
    const look = () => {
        if (report.opened.length >= labels.length || Date.now() > end) setTimeout(() => { socket.close(); peer.close(); done(report); }, 1500);
        else setTimeout(look, 50);
    };
    look();
"#;

/// The labels of the channels, and how they are opened.
pub(super) fn channels() -> Value {
    nearhand_protocol::channel::Channel::ALL
        .iter()
        .map(|channel| {
            let reliability = channel.reliability();
            let mut options = json!({"ordered": reliability.ordered});
            if let Some(most) = reliability.max_retransmits {
                options["maxRetransmits"] = json!(most);
            }
            json!([channel.label(), options])
        })
        .collect()
}

async fn hostile_viewer(stage: &Stage) -> Result<()> {
    let mut other = Meeting::begin(stage).await?;
    let session = Session::new(&other.server).await?;
    let attacker = stage.chromium().await?;
    super::pairing::sign_in(&attacker, &other.server).await?;
    let mut victim = host::Host::start(stage, &other.server.url, &other.xvfb.display, &session.code)?;
    victim.says("connected to").await?;
    let report: Value = attacker.js_async(HOSTILE_VIEWER, &[json!(session.id), channels()]).await?;
    let opened = report["opened"].as_array().map_or(0, Vec::len);
    ensure!(opened >= 1 && report["sent"].as_u64() > Some(100), "no garbage was thrown: {report}");
    ensure!(!victim.complaint().contains("panicked"), "the host panicked: {}", victim.complaint());
    let screen = other.xvfb.screen()?;
    ensure!(screen.keys_down()?.is_empty(), "garbage pressed a key");
    // It may end the session, in order; it must not crash, and nobody else may notice.
    if !victim.alive()? {
        let status = victim.ends(Duration::from_secs(1)).await?;
        ensure!(
            status.code().is_some_and(|code| code < 2),
            "the host ended with {status}: {}",
            victim.complaint()
        );
    }
    ensure!(other.server.alive()? && other.host.alive()?, "a program has ended");
    chat::write(&other, "undisturbed").await?;
    other.host.says("undisturbed").await
}

/// A host in a page's console that answers the offer and throws garbage on each channel.
const HOSTILE_HOST: &str = r#"
    const [nameplate, done] = arguments;
    const report = { opened: [], sent: 0 };
    const socket = new WebSocket(`ws://${location.host}/ws/host`);
    const say = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "hello", version: 1, capabilities: 7, entry: { by: "nameplate", nameplate }, info: { system: "<b>x</b>", machine: "\u202e" + "m".repeat(100) } });
    socket.onclose = ({ code }) => { report.closed = code; };
    let peer = null;
    const random = (length) => crypto.getRandomValues(new Uint8Array(length));
    const throwGarbage = (channel) => {
        report.opened.push(channel.label);
        try {
            channel.send("a text");
            channel.send(new Uint8Array(0));
            for (let length = 1; length < 200; length += 1) { channel.send(random(length)); report.sent += 1; }
            for (let first = 0; first < 16; first += 1) {
                // The end of a session is a word that the tab must believe; all others may be thrown at it.
                if (channel.label === "control" && first === 6) continue;
                for (const fill of [0x00, 0x7f, 0xff]) channel.send(new Uint8Array(24).fill(fill).with(0, first));
            }
            channel.send(random(60000));
        } catch (error) { report.error = String(error); }
    };
    socket.onmessage = async ({ data }) => {
        const message = JSON.parse(data);
        if (message.type !== "negotiate") return;
        const { epoch } = message;
        if (message.kind === "offer") {
            peer = new RTCPeerConnection();
            peer.ondatachannel = ({ channel }) => { channel.readyState === "open" ? throwGarbage(channel) : channel.onopen = () => throwGarbage(channel); };
            peer.onicecandidate = ({ candidate }) => {
                if (candidate) say({ type: "negotiate", kind: "candidate", epoch, candidate: { candidate: candidate.candidate, sdp_mid: candidate.sdpMid, sdp_m_line_index: candidate.sdpMLineIndex } });
            };
            await peer.setRemoteDescription({ type: "offer", sdp: message.sdp });
            await peer.setLocalDescription();
            say({ type: "negotiate", kind: "answer", epoch, sdp: peer.localDescription.sdp });
            say({ type: "negotiate", kind: "answer", epoch: epoch + 1, sdp: "v=0 nonsense" });
            say({ type: "negotiate", kind: "candidate", epoch, candidate: { candidate: "candidate:nonsense" } });
        }
        if (message.kind === "candidate") {
            const { candidate, sdp_mid, sdp_m_line_index } = message.candidate;
            await peer?.addIceCandidate({ candidate, sdpMid: sdp_mid, sdpMLineIndex: sdp_m_line_index }).catch(() => {});
        }
    };
    const end = Date.now() + 10000;
    const look = () => {
        if (report.opened.length >= 7 || Date.now() > end) setTimeout(() => { socket.close(); peer?.close(); done(report); }, 1500);
        else setTimeout(look, 50);
    };
    look();
"#;

async fn hostile_host(stage: &Stage) -> Result<()> {
    let server = Server::start(stage).await?;
    let (viewer, session) = Viewer::waiting(stage.chromium().await?, &server).await?;
    let attacker = stage.chromium().await?;
    attacker.goto(&server.url).await?;
    let report: Value = attacker.js_async(HOSTILE_HOST, &[json!(session.code[..6])]).await?;
    ensure!(report["opened"].as_array().map_or(0, Vec::len) >= 1, "no channel was opened: {report}");
    viewer.tab.until("the tab to count the garbage", "Number(document.body.dataset.malformed) > 0").await?;
    // The attacker is gone now: a tab that lives says so, one that broke still shows what it showed.
    let alive = wait::find(Duration::from_secs(15), "the tab to notice that the host is gone", || async {
        let phase = viewer.now().await?;
        Ok(["interrupted", "reconnecting", "ended"].contains(&phase.as_str()).then_some(()))
    });
    alive.await?;
    let markup: bool = viewer
        .tab
        .js("return [...document.querySelectorAll('b')].some((b) => b.textContent === 'x');", &[])
        .await?;
    ensure!(!markup, "a host's name became markup");
    viewer.did_not_break().await?;
    if viewer.now().await? != "ended" {
        viewer.end().await?;
    }
    viewer.phase("ended").await
}
