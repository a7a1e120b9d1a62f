//! The WebSocket to the server: comes in, comes back after every break, and remembers in this tab how.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Secret;
use nearhand_protocol::id::{ResumeToken, SessionId, Ticket};
use nearhand_protocol::invitation::InvitationId;
use nearhand_protocol::signal::{self, Entry, MAX_MESSAGE, ServerToViewer, ViewerToServer};
use nearhand_protocol::version::{Capabilities, Version};
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use crate::back_off::BackOff;
use crate::dom;
use crate::fragment::Origin;
use crate::last_resort::{self, Known};
use crate::listen::{self, Listener, Sink, Timer};

/// Bytes that may wait for the network; a server that takes nothing any more is given up.
const MOST_BUFFERED: u32 = 1024 * 1024;

/// Under which name a tab of another origin remembers its session.
const LAST: &str = "nearhand.session";

/// For the connection and for the answer to the hello, in milliseconds. A browser itself waits for minutes.
const PATIENCE_MS: i32 = 10_000;

/// Something happened to one of the sockets; older ones are recognised by their number.
pub(crate) struct Wire(u32, What);

enum What {
    Opened,
    Text(String),
    Closed(u16),
    Slow,
    Retry,
}

/// What follows for the session.
pub(crate) enum Report {
    /// The server said something.
    Message(ServerToViewer),
    /// The connection broke; it is tried again.
    Lost,
    /// The server does not want this tab any more.
    Refused(CloseReason),
}

/// What this tab remembers of one session, as long as the tab lives.
pub(crate) struct Memory(SessionId);

impl Memory {
    /// Of this session.
    pub(crate) const fn of(session: SessionId) -> Self {
        Self(session)
    }

    /// A remembered text.
    pub(crate) fn get(&self, what: &str) -> Option<String> {
        dom::storage()?.get_item(&self.key(what)).ok().flatten()
    }

    /// Remembers a text; without storage, a reload forgets it.
    pub(crate) fn set(&self, what: &str, text: &str) {
        if let Some(storage) = dom::storage() {
            let _ = storage.set_item(&self.key(what), text);
        }
    }

    /// Forgets it.
    pub(crate) fn forget(&self, what: &str) {
        if let Some(storage) = dom::storage() {
            let _ = storage.remove_item(&self.key(what));
        }
    }

    /// The part of the code that the server does not know.
    pub(crate) fn secret(&self) -> Option<Secret> {
        self.get("secret")?.parse().ok()
    }

    /// The server, where this page does not come from it.
    pub(crate) fn server(&self) -> Option<Origin> {
        self.get("server")?.parse().ok()
    }

    /// This session is the one of this tab, whatever its address says later.
    pub(crate) fn be_last(&self) {
        if let Some(storage) = dom::storage() {
            let _ = storage.set_item(LAST, &self.0.to_string());
        }
    }

    /// The session of this tab.
    pub(crate) fn last() -> Option<SessionId> {
        dom::storage()?.get_item(LAST).ok().flatten()?.parse().ok()
    }

    fn key(&self, what: &str) -> String {
        format!("nearhand.{what}.{}", self.0)
    }
}

struct Socket {
    web: WebSocket,
    _listeners: [Listener; 3],
    _known: Known,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.web.close();
    }
}

/// The connection to the server.
pub(crate) struct Server {
    session: SessionId,
    capabilities: Capabilities,
    /// Of a tab that was invited.
    invitation: Option<InvitationId>,
    memory: Memory,
    sink: Sink<Wire>,
    socket: Option<Socket>,
    number: u32,
    resuming: bool,
    back_off: BackOff,
    retry: Option<Timer>,
    patience: Option<Timer>,
    closed: bool,
}

impl Server {
    /// Begins to connect.
    pub(crate) fn connect(
        session: SessionId,
        invitation: Option<InvitationId>,
        capabilities: Capabilities,
        sink: Sink<Wire>,
    ) -> Self {
        let memory = Memory::of(session);
        let mut server = Self {
            session,
            capabilities,
            invitation,
            memory,
            sink,
            socket: None,
            number: 0,
            resuming: false,
            back_off: BackOff::new(),
            retry: None,
            patience: None,
            closed: false,
        };
        server.dial();
        server
    }

    /// Something happened to a socket.
    pub(crate) fn handle(&mut self, Wire(number, what): Wire) -> Vec<Report> {
        if number != self.number {
            return Vec::new();
        }
        match what {
            What::Opened => {
                self.hello();
                Vec::new()
            }
            What::Text(text) => self.hear(&text),
            What::Closed(code) => match CloseReason::from_websocket_code(code) {
                Some(reason) => self.refused(reason),
                None => self.lost(),
            },
            What::Slow => self.lost(),
            What::Retry => {
                self.dial();
                Vec::new()
            }
        }
    }

