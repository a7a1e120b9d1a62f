//! Frames and our own windows lie above all others, whoever comes, and nobody is at war with us for long.
#![cfg(target_os = "linux")]

mod openbox;
mod scene;
mod xvfb;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nearhand_desktop::{Above, Desktop, Framed, OwnRole, Rect, WindowId, open};
use nearhand_protocol::input::{Button, InputEvent};
use openbox::Openbox;
use scene::Program;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, PropMode, Window,
};
use x11rb::wrapper::ConnectionExt as _;
use xvfb::{Xvfb, eventually, grants};

const DESK: u32 = 0x0020_2020;
const BAR: u32 = 0x0000_60c0;
const OTHER: u32 = 0x0080_0000;
const AMBER: [u8; 3] = [0xff, 0xb0, 0x00];

fn id(window: Window) -> WindowId {
    WindowId(window.into())
}

/// The windows on the root, bottom to top, those of these that are there.
fn order(program: &Program, of: &[Window]) -> Vec<Window> {
    let mut children = program.conn.query_tree(program.root).unwrap().reply().unwrap().children;
    children.retain(|window| of.contains(window));
    children
}

fn hears(desktop: &mut Desktop) -> Receiver<Above> {
    let (sender, heard) = channel();
    let hears = Box::new(move |above| {
        let _ = sender.send(above);
    });
    desktop.overlay.hear(hears).unwrap();
    heard
}

/// The colour of a pixel of the screen, 0xrrggbb.
fn colour(desktop: &mut Desktop, x: u32, y: u32) -> u32 {
    let frame = desktop.capture.grab(&grants().view().unwrap()).unwrap();
    let at = y as usize * frame.stride + x as usize * 4;
    u32::from_le_bytes([frame.pixels[at], frame.pixels[at + 1], frame.pixels[at + 2], 0])
}

#[test]
fn nothing_stays_above_the_bar_and_notes_are_above_it() {
    let server = Xvfb::start("640x480x24");
    let (ours, other) = (Program::on(&server), Program::on(&server));
    let mut desktop = open(Some(&server.display)).unwrap();
    let heard = hears(&mut desktop);
    let (bar, note) = (ours.window((100, 0, 300, 30), BAR), ours.window((200, 10, 50, 50), BAR));
    // The note first: it lies above all the same.
    desktop.overlay.adopt(id(note), OwnRole::Note).unwrap();
    desktop.overlay.adopt(id(bar), OwnRole::Bar).unwrap();
    assert_eq!(desktop.overlay.own().all().len(), 2);
    for window in [note, bar] {
        assert!(ours.conn.get_window_attributes(window).unwrap().reply().unwrap().override_redirect);
        ours.show(window);
    }
    let cover = other.menu((0, 0, 640, 480), OTHER);
    other.show(cover);
    eventually("bar and note above", || order(&other, &[bar, note, cover]) == [cover, bar, note]);
    other.raise(cover);
    eventually("again", || order(&other, &[bar, note, cover]) == [cover, bar, note]);
    // What is beside them is left alone.
    let beside = other.menu((0, 400, 50, 50), OTHER);
    other.show(beside);
    other.raise(beside);
    let top = || order(&other, &[bar, note, beside]) == [bar, note, beside];
    assert!(top());
    other.put(beside, 0, 390);
    assert!(top());
    other.put(beside, 210, 20);
    eventually("what moves over them", || order(&other, &[bar, note, beside]) == [beside, bar, note]);
    assert!(heard.try_recv().is_err(), "no war");

    desktop.overlay.forget(id(note)).unwrap();
    other.raise(beside);
    eventually("the bar alone", || order(&other, &[bar, note, beside]) == [note, beside, bar]);
    ours.destroy(bar);
    let gone = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(gone, Above::Gone(id(bar), OwnRole::Bar));
    assert_eq!(desktop.overlay.own().all(), []);
    assert!(desktop.overlay.adopt(id(bar), OwnRole::Bar).is_err(), "not there any more");
}

#[test]
fn a_war_is_told_and_costs_little() {
    let server = Xvfb::start("640x480x24");
    let (ours, other) = (Program::on(&server), Program::on(&server));
    let mut desktop = open(Some(&server.display)).unwrap();
    let heard = hears(&mut desktop);
    let bar = ours.window((100, 0, 300, 30), BAR);
    desktop.overlay.adopt(id(bar), OwnRole::Bar).unwrap();
    let aux = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
    ours.conn.change_window_attributes(bar, &aux).unwrap();
    ours.show(bar);
    let stop = AtomicBool::new(false);
    let mut raises = 0;
    let began = Instant::now();
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            let cover = other.menu((0, 0, 640, 480), OTHER);
            other.show(cover);
            while !stop.load(Ordering::Relaxed) {
                other.raise(cover);
                std::thread::sleep(Duration::from_millis(1));
            }
            other.destroy(cover);
        });
        let told = heard.recv_timeout(Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        told
    });
    let lasted = began.elapsed();
    assert_eq!(told, Ok(Above::Covered(true)));
    ours.sync();
    while let Some(event) = ours.conn.poll_for_event().unwrap() {
        raises += u128::from(matches!(event, Event::ConfigureNotify(_)));
    }
    assert!(raises <= 2 + lasted.as_millis() / 50, "{raises} in {lasted:?}");
    assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok(Above::Covered(false)));
}

