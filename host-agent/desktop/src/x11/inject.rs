//! Injection by XTEST, with XKB's help so that a character arrives as it was typed, whatever the two layouts are.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use nearhand_protocol::input::{Button, KeyCode};
use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::xkb::{self, ConnectionExt as _, EventType, Group, ID, MapPart, SelectEventsAux};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT, ModMask,
};
use x11rb::protocol::xtest::{self, ConnectionExt as _};

use super::confine::Confine;
use super::displays::Monitors;
use super::keycode::{without_num_lock, x_keycode};
use super::keymap::{Keymap, Stroke, Typing, modifier, symbol_of};
use super::{Server, reply_error};
use crate::{Axis, Error, Held, Inject, NativeKey, OwnWindows, Press, Scope};

/// How many spare keycodes are borrowed at most for characters that the layout lacks.
const MAX_BORROWED: usize = 24;
/// A borrowed keycode keeps its character this long after its use: programs look it up only when they get to the event.
const SETTLED: Duration = Duration::from_millis(200);
/// How long programs get to hear of a new character before it is typed.
const HEARD: Duration = Duration::from_millis(12);

/// What holds a shortcut together. The right Alt key is not among them: with it held a key types a character.
const SHORTCUT: [KeyCode; 5] =
    [KeyCode::ControlLeft, KeyCode::ControlRight, KeyCode::AltLeft, KeyCode::MetaLeft, KeyCode::MetaRight];

#[derive(Debug)]
pub(super) struct X11Inject {
    server: Server,
    /// The layout as it is; none when it has changed since.
    keymap: Option<Keymap>,
    /// Keycodes that carry a character of ours, and when it was last typed.
    borrowed: BTreeMap<u8, (char, Instant)>,
    confine: Confine,
}

/// What is switched on at this moment.
#[derive(Debug, Clone, Copy)]
struct State {
    group: u8,
    modifiers: u8,
    locked_group: u8,
    locked_modifiers: u8,
}

impl X11Inject {
    pub(super) fn new(server: Server, monitors: Monitors) -> Result<Self, Error> {
        server.require(xtest::X11_EXTENSION_NAME)?;
        server.require(xkb::X11_EXTENSION_NAME)?;
        let conn = &server.conn;
        conn.xtest_get_version(2, 2)?.reply().map_err(reply_error("tell its XTEST version"))?;
        let xkb = conn.xkb_use_extension(1, 0)?.reply().map_err(reply_error("tell its XKB version"))?;
        if !xkb.supported {
            return Err(Error::NoExtension {
                display: server.display.clone(),
                extension: xkb::X11_EXTENSION_NAME,
            });
        }
        let kinds = EventType::NEW_KEYBOARD_NOTIFY | EventType::MAP_NOTIFY;
        let parts = MapPart::KEY_TYPES | MapPart::KEY_SYMS | MapPart::MODIFIER_MAP;
        conn.xkb_select_events(
            ID::USE_CORE_KBD.into(),
            EventType::default(),
            kinds,
            parts,
            parts,
            &SelectEventsAux::new(),
        )?;
        let confine = Confine::new(&server, monitors)?;
        let mut inject = Self { server, keymap: None, borrowed: BTreeMap::new(), confine };
        inject.refresh()?;
        Ok(inject)
    }

    /// Hears of changed layouts and reads the new one.
    fn refresh(&mut self) -> Result<&Keymap, Error> {
        while let Some(event) = self.server.conn.poll_for_event()? {
            match event {
                XEvent::XkbMapNotify(_) | XEvent::XkbNewKeyboardNotify(_) | XEvent::MappingNotify(_) => {
                    self.keymap = None;
                }
                XEvent::Error(error) => tracing::debug!(?error, "the X server refused a request"),
                _ => {}
            }
        }
        let keymap = if let Some(keymap) = self.keymap.take() {
            keymap
        } else {
            let keymap = Keymap::read(&self.server)?;
            // Somebody else's new layout took them away.
            self.borrowed.retain(|keycode, (character, _)| {
                keymap.typing(*keycode, 0, 0) == Typing::Character(*character)
            });
            keymap
        };
        Ok(self.keymap.insert(keymap))
    }

