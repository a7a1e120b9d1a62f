//! What the technician does arrives at real programs as it was meant, whatever the layouts of the two ends are.
#![cfg(target_os = "linux")]

mod xvfb;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nearhand_desktop::{Injector, open};
use nearhand_protocol::grant::{ControlGrant, Right};
use nearhand_protocol::input::{Button, InputEvent, KeyCode};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, EventMask, KeyButMask, WindowClass};
use x11rb::wrapper::ConnectionExt as _;
use xvfb::{Xvfb, eventually, grants};

use KeyCode as K;

/// An xterm that writes every byte it is typed into a file at once.
struct Terminal {
    xterm: Child,
    folder: tempfile::TempDir,
}

impl Terminal {
    fn start(server: &Xvfb) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = "stty raw -echo && : > \"$0/typed\" && exec cat > \"$0/typed\"";
        let xterm = Command::new("xterm")
            .args(["-u8", "-geometry", "80x24+0+0", "-e", "sh", "-c", script])
            .arg(folder.path())
            .env("DISPLAY", &server.display)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("XMODIFIERS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need xterm: apt-get install xterm");
        let terminal = Self { xterm, folder };
        eventually("a terminal", || terminal.file().exists());
        terminal
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("typed")
    }

    fn expect(&self, expected: &str, case: &str) {
        let mut typed = String::new();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while std::time::Instant::now() < end {
            typed = String::from_utf8_lossy(&std::fs::read(self.file()).unwrap()).into_owned();
            if typed.len() >= expected.len() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(typed, expected, "{case}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.xterm.kill();
        let _ = self.xterm.wait();
    }
}

fn set_layout(server: &Xvfb, arguments: &[&str]) {
    let set =
        Command::new("setxkbmap").args(["-display", &server.display, "-option", ""]).args(arguments).status();
    assert!(set.expect("these tests need setxkbmap: apt-get install x11-xkb-utils").success());
}

/// A technician at a keyboard.
struct Hands<'a> {
    injector: &'a mut Injector,
    grant: ControlGrant,
}

impl Hands<'_> {
    fn down(&mut self, code: KeyCode, key: Option<char>) {
        self.injector.apply(&self.grant, &InputEvent::Key { code, key, pressed: true }).unwrap();
    }

    fn up(&mut self, code: KeyCode) {
        self.injector.apply(&self.grant, &InputEvent::Key { code, key: None, pressed: false }).unwrap();
    }

    /// Presses keys together, the last of which types.
    fn chord(&mut self, modifiers: &[KeyCode], code: KeyCode, key: Option<char>) {
        for modifier in modifiers {
            self.down(*modifier, None);
        }
        self.down(code, key);
        self.up(code);
        for modifier in modifiers.iter().rev() {
            self.up(*modifier);
        }
    }

    fn text(&mut self, text: &str) {
        self.injector.apply(&self.grant, &InputEvent::Text(text.to_owned())).unwrap();
    }

    /// The same sentence from keyboards of several countries; what it must come to.
    fn everything(&mut self) -> &'static str {
        let shift: &[KeyCode] = &[K::ShiftLeft];
        let alt_gr: &[KeyCode] = &[K::AltRight];
        // What Windows reports for AltGr.
        let control_alt: &[KeyCode] = &[K::ControlLeft, K::AltRight];
        for (modifiers, code, key) in [
            // American
            (&[][..], K::KeyH, 'h'),
            (shift, K::KeyI, 'I'),
            (&[], K::Space, ' '),
            (shift, K::Digit2, '@'),
            (&[], K::Quote, '\''),
            (&[], K::Backquote, '`'),
            (shift, K::Digit6, '^'),
            (shift, K::Backquote, '~'),
            (&[], K::KeyY, 'y'),
            (&[], K::KeyZ, 'z'),
            // German
            (&[], K::KeyY, 'z'),
            (shift, K::KeyZ, 'Y'),
            (&[], K::Minus, 'ß'),
            (&[], K::Quote, 'ä'),
            (shift, K::Digit7, '/'),
            (alt_gr, K::KeyQ, '@'),
            (control_alt, K::KeyE, '€'),
            (alt_gr, K::Digit7, '{'),
            // French
            (&[], K::Digit2, 'é'),
            (shift, K::Digit2, '2'),
            (&[], K::KeyQ, 'a'),
            // Russian
            (&[], K::Semicolon, 'ж'),
            (shift, K::KeyO, 'Щ'),
            (&[], K::Backquote, 'ё'),
        ] {
            self.chord(modifiers, code, Some(key));
        }
        self.text("é€ Жук 漢字\t😀");
        "hI @'`^~yzzYßä/@€{é2aжЩёé€ Жук 漢字\t😀"
    }
}

