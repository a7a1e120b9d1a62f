//! A desktop that only exists in memory, for tests of this and other crates: a screen that the test paints, and a
//! record of everything that was injected.

mod clipboard;
mod hand;
mod overlay;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nearhand_protocol::cursor::CursorShape;
use nearhand_protocol::display::{Layout, Monitor};
use nearhand_protocol::grant::ViewGrant;
use nearhand_protocol::input::{Button, KeyCode};

use self::clipboard::Board;
use self::hand::Hand;
use self::overlay::Sheet;
use crate::{
    Above, Axis, Capture, Contents, CursorSource, Desktop, Displays, Error, Event, Format, Frame, Framed,
    Held, Hotkeys, Inject, Injector, Local, NativeKey, Press, Rect, Scope, Waker, WindowId, WindowInfo,
    Windows, merge,
};

/// Something that was injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Injected {
    /// The pointer was put here.
    Move(u16, u16),
    /// A button went down (true) or up.
    Button(Button, bool),
    /// The wheel was turned by notches.
    Scroll(Axis, i32),
    /// A key went down. It is held as the native key with its usage's number.
    Press {
        /// Where the key is.
        code: KeyCode,
        /// What it typed.
        key: Option<char>,
    },
    /// A key went up.
    Release(NativeKey),
    /// One character of a text.
    Char(char),
}

/// A black screen of this size and what a test does with it.
pub fn desktop(width: u16, height: u16) -> (Desktop, Control) {
    let mut state = State {
        width: width.into(),
        height: height.into(),
        pixels: Vec::new(),
        damage: Vec::new(),
        damaged_at: None,
        pending: Vec::new(),
        cursor: None,
        pointer: (0, 0),
        injected: Vec::new(),
        aimed: Scope::Everything,
        hidden: Vec::new(),
        windows: Vec::new(),
        activated: Vec::new(),
        lost: false,
        woken: false,
    };
    state.resize(width.into(), height.into());
    state.pending.clear();
    let control = Control(
        Arc::new((Mutex::new(state), Condvar::new())),
        Hand::default(),
        Board::default(),
        Sheet::default(),
    );
    let capture = FakeCapture {
        control: control.clone(),
        layout: layout(width, height),
        frame: Vec::new(),
        damage: Vec::new(),
    };
    let injector = Injector::new(Box::new(FakeInput(control.clone())));
    let local = Some(Box::new(control.1.clone()) as Box<_>);
    let windows = Box::new(FakeWindows(control.clone()));
    let overlay = Box::new(control.3.clone());
    let clipboard = Box::new(control.2.clone());
    (Desktop { capture: Box::new(capture), injector, local, windows, overlay, clipboard }, control)
}

/// The test's hand on the fake desktop.
#[derive(Debug, Clone)]
pub struct Control(Arc<(Mutex<State>, Condvar)>, Hand, Board, Sheet);

impl Control {
    /// Fills a rectangle, which is clipped to the screen, with one colour (blue, green, red, anything).
    pub fn paint(&self, rect: Rect, bgra: [u8; 4]) {
        self.change(|state| {
            let Some(rect) = rect.clip(state.width, state.height) else { return };
            for y in rect.y..rect.y + rect.height {
                let at = (y * state.width + rect.x) as usize * 4;
                state.pixels[at..at + rect.width as usize * 4]
                    .copy_from_slice(&bgra.repeat(rect.width as usize));
            }
            state.damaged(rect);
        });
    }

    /// Gives the screen another size; it is black again.
    pub fn resize(&self, width: u16, height: u16) {
        self.change(|state| state.resize(width.into(), height.into()));
    }

    /// Shows another cursor, or none.
    pub fn set_cursor(&self, shape: Option<CursorShape>) {
        self.change(|state| {
            state.cursor = shape;
            state.happen(Event::Cursor);
        });
    }

    /// Moves the pointer as the customer would.
    pub fn move_pointer(&self, x: u16, y: u16) {
        self.change(|state| {
            state.pointer = (x, y);
            state.happen(Event::Pointer);
        });
    }

    /// Breaks the desktop: from now on everything fails with [`Error::Lost`].
    pub fn lose(&self) {
        self.change(|state| state.lost = true);
    }

    /// Everything injected since the last call, in its order.
    pub fn take_injected(&self) -> Vec<Injected> {
        std::mem::take(&mut self.lock().injected)
    }

