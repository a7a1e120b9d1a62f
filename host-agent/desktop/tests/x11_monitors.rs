//! Monitors that come, go, turn, and reach out of the screen, on real X servers; and screens that shrink while they are read.
#![cfg(target_os = "linux")]

mod xvfb;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nearhand_desktop::{Capture, Event, Rect, open};
use nearhand_protocol::display::{Layout, Monitor};
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, PropMode};
use x11rb::wrapper::ConnectionExt as _;
use xvfb::{Xvfb, eventually, grants};

/// What X client of the system changes the screen; its errors are the test's.
fn xrandr(server: &Xvfb, arguments: &[&str]) {
    let done = Command::new("xrandr")
        .args(["--display", &server.display])
        .args(arguments)
        .stdout(Stdio::null())
        .output()
        .expect("these tests need xrandr: apt-get install x11-xserver-utils");
    assert!(done.status.success(), "xrandr {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Waits for a layout like this, which is told by an event.
fn wait_for(capture: &mut dyn Capture, what: &str, like: impl Fn(&Layout) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    let mut told = false;
    while !(told && like(capture.layout())) {
        assert!(Instant::now() < end, "never came: {what}: {:?}", capture.layout());
        told |= capture.wait(Some(Duration::from_millis(50))).unwrap() == Some(Event::Resized);
    }
}

fn named<'a>(layout: &'a Layout, name: &str) -> &'a Monitor {
    layout
        .monitors
        .iter()
        .find(|monitor| monitor.name == name)
        .unwrap_or_else(|| panic!("{name}: {layout:?}"))
}

fn area(monitor: &Monitor) -> Rect {
    Rect::new(monitor.x.into(), monitor.y.into(), monitor.width.into(), monitor.height.into())
}

#[test]
fn monitors_come_and_go_and_keep_their_numbers() {
    let server = Xvfb::start("1600x600x24");
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();
    capture.grab(&grant).unwrap();

    xrandr(&server, &["--setmonitor", "left", "800/200x600/150+0+0", "screen"]);
    xrandr(&server, &["--setmonitor", "right", "800/200x600/150+800+0", "none"]);
    wait_for(capture, "two monitors", |layout| {
        layout.monitors.len() == 2 && layout.monitors.iter().any(|monitor| monitor.name == "right")
    });
    let layout = capture.layout().clone();
    let (left, right) = (named(&layout, "left"), named(&layout, "right"));
    assert_eq!([area(left), area(right)], [Rect::new(0, 0, 800, 600), Rect::new(800, 0, 800, 600)]);
    assert_ne!(left.id, right.id);
    assert_eq!(layout.monitors.iter().filter(|monitor| monitor.primary).count(), 1);
    assert_eq!(capture.grab(&grant).unwrap().damage, [Rect::new(0, 0, 1600, 600)], "all is read again");

    xrandr(&server, &["--delmonitor", "left"]);
    wait_for(capture, "one gone", |layout| layout.monitors.iter().all(|monitor| monitor.name != "left"));
    assert_eq!(named(capture.layout(), "right").id, right.id, "the number stays");
    assert_eq!(capture.layout().monitors.iter().filter(|monitor| monitor.primary).count(), 1);
    xrandr(&server, &["--setmonitor", "left", "800/200x600/150+0+0", "screen"]);
    wait_for(capture, "back again", |layout| layout.monitors.iter().any(|monitor| monitor.name == "left"));
    assert_eq!(named(capture.layout(), "left").id, left.id);
}

/// A server with outputs that can be plugged and turned, of the driver that draws nowhere.
fn with_outputs(folder: &std::path::Path) -> Xvfb {
    let config = r#"
        Section "ServerFlags"
            Option "AutoAddDevices" "false"
            Option "DontVTSwitch" "true"
        EndSection
        Section "Device"
            Identifier "nowhere"
            Driver "dummy"
            VideoRam 65536
        EndSection
        Section "Monitor"
            Identifier "anything"
            HorizSync 5.0-1000.0
            VertRefresh 5.0-200.0
        EndSection
        Section "Screen"
            Identifier "screen"
            Device "nowhere"
            Monitor "anything"
            DefaultDepth 24
            SubSection "Display"
                Depth 24
                Modes "1280x720" "1024x768" "800x600"
            EndSubSection
        EndSection
    "#;
    std::fs::write(folder.join("xorg.conf"), config).unwrap();
    let mut command = Command::new("Xorg");
    command.current_dir(folder).args(["-config", "xorg.conf", "-novtswitch", "-sharevts"]);
    command.arg("-configdir").arg(folder).arg("-logfile").arg(folder.join("log"));
    Xvfb::run(&mut command, "apt-get install xserver-xorg-core xserver-xorg-video-dummy")
}

