//! One window that is shown: the server's picture of it, and ours.
//!
//! The server makes another picture (a pixmap) with each change of the window's size and each return to the screen. It begins
//! with what was on the screen at that place, other windows included, or with what was in the server's memory; a program that
//! hangs leaves it so. It can't be told from damage what was drawn since: a server reports what comes out from below another window
//! too. So each new pixmap is made black before the first pixel of it is read, and the program is asked to draw it anew.

use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::composite::ConnectionExt as _;
use x11rb::protocol::damage::{ConnectionExt as _, Damage};
use x11rb::protocol::xfixes::{ConnectionExt as _, Region};
use x11rb::protocol::xproto::{ConnectionExt as _, CreateGCAux, Pixmap, Rectangle, Window};

use crate::x11::pixels::{Format, Picture};
use crate::x11::place::Place;
use crate::x11::{Server, reply_error};
use crate::{Error, Rect, merge};

/// Most windows within one that are asked to draw. Those of today's toolkits have one or two.
const MAX_CHILDREN: usize = 512;

/// A window that is shown.
#[derive(Debug)]
pub(super) struct Member {
    /// The window and what it lies in, the child of the root last.
    chain: Vec<Window>,
    pub(super) place: Place,
    /// Width, height and border as they were told last.
    pub(super) size: (u16, u16, u16),
    pub(super) damage: Damage,
    /// The server's picture, which holds nothing but what is the window's own.
    pixmap: Option<Pixmap>,
    /// What was read of it last.
    pub(super) picture: Option<Picture>,
    /// There may be another pixmap.
    pub(super) stale: bool,
    pub(super) damaged: bool,
    pub(super) viewable: bool,
}

impl Member {
    /// One of which nothing was read yet.
    pub(super) fn new(chain: Vec<Window>, place: Place, size: (u16, u16, u16), damage: Damage) -> Self {
        Self {
            chain,
            place,
            size,
            damage,
            pixmap: None,
            picture: None,
            stale: true,
            damaged: false,
            viewable: true,
        }
    }

    /// The child of the root that it is or lies in.
    pub(super) fn top(&self) -> Option<Window> {
        self.chain.last().copied()
    }

    /// Whether it is this window or lies in it.
    pub(super) fn is_within(&self, window: Window) -> bool {
        self.chain.contains(&window)
    }

    /// It lies in these windows now.
    pub(super) fn move_into(&mut self, chain: Vec<Window>) {
        if chain != self.chain {
            self.chain = chain;
            self.stale = true;
        }
    }

    /// Reads what has changed since the last time; says what, from the picture's corner.
    pub(super) fn read(
        &mut self,
        server: &Server,
        window: Window,
        region: Region,
    ) -> Result<Vec<Rect>, Error> {
        if !self.stale && !self.damaged {
            return Ok(Vec::new());
        }
        let conn = &server.conn;
        self.damaged = false;
        conn.damage_subtract(self.damage, x11rb::NONE, region)?.ignore_error();
        let damage = conn.xfixes_fetch_region(region)?;
        let damage = damage.reply().map_err(reply_error("tell what was damaged"))?;
        let all = std::mem::take(&mut self.stale) && self.renew(server, window)?;
        let (Some(pixmap), Some(picture)) = (self.pixmap, &mut self.picture) else { return Ok(Vec::new()) };
        let (width, height) = (picture.width(), picture.height());
        // The border stays black: it is not the program's to draw.
        let border = i32::from(self.size.2);
        let frame = 2 * u32::from(self.size.2);
        let inner = Place::new(border, border, width.saturating_sub(frame), height.saturating_sub(frame));
        let damage = damage.rectangles.iter().map(|rect| {
            let (x, y) = (i32::from(rect.x) + border, i32::from(rect.y) + border);
            Place::new(x, y, rect.width.into(), rect.height.into())
        });
        let damage: Vec<Place> = if all { vec![inner] } else { damage.collect() };
        let parts = damage.iter().filter_map(|place| place.meet(&inner)?.clip(width, height));
        let parts = merge(parts, width, height);
        if picture.read(server, pixmap, &parts)? {
            return Ok(if all { vec![Rect::new(0, 0, width, height)] } else { parts });
        }
        // The pixmap is not what it was taken for: again with a new one.
        self.stale = true;
        Ok(Vec::new())
    }