    fn state(&self) -> Result<State, Error> {
        let state = self
            .server
            .conn
            .xkb_get_state(ID::USE_CORE_KBD.into())?
            .reply()
            .map_err(reply_error("tell the keyboard's state"))?;
        Ok(State {
            group: state.group.into(),
            modifiers: u16::from(state.mods) as u8,
            locked_group: state.locked_group.into(),
            locked_modifiers: u16::from(state.locked_mods) as u8,
        })
    }

    fn hold(&mut self, keycode: u8, held: &Held) -> Result<Press, Error> {
        let native = NativeKey(keycode.into());
        // Another key of the technician may hold it already.
        if !held.native().contains(&native) {
            let server = &self.server;
            self.confine.keys(server, || fake(server, KEY_PRESS_EVENT, keycode))?;
            server.conn.flush()?;
        }
        Ok(Press::Held(native))
    }

    /// Presses and releases a key with exactly the modifiers that its character needs, and puts everything back.
    ///
    /// Held modifier keys in the way are let go for the moment; others are switched on as locks, which needs no key for
    /// them. All of it is one batch of requests, so that no event of other devices comes in between on most servers.
    /// In a shortcut Control, Alt and Super stay as they are.
    fn tap(&mut self, stroke: Stroke, state: State, held: &Held, shortcut: bool) -> Result<(), Error> {
        let keymap = self.refresh()?;
        let keep = modifier::LOCK | modifier::NUM_LOCK;
        let unwanted = if shortcut { stroke.looks_at & !stroke.needs } else { !stroke.needs & !keep };
        let mut lifted = Vec::new();
        let mut again = false;
        for native in held.native() {
            let keycode = native.0 as u8;
            if keymap.modifiers(keycode) & unwanted != 0 {
                lifted.push(keycode);
            }
            again |= keycode == stroke.keycode;
        }

        let server = &self.server;
        self.confine.keys(server, || {
            for keycode in &lifted {
                fake(server, KEY_RELEASE_EVENT, *keycode)?;
            }
            if again {
                // A key that is down can't be pressed.
                fake(server, KEY_RELEASE_EVENT, stroke.keycode)?;
            }
            let change = !stroke.fits(state.group, state.modifiers);
            if change {
                lock(server, stroke.looks_at, stroke.needs, stroke.group)?;
            }
            fake(server, KEY_PRESS_EVENT, stroke.keycode)?;
            fake(server, KEY_RELEASE_EVENT, stroke.keycode)?;
            if change {
                lock(server, stroke.looks_at, state.locked_modifiers & stroke.looks_at, state.locked_group)?;
            }
            for keycode in &lifted {
                fake(server, KEY_PRESS_EVENT, *keycode)?;
            }
            Ok(())
        })?;
        self.server.conn.flush()?;
        if let Some((_, used)) = self.borrowed.get_mut(&stroke.keycode) {
            *used = Instant::now();
        }
        Ok(())
    }

    /// Gives a spare keycode the character. `None` where there is no spare one.
    fn borrow(&mut self, character: char) -> Result<Option<Stroke>, Error> {
        let keymap = self.refresh()?;
        let spare = keymap.spare_keycodes().last();
        let spare = if self.borrowed.len() < MAX_BORROWED { spare } else { None };
        let oldest = self.borrowed.iter().min_by_key(|(_, (_, used))| *used);
        let keycode = match (spare, oldest) {
            (Some(keycode), _) => keycode,
            (None, Some((keycode, (_, used)))) => {
                if let Some(rest) = SETTLED.checked_sub(used.elapsed()) {
                    thread::sleep(rest);
                }
                *keycode
            }
            (None, None) => return Ok(None),
        };
        let symbol = symbol_of(character);
        // Twice: as one alone a letter would be given its capital as the second level.
        self.server.conn.change_keyboard_mapping(1, keycode, 2, &[symbol, symbol])?;
        self.borrowed.insert(keycode, (character, Instant::now()));
        self.keymap = None;
        thread::sleep(HEARD);
        let state = self.state()?;
        let keymap = self.refresh()?;
        Ok(keymap.find(character, state.group, state.modifiers))
    }

