//! Acting: what every system's injection must hold to, above what each system does itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nearhand_protocol::grant::ControlGrant;
use nearhand_protocol::input::{Button, InputEvent, KeyCode, WHEEL_NOTCH};

use crate::{Error, OwnWindows, Scope};

/// A key of the system itself, for example an X keycode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NativeKey(pub u32);

/// What a press of a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// This key is down now and waits for its release.
    Held(NativeKey),
    /// The character was typed as a whole; nothing waits for a release.
    Typed,
    /// The system has no such key, and no character to type instead.
    Nothing,
}

/// Which way a wheel turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Positive is to the right.
    Horizontal,
    /// Positive is down.
    Vertical,
}

/// The keys that are down, by the technician's key.
#[derive(Debug, Default)]
pub struct Held(BTreeMap<KeyCode, NativeKey>);

impl Held {
    /// Whether any of these keys is down.
    pub fn any(&self, codes: &[KeyCode]) -> bool {
        codes.iter().any(|code| self.0.contains_key(code))
    }

    /// The system's keys that are down, each once.
    pub fn native(&self) -> BTreeSet<NativeKey> {
        self.0.values().copied().collect()
    }
}

/// How one system takes input. Only [`Injector`] calls it: it checks grants and remembers what is pressed.
pub trait Inject: Send + fmt::Debug {
    /// Puts the pointer on a pixel of the picture; one outside is brought to its edge.
    fn move_to(&mut self, x: u16, y: u16) -> Result<(), Error>;
    /// Presses or releases a button.
    fn button(&mut self, button: Button, pressed: bool) -> Result<(), Error>;
    /// Turns the wheel by whole notches.
    fn scroll(&mut self, axis: Axis, notches: i32) -> Result<(), Error>;
    /// Presses the key at `code`, which typed `key` in the technician's layout, so that the same happens here; what is
    /// `held` already tells shortcuts from text.
    fn press(&mut self, code: KeyCode, key: Option<char>, held: &Held) -> Result<Press, Error>;
    /// Releases a key that [`press`](Self::press) left down.
    fn release(&mut self, key: NativeKey) -> Result<(), Error>;
    /// Types one character of a text, whatever is held.
    fn type_char(&mut self, character: char, held: &Held) -> Result<(), Error>;
    /// Lets input reach only this from now on: what would land elsewhere is [`Error::Outside`].
    fn confine(&mut self, scope: &Scope) -> Result<(), Error> {
        match scope {
            Scope::Everything => Ok(()),
            _ => Err(Error::Scope("input can't be kept within it here")),
        }
    }
    /// A press at this place was [`Error::Outside`]: what is shared is brought to the front if it is merely covered there.
    fn missed(&mut self, x: u16, y: u16) {
        let _ = (x, y);
    }
    /// Lets no input reach these windows of ours, whenever they come into being: it is [`Error::Ours`].
    fn keep_off(&mut self, own: OwnWindows) {
        let _ = own;
    }
}

/// The pointer and keyboard of the desktop: checks the grant at every call, knows everything that is pressed, and lets
/// go of it at [`release_all`](Self::release_all), when the grant dies and when it is dropped.
///
/// Calls block for a moment (a long text of rare characters for seconds): keep it on a thread of its own.
#[derive(Debug)]
pub struct Injector {
    backend: Box<dyn Inject>,
    keys: Held,
    buttons: BTreeSet<Button>,
    /// What is left of a notch, in 1/120: across and down.
    wheel: (i32, i32),
}

impl Injector {
    /// Over one system's injection.
    pub fn new(backend: Box<dyn Inject>) -> Self {
        Self { backend, keys: Held::default(), buttons: BTreeSet::new(), wheel: (0, 0) }
    }

    /// Moves the pointer to a pixel of the picture.
    pub fn move_to(&mut self, grant: &ControlGrant, x: u16, y: u16) -> Result<(), Error> {
        self.check(grant)?;
        self.backend.move_to(x, y)
    }

