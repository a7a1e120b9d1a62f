//! What is on a real X server is what is captured: pixels, damage, cursor, sizes, and silence while nothing happens.
#![cfg(target_os = "linux")]

mod xvfb;

use std::time::{Duration, Instant};

use nearhand_desktop::{Capture, Error, Event, Rect, open};
use nearhand_protocol::grant::{Right, ViewGrant};
use x11rb::connection::Connection;
use x11rb::protocol::randr::{ConnectionExt as _, ModeInfo, Rotation};
use x11rb::protocol::xproto::{
    ChangeGCAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, Gcontext, GrabMode, GrabStatus,
    Rectangle, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use xvfb::{Xvfb, eventually, grants};

/// Draws on a window or the root.
struct Painter {
    conn: RustConnection,
    root: u32,
    gc: Gcontext,
}

impl Painter {
    fn new(server: &Xvfb) -> Self {
        let (conn, root) = server.connect();
        let gc = conn.generate_id().unwrap();
        let over_windows =
            CreateGCAux::new().subwindow_mode(x11rb::protocol::xproto::SubwindowMode::INCLUDE_INFERIORS);
        conn.create_gc(gc, root, &over_windows).unwrap();
        Self { conn, root, gc }
    }

    fn fill(&self, rect: Rect, colour: u32) {
        self.conn.change_gc(self.gc, &ChangeGCAux::new().foreground(colour)).unwrap();
        let rect = Rectangle {
            x: rect.x as i16,
            y: rect.y as i16,
            width: rect.width as u16,
            height: rect.height as u16,
        };
        self.conn.poly_fill_rectangle(self.root, self.gc, &[rect]).unwrap();
        self.conn.sync().unwrap();
    }
}

fn wait_for(capture: &mut dyn Capture, event: Event) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let got = capture.wait(Some(left)).unwrap();
        assert!(got.is_some(), "{event:?} never came");
        if got == Some(event) {
            return;
        }
    }
}

/// Takes what is still under way from the start of the server.
fn settle(capture: &mut dyn Capture, grant: &ViewGrant) {
    loop {
        capture.grab(grant).unwrap();
        if capture.wait(Some(Duration::from_millis(150))).unwrap().is_none() {
            return;
        }
    }
}

fn pixel(pixels: &[u8], stride: usize, x: u32, y: u32) -> [u8; 3] {
    let at = y as usize * stride + x as usize * 4;
    [pixels[at], pixels[at + 1], pixels[at + 2]]
}

#[test]
fn pixels_and_damage_are_what_was_painted() {
    let server = Xvfb::start("1280x720x24");
    let painter = Painter::new(&server);
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();

    painter.fill(Rect::new(0, 0, 1280, 720), 0x0011_2233);
    let frame = capture.grab(&grant).unwrap();
    assert_eq!((frame.width, frame.height), (1280, 720));
    assert_eq!(frame.damage, [Rect::new(0, 0, 1280, 720)], "the first grab reads everything");
    assert!(frame.pixels.chunks_exact(4).all(|pixel| pixel[..3] == [0x33, 0x22, 0x11]));
    settle(capture, &grant);

    let (small, wide) = (Rect::new(101, 53, 7, 3), Rect::new(800, 600, 333, 77));
    painter.fill(small, 0x00ff_8001);
    painter.fill(wide, 0x0001_02fe);
    wait_for(capture, Event::Damage);
    let frame = capture.grab(&grant).unwrap();
    let mut damage = frame.damage.to_vec();
    damage.sort_by_key(|rect| rect.x);
    assert_eq!(damage, [small, wide], "only what was painted");
    for y in 0..720 {
        for x in 0..1280 {
            let inside = |rect: Rect| {
                x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height
            };
            let expected = match (inside(small), inside(wide)) {
                (true, _) => [0x01, 0x80, 0xff],
                (_, true) => [0xfe, 0x02, 0x01],
                _ => [0x33, 0x22, 0x11],
            };
            assert_eq!(pixel(frame.pixels, frame.stride, x, y), expected, "at {x}, {y}");
        }
    }
    assert_eq!(capture.grab(&grant).unwrap().damage, [], "taken once");
}

#[test]
fn silence_costs_nothing_and_a_stalled_host_sleeps() {
    let server = Xvfb::start("640x480x24");
    let painter = Painter::new(&server);
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();
    settle(capture, &grant);
    assert_eq!(capture.wait(Some(Duration::from_millis(300))).unwrap(), None, "an idle screen says nothing");

    painter.fill(Rect::new(0, 0, 10, 10), 1);
    wait_for(capture, Event::Damage);
    painter.fill(Rect::new(20, 20, 10, 10), 1);
    assert_eq!(
        capture.wait(Some(Duration::from_millis(200))).unwrap(),
        None,
        "said once until it is grabbed"
    );
    assert_eq!(capture.grab(&grant).unwrap().damage.len(), 1, "both are in it, merged as they are close");
    painter.fill(Rect::new(0, 0, 10, 10), 2);
    wait_for(capture, Event::Damage);

    let waker = capture.waker();
    let thread = std::thread::spawn(move || waker.wake());
    assert_eq!(capture.wait(None).unwrap(), None, "a waker ends the wait");
    thread.join().unwrap();
}

