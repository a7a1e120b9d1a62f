//! A hand is heard whoever holds a grab, injected input never, and hot keys work for whoever is at the machine.
#![cfg(target_os = "linux")]

mod hand;
mod xvfb;

use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hand::Hand;
use nearhand_desktop::{Combination, Hotkey, Hotkeys, Listening, Local, Modifiers, open};
use nearhand_protocol::input::{Button, InputEvent, KeyCode};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{
    ChangeMode, ConnectionExt as _, GrabOwner, HierarchyChange, HierarchyChangeData,
    HierarchyChangeDataAddMaster, HierarchyChangeDataRemoveMaster, XIChangePropertyAux,
};
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, GrabMode, GrabStatus, InputFocus,
    KEY_PRESS_EVENT, KEY_RELEASE_EVENT, ModMask, PropMode, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use xvfb::{Xvfb, eventually, grants};

const A: u8 = 38;
const MARK: u8 = 39;
const CONTROL: u8 = 37;
const ALT: u8 = 64;
const SHIFT: u8 = 50;
const END: u8 = 115;
const F9: u8 = 75;
const F11: u8 = 95;
const F12: u8 = 96;

/// Who listens, and what was heard.
struct Ear {
    listening: Listening,
    heard: Receiver<Local>,
}

impl Ear {
    /// Listens, and waits until it does.
    fn on(server: &Xvfb, hand: &Hand) -> Self {
        let local = open(Some(&server.display)).unwrap().local.expect("this server tells devices apart");
        let (sender, heard) = channel();
        let hears = Box::new(move |local| {
            let _ = sender.send(local);
        });
        let listening = local.listen(Hotkeys::default(), hears).unwrap();
        listening.set_active(true);
        let ear = Self { listening, heard };
        eventually("a listener", || {
            hand.tap(&[F11]);
            ear.heard.try_iter().count() > 0
        });
        ear.until_control(hand);
        ear
    }

    /// Everything that was heard until now, told by a press of F12, which is left out with its press.
    fn until_control(&self, hand: &Hand) -> Vec<Local> {
        hand.tap(&[F12]);
        let mut heard = self.until(&Local::Key(Hotkey::Control));
        assert!(matches!(heard.pop(), Some(Local::Pressed { real: true, .. })));
        heard
    }

    fn until(&self, last: &Local) -> Vec<Local> {
        let mut heard = Vec::new();
        loop {
            match self.heard.recv_timeout(Duration::from_secs(10)) {
                Ok(local) if local == *last => return heard,
                Ok(local) => heard.push(local),
                Err(error) => panic!("{last:?} never came ({error}): {heard:?}"),
            }
        }
    }
}

/// As it reads in a table: who pressed, what was touched.
fn words(heard: &[Local]) -> Vec<String> {
    let word = |local: &Local| match local {
        Local::Pressed { real: true, .. } => "pressed".to_owned(),
        Local::Pressed { real: false, .. } => "injected".to_owned(),
        Local::Touched(touch) => format!("{touch:?}"),
        Local::Key(key) => format!("hot {key:?}"),
        Local::Lost(_) => "lost".to_owned(),
    };
    heard.iter().map(word).collect()
}

#[test]
fn a_hand_is_heard_and_injected_input_never() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let ear = Ear::on(&server, &hand);
    let grants = grants();
    let control = grants.control().unwrap();
    let mut injector = open(Some(&server.display)).unwrap().injector;

    let key = |code, pressed| InputEvent::Key { code, key: None, pressed };
    let mut events = vec![InputEvent::Text("aB\u{e9}".into()), InputEvent::Wheel { dx: 120, dy: -240 }];
    for code in [KeyCode::F11, KeyCode::F12, KeyCode::ControlLeft, KeyCode::AltLeft, KeyCode::End] {
        events.push(key(code, true));
    }
    events.push(InputEvent::ReleaseAll);
    for button in [Button::Primary, Button::Secondary, Button::Back] {
        for pressed in [true, false] {
            events.push(InputEvent::Button { button, pressed, x: 300, y: 200 });
        }
    }
    for event in &events {
        injector.apply(&control, event).unwrap();
    }
    for n in 0..50 {
        injector.move_to(&control, n * 10, n * 5).unwrap();
    }
    // Dropped, it has arrived.
    drop(injector);
    let heard = words(&ear.until_control(&hand));
    assert!(heard.iter().all(|what| what == "injected"), "{heard:?}");
    assert!(heard.len() >= 11, "its keys and buttons are told as what they are: {heard:?}");

    for (does, expected) in [
        (&(|| hand.tap(&[A])) as &dyn Fn(), &["pressed", "Key"][..]),
        (&|| hand.tap(&[SHIFT, A]), &["pressed", "Key", "pressed", "Key"]),
        (&|| hand.click(1), &["pressed", "Button"]),
        (&|| hand.click(3), &["pressed", "Button"]),
    ] {
        does();
        assert_eq!(words(&ear.until_control(&hand)), expected, "of {expected:?}");
    }
}