    /// The keys that make the character, borrowed where the layout has none.
    fn stroke(&mut self, character: char, state: State) -> Result<Option<Stroke>, Error> {
        match self.refresh()?.find(character, state.group, state.modifiers) {
            Some(stroke) => Ok(Some(stroke)),
            None => self.borrow(character),
        }
    }

    /// A key pressed while Control, Alt or Super is held: what counts is the meaning of the character.
    fn press_shortcut(
        &mut self,
        physical: u8,
        character: char,
        state: State,
        held: &Held,
    ) -> Result<Press, Error> {
        let keymap = self.refresh()?;
        let lower = character.to_lowercase().next().unwrap_or(character);
        let here = keymap.typing(physical, state.group, state.modifiers);
        if here == Typing::Character(character) || here == Typing::Character(lower) {
            return self.hold(physical, held);
        }
        match keymap.find(character, state.group, state.modifiers) {
            Some(stroke) if stroke.fits(state.group, state.modifiers) => self.hold(stroke.keycode, held),
            Some(stroke) => {
                self.tap(stroke, state, held, true)?;
                Ok(Press::Typed)
            }
            None => self.hold(physical, held),
        }
    }

    fn press_text(
        &mut self,
        physical: u8,
        character: char,
        state: State,
        held: &Held,
    ) -> Result<Press, Error> {
        let commanding = state.modifiers & (modifier::CONTROL | modifier::MOD1 | modifier::MOD4) != 0;
        let keymap = self.refresh()?;
        if !commanding
            && keymap.typing(physical, state.group, state.modifiers) == Typing::Character(character)
        {
            return self.hold(physical, held);
        }
        let Some(stroke) = self.stroke(character, state)? else {
            tracing::debug!("a character is not in the layout and no key is spare for it");
            return Ok(Press::Nothing);
        };
        if !commanding
            && stroke.fits(state.group, state.modifiers)
            && !self.borrowed.contains_key(&stroke.keycode)
        {
            return self.hold(stroke.keycode, held);
        }
        self.tap(stroke, state, held, false)?;
        Ok(Press::Typed)
    }

    /// A key that typed nothing at the technician's: it must type nothing here either.
    fn press_silent(&mut self, code: KeyCode, state: State, held: &Held) -> Result<Press, Error> {
        let physical = x_keycode(code);
        match self.refresh()?.typing(physical, state.group, state.modifiers) {
            Typing::Nothing => self.hold(physical, held),
            // Num Lock is on here and off there.
            Typing::Character(_) | Typing::Dead => match without_num_lock(code) {
                Some(code) => self.hold(x_keycode(code), held),
                // A dead key or a key of an input method: what it comes to follows as text.
                None => Ok(Press::Nothing),
            },
        }
    }
}

impl Inject for X11Inject {
    fn move_to(&mut self, x: u16, y: u16) -> Result<(), Error> {
        let (x, y) = (x.min(i16::MAX as u16) as i16, y.min(i16::MAX as u16) as i16);
        let to = self.confine.steer(&self.server, x, y)?;
        place(&self.server, to)?;
        self.server.conn.flush()?;
        Ok(())
    }

    fn button(&mut self, button: Button, pressed: bool) -> Result<(), Error> {
        let number = match button {
            Button::Primary => 1,
            Button::Middle => 2,
            Button::Secondary => 3,
            Button::Back => 8,
            Button::Forward => 9,
        };
        let server = &self.server;
        if pressed {
            self.confine.click(server, |at| {
                at.map_or(Ok(()), |at| place(server, at))?;
                fake(server, BUTTON_PRESS_EVENT, number)
            })?;
        } else {
            fake(server, BUTTON_RELEASE_EVENT, number)?;
        }
        self.server.conn.flush()?;
        self.confine.pressed(&self.server, button, pressed)
    }

