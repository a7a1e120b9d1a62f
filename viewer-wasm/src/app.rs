//! The owner of everything: what happens anywhere comes in by one queue (`inbox`), and goes to whom it concerns.

mod commands;
mod figures;
mod inbox;
mod input;
mod looking;
mod picture;
mod session;

use nearhand_protocol::id::SessionId;
use nearhand_protocol::picture::View;
use nearhand_protocol::version::Capabilities;
use web_sys::MediaStream;

use crate::chat::{self, Chat};
use crate::dom::{self, Missing};
use crate::files::Files;
use crate::kept;
use crate::keyboard::Keyboard;
use crate::listen::{self, Listener, Task, Timer};
use crate::monitors::Monitors;
use crate::monitors::window::OwnWindow;
use crate::panel::Panel;
use crate::pointer::Pointer;
use crate::rtc::{self, Peer, Ways};
use crate::screen::{Resized, Screen};
use crate::signal::{Memory, Server};
use crate::silence::{Picture, Silence};
use crate::state::{Event, Phase, State};
use crate::stats::Sample;
use crate::stream;
use crate::toolbar::Toolbar;
use crate::watching::Watching;
use crate::words::{self, Lack};

pub(crate) use inbox::Handle;
use inbox::{Input, page_listeners};

/// How often time is looked at, in milliseconds.
const TICK_MS: i32 = 250;
/// In every so many ticks the browser is asked what came.
const LOOK_TICKS: u32 = 2;

/// Narrower windows start without the panel, in CSS pixels; as in the style sheet.
const NARROW: f64 = 768.0;

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
            Input::Stats(epoch, sample) => self.figures(epoch, sample),
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
            Input::Copied(said, true) => self.toolbar.toast(&words::plain(said), false),
            Input::Copied(_, false) => {
                self.toolbar.toast(&words::plain("tab.copy.failed"), true);
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
        self.files.follow();
        self.screen.count();
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(LOOK_TICKS) {
            self.ask_what_came();
        }
    }

    fn look_at_chat(&mut self) {
        if Toolbar::is_panel_open()
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
            let title = words::title(self.phase, self.state.machine(), self.chat.unread());
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

/// Milliseconds since the page was opened, by a clock that never runs backwards.
fn now_ms() -> u64 {
    dom::page_ms() as u64
}
