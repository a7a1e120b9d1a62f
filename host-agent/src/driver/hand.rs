//! The customer's own hand, on its way from the thread that hears it to the session.
//!
//! The driver may be busy for seconds with a connection that is being set up. So what must happen at once happens on the
//! listening thread itself: the brake stops every proof, and the input thread lets go of what is pressed. The session hears
//! of it when its turn comes, and tells both sides.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nearhand_desktop::{Error, Hotkey, Hotkeys, Listening, Local, LocalInput, Touch};
use nearhand_protocol::grant::Brake;
use tokio::sync::{Notify, mpsc};

use crate::input::Releaser;

/// For so long after a yes to control the pointer may go on moving by itself: the hand that clicked is still on the mouse.
pub const GRACE: Duration = Duration::from_millis(400);
/// What may wait for the driver. More touches say nothing new, and whoever presses a key so often presses it once more.
const QUEUE: usize = 16;

/// What the driver hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The hand is on mouse or keyboard.
    Touched,
    /// A key.
    Key(Hotkey),
    /// Nobody listens any more, for this reason.
    Lost(String),
}

/// Begins to tell a [`Hand`] of what the person at the machine does; it is done until what comes back is dropped.
pub type Listen = Box<dyn FnOnce(Hand) -> Result<Listening, Error> + Send>;

/// Listens to the devices of this machine.
pub fn devices(local: Box<dyn LocalInput>) -> Listen {
    Box::new(move |hand| local.listen(Hotkeys::default(), Box::new(move |what| hand.hears(what))))
}

/// Told by whoever listens to real mice and keyboards, from any thread. Nothing here waits.
#[derive(Clone, Debug)]
pub struct Hand {
    brake: Brake,
    releaser: Releaser,
    events: mpsc::Sender<Own>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Motion counts from here on again.
    forgives_until: Mutex<Option<Instant>>,
    /// Rung at panic, for a driver that waits for something else.
    panicked: Notify,
}

impl Hand {
    /// And the driver's end of it.
    pub(super) fn new(brake: Brake, releaser: Releaser) -> (Self, mpsc::Receiver<Own>) {
        let (events, receiver) = mpsc::channel(QUEUE);
        (Self { brake, releaser, events, shared: Arc::default() }, receiver)
    }

    /// The system told of something.
    pub fn hears(&self, what: Local) {
        match what {
            // Who pressed is of no matter while nothing of ours can be clicked.
            Local::Pressed { .. } => {}
            Local::Touched(touch) => self.touched(touch, Instant::now()),
            Local::Key(key) => self.pressed(key),
            Local::Lost(why) => drop(self.events.try_send(Own::Lost(why))),
        }
    }

    /// The person did something with their own hands at this moment.
    pub fn touched(&self, touch: Touch, now: Instant) {
        let until = *self.shared.forgives_until.lock().unwrap_or_else(PoisonError::into_inner);
        if touch == Touch::Motion && until.is_some_and(|until| now < until) {
            return;
        }
        self.brake.suspend();
        self.releaser.release();
        // Full: the driver has not come to the ones before.
        let _ = self.events.try_send(Own::Touched);
    }

    /// The person pressed a key that is theirs alone.
    pub fn pressed(&self, key: Hotkey) {
        if key == Hotkey::Panic {
            self.brake.pull();
            self.releaser.release();
            self.shared.panicked.notify_one();
        }
        // Full, at panic: the brake alone tells the session.
        let _ = self.events.try_send(Own::Key(key));
    }

    /// Somebody acts from now on: what moves the pointer for a moment is the hand that let them.
    pub(super) fn forgive(&self, now: Instant) {
        let mut until = self.shared.forgives_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(now + GRACE);
    }

    /// Waits for panic.
    pub(super) async fn panicked(&self) {
        self.shared.panicked.notified().await;
    }
}
