//! What the keys of this keyboard mean for the other end: pure, so that each system's habits are a table of tests.
//!
//! The habits that need care:
//! - Windows reports AltGr as a Control that nobody pressed, followed by `AltRight` with the key `AltGraph`. Neither is
//!   forwarded: the character that AltGr made travels in `key`, and the host types it however its layout does.
//! - macOS sends no key-up for a key that is released while Command is held.
//! - Dead keys and input methods make text that belongs to no key; it arrives by the text field, not here.

use std::collections::BTreeSet;

use nearhand_protocol::input::{InputEvent, KeyCode, MAX_TEXT};

/// A `keydown` or `keyup` of the browser.
#[derive(Clone, Copy, Debug)]
pub struct Stroke<'a> {
    /// `KeyboardEvent.code`.
    pub code: &'a str,
    /// `KeyboardEvent.key`.
    pub key: &'a str,
    /// Down, or up.
    pressed: bool,
    /// An input method has the key, and makes text of it.
    composing: bool,
}

impl<'a> Stroke<'a> {
    /// A key went down.
    pub const fn down(code: &'a str, key: &'a str, composing: bool) -> Self {
        Self { code, key, pressed: true, composing }
    }

    /// A key went up.
    pub const fn up(code: &'a str, key: &'a str) -> Self {
        Self { code, key, pressed: false, composing: false }
    }
}

/// What follows from a stroke.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// To be sent, in this order.
    pub send: Vec<InputEvent>,
    /// The browser must not act on the key itself.
    pub prevent: bool,
    /// The technician wants to leave the picture: Ctrl, Alt and Shift were pressed together and nothing else.
    pub leave: bool,
    /// A digit was pressed while Ctrl, Alt and Shift were held: meant for the monitors, not for the customer's computer.
    pub digit: Option<u8>,
}

/// The keys that the other end believes to be down.
#[derive(Debug, Default)]
pub struct Typing {
    down: BTreeSet<KeyCode>,
    alt_graph: bool,
    /// Ctrl, Alt and Shift are all down, and no other key came in between.
    leaving: bool,
    /// A digit was pressed while they were down, and none of them was let go since: what repeats itself is the same.
    choosing: bool,
}

impl Typing {
    /// Nothing is pressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// A key of this keyboard moved.
    pub fn stroke(&mut self, stroke: Stroke<'_>) -> Outcome {
        if stroke.pressed { self.press(stroke) } else { self.release(stroke) }
    }

    /// Lets go of everything; `None` where nothing is held.
    pub fn release_all(&mut self) -> Option<InputEvent> {
        let held = !self.down.is_empty();
        *self = Self::new();
        held.then_some(InputEvent::ReleaseAll)
    }

    fn press(&mut self, stroke: Stroke<'_>) -> Outcome {
        if stroke.composing || matches!(stroke.key, "Dead" | "Process") {
            return Outcome::default();
        }
        if stroke.key == "AltGraph" {
            self.alt_graph = true;
            // The Control before it was Windows' own.
            let fake =
                self.down.remove(&KeyCode::ControlLeft).then(|| key(KeyCode::ControlLeft, None, false));
            return Outcome { send: fake.into_iter().collect(), prevent: true, ..Outcome::default() };
        }
        let character = character(stroke.key);
        let Some(code) = KeyCode::from_browser(stroke.code) else {
            // A key without a place (a virtual keyboard, a macro pad) that nevertheless typed something.
            let send = character.map(|character| InputEvent::Text(character.into()));
            return Outcome {
                prevent: send.is_some(),
                send: send.into_iter().collect(),
                ..Outcome::default()
            };
        };
        if self.alt_graph && code == KeyCode::ControlLeft {
            return Outcome { prevent: true, ..Outcome::default() };
        }
        if let Some(digit) = digit(stroke.code).filter(|_| self.leaving || self.choosing) {
            let send = self.release_all().into_iter().collect();
            self.choosing = true;
            return Outcome { send, prevent: true, digit: Some(digit), ..Outcome::default() };
        }
        self.down.insert(code);
        self.leaving = if code.is_modifier() { self.leaving || self.holds_all_three() } else { false };
        Outcome { send: vec![key(code, character, true)], prevent: true, ..Outcome::default() }
    }

