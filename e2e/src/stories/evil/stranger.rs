//! Somebody who takes a seat that is not theirs, with a guess at the code: a page of a real browser for the connection,
//! the protocol's own key exchange for the guess.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use nearhand_protocol::code::Code;
use nearhand_protocol::control::ToViewer;
use nearhand_protocol::id::{Epoch, Seat, SessionId};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Fingerprint, Key};
use nearhand_protocol::proof::Share;
use nearhand_protocol::wire;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::browser::Tab;
use crate::stage::Stage;
use crate::stories::hostile::channels;

const LIMIT: Duration = Duration::from_secs(15);

/// The page with the connection.
#[derive(Clone)]
pub(super) struct Page(pub(super) Tab);

impl Page {
    /// Opens it on a page of this server, since some features want an origin.
    pub(super) async fn open(stage: &Stage, origin: &str) -> Result<Self> {
        let tab = stage.chromium().await?;
        tab.goto(origin).await?;
        let page = Self(tab);
        page.prepare().await?;
        Ok(page)
    }

    /// Forgets everything of an earlier use.
    pub(super) async fn prepare(&self) -> Result<()> {
        self.0.js::<Value>(include_str!("stranger.js"), &[channels()]).await.map(drop)
    }

    pub(super) async fn offer(&self, epoch: Epoch) -> Result<()> {
        self.0.js::<Value>("stranger.offer(arguments[0]);", &[json!(epoch.0)]).await.map(drop)
    }

    pub(super) async fn send<M: wire::Message>(&self, label: &str, message: &M) -> Result<()> {
        self.send_bytes(label, &[wire::encode(message)?]).await
    }

    /// All in one go: the other end may close after the first.
    pub(super) async fn send_all<M: wire::Message>(&self, label: &str, messages: &[M]) -> Result<()> {
        let bytes = messages.iter().map(wire::encode).collect::<Result<Vec<_>, _>>()?;
        self.send_bytes(label, &bytes).await
    }

    pub(super) async fn send_bytes(&self, label: &str, messages: &[Vec<u8>]) -> Result<()> {
        let body = "for (const message of arguments[1]) stranger.send(arguments[0], message);";
        self.0.js::<Value>(body, &[json!(label), json!(messages)]).await.map(drop)
    }

    /// What came on the channel `control` so far, as far as it can be read.
    pub(super) async fn control<M: wire::Message + DeserializeOwned>(&self) -> Result<Vec<M>> {
        let got: Vec<(String, Vec<u8>)> = self.0.js("return stranger.got;", &[]).await?;
        let control = got.iter().filter(|(label, _)| label == "control");
        Ok(control.filter_map(|(_, bytes)| wire::decode(bytes).ok()).collect())
    }

    /// The channels but `control` on which anything came.
    async fn others(&self) -> Result<Vec<String>> {
        let got: Vec<(String, Vec<u8>)> = self.0.js("return stranger.got;", &[]).await?;
        Ok(got.into_iter().map(|(label, _)| label).filter(|label| label != "control").collect())
    }

    /// Bytes of video that came.
    async fn video(&self) -> Result<u64> {
        self.0.js_async("const done = arguments[0]; stranger.bytesOfVideo().then(done);", &[]).await
    }

    /// Whoever sits here was greeted and sent away, at most: no word, nothing on another channel, no picture.
    pub(super) async fn learned_nothing(&self) -> Result<()> {
        let told = self.control::<ToViewer>().await?;
        let harmless = |message: &ToViewer| matches!(message, ToViewer::Hello(_) | ToViewer::End(_));
        ensure!(told.iter().all(harmless), "the stranger was told {told:?}");
        let others = self.others().await?;
        ensure!(others.is_empty(), "something came on {others:?}");
        ensure!(self.video().await? == 0, "a picture came");
        Ok(())
    }

