//! The owner of everything: what happens anywhere comes in by one queue, and goes to whom it concerns.
//!
//! Browsers call back at any time, also from within our own calls (`focus()` reports a `blur` before it returns). Such a
//! call finds the queue in use, leaves its event there, and is served right after.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use nearhand_protocol::channel::Channel;
use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::control::{ToHost, ToViewer};
use nearhand_protocol::cursor::CursorMessage;
use nearhand_protocol::file::{FileChunk, FileMessage};
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::{Epoch, SessionId};
use nearhand_protocol::input::{InputEvent, PointerMove};
use nearhand_protocol::signal::{IceServer, ServerToViewer, ViewerToServer};
use nearhand_protocol::version::Capabilities;
use nearhand_protocol::wire;
use wasm_bindgen_futures::JsFuture;
use web_sys::Event as DomEvent;

use crate::chat::{self, Chat};
use crate::dom::{self, Missing};
use crate::files::{self, Files};
use crate::geometry::Scale;
use crate::keyboard::{self, Keyboard};
use crate::listen::{self, Listener, Sink, Task, Timer};
use crate::pointer::{self, Pointer};
use crate::rtc::{self, Peer};
use crate::screen::{Resized, Screen};
use crate::signal::{Memory, Report, Server, Wire};
use crate::state::{Announcement, Effect, Event, Phase, State};
use crate::stats::{self, Sample};
use crate::toolbar::{Command, Toolbar};
use crate::words::{self, Lack};

/// How often time is looked at, in milliseconds.
const TICK_MS: i32 = 500;
/// A pointer move waits while more bytes than this are on their way: only the newest place counts.
const POINTER_BUSY: usize = 256;

/// Most events that wait; more are dropped.
const MOST_QUEUED: usize = 4096;

/// Something happened.
enum Input {
    Signal(Wire),
    Rtc(Epoch, rtc::Event),
    Stats(Epoch, Sample),
    Tick,
    Keyboard(keyboard::Event),
    Pointer(pointer::Event),
    Resized,
    Copied(&'static str, bool),
    Toolbar(Command),
    Chat(chat::Event),
    Files(files::Event),
    Online,
    Visibility,
    Leaving,
}

/// The application, from outside: it can be told to stop.
#[derive(Clone)]
pub(crate) struct Handle(Rc<Shared>);

struct Shared {
    queue: RefCell<VecDeque<Input>>,
    app: RefCell<Option<App>>,
}

impl Handle {
    /// Finds the page and starts the session that its address names.
    pub(crate) fn start(session: SessionId) -> Result<Self, Missing> {
        let handle = Self(Rc::new(Shared { queue: RefCell::default(), app: RefCell::default() }));
        let app = App::new(session, &handle)?;
        *handle.0.app.borrow_mut() = Some(app);
        handle.run();
        Ok(handle)
    }

    /// Closes every connection and removes every listener.
    pub(crate) fn destroy(&self) {
        if let Ok(mut app) = self.0.app.try_borrow_mut() {
            *app = None;
        }
    }

    fn send(&self, input: Input) {
        let mut queue = self.0.queue.borrow_mut();
        // It is empty but for moments; full it is only after a defect, when nobody serves it any more.
        if queue.len() < MOST_QUEUED {
            queue.push_back(input);
        }
        drop(queue);
        self.run();
    }

    fn run(&self) {
        // In use: whoever uses it serves the queue to its end.
        let Ok(mut app) = self.0.app.try_borrow_mut() else { return };
        while let Some(app) = app.as_mut() {
            let Some(input) = self.0.queue.borrow_mut().pop_front() else { break };
            app.handle(input);
        }
    }

