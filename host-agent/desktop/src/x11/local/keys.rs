//! Which keys the person holds down, and which hot key that comes to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use nearhand_protocol::input::KeyCode;
use x11rb::protocol::xproto::ModMask;

use crate::local::{Combination, Hotkey, Hotkeys, Modifiers};
use crate::x11::keycode::x_keycode;
use crate::x11::keymap::{Keymap, modifier};

/// The modifier keys by their place: they hold however the layout is.
const PLACES: [(KeyCode, Modifiers); 8] = [
    (KeyCode::ShiftLeft, Modifiers::SHIFT),
    (KeyCode::ShiftRight, Modifiers::SHIFT),
    (KeyCode::ControlLeft, Modifiers::CONTROL),
    (KeyCode::ControlRight, Modifiers::CONTROL),
    (KeyCode::AltLeft, Modifiers::ALT),
    (KeyCode::AltRight, Modifiers::ALT),
    (KeyCode::MetaLeft, Modifiers::META),
    (KeyCode::MetaRight, Modifiers::META),
];

/// What the bits of the core protocol are, on every layout of today.
const BITS: [(u8, Modifiers); 4] = [
    (modifier::SHIFT, Modifiers::SHIFT),
    (modifier::CONTROL, Modifiers::CONTROL),
    (modifier::MOD1, Modifiers::ALT),
    (modifier::MOD4, Modifiers::META),
];

/// The keys that are down, by the device that they belong to.
#[derive(Debug, Default)]
pub(super) struct Down(BTreeMap<u16, BTreeSet<u8>>);

impl Down {
    /// From now on these keys of the device are down.
    pub(super) fn set(&mut self, device: u16, keys: BTreeSet<u8>) {
        self.0.insert(device, keys);
    }

    /// The device is gone, and its keys with it.
    pub(super) fn forget_all_but(&mut self, devices: &BTreeSet<u16>) {
        self.0.retain(|device, _| devices.contains(device));
    }

    pub(super) fn press(&mut self, device: u16, keycode: u8) {
        self.0.entry(device).or_default().insert(keycode);
    }

    pub(super) fn release(&mut self, device: u16, keycode: u8) {
        if let Some(keys) = self.0.get_mut(&device) {
            keys.remove(&keycode);
        }
    }

    fn keycodes(&self) -> impl Iterator<Item = u8> {
        self.0.values().flatten().copied()
    }

    fn has(&self, keycode: u8) -> bool {
        self.0.values().any(|keys| keys.contains(&keycode))
    }

    fn modifiers(&self, keymap: Option<&Keymap>) -> Modifiers {
        self.keycodes().fold(Modifiers::NONE, |all, keycode| all.with(meaning(keycode, keymap)))
    }

    /// The hot key that the press of this key, which is down already, makes complete.
    pub(super) fn hotkey(
        &self,
        pressed: u8,
        keys: &Hotkeys,
        keymap: Option<&Keymap>,
        num_lock: bool,
    ) -> Option<Hotkey> {
        let held = self.modifiers(keymap);
        keys.all()
            .into_iter()
            .find(|(key, combination)| {
                let enough = if *key == Hotkey::Panic {
                    held.has(combination.modifiers)
                } else {
                    held == combination.modifiers
                };
                let mut keycodes = keycodes(*combination, num_lock);
                // Its own key was pressed, or the last of its modifiers while its key is down.
                enough
                    && keycodes.any(|keycode| {
                        keycode == pressed
                            || self.has(keycode) && {
                                let meant = meaning(pressed, keymap);
                                meant != Modifiers::NONE && combination.modifiers.has(meant)
                            }
                    })
            })
            .map(|(key, _)| key)
    }
}

/// The keycodes that are the combination's key. What the number pad's keys are depends on Num Lock.
fn keycodes(combination: Combination, num_lock: bool) -> impl Iterator<Item = u8> {
    let twin = match combination.key {
        KeyCode::Insert => Some(KeyCode::Numpad0),
        KeyCode::End => Some(KeyCode::Numpad1),
        KeyCode::PageDown => Some(KeyCode::Numpad3),
        KeyCode::Home => Some(KeyCode::Numpad7),
        KeyCode::PageUp => Some(KeyCode::Numpad9),
        KeyCode::Delete => Some(KeyCode::NumpadDecimal),
        _ => None,
    };
    [Some(combination.key), twin.filter(|_| !num_lock)].into_iter().flatten().map(x_keycode)
}

