//! Frames and windows of ours that stay above all others: raised again whenever something comes above them.
//!
//! They are override-redirect windows, so no window manager has a say: the hints for "above" are only wishes, which full-screen
//! windows go over, and without a window manager they are nothing. Visibility is not asked for: under a compositing
//! manager every window counts as seen.

mod keeper;
mod patience;
mod strips;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use self::keeper::Keeper;
use super::Server;
use super::wake::Wake;
use crate::overlay::{Above, Framed, Overlay};
use crate::{Error, OwnRole, OwnWindows, WindowId};

/// Where what happens is told.
type Hears = Box<dyn FnMut(Above) + Send>;

#[derive(Debug)]
pub(super) struct X11Overlay {
    own: OwnWindows,
    /// Each caller waits for its order, so there are never many.
    orders: Sender<Order>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is to do, and where its outcome goes.
enum Order {
    Frame(Vec<Framed>, SyncSender<Result<(), Error>>),
    Adopt(WindowId, OwnRole, SyncSender<Result<(), Error>>),
    Forget(WindowId, SyncSender<Result<(), Error>>),
    Hear(Hears, SyncSender<Result<(), Error>>),
    End,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Order")
    }
}

impl X11Overlay {
    pub(super) fn new(server: Server) -> Result<Self, Error> {
        let (own, wake) = (OwnWindows::new(), Wake::new()?);
        let (orders, receiver) = channel();
        let mut keeper = Keeper::new(server, own.clone())?;
        let thread = std::thread::Builder::new().name("overlay".into()).spawn({
            let wake = wake.clone();
            move || {
                let done = catch_unwind(AssertUnwindSafe(|| work(&mut keeper, &receiver, &wake)));
                let lost = match done {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "keeping windows above others failed".to_owned(),
                };
                keeper.say(Above::Lost(lost));
            }
        });
        let thread =
            thread.map_err(|error| Error::Refused { what: "start a thread", reason: error.to_string() })?;
        Ok(Self { own, orders, wake, thread: Some(thread) })
    }

    fn carry_out(&self, order: impl FnOnce(SyncSender<Result<(), Error>>) -> Order) -> Result<(), Error> {
        let (done, outcome) = sync_channel(1);
        // A thread that has ended drops it, and so its sender.
        let _ = self.orders.send(order(done));
        self.wake.wake();
        outcome.recv().unwrap_or_else(|_| Err(Error::Lost("nothing is kept above other windows".into())))
    }
}

impl Overlay for X11Overlay {
    fn frame(&mut self, around: &[Framed]) -> Result<(), Error> {
        self.carry_out(|done| Order::Frame(around.to_vec(), done))
    }

    fn adopt(&mut self, window: WindowId, role: OwnRole) -> Result<(), Error> {
        // Whatever comes of the rest: input keeps off it.
        self.own.adopt(window, role);
        self.carry_out(|done| Order::Adopt(window, role, done))
    }

    fn forget(&mut self, window: WindowId) -> Result<(), Error> {
        self.own.forget(window);
        self.carry_out(|done| Order::Forget(window, done))
    }

    fn own(&self) -> OwnWindows {
        self.own.clone()
    }

    fn hear(&mut self, hears: Hears) -> Result<(), Error> {
        self.carry_out(|done| Order::Hear(hears, done))
    }
}

impl Drop for X11Overlay {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        self.wake.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Keeps windows above others until it is told to end, or the server is gone.
fn work(keeper: &mut Keeper, orders: &Receiver<Order>, wake: &Wake) -> Result<(), Error> {
    loop {
        while let Ok(order) = orders.try_recv() {
            let (outcome, done) = match order {
                Order::End => return Ok(()),
                Order::Frame(around, done) => (keeper.frame(&around), done),
                Order::Adopt(window, role, done) => (keeper.adopt(window, role), done),
                Order::Forget(window, done) => (keeper.forget(window), done),
                Order::Hear(hears, done) => {
                    keeper.hears(hears);
                    (Ok(()), done)
                }
            };
            let lost = matches!(outcome, Err(Error::Lost(_)));
            let _ = done.send(outcome);
            if lost {
                return Err(Error::Lost("the X server is gone".into()));
            }
        }
        keeper.hear()?;
        let due = keeper.keep()?;
        // What came meanwhile is read already, and would not end the sleep.
        if keeper.hear()? {
            continue;
        }
        wake.sleep(keeper.server(), due)?;
    }
}
