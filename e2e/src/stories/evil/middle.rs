//! A hostile server, as the host sees it: between it and the real one, and with a will of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::browser::Tab;
use crate::server::Server;

/// Messages that may wait to be slipped in.
const SLIPPED: usize = 64;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToHost,
    ToTab,
}

/// What the server does with what it should relay.
#[derive(Clone)]
pub(super) enum Mode {
    Honest,
    /// Everything of the key exchange and the negotiation is relayed two times.
    Twice,
    /// Parts of the key exchange that go this way are kept back.
    Keep(Way),
    /// Parts of the key exchange that go this way are replaced.
    Replace(Way, Value),
    /// The host negotiates with this page, and the tab with nobody.
    TakeOver(Tab),
    /// This page is an invited technician, with [`GUEST`] for its name.
    Guest(Tab),
}

/// The number of a guest that the server invents.
pub(super) const GUEST: u32 = 9;

/// The server, for as long as it is held.
pub(super) struct Middle {
    pub(super) url: String,
    mode: watch::Sender<Mode>,
    heard: Arc<Mutex<Vec<(Way, Value)>>>,
    slip: mpsc::Sender<(Way, Value)>,
    task: JoinHandle<()>,
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Middle {
    pub(super) async fn start(server: &Server, mode: Mode) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (mode, mode_now) = watch::channel(mode);
        let (slip, slipped) = mpsc::channel(SLIPPED);
        let heard = Arc::default();
        let relay =
            Relay { server: server.address().to_owned(), mode: mode_now, heard: Arc::clone(&heard), slipped };
        let task = tokio::spawn(relay.run(listener));
        Ok(Self { url, mode, heard, slip, task })
    }

    pub(super) fn set_mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What the two ends have said so far, of the key exchange and the negotiation.
    pub(super) fn heard(&self) -> Vec<(Way, Value)> {
        lock(&self.heard).clone()
    }

    /// The last message of this type that went this way.
    pub(super) fn last(&self, way: Way, kind: &str) -> Option<Value> {
        let mut heard = self.heard().into_iter().rev();
        heard.find(|(of, message)| *of == way && message["type"] == kind).map(|(_, message)| message)
    }

    /// Says something that nobody said.
    pub(super) async fn slip(&self, way: Way, message: Value) -> Result<()> {
        self.slip.send((way, message)).await.context("the server in the middle has ended")
    }
}

struct Relay {
    server: String,
    mode: watch::Receiver<Mode>,
    heard: Arc<Mutex<Vec<(Way, Value)>>>,
    slipped: mpsc::Receiver<(Way, Value)>,
}

impl Relay {
    /// One connection of the host after the other, as it comes back.
    async fn run(mut self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            // Either side has closed it; what that leads to is what the stories look at.
            let _ = self.relay(stream).await;
        }
    }

    async fn relay(&mut self, stream: TcpStream) -> Result<()> {
        let host = tokio_tungstenite::accept_async(stream).await?;
        let (server, _) = tokio_tungstenite::connect_async(format!("ws://{}/ws/host", self.server)).await?;
        let ((mut to_host, mut from_host), (mut to_server, mut from_server)) = (host.split(), server.split());
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            let messages = tokio::select! {
                message = from_host.next() => self.decide(Way::ToTab, message.context("the host is gone")??).await?,
                message = from_server.next() => self.decide(Way::ToHost, message.context("the server is gone")??).await?,
                Some((way, message)) = self.slipped.recv() => vec![(way, Message::text(message.to_string()))],
                _ = look.tick() => self.of_page().await?,
            };
            for (way, message) in messages {
                match way {
                    Way::ToHost => to_host.send(message).await?,
                    Way::ToTab => to_server.send(message).await?,
                }
            }
        }
    }

    /// What becomes of a message that should go this way.
    async fn decide(&self, way: Way, message: Message) -> Result<Vec<(Way, Message)>> {
        let Message::Text(text) = &message else {
            if message.is_close() {
                bail!("closed");
            }
            return Ok(vec![(way, message)]);
        };
        let content: Value = serde_json::from_str(text)?;
        let (share, negotiate) = (content["type"] == "share", content["type"] == "negotiate");
        let of_guest = content["type"].as_str().is_some_and(|kind| kind.starts_with("guest_"));
        if share || negotiate || of_guest {
            lock(&self.heard).push((way, content.clone()));
        }
        let mode = self.mode.borrow().clone();
        let becomes = match mode {
            Mode::Twice if share || negotiate => vec![message.clone(), message],
            Mode::Keep(kept) if share && kept == way => Vec::new(),
            Mode::Replace(replaced, other) if share && replaced == way => {
                vec![Message::text(other.to_string())]
            }
            Mode::Guest(page) if of_guest && way == Way::ToTab => {
                if content["type"] == "guest_negotiate" {
                    let mut answer = content["message"].clone();
                    answer["type"] = json!("negotiate");
                    page.js::<Value>("stranger.take(arguments[0]);", &[answer]).await?;
                }
                Vec::new()
            }
            Mode::TakeOver(page) if negotiate => {
                if way == Way::ToTab {
                    page.js::<Value>("stranger.take(arguments[0]);", &[content]).await?;
                }
                Vec::new()
            }
            _ => vec![message],
        };
        Ok(becomes.into_iter().map(|message| (way, message)).collect())
    }

    /// What the page has for the host.
    async fn of_page(&self) -> Result<Vec<(Way, Message)>> {
        let mode = self.mode.borrow().clone();
        let (Mode::TakeOver(page) | Mode::Guest(page)) = &mode else { return Ok(Vec::new()) };
        let said: Vec<String> = page.js("return stranger.out.splice(0);", &[]).await?;
        let as_said = |message: String| -> Result<String> {
            match &mode {
                Mode::Guest(_) => {
                    let message: Value = serde_json::from_str(&message)?;
                    Ok(json!({"type": "guest_negotiate", "guest": GUEST, "message": message}).to_string())
                }
                _ => Ok(message),
            }
        };
        said.into_iter().map(|message| Ok((Way::ToHost, Message::text(as_said(message)?)))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
