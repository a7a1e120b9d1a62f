//! The owner of everything: what happens anywhere comes in by one queue, and goes to whom it concerns.
//!
//! Browsers call back at any time, also from within our own calls (`focus()` reports a `blur` before it returns). Such a
//! call finds the queue in use, leaves its event there, and is served right after.

mod commands;
mod input;
mod looking;
mod picture;
mod session;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use nearhand_protocol::control::ToHost;
use nearhand_protocol::id::{Epoch, SessionId};
use nearhand_protocol::picture::View;
use nearhand_protocol::version::Capabilities;
use web_sys::{Event as DomEvent, MediaStream};

use crate::chat::{self, Chat};
use crate::dom::{self, Missing};
use crate::files::{self, Files};
use crate::kept;
use crate::keyboard::{self, Keyboard};
use crate::listen::{self, Listener, Sink, Task, Timer};
use crate::monitors::window::OwnWindow;
use crate::monitors::{self, Monitors};
use crate::panel::{self, Panel};
use crate::pointer::{self, Pointer};
use crate::rtc::{self, Peer, Ways};
use crate::screen::{self, Resized, Screen};
use crate::signal::{Memory, Server, Wire};
use crate::silence::{Picture, Silence, WORTH_A_WORD_MS};
use crate::state::{Event, Phase, State};
use crate::stats::{self, Sample};
use crate::stream;
use crate::toolbar::{Command, Toolbar};
use crate::watching::Watching;
use crate::words::{self, Lack, Path};

/// How often time is looked at, in milliseconds.
const TICK_MS: i32 = 250;
/// In every so many ticks the browser is asked what came.
const LOOK_TICKS: u32 = 2;
/// In every so many looks the figures are shown, and told to the host's encoder.
const FIGURES_LOOKS: u32 = 2;