/// What to grab so that other programs don't get the combination, whatever locks are on.
pub(super) fn grabs(combination: Combination) -> impl Iterator<Item = (u8, ModMask)> {
    let held = BITS
        .iter()
        .filter(|(_, modifiers)| combination.modifiers.has(*modifiers))
        .fold(0, |all, (bit, _)| all | bit);
    let locks = [0, modifier::LOCK, modifier::NUM_LOCK, modifier::LOCK | modifier::NUM_LOCK];
    let keycode = x_keycode(combination.key);
    locks.into_iter().map(move |lock| (keycode, ModMask::from(held | lock)))
}

/// Which modifiers the key is, by its place and by what the layout makes of it.
fn meaning(keycode: u8, keymap: Option<&Keymap>) -> Modifiers {
    let place = PLACES
        .iter()
        .find(|(code, _)| x_keycode(*code) == keycode)
        .map_or(Modifiers::NONE, |(_, modifiers)| *modifiers);
    let bits = keymap.map_or(0, |keymap| keymap.modifiers(keycode));
    BITS.iter().filter(|(bit, _)| bits & bit != 0).fold(place, |all, (_, modifiers)| all.with(*modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;

    use KeyCode as K;

    /// Presses the keys one after the other, and says what each came to.
    fn pressed(codes: &[KeyCode], num_lock: bool) -> Vec<Option<Hotkey>> {
        let (mut down, keys) = (Down::default(), Hotkeys::default());
        codes
            .iter()
            .enumerate()
            .map(|(at, code)| {
                // Each on a keyboard of its own: it is one person all the same.
                down.press(at as u16, x_keycode(*code));
                down.hotkey(x_keycode(*code), &keys, None, num_lock)
            })
            .collect()
    }

    #[test]
    fn which_keys_come_to_what() {
        let last = |codes: &[KeyCode]| pressed(codes, false).pop().flatten();
        for (codes, hotkey) in [
            (&[K::F11][..], Some(Hotkey::Files)),
            (&[K::F12], Some(Hotkey::Control)),
            (&[K::ShiftLeft, K::F12], None),
            (&[K::ControlLeft, K::AltLeft, K::F12], None),
            (&[K::End], None),
            (&[K::ControlLeft, K::End], None),
            (&[K::ControlLeft, K::AltLeft, K::End], Some(Hotkey::Panic)),
            (&[K::AltRight, K::ControlRight, K::End], Some(Hotkey::Panic)),
            (&[K::End, K::ControlRight, K::AltLeft], Some(Hotkey::Panic)),
            (&[K::ControlLeft, K::ShiftLeft, K::AltLeft, K::End], Some(Hotkey::Panic)),
            (&[K::ControlLeft, K::AltLeft, K::Numpad1], Some(Hotkey::Panic)),
            (&[K::ControlLeft, K::AltLeft, K::Delete], None),
        ] {
            assert_eq!(last(codes), hotkey, "{codes:?}");
        }
        let desktop = [K::ControlLeft, K::AltLeft, K::Numpad1];
        assert_eq!(pressed(&desktop, true), [None; 3], "with Num Lock it is a digit");
    }

    #[test]
    fn said_once_and_only_by_its_own_keys() {
        let panic = [K::ControlLeft, K::AltLeft, K::End, K::KeyA, K::ShiftLeft];
        assert_eq!(pressed(&panic, false), [None, None, Some(Hotkey::Panic), None, None]);
        assert_eq!(pressed(&[K::F12, K::KeyA], false), [Some(Hotkey::Control), None]);
    }

    #[test]
    fn released_keys_and_those_of_lost_devices_are_up() {
        let (mut down, keys) = (Down::default(), Hotkeys::default());
        let end = x_keycode(K::End);
        down.set(9, BTreeSet::from([x_keycode(K::ControlLeft), x_keycode(K::AltLeft)]));
        down.press(8, end);
        assert_eq!(
            down.hotkey(end, &keys, None, false),
            Some(Hotkey::Panic),
            "held since before we listened"
        );
        down.release(9, x_keycode(K::AltLeft));
        assert_eq!(down.hotkey(end, &keys, None, false), None);
        down.press(9, x_keycode(K::AltLeft));
        down.forget_all_but(&BTreeSet::from([8]));
        assert_eq!(down.hotkey(end, &keys, None, false), None);
    }
}
