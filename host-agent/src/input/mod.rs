//! The technician's input on its way to the desktop: a bounded queue, and the thread that injects.
//!
//! The thread owns the [`Injector`], which checks the grant of every call and lets go of everything when it is dropped,
//! so also when the thread panics.

mod queue;
mod special;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nearhand_desktop::{Error, Injector};
use nearhand_protocol::control::{InputProblem, SpecialKeys};
use nearhand_protocol::grant::ControlGrant;
use nearhand_protocol::input::{InputEvent, PointerMove};
use tokio::sync::mpsc;

use queue::{Job, Queue};

/// Problems that may wait for the driver; more of them say nothing new and are dropped.
const PROBLEMS: usize = 8;

/// What the driver learns.
#[derive(Debug)]
pub enum Event {
    /// Something was not carried out.
    Problem(InputProblem),
    /// The desktop can't be acted on any more.
    Broken(String),
}

/// The input thread's owner: dropping it releases everything, and joins the thread.
#[derive(Debug)]
pub struct Input {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Lets go of everything from any thread, without the driver: for whoever touches or pulls the brake. It does not wait, and
/// does nothing once the input has ended.
#[derive(Clone, Debug)]
pub struct Releaser(Arc<Shared>);

impl Releaser {
    /// Lets go of everything that is pressed, and forgets what waits.
    pub fn release(&self) {
        self.0.lock().release_all();
        self.0.rung.notify_one();
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    rung: Condvar,
    placed: Placed,
}

/// Where the technician last put the pointer: what tells our moves from the customer's.
#[derive(Clone, Debug)]
pub struct Placed(Arc<AtomicU32>);

impl Placed {
    /// Nowhere yet.
    pub fn nowhere() -> Self {
        Self(Arc::new(AtomicU32::new(u32::MAX)))
    }

    /// Whether the technician put it there.
    pub fn is_at(&self, x: u16, y: u16) -> bool {
        self.0.load(Ordering::Acquire) == u32::from(x) << 16 | u32::from(y)
    }

    fn put(&self, x: u16, y: u16) {
        self.0.store(u32::from(x) << 16 | u32::from(y), Ordering::Release);
    }
}

impl Input {
    /// Starts the thread.
    pub fn start(injector: Injector) -> std::io::Result<(Self, mpsc::Receiver<Event>)> {
        let (events, receiver) = mpsc::channel(PROBLEMS);
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            rung: Condvar::new(),
            placed: Placed::nowhere(),
        });
        let thread = std::thread::Builder::new().name("input".into()).spawn({
            let shared = shared.clone();
            move || {
                let done = catch_unwind(AssertUnwindSafe(|| work(&shared, injector, &events)));
                if done.is_err() {
                    let _ = events.blocking_send(Event::Broken("the input failed".into()));
                }
            }
        })?;
        Ok((Self { shared, thread: Some(thread) }, receiver))
    }

    /// Where the technician last put the pointer.
    pub fn placed(&self) -> Placed {
        self.shared.placed.clone()
    }

    /// What lets go of everything from another thread.
    pub fn releaser(&self) -> Releaser {
        Releaser(self.shared.clone())
    }

    /// Does what the technician did. False: the queue is full, and it was left out.
    pub fn inject(&self, event: InputEvent, grant: ControlGrant) -> bool {
        self.put(|queue| queue.event(event, grant))
    }

    /// Moves the pointer, unless a later move came before.
    pub fn move_to(&self, to: PointerMove, grant: ControlGrant) {
        self.put(|queue| queue.move_to(to, grant));
    }

    /// Presses and releases a combination. False: the queue is full, and it was left out.
    pub fn press(&self, keys: SpecialKeys, grant: &ControlGrant) -> bool {
        self.put(|queue| queue.events(special::strokes(keys), grant))
    }

    /// Lets go of everything that is pressed, and forgets what waits.
    pub fn release_all(&self) {
        self.put(Queue::release_all);
    }

    /// Another peer connection: its moves are counted from the start.
    pub fn new_peer(&self) {
        self.put(Queue::new_peer);
    }

