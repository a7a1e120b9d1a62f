//! Looking at an X screen from outside: its pixels, its pressed keys and buttons.

use anyhow::{Context as _, Result};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, KeyButMask};
use x11rb::rust_connection::RustConnection;

use crate::picture::Picture;

/// A connection to an X server that changes nothing on it.
pub(crate) struct Screen {
    connection: RustConnection,
    root: u32,
    width: u16,
    height: u16,
}

impl Screen {
    pub(crate) fn connect(display: &str) -> Result<Self> {
        let (connection, number) = RustConnection::connect(Some(display))
            .with_context(|| format!("connecting to display {display}"))?;
        let screen = &connection.setup().roots[number];
        let (root, width, height) = (screen.root, screen.width_in_pixels, screen.height_in_pixels);
        Ok(Self { connection, root, width, height })
    }

    /// The true picture.
    pub(crate) fn picture(&self) -> Result<Picture> {
        let image = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, self.width, self.height, !0)?
            .reply()
            .context("reading the screen")?;
        Ok(Picture::from_bgrx(self.width.into(), self.height.into(), &image.data))
    }

    /// The colour of one pixel: red, green, blue.
    pub(crate) fn pixel(&self, x: i16, y: i16) -> Result<[u8; 3]> {
        let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, x, y, 1, 1, !0)?.reply()?;
        Ok([image.data[2], image.data[1], image.data[0]])
    }

    /// Key codes that are down.
    pub(crate) fn keys_down(&self) -> Result<Vec<u8>> {
        let keymap = self.connection.query_keymap()?.reply()?.keys;
        Ok((0..=255_u8).filter(|code| keymap[usize::from(code / 8)] & (1 << (code % 8)) != 0).collect())
    }

    /// Buttons and modifiers that are down.
    pub(crate) fn held(&self) -> Result<KeyButMask> {
        Ok(self.connection.query_pointer(self.root)?.reply()?.mask)
    }

    /// Where the pointer is.
    pub(crate) fn pointer(&self) -> Result<(i16, i16)> {
        let reply = self.connection.query_pointer(self.root)?.reply()?;
        Ok((reply.root_x, reply.root_y))
    }

    /// How many windows are on it.
    pub(crate) fn windows(&self) -> Result<usize> {
        Ok(self.connection.query_tree(self.root)?.reply()?.children.len())
    }
}