#[test]
fn characters_arrive_as_typed_whatever_the_layouts_are() {
    let server = Xvfb::start("800x600x24");
    let grants = grants();
    for layout in [&["us"][..], &["de"], &["ru"], &["us,ru"], &["fr"], &["us", "-variant", "intl"], &["gb"]] {
        set_layout(&server, layout);
        let terminal = Terminal::start(&server);
        let mut desktop = open(Some(&server.display)).unwrap();
        let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
        hands.injector.move_to(&hands.grant, 100, 100).unwrap();
        let expected = hands.everything();
        terminal.expect(expected, &format!("host layout {layout:?}"));
        assert!(desktop.injector.is_idle());
        drop(desktop);
        assert_nothing_is_left(&server, &format!("host layout {layout:?}"));
    }
}

#[test]
fn a_layout_that_changes_meanwhile_and_caps_lock_are_heeded() {
    let server = Xvfb::start("800x600x24");
    let grants = grants();
    set_layout(&server, &["us"]);
    let terminal = Terminal::start(&server);
    let mut desktop = open(Some(&server.display)).unwrap();
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
    hands.injector.move_to(&hands.grant, 100, 100).unwrap();
    let mut expected = hands.everything().to_owned();
    terminal.expect(&expected, "before");
    set_layout(&server, &["de"]);
    expected += hands.everything();
    terminal.expect(&expected, "after");
    // Caps Lock is on at the host only.
    hands.chord(&[], K::CapsLock, None);
    expected += hands.everything();
    terminal.expect(&expected, "with Caps Lock");
}

#[test]
fn shortcuts_go_by_their_character_and_functions_by_their_place() {
    let server = Xvfb::start("800x600x24");
    let grants = grants();
    for layout in [&["us"][..], &["de"], &["fr"], &["us,ru"], &["ru,us"]] {
        set_layout(&server, layout);
        let terminal = Terminal::start(&server);
        let mut desktop = open(Some(&server.display)).unwrap();
        let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
        hands.injector.move_to(&hands.grant, 100, 100).unwrap();
        hands.chord(&[K::ControlLeft], K::KeyC, Some('c'));
        // German: Z is where the American Y is.
        hands.chord(&[K::ControlLeft], K::KeyY, Some('z'));
        // French: A is where the American Q is.
        hands.chord(&[K::ControlRight], K::KeyQ, Some('a'));
        hands.chord(&[], K::Enter, None);
        hands.chord(&[], K::Escape, None);
        hands.chord(&[], K::ArrowUp, None);
        hands.chord(&[], K::Numpad1, Some('1'));
        hands.chord(&[], K::Numpad8, None);
        // A dead key's first half: what it comes to follows.
        hands.chord(&[], K::Equal, None);
        hands.chord(&[], K::KeyE, Some('é'));
        terminal.expect("\u{3}\u{1a}\u{1}\r\u{1b}\u{1b}[A1\u{1b}[Aé", &format!("host layout {layout:?}"));
    }
}

#[test]
fn a_long_text_of_rare_characters_arrives() {
    let server = Xvfb::start("800x600x24");
    let grants = grants();
    let terminal = Terminal::start(&server);
    let mut desktop = open(Some(&server.display)).unwrap();
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
    hands.injector.move_to(&hands.grant, 100, 100).unwrap();
    let text: String = ('\u{4e00}'..'\u{4e80}').collect();
    hands.text(&text);
    terminal.expect(&text, "more characters than spare keys");
}