/// Narrower windows start without the panel, in CSS pixels; as in the style sheet.
const NARROW: f64 = 768.0;
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
    Picture(screen::Event),
    /// What is pending of the picture is due.
    Wake,
    /// Whether this browser decodes H.264 that comes over a data channel.
    Decodes(bool),
    Copied(&'static str, bool),
    Toolbar(Command),
    Panel(panel::Event),
    Monitors(monitors::Event),
    Window(monitors::window::Event),
    Chat(chat::Event),
    Files(files::Event),
    /// The network is there again.
    Online,
    /// Something about the network changed, perhaps only an estimate of its speed.
    NetworkChanged,
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
    ways: Ways,
    peer: Option<Peer>,
    /// The picture of a host that has not proven itself: not shown before.
    unproven: Option<MediaStream>,
    screen: Screen,
    keyboard: Keyboard,
    pointer: Pointer,
    toolbar: Toolbar,
    panel: Panel,
    monitors: Monitors,
    windows: Vec<OwnWindow>,
    watching: Watching,
    silence: Silence,
    chat: Chat,
    files: Files,
    /// What is shown, as the host announced it.
    shown: Option<View>,
    waking: Option<picture::Waking>,
    /// When the whole picture was asked for, in milliseconds.
    refreshed_ms: Option<f64>,
    /// Messages about the picture that made no sense.
    misleading: u32,
    asking_codec: Option<Task>,
    /// The newest place of the pointer, while it could not be sent.
    moved: Option<(u16, u16)>,
    sent: Option<(u16, u16)>,
    sequence: u32,
    sample: Sample,
    /// Bytes that came over the current peer connection, as the browser last counted them.
    received: f64,
    looks: u32,
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
        let mut capabilities = Capabilities::CURSOR.with(Capabilities::FILES).with(Capabilities::PICTURE);
        let mut asking_codec = None;
        if rtc::has_h264() {
            capabilities = capabilities.with(Capabilities::H264_TRACK);
        } else if supported && stream::decodes() {
            capabilities = capabilities.with(Capabilities::H264_CHANNEL);
            let sink = handle.sink(Input::Decodes);
            asking_codec = Some(stream::decodes_h264(move |able| sink(able)));
        }
        let memory = Memory::of(session);
        let invitation = kept::invited(&memory);
        let screen = Screen::new(&handle.sink(|_: Resized| Input::Resized), handle.sink(Input::Picture))?;
        let mut toolbar = Toolbar::new(handle.sink(Input::Toolbar))?;
        if !supported {
            toolbar.show_lack(Lack::WebRtc);
        } else if !capabilities.has(Capabilities::H264_TRACK) && asking_codec.is_none() {
            toolbar.show_lack(Lack::H264);
        }
        let tick = handle.sink(|()| Input::Tick);
        let panel = Panel::new(&handle.sink(Input::Panel))?;
        let mut app = Self {
            state: State::new(capabilities, kept::known(session)?),
            ways: Ways {
                ice_servers: Vec::new(),
                relay_only: memory.get("relay").as_deref() == Some("only"),
            },
            peer: None,
            unproven: None,
            keyboard: Keyboard::new(&handle.sink(Input::Keyboard))?,
            pointer: Pointer::new(&screen.mapping(), &handle.sink(Input::Pointer)),
            toolbar,
            watching: Watching::new(panel.quality()),
            panel,
            monitors: Monitors::new(&handle.sink(Input::Monitors))?,
            windows: Vec::new(),
            silence: Silence::default(),
            chat: Chat::new(Memory::of(session), &handle.sink(Input::Chat))?,
            files: Files::new(Memory::of(session), handle.sink(Input::Files))?,
            screen,
            shown: None,
            waking: None,
            refreshed_ms: None,
            misleading: 0,
            asking_codec,
            moved: None,
            sent: None,
            sequence: 0,
            sample: Sample::default(),
            received: 0.0,
            looks: 0,
            sampling: None,
            copying: None,
            ticks: 0,
            malformed: 0,
            hidden: dom::document()?.hidden(),
            phase: Phase::Opening,
            _timer: listen::every(TICK_MS, move || tick(())),
            _listeners: page_listeners(handle)?,
            server: Server::connect(session, invitation, capabilities, handle.sink(Input::Signal)),
            memory,
            handle: handle.clone(),
        };
        // In a narrow window the panel would lie over the code and the picture.
        let narrow = dom::window()?.inner_width().ok().and_then(|width| width.as_f64());
        if narrow.is_some_and(|width| width < NARROW) {
            Toolbar::show_panel(false);
        }
        let relay = if app.ways.relay_only { "only" } else { "any" };
        let body = dom::body()?;
        dom::set_attribute(&body, "data-relay", relay);
        // Elsewhere than on the server's own page a link opens nothing without a ticket of the colleague's own desk.
        Toolbar::show_seat(invitation.is_some(), app.memory.server().is_none());
        app.render();
        Ok(app)
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Pointer(event) => return self.pointed(event),
            Input::Keyboard(event) => self.typed(event),
            Input::Signal(wire) => self.signal(wire),
            Input::Rtc(epoch, event) => return self.rtc(epoch, event),
            Input::Stats(epoch, mut sample) => {
                // WebRTC counts only what it decodes itself.
                sample.decoded += self.screen.decoded() as f64;
                self.figures(epoch, &sample);
            }
            Input::Tick => self.tick(),
            Input::Resized => {
                self.screen.fit();
                return;
            }
            Input::Picture(event) => return self.picture(event),
            Input::Wake => return self.woken(),
            Input::Decodes(able) => {
                self.asking_codec = None;
                if !able {
                    self.toolbar.show_lack(Lack::H264);
                }
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
            Input::Panel(event) => self.panel_used(event),
            Input::Monitors(event) => self.monitors_used(event),
            Input::Window(event) => self.window_used(event),
            Input::Chat(chat::Event::Look) => self.look_at_chat(),
            Input::Files(event) => self.file(event),
            Input::Online => {
                self.redial();
                self.advance(Event::NetworkHint);
            }
            Input::NetworkChanged => self.advance(Event::NetworkHint),
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

    fn tick(&mut self) {
        self.advance(Event::Tick);
        self.move_pointer();
        self.files.pump(self.peer.as_ref().filter(|_| self.state.is_proven()));
        self.screen.count();
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(LOOK_TICKS)
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
        // More of them, or others: another path begins its count anew.
        if core::mem::replace(&mut self.received, sample.received).to_bits() != sample.received.to_bits() {
            self.advance(Event::Traffic(epoch));
        }
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(FIGURES_LOOKS) {
            return;
        }
        if let Some(path) = sample.path_since(&self.sample) {
            let relayed = path == Path::Relayed && !self.ways.relay_only;
            let sure = relayed && sample.path == Some(Path::Direct);
            self.advance(Event::Travels { epoch, relayed, sure, busy: self.files.is_moving() });
        }
        if let Some(figures) = stats::compare(&self.sample, sample) {
            let silent_ms = self.state.silent_ms().filter(|ms| *ms >= WORTH_A_WORD_MS);
            self.panel.take(&figures, silent_ms);
            let connected = self.phase.is_connected();
            self.toolbar.show_path(figures.path.filter(|_| connected));
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

    fn render(&mut self) {
        let before = core::mem::replace(&mut self.phase, self.state.phase());
        let controlling = self.phase == Phase::Controlling;
        self.keyboard.set_active(controlling);
        self.pointer.set_active(controlling);
        self.screen.set_acting(controlling);
        self.toolbar.render(&self.state, now_ms());
        self.watch();
        self.show_silence();
        let over = matches!(self.phase, Phase::Ended(_));
        // Lines are kept until the other end is back; files are not.
        self.chat.set_open(self.peer.is_some() && self.state.has_met() && !over);
        self.files.set_open(self.phase.is_connected());
        if let Ok(body) = dom::body() {
            dom::set_attribute(&body, "data-malformed", &self.malformed.to_string());
            dom::set_attribute(&body, "data-disbelieved", &self.state.disbelieved().to_string());
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
    // Not every browser has it.
    let network = dom::get(&window.navigator(), "connection").and_then(dom::cast::<web_sys::EventTarget>);
    if let Some(network) = network {
        let changed = handle.sink(|()| Input::NetworkChanged);
        listeners.push(listen::on(&network, "change", move |_: DomEvent| changed(())));
    }
    for kind in ["blur", "pagehide"] {
        let leaving = handle.sink(|()| Input::Leaving);
        listeners.push(listen::on(&window, kind, move |_: DomEvent| leaving(())));
    }
    Ok(listeners)
}

/// Milliseconds since the page was opened, by a clock that never runs backwards.
fn now_ms() -> u64 {
    dom::window()
        .ok()
        .and_then(|window| window.performance())
        .map_or(0, |performance| performance.now() as u64)
}
