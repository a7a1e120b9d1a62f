//! Real input by XInput 2.2's raw events, which nobody's grab keeps from us, and hot keys made of them.
//!
//! Injected input comes from devices that the server marks; everything else is a hand. A program that goes as far as
//! faking the events of a real device (`XTestFakeDevice*`) is not told from one.

mod devices;
mod keyboard;
mod keys;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::xinput::{
    self, ConnectionExt as _, KeyEventFlags, RawButtonPressEvent, RawKeyPressEvent, RawMotionEvent,
    XIEventMask,
};
use x11rb::protocol::xproto::{ConnectionExt as _, GrabMode, ModMask, Timestamp};

use self::devices::Devices;
use self::keyboard::Keyboard;
use self::keys::Down;
use super::wake::Wake;
use super::{Server, reply_error};
use crate::Error;
use crate::local::{Hotkeys, Listener, Listening, Local, LocalInput, Touch};

/// `XIAllDevices` of XI2.h. Of all masters alone nothing is heard of a device that somebody has grabbed for itself: that
/// takes it away from its master.
const ALL_DEVICES: u16 = 0;

/// So far, in pixels across plus pixels down…
const FAR: f64 = 6.0;
/// …within so many milliseconds of the server is more than a desk that shakes. Its clock and not ours: what waited in a line
/// comes all at once.
const STROKE: u32 = 150;
/// After a touch motion says nothing new for so long: a mouse that tells its place a thousand times a second wakes nobody.
const REST: Duration = Duration::from_millis(250);

/// Listens to a server that can tell real input from injected.
#[derive(Debug)]
pub(super) struct X11Local {
    server: Server,
}

impl X11Local {
    /// `None` where the server is too old to tell.
    pub(super) fn new(server: Server) -> Result<Option<Self>, Error> {
        if !server.has(xinput::X11_EXTENSION_NAME)? {
            return Ok(None);
        }
        // Clients of older versions hear nothing while somebody holds a grab.
        let version = server.conn.xinput_xi_query_version(2, 2)?.reply();
        match version {
            Ok(version) if (version.major_version, version.minor_version) >= (2, 2) => {
                Ok(Some(Self { server }))
            }
            Ok(_) | Err(ReplyError::X11Error(_)) => Ok(None),
            Err(error) => Err(reply_error("tell its XInput version")(error)),
        }
    }
}

impl LocalInput for X11Local {
    fn listen(
        self: Box<Self>,
        keys: Hotkeys,
        hears: Box<dyn FnMut(Local) + Send>,
    ) -> Result<Listening, Error> {
        let wake = Wake::new()?;
        let orders = Orders(Arc::new(Mutex::new(Order { active: false, keys, end: false })));
        let mut ear = Ear {
            devices: Devices::new(&self.server)?,
            keyboard: Keyboard::new(&self.server)?,
            down: Down::default(),
            keys,
            active: false,
            swallowed: Vec::new(),
            stroke: None,
            resting: None,
            hears: Hears(hears),
            server: self.server,
        };
        let thread = std::thread::Builder::new().name("local".into()).spawn({
            let (wake, orders) = (wake.clone(), orders.clone());
            move || {
                let done = catch_unwind(AssertUnwindSafe(|| ear.listen(&orders, &wake)));
                let lost = match done {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "listening to local input failed".to_owned(),
                };
                (ear.hears.0)(Local::Lost(lost));
            }
        });
        let thread =
            thread.map_err(|error| Error::Refused { what: "start a thread", reason: error.to_string() })?;
        Ok(Listening::new(Owner { orders, wake, thread: Some(thread) }))
    }
}

/// What the owner wants.
#[derive(Debug, Clone, Copy)]
struct Order {
    active: bool,
    keys: Hotkeys,
    end: bool,
}

#[derive(Debug, Clone)]
struct Orders(Arc<Mutex<Order>>);

impl Orders {
    fn lock(&self) -> MutexGuard<'_, Order> {
        // Three plain values: whoever panicked left no half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's owner.
#[derive(Debug)]
struct Owner {
    orders: Orders,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    fn order(&self, change: impl FnOnce(&mut Order)) {
        change(&mut self.orders.lock());
        self.wake.wake();
    }
}

impl Listener for Owner {
    fn set_active(&self, active: bool) {
        self.order(|order| order.active = active);
    }