    fn put<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let result = change(&mut self.shared.lock());
        self.shared.rung.notify_one();
        result
    }

    /// Releases everything and ends the thread; a long text that is being typed is broken off by its grant.
    fn stop(&mut self) {
        self.put(Queue::close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere is no reason to leave keys pressed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Job {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.next() {
                return job;
            }
            queue = self.rung.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(shared: &Shared, mut injector: Injector, events: &mpsc::Sender<Event>) {
    loop {
        let result = match shared.next() {
            Job::Move { x, y, grant } => {
                shared.placed.put(x, y);
                injector.move_to(&grant, x, y)
            }
            Job::Event(event, grant) => {
                if let InputEvent::Button { x, y, .. } = &event {
                    shared.placed.put(*x, *y);
                }
                injector.apply(&grant, &event)
            }
            Job::ReleaseAll => {
                injector.release_all();
                Ok(())
            }
            Job::Stop => return,
        };
        match result {
            // Taken back while it waited: nothing was done, and the session has said so.
            Ok(()) | Err(Error::Revoked(_)) => {}
            Err(error @ Error::Lost(_)) => {
                let _ = events.blocking_send(Event::Broken(error.to_string()));
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "input was not carried out");
                let _ = events.try_send(Event::Problem(InputProblem::Failed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nearhand_desktop::fake::{self, Injected};
    use nearhand_protocol::grant::{Brake, Consent, Grants, Right};
    use nearhand_protocol::input::{Button, KeyCode};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn grants() -> Grants {
        let mut grants = Grants::new();
        assert!(
            grants.give(Right::View, Consent::Customer) && grants.give(Right::Control, Consent::Customer)
        );
        grants
    }

    fn key(code: KeyCode, pressed: bool) -> InputEvent {
        InputEvent::Key { code, key: None, pressed }
    }

    #[test]
    fn what_is_pressed_is_released_by_word_by_revocation_by_the_brake_and_by_the_end() {
        for how in 0..5 {
            let (desktop, control) = fake::desktop(100, 100);
            let (input, _events) = Input::start(desktop.injector).unwrap();
            let brake = Brake::default();
            let mut grants = Grants::under(brake.clone());
            assert!(grants.give(Right::View, Consent::Customer));
            assert!(grants.give(Right::Control, Consent::Customer));
            let grant = grants.control().unwrap();
            assert!(input.inject(key(KeyCode::ShiftLeft, true), grant.clone()));
            assert!(input.inject(
                InputEvent::Button { button: Button::Primary, pressed: true, x: 3, y: 4 },
                grant.clone()
            ));
            assert!(control.wait_injected(PATIENCE, |done| done.len() == 3));
            assert!(input.placed().is_at(3, 4) && !input.placed().is_at(4, 3));
            match how {
                0 => input.release_all(),
                1 => {
                    grants.take(Right::Control);
                    input.inject(key(KeyCode::KeyA, true), grant);
                }
                2 => {
                    brake.suspend();
                    input.inject(key(KeyCode::KeyA, true), grant);
                }
                3 => {
                    // Nothing more comes of the technician, and the driver is busy elsewhere.
                    brake.pull();
                    input.releaser().release();
                }
                _ => drop(input),
            }
            assert!(control.wait_injected(PATIENCE, |done| {
                done.iter().any(|what| matches!(what, Injected::Release(_)))
                    && done.contains(&Injected::Button(Button::Primary, false))
            }));
            let pressed = |what: &Injected| matches!(what, Injected::Press { code: KeyCode::KeyA, .. });
            assert!(!control.take_injected().iter().any(pressed));
        }
    }

    #[tokio::test]
    async fn a_lost_desktop_is_said() {
        let (desktop, control) = fake::desktop(100, 100);
        let (input, mut events) = Input::start(desktop.injector).unwrap();
        control.lose();
        input.move_to(PointerMove { sequence: 1, x: 1, y: 1 }, grants().control().unwrap());
        // The grant died with its `Grants`: nothing is tried, so nothing fails.
        let grants = grants();
        input.move_to(PointerMove { sequence: 2, x: 1, y: 1 }, grants.control().unwrap());
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap();
        assert!(matches!(event, Some(Event::Broken(_))));
    }

    #[test]
    fn combinations_come_down_in_order_and_up_in_reverse() {
        let (desktop, control) = fake::desktop(100, 100);
        let (input, _events) = Input::start(desktop.injector).unwrap();
        let grants = grants();
        assert!(input.press(SpecialKeys::CtrlAltDel, &grants.control().unwrap()));
        assert!(control.wait_injected(PATIENCE, |done| done.len() == 6));
        let native = |code: KeyCode| nearhand_desktop::NativeKey(u16::from(code).into());
        let done = control.take_injected();
        assert_eq!(done[2], Injected::Press { code: KeyCode::Delete, key: None });
        assert_eq!(done[3], Injected::Release(native(KeyCode::Delete)));
        assert_eq!(done[5], Injected::Release(native(KeyCode::ControlLeft)));
    }

    /// Takes keys, and panics at the wheel.
    #[derive(Debug)]
    struct Brittle(std::sync::mpsc::Sender<nearhand_desktop::NativeKey>);

    impl nearhand_desktop::Inject for Brittle {
        fn move_to(&mut self, _: u16, _: u16) -> Result<(), Error> {
            Ok(())
        }

        fn button(&mut self, _: Button, _: bool) -> Result<(), Error> {
            Ok(())
        }

        fn scroll(&mut self, _: nearhand_desktop::Axis, _: i32) -> Result<(), Error> {
            panic!("the test wants it so")
        }

        fn press(
            &mut self,
            code: KeyCode,
            _: Option<char>,
            _: &nearhand_desktop::Held,
        ) -> Result<nearhand_desktop::Press, Error> {
            Ok(nearhand_desktop::Press::Held(nearhand_desktop::NativeKey(u16::from(code).into())))
        }

        fn release(&mut self, key: nearhand_desktop::NativeKey) -> Result<(), Error> {
            let _ = self.0.send(key);
            Ok(())
        }

        fn type_char(&mut self, _: char, _: &nearhand_desktop::Held) -> Result<(), Error> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_panic_releases_keys_and_is_said() {
        let (released, keys) = std::sync::mpsc::channel();
        let (input, mut events) = Input::start(Injector::new(Box::new(Brittle(released)))).unwrap();
        let grants = grants();
        let grant = grants.control().unwrap();
        input.inject(key(KeyCode::AltLeft, true), grant.clone());
        input.inject(InputEvent::Wheel { dx: 0, dy: 120 }, grant);
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap();
        assert!(matches!(event, Some(Event::Broken(_))));
        let native = nearhand_desktop::NativeKey(u16::from(KeyCode::AltLeft).into());
        assert_eq!(keys.recv_timeout(PATIENCE), Ok(native));
    }
}