    fn release(&mut self, stroke: Stroke<'_>) -> Outcome {
        if stroke.key == "AltGraph" || (stroke.code == "AltRight" && self.alt_graph) {
            self.alt_graph = false;
            return Outcome { prevent: true, ..Outcome::default() };
        }
        let Some(code) = KeyCode::from_browser(stroke.code) else { return Outcome::default() };
        self.choosing &= !code.is_modifier();
        if !self.down.remove(&code) {
            return Outcome::default();
        }
        if self.leaving && code.is_modifier() {
            self.down.insert(code);
            let send = self.release_all().into_iter().collect();
            return Outcome { send, prevent: true, leave: true, digit: None };
        }
        let mut send = vec![key(code, character(stroke.key), false)];
        if matches!(code, KeyCode::MetaLeft | KeyCode::MetaRight) {
            let stuck: Vec<_> = self.down.iter().copied().filter(|code| !code.is_modifier()).collect();
            for code in stuck {
                self.down.remove(&code);
                send.push(key(code, None, false));
            }
        }
        Outcome { send, prevent: true, ..Outcome::default() }
    }

    fn holds_all_three(&self) -> bool {
        let one_of = |left, right| self.down.contains(&left) || self.down.contains(&right);
        one_of(KeyCode::ControlLeft, KeyCode::ControlRight)
            && one_of(KeyCode::AltLeft, KeyCode::AltRight)
            && one_of(KeyCode::ShiftLeft, KeyCode::ShiftRight)
            && self.down.iter().all(|code| code.is_modifier())
    }
}

/// The digit on this key of the row above the letters.
pub fn digit(code: &str) -> Option<u8> {
    code.strip_prefix("Digit")?.parse().ok().filter(|digit| *digit < 10)
}

/// Text of an input method, cut into messages that the wire takes, never inside a character.
pub fn text(text: &str) -> Vec<InputEvent> {
    let mut messages = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(rest.floor_char_boundary(MAX_TEXT));
        messages.push(InputEvent::Text(head.into()));
        rest = tail;
    }
    messages
}

/// The character that `KeyboardEvent.key` names; `None` for named keys as `Enter`.
fn character(key: &str) -> Option<char> {
    let mut characters = key.chars();
    characters.next().filter(|_| characters.next().is_none())
}