    fn set_keys(&self, keys: Hotkeys) {
        self.order(|order| order.keys = keys);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.order(|order| order.end = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Hears(Box<dyn FnMut(Local) + Send>);

impl fmt::Debug for Hears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hears")
    }
}

/// What the thread keeps.
#[derive(Debug)]
struct Ear {
    server: Server,
    devices: Devices,
    keyboard: Keyboard,
    down: Down,
    keys: Hotkeys,
    active: bool,
    /// What is grabbed so that other programs don't get it.
    swallowed: Vec<(u8, ModMask)>,
    /// When the hand began to move, and how far it has come.
    stroke: Option<(Timestamp, f64)>,
    /// Until when motion is not asked for.
    resting: Option<Instant>,
    hears: Hears,
}

impl Ear {
    fn listen(&mut self, orders: &Orders, wake: &Wake) -> Result<(), Error> {
        loop {
            let order = *orders.lock();
            if order.end {
                return Ok(());
            }
            self.obey(order)?;
            if self.resting.is_some_and(|until| until <= Instant::now()) {
                self.resting = None;
                self.select()?;
            }
            // Sending may read, and answering sends: both until nothing is left.
            let mut heard = true;
            while std::mem::take(&mut heard) {
                self.server.conn.flush()?;
                while let Some(event) = self.server.conn.poll_for_event()? {
                    self.hear(&event)?;
                    heard = true;
                }
            }
            let rest = self.resting.map(|until| until.saturating_duration_since(Instant::now()));
            wake.sleep(&self.server, rest)?;
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), Error> {
        let began = order.active && !self.active;
        if order.active == self.active && order.keys == self.keys {
            return Ok(());
        }
        (self.active, self.keys) = (order.active, order.keys);
        if !order.active {
            self.resting = None;
        }
        // What is heard is swallowed by then.
        self.swallow()?;
        self.select()?;
        // Listen first, look second.
        if began { self.look() } else { Ok(()) }
    }

    /// Looks at the devices and at what is held on them.
    fn look(&mut self) -> Result<(), Error> {
        self.devices.refresh(&self.server)?;
        self.down.forget_all_but(&self.devices.ids());
        for (device, keys) in self.devices.keys_down(&self.server)? {
            self.down.set(device, keys);
        }
        Ok(())
    }

    /// Asks for what is to be heard now.
    fn select(&mut self) -> Result<(), Error> {
        let mut mask = XIEventMask::from(0_u32);
        if self.active {
            mask = XIEventMask::RAW_KEY_PRESS
                | XIEventMask::RAW_KEY_RELEASE
                | XIEventMask::RAW_BUTTON_PRESS
                | XIEventMask::RAW_TOUCH_BEGIN
                | XIEventMask::HIERARCHY;
            if self.resting.is_none() {
                mask |= XIEventMask::RAW_MOTION;
            }
        }
        self.stroke = None;
        let mask = xinput::EventMask { deviceid: ALL_DEVICES, mask: vec![mask] };
        // Waited for: a refusal that nobody notices would leave the person without their say.
        let asked = self.server.conn.xinput_xi_select_events(self.server.root(), &[mask])?;
        asked.check().map_err(reply_error("tell of local input"))
    }

    fn hear(&mut self, event: &XEvent) -> Result<(), Error> {
        match event {
            // Each comes twice: from the device itself, which is what counts, and from its master.
            XEvent::XinputRawKeyPress(event) if event.deviceid == event.sourceid => self.key_down(event)?,
            XEvent::XinputRawKeyRelease(event) if event.deviceid == event.sourceid => {
                self.down.release(event.sourceid, event.detail as u8);
            }
            XEvent::XinputRawButtonPress(event) if event.deviceid == event.sourceid => {
                self.button_down(event)?;
            }
            XEvent::XinputRawTouchBegin(event) if event.deviceid == event.sourceid => {
                self.pressed(event.sourceid, Touch::Button)?;
            }
            XEvent::XinputRawMotion(event) if event.deviceid == event.sourceid => self.moved(event)?,
            XEvent::XinputHierarchy(_) => self.look()?,
            XEvent::XkbMapNotify(_) | XEvent::XkbNewKeyboardNotify(_) | XEvent::MappingNotify(_) => {
                self.keyboard.forget();
            }
            XEvent::Error(error) => tracing::debug!(?error, "the X server refused a request"),
            _ => {}
        }
        Ok(())
    }

    fn key_down(&mut self, event: &RawKeyPressEvent) -> Result<(), Error> {
        // A key that is held, by a hand or by a book on it, says nothing new.
        if u32::from(event.flags) & u32::from(KeyEventFlags::KEY_REPEAT) != 0 {
            return Ok(());
        }
        if !self.devices.is_real(event.sourceid) {
            self.say(Local::Pressed { real: false, at: Instant::now() });
            return Ok(());
        }
        let keycode = event.detail as u8;
        self.down.press(event.sourceid, keycode);
        let keymap = self.keyboard.keymap(&self.server)?;
        let meant = [true, false].map(|num_lock| self.down.hotkey(keycode, &self.keys, keymap, num_lock));
        let hotkey = match meant {
            [on, off] if on == off => off,
            [on, off] => {
                if self.keyboard.num_lock(&self.server)? {
                    on
                } else {
                    off
                }
            }
        };
        match hotkey {
            Some(hotkey) => {
                self.say(Local::Pressed { real: true, at: Instant::now() });
                self.say(Local::Key(hotkey));
                Ok(())
            }
            None => self.pressed(event.sourceid, Touch::Key),
        }
    }

    fn button_down(&mut self, event: &RawButtonPressEvent) -> Result<(), Error> {
        // Buttons 4 to 7 are the wheel, which presses nothing.
        if !(4..=7).contains(&event.detail) {
            return self.pressed(event.sourceid, Touch::Button);
        }
        if self.devices.is_real(event.sourceid) { self.touched(Touch::Wheel) } else { Ok(()) }
    }

    fn moved(&mut self, event: &RawMotionEvent) -> Result<(), Error> {
        if self.resting.is_some() || !self.devices.is_real(event.sourceid) {
            return Ok(());
        }
        let distance = self.devices.distance(event);
        // Time wraps around after 49 days.
        let goes_on = |(began, _): &(Timestamp, f64)| event.time.wrapping_sub(*began) < STROKE;
        let (began, so_far) = self.stroke.filter(goes_on).unwrap_or((event.time, 0.0));
        if so_far + distance < FAR {
            self.stroke = Some((began, so_far + distance));
            return Ok(());
        }
        self.touched(Touch::Motion)
    }

    fn pressed(&mut self, device: u16, touch: Touch) -> Result<(), Error> {
        let real = self.devices.is_real(device);
        self.say(Local::Pressed { real, at: Instant::now() });
        if real { self.touched(touch) } else { Ok(()) }
    }

    fn touched(&mut self, touch: Touch) -> Result<(), Error> {
        self.say(Local::Touched(touch));
        let rested = self.resting.replace(Instant::now() + REST).is_some();
        if rested { Ok(()) } else { self.select() }
    }

    fn say(&mut self, local: Local) {
        (self.hears.0)(local);
    }

    /// Keeps the hot keys from other programs, whatever locks are on. That somebody else has one of them already is no
    /// error: it works all the same, and they get it too. The panic key is left to everybody.
    fn swallow(&mut self) -> Result<(), Error> {
        let (conn, root) = (&self.server.conn, self.server.root());
        for (keycode, modifiers) in self.swallowed.drain(..) {
            conn.ungrab_key(keycode, root, modifiers)?;
        }
        if !self.active {
            return Ok(());
        }
        let mut asked = Vec::new();
        for combination in [self.keys.files, self.keys.control] {
            for (keycode, modifiers) in keys::grabs(combination) {
                let mode = GrabMode::ASYNC;
                let cookie = conn.grab_key(false, root, modifiers, keycode, mode, mode)?;
                asked.push((keycode, modifiers, cookie));
            }
        }
        for (keycode, modifiers, cookie) in asked {
            match cookie.check() {
                Ok(()) => self.swallowed.push((keycode, modifiers)),
                Err(ReplyError::X11Error(_)) => {
                    tracing::debug!(keycode, "a hot key is held by another program: both get it");
                }
                Err(error) => return Err(reply_error("keep a key")(error)),
            }
        }
        Ok(())
    }
}