    /// Gets the server's picture of the window as it is now; false where there is none or it can't be understood.
    fn renew(&mut self, server: &Server, window: Window) -> Result<bool, Error> {
        let conn = &server.conn;
        let tree = tree(server, window)?;
        let pixmap = conn.generate_id()?;
        let named = conn.composite_name_window_pixmap(window, pixmap)?;
        let geometry = conn.get_geometry(pixmap)?;
        match named.check() {
            Ok(()) => {}
            // It is not on the screen: its last picture stays.
            Err(ReplyError::X11Error(_)) => {
                let _ = geometry.reply();
                return Ok(false);
            }
            Err(error) => return Err(reply_error("show a window")(error)),
        }
        let geometry = geometry.reply().map_err(reply_error("describe a window's picture"))?;
        if let Some(old) = self.pixmap.take() {
            conn.free_pixmap(old)?;
        }
        // From here on nothing is in it but what the window's own program and the server draw of the window.
        let (width, height, border) = (geometry.width, geometry.height, self.size.2);
        let inner = Rectangle {
            x: border as i16,
            y: border as i16,
            width: width.saturating_sub(border.saturating_mul(2)),
            height: height.saturating_sub(border.saturating_mul(2)),
        };
        let gc = conn.generate_id()?;
        conn.create_gc(gc, pixmap, &CreateGCAux::new().foreground(0))?.ignore_error();
        let filled = conn.poly_fill_rectangle(pixmap, gc, &[inner])?;
        conn.free_gc(gc)?.ignore_error();
        for window in tree {
            conn.clear_area(true, window, 0, 0, 0, 0)?.ignore_error();
        }
        match filled.check() {
            Ok(()) => {}
            Err(ReplyError::X11Error(error)) => {
                conn.free_pixmap(pixmap)?.ignore_error();
                tracing::debug!(?error, "a window's picture can't be cleared");
                return Ok(false);
            }
            Err(error) => return Err(reply_error("clear a window's picture")(error)),
        }
        self.pixmap = Some(pixmap);
        let (width, height) = (u32::from(width), u32::from(height));
        if self.picture.as_ref().is_none_or(|picture| (picture.width(), picture.height()) != (width, height))
        {
            if let Some(mut old) = self.picture.take() {
                old.close(conn);
            }
            let Some(format) = Format::of_depth(server, geometry.depth) else {
                tracing::debug!(depth = geometry.depth, "a window's pixels are not understood");
                return Ok(false);
            };
            // Nothing beside what is asked for: not the border.
            self.picture = Some(Picture::exact(server, format, width, height)?);
        }
        Ok(true)
    }

    pub(super) fn close(&mut self, server: &Server) {
        if let Some(mut picture) = self.picture.take() {
            picture.close(&server.conn);
        }
        if let Some(pixmap) = self.pixmap.take()
            && let Ok(cookie) = server.conn.free_pixmap(pixmap)
        {
            cookie.ignore_error();
        }
    }
}

/// The window and the windows in it.
fn tree(server: &Server, window: Window) -> Result<Vec<Window>, Error> {
    let mut tree = vec![window];
    let mut level = 0..1;
    while !level.is_empty() {
        let mut asked = Vec::with_capacity(level.len());
        for window in &tree[level.clone()] {
            asked.push(server.conn.query_tree(*window)?);
        }
        for cookie in asked {
            match cookie.reply() {
                Ok(told) => tree.extend(told.children),
                // Gone in between.
                Err(ReplyError::X11Error(_)) => {}
                Err(error) => return Err(reply_error("tell what is in a window")(error)),
            }
        }
        tree.truncate(MAX_CHILDREN);
        level = level.end..tree.len();
    }
    Ok(tree)
}
