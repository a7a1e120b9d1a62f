//! One window is shown with what belongs to it, and nothing else, whatever happens around it.
#![cfg(target_os = "linux")]

mod openbox;
mod scene;
mod xvfb;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nearhand_desktop::{Capture, Desktop, Error, Event, Rect, Scope, WindowId, open};
use nearhand_protocol::grant::ViewGrant;
use openbox::Openbox;
use scene::Program;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt as _, Window};
use xvfb::{Xvfb, eventually, grants};

const SHARED: u32 = 0x0000_a000;
const DIALOG: u32 = 0x0000_00c0;
const MENU: u32 = 0x00c0_c000;
const SECRET: u32 = 0x00ff_00ff;
const BLACK: u32 = 0;
/// What a private window is blanked with.
const GREY: u32 = 0x0080_8080;

/// So long windows race with pictures…
const TURMOIL: Duration = Duration::from_secs(3);
/// …and so many pictures are looked at, however slow the machine is.
const LEAST_GRABS: i16 = 100;

/// A technician's eye: everything that it was ever shown.
struct Eye<'a> {
    capture: &'a mut dyn Capture,
    grant: ViewGrant,
}

impl Eye<'_> {
    /// The colour at a place, in the newest picture.
    fn at(&mut self, x: u32, y: u32) -> u32 {
        while self.capture.wait(Some(Duration::ZERO)).unwrap().is_some() {}
        let frame = self.capture.grab(&self.grant).unwrap();
        let at = y as usize * frame.stride + x as usize * 4;
        u32::from_le_bytes([frame.pixels[at], frame.pixels[at + 1], frame.pixels[at + 2], 0])
    }

    fn sees(&mut self, what: &str, places: &[(u32, u32, u32)]) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let seen: Vec<u32> = places.iter().map(|(x, y, _)| self.at(*x, *y)).collect();
            if seen.iter().zip(places).all(|(seen, (.., colour))| seen == colour) {
                return;
            }
            assert!(Instant::now() < end, "never came: {what}: {places:x?} but {seen:x?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn hears(&mut self, event: Event) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.capture.wait(Some(Duration::from_millis(50))).unwrap() != Some(event) {
            assert!(Instant::now() < end, "never came: {event:?}");
        }
    }

    fn area(&self) -> Rect {
        let monitors = &self.capture.layout().monitors;
        assert_eq!(monitors.len(), 1);
        let monitor = &monitors[0];
        Rect::new(monitor.x.into(), monitor.y.into(), monitor.width.into(), monitor.height.into())
    }
}

fn window(id: Window) -> Scope {
    Scope::Window(WindowId(id.into()))
}

/// Everything that is not black or of these colours, in the picture of a grab.
fn strangers(desktop: &mut Desktop, grant: &ViewGrant, known: &[u32]) -> Option<u32> {
    let frame = desktop.capture.grab(grant).unwrap();
    let mut colours = frame.pixels.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], 0]));
    colours.find(|colour| *colour != BLACK && !known.contains(colour))
}

#[test]
fn a_window_is_shown_whole_and_alone() {
    let server = Xvfb::start("640x480x24");
    let (program, other) = (Program::on(&server), Program::on(&server));
    let shared = program.window((50, 60, 100, 80), SHARED);
    program.name(shared, "Invoice.pdf", "reader");
    program.show(shared);
    let cover = other.window((40, 50, 60, 200), SECRET);
    other.show(cover);

    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.capture.aim(&window(shared)).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grants.view().unwrap() };
    let around = [(49, 60, BLACK), (150, 139, BLACK), (10, 10, BLACK), (45, 55, BLACK)];
    eye.sees("also where it is covered", &[(50, 60, SHARED), (60, 70, SHARED), (149, 139, SHARED)]);
    eye.sees("nothing beside it", &around);
    assert_eq!(eye.area(), Rect::new(50, 60, 100, 80));
    assert_eq!(eye.capture.layout().monitors[0].name, "Invoice.pdf");
    assert_eq!((eye.capture.layout().width, eye.capture.layout().height), (640, 480));

    program.colour(shared, 0x0000_b0b0);
    eye.sees("what is drawn while it is covered", &[(60, 70, 0x0000_b0b0), (149, 139, 0x0000_b0b0)]);
    program.colour(shared, SHARED);

    program.put(shared, 200, 100);
    eye.sees("moved", &[(200, 100, SHARED), (299, 179, SHARED), (60, 70, BLACK), (300, 180, BLACK)]);
    eventually("its box", || {
        let _ = eye.at(0, 0);
        eye.area() == Rect::new(200, 100, 100, 80)
    });
    program.resize(shared, 150, 40);
    eye.sees("resized", &[(349, 139, SHARED), (200, 100, SHARED), (200, 150, BLACK)]);
    program.put(shared, -100, -10);
    eye.sees("over the edge", &[(0, 0, SHARED), (49, 29, SHARED), (50, 10, BLACK), (210, 110, BLACK)]);
    program.put(shared, 300, 200);

    program.raise(shared);
    eye.sees("raised", &[(300, 200, SHARED)]);
    // The cursor shows what the window under it thinks of it.
    for (x, y, seen) in [(310, 210, true), (60, 70, false)] {
        other.conn.warp_pointer(x11rb::NONE, other.root, 0, 0, 0, 0, x, y).unwrap();
        other.sync();
        if !seen {
            assert_eq!(eye.capture.cursor(&eye.grant).unwrap(), None);
        }
        assert_eq!(eye.capture.pointer(&eye.grant).unwrap(), (x as u16, y as u16));
    }
}