#[test]
fn above_a_full_screen_window_of_a_window_manager() {
    let server = Xvfb::start("640x480x24");
    let _openbox = Openbox::on(&server);
    let (ours, other) = (Program::on(&server), Program::on(&server));
    let mut desktop = open(Some(&server.display)).unwrap();
    let bar = ours.window((100, 0, 300, 30), BAR);
    desktop.overlay.adopt(id(bar), OwnRole::Bar).unwrap();
    ours.show(bar);
    let atom = |name: &str| other.conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let film = other.window((0, 0, 300, 200), OTHER);
    let full = [atom("_NET_WM_STATE_FULLSCREEN")];
    let state = atom("_NET_WM_STATE");
    other.conn.change_property32(PropMode::REPLACE, film, state, AtomEnum::ATOM, &full).unwrap();
    other.show(film);
    eventually("a film on the whole screen", || colour(&mut desktop, 600, 400) == OTHER);
    eventually("the bar above it", || colour(&mut desktop, 110, 10) == BAR);
    other.focus(film);
    other.raise(film);
    eventually("and again", || colour(&mut desktop, 110, 10) == BAR);
    assert_eq!(colour(&mut desktop, 110, 40), OTHER);
}

#[test]
fn nothing_is_put_above_a_locked_screen() {
    let server = Xvfb::start("640x480x24");
    let (ours, locker, other) = (Program::on(&server), Program::on(&server), Program::on(&server));
    let mut desktop = open(Some(&server.display)).unwrap();
    let bar = ours.window((100, 0, 300, 30), BAR);
    desktop.overlay.adopt(id(bar), OwnRole::Bar).unwrap();
    ours.show(bar);
    let lock = locker.menu((0, 0, 640, 480), OTHER);
    locker.name(lock, "locked", "i3lock");
    locker.show(lock);
    let menu = other.menu((100, 0, 10, 10), OTHER);
    other.show(menu);
    // The second answer comes after a look at what the first found.
    for _ in 0..2 {
        desktop.overlay.forget(id(menu)).unwrap();
    }
    assert_eq!(order(&other, &[bar, lock, menu]), [bar, lock, menu]);
    locker.destroy(lock);
    eventually("unlocked", || order(&other, &[bar, menu]) == [menu, bar]);
}

#[test]
fn frames_are_seen_and_clicks_go_through_them() {
    let server = Xvfb::start("640x480x24");
    let program = Program::on(&server);
    let desk = program.window((0, 0, 640, 480), DESK);
    program.show(desk);
    let mut desktop = open(Some(&server.display)).unwrap();
    let screen = Framed { area: Rect::new(0, 0, 640, 480), colour: AMBER, thickness: 4, inside: true };
    let window = Framed { area: Rect::new(100, 100, 50, 40), colour: [1, 2, 3], thickness: 2, inside: false };
    desktop.overlay.frame(&[screen, window]).unwrap();
    let seen = |desktop: &mut Desktop, what: &str, places: &[(u32, u32, u32)]| {
        eventually(what, || places.iter().all(|(x, y, expected)| colour(desktop, *x, *y) == *expected));
    };
    let amber = 0x00ff_b000;
    let edges = [(0, 0, amber), (639, 479, amber), (3, 240, amber), (4, 240, DESK), (636, 9, amber)];
    seen(&mut desktop, "the edges", &edges);
    let around =
        [(98, 98, 0x0001_0203), (151, 141, 0x0001_0203), (100, 100, DESK), (149, 139, DESK), (97, 98, DESK)];
    seen(&mut desktop, "around the window", &around);
    // Whatever comes is below them, in its stacking order.
    let other = program.menu((0, 0, 640, 480), OTHER);
    program.show(other);
    seen(&mut desktop, "still", &[(0, 0, amber), (98, 98, 0x0001_0203), (50, 50, OTHER)]);
    program.destroy(other);

    let (grants, mut reached) = (grants(), Vec::new());
    let grant = grants.control().unwrap();
    for (x, y) in [(1, 1), (99, 120)] {
        for pressed in [true, false] {
            let event = InputEvent::Button { button: Button::Primary, pressed, x, y };
            desktop.injector.apply(&grant, &event).unwrap();
        }
    }
    eventually("clicks", || {
        program.sync();
        while let Some(event) = program.conn.poll_for_event().unwrap() {
            if let Event::ButtonPress(event) = event {
                reached.push((event.event, event.root_x, event.root_y));
            }
        }
        reached == [(desk, 1, 1), (desk, 99, 120)]
    });

    let moved = Framed { area: Rect::new(300, 200, 50, 40), colour: AMBER, ..window };
    desktop.overlay.frame(&[moved]).unwrap();
    let there = [(0, 0, DESK), (98, 98, DESK), (298, 198, amber), (351, 241, amber), (320, 220, DESK)];
    seen(&mut desktop, "another frame", &there);
    desktop.overlay.frame(&[]).unwrap();
    seen(&mut desktop, "none", &[(298, 198, DESK), (0, 0, DESK)]);
    desktop.overlay.frame(&[screen]).unwrap();
    seen(&mut desktop, "one", &[(0, 0, amber)]);
    let Desktop { overlay, mut capture, .. } = desktop;
    drop(overlay);
    let grant = grants.view().unwrap();
    eventually("nothing left behind", || {
        let frame = capture.grab(&grant).unwrap();
        u32::from_le_bytes([frame.pixels[0], frame.pixels[1], frame.pixels[2], 0]) == DESK
    });
}
