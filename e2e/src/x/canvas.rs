//! Drawing on an X drawable, as much as the scenes need.

use std::cell::Cell;

use anyhow::Result;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    ChangeGCAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, ImageFormat,
    MOTION_NOTIFY_EVENT, Rectangle, WindowClass,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

/// A colour as 0xRRGGBB.
pub(crate) type Colour = u32;

/// A connection with one graphics context.
pub(crate) struct Canvas {
    pub(crate) connection: RustConnection,
    pub(crate) root: u32,
    pub(crate) width: u16,
    pub(crate) height: u16,
    depth: u8,
    context: u32,
    colours: Cell<Option<(Colour, Colour)>>,
}

impl Canvas {
    pub(crate) fn connect(display: &str) -> Result<Self> {
        let (connection, number) = RustConnection::connect(Some(display))?;
        let screen = &connection.setup().roots[number];
        let (root, width, height, depth) =
            (screen.root, screen.width_in_pixels, screen.height_in_pixels, screen.root_depth);
        let (context, font) = (connection.generate_id()?, connection.generate_id()?);
        // Built into every X server.
        connection.open_font(font, b"fixed")?;
        connection.create_gc(context, root, &CreateGCAux::new().font(font).graphics_exposures(0))?;
        Ok(Self { connection, root, width, height, depth, context, colours: Cell::new(None) })
    }

    /// Maps a window that no window manager touches.
    pub(crate) fn window(&self, area: Rectangle, events: EventMask) -> Result<u32> {
        let window = self.connection.generate_id()?;
        let aux = CreateWindowAux::new().override_redirect(1).event_mask(events);
        let Rectangle { x, y, width, height } = area;
        self.connection.create_window(
            self.depth,
            window,
            self.root,
            x,
            y,
            width,
            height,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &aux,
        )?;
        self.connection.map_window(window)?;
        Ok(window)
    }

    /// A drawable that is not seen.
    pub(crate) fn pixmap(&self, width: u16, height: u16) -> Result<u32> {
        let pixmap = self.connection.generate_id()?;
        self.connection.create_pixmap(self.depth, pixmap, self.root, width, height)?;
        Ok(pixmap)
    }

    pub(crate) fn fill(&self, drawable: u32, colour: Colour, areas: &[Rectangle]) -> Result<()> {
        self.use_colour(colour)?;
        self.connection.poly_fill_rectangle(drawable, self.context, areas)?;
        Ok(())
    }

    /// One line of text in the server's fixed font, 6×13 pixels a character, on white.
    pub(crate) fn text(&self, drawable: u32, colour: Colour, x: i16, y: i16, text: &str) -> Result<()> {
        self.text_on(drawable, (colour, 0x00ff_ffff), x, y, text)
    }

    /// As [`Self::text`]; the colours are those of the letters and of what is behind them.
    pub(crate) fn text_on(
        &self,
        drawable: u32,
        (ink, paper): (Colour, Colour),
        x: i16,
        y: i16,
        text: &str,
    ) -> Result<()> {
        self.use_colours(ink, paper)?;
        let text = text.as_bytes();
        self.connection.image_text8(drawable, self.context, x, y, &text[..text.len().min(255)])?;
        Ok(())
    }

    pub(crate) fn copy(&self, from: u32, to: u32, source: (i16, i16), area: Rectangle) -> Result<()> {
        let Rectangle { x, y, width, height } = area;
        self.connection.copy_area(from, to, self.context, source.0, source.1, x, y, width, height)?;
        Ok(())
    }

    /// Puts pixels, 0xRRGGBB each, rows from the top.
    pub(crate) fn put(&self, drawable: u32, width: u16, pixels: &[Colour]) -> Result<()> {
        // A request is at most 256 kB without the extension for big ones.
        let rows_at_once = (200_000 / (usize::from(width) * 4)).max(1);
        for (part, rows) in pixels.chunks(usize::from(width) * rows_at_once).enumerate() {
            let data: Vec<u8> = rows.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
            let height = (rows.len() / usize::from(width)) as u16;
            let y = (part * rows_at_once) as i16;
            let format = ImageFormat::Z_PIXMAP;
            self.connection.put_image(
                format,
                drawable,
                self.context,
                width,
                height,
                0,
                y,
                0,
                self.depth,
                &data,
            )?;
        }
        Ok(())
    }

    /// A cursor of this size: `ink` and its colour are drawn over `body` and its; what is in neither is transparent.
    pub(crate) fn cursor(
        &self,
        (width, height): (u16, u16),
        (hot_x, hot_y): (u16, u16),
        ink: ([u8; 3], &[Rectangle]),
        body: ([u8; 3], &[Rectangle]),
    ) -> Result<u32> {
        let mut bitmaps = [0; 2];
        for (bitmap, areas) in bitmaps.iter_mut().zip([ink.1, body.1]) {
            *bitmap = self.connection.generate_id()?;
            self.connection.create_pixmap(1, *bitmap, self.root, width, height)?;
            let context = self.connection.generate_id()?;
            self.connection.create_gc(context, *bitmap, &CreateGCAux::new().foreground(0))?;
            self.connection.poly_fill_rectangle(*bitmap, context, &[area(0, 0, width, height)])?;
            self.connection.change_gc(context, &ChangeGCAux::new().foreground(1))?;
            self.connection.poly_fill_rectangle(*bitmap, context, areas)?;
            self.connection.free_gc(context)?;
        }
        let cursor = self.connection.generate_id()?;
        let wide = |colour: u8| u16::from(colour) * 257;
        let ([red, green, blue], [back_red, back_green, back_blue]) = (ink.0.map(wide), body.0.map(wide));
        self.connection.create_cursor(
            cursor, bitmaps[0], bitmaps[1], red, green, blue, back_red, back_green, back_blue, hot_x, hot_y,
        )?;
        Ok(cursor)
    }

    /// Moves the pointer as a device does: a pointer that is merely put elsewhere tells nobody who listens to the devices.
    pub(crate) fn move_pointer(&self, x: i16, y: i16) -> Result<()> {
        self.connection.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, 0, self.root, x, y, 0)?;
        self.sync()
    }

    /// Returns when the server has carried everything out.
    pub(crate) fn sync(&self) -> Result<()> {
        self.connection.get_input_focus()?.reply()?;
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<()> {
        Ok(self.connection.flush()?)
    }

    fn use_colour(&self, colour: Colour) -> Result<()> {
        self.use_colours(colour, 0x00ff_ffff)
    }

    fn use_colours(&self, ink: Colour, paper: Colour) -> Result<()> {
        if self.colours.replace(Some((ink, paper))) != Some((ink, paper)) {
            let aux = ChangeGCAux::new().foreground(ink).background(paper);
            self.connection.change_gc(self.context, &aux)?;
        }
        Ok(())
    }
}

/// Shorthand.
pub(crate) const fn area(x: i16, y: i16, width: u16, height: u16) -> Rectangle {
    Rectangle { x, y, width, height }
}
