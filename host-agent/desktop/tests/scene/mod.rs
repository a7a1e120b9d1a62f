//! Windows of other programs, each of one colour.
#![allow(dead_code, reason = "each test uses some of it")]

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, CreateGCAux,
    CreateWindowAux, EventMask, Gravity, InputFocus, PropMode, Rectangle, StackMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::xvfb::Xvfb;

/// A program: one client of the server.
pub(crate) struct Program {
    pub(crate) conn: RustConnection,
    pub(crate) root: Window,
}

impl Program {
    pub(crate) fn on(server: &Xvfb) -> Self {
        let (conn, root) = server.connect();
        Self { conn, root }
    }

    /// A window that is not shown yet, of this colour (0xrrggbb).
    pub(crate) fn window(&self, place: (i16, i16, u16, u16), colour: u32) -> Window {
        self.make(place, colour, CreateWindowAux::new())
    }

    /// One that no window manager manages.
    pub(crate) fn menu(&self, place: (i16, i16, u16, u16), colour: u32) -> Window {
        self.make(place, colour, CreateWindowAux::new().override_redirect(1))
    }

    /// A window that is not shown yet and has no background: where its program has not drawn, it shows what was there.
    pub(crate) fn bare(&self, place: (i16, i16, u16, u16)) -> Window {
        let window = self.window(place, 0);
        let aux =
            ChangeWindowAttributesAux::new().background_pixmap(x11rb::NONE).bit_gravity(Gravity::NORTH_WEST);
        self.conn.change_window_attributes(window, &aux).unwrap();
        self.sync();
        window
    }

    /// Draws a rectangle of this colour.
    pub(crate) fn draw(&self, window: Window, (x, y, width, height): (i16, i16, u16, u16), colour: u32) {
        let gc = self.conn.generate_id().unwrap();
        self.conn.create_gc(gc, window, &CreateGCAux::new().foreground(colour)).unwrap();
        self.conn.poly_fill_rectangle(window, gc, &[Rectangle { x, y, width, height }]).unwrap();
        self.conn.free_gc(gc).unwrap();
        self.sync();
    }

    /// The windows that were asked to draw something since the last call.
    pub(crate) fn exposed(&self) -> Vec<Window> {
        self.sync();
        let events = std::iter::from_fn(|| self.conn.poll_for_event().unwrap());
        let exposed = events.filter_map(|event| match event {
            Event::Expose(event) => Some(event.window),
            _ => None,
        });
        exposed.collect()
    }

    fn make(&self, (x, y, width, height): (i16, i16, u16, u16), colour: u32, aux: CreateWindowAux) -> Window {
        let window = self.conn.generate_id().unwrap();
        let mask = EventMask::EXPOSURE | EventMask::BUTTON_PRESS | EventMask::KEY_PRESS;
        let aux = aux.background_pixel(colour).event_mask(mask);
        let kind = WindowClass::INPUT_OUTPUT;
        self.conn.create_window(0, window, self.root, x, y, width, height, 0, kind, 0, &aux).unwrap();
        self.sync();
        window
    }

    pub(crate) fn show(&self, window: Window) {
        self.conn.map_window(window).unwrap();
        self.sync();
    }

    pub(crate) fn unmap(&self, window: Window) {
        self.conn.unmap_window(window).unwrap();
        self.sync();
    }

    pub(crate) fn destroy(&self, window: Window) {
        self.conn.destroy_window(window).unwrap();
        self.sync();
    }

    pub(crate) fn put(&self, window: Window, x: i32, y: i32) {
        self.conn.configure_window(window, &ConfigureWindowAux::new().x(x).y(y)).unwrap();
        self.sync();
    }

    pub(crate) fn resize(&self, window: Window, width: u32, height: u32) {
        self.conn.configure_window(window, &ConfigureWindowAux::new().width(width).height(height)).unwrap();
        self.sync();
    }

    pub(crate) fn raise(&self, window: Window) {
        self.stack(window, StackMode::ABOVE);
    }

    pub(crate) fn lower(&self, window: Window) {
        self.stack(window, StackMode::BELOW);
    }

    fn stack(&self, window: Window, mode: StackMode) {
        self.conn.configure_window(window, &ConfigureWindowAux::new().stack_mode(mode)).unwrap();
        self.sync();
    }

    /// Draws the window in another colour.
    pub(crate) fn colour(&self, window: Window, colour: u32) {
        let aux = ChangeWindowAttributesAux::new().background_pixel(colour);
        self.conn.change_window_attributes(window, &aux).unwrap();
        self.conn.clear_area(false, window, 0, 0, 0, 0).unwrap();
        self.sync();
    }

    pub(crate) fn focus(&self, window: Window) {
        self.conn.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME).unwrap();
        self.sync();
    }

    pub(crate) fn belongs_to(&self, window: Window, parent: Window) {
        let (property, kind) = (AtomEnum::WM_TRANSIENT_FOR, AtomEnum::WINDOW);
        self.conn.change_property32(PropMode::REPLACE, window, property, kind, &[parent]).unwrap();
        self.sync();
    }

    pub(crate) fn name(&self, window: Window, title: &str, program: &str) {
        let kind = AtomEnum::STRING;
        let class = format!("{program}\0{program}\0");
        for (property, value) in [(AtomEnum::WM_NAME, title), (AtomEnum::WM_CLASS, &class)] {
            self.conn.change_property8(PropMode::REPLACE, window, property, kind, value.as_bytes()).unwrap();
        }
        self.sync();
    }

    pub(crate) fn sync(&self) {
        self.conn.sync().unwrap();
    }
}
