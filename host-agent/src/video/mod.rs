//! The picture on its way to the technician: when, how good, and the thread that captures, encodes and sends.

mod budget;
mod casting;
mod cells;
mod company;
mod figures;
mod ledger;
mod moves;
mod plan;
mod rate;
mod region;
mod repair;
mod schedule;
mod screen;
mod sharpen;
mod stream;
#[cfg(test)]
mod tests;
mod trace;
mod viewer;
mod window;
mod worker;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nearhand_desktop::{Capture, Waker};
use nearhand_protocol::control::{Arrival, Figures, Watch};
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::ViewGrant;
use nearhand_protocol::picture::{Painted, View};
use tokio::sync::mpsc;

use crate::input::Placed;
use crate::rtc::Transport;
use worker::Worker;

/// Events that may wait for the driver; the thread waits where there are more, and makes no frames meanwhile.
const EVENTS: usize = 16;

pub use crate::session::ViewerId;

/// What the driver learns.
#[derive(Debug)]
pub enum Event {
    /// The desktop's layout: when showing begins, and when it changes.
    Layout(Layout),
    /// What this viewer is shown from now on.
    View {
        /// Who.
        viewer: ViewerId,
        /// What.
        view: View,
    },
    /// What there is to tell about the last second, where this viewer wants it.
    Figures {
        /// Who.
        viewer: ViewerId,
        /// What.
        figures: Figures,
    },
    /// The screen can, or can't, be captured just now.
    Screen {
        /// Whether it can.
        available: bool,
    },
    /// Nothing can be shown any more.
    Broken(String),
}

/// The capture thread's owner: dropping it ends and joins the thread.
#[derive(Debug)]
pub struct Video {
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// What the thread was told and has not read.
#[derive(Default)]
struct Orders {
    viewers: BTreeMap<ViewerId, Order>,
    quit: bool,
}

/// What was said about one viewer. It holds the newest of each only.
#[derive(Default)]
struct Order {
    show: Change,
    keyframe: bool,
    refresh: bool,
    cursor: bool,
    arrival: Option<Arrival>,
    watch: Option<Watch>,
    painted: Option<Painted>,
}

/// What changes about to whom the screen is shown.
#[derive(Default)]
enum Change {
    /// Nothing.
    #[default]
    None,
    /// It is shown, from now on, to this one.
    Begin(Show),
    /// It is shown to nobody.
    Stop,
}

/// To whom the screen is shown, and by whose leave.
struct Show {
    grant: ViewGrant,
    transport: Arc<dyn Transport>,
}

#[derive(Default)]
struct Shared(Mutex<Orders>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Orders {
        std::mem::take(&mut *self.lock())
    }
}

impl Video {
    /// Starts the thread; it shows nothing.
    pub fn start(
        capture: Box<dyn Capture>,
        placed: Placed,
    ) -> std::io::Result<(Self, mpsc::Receiver<Event>)> {
        let (events, receiver) = mpsc::channel(EVENTS);
        let shared = Arc::new(Shared::default());
        let waker = capture.waker();
        let thread = std::thread::Builder::new().name("video".into()).spawn({
            let shared = shared.clone();
            move || {
                let run = || Worker::new(capture, &shared, &events, placed).run();
                let broken = match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "showing the screen failed".into(),
                };
                let _ = events.blocking_send(Event::Broken(broken));
            }
        })?;
        Ok((Self { shared, waker, thread: Some(thread) }, receiver))
    }

    /// Shows the screen to this viewer over this transport, from its beginning.
    pub fn show(&self, viewer: ViewerId, grant: ViewGrant, transport: Arc<dyn Transport>) {
        self.order(viewer, |order| {
            *order = Order { show: Change::Begin(Show { grant, transport }), ..Order::default() }
        });
    }

    /// Shows this viewer nothing any more.
    pub fn stop(&self, viewer: ViewerId) {
        self.order(viewer, |order| *order = Order { show: Change::Stop, ..Order::default() });
    }

    /// The other end can't decode.
    pub fn want_keyframe(&self, viewer: ViewerId) {
        self.order(viewer, |order| order.keyframe = true);
    }

    /// The other end has nothing any more of what was painted.
    pub fn refresh(&self, viewer: ViewerId) {
        self.order(viewer, |order| order.refresh = true);
    }

    /// The cursor channel takes messages (again): what was said on it may be lost.
    pub fn tell_cursor(&self, viewer: ViewerId) {
        self.order(viewer, |order| order.cursor = true);
    }

    /// How the picture arrives.
    pub fn arrival(&self, viewer: ViewerId, arrival: Arrival) {
        // Read with the next frame; a report about nothing is no reason to wake up.
        self.shared.lock().viewers.entry(viewer).or_default().arrival = Some(arrival);
    }

    /// What the technician looks at, and how.
    pub fn watch(&self, viewer: ViewerId, watch: Watch) {
        self.order(viewer, |order| order.watch = Some(watch));
    }

    /// What was painted of what was sent.
    pub fn painted(&self, viewer: ViewerId, painted: Painted) {
        self.order(viewer, |order| order.painted = Some(painted));
    }

    fn order(&self, viewer: ViewerId, change: impl FnOnce(&mut Order)) {
        change(self.shared.lock().viewers.entry(viewer).or_default());
        self.waker.wake();
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        self.shared.lock().quit = true;
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