const fn key(code: KeyCode, key: Option<char>, pressed: bool) -> InputEvent {
    InputEvent::Key { code, key, pressed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(strokes: &[Stroke<'_>]) -> (Vec<InputEvent>, bool) {
        let mut typing = Typing::new();
        let mut left = false;
        let mut sent = Vec::new();
        for stroke in strokes {
            let outcome = typing.stroke(*stroke);
            sent.extend(outcome.send);
            left |= outcome.leave;
        }
        (sent, left)
    }

    #[test]
    fn a_letter_carries_place_and_character() {
        let (sent, _) = run(&[Stroke::down("KeyZ", "y", false), Stroke::up("KeyZ", "y")]);
        assert_eq!(sent, [key(KeyCode::KeyZ, Some('y'), true), key(KeyCode::KeyZ, Some('y'), false)]);
        let (sent, _) = run(&[Stroke::down("Enter", "Enter", false)]);
        assert_eq!(sent, [key(KeyCode::Enter, None, true)]);
    }

    #[test]
    fn the_control_of_windows_alt_graph_is_taken_back() {
        let (sent, left) = run(&[
            Stroke::down("ControlLeft", "Control", false),
            Stroke::down("AltRight", "AltGraph", false),
            Stroke::down("KeyQ", "@", false),
            Stroke::up("KeyQ", "@"),
            Stroke::up("ControlLeft", "Control"),
            Stroke::up("AltRight", "AltGraph"),
        ]);
        assert_eq!(
            sent,
            [
                key(KeyCode::ControlLeft, None, true),
                key(KeyCode::ControlLeft, None, false),
                key(KeyCode::KeyQ, Some('@'), true),
                key(KeyCode::KeyQ, Some('@'), false),
            ]
        );
        assert!(!left);
    }

    #[test]
    fn a_digit_with_all_three_modifiers_is_for_the_monitors() {
        let mut typing = Typing::new();
        for (code, name) in [("ControlLeft", "Control"), ("AltLeft", "Alt"), ("ShiftLeft", "Shift")] {
            typing.stroke(Stroke::down(code, name, false));
        }
        let chosen = typing.stroke(Stroke::down("Digit2", "@", false));
        assert_eq!((chosen.digit, chosen.leave, chosen.prevent), (Some(2), false, true));
        assert_eq!(chosen.send, [InputEvent::ReleaseAll], "the customer's computer lets go of all three");
        let again = typing.stroke(Stroke::down("Digit2", "@", false));
        assert_eq!((again.digit, again.send), (Some(2), Vec::new()), "it repeats itself, and types nothing");
        for (code, name) in
            [("Digit2", "@"), ("ShiftLeft", "Shift"), ("AltLeft", "Alt"), ("ControlLeft", "Control")]
        {
            assert_eq!(typing.stroke(Stroke::up(code, name)), Outcome::default());
        }
        let typed = typing.stroke(Stroke::down("Digit2", "2", false));
        assert_eq!((typed.digit, typed.send.len()), (None, 1), "a digit is a digit again");
    }

    #[test]
    fn dead_keys_and_input_methods_are_left_to_the_text_field() {
        for stroke in [
            Stroke::down("Quote", "Dead", false),
            Stroke::down("KeyA", "Process", false),
            Stroke::down("KeyA", "a", true),
        ] {
            assert_eq!(Typing::new().stroke(stroke), Outcome::default());
        }
    }

    #[test]
    fn a_key_without_a_place_types_its_character() {
        let outcome = Typing::new().stroke(Stroke::down("", "ж", false));
        assert_eq!(outcome.send, [InputEvent::Text("ж".into())]);
        let outcome = Typing::new().stroke(Stroke::down("", "Unidentified", false));
        assert_eq!(outcome, Outcome::default());
    }

    #[test]
    fn releasing_command_releases_what_macos_keeps_silent_about() {
        let (sent, _) = run(&[
            Stroke::down("MetaLeft", "Meta", false),
            Stroke::down("KeyC", "c", false),
            Stroke::up("MetaLeft", "Meta"),
        ]);
        assert_eq!(sent[2..], [key(KeyCode::MetaLeft, None, false), key(KeyCode::KeyC, None, false)]);
    }

    #[test]
    fn the_way_out_is_three_modifiers_and_nothing_else() {
        let three = [
            Stroke::down("ControlLeft", "Control", false),
            Stroke::down("AltLeft", "Alt", false),
            Stroke::down("ShiftLeft", "Shift", false),
        ];
        let (sent, left) = run(&[&three[..], &[Stroke::up("AltLeft", "Alt")]].concat());
        assert!(left);
        assert_eq!(sent.last(), Some(&InputEvent::ReleaseAll));
        let with_key =
            [Stroke::down("KeyT", "T", false), Stroke::up("KeyT", "T"), Stroke::up("AltLeft", "Alt")];
        let (_, left) = run(&[&three[..], &with_key[..]].concat());
        assert!(!left, "Ctrl+Alt+Shift+T is a combination of the customer's");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "€".repeat(MAX_TEXT);
        let messages = text(&long);
        assert!(messages.len() > 2);
        let mut together = String::new();
        for message in messages {
            let InputEvent::Text(text) = message else { panic!("{message:?}") };
            assert!(!text.is_empty() && text.len() <= MAX_TEXT);
            together += &text;
        }
        assert_eq!(together, long);
        assert_eq!(text(""), []);
    }

    proptest! {
        /// Whatever is struck: what the other end believes to be down is what this one does, and all of it can be
        /// released.
        #[test]
        fn both_ends_agree_on_what_is_down(steps in prop::collection::vec((any::<bool>(), 0..12_usize, 0..4_u8), 0..80)) {
            const CODES: [&str; 12] = [
                "KeyA", "KeyB", "ControlLeft", "AltLeft", "AltRight", "ShiftLeft", "MetaLeft", "Enter", "", "F1",
                "ControlRight", "Nonsense",
            ];
            let mut typing = Typing::new();
            let mut theirs = BTreeSet::new();
            for (down, index, kind) in steps {
                let name = ["a", "Dead", "AltGraph", "Control"][usize::from(kind)];
                let stroke = if down { Stroke::down(CODES[index], name, false) } else { Stroke::up(CODES[index], name) };
                for event in typing.stroke(stroke).send {
                    match event {
                        InputEvent::Key { code, pressed: true, .. } => { theirs.insert(code); }
                        InputEvent::Key { code, pressed: false, .. } => { theirs.remove(&code); }
                        InputEvent::ReleaseAll => theirs.clear(),
                        _ => {}
                    }
                }
                prop_assert_eq!(&theirs, &typing.down);
            }
            prop_assert_eq!(typing.release_all().is_some(), !theirs.is_empty());
        }
    }
}