#[test]
fn nothing_is_read_without_a_live_grant() {
    let server = Xvfb::start("640x480x24");
    let mut grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    grants.take(Right::View);
    assert!(matches!(desktop.capture.grab(&grant), Err(Error::Revoked(_))));
    assert!(matches!(desktop.capture.cursor(&grant), Err(Error::Revoked(_))));
    assert!(matches!(desktop.capture.pointer(&grant), Err(Error::Revoked(_))));
}

#[test]
fn sixteen_bits_are_shown_and_eight_refused_in_words() {
    let server = Xvfb::start("320x240x16");
    let painter = Painter::new(&server);
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    painter.fill(Rect::new(0, 0, 161, 240), 0xf800);
    let frame = desktop.capture.grab(&grants.view().unwrap()).unwrap();
    assert_eq!(pixel(frame.pixels, frame.stride, 160, 239), [0, 0, 0xff]);

    let server = Xvfb::start("320x240x8");
    let error = open(Some(&server.display)).unwrap_err();
    assert!(matches!(error, Error::PixelFormat(_)), "{error}");
    assert!(error.to_string().contains("8 bits of depth"), "{error}");
}

#[test]
fn no_server_is_one_sentence_that_says_what_to_do() {
    let error = open(Some(":54321")).unwrap_err();
    assert!(matches!(error, Error::NoServer { .. }));
    let words = error.to_string();
    assert!(words.contains(":54321") && words.contains("set DISPLAY"), "{words}");
    assert!(matches!(open(Some("")).unwrap_err(), Error::NoDisplay));
}

#[test]
fn a_server_that_ends_is_told_apart() {
    let server = Xvfb::start("320x240x24");
    let grants = grants();
    let mut desktop = open(Some(&server.display)).unwrap();
    drop(server);
    let end = loop {
        match desktop.capture.wait(Some(Duration::from_secs(10))) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(end, Err(Error::Lost(_))), "{end:?}");
    assert!(matches!(desktop.capture.grab(&grants.view().unwrap()), Err(Error::Lost(_))));
}

#[test]
fn a_new_size_is_told_and_read() {
    let server = Xvfb::start("1280x720x24");
    let painter = Painter::new(&server);
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();
    assert_eq!(capture.layout().monitors.len(), 1);
    settle(capture, &grant);

    set_size(&painter, 800, 600);
    wait_for(capture, Event::Resized);
    let layout = capture.layout().clone();
    assert_eq!((layout.width, layout.height), (800, 600));
    assert_eq!((layout.monitors[0].width, layout.monitors[0].height), (800, 600));
    painter.fill(Rect::new(0, 0, 800, 600), 0x0040_5060);
    let frame = capture.grab(&grant).unwrap();
    assert_eq!((frame.width, frame.height, frame.damage), (800, 600, &[Rect::new(0, 0, 800, 600)][..]));
    assert_eq!(pixel(frame.pixels, frame.stride, 799, 599), [0x60, 0x50, 0x40]);

    // A grab that comes before anybody has waited for the news.
    set_size(&painter, 640, 480);
    eventually("a frame of the new size", || {
        let frame = capture.grab(&grant).unwrap();
        (frame.width, frame.height) == (640, 480)
    });
}

/// Gives the server's one output a mode of this size, as a virtual machine does when its window is resized.
fn set_size(painter: &Painter, width: u16, height: u16) {
    let conn = &painter.conn;
    let resources = conn.randr_get_screen_resources(painter.root).unwrap().reply().unwrap();
    let (crtc, output) = (resources.crtcs[0], resources.outputs[0]);
    let name = format!("{width}x{height}");
    let mode = ModeInfo {
        width,
        height,
        dot_clock: 60 * u32::from(width) * u32::from(height),
        htotal: width,
        vtotal: height,
        name_len: name.len() as u16,
        ..ModeInfo::default()
    };
    let mode = conn.randr_create_mode(painter.root, mode, name.as_bytes()).unwrap().reply().unwrap().mode;
    conn.randr_add_output_mode(output, mode).unwrap().check().unwrap();
    let time = resources.config_timestamp;
    conn.randr_set_crtc_config(crtc, 0, time, 0, 0, 0, Rotation::ROTATE0, &[]).unwrap().reply().unwrap();
    conn.randr_set_screen_size(painter.root, width, height, 300, 200).unwrap().check().unwrap();
    conn.randr_set_crtc_config(crtc, 0, time, 0, 0, mode, Rotation::ROTATE0, &[output])
        .unwrap()
        .reply()
        .unwrap();
    conn.sync().unwrap();
}

