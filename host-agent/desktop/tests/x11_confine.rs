//! What the technician does reaches what is shared, and never a window of ours, whatever moves in between.
#![cfg(target_os = "linux")]

mod scene;
mod xvfb;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use nearhand_desktop::{Error, Injector, OwnRole, OwnWindows, Scope, WindowId, open};
use nearhand_protocol::grant::ControlGrant;
use nearhand_protocol::input::{Button, InputEvent, KeyCode};
use scene::Program;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ConnectionExt as _, Window};
use xvfb::{Xvfb, eventually, grants};

use KeyCode as K;

struct Hands<'a> {
    injector: &'a mut Injector,
    grant: ControlGrant,
}

impl Hands<'_> {
    fn does(&mut self, event: &InputEvent) -> Result<(), Error> {
        self.injector.apply(&self.grant, event)
    }

    /// Presses and releases; what the press came to.
    fn click(&mut self, x: u16, y: u16) -> Result<(), Error> {
        let pressed = self.press(x, y);
        let _ = self.release(x, y);
        pressed
    }

    fn press(&mut self, x: u16, y: u16) -> Result<(), Error> {
        self.does(&InputEvent::Button { button: Button::Primary, pressed: true, x, y })
    }

    fn release(&mut self, x: u16, y: u16) -> Result<(), Error> {
        self.does(&InputEvent::Button { button: Button::Primary, pressed: false, x, y })
    }

    /// Waits until the server has carried out everything: moves are asked for before they are made.
    fn settle(&mut self) {
        let _ = self.injector.move_to(&self.grant, 639, 479);
    }

    /// The presses that reached the program's windows since the last call.
    fn reached(&mut self, program: &Program) -> Vec<(Window, &'static str)> {
        self.settle();
        program.sync();
        let mut reached = Vec::new();
        while let Some(event) = program.conn.poll_for_event().unwrap() {
            match event {
                Event::ButtonPress(event) => reached.push((event.event, "click")),
                Event::KeyPress(event) => reached.push((event.event, "key")),
                _ => {}
            }
        }
        reached
    }

    fn key(&mut self, code: KeyCode) -> Result<(), Error> {
        let key = match code {
            K::KeyA => Some('a'),
            K::KeyB => Some('b'),
            _ => None,
        };
        let pressed = self.does(&InputEvent::Key { code, key, pressed: true });
        let _ = self.does(&InputEvent::Key { code, key: None, pressed: false });
        pressed
    }
}

fn window(id: Window) -> Scope {
    Scope::Window(WindowId(id.into()))
}

fn is_outside(done: &Result<(), Error>) -> bool {
    matches!(done, Err(Error::Outside))
}

#[test]
fn clicks_and_keys_stay_within_what_is_shared() {
    let server = Xvfb::start("640x480x24");
    let (program, other) = (Program::on(&server), Program::on(&server));
    let shared = program.window((50, 50, 200, 150), 1);
    let stranger = other.window((300, 50, 200, 150), 2);
    let cover = other.menu((150, 100, 50, 50), 3);
    for (program, window) in [(&program, shared), (&other, stranger), (&other, cover)] {
        program.show(window);
    }
    program.focus(shared);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.injector.confine(&window(shared)).unwrap();
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };

    hands.click(60, 60).unwrap();
    assert_eq!(hands.reached(&program), [(shared, "click")]);
    hands.does(&InputEvent::Wheel { dx: 0, dy: 120 }).unwrap();
    assert_eq!(hands.reached(&program), [(shared, "click")], "the wheel");
    for (x, y) in [(310, 60), (10, 10), (160, 110)] {
        assert!(is_outside(&hands.click(x, y)), "{x}, {y}");
    }
    // The pointer has not moved, so the wheel still turns there.
    hands.does(&InputEvent::Wheel { dx: 0, dy: 120 }).unwrap();
    assert_eq!((hands.reached(&program), hands.reached(&other)), (vec![(shared, "click")], vec![]));
    // Where it was covered it was brought to the front.
    eventually("the front", || hands.click(160, 110).is_ok());
    assert_eq!((hands.reached(&program), hands.reached(&other)), (vec![(shared, "click")], vec![]));

    hands.key(K::KeyA).unwrap();
    hands.does(&InputEvent::Text("\u{e9}".into())).unwrap();
    assert_eq!(hands.reached(&program), [(shared, "key"); 2]);
    other.focus(stranger);
    assert!(is_outside(&hands.key(K::KeyA)));
    assert_eq!(
        (hands.reached(&program), hands.reached(&other)),
        (vec![], vec![]),
        "refused, and the window was brought to the front"
    );
    eventually("the front again", || hands.key(K::KeyB).is_ok());
    assert_eq!((hands.reached(&program), hands.reached(&other)), (vec![(shared, "key")], vec![]));
    other.focus(stranger);
    assert!(is_outside(&hands.does(&InputEvent::Text("\u{6f22}".into()))));

    program.focus(shared);
    let menu = program.menu((240, 180, 100, 60), 4);
    program.show(menu);
    eventually("a menu of its own", || hands.click(330, 230).is_ok());
    assert_eq!((hands.reached(&program), hands.reached(&other)), (vec![(menu, "click")], vec![]));

    hands.injector.confine(&Scope::Everything).unwrap();
    hands.click(310, 60).unwrap();
    eventually("a click elsewhere", || hands.reached(&other) == [(stranger, "click")]);
    assert!(matches!(hands.injector.confine(&Scope::Monitor(9)), Err(Error::Scope(_))));
}