    /// Does what the technician did. With a dead grant everything is released and nothing done.
    pub fn apply(&mut self, grant: &ControlGrant, event: &InputEvent) -> Result<(), Error> {
        self.check(grant)?;
        match event {
            InputEvent::Button { button, pressed: true, x, y } => {
                let moved = self.backend.move_to(*x, *y);
                if matches!(moved, Err(Error::Outside)) {
                    self.backend.missed(*x, *y);
                }
                moved?;
                self.button(*button, true)
            }
            InputEvent::Button { button, pressed: false, x, y } => {
                // Let go in any case, also where the pointer may not go.
                let moved = self.backend.move_to(*x, *y);
                self.button(*button, false).and(moved)
            }
            InputEvent::Wheel { dx, dy } => {
                self.wheel.0 = self.scroll(Axis::Horizontal, self.wheel.0, *dx)?;
                self.wheel.1 = self.scroll(Axis::Vertical, self.wheel.1, *dy)?;
                Ok(())
            }
            InputEvent::Key { code, key, pressed: true } => self.press(*code, *key),
            InputEvent::Key { code, pressed: false, .. } => self.release(*code),
            InputEvent::Text(text) => {
                for character in text.chars() {
                    self.check(grant)?;
                    self.backend.type_char(character, &self.keys)?;
                }
                Ok(())
            }
            InputEvent::ReleaseAll => {
                self.release_all();
                Ok(())
            }
        }
    }

    /// Lets input reach only this from now on; what is pressed is let go.
    ///
    /// Fails with [`Error::Scope`] where it is not there or the system can't do it; everything stays as it was then.
    pub fn confine(&mut self, scope: &Scope) -> Result<(), Error> {
        self.release_all();
        self.backend.confine(scope)
    }

    /// Lets no input reach these windows of ours, whatever the technician does: they have no say in what they are allowed.
    pub fn keep_off(&mut self, own: OwnWindows) {
        self.backend.keep_off(own);
    }

    /// Whether nothing is pressed.
    pub fn is_idle(&self) -> bool {
        self.keys.0.is_empty() && self.buttons.is_empty()
    }

    /// Lets go of every key and button, whatever fails on the way. Needs no grant: it takes influence away.
    pub fn release_all(&mut self) {
        self.wheel = (0, 0);
        let keys = std::mem::take(&mut self.keys);
        for key in keys.native() {
            if let Err(error) = self.backend.release(key) {
                tracing::warn!(%error, "a key could not be released");
            }
        }
        for button in std::mem::take(&mut self.buttons) {
            if let Err(error) = self.backend.button(button, false) {
                tracing::warn!(%error, "a button could not be released");
            }
        }
    }

    fn check(&mut self, grant: &ControlGrant) -> Result<(), Error> {
        grant.check().map_err(|revoked| {
            self.release_all();
            revoked.into()
        })
    }

    fn button(&mut self, button: Button, pressed: bool) -> Result<(), Error> {
        // A repeated press or a release of what is up would confuse programs that count them.
        if pressed == self.buttons.contains(&button) {
            return Ok(());
        }
        // Remembered before it is sent: a release too many is harmless, one too few is not.
        if pressed {
            self.buttons.insert(button);
        }
        let done = self.backend.button(button, pressed);
        if !pressed && done.is_ok() || matches!(done, Err(Error::Outside | Error::Ours)) {
            self.buttons.remove(&button);
        }
        done
    }

    /// Turns by the whole notches in `rest + delta`, and returns what is left.
    fn scroll(&mut self, axis: Axis, rest: i32, delta: i16) -> Result<i32, Error> {
        // Turning back starts anew: the rest of the other direction would swallow the first notch.
        let rest = if (rest < 0) == (delta < 0) || delta == 0 { rest } else { 0 };
        let total = rest + i32::from(delta);
        let notch = i32::from(WHEEL_NOTCH);
        if total / notch != 0 {
            self.backend.scroll(axis, total / notch)?;
        }
        Ok(total % notch)
    }

    fn press(&mut self, code: KeyCode, key: Option<char>) -> Result<(), Error> {
        // The browser's auto-repeat of a key that is down here: this system repeats it by itself.
        if self.keys.0.contains_key(&code) {
            return Ok(());
        }
        if let Press::Held(native) = self.backend.press(code, key, &self.keys)? {
            self.keys.0.insert(code, native);
        }
        Ok(())
    }