#[test]
fn outputs_are_plugged_turned_and_unplugged_while_they_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = with_outputs(folder.path());
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();
    let frame = capture.grab(&grant).unwrap();
    assert_eq!((frame.width, frame.height), (1280, 720));
    let first = named(capture.layout(), "DUMMY0").id;

    let mut check = |what: &str, arguments: &[&str], size: (u16, u16), expected: &[(&str, Rect)]| {
        xrandr(&server, arguments);
        wait_for(capture, what, |layout| {
            (layout.width, layout.height) == size && layout.monitors.len() == expected.len()
        });
        for (name, rect) in expected {
            assert_eq!(area(named(capture.layout(), name)), *rect, "{what}");
        }
        assert_eq!(named(capture.layout(), "DUMMY0").id, first);
        let frame = capture.grab(&grant).unwrap();
        assert_eq!((frame.width, frame.height), (size.0.into(), size.1.into()), "{what}");
        assert_eq!(frame.damage, [Rect::new(0, 0, size.0.into(), size.1.into())], "{what}");
    };
    let (flat, tall) = (Rect::new(0, 0, 1280, 720), Rect::new(0, 0, 720, 1280));
    xrandr(&server, &["--addmode", "DUMMY1", "1024x768"]);
    // The driver can't turn. What a turned monitor looks like to us is this.
    let timing = ["60", "720", "721", "722", "723", "1280", "1281", "1282", "1283"];
    xrandr(&server, &[&["--newmode", "tall"], &timing[..]].concat());
    xrandr(&server, &["--addmode", "DUMMY0", "tall"]);
    check(
        "plugged",
        &["--output", "DUMMY1", "--mode", "1024x768", "--right-of", "DUMMY0"],
        (2304, 768),
        &[("DUMMY0", flat), ("DUMMY1", Rect::new(1280, 0, 1024, 768))],
    );
    check(
        "turned",
        &["--output", "DUMMY0", "--mode", "tall", "--output", "DUMMY1", "--right-of", "DUMMY0"],
        (1744, 1280),
        &[("DUMMY0", tall), ("DUMMY1", Rect::new(720, 0, 1024, 768))],
    );
    check("unplugged", &["--output", "DUMMY1", "--off"], (720, 1280), &[("DUMMY0", tall)]);
    check(
        "another mode",
        &["--output", "DUMMY0", "--mode", "800x600"],
        (800, 600),
        &[("DUMMY0", Rect::new(0, 0, 800, 600))],
    );
}

#[test]
fn a_monitor_that_reaches_out_of_the_screen_is_cut() {
    let server = Xvfb::start("800x600x24");
    let (conn, root) = server.connect();
    for (name, x, y) in [("over", 700, 500), ("before", -300, -400), ("beyond", 2000, 0)] {
        let name = conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        let info = MonitorInfo { name, x, y, width: 640, height: 480, ..MonitorInfo::default() };
        conn.randr_set_monitor(root, info).unwrap().check().unwrap();
    }
    let desktop = open(Some(&server.display)).unwrap();
    let layout = desktop.capture.layout();
    assert_eq!(area(named(layout, "over")), Rect::new(700, 500, 100, 100));
    assert_eq!(area(named(layout, "before")), Rect::new(0, 0, 340, 80));
    assert!(layout.monitors.iter().all(|monitor| monitor.name != "beyond"));
}

#[test]
fn the_chosen_scale_is_told() {
    let server = Xvfb::start("640x480x24");
    let (conn, root) = server.connect();
    let resources = b"Xft.antialias:\t1\nXft.dpi:\t192\n";
    conn.change_property8(PropMode::REPLACE, root, AtomEnum::RESOURCE_MANAGER, AtomEnum::STRING, resources)
        .unwrap();
    conn.sync().unwrap();
    let desktop = open(Some(&server.display)).unwrap();
    assert_eq!(desktop.capture.layout().monitors[0].scale_percent, 200);
}

#[test]
fn the_largest_and_the_smallest_screen() {
    let grants = grants();
    let grant = grants.view().unwrap();
    for (screen, width, height) in [("7680x4320x24", 7680, 4320), ("1x1x24", 1, 1), ("5000x3x16", 5000, 3)] {
        let server = Xvfb::start(screen);
        let mut desktop = open(Some(&server.display)).unwrap();
        let frame = desktop.capture.grab(&grant).unwrap();
        assert_eq!((frame.width, frame.height), (width, height));
        assert_eq!(frame.pixels.len(), frame.stride * height as usize);
        assert_eq!(frame.damage, [Rect::new(0, 0, width, height)]);
        assert!(frame.damaged_at <= frame.captured_at);
    }
}

#[test]
fn a_screen_that_changes_its_size_all_the_time_is_still_read() {
    let server = Xvfb::start("1280x1024x24");
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();
    let display = server.display.clone();
    let changes = std::thread::spawn(move || {
        for n in 0..12 {
            let (width, height) = (1280 - n % 3 * 200, 1024 - n % 4 * 150);
            let size = format!("{width}x{height}");
            let _ = Command::new("xrandr")
                .args(["--display", &display, "--fb", &size])
                .stderr(Stdio::null())
                .status();
        }
    });
    let mut sizes = std::collections::BTreeSet::new();
    while !changes.is_finished() {
        match capture.grab(&grant) {
            Ok(frame) => {
                assert_eq!(frame.pixels.len(), frame.stride * frame.height as usize);
                assert!(frame.damage.iter().all(|rect| rect.clip(frame.width, frame.height) == Some(*rect)));
                sizes.insert((frame.width, frame.height));
            }
            Err(nearhand_desktop::Error::Refused { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let _ = capture.wait(Some(Duration::from_millis(1))).unwrap();
    }
    changes.join().unwrap();
    let (conn, root) = server.connect();
    let last = conn.get_geometry(root).unwrap().reply().unwrap();
    eventually("the last size", || {
        let frame = capture.grab(&grant).unwrap();
        (frame.width, frame.height) == (last.width.into(), last.height.into())
    });
    assert!(!sizes.is_empty());
}