/// The keyboard is as it was: no key down, no modifier on, no borrowed keycode.
fn assert_nothing_is_left(server: &Xvfb, case: &str) {
    let (conn, root) = server.connect();
    let keys = conn.query_keymap().unwrap().reply().unwrap().keys;
    assert_eq!(keys, [0; 32], "{case}: no key is down");
    let mask = conn.query_pointer(root).unwrap().reply().unwrap().mask;
    assert_eq!(mask, KeyButMask::default(), "{case}: no button, modifier or group is on");
    let (first, last) = (conn.setup().min_keycode, conn.setup().max_keycode);
    let map = conn.get_keyboard_mapping(first, last - first + 1).unwrap().reply().unwrap();
    let unicode = map.keysyms.iter().filter(|symbol| **symbol == 0x0100_6f22).count();
    assert_eq!(unicode, 0, "{case}: borrowed keycodes are given back");
}

#[test]
fn buttons_and_wheel_arrive_where_they_were_meant() {
    let server = Xvfb::start("800x600x24");
    let (conn, root) = server.connect();
    let window = conn.generate_id().unwrap();
    let mask = EventMask::BUTTON_PRESS | EventMask::BUTTON_RELEASE;
    let attributes = CreateWindowAux::new().override_redirect(1).event_mask(mask | EventMask::EXPOSURE);
    conn.create_window(0, window, root, 50, 60, 400, 300, 0, WindowClass::INPUT_OUTPUT, 0, &attributes)
        .unwrap();
    conn.map_window(window).unwrap();
    conn.sync().unwrap();

    let grants = grants();
    let grant = grants.control().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let buttons = [Button::Primary, Button::Middle, Button::Secondary, Button::Back, Button::Forward];
    for (button, x) in buttons.into_iter().zip(100..) {
        for pressed in [true, false] {
            desktop.injector.apply(&grant, &InputEvent::Button { button, pressed, x, y: 200 }).unwrap();
        }
    }
    for (dx, dy) in [(0, 120), (0, -120), (-120, 0), (60, 0), (60, 0)] {
        desktop.injector.apply(&grant, &InputEvent::Wheel { dx, dy }).unwrap();
    }
    let mut seen = Vec::new();
    eventually("all clicks", || {
        while let Some(event) = conn.poll_for_event().unwrap() {
            if let Event::ButtonPress(press) = event {
                seen.push((press.detail, press.root_x, press.root_y));
            }
        }
        seen.len() >= 9
    });
    let clicks = [(1, 100), (2, 101), (3, 102), (8, 103), (9, 104), (5, 104), (4, 104), (6, 104), (7, 104)];
    assert_eq!(seen, clicks.map(|(button, x)| (button, x, 200)));
}

#[test]
fn everything_pressed_is_let_go() {
    let server = Xvfb::start("800x600x24");
    let (conn, root) = server.connect();
    let is_down = || {
        let keys = conn.query_keymap().unwrap().reply().unwrap().keys != [0; 32];
        keys || conn.query_pointer(root).unwrap().reply().unwrap().mask != KeyButMask::default()
    };
    let mut grants = grants();
    let press = |injector: &mut Injector, grant: &ControlGrant| {
        for (code, key) in [(K::ShiftLeft, None), (K::ControlLeft, None), (K::KeyA, Some('A')), (K::F5, None)]
        {
            injector.apply(grant, &InputEvent::Key { code, key, pressed: true }).unwrap();
        }
        injector
            .apply(grant, &InputEvent::Button { button: Button::Primary, pressed: true, x: 9, y: 9 })
            .unwrap();
        eventually("keys that are down", is_down);
    };

    let mut desktop = open(Some(&server.display)).unwrap();
    let grant = grants.control().unwrap();
    press(&mut desktop.injector, &grant);
    desktop.injector.apply(&grant, &InputEvent::ReleaseAll).unwrap();
    eventually("keys that are up", || !is_down());

    press(&mut desktop.injector, &grant);
    grants.take(Right::Control);
    assert!(desktop.injector.move_to(&grant, 5, 5).is_err());
    eventually("keys that are up when the grant dies", || !is_down());

    assert!(grants.give(Right::Control, nearhand_protocol::grant::Consent::CommandLine));
    let grant = grants.control().unwrap();
    press(&mut desktop.injector, &grant);
    drop(desktop);
    eventually("keys that are up when the injector ends", || !is_down());
}
