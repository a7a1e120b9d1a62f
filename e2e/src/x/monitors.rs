//! Plugging monitors in and out of an X server, and changing the size of its screen (`RandR` 1.5).
//!
//! Xvfb has one output, whose mode can't be changed. But monitors may be defined on any part of the screen, and with the
//! output switched off the screen takes any size up to that with which it began.

use anyhow::{Context as _, Result, ensure};
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo, Rotation, SetConfig};
use x11rb::protocol::xproto::{ConnectionExt as _, Rectangle};
use x11rb::rust_connection::RustConnection;

use super::xvfb::Xvfb;

/// Millimetres of a pixel at 96 dots an inch.
const MILLIMETRES: f32 = 25.4 / 96.0;

/// The monitors of an X server.
pub(crate) struct Monitors {
    connection: RustConnection,
    root: u32,
}

impl Monitors {
    pub(crate) fn of(xvfb: &Xvfb) -> Result<Self> {
        let (connection, number) = RustConnection::connect(Some(&xvfb.display))?;
        let root = connection.setup().roots[number].root;
        connection.randr_query_version(1, 5)?.reply()?;
        Ok(Self { connection, root })
    }

    /// Plugs one in that shows this part of the screen, or changes the one with this name.
    pub(crate) fn set(&self, name: &str, area: Rectangle) -> Result<()> {
        self.set_scaled(name, area, 1.0)
    }

    /// As [`Self::set`], with pixels that are smaller by this.
    pub(crate) fn set_scaled(&self, name: &str, area: Rectangle, scale: f32) -> Result<()> {
        let atom = self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom;
        let millimetres = |pixels: u16| (f32::from(pixels) * MILLIMETRES / scale) as u32;
        let monitor = MonitorInfo {
            name: atom,
            primary: false,
            automatic: false,
            x: area.x,
            y: area.y,
            width: area.width,
            height: area.height,
            width_in_millimeters: millimetres(area.width),
            height_in_millimeters: millimetres(area.height),
            // The first one takes the output; else the server goes on counting it as a monitor of its own.
            outputs: if area.x == 0 && area.y == 0 { self.outputs()? } else { Vec::new() },
        };
        // Some servers refuse a name that is there already. An error means that it is not.
        self.connection.randr_delete_monitor(self.root, atom)?.ignore_error();
        self.connection.randr_set_monitor(self.root, monitor)?.check().context("plugging a monitor in")
    }

    /// Plugs it out.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let atom = self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom;
        self.connection.randr_delete_monitor(self.root, atom)?.check().context("plugging a monitor out")
    }

    /// Gives the screen another size, no larger than that with which it began.
    pub(crate) fn resize(&self, width: u16, height: u16) -> Result<()> {
        let resources = self.connection.randr_get_screen_resources_current(self.root)?.reply()?;
        for crtc in &resources.crtcs {
            let off = self.connection.randr_set_crtc_config(
                *crtc,
                0,
                resources.config_timestamp,
                0,
                0,
                0,
                Rotation::ROTATE0,
                &[],
            )?;
            let status = off.reply()?.status;
            ensure!(status == SetConfig::SUCCESS, "switching the output off: {status:?}");
        }
        let millimetres = |pixels: u16| ((f32::from(pixels) * MILLIMETRES) as u32).max(1);
        let resized = self.connection.randr_set_screen_size(
            self.root,
            width,
            height,
            millimetres(width),
            millimetres(height),
        )?;
        resized.check().with_context(|| format!("making the screen {width}×{height}"))
    }

    fn outputs(&self) -> Result<Vec<u32>> {
        Ok(self.connection.randr_get_screen_resources_current(self.root)?.reply()?.outputs)
    }
}
