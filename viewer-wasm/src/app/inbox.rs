//! The one queue by which everything comes in, whoever calls.
//!
//! Browsers call back at any time, also from within our own calls (`focus()` reports a `blur` before it returns). Such a
//! call finds the queue in use, leaves its event there, and is served right after.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use nearhand_protocol::id::{Epoch, SessionId};
use web_sys::Event as DomEvent;

use super::App;
use crate::dom::{self, Missing};
use crate::listen::{self, Listener, Sink};
use crate::signal::Wire;
use crate::stats::Sample;
use crate::toolbar::Command;
use crate::{chat, files, keyboard, monitors, panel, pointer, rtc, screen};

/// Most events that wait; more are dropped.
const MOST_QUEUED: usize = 4096;

/// Something happened.
pub(super) enum Input {
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

    pub(super) fn sink<T>(&self, input: impl Fn(T) -> Input + 'static) -> Sink<T> {
        // Weak: the listeners belong to the app, and must not keep it alive.
        let shared = Rc::downgrade(&self.0);
        Rc::new(move |event| {
            if let Some(shared) = shared.upgrade() {
                Self(shared).send(input(event));
            }
        })
    }
}

/// Listens to what happens to the page as a whole.
pub(super) fn page_listeners(handle: &Handle) -> Result<Vec<Listener>, Missing> {
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