#[test]
fn grabs_of_others_keep_nothing_from_us() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let ear = Ear::on(&server, &hand);
    let all = || {
        hand.tap(&[A]);
        hand.click(3);
        words(&ear.until_control(&hand))
    };
    let expected = ["pressed", "Key", "pressed", "Button"];
    assert_eq!(all(), expected, "without a grab");

    let (conn, root) = grab_everything(&server);
    assert_eq!(all(), expected, "while somebody holds keyboard and pointer");
    hand.tap(&[CONTROL, ALT, END]);
    assert!(ear.until(&Local::Key(Hotkey::Panic)).len() >= 3);
    drop(conn);

    let (conn, _) = server.connect();
    conn.xinput_xi_query_version(2, 2).unwrap().reply().unwrap();
    for device in [hand.keyboard, hand.mouse] {
        let (mode, owner) = (GrabMode::ASYNC, GrabOwner::NO_OWNER);
        let device = u16::from(device);
        let held = conn
            .xinput_xi_grab_device(root, x11rb::CURRENT_TIME, x11rb::NONE, device, mode, mode, owner, &[4])
            .unwrap();
        assert_eq!(held.reply().unwrap().status, GrabStatus::SUCCESS);
    }
    assert_eq!(all(), expected, "while somebody has taken the devices themselves");
}

/// Keyboard and pointer belong to this client.
fn grab_everything(server: &Xvfb) -> (RustConnection, u32) {
    let (conn, root) = server.connect();
    let (mode, now) = (GrabMode::ASYNC, x11rb::CURRENT_TIME);
    let held = conn.grab_keyboard(false, root, now, mode, mode).unwrap().reply().unwrap();
    assert_eq!(held.status, GrabStatus::SUCCESS);
    let mask = EventMask::BUTTON_PRESS | EventMask::POINTER_MOTION;
    let held = conn.grab_pointer(false, root, mask, mode, mode, x11rb::NONE, x11rb::NONE, now).unwrap();
    assert_eq!(held.reply().unwrap().status, GrabStatus::SUCCESS);
    (conn, root)
}

#[test]
fn a_shaking_desk_is_no_hand() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let ear = Ear::on(&server, &hand);
    hand.move_by(2, 1);
    assert_eq!(words(&ear.until_control(&hand)), [""; 0]);
    // Time is what counts here: far apart, short moves don't add up.
    for _ in 0..4 {
        sleep(Duration::from_millis(200));
        hand.move_by(-2, 2);
    }
    assert_eq!(words(&ear.until_control(&hand)), [""; 0]);
    for _ in 0..3 {
        hand.move_by(2, 1);
    }
    assert_eq!(words(&ear.until_control(&hand)), ["Motion"]);
    // Motion rests for a moment then, and is heard again.
    hand.move_by(30, 30);
    assert_eq!(words(&ear.until_control(&hand)), [""; 0]);
    eventually("motion after a rest", || {
        hand.move_by(20, 0);
        hand.move_by(-20, 0);
        words(&ear.until_control(&hand)) == ["Motion"]
    });
}