#[test]
fn a_monitor_has_the_same_number_for_who_looks_and_who_acts() {
    let server = Xvfb::start("640x480x24");
    let program = Program::on(&server);
    let desk = program.window((0, 0, 640, 480), 1);
    program.show(desk);
    xrandr(&server, &["--setmonitor", "left", "320/100x480/150+0+0", "screen"]);
    xrandr(&server, &["--setmonitor", "right", "320/100x480/150+320+0", "none"]);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    let monitors = &desktop.capture.layout().monitors;
    let right = monitors.iter().find(|monitor| monitor.name == "right").unwrap().id;
    xrandr(&server, &["--delmonitor", "left"]);
    desktop.injector.confine(&Scope::Monitor(right)).unwrap();
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
    hands.click(400, 100).unwrap();
    assert!(is_outside(&hands.click(100, 100)));
    // It follows where the monitor goes, and is shut when it is gone.
    xrandr(&server, &["--delmonitor", "right"]);
    xrandr(&server, &["--setmonitor", "right", "320/100x480/150+0+0", "screen"]);
    eventually("the other place", || hands.click(100, 100).is_ok());
    assert!(is_outside(&hands.click(400, 100)));
    xrandr(&server, &["--delmonitor", "right"]);
    eventually("nothing", || is_outside(&hands.click(100, 100)));
}

#[test]
fn combinations_that_the_desktop_would_hear_are_refused() {
    let server = Xvfb::start("640x480x24");
    let program = Program::on(&server);
    let shared = program.window((50, 50, 200, 150), 1);
    program.show(shared);
    program.focus(shared);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    for (scope, refused) in [(window(shared), true), (Scope::Everything, false)] {
        desktop.injector.confine(&scope).unwrap();
        let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
        for (keys, stays) in [
            (&[K::MetaLeft][..], false),
            (&[K::PrintScreen], false),
            (&[K::AltLeft, K::Tab], false),
            (&[K::AltLeft, K::F2], false),
            (&[K::AltLeft, K::Space], false),
            (&[K::ControlLeft, K::AltLeft, K::KeyT], false),
            (&[K::AltLeft, K::ControlRight], false),
            (&[K::ControlLeft, K::KeyC], true),
            (&[K::AltLeft, K::KeyF], true),
            (&[K::AltLeft, K::F4], true),
            (&[K::ControlLeft, K::AltRight, K::KeyQ], true),
            (&[K::Tab], true),
            (&[K::F12], true),
        ] {
            let mut done = Ok(());
            for code in keys {
                let pressed = hands.does(&InputEvent::Key { code: *code, key: None, pressed: true });
                done = done.and(pressed);
            }
            hands.does(&InputEvent::ReleaseAll).unwrap();
            assert_eq!(is_outside(&done), refused && !stays, "{keys:?}: {done:?}");
        }
    }
}