    fn sink<T>(&self, input: impl Fn(T) -> Input + 'static) -> Sink<T> {
        // Weak: the listeners belong to the app, and must not keep it alive.
        let shared = Rc::downgrade(&self.0);
        Rc::new(move |event| {
            if let Some(shared) = shared.upgrade() {
                Self(shared).send(input(event));
            }
        })
    }
}

struct App {
    handle: Handle,
    state: State,
    server: Server,
    memory: Memory,
    ice_servers: Vec<IceServer>,
    peer: Option<Peer>,
    screen: Screen,
    keyboard: Keyboard,
    pointer: Pointer,
    toolbar: Toolbar,
    chat: Chat,
    files: Files,
    /// The newest place of the pointer, while it could not be sent.
    moved: Option<(u16, u16)>,
    sent: Option<(u16, u16)>,
    sequence: u32,
    sample: Sample,
    sampling: Option<Task>,
    copying: Option<Task>,
    ticks: u32,
    /// Messages that made no sense; shown in the page for a support person.
    malformed: u32,
    hidden: bool,
    phase: Phase,
    _timer: Option<Timer>,
    _listeners: Vec<Listener>,
}

impl App {
    fn new(session: SessionId, handle: &Handle) -> Result<Self, Missing> {
        let supported = rtc::is_supported();
        let mut capabilities = Capabilities::CURSOR.with(Capabilities::FILES);
        if rtc::has_h264() {
            capabilities = capabilities.with(Capabilities::H264_TRACK);
        }
        let memory = Memory::of(session);
        let screen = Screen::new(&handle.sink(|_: Resized| Input::Resized))?;
        let toolbar = Toolbar::new(handle.sink(Input::Toolbar))?;
        if !supported {
            Toolbar::show_lack(Lack::WebRtc);
        } else if !capabilities.has(Capabilities::H264_TRACK) {
            Toolbar::show_lack(Lack::H264);
        }
        let tick = handle.sink(|()| Input::Tick);
        let mut app = Self {
            state: State::new(capabilities),
            ice_servers: Vec::new(),
            peer: None,
            keyboard: Keyboard::new(&handle.sink(Input::Keyboard))?,
            pointer: Pointer::new(&screen.mapping(), &handle.sink(Input::Pointer))?,
            toolbar,
            chat: Chat::new(Memory::of(session), &handle.sink(Input::Chat))?,
            files: Files::new(Memory::of(session), handle.sink(Input::Files))?,
            screen,
            moved: None,
            sent: None,
            sequence: 0,
            sample: Sample::default(),
            sampling: None,
            copying: None,
            ticks: 0,
            malformed: 0,
            hidden: dom::document()?.hidden(),
            phase: Phase::Opening,
            _timer: listen::every(TICK_MS, move || tick(())),
            _listeners: page_listeners(handle)?,
            server: Server::connect(session, capabilities, handle.sink(Input::Signal)),
            memory,
            handle: handle.clone(),
        };
        app.render();
        Ok(app)
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Pointer(event) => return self.pointed(event),
            Input::Keyboard(event) => self.typed(event),
            Input::Signal(wire) => self.signal(wire),
            Input::Rtc(epoch, event) => return self.rtc(epoch, event),
            Input::Stats(epoch, sample) => self.figures(epoch, &sample),
            Input::Tick => self.tick(),
            Input::Resized => {
                self.show_size();
                return;
            }
            Input::Toolbar(command) => self.command(command),
            Input::Copied(said, true) => self.toolbar.toast(said, false),
            Input::Copied(_, false) => {
                self.toolbar
                    .toast("This browser does not let the page copy: mark the text and copy it.", true);
            }
            Input::Chat(chat::Event::Write) => {
                if let Some(message) = self.chat.write() {
                    self.say(&message);
                }
            }
            Input::Chat(chat::Event::Look) => self.look_at_chat(),
            Input::Files(event) => self.file(event),
            Input::Online => self.server.hurry(),
            Input::Visibility => {
                self.hidden = dom::document().is_ok_and(|document| document.hidden());
                if self.hidden {
                    self.release();
                } else {
                    self.look_at_chat();
                }
            }
            Input::Leaving => self.release(),
        }
        self.render();
    }

    fn advance(&mut self, event: Event) {
        for effect in self.state.handle(now_ms(), event) {
            self.carry_out(&effect);
        }
    }