    fn scroll(&mut self, axis: Axis, notches: i32) -> Result<(), Error> {
        let number = match (axis, notches > 0) {
            (Axis::Vertical, false) => 4,
            (Axis::Vertical, true) => 5,
            (Axis::Horizontal, false) => 6,
            (Axis::Horizontal, true) => 7,
        };
        let server = &self.server;
        self.confine.click(server, |at| {
            at.map_or(Ok(()), |at| place(server, at))?;
            for _ in 0..notches.unsigned_abs() {
                fake(server, BUTTON_PRESS_EVENT, number)?;
                fake(server, BUTTON_RELEASE_EVENT, number)?;
            }
            Ok(())
        })?;
        self.server.conn.flush()?;
        Ok(())
    }

    fn press(&mut self, code: KeyCode, key: Option<char>, held: &Held) -> Result<Press, Error> {
        if !self.confine.stays(code, held) {
            return Err(Error::Outside);
        }
        let physical = x_keycode(code);
        if code.is_modifier() {
            return self.hold(physical, held);
        }
        let shortcut = held.any(&SHORTCUT) && !held.any(&[KeyCode::AltRight]);
        let state = self.state()?;
        match key.filter(|key| !key.is_control()) {
            Some(character) if shortcut => self.press_shortcut(physical, character, state, held),
            Some(character) => self.press_text(physical, character, state, held),
            None if shortcut => self.hold(physical, held),
            None => self.press_silent(code, state, held),
        }
    }

    fn release(&mut self, key: NativeKey) -> Result<(), Error> {
        fake(&self.server, KEY_RELEASE_EVENT, key.0 as u8)?;
        self.server.conn.flush()?;
        Ok(())
    }

    fn type_char(&mut self, character: char, held: &Held) -> Result<(), Error> {
        let state = self.state()?;
        if let Some(stroke) = self.stroke(character, state)? {
            self.tap(stroke, state, held, false)?;
        } else {
            tracing::debug!("a character is not in the layout and no key is spare for it");
        }
        Ok(())
    }

    fn confine(&mut self, scope: &Scope) -> Result<(), Error> {
        self.confine.aim(&self.server, scope)
    }

    fn missed(&mut self, x: u16, y: u16) {
        self.confine.uncover(&self.server, x.min(i16::MAX as u16) as i16, y.min(i16::MAX as u16) as i16);
    }

    fn keep_off(&mut self, own: OwnWindows) {
        self.confine.keep_off(own);
    }
}

impl Drop for X11Inject {
    fn drop(&mut self) {
        if let Some(used) = self.borrowed.values().map(|(_, used)| *used).max() {
            if let Some(rest) = SETTLED.checked_sub(used.elapsed()) {
                thread::sleep(rest);
            }
            for keycode in self.borrowed.keys() {
                // A connection that is gone has nothing to give back.
                let _ = self.server.conn.change_keyboard_mapping(1, *keycode, 2, &[0, 0]);
            }
        }
        // A socket that is closed with something unread loses what the server hasn't read yet: the releases among it.
        // So wait for an answer to something that comes after them.
        let _ = self.state();
    }
}

fn fake(server: &Server, kind: u8, detail: u8) -> Result<(), Error> {
    server.conn.xtest_fake_input(kind, detail, 0, x11rb::NONE, 0, 0, 0)?;
    Ok(())
}

/// Detail 0: absolute. The server keeps it on the screen.
fn place(server: &Server, (x, y): (i16, i16)) -> Result<(), Error> {
    server.conn.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, server.root(), x, y, 0)?;
    Ok(())
}

fn lock(server: &Server, affected: u8, on: u8, group: u8) -> Result<(), Error> {
    server.conn.xkb_latch_lock_state(
        ID::USE_CORE_KBD.into(),
        ModMask::from(affected),
        ModMask::from(on),
        true,
        Group::from(group),
        ModMask::from(0_u8),
        false,
        0,
    )?;
    Ok(())
}
