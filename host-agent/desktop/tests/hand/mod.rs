//! A hand on the devices of an Xvfb: events that come from its own mouse and keyboard, as a person's do, and not from the devices
//! of injected input.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::IoSlice;

use x11rb::connection::RequestConnection;
use x11rb::protocol::xinput::{self, ConnectionExt as _};
use x11rb::protocol::xtest::{self, ConnectionExt as _};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::xvfb::Xvfb;

/// Of the extension's first event: key press, key release, button press, button release, motion.
const KEY: u8 = 1;
const BUTTON: u8 = 3;
const MOTION: u8 = 5;

pub(crate) struct Hand {
    pub(crate) conn: RustConnection,
    first: u8,
    xtest: u8,
    pub(crate) mouse: u8,
    pub(crate) keyboard: u8,
}

impl Hand {
    pub(crate) fn on(server: &Xvfb) -> Self {
        let (conn, _) = server.connect();
        conn.xinput_xi_query_version(2, 2).unwrap().reply().unwrap();
        let first = conn.extension_information(xinput::X11_EXTENSION_NAME).unwrap().unwrap().first_event;
        let xtest = conn.extension_information(xtest::X11_EXTENSION_NAME).unwrap().unwrap().major_opcode;
        let devices = conn.xinput_xi_query_device(0_u16).unwrap().reply().unwrap();
        let named = |name: &[u8]| devices.infos.iter().find(|info| info.name == name).unwrap().deviceid as u8;
        let (mouse, keyboard) = (named(b"Xvfb mouse"), named(b"Xvfb keyboard"));
        Self { conn, first, xtest, mouse, keyboard }
    }

    fn fake(&self, device: u8, kind: u8, detail: u8, down: bool) {
        let kind = self.first + kind + u8::from(!down);
        self.conn.xtest_fake_input(kind, detail, 0, x11rb::NONE, 0, 0, device).unwrap();
        self.conn.sync().unwrap();
    }

    /// Presses or releases the key with this keycode.
    pub(crate) fn key(&self, keycode: u8, down: bool) {
        self.fake(self.keyboard, KEY, keycode, down);
    }

    /// Presses and releases a key on another device.
    pub(crate) fn press_on(&self, device: u8, keycode: u8) {
        self.fake(device, KEY, keycode, true);
        self.fake(device, KEY, keycode, false);
    }

    /// Presses the keys one after the other, and releases them.
    pub(crate) fn tap(&self, keycodes: &[u8]) {
        for keycode in keycodes {
            self.key(*keycode, true);
        }
        for keycode in keycodes.iter().rev() {
            self.key(*keycode, false);
        }
    }

    /// Presses and releases a button, or turns the wheel.
    pub(crate) fn click(&self, button: u8) {
        self.fake(self.mouse, BUTTON, button, true);
        self.fake(self.mouse, BUTTON, button, false);
    }

    /// Moves the mouse. The request has two events, which its ordinary form has no room for.
    pub(crate) fn move_by(&self, x: i32, y: i32) {
        let mut bytes = vec![self.xtest, 2];
        bytes.extend(17_u16.to_ne_bytes());
        let relative = 1;
        bytes.extend([self.first + MOTION, relative]);
        bytes.extend([0; 29]);
        bytes.push(self.mouse);
        bytes.extend([self.first, self.mouse, 0, 0, 0, 0, 2, 0]);
        for value in [x, y, 0, 0, 0, 0] {
            bytes.extend(value.to_ne_bytes());
        }
        self.conn.send_request_without_reply(&[IoSlice::new(&bytes)], Vec::new()).unwrap();
        self.conn.sync().unwrap();
    }
}