    fn carry_out(&mut self, effect: &Effect) {
        match *effect {
            Effect::StartPeer(epoch) => self.start_peer(epoch),
            Effect::RestartIce => {
                if let Some(peer) = &self.peer {
                    peer.restart_ice();
                }
            }
            Effect::Tell(message) => self.tell(message),
            Effect::TellServerEnd => self.server.send(&ViewerToServer::End),
            Effect::ReleaseInput => self.release(),
            Effect::Darken => self.screen.set_acting(false),
            Effect::Close => self.close(),
            Effect::Announce(announcement) => self.announce(announcement),
        }
    }

    fn start_peer(&mut self, epoch: Epoch) {
        self.files.interrupted();
        self.sample = Sample::default();
        self.sampling = None;
        self.sequence = 0;
        self.sent = None;
        self.toolbar.show_path(None);
        // The old one first: two at once would share what the network gives.
        self.peer = None;
        let sink = self.handle.sink(move |event| Input::Rtc(epoch, event));
        self.peer = Peer::offer(epoch, &self.ice_servers, sink).ok();
    }

    fn close(&mut self) {
        self.files.interrupted();
        self.screen.darken();
        // What was said just now still goes out: closing sends it first.
        self.server.close();
        self.peer = None;
        self.sampling = None;
        for what in ["resume", "secret", "chat", "offers"] {
            self.memory.forget(what);
        }
        self.toolbar.show_path(None);
        Toolbar::close_popups();
        if let Ok(document) = dom::document()
            && document.fullscreen_element().is_some()
        {
            document.exit_fullscreen();
        }
    }

    fn announce(&mut self, announcement: Announcement) {
        // The picture itself says that it may be seen, and a notice stays where a toast would go.
        let shown = matches!(announcement, Announcement::Given(Right::View) | Announcement::Notice(_));
        if !shown {
            let (text, bad) = words::announcement(announcement);
            self.toolbar.toast(text, bad);
        }
        if announcement == Announcement::Given(Right::Control) {
            self.keyboard.set_active(true);
            self.keyboard.focus();
        }
    }

    fn signal(&mut self, wire: Wire) {
        for report in self.server.handle(wire) {
            match report {
                Report::Lost => self.advance(Event::SignalLost),
                Report::Refused(reason) => self.advance(Event::SignalEnded(reason)),
                Report::Message(message) => self.server_said(message),
            }
        }
    }

    fn server_said(&mut self, message: ServerToViewer) {
        match message {
            ServerToViewer::Welcome {
                version, nameplate, code_valid_s, epoch, ice_servers, host, ..
            } => {
                self.ice_servers = ice_servers;
                Toolbar::show_code(&nameplate.to_string(), self.memory.secret());
                self.advance(Event::Welcomed { version, nameplate, code_valid_s, epoch, host });
            }
            ServerToViewer::HostArrived { host } => self.advance(Event::HostArrived(host)),
            ServerToViewer::HostDropped { grace_s } => self.advance(Event::HostDropped { grace_s }),
            ServerToViewer::Negotiate(message) => {
                if let Some(peer) = &mut self.peer {
                    peer.receive(message);
                }
            }
            ServerToViewer::End { reason } => self.advance(Event::SignalEnded(reason)),
        }
    }