#[test]
fn minimised_it_stays_as_it_was_and_closed_it_is_over() {
    let server = Xvfb::start("640x480x24");
    let program = Program::on(&server);
    let shared = program.window((50, 60, 100, 80), SHARED);
    program.show(shared);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.capture.aim(&window(shared)).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grants.view().unwrap() };
    eye.sees("it", &[(60, 70, SHARED)]);
    program.unmap(shared);
    eye.hears(Event::Hidden(true));
    eye.sees("its last picture", &[(60, 70, SHARED)]);
    program.colour(shared, DIALOG);
    program.show(shared);
    eye.hears(Event::Hidden(false));
    eye.sees("its new picture", &[(60, 70, DIALOG)]);
    program.unmap(shared);
    eye.hears(Event::Hidden(true));
    program.destroy(shared);
    eye.hears(Event::Closed);
    eye.sees("nothing", &[(60, 70, BLACK)]);
    assert_eq!(eye.capture.wait(Some(Duration::from_millis(300))).unwrap(), None, "said once");

    assert!(matches!(desktop.capture.aim(&window(shared)), Err(Error::Scope(_))));
    assert!(matches!(desktop.capture.aim(&window(0x1234)), Err(Error::Scope(_))));
    let program = Program::on(&server);
    let shared = program.window((50, 60, 100, 80), SHARED);
    program.show(shared);
    desktop.capture.aim(&window(shared)).unwrap();
    drop(program);
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grants.view().unwrap() };
    eye.hears(Event::Closed);
}

#[test]
fn its_menus_and_dialogs_belong_to_it_those_of_others_dont() {
    let server = Xvfb::start("640x480x24");
    let (program, other) = (Program::on(&server), Program::on(&server));
    let (shared, second) =
        (program.window((50, 60, 100, 80), SHARED), program.window((300, 60, 100, 80), SECRET));
    for window in [shared, second] {
        program.show(window);
    }
    program.focus(shared);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.capture.aim(&window(shared)).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grants.view().unwrap() };
    eye.sees("it alone", &[(60, 70, SHARED), (310, 70, BLACK)]);

    let bound = program.menu((120, 100, 60, 60), MENU);
    program.belongs_to(bound, shared);
    program.show(bound);
    eye.sees("a menu that names it", &[(125, 105, MENU), (170, 150, MENU), (60, 70, SHARED)]);
    assert_eq!(eye.area(), Rect::new(50, 60, 130, 100), "the box has grown");
    let free = program.menu((20, 20, 20, 20), MENU);
    program.show(free);
    eye.sees("a menu that names nobody, while it has the focus", &[(25, 25, MENU)]);
    let strange = other.menu((200, 200, 50, 50), SECRET);
    other.show(strange);
    program.focus(second);
    let late = program.menu((400, 300, 20, 20), SECRET);
    program.show(late);
    program.unmap(bound);
    eye.sees("menus of others", &[(205, 205, BLACK), (405, 305, BLACK), (25, 25, BLACK), (149, 130, SHARED)]);

    let dialog = program.window((100, 200, 50, 50), DIALOG);
    program.belongs_to(dialog, shared);
    program.show(dialog);
    let nested = program.window((130, 230, 50, 50), MENU);
    program.belongs_to(nested, dialog);
    program.show(nested);
    eye.sees("dialogs of dialogs", &[(105, 205, DIALOG), (135, 235, MENU), (175, 275, MENU)]);
    program.raise(dialog);
    eye.sees("as they lie", &[(135, 235, DIALOG), (175, 275, MENU)]);
    program.destroy(nested);
    eye.sees("closed", &[(175, 275, BLACK), (135, 235, DIALOG)]);

    let application = Scope::Application(WindowId(shared.into()));
    desktop.capture.aim(&application).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grants.view().unwrap() };
    let all =
        [(60, 70, SHARED), (310, 70, SECRET), (105, 205, DIALOG), (405, 305, SECRET), (205, 205, BLACK)];
    eye.sees("the whole program", &all);
    program.destroy(shared);
    eye.sees("the rest of it", &[(60, 70, BLACK), (310, 70, SECRET)]);
    drop(program);
    eye.hears(Event::Closed);
    eye.sees("nothing", &[(310, 70, BLACK), (205, 205, BLACK)]);
}