    /// Waits until what was injected since the last `take` satisfies the condition; false when the time is up.
    pub fn wait_injected(&self, timeout: Duration, condition: impl Fn(&[Injected]) -> bool) -> bool {
        let (_, changed) = &*self.0;
        let waited = changed.wait_timeout_while(self.lock(), timeout, |state| !condition(&state.injected));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Tells what happened to what is shared: [`Event::Hidden`] or [`Event::Closed`].
    pub fn happen(&self, event: Event) {
        self.change(|state| state.happen(event));
    }

    /// What was aimed at last. The picture is the same whatever it is.
    pub fn aimed(&self) -> Scope {
        self.lock().aimed
    }

    /// What is to be blanked. Nothing is.
    pub fn hidden(&self) -> Vec<WindowId> {
        self.lock().hidden.clone()
    }

    /// Has these windows of other programs.
    pub fn set_windows(&self, windows: Vec<WindowInfo>) {
        self.change(|state| state.windows = windows);
    }

    /// The windows that were brought to the front since the last call.
    pub fn take_activated(&self) -> Vec<WindowId> {
        std::mem::take(&mut self.lock().activated)
    }

    /// Lets the listener hear it, on this thread; false while nobody listens or the listener is not active.
    pub fn hear(&self, local: Local) -> bool {
        self.1.does(local)
    }

    /// The hot keys that are heeded, while a listener is active.
    pub fn hotkeys(&self) -> Option<Hotkeys> {
        self.1.keys()
    }

    /// The person copies this.
    pub fn copy(&self, contents: BTreeMap<Format, Vec<u8>>) {
        self.2.copy(contents);
    }

    /// What the technician put into the clipboard, while nothing else has come.
    pub fn clipboard(&self) -> Option<Contents> {
        self.2.contents()
    }

    /// Whether somebody wants to know what the person copies.
    pub fn is_clipboard_watched(&self) -> bool {
        self.2.is_watched()
    }

    /// The frames that are shown.
    pub fn frames(&self) -> Vec<Framed> {
        self.3.frames()
    }

    /// Tells what happens above the other windows, on this thread; false while nobody hears.
    pub fn above(&self, above: Above) -> bool {
        self.3.happens(above)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere must not hide its message behind a second panic here.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn inject(&self, what: Injected) -> Result<(), Error> {
        let mut state = self.lock();
        state.check()?;
        if let Injected::Move(x, y) = what {
            state.pointer = (x, y);
            state.happen(Event::Pointer);
        }
        state.injected.push(what);
        self.0.1.notify_all();
        Ok(())
    }
}

#[derive(Debug)]
struct State {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    damage: Vec<Rect>,
    damaged_at: Option<Instant>,
    pending: Vec<Event>,
    cursor: Option<CursorShape>,
    pointer: (u16, u16),
    injected: Vec<Injected>,
    aimed: Scope,
    hidden: Vec<WindowId>,
    windows: Vec<WindowInfo>,
    activated: Vec<WindowId>,
    lost: bool,
    woken: bool,
}

impl State {
    fn resize(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (width, height);
        self.pixels = vec![0; width as usize * height as usize * 4];
        self.damage.clear();
        self.happen(Event::Resized);
        self.damaged(Rect::new(0, 0, width, height));
    }

    fn damaged(&mut self, rect: Rect) {
        self.damage.push(rect);
        self.damaged_at.get_or_insert_with(Instant::now);
        self.happen(Event::Damage);
    }

    fn happen(&mut self, event: Event) {
        if !self.pending.contains(&event) {
            self.pending.push(event);
            self.pending.sort_unstable();
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.lost { Err(Error::Lost("the test broke it".to_owned())) } else { Ok(()) }
    }
}

fn layout(width: u16, height: u16) -> Layout {
    let monitor = Monitor {
        id: 0,
        name: "fake".to_owned(),
        x: 0,
        y: 0,
        width,
        height,
        scale_percent: 100,
        primary: true,
    };
    Layout { width, height, monitors: vec![monitor] }
}

#[derive(Debug)]
struct FakeCapture {
    control: Control,
    layout: Layout,
    frame: Vec<u8>,
    damage: Vec<Rect>,
}

impl Displays for FakeCapture {
    fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl CursorSource for FakeCapture {
    fn cursor(&mut self, grant: &ViewGrant) -> Result<Option<CursorShape>, Error> {
        grant.check()?;
        Ok(self.control.lock().cursor.clone())
    }

    fn pointer(&mut self, grant: &ViewGrant) -> Result<(u16, u16), Error> {
        grant.check()?;
        Ok(self.control.lock().pointer)
    }
}

impl Capture for FakeCapture {
    fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Event>, Error> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let control = self.control.clone();
        let mut state = control.lock();
        loop {
            state.check()?;
            if !state.pending.is_empty() {
                let event = state.pending.remove(0);
                if event == Event::Resized {
                    self.layout = layout(state.width as u16, state.height as u16);
                }
                return Ok(Some(event));
            }
            if std::mem::take(&mut state.woken) {
                return Ok(None);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let changed = &control.0.1;
            state = match left {
                Some(Duration::ZERO) => return Ok(None),
                Some(left) => changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn grab(&mut self, grant: &ViewGrant) -> Result<Frame<'_>, Error> {
        grant.check()?;
        let mut state = self.control.lock();
        state.check()?;
        self.frame.clone_from(&state.pixels);
        let damage = std::mem::take(&mut state.damage);
        state.pending.retain(|event| *event != Event::Damage);
        self.damage = merge(damage, state.width, state.height);
        let captured_at = Instant::now();
        Ok(Frame {
            width: state.width,
            height: state.height,
            stride: state.width as usize * 4,
            pixels: &self.frame,
            damage: &self.damage,
            damaged_at: state.damaged_at.take().unwrap_or(captured_at),
            captured_at,
        })
    }

    fn aim(&mut self, scope: &Scope) -> Result<(), Error> {
        let state = &mut *self.control.lock();
        state.check()?;
        if let Scope::Window(window) | Scope::Application(window) = scope
            && state.windows.iter().all(|info| info.id != *window)
        {
            return Err(Error::Scope("the window is not there any more"));
        }
        state.aimed = *scope;
        state.happen(Event::Resized);
        state.damaged(Rect::new(0, 0, state.width, state.height));
        Ok(())
    }

    fn hide(&mut self, windows: &[WindowId]) -> Result<(), Error> {
        windows.clone_into(&mut self.control.lock().hidden);
        Ok(())
    }

    fn waker(&self) -> Waker {
        let control = self.control.clone();
        Waker::new(move || control.change(|state| state.woken = true))
    }
}

#[derive(Debug)]
struct FakeWindows(Control);

impl Windows for FakeWindows {
    fn list(&mut self) -> Result<Vec<WindowInfo>, Error> {
        let state = self.0.lock();
        state.check()?;
        Ok(state.windows.clone())
    }

    fn activate(&mut self, window: WindowId) -> Result<(), Error> {
        self.0.lock().activated.push(window);
        Ok(())
    }
}

#[derive(Debug)]
struct FakeInput(Control);

impl Inject for FakeInput {
    fn move_to(&mut self, x: u16, y: u16) -> Result<(), Error> {
        self.0.inject(Injected::Move(x, y))
    }

    fn button(&mut self, button: Button, pressed: bool) -> Result<(), Error> {
        self.0.inject(Injected::Button(button, pressed))
    }

    fn scroll(&mut self, axis: Axis, notches: i32) -> Result<(), Error> {
        self.0.inject(Injected::Scroll(axis, notches))
    }

    fn press(&mut self, code: KeyCode, key: Option<char>, _: &Held) -> Result<Press, Error> {
        self.0.inject(Injected::Press { code, key })?;
        Ok(Press::Held(NativeKey(u16::from(code).into())))
    }

    fn release(&mut self, key: NativeKey) -> Result<(), Error> {
        self.0.inject(Injected::Release(key))
    }

    fn type_char(&mut self, character: char, _: &Held) -> Result<(), Error> {
        self.0.inject(Injected::Char(character))
    }
}

#[cfg(test)]
mod tests {
    use nearhand_protocol::grant::{Consent, Grants, Right};

    use super::*;

    #[test]
    fn what_is_painted_is_seen_and_only_with_leave() {
        let (mut desktop, control) = desktop(64, 48);
        let mut grants = Grants::new();
        assert!(grants.give(Right::View, Consent::CommandLine));
        let grant = grants.view().unwrap();
        assert_eq!(desktop.capture.grab(&grant).unwrap().damage, [Rect::new(0, 0, 64, 48)]);
        assert_eq!(desktop.capture.wait(Some(Duration::ZERO)).unwrap(), None);
        control.paint(Rect::new(10, 20, 2, 1), [1, 2, 3, 4]);
        assert_eq!(desktop.capture.wait(None).unwrap(), Some(Event::Damage));
        assert_eq!(desktop.capture.wait(Some(Duration::ZERO)).unwrap(), None, "said once");
        let frame = desktop.capture.grab(&grant).unwrap();
        assert_eq!(frame.damage, [Rect::new(10, 20, 2, 1)]);
        assert_eq!(frame.pixels[20 * frame.stride + 40..][..8], [1, 2, 3, 4, 1, 2, 3, 4]);
        grants.take(Right::View);
        assert!(matches!(desktop.capture.grab(&grant), Err(Error::Revoked(_))));
    }

    #[test]
    fn a_listener_hears_while_it_is_active() {
        let (desktop, control) = desktop(64, 48);
        let (sender, heard) = std::sync::mpsc::channel();
        let hears = Box::new(move |local| sender.send(local).unwrap());
        let listening = desktop.local.unwrap().listen(Hotkeys::default(), hears).unwrap();
        let touched = Local::Touched(crate::Touch::Key);
        assert!(!control.hear(touched.clone()), "not active yet");
        listening.set_active(true);
        assert_eq!(control.hotkeys(), Some(Hotkeys::default()));
        assert!(control.hear(touched.clone()));
        drop(listening);
        assert!(!control.hear(touched.clone()));
        assert_eq!(heard.iter().collect::<Vec<_>>(), [touched]);
    }

    #[test]
    fn sizes_wakers_and_losses_end_a_wait() {
        let (mut desktop, control) = desktop(64, 48);
        control.resize(32, 16);
        assert_eq!(desktop.capture.wait(None).unwrap(), Some(Event::Resized));
        assert_eq!((desktop.capture.layout().width, desktop.capture.layout().height), (32, 16));
        assert_eq!(desktop.capture.wait(None).unwrap(), Some(Event::Damage));
        let waker = desktop.capture.waker();
        let thread = std::thread::spawn(move || waker.wake());
        assert_eq!(desktop.capture.wait(None).unwrap(), None);
        thread.join().unwrap();
        control.lose();
        assert!(matches!(desktop.capture.wait(None), Err(Error::Lost(_))));
    }
}