    fn rtc(&mut self, epoch: Epoch, event: rtc::Event) {
        if self.peer.as_ref().is_none_or(|peer| peer.epoch() != epoch) {
            return;
        }
        match event {
            rtc::Event::Negotiate(message) => {
                return self.server.send(&ViewerToServer::Negotiate(message));
            }
            rtc::Event::Up => self.advance(Event::LinkUp(epoch)),
            rtc::Event::Broken => self.advance(Event::LinkBroken(epoch)),
            rtc::Event::Failed => self.advance(Event::LinkFailed(epoch)),
            rtc::Event::Picture(stream) => self.screen.play(&stream),
            rtc::Event::Opened(Channel::Control) => self.advance(Event::ControlOpen(epoch)),
            rtc::Event::Closed(Channel::Control) => self.advance(Event::ControlClosed(epoch)),
            rtc::Event::Opened(Channel::Chat) => {
                for message in self.chat.waiting() {
                    self.say(&message);
                }
            }
            rtc::Event::Closed(Channel::Files | Channel::FileData) => self.files.interrupted(),
            rtc::Event::Opened(_) | rtc::Event::Closed(_) => return,
            rtc::Event::Room(Channel::Pointer) => return self.move_pointer(),
            rtc::Event::Room(_) => return self.files.pump(self.peer.as_ref()),
            rtc::Event::Message(channel, bytes) => {
                if self.message(channel, &bytes).is_err() {
                    self.malformed = self.malformed.saturating_add(1);
                }
                if !matches!(channel, Channel::Control | Channel::Chat) {
                    return;
                }
            }
        }
        self.render();
    }

    /// A message of the host. What can't be understood is counted and otherwise ignored.
    fn message(&mut self, channel: Channel, bytes: &[u8]) -> Result<(), wire::WireError> {
        match channel {
            Channel::Control => {
                let message: ToViewer = wire::decode(bytes)?;
                self.advance(Event::Heard(message));
                self.show_size();
            }
            Channel::Cursor => {
                let message: CursorMessage = wire::decode(bytes)?;
                if self.state.may_see() {
                    self.screen.cursor(message);
                }
            }
            Channel::Chat => {
                let message: ChatMessage = wire::decode(bytes)?;
                if self.chat.receive(message, self.hidden) && !self.hidden {
                    self.look_at_chat();
                }
            }
            Channel::Files => {
                let message: FileMessage = wire::decode(bytes)?;
                self.files.receive(&message, self.peer.as_ref());
            }
            Channel::FileData => {
                let chunk: FileChunk<'_> = wire::decode_borrowed(bytes)?;
                self.files.chunk(&chunk, self.peer.as_ref());
            }
            // These go the other way only.
            Channel::Input | Channel::Pointer => return Err(wire::WireError::Malformed),
        }
        Ok(())
    }