#[test]
fn devices_that_come_and_go() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let ear = Ear::on(&server, &hand);

    // A second pointer and keyboard bring devices for injection of their own.
    let conn = &hand.conn;
    let add = HierarchyChangeData::AddMaster(HierarchyChangeDataAddMaster {
        send_core: true,
        enable: true,
        name: b"second".to_vec(),
    });
    // In units of four bytes.
    let change = HierarchyChange { len: 4, data: add };
    conn.xinput_xi_change_hierarchy(&[change]).unwrap().check().unwrap();
    let devices = conn.xinput_xi_query_device(0_u16).unwrap().reply().unwrap().infos;
    let id = |name: &[u8]| devices.iter().find(|info| info.name == name).unwrap().deviceid;
    hand.press_on(id(b"second XTEST keyboard") as u8, A);
    assert_eq!(words(&ear.until_control(&hand)), ["injected"]);

    let remove = HierarchyChangeData::RemoveMaster(HierarchyChangeDataRemoveMaster {
        deviceid: id(b"second pointer"),
        return_mode: ChangeMode::FLOAT,
        return_pointer: 0,
        return_keyboard: 0,
    });
    let change = HierarchyChange { len: 3, data: remove };
    conn.xinput_xi_change_hierarchy(&[change]).unwrap().check().unwrap();
    hand.tap(&[A]);
    assert_eq!(words(&ear.until_control(&hand)), ["pressed", "Key"]);

    // Unplugged with keys held, a keyboard holds none when it comes back.
    hand.key(CONTROL, true);
    hand.key(ALT, true);
    for enabled in [0, 1] {
        let name = conn.intern_atom(false, b"Device Enabled").unwrap().reply().unwrap().atom;
        let items = XIChangePropertyAux::Data8(vec![enabled]);
        let (keyboard, kind) = (u16::from(hand.keyboard), AtomEnum::INTEGER.into());
        conn.xinput_xi_change_property(keyboard, PropMode::REPLACE, name, kind, 1, &items)
            .unwrap()
            .check()
            .unwrap();
    }
    ear.until_control(&hand);
    hand.tap(&[END]);
    assert_eq!(words(&ear.until_control(&hand)), ["pressed", "Key"], "no panic without its modifiers");
}

/// A window that has the focus, and notes its keys.
struct Focused {
    conn: RustConnection,
}

impl Focused {
    fn on(server: &Xvfb) -> Self {
        let (conn, root) = server.connect();
        let window = conn.generate_id().unwrap();
        let mask = EventMask::KEY_PRESS | EventMask::STRUCTURE_NOTIFY;
        let attributes = CreateWindowAux::new().override_redirect(1).event_mask(mask);
        let kind = WindowClass::INPUT_OUTPUT;
        conn.create_window(0, window, root, 0, 0, 99, 99, 0, kind, 0, &attributes).unwrap();
        conn.map_window(window).unwrap();
        conn.sync().unwrap();
        conn.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME).unwrap();
        conn.sync().unwrap();
        Self { conn }
    }

    /// The keys that it got up to now.
    fn keys(&self, hand: &Hand) -> Vec<u8> {
        hand.tap(&[MARK]);
        let mut keys = Vec::new();
        eventually("the last key", || {
            while let Some(event) = self.conn.poll_for_event().unwrap() {
                if let Event::KeyPress(press) = event {
                    keys.push(press.detail);
                }
            }
            keys.last() == Some(&MARK)
        });
        keys.pop();
        keys
    }
}

#[test]
fn hot_keys_are_ours_while_a_session_runs_and_nobodys_but_the_hands() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let window = Focused::on(&server);
    hand.tap(&[F11, F12]);
    assert_eq!(window.keys(&hand), [F11, F12], "before");

    let ear = Ear::on(&server, &hand);
    window.keys(&hand);
    hand.tap(&[F11]);
    assert_eq!(window.keys(&hand), [0_u8; 0], "swallowed");
    ear.until_control(&hand);
    hand.tap(&[F11]);
    hand.tap(&[SHIFT, F12]);
    hand.tap(&[CONTROL, ALT, END]);
    let expected = [
        "pressed",
        "hot Files",
        "pressed",
        "Key",
        "pressed",
        "Key",
        "pressed",
        "Key",
        "pressed",
        "Key",
        "pressed",
        "hot Panic",
    ];
    assert_eq!(words(&ear.until_control(&hand)), expected);
    assert_eq!(window.keys(&hand), [SHIFT, F12, CONTROL, ALT, END], "only the bare ones are swallowed");
    ear.until_control(&hand);

    let control = Combination { modifiers: Modifiers::SHIFT, key: KeyCode::F9 };
    ear.listening.set_keys(Hotkeys { control, ..Hotkeys::default() });
    eventually("other keys", || {
        hand.tap(&[SHIFT, F9]);
        ear.heard.try_iter().any(|local| local == Local::Key(Hotkey::Control))
    });
    window.keys(&hand);
    hand.tap(&[F12]);
    hand.tap(&[SHIFT, F9]);
    assert_eq!(window.keys(&hand), [F12, SHIFT], "the new one is swallowed instead");

    ear.listening.set_active(false);
    eventually("silence", || {
        hand.tap(&[A]);
        ear.heard.recv_timeout(Duration::from_millis(100)).is_err()
    });
    window.keys(&hand);
    hand.tap(&[F11, F12]);
    assert_eq!(window.keys(&hand), [F11, F12], "given back");
    assert!(ear.heard.try_recv().is_err());
}