    /// Says something to the server; while it can't be reached nothing is kept: a new entry starts afresh.
    pub(crate) fn send(&mut self, message: &ViewerToServer) {
        let Some(socket) = &self.socket else { return };
        if socket.web.ready_state() == WebSocket::OPEN
            && socket.web.buffered_amount() < MOST_BUFFERED
            && let Ok(text) = signal::to_text(message)
        {
            let _ = socket.web.send_with_str(&text);
        }
    }

    /// The connection that is there may be dead, or the network is back: connects anew, without waiting. False where there
    /// is none to be made any more.
    pub(crate) fn redial(&mut self) -> bool {
        if self.closed {
            return false;
        }
        self.back_off.reset();
        self.socket = None;
        self.dial();
        true
    }

    /// Ends the connection for good.
    pub(crate) fn close(&mut self) {
        self.number += 1;
        self.closed = true;
        self.socket = None;
        self.retry = None;
        self.patience = None;
    }

    fn dial(&mut self) {
        self.number += 1;
        self.retry = None;
        let (sink, number) = (self.sink.clone(), self.number);
        self.patience = listen::after(PATIENCE_MS, move || sink(Wire(number, What::Slow)));
        self.socket = self.open();
        if self.socket.is_none() {
            self.patience = None;
            self.wait();
        }
    }

    fn open(&self) -> Option<Socket> {
        let server = match self.memory.server() {
            Some(server) => server.websocket(),
            None => dom::window().ok()?.location().origin().ok()?.replacen("http", "ws", 1),
        };
        let web = WebSocket::new(&format!("{server}/ws/viewer")).ok()?;
        let number = self.number;
        let listeners = [
            listen::on(&web, "open", self.reporting(move |_: web_sys::Event| Wire(number, What::Opened))),
            // A message that is no text is no message: it reads as an empty one.
            listen::on(
                &web,
                "message",
                self.reporting(move |event: MessageEvent| {
                    Wire(number, What::Text(event.data().as_string().unwrap_or_default()))
                }),
            ),
            listen::on(
                &web,
                "close",
                self.reporting(move |event: CloseEvent| Wire(number, What::Closed(event.code()))),
            ),
        ];
        let known = last_resort::remember(&web);
        Some(Socket { web, _listeners: listeners, _known: known })
    }

    fn reporting<E>(&self, wire: impl Fn(E) -> Wire + 'static) -> impl Fn(E) + 'static {
        let sink = self.sink.clone();
        move |event| sink(wire(event))
    }

    fn hello(&mut self) {
        let token = self.memory.get("resume").filter(|token| token.len() <= ResumeToken::MAX_LEN);
        self.resuming = token.is_some();
        let entry = match token {
            Some(token) => Entry::Resume { token: ResumeToken::new(token) },
            None => match self.memory.get("ticket") {
                // Good once: shown again it would be worth less than nothing.
                Some(ticket) => {
                    self.memory.forget("ticket");
                    Entry::Ticket { session: self.session, ticket: Ticket::new(ticket) }
                }
                None => match self.invitation {
                    Some(invitation) => Entry::Invited { session: self.session, invitation },
                    None => Entry::SignedIn { session: self.session },
                },
            },
        };
        self.send(&ViewerToServer::Hello {
            version: Version::CURRENT,
            capabilities: self.capabilities,
            entry,
        });
    }

    fn hear(&mut self, text: &str) -> Vec<Report> {
        // Checked here as well, because `parse` sees the text as UTF-8 only after the browser allocated it.
        if text.len() > MAX_MESSAGE {
            return Vec::new();
        }
        match signal::parse(text) {
            Ok(ServerToViewer::End { reason }) => self.refused(reason),
            Ok(message) => {
                if let ServerToViewer::Welcome { resume, .. } = &message {
                    self.patience = None;
                    self.back_off.reset();
                    self.memory.set("resume", resume.expose());
                }
                vec![Report::Message(message)]
            }
            // A later server may say more than this page understands.
            Err(_) => Vec::new(),
        }
    }

    fn refused(&mut self, reason: CloseReason) -> Vec<Report> {
        if reason == CloseReason::BadResume && self.resuming {
            // The token is stale, but the session may still be open to whoever is signed in.
            self.memory.forget("resume");
            self.dial();
            return Vec::new();
        }
        if reason.worth_retrying() {
            return self.lost();
        }
        self.close();
        vec![Report::Refused(reason)]
    }

    fn lost(&mut self) -> Vec<Report> {
        self.number += 1;
        self.socket = None;
        self.patience = None;
        self.wait();
        vec![Report::Lost]
    }

    fn wait(&mut self) {
        let (sink, number) = (self.sink.clone(), self.number);
        let delay_ms = self.back_off.next_ms(js_sys::Math::random());
        self.retry = listen::after(delay_ms, move || sink(Wire(number, What::Retry)));
    }
}