/// Moves, raises, maps and unmaps a secret window as fast as it can until told to stop.
fn restless(server: &Xvfb, stop: &AtomicBool) {
    let program = Program::on(server);
    let secret = program.window((0, 0, 150, 120), SECRET);
    program.show(secret);
    let mut n = 0_i32;
    while !stop.load(Ordering::Relaxed) {
        n = n.wrapping_add(1);
        program.put(secret, n * 37 % 300, n * 23 % 220);
        match n % 7 {
            0 => program.raise(secret),
            3 => program.lower(secret),
            5 => {
                program.unmap(secret);
                program.show(secret);
            }
            _ => {}
        }
    }
}

/// Grabs for so long while `turmoil` runs beside it, and returns the first colour that is none of these, if there is one.
fn watch(
    desktop: &mut Desktop,
    grant: &ViewGrant,
    known: &[u32],
    turmoil: impl FnOnce(&AtomicBool) + Send,
    mut between: impl FnMut(i16),
) -> Option<u32> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| turmoil(&stop));
        let end = Instant::now() + TURMOIL;
        let mut seen = None;
        for n in 0.. {
            if seen.is_some() || n >= LEAST_GRABS && Instant::now() > end {
                break;
            }
            between(n);
            seen = strangers(desktop, grant, known);
        }
        stop.store(true, Ordering::Relaxed);
        seen
    })
}

#[test]
fn a_secret_is_in_no_picture() {
    let server = Xvfb::start("320x240x24");
    let program = Program::on(&server);
    let shared = program.window((50, 20, 200, 150), SHARED);
    program.show(shared);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.capture.aim(&window(shared)).unwrap();
    let turmoil = |stop: &AtomicBool| restless(&server, stop);
    let seen = watch(&mut desktop, &grants.view().unwrap(), &[SHARED], turmoil, |n| match n % 20 {
        5 => program.put(shared, 20 + i32::from(n) % 90, 40),
        10 => program.resize(shared, 150 + n as u32 % 60, 120),
        15 => {
            program.unmap(shared);
            program.show(shared);
        }
        _ => {}
    });
    assert_eq!(seen, None, "a colour that is not the window's");
}

/// A new picture of a window that the server makes begins with what was on the screen there, or with what was in its memory.
#[test]
fn what_its_program_has_not_drawn_is_not_shown() {
    let server = Xvfb::start("320x240x24");
    let (program, other) = (Program::on(&server), Program::on(&server));
    let below = other.window((0, 0, 320, 240), SECRET);
    other.show(below);
    let shared = program.bare((50, 20, 100, 80));
    program.show(shared);
    program.draw(shared, (0, 0, 100, 80), SHARED);
    let cover = other.window((80, 10, 100, 100), SECRET);
    other.show(cover);
    program.exposed();
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.capture.aim(&window(shared)).unwrap();
    let still = |desktop: &mut Desktop, what: &str| {
        for _ in 0..20 {
            while desktop.capture.wait(Some(Duration::from_millis(2))).unwrap().is_some() {}
            assert_eq!(strangers(desktop, &grant, &[SHARED]), None, "{what}");
        }
    };
    still(&mut desktop, "its program has drawn nothing since");
    let is_asked = |desktop: &mut Desktop| {
        eventually("a question to draw", || {
            assert_eq!(strangers(desktop, &grant, &[SHARED]), None);
            program.exposed().contains(&shared)
        });
    };
    is_asked(&mut desktop);
    program.draw(shared, (0, 0, 100, 80), SHARED);
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    eye.sees("what it has drawn", &[(50, 20, SHARED), (149, 99, SHARED), (90, 50, SHARED)]);

    program.resize(shared, 200, 150);
    still(&mut desktop, "nothing of what is new");
    program.resize(shared, 210, 160);
    program.resize(shared, 220, 170);
    still(&mut desktop, "nor twice");
    is_asked(&mut desktop);
    program.draw(shared, (0, 0, 220, 170), SHARED);
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    eye.sees("all of it", &[(50, 20, SHARED), (269, 189, SHARED)]);

    program.unmap(shared);
    program.show(shared);
    still(&mut desktop, "back on the screen");
    is_asked(&mut desktop);
    program.draw(shared, (0, 0, 220, 170), SHARED);

    // Sizes, covers and drawing at once.
    let turmoil = |stop: &AtomicBool| restless(&server, stop);
    let seen = watch(&mut desktop, &grant, &[SHARED], turmoil, |n| match n % 12 {
        3 => program.resize(shared, 50 + n as u32 * 7 % 200, 60 + n as u32 * 11 % 150),
        5 => {
            program.resize(shared, 300, 50);
            program.resize(shared, 100, 200);
            program.draw(shared, (0, 0, 300, 20), SHARED);
        }
        7 => program.draw(shared, (0, 0, 120, 200), SHARED),
        9 => program.put(shared, i32::from(n) % 60, 20),
        11 => {
            program.unmap(shared);
            program.show(shared);
        }
        _ => {}
    });
    assert_eq!(seen, None, "a colour that is not the window's");
}

