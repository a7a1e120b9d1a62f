//! The hand of the person at the machine: real input told from injected, and keys that nobody can block.

use std::fmt;
use std::time::Instant;

use nearhand_protocol::input::KeyCode;

use crate::Error;

/// What a system tells about its own mouse, keyboard and touch screen.
///
/// Input that a program made, ours or another's, is never taken for a hand, as far as the system tells them apart. Who
/// sits at an on-screen keyboard or behind a remote desktop that injects is such a program to us.
pub trait LocalInput: Send + fmt::Debug {
    /// Listens on a thread of its own until the [`Listening`] is dropped. `hears` runs there: it must not block, nor drop
    /// the [`Listening`].
    ///
    /// Nothing is heard, and no key is held back from other programs, before [`Listening::set_active`].
    fn listen(
        self: Box<Self>,
        keys: Hotkeys,
        hears: Box<dyn FnMut(Local) + Send>,
    ) -> Result<Listening, Error>;
}

/// Something that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// A key or button went down, by whomever: who answers a question can be told by it. Said before [`Touched`](Self::Touched)
    /// and [`Key`](Self::Key) of the same press.
    Pressed {
        /// By a hand; false where a program injected it.
        real: bool,
        /// When it was heard.
        at: Instant,
    },
    /// A hand is on the machine. A hot key alone is no touch: it says what it means.
    Touched(Touch),
    /// A hot key went down, by a hand.
    Key(Hotkey),
    /// Nothing is heard any more, for this reason; the last thing that is said.
    Lost(String),
}

/// What was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Touch {
    /// A key went down.
    Key,
    /// A button went down, or a finger touched the screen.
    Button,
    /// A wheel turned.
    Wheel,
    /// The pointer was moved further than a shaking desk moves it.
    Motion,
}

/// A key that the program itself heeds, wherever the focus is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hotkey {
    /// Files, in both directions.
    Files,
    /// Control.
    Control,
    /// Ends everything at once.
    Panic,
}

/// Modifier keys that are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Modifiers(u8);

impl Modifiers {
    /// No modifier.
    pub const NONE: Self = Self(0);
    /// Shift.
    pub const SHIFT: Self = Self(1);
    /// Control.
    pub const CONTROL: Self = Self(1 << 1);
    /// Alt; the right one also where it is called Alt Gr.
    pub const ALT: Self = Self(1 << 2);
    /// Super, the Windows key.
    pub const META: Self = Self(1 << 3);

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of those are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A key together with modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Combination {
    /// What is held.
    pub modifiers: Modifiers,
    /// The key's place.
    pub key: KeyCode,
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in [
            (Modifiers::CONTROL, "Ctrl+"),
            (Modifiers::ALT, "Alt+"),
            (Modifiers::SHIFT, "Shift+"),
            (Modifiers::META, "Super+"),
        ] {
            if self.modifiers.has(modifier) {
                f.write_str(name)?;
            }
        }
        f.write_str(self.key.as_str())
    }
}

/// Which combination means what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hotkeys {
    /// [`Hotkey::Files`].
    pub files: Combination,
    /// [`Hotkey::Control`].
    pub control: Combination,
    /// [`Hotkey::Panic`]. It works with other modifiers held too: who panics does not aim.
    pub panic: Combination,
}

impl Default for Hotkeys {
    /// F11, F12 and Ctrl+Alt+End.
    fn default() -> Self {
        let alone = |key| Combination { modifiers: Modifiers::NONE, key };
        Self {
            files: alone(KeyCode::F11),
            control: alone(KeyCode::F12),
            panic: Combination { modifiers: Modifiers::CONTROL.with(Modifiers::ALT), key: KeyCode::End },
        }
    }
}

impl Hotkeys {
    /// All of them, the most urgent first.
    pub fn all(&self) -> [(Hotkey, Combination); 3] {
        [(Hotkey::Panic, self.panic), (Hotkey::Control, self.control), (Hotkey::Files, self.files)]
    }
}

/// A listener that runs; dropping it ends and joins its thread, and gives all keys back.
#[derive(Debug)]
pub struct Listening(Box<dyn Listener>);

impl Listening {
    pub(crate) fn new(listener: impl Listener + 'static) -> Self {
        Self(Box::new(listener))
    }

    /// Whether anything is to be heard at all, and hot keys are held back from other programs: while a session runs.
    pub fn set_active(&self, active: bool) {
        self.0.set_active(active);
    }

    /// Heeds other hot keys from now on.
    pub fn set_keys(&self, keys: Hotkeys) {
        self.0.set_keys(keys);
    }
}

/// How one system's listener is steered; ends with its drop.
pub(crate) trait Listener: Send + Sync + fmt::Debug {
    fn set_active(&self, active: bool);
    fn set_keys(&self, keys: Hotkeys);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_written_as_on_keyboards() {
        let keys = Hotkeys::default();
        let words = keys.all().map(|(_, combination)| combination.to_string());
        assert_eq!(words, ["Ctrl+Alt+End", "F12", "F11"]);
    }
}
