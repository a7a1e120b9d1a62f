//! The customer's own hand: events of the X server's mouse and keyboard, as a person's are, and not of the devices that injected
//! input comes from.

use std::io::IoSlice;

use anyhow::{Context as _, Result};
use x11rb::connection::RequestConnection as _;
use x11rb::protocol::xinput::{self, ConnectionExt as _};
use x11rb::protocol::xtest::{self, ConnectionExt as _};

use super::canvas::Canvas;

/// Of the extension's first event: key press, key release; button press, button release; motion.
const KEY: u8 = 1;
const BUTTON: u8 = 3;
const MOTION: u8 = 5;

/// Keys of a PC keyboard under Linux, by their X keycodes.
pub(crate) const CONTROL: u8 = 37;
pub(crate) const ALT: u8 = 64;
pub(crate) const END: u8 = 115;
pub(crate) const F12: u8 = 96;

/// On the mouse and the keyboard of an Xvfb.
pub(crate) struct Hand {
    canvas: Canvas,
    first: u8,
    xtest: u8,
    mouse: u8,
    keyboard: u8,
}

impl Hand {
    pub(crate) fn on(display: &str) -> Result<Self> {
        let canvas = Canvas::connect(display)?;
        let connection = &canvas.connection;
        connection.xinput_xi_query_version(2, 2)?.reply()?;
        let extension = |name| connection.extension_information(name).map(|found| found.context(name));
        let (first, xtest) = (
            extension(xinput::X11_EXTENSION_NAME)??.first_event,
            extension(xtest::X11_EXTENSION_NAME)??.major_opcode,
        );
        let devices = connection.xinput_xi_query_device(0_u16)?.reply()?.infos;
        let named = |name: &str| {
            let found = devices.iter().find(|device| device.name == name.as_bytes());
            anyhow::Ok(u8::try_from(found.with_context(|| format!("no device {name}"))?.deviceid)?)
        };
        let (mouse, keyboard) = (named("Xvfb mouse")?, named("Xvfb keyboard")?);
        Ok(Self { canvas, first, xtest, mouse, keyboard })
    }

    fn act(&self, device: u8, kind: u8, detail: u8, down: bool) -> Result<()> {
        let kind = self.first + kind + u8::from(!down);
        self.canvas.connection.xtest_fake_input(kind, detail, 0, x11rb::NONE, 0, 0, device)?;
        self.canvas.sync()
    }

    /// Presses the keys with these keycodes one after the other, and lets them go.
    pub(crate) fn tap(&self, keycodes: &[u8]) -> Result<()> {
        keycodes.iter().try_for_each(|keycode| self.act(self.keyboard, KEY, *keycode, true))?;
        keycodes.iter().rev().try_for_each(|keycode| self.act(self.keyboard, KEY, *keycode, false))
    }

    /// Presses the left button, and lets it go.
    pub(crate) fn click(&self) -> Result<()> {
        self.act(self.mouse, BUTTON, 1, true)?;
        self.act(self.mouse, BUTTON, 1, false)
    }

    /// Moves the mouse. The request has two events, for which its ordinary form has no room.
    pub(crate) fn move_by(&self, x: i32, y: i32) -> Result<()> {
        let mut bytes = vec![self.xtest, xtest::FAKE_INPUT_REQUEST];
        bytes.extend(17_u16.to_ne_bytes());
        let relative = 1;
        bytes.extend([self.first + MOTION, relative]);
        bytes.extend([0; 29]);
        bytes.push(self.mouse);
        bytes.extend([self.first, self.mouse, 0, 0, 0, 0, 2, 0]);
        for value in [x, y, 0, 0, 0, 0] {
            bytes.extend(value.to_ne_bytes());
        }
        self.canvas.connection.send_request_without_reply(&[IoSlice::new(&bytes)], Vec::new())?;
        self.canvas.sync()
    }
}