    fn release(&mut self, code: KeyCode) -> Result<(), Error> {
        let Some(native) = self.keys.0.get(&code).copied() else { return Ok(()) };
        // Two keys of the technician may hold one of this system.
        if self.keys.0.values().filter(|held| **held == native).count() == 1 {
            self.backend.release(native)?;
        }
        self.keys.0.remove(&code);
        Ok(())
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        self.release_all();
    }
}

#[cfg(test)]
mod tests {
    use nearhand_protocol::grant::{Consent, Grants, Right};

    use super::*;
    use crate::fake::{self, Injected};

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

    fn native(code: KeyCode) -> NativeKey {
        NativeKey(u16::from(code).into())
    }

    #[test]
    fn a_button_comes_with_its_place_and_only_once() {
        let (mut desktop, control) = fake::desktop(100, 100);
        let grant = grants();
        let grant = grant.control().unwrap();
        let button = |pressed| InputEvent::Button { button: Button::Primary, pressed, x: 7, y: 9 };
        for pressed in [true, true, false, false] {
            desktop.injector.apply(&grant, &button(pressed)).unwrap();
        }
        let buttons: Vec<_> = control
            .take_injected()
            .into_iter()
            .filter(|what| !matches!(what, Injected::Move(7, 9)))
            .collect();
        assert_eq!(
            buttons,
            [Injected::Button(Button::Primary, true), Injected::Button(Button::Primary, false)]
        );
    }

    #[test]
    fn wheels_add_up_to_notches() {
        let (mut desktop, control) = fake::desktop(100, 100);
        let grants = grants();
        let grant = grants.control().unwrap();
        for (dx, dy) in [(0, 50), (0, 50), (0, 50), (-240, 0), (0, -130), (0, i16::MIN)] {
            desktop.injector.apply(&grant, &InputEvent::Wheel { dx, dy }).unwrap();
        }
        assert_eq!(
            control.take_injected(),
            [
                Injected::Scroll(Axis::Vertical, 1),
                Injected::Scroll(Axis::Horizontal, -2),
                Injected::Scroll(Axis::Vertical, -1),
                Injected::Scroll(Axis::Vertical, -273),
            ]
        );
    }

    #[test]
    fn everything_is_let_go_when_the_grant_dies_or_the_injector_does() {
        let (mut desktop, control) = fake::desktop(100, 100);
        let mut grants = grants();
        let grant = grants.control().unwrap();
        desktop.injector.apply(&grant, &key(KeyCode::ShiftLeft, true)).unwrap();
        desktop
            .injector
            .apply(&grant, &InputEvent::Button { button: Button::Secondary, pressed: true, x: 1, y: 1 })
            .unwrap();
        control.take_injected();
        grants.take(Right::Control);
        let refused = desktop.injector.apply(&grant, &key(KeyCode::KeyA, true));
        assert!(matches!(refused, Err(Error::Revoked(_))));
        let released =
            [Injected::Release(native(KeyCode::ShiftLeft)), Injected::Button(Button::Secondary, false)];
        assert_eq!(control.take_injected(), released);
        assert!(desktop.injector.is_idle());
        assert!(matches!(desktop.injector.move_to(&grant, 5, 5), Err(Error::Revoked(_))));

        assert!(grants.give(Right::Control, Consent::Customer));
        let grant = grants.control().unwrap();
        desktop.injector.apply(&grant, &key(KeyCode::KeyA, true)).unwrap();
        control.take_injected();
        drop(desktop);
        assert_eq!(control.take_injected(), [Injected::Release(native(KeyCode::KeyA))]);
    }

    #[test]
    fn repeats_and_strays_are_swallowed() {
        let (mut desktop, control) = fake::desktop(100, 100);
        let grants = grants();
        let grant = grants.control().unwrap();
        for pressed in [false, true, true, true, false, false] {
            desktop.injector.apply(&grant, &key(KeyCode::Enter, pressed)).unwrap();
        }
        assert_eq!(
            control.take_injected(),
            [Injected::Press { code: KeyCode::Enter, key: None }, Injected::Release(native(KeyCode::Enter))]
        );
    }
}