#[test]
fn a_hot_key_that_another_program_holds_works_too() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let (conn, root) = server.connect();
    let mode = GrabMode::ASYNC;
    conn.grab_key(false, root, ModMask::ANY, F12, mode, mode).unwrap().check().unwrap();
    let ear = Ear::on(&server, &hand);
    hand.tap(&[F12]);
    assert_eq!(words(&ear.until(&Local::Key(Hotkey::Control))), ["pressed"]);
    let mut got = 0;
    eventually("the key at who holds it", || {
        while let Some(event) = conn.poll_for_event().unwrap() {
            got += u32::from(matches!(event, Event::KeyPress(press) if press.detail == F12));
        }
        got > 0
    });
}

#[test]
fn keys_held_from_before_count_those_of_the_technician_dont() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let (conn, root) = server.connect();
    for keycode in [CONTROL, ALT] {
        conn.xtest_fake_input(KEY_PRESS_EVENT, keycode, 0, root, 0, 0, 0).unwrap();
    }
    conn.sync().unwrap();
    let ear = Ear::on(&server, &hand);
    hand.tap(&[END]);
    assert_eq!(words(&ear.until_control(&hand)), ["pressed", "Key"], "half of it was injected");
    for keycode in [CONTROL, ALT] {
        conn.xtest_fake_input(KEY_RELEASE_EVENT, keycode, 0, root, 0, 0, 0).unwrap();
    }
    conn.sync().unwrap();
    drop(ear);

    hand.key(CONTROL, true);
    hand.key(ALT, true);
    let local = open(Some(&server.display)).unwrap().local.unwrap();
    let (sender, heard) = channel();
    let hears = Box::new(move |local| {
        let _ = sender.send(local);
    });
    let listening = local.listen(Hotkeys::default(), hears).unwrap();
    listening.set_active(true);
    eventually("panic by keys that were down before", || {
        hand.tap(&[END]);
        heard.try_iter().any(|local| local == Local::Key(Hotkey::Panic))
    });
}

#[test]
fn a_server_that_ends_is_told() {
    let server = Xvfb::start("640x480x24");
    let hand = Hand::on(&server);
    let ear = Ear::on(&server, &hand);
    drop(server);
    let last = ear.heard.iter().last();
    assert!(matches!(last, Some(Local::Lost(_))), "{last:?}");
}

/// Prints how long it takes from the event of a device until the listener knows. Not a test: run it by hand with `--ignored`.
#[test]
#[ignore = "a measurement"]
fn delay_from_hand_to_listener() {
    let server = Xvfb::start("1280x720x24");
    let hand = Hand::on(&server);
    let ear = Ear::on(&server, &hand);
    for (name, does) in [
        ("key", &(|| hand.tap(&[A])) as &dyn Fn()),
        ("button", &|| hand.click(1)),
        ("motion", &|| hand.move_by(10, 10)),
    ] {
        let mut delays: Vec<Duration> = (0..200)
            .map(|_| {
                sleep(Duration::from_millis(270));
                while ear.heard.try_recv().is_ok() {}
                let began = Instant::now();
                does();
                loop {
                    let heard = ear.heard.recv_timeout(Duration::from_secs(5)).unwrap();
                    if matches!(heard, Local::Touched(_)) {
                        return began.elapsed();
                    }
                }
            })
            .collect();
        delays.sort_unstable();
        println!("{name}: p50 {:?}, p95 {:?}, max {:?}", delays[100], delays[190], delays[199]);
    }
}