    fn tell(&self, message: ToHost) {
        if let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(&message)) {
            // A full control channel belongs to a dead link, which is noticed by its silence.
            let _ = peer.send(Channel::Control, &bytes);
        }
    }

    fn say(&self, message: &ChatMessage) {
        if let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(message)) {
            // What does not go out waits in the conversation until the channel is there again.
            let _ = peer.send(Channel::Chat, &bytes);
        }
    }

    fn input(&self, event: &InputEvent) {
        // Letting go is allowed to everybody, at any time.
        if (self.state.may_control() || *event == InputEvent::ReleaseAll)
            && let (Some(peer), Ok(bytes)) = (&self.peer, wire::encode(event))
        {
            let _ = peer.send(Channel::Input, &bytes);
        }
    }

    fn release(&mut self) {
        self.moved = None;
        let held = [self.keyboard.release_all(), self.pointer.release_all()];
        if held.iter().any(Option::is_some) {
            self.input(&InputEvent::ReleaseAll);
        }
    }

    fn typed(&mut self, event: keyboard::Event) {
        match event {
            keyboard::Event::Send(events) => {
                for event in &events {
                    self.input(event);
                }
            }
            keyboard::Event::Blurred => self.release(),
            keyboard::Event::Leave => {
                self.release();
                self.toolbar.focus();
            }
        }
    }

    fn pointed(&mut self, event: pointer::Event) {
        match event {
            pointer::Event::Moved(x, y) => {
                if self.sent != Some((x, y)) {
                    self.moved = Some((x, y));
                    self.screen.moved_here();
                    self.move_pointer();
                }
            }
            pointer::Event::Send(events) => {
                self.screen.moved_here();
                for event in &events {
                    self.input(event);
                }
            }
            pointer::Event::Took => self.keyboard.focus(),
        }
    }

    fn move_pointer(&mut self) {
        let Some((x, y)) = self.moved.filter(|_| self.state.may_control()) else { return };
        let Some(peer) = self.peer.as_ref().filter(|peer| peer.buffered(Channel::Pointer) < POINTER_BUSY)
        else {
            // It goes out as soon as the channel has room; if it moves on before, all the better.
            return;
        };
        self.sequence = self.sequence.wrapping_add(1);
        let message = PointerMove { sequence: self.sequence, x, y };
        if wire::encode(&message).is_ok_and(|bytes| peer.send(Channel::Pointer, &bytes).is_ok()) {
            self.sent = self.moved.take();
        }
    }

    fn show_size(&mut self) {
        let size = self.state.layout().map(|layout| (layout.width, layout.height));
        self.screen.set_pixels(size);
    }

    fn tick(&mut self) {
        self.advance(Event::Tick);
        self.move_pointer();
        self.files.pump(self.peer.as_ref());
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(2)
            && let Some(peer) = &self.peer
        {
            let epoch = peer.epoch();
            let sink = self.handle.sink(move |sample| Input::Stats(epoch, sample));
            self.sampling = Some(stats::read(peer.stats(), sink));
        }
    }

    fn figures(&mut self, epoch: Epoch, sample: &Sample) {
        if self.state.epoch() != Some(epoch) {
            return;
        }
        if let Some(figures) = stats::compare(&self.sample, sample) {
            self.toolbar.show_figures(&figures);
            if matches!(self.phase, Phase::Viewing | Phase::Controlling) && self.sample.at_ms > 0.0 {
                self.tell(ToHost::Arrival(figures.arrival));
            }
        }
        self.sample = sample.clone();
    }

    fn look_at_chat(&mut self) {
        let panel = dom::body().is_ok_and(|body| body.get_attribute("data-panel").as_deref() == Some("open"));
        if panel
            && !self.hidden
            && let Some(seen) = self.chat.look()
        {
            self.say(&seen);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Control if self.state.held().has(Right::Control) => {
                self.advance(Event::GiveBackControl);
            }
            Command::Control => self.advance(Event::AskControl),
            Command::View => self.advance(Event::AskView),
            Command::Keys(keys) => {
                if self.state.may_control() {
                    self.tell(ToHost::Press(keys));
                }
                Toolbar::close_popups();
                self.keyboard.focus();
            }
            Command::Scale => {
                let other = if self.screen.scale() == Scale::Fit { Scale::Actual } else { Scale::Fit };
                self.toolbar.show_scale(other);
                self.screen.set_scale(other);
            }
            Command::FullScreen => full_screen(),
            Command::FullScreenChanged => {
                let full = dom::document().is_ok_and(|document| document.fullscreen_element().is_some());
                self.toolbar.show_full_screen(full);
                Keyboard::lock(full);
            }
            Command::Panel => self.toggle_panel(),
            Command::AskEnd => Toolbar::ask_end(),
            Command::End => {
                self.advance(Event::End);
                self.toolbar.focus_heading();
            }
            Command::CopyCode => self.copy(&["code-1", "code-2", "code-3"], "The code is in your clipboard."),
            Command::CopyLink => self.copy(&["link"], "The link is in your clipboard."),
            Command::ToastOver => self.toolbar.toast_over(),
        }
    }

    fn toggle_panel(&mut self) {
        let Ok(body) = dom::body() else { return };
        let open = body.get_attribute("data-panel").as_deref() == Some("open");
        dom::set_attribute(&body, "data-panel", if open { "closed" } else { "open" });
        if let Ok(toggle) = dom::by_id::<web_sys::Element>("panel-toggle") {
            dom::set_attribute(&toggle, "aria-expanded", if open { "false" } else { "true" });
        }
        if !open {
            self.chat.focus();
            self.look_at_chat();
        }
    }

    fn copy(&mut self, ids: &[&str], said: &'static str) {
        let parts: Vec<_> = ids
            .iter()
            .filter_map(|id| dom::by_id::<web_sys::Element>(id).ok()?.text_content())
            .map(|text| text.trim().to_owned())
            .collect();
        // Only on https and localhost there is a clipboard; elsewhere the text can be marked by hand.
        let clipboard = dom::window().ok().and_then(|window| dom::get(&window.navigator(), "clipboard"));
        let text = js_sys::Array::of1(&parts.join(" ").into());
        let copying = clipboard.and_then(|clipboard| dom::call_async(&clipboard, "writeText", &text));
        let sink = self.handle.sink(move |copied| Input::Copied(said, copied));
        self.copying = Some(listen::spawn(async move {
            sink(match copying {
                Some(copying) => JsFuture::from(copying).await.is_ok(),
                None => false,
            });
        }));
    }

    fn file(&mut self, event: files::Event) {
        let peer = self.peer.as_ref();
        match event {
            files::Event::Chosen(files) => {
                for file in files {
                    self.files.offer(file, peer);
                }
            }
            files::Event::Wanted => {
                let (text, bad) = match Files::want(peer) {
                    Ok(()) => ("The customer was asked to choose a file.", false),
                    Err(_) => ("There is no connection to the customer just now.", true),
                };
                self.toolbar.toast(text, bad);
            }
            files::Event::Pressed(id) => self.files.press(id, peer),
            files::Event::Read(id, part) => self.files.read(id, part, peer),
            files::Event::Hovering(hovering) => {
                if let Ok(body) = dom::body() {
                    dom::set_attribute(&body, "data-dropping", if hovering { "yes" } else { "no" });
                }
            }
        }
    }

    fn render(&mut self) {
        let before = core::mem::replace(&mut self.phase, self.state.phase());
        let controlling = self.phase == Phase::Controlling;
        self.keyboard.set_active(controlling);
        self.pointer.set_active(controlling);
        self.screen.set_acting(controlling);
        self.toolbar.render(&self.state, now_ms());
        if matches!(self.phase, Phase::Viewing | Phase::Controlling) && before != self.phase {
            self.screen.resume();
        }
        let over = matches!(self.phase, Phase::Ended(_));
        // Lines are kept until the other end is back; files are not.
        self.chat.set_open(self.peer.is_some() && !over);
        self.files.set_open(matches!(
            self.phase,
            Phase::Asking | Phase::Declined | Phase::Viewing | Phase::Controlling
        ));
        if let Ok(body) = dom::body() {
            dom::set_attribute(&body, "data-malformed", &self.malformed.to_string());
        }
        if over && before != self.phase {
            self.toolbar.focus_heading();
        }
        if let Ok(document) = dom::document() {
            let machine = self.state.host().map(|host| host.machine.as_str()).filter(|name| !name.is_empty());
            let title = words::title(self.phase, machine, self.chat.unread());
            if document.title() != title {
                document.set_title(&title);
            }
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.release();
        self.server.close();
    }
}

fn page_listeners(handle: &Handle) -> Result<Vec<Listener>, Missing> {
    let (window, document) = (dom::window()?, dom::document()?);
    let online = handle.sink(|()| Input::Online);
    let visibility = handle.sink(|()| Input::Visibility);
    let mut listeners = vec![
        listen::on(&window, "online", move |_: DomEvent| online(())),
        listen::on(&document, "visibilitychange", move |_: DomEvent| visibility(())),
    ];
    for kind in ["blur", "pagehide"] {
        let leaving = handle.sink(|()| Input::Leaving);
        listeners.push(listen::on(&window, kind, move |_: DomEvent| leaving(())));
    }
    Ok(listeners)
}

fn full_screen() {
    let Ok(document) = dom::document() else { return };
    if document.fullscreen_element().is_some() {
        document.exit_fullscreen();
    } else if let Some(root) = document.document_element() {
        let _ = root.request_fullscreen();
    }
}

/// Milliseconds since the page was opened, by a clock that never runs backwards.
fn now_ms() -> u64 {
    dom::window()
        .ok()
        .and_then(|window| window.performance())
        .map_or(0, |performance| performance.now() as u64)
}
