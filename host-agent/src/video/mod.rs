//! The picture on its way to the technician: when, how good, and the thread that captures, encodes and sends.

mod rate;
mod schedule;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nearhand_desktop::{Capture, Waker};
use nearhand_protocol::control::Arrival;
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::ViewGrant;
use tokio::sync::mpsc;

use crate::input::Placed;
use crate::rtc::Transport;
use worker::Worker;

/// Events that may wait for the driver; the thread waits where there are more, and makes no frames meanwhile.
const EVENTS: usize = 16;

/// What the driver learns.
#[derive(Debug)]
pub enum Event {
    /// The picture's layout: when showing begins, and when it changes.
    Layout(Layout),
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

/// What the thread was told and has not read. It holds the newest of each only.
#[derive(Default)]
struct Orders {
    show: Change,
    keyframe: bool,
    cursor: bool,
    arrival: Option<Arrival>,
    quit: bool,
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

    /// Shows the screen over this transport, beginning with a keyframe.
    pub fn show(&self, grant: ViewGrant, transport: Arc<dyn Transport>) {
        self.order(|orders| orders.show = Change::Begin(Show { grant, transport }));
    }

    /// Shows nothing any more.
    pub fn stop(&self) {
        self.order(|orders| orders.show = Change::Stop);
    }

    /// The other end can't decode.
    pub fn want_keyframe(&self) {
        self.order(|orders| orders.keyframe = true);
    }

    /// The cursor channel takes messages (again): what was said on it may be lost.
    pub fn tell_cursor(&self) {
        self.order(|orders| orders.cursor = true);
    }

    /// How the picture arrives.
    pub fn arrival(&self, arrival: Arrival) {
        // Read with the next frame; a report about nothing is no reason to wake up.
        self.shared.lock().arrival = Some(arrival);
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.shared.lock());
        self.waker.wake();
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        self.order(|orders| orders.quit = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