    /// What the connection really uses.
    pub(super) async fn binding(&self, epoch: Epoch, seat: Seat) -> Result<Binding> {
        let sdps: [String; 2] = self.0.js("return stranger.sdps();", &[]).await?;
        let [own, other] = sdps.map(|sdp| Fingerprint::from_sdp(&sdp));
        let (own, other) =
            (own.context("no fingerprint of ours")?, other.context("no fingerprint of theirs")?);
        Ok(match seat {
            Seat::Viewer => Binding { epoch, viewer: own, host: other },
            Seat::Host => Binding { epoch, viewer: other, host: own },
        })
    }
}

/// A key exchange with a guess at the code.
pub(super) fn guess(seat: Seat, session: SessionId, code: Code) -> (Exchange, Value) {
    let mut seed = [0; nearhand_protocol::machine::handshake::SEED_LEN];
    rand::fill(&mut seed[..]);
    let (exchange, share) = Exchange::begin(seat, session, code, seed);
    (exchange, json!({"type": "share", "share": share}))
}

/// The key that a guess leads to, with the other end's share.
pub(super) fn key(exchange: Exchange, theirs: &Value) -> Result<Key> {
    let share: Share = serde_json::from_value(theirs["share"].clone())?;
    Ok(exchange.finish(&share)?)
}

/// Signals of a stranger: what is negotiation is the page's.
pub(super) struct Line<S> {
    socket: S,
    page: Page,
    heard: Vec<Value>,
    closed: bool,
}

impl<S> Line<S>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    pub(super) fn new(socket: S, page: Page) -> Self {
        Self { socket, page, heard: Vec::new(), closed: false }
    }

    pub(super) async fn say(&mut self, message: &Value) -> Result<()> {
        self.socket.send(Message::text(message.to_string())).await.context("saying something on a socket")
    }

    /// Waits for a message of this type.
    pub(super) async fn hear(&mut self, kind: &str) -> Result<Value> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.heard.iter().position(|message| message["type"] == kind) {
                return Ok(self.heard.remove(at));
            }
            if self.closed || Instant::now() > end {
                bail!("heard no {kind}, but {:?}", self.types());
            }
            self.step().await?;
        }
    }

    /// Waits until something is true in the page.
    pub(super) async fn until(&mut self, what: &str, expression: &str) -> Result<()> {
        let end = Instant::now() + LIMIT;
        while !self.page.0.js::<bool>(&format!("return Boolean({expression});"), &[]).await? {
            if Instant::now() > end {
                let error: Option<String> = self.page.0.js("return stranger.error;", &[]).await?;
                bail!("waited {LIMIT:?} for {what}; the page says {error:?}");
            }
            self.step().await?;
        }
        Ok(())
    }

    /// Waits until the other side has closed.
    pub(super) async fn closed(&mut self) -> Result<()> {
        let end = Instant::now() + LIMIT;
        while !self.closed {
            if Instant::now() > end {
                bail!("not closed; heard {:?}", self.types());
            }
            self.step().await?;
        }
        Ok(())
    }

    /// The types of what was heard and not asked for.
    pub(super) fn types(&self) -> Vec<&str> {
        self.heard.iter().filter_map(|message| message["type"].as_str()).collect()
    }

    /// Passes on what there is, and waits a moment for more.
    async fn step(&mut self) -> Result<()> {
        for message in self.page.0.js::<Vec<String>>("return stranger.out.splice(0);", &[]).await? {
            if self.socket.send(Message::text(message)).await.is_err() {
                self.closed = true;
            }
        }
        let moment = Duration::from_millis(20);
        match tokio::time::timeout(moment, self.socket.next()).await {
            Err(_)
            | Ok(Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
            Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => {
                self.closed = true;
                tokio::time::sleep(moment).await;
            }
            Ok(Some(Ok(Message::Text(text)))) => {
                let message: Value = serde_json::from_str(&text)?;
                if message["type"] == "negotiate" {
                    self.page.0.js::<Value>("stranger.take(arguments[0]);", &[message]).await?;
                } else {
                    self.heard.push(message);
                }
            }
        }
        Ok(())
    }
}