#[test]
fn the_cursor_has_its_shape_and_place() {
    let server = Xvfb::start("640x480x24");
    let (conn, root) = server.connect();
    let grants = grants();
    let grant = grants.view().unwrap();
    let mut desktop = open(Some(&server.display)).unwrap();
    let capture = desktop.capture.as_mut();
    settle(capture, &grant);

    // The cursor of the font `cursor` that is number 34: a cross hair; red on green.
    let (font, cursor) = (conn.generate_id().unwrap(), conn.generate_id().unwrap());
    conn.open_font(font, b"cursor").unwrap();
    conn.create_glyph_cursor(cursor, font, font, 34, 35, 0xffff, 0, 0, 0, 0xffff, 0).unwrap();
    let window = conn.generate_id().unwrap();
    let attributes =
        CreateWindowAux::new().cursor(cursor).override_redirect(1).event_mask(EventMask::EXPOSURE);
    conn.create_window(0, window, root, 100, 100, 200, 200, 0, WindowClass::INPUT_OUTPUT, 0, &attributes)
        .unwrap();
    conn.map_window(window).unwrap();
    let before = capture.cursor(&grant).unwrap();
    conn.warp_pointer(x11rb::NONE, root, 0, 0, 0, 0, 150, 160).unwrap();
    conn.sync().unwrap();
    wait_for(capture, Event::Cursor);
    let shape = capture.cursor(&grant).unwrap().expect("a cursor is shown");
    assert_ne!(Some(shape.serial), before.map(|shape| shape.serial));
    let red = shape.rgba.chunks_exact(4).filter(|pixel| *pixel == [255, 0, 0, 255]).count();
    let green = shape.rgba.chunks_exact(4).filter(|pixel| *pixel == [0, 255, 0, 255]).count();
    let clear = shape.rgba.chunks_exact(4).filter(|pixel| pixel[3] == 0).count();
    assert!(red > 10 && green > 10 && clear > 10, "{red} red, {green} green, {clear} clear");
    let hot = (usize::from(shape.hot_y) * usize::from(shape.width) + usize::from(shape.hot_x)) * 4;
    assert_eq!(shape.rgba[hot + 3], 255, "a cross hair points with ink");
    assert_eq!(capture.pointer(&grant).unwrap(), (150, 160));
    assert_eq!(capture.cursor(&grant).unwrap(), Some(shape), "the same shape has the same serial number");
}

#[test]
fn pointer_moves_are_told_but_not_too_often() {
    let server = Xvfb::start("640x480x24");
    let grants = grants();
    let (view, control) = (grants.view().unwrap(), grants.control().unwrap());
    let mut desktop = open(Some(&server.display)).unwrap();
    settle(desktop.capture.as_mut(), &view);
    let start = Instant::now();
    let mut told = 0;
    for n in 0..200_u16 {
        desktop.injector.move_to(&control, n + 1, n + 2).unwrap();
        while let Some(event) = desktop.capture.wait(Some(Duration::ZERO)).unwrap() {
            told += u32::from(event == Event::Pointer);
        }
    }
    eventually("the last move", || {
        while let Some(event) = desktop.capture.wait(Some(Duration::from_millis(20))).unwrap() {
            told += u32::from(event == Event::Pointer);
        }
        desktop.capture.pointer(&view).unwrap() == (200, 201)
    });
    let most = start.elapsed().as_millis() as u32 / 16 + 2;
    assert!((1..=most).contains(&told), "{told} times in {:?}", start.elapsed());
}

#[test]
fn pointer_moves_are_told_while_somebody_holds_a_grab() {
    let server = Xvfb::start("640x480x24");
    let grants = grants();
    let (view, control) = (grants.view().unwrap(), grants.control().unwrap());
    let mut desktop = open(Some(&server.display)).unwrap();
    settle(desktop.capture.as_mut(), &view);
    let (conn, root) = server.connect();
    let held = conn
        .grab_pointer(
            false,
            root,
            EventMask::POINTER_MOTION,
            GrabMode::ASYNC,
            GrabMode::ASYNC,
            x11rb::NONE,
            x11rb::NONE,
            x11rb::CURRENT_TIME,
        )
        .unwrap();
    assert_eq!(held.reply().unwrap().status, GrabStatus::SUCCESS);
    desktop.injector.move_to(&control, 123, 45).unwrap();
    wait_for(desktop.capture.as_mut(), Event::Pointer);
    assert_eq!(desktop.capture.pointer(&view).unwrap(), (123, 45));
}