#[test]
fn a_private_window_is_blank_in_every_picture_of_the_screen() {
    let server = Xvfb::start("320x240x24");
    let (program, other) = (Program::on(&server), Program::on(&server));
    let (left, right) =
        (program.window((0, 0, 160, 240), SHARED), program.window((160, 0, 160, 240), SHARED));
    for window in [left, right] {
        program.show(window);
    }
    // A frame around it, as a window manager makes one.
    let frame = other.window((50, 50, 200, 150), SHARED);
    let private = program.window((0, 0, 190, 140), SECRET);
    program.conn.reparent_window(private, frame, 5, 5).unwrap();
    program.show(private);
    other.show(frame);
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    desktop.capture.hide(&[WindowId(private.into())]).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    eye.sees("blank where it is", &[(55, 55, GREY), (249, 199, GREY), (49, 50, SHARED), (250, 200, SHARED)]);
    let cover = program.window((100, 20, 50, 200), DIALOG);
    program.show(cover);
    eye.sees("what covers it", &[(110, 70, DIALOG), (99, 70, GREY), (150, 70, GREY)]);
    program.lower(cover);
    eye.sees("again above", &[(110, 70, GREY)]);
    other.unmap(frame);
    eye.sees("gone", &[(110, 70, SHARED), (55, 55, SHARED)]);
    other.show(frame);
    eye.sees("back", &[(110, 70, GREY)]);

    let turmoil = |stop: &AtomicBool| {
        let mut n = 0_i32;
        while !stop.load(Ordering::Relaxed) {
            n = n.wrapping_add(1);
            other.put(frame, n * 31 % 200, n * 17 % 150);
            match n % 11 {
                0 => other.lower(frame),
                2 => other.raise(frame),
                4 => {
                    other.unmap(frame);
                    other.show(frame);
                }
                6 => {
                    // Without its frame, and into it again.
                    let (x, y) = ((n % 150) as i16, (n % 100) as i16);
                    other.conn.reparent_window(private, other.root, x, y).unwrap();
                    other.sync();
                    other.conn.reparent_window(private, frame, 5, 5).unwrap();
                    other.sync();
                }
                8 => program.raise(cover),
                9 => program.lower(cover),
                _ => {}
            }
        }
    };
    let seen = watch(&mut desktop, &grant, &[SHARED, DIALOG, GREY], turmoil, |_| ());
    assert_eq!(seen, None, "a colour of the private window");
    other.put(frame, 50, 50);
    other.raise(frame);
    program.lower(cover);
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant };
    eye.sees("grey only where it is, at the end", &[(55, 55, GREY), (250, 200, SHARED), (20, 20, SHARED)]);
}

