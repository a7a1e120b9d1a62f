//! The picture of the screen, or of one monitor of it, with windows of ours blanked.

use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::damage::{ConnectionExt as _, Damage, ReportLevel};
use x11rb::protocol::xfixes::{ConnectionExt as _, Region};
use x11rb::protocol::xproto::Window;

use super::pixels::{Format, Picture};
use super::place::Place;
use super::private::Private;
use super::{Server, reply_error};
use crate::{Error, Rect, merge};

/// What is shown in place of a private window (blue, green, red, anything).
const BLANK: [u8; 4] = [0x80, 0x80, 0x80, 0xff];

#[derive(Debug)]
pub(super) struct Screen {
    format: Format,
    picture: Picture,
    /// The only part that is read.
    part: Option<Rect>,
    damage: Damage,
    region: Region,
    /// What the last frame lends out.
    damaged: Vec<Rect>,
    /// The next read takes everything: nothing was read yet, or the screen has another size.
    all: bool,
    private: Option<Private>,
    /// What is blank in the picture.
    blank: Vec<Rect>,
    /// What was blank and need not be any more.
    again: Vec<Rect>,
}

impl Screen {
    /// Of the whole screen, or of this part: the rest stays black.
    pub(super) fn new(
        server: &Server,
        format: Format,
        size: (u32, u32),
        part: Option<Rect>,
    ) -> Result<Self, Error> {
        let conn = &server.conn;
        let picture = picture(server, format, size, part)?;
        let (damage, region) = (conn.generate_id()?, conn.generate_id()?);
        conn.xfixes_create_region(region, &[])?;
        let created = conn.damage_create(damage, server.root(), ReportLevel::NON_EMPTY)?;
        created.check().map_err(reply_error("report damage"))?;
        Ok(Self {
            format,
            picture,
            part,
            damage,
            region,
            damaged: Vec::new(),
            all: true,
            private: None,
            blank: Vec::new(),
            again: Vec::new(),
        })
    }

    pub(super) fn picture(&self) -> &Picture {
        &self.picture
    }

    pub(super) fn damaged(&self) -> &[Rect] {
        &self.damaged
    }

    fn size(&self) -> (u32, u32) {
        (self.picture.width(), self.picture.height())
    }

    /// The screen has another size, or the part is elsewhere: everything is read anew.
    pub(super) fn change(
        &mut self,
        server: &Server,
        size: (u32, u32),
        part: Option<Rect>,
    ) -> Result<(), Error> {
        if size != self.size() || part != self.part {
            self.picture.close(&server.conn);
            self.picture = picture(server, self.format, size, part)?;
            self.part = part;
            self.blank.clear();
        }
        self.read_all();
        Ok(())
    }

    /// The next read takes everything.
    pub(super) fn read_all(&mut self) {
        self.all = true;
    }

    /// These windows are blanked from the next read on. `SUBSTRUCTURE_NOTIFY` on the root is selected already.
    pub(super) fn hide(&mut self, server: &Server, windows: &[Window]) -> Result<(), Error> {
        self.private = if windows.is_empty() { None } else { Some(Private::new(server, windows)?) };
        self.read_all();
        Ok(())
    }

    /// Takes note of what the server said.
    pub(super) fn hear(&mut self, event: &XEvent) {
        if let Some(private) = &mut self.private {
            private.hear(event);
        }
    }

    /// Reads what changed. Everything that the server has said must be heard before, and again between this and
    /// [`finish`](Self::finish). False: the screen has just become smaller.
    pub(super) fn read(&mut self, server: &Server) -> Result<bool, Error> {
        if let Some(private) = &mut self.private {
            private.begin(server)?;
        }
        let damaged = self.take_damage(server)?;
        let read = self.picture.read(server, server.root(), &damaged)?;
        if read {
            self.damaged = damaged;
            self.all = false;
        } else {
            self.read_all();
        }
        Ok(read)
    }

    /// Blanks what is private in what was read. True: there is more to read at once.
    pub(super) fn finish(&mut self, server: &Server) -> Result<bool, Error> {
        let (width, height) = self.size();
        let whole = self.part.unwrap_or(Rect::new(0, 0, width, height));
        let places = match &mut self.private {
            Some(private) => private.blanks(server)?,
            None => Vec::new(),
        };
        let seen = places.iter().filter_map(|place| place.meet(&whole.into()));
        let mut blank: Vec<Rect> = seen.filter_map(|place| place.clip(width, height)).collect();
        blank.sort_unstable_by_key(|rect| (rect.y, rect.x, rect.width, rect.height));
        for rect in &blank {
            self.picture.fill(*rect, BLANK);
        }
        if blank != self.blank {
            self.damaged.extend(&blank);
            self.damaged = merge(std::mem::take(&mut self.damaged), width, height);
            self.again = std::mem::replace(&mut self.blank, blank);
        }
        Ok(!self.again.is_empty())
    }

    /// Takes the damage away from the server, which from here on reports anew.
    fn take_damage(&mut self, server: &Server) -> Result<Vec<Rect>, Error> {
        let conn = &server.conn;
        conn.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let region =
            conn.xfixes_fetch_region(self.region)?.reply().map_err(reply_error("tell what was damaged"))?;
        let (width, height) = self.size();
        let again = std::mem::take(&mut self.again);
        let whole = self.part.unwrap_or(Rect::new(0, 0, width, height));
        if self.all {
            return Ok([whole].into_iter().filter(|whole| whole.area() > 0).collect());
        }
        let damaged =
            region.rectangles.iter().map(|rect| Place::of(rect.x, rect.y, rect.width, rect.height, 0));
        let damaged = damaged.chain(again.into_iter().map(Place::from));
        let parts: Vec<Place> = damaged.filter_map(|place| place.meet(&whole.into())).collect();
        let merged = merge(parts.iter().filter_map(|place| place.clip(width, height)), width, height);
        Ok(merged)
    }

    /// Gives the server back what it keeps for us.
    pub(super) fn close(&mut self, server: &Server) {
        self.picture.close(&server.conn);
        // A connection that is gone has given it back already.
        let (damage, region) =
            (server.conn.damage_destroy(self.damage), server.conn.xfixes_destroy_region(self.region));
        for cookie in [damage, region].into_iter().flatten() {
            cookie.ignore_error();
        }
    }
}

fn picture(
    server: &Server,
    format: Format,
    (width, height): (u32, u32),
    part: Option<Rect>,
) -> Result<Picture, Error> {
    match part {
        None => Picture::new(server, format, width, height),
        Some(_) => Picture::exact(server, format, width, height),
    }
}