#[test]
fn a_drag_stays_with_its_window_and_always_ends() {
    let server = Xvfb::start("640x480x24");
    let (program, other) = (Program::on(&server), Program::on(&server));
    let shared = program.window((50, 50, 200, 150), 1);
    let stranger = other.window((250, 50, 200, 150), 2);
    program.show(shared);
    other.show(stranger);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.injector.confine(&window(shared)).unwrap();
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
    let pointer = || {
        let told = other.conn.query_pointer(other.root).unwrap().reply().unwrap();
        (told.root_x, told.root_y, u16::from(told.mask))
    };
    hands.press(100, 100).unwrap();
    hands.injector.move_to(&hands.grant, 300, 400).unwrap();
    eventually("its edge, still held", || pointer() == (249, 199, 1 << 8));
    // Under another window there as well: it stays where it was.
    other.put(stranger, 200, 150);
    hands.injector.move_to(&hands.grant, 300, 400).unwrap();
    hands.release(300, 400).unwrap();
    eventually("the same place, let go", || pointer() == (249, 199, 0));
    assert!(is_outside(&hands.press(300, 200)));
    assert!(hands.injector.is_idle());
    assert!(is_outside(&hands.press(300, 200)), "not swallowed as a repetition");
    // Its window goes while the button is down.
    hands.press(100, 100).unwrap();
    program.destroy(shared);
    let _ = hands.release(300, 400);
    eventually("no button", || pointer().2 == 0);
}

#[test]
fn our_own_windows_are_never_reached() {
    let server = Xvfb::start("640x480x24");
    let (program, ours, manager) = (Program::on(&server), Program::on(&server), Program::on(&server));
    let desk = program.window((0, 0, 640, 480), 1);
    program.show(desk);
    let frame = manager.window((100, 100, 220, 170), 2);
    let main = ours.window((0, 0, 200, 150), 3);
    ours.conn.reparent_window(main, frame, 10, 15).unwrap();
    ours.show(main);
    manager.show(frame);
    let bar = ours.menu((0, 0, 640, 30), 4);
    ours.show(bar);
    let own = OwnWindows::new();
    own.adopt(WindowId(main.into()), OwnRole::Main);
    own.adopt(WindowId(bar.into()), OwnRole::Bar);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.injector.keep_off(own.clone());
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
    program.focus(desk);
    hands.click(50, 300).unwrap();
    hands.key(K::KeyA).unwrap();
    assert_eq!(hands.reached(&program), [(desk, "click"), (desk, "key")]);
    for (x, y, what) in [(150, 150, "the window"), (105, 105, "its frame"), (5, 5, "the bar")] {
        let done = hands.click(x, y);
        assert!(matches!(done, Err(Error::Ours)), "{what}: {done:?}");
        assert!(matches!(hands.injector.move_to(&hands.grant, x, y), Err(Error::Ours)), "{what}");
    }
    ours.focus(main);
    for done in [hands.key(K::Enter), hands.key(K::F12), hands.does(&InputEvent::Text("y".into()))] {
        assert!(matches!(done, Err(Error::Ours)), "{done:?}");
    }
    assert_eq!((hands.reached(&ours), hands.reached(&manager)), (vec![], vec![]));
    own.forget(WindowId(bar.into()));
    hands.click(5, 5).unwrap();
    assert_eq!(hands.reached(&ours), [(bar, "click")], "not ours any more");
}

/// A window of ours jumps under the pointer again and again: what holds is that of so many clicks none lands in it.
#[test]
fn nothing_slips_in_between() {
    let server = Xvfb::start("640x480x24");
    let (program, ours) = (Program::on(&server), Program::on(&server));
    let desk = program.window((0, 0, 640, 480), 1);
    program.show(desk);
    let main = ours.menu((100, 100, 100, 100), 3);
    ours.show(main);
    let own = OwnWindows::new();
    own.adopt(WindowId(main.into()), OwnRole::Main);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.injector.keep_off(own);
    let mut hands = Hands { injector: &mut desktop.injector, grant: grants.control().unwrap() };
    let stop = AtomicBool::new(false);
    let (mut done, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let jumps = scope.spawn(|| {
            let mover = Program::on(&server);
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                mover.put(main, if n % 2 == 0 { 100 } else { 400 }, 100);
            }
        });
        for _ in 0..600 {
            match hands.click(150, 150) {
                Ok(()) => done += 1,
                Err(Error::Ours) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        jumps.join().unwrap();
    });
    assert_eq!(hands.reached(&ours), [], "{done} clicks made, {refused} refused");
    assert_eq!(hands.reached(&program).len(), done);
    assert!(done > 0 && refused > 0, "both happened: {done}, {refused}");
}

fn xrandr(server: &Xvfb, arguments: &[&str]) {
    let done = Command::new("xrandr").args(["--display", &server.display]).args(arguments).output();
    assert!(done.expect("these tests need xrandr: apt-get install x11-xserver-utils").status.success());
}