#[test]
fn one_monitor_is_shown_without_a_pixel_of_the_other() {
    let server = Xvfb::start("800x300x24");
    let program = Program::on(&server);
    let (shared, secret) =
        (program.window((0, 0, 400, 300), SHARED), program.window((400, 0, 400, 300), SECRET));
    for window in [shared, secret] {
        program.show(window);
    }
    for arguments in [
        ["--setmonitor", "left", "400/100x300/75+0+0", "screen"],
        ["--setmonitor", "right", "400/100x300/75+400+0", "none"],
    ] {
        xrandr(&server, &arguments);
    }
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let id = desktop.capture.layout().monitors.iter().find(|monitor| monitor.name == "left").unwrap().id;
    desktop.capture.aim(&Scope::Monitor(id)).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    assert_eq!(eye.area(), Rect::new(0, 0, 400, 300));
    eye.sees("it alone", &[(0, 0, SHARED), (399, 299, SHARED), (400, 0, BLACK), (799, 299, BLACK)]);
    program.colour(secret, DIALOG);
    program.put(secret, 300, 0);
    program.raise(secret);
    eye.sees("what comes onto it", &[(299, 0, SHARED), (300, 0, DIALOG), (399, 9, DIALOG), (400, 9, BLACK)]);
    assert_eq!(strangers(&mut desktop, &grant, &[SHARED, DIALOG]), None);
    assert!(matches!(desktop.capture.aim(&Scope::Monitor(77)), Err(Error::Scope(_))));
    xrandr(&server, &["--delmonitor", "left"]);
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant };
    eye.hears(Event::Closed);
    eye.sees("nothing", &[(0, 0, BLACK), (350, 0, BLACK)]);
    desktop.capture.aim(&Scope::Everything).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grants.view().unwrap() };
    eye.sees("everything again", &[(0, 0, SHARED), (350, 0, DIALOG), (699, 9, DIALOG)]);
}

fn xrandr(server: &Xvfb, arguments: &[&str]) {
    let done = Command::new("xrandr").args(["--display", &server.display]).args(arguments).output();
    assert!(done.expect("these tests need xrandr: apt-get install x11-xserver-utils").status.success());
}

#[test]
fn below_a_window_manager_too() {
    let server = Xvfb::start("640x480x24");
    let openbox = Openbox::on(&server);
    let (program, other) = (Program::on(&server), Program::on(&server));
    let shared = program.window((0, 0, 200, 100), SHARED);
    program.name(shared, "Invoice", "Reader");
    let secret = other.window((0, 0, 300, 300), SECRET);
    other.name(secret, "Secret", "Vault");
    program.show(shared);
    other.show(secret);
    let mut desktop = open(Some(&server.display)).unwrap();
    eventually("both in the list", || {
        let list = desktop.windows.list().unwrap();
        let mut names: Vec<_> =
            list.iter().map(|info| (info.title.as_str(), info.program.as_str())).collect();
        names.sort_unstable();
        names == [("Invoice", "Reader"), ("Secret", "Vault")]
            && list.iter().all(|info| info.area.is_some() && !info.minimised)
    });
    let grants = grants();
    let grant = grants.view().unwrap();
    desktop.capture.aim(&window(shared)).unwrap();
    let place = |program: &Program, window| {
        let corner = program.conn.translate_coordinates(window, program.root, 0, 0).unwrap().reply().unwrap();
        (corner.dst_x as u32, corner.dst_y as u32)
    };
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    // The window manager moves it into its frame, and puts that somewhere.
    eventually("the window", || {
        let (x, y) = place(&program, shared);
        eye.at(x, y) == SHARED && eye.at(x + 199, y + 99) == SHARED
    });
    assert_eq!(strangers(&mut desktop, &grant, &[SHARED]), None, "without its title bar");

    let dialog = program.window((0, 0, 90, 30), DIALOG);
    program.belongs_to(dialog, shared);
    program.show(dialog);
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    eventually("its dialog", || {
        let (x, y) = place(&program, dialog);
        eye.at(x + 1, y + 1) == DIALOG
    });
    other.focus(secret);
    desktop.windows.activate(WindowId(shared.into())).unwrap();
    eventually("the front", || program.conn.get_input_focus().unwrap().reply().unwrap().focus != secret);

    // Minimised by the window manager, which takes its frame away.
    let change = program.conn.intern_atom(false, b"WM_CHANGE_STATE").unwrap().reply().unwrap().atom;
    let iconic = x11rb::protocol::xproto::ClientMessageEvent::new(32, shared, change, [3_u32, 0, 0, 0, 0]);
    let mask = x11rb::protocol::xproto::EventMask::SUBSTRUCTURE_REDIRECT
        | x11rb::protocol::xproto::EventMask::SUBSTRUCTURE_NOTIFY;
    program.conn.send_event(false, program.root, mask, iconic).unwrap();
    program.conn.flush().unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    eye.hears(Event::Hidden(true));
    assert!(desktop.windows.list().unwrap().iter().any(|info| info.title == "Invoice" && info.minimised));
    desktop.windows.activate(WindowId(shared.into())).unwrap();
    let mut eye = Eye { capture: desktop.capture.as_mut(), grant: grant.clone() };
    eye.hears(Event::Hidden(false));

    // The window manager dies: the windows stay.
    drop(openbox);
    eventually("the window without its frame", || {
        let (x, y) = place(&program, shared);
        eye.at(x + 1, y + 1) == SHARED
    });
    assert_eq!(strangers(&mut desktop, &grant, &[SHARED, DIALOG]), None);
}
