//! The persistent picture: shared memory with the X server where both are on one machine, else copies over the socket.

mod format;
mod segment;

use x11rb::errors::ReplyError;
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, ImageFormat};
use x11rb::rust_connection::RustConnection;

use super::{Server, reply_error};
use crate::{Error, Rect};

pub(super) use format::Format;
use format::copy;
use segment::Segment;

/// The picture as it was read last, always as BGRX without gaps.
///
/// Where the server shares memory and has BGRX pixels, the picture *is* that memory: a whole screen is read without one copy
/// and held once. The server writes rectangles without gaps, so what is as wide as the screen lands in its place; what is
/// narrower lands in the scratch space behind the picture and is copied from there.
#[derive(Debug)]
pub(super) struct Picture {
    width: u32,
    height: u32,
    format: Format,
    store: Store,
    /// Nothing beside the rectangles that are asked for may be read.
    exact: bool,
}

#[derive(Debug)]
enum Store {
    /// Picture and scratch space.
    InPlace(Segment),
    /// Scratch space, and the picture as it was copied from there.
    Copied(Segment, Vec<u8>),
    /// The server is elsewhere: its pixels come over the socket.
    Sent(Vec<u8>),
}

/// Most bytes of scratch space: small enough to stay in the processor's cache between the server's writing and our reading.
const SCRATCH: usize = 1 << 20;

/// A part of a rectangle that is asked for with one request, and where in the segment it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    rect: Rect,
    offset: usize,
    /// It lies in its place already.
    placed: bool,
}

impl Picture {
    pub(super) fn new(server: &Server, format: Format, width: u32, height: u32) -> Result<Self, Error> {
        let bytes = width as usize * height as usize * 4;
        // At least a row, or nothing could be read.
        let scratch = (format.row(width) * height as usize).min(SCRATCH).max(format.row(width));
        let store = match format {
            Format::Bgrx => Segment::new(server, bytes + scratch)?.map(Store::InPlace),
            Format::Rgb565 => {
                Segment::new(server, scratch)?.map(|segment| Store::Copied(segment, vec![0; bytes]))
            }
        };
        Ok(Self {
            width,
            height,
            format,
            store: store.unwrap_or_else(|| Store::Sent(vec![0; bytes])),
            exact: false,
        })
    }

    /// One into which nothing is read but exactly the rectangles that are asked for: the rest stays black.
    pub(super) fn exact(server: &Server, format: Format, width: u32, height: u32) -> Result<Self, Error> {
        Ok(Self { exact: true, ..Self::new(server, format, width, height)? })
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    pub(super) fn stride(&self) -> usize {
        self.width as usize * 4
    }

    fn len(&self) -> usize {
        self.stride() * self.height as usize
    }

    pub(super) fn pixels(&self) -> &[u8] {
        match &self.store {
            Store::InPlace(segment) => &segment.bytes()[..self.len()],
            Store::Copied(_, pixels) | Store::Sent(pixels) => pixels,
        }
    }

    /// Paints the rectangle, which lies within the picture, with one colour (blue, green, red, anything).
    pub(super) fn fill(&mut self, rect: Rect, bgra: [u8; 4]) {
        let stride = self.stride();
        let row = bgra.repeat(rect.width as usize);
        let pixels = match &mut self.store {
            Store::InPlace(segment) => segment.bytes_mut(),
            Store::Copied(_, pixels) | Store::Sent(pixels) => pixels,
        };
        for y in rect.y..rect.y + rect.height {
            let at = y as usize * stride + rect.x as usize * 4;
            pixels[at..at + row.len()].copy_from_slice(&row);
        }
    }

    /// Gives the server's memory back; the picture can't be read into any more.
    pub(super) fn close(&mut self, conn: &RustConnection) {
        if let Store::InPlace(segment) | Store::Copied(segment, _) =
            std::mem::replace(&mut self.store, Store::Sent(Vec::new()))
        {
            segment.close(conn);
        }
    }

    /// Reads the rectangles, which lie within the picture, from a window or pixmap of the picture's size and format.
    ///
    /// False: the server refused because it has become smaller in between, or is gone.
    pub(super) fn read(&mut self, server: &Server, from: Drawable, rects: &[Rect]) -> Result<bool, Error> {
        let read = match &self.store {
            Store::Sent(_) => self.read_sent(server, from, rects),
            Store::InPlace(_) => self.read_shared(server, from, rects, self.len()),
            Store::Copied(..) => self.read_shared(server, from, rects, 0),
        };
        match read {
            Ok(()) => Ok(true),
            Err(ReplyError::X11Error(_)) => Ok(false),
            Err(error) => Err(reply_error("hand over pixels")(error)),
        }
    }

    /// Asks for as much at once as fits into the scratch space, which begins at `scratch`, then waits for it.
    fn read_shared(
        &mut self,
        server: &Server,
        from: Drawable,
        rects: &[Rect],
        scratch: usize,
    ) -> Result<(), ReplyError> {
        let (Store::InPlace(segment) | Store::Copied(segment, _)) = &self.store else { return Ok(()) };
        let capacity = segment.len - scratch;
        let place = scratch > 0 && !self.exact;
        for round in rounds(rects, self.format, self.width, scratch, capacity, place) {
            self.read_pieces(server, from, &round)?;
        }
        Ok(())
    }

    fn read_pieces(&mut self, server: &Server, from: Drawable, pieces: &[Piece]) -> Result<(), ReplyError> {
        let (Store::InPlace(segment) | Store::Copied(segment, _)) = &mut self.store else { return Ok(()) };
        let mut cookies = Vec::with_capacity(pieces.len());
        for Piece { rect, offset, .. } in pieces {
            cookies.push(server.conn.shm_get_image(
                from,
                rect.x as i16,
                rect.y as i16,
                rect.width as u16,
                rect.height as u16,
                !0,
                ImageFormat::Z_PIXMAP.into(),
                segment.id,
                *offset as u32,
            )?);
        }
        // All are waited for, also after a failure: nothing may be written any more when the picture is looked at.
        let replies: Vec<_> = cookies.into_iter().map(x11rb::cookie::Cookie::reply).collect();
        for (reply, piece) in replies.into_iter().zip(pieces) {
            reply?;
            if piece.placed {
                continue;
            }
            match &mut self.store {
                Store::InPlace(segment) => segment.place(piece, self.width),
                Store::Copied(segment, pixels) => {
                    copy(self.format, &segment.bytes()[piece.offset..], pixels, self.width, piece.rect);
                }
                Store::Sent(_) => {}
            }
        }
        Ok(())
    }

    fn read_sent(&mut self, server: &Server, from: Drawable, rects: &[Rect]) -> Result<(), ReplyError> {
        let Store::Sent(pixels) = &mut self.store else { return Ok(()) };
        let mut cookies = Vec::with_capacity(rects.len());
        for rect in rects {
            cookies.push(server.conn.get_image(
                ImageFormat::Z_PIXMAP,
                from,
                rect.x as i16,
                rect.y as i16,
                rect.width as u16,
                rect.height as u16,
                !0,
            )?);
        }
        for (cookie, rect) in cookies.into_iter().zip(rects) {
            let image = cookie.reply()?;
            // Shorter than its own size says: leave the old pixels rather than fall over.
            if image.data.len() >= self.format.row(rect.width) * rect.height as usize {
                copy(self.format, &image.data, pixels, self.width, *rect);
            }
        }
        Ok(())
    }
}

/// Cuts the rectangles into pieces, and gathers them to rounds that fit together into the scratch space. With `place` those as
/// wide as the picture go to their place, and narrower ones are widened where that copies less than it reads more.
fn rounds(
    rects: &[Rect],
    format: Format,
    width: u32,
    scratch: usize,
    capacity: usize,
    place: bool,
) -> Vec<Vec<Piece>> {
    let mut rounds = vec![Vec::new()];
    let mut used = 0;
    for rect in rects {
        if place && rect.width >= width / 4 * 3 {
            let rect = Rect::new(0, rect.y, width, rect.height);
            let offset = rect.y as usize * width as usize * 4;
            if let Some(round) = rounds.last_mut() {
                round.push(Piece { rect, offset, placed: true });
            }
            continue;
        }
        let row = format.row(rect.width);
        let mut y = rect.y;
        while y < rect.y + rect.height {
            if capacity - used < row {
                rounds.push(Vec::new());
                used = 0;
            }
            let rows = (((capacity - used) / row) as u32).min(rect.y + rect.height - y);
            let piece = Rect::new(rect.x, y, rect.width, rows);
            if let Some(round) = rounds.last_mut() {
                round.push(Piece { rect: piece, offset: scratch + used, placed: false });
            }
            used += row * rows as usize;
            y += rows;
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_are_cut_to_what_fits_and_wide_ones_go_to_their_place() {
        let (width, scratch, capacity) = (100, 40_000, 4000);
        let rects = [
            Rect::new(0, 0, 100, 100),
            Rect::new(10, 20, 80, 1),
            Rect::new(5, 0, 50, 45),
            Rect::new(90, 90, 10, 1),
        ];
        let cut = rounds(&rects, Format::Bgrx, width, scratch, capacity, true);
        let piece = |rect, offset, placed| Piece { rect, offset, placed };
        assert_eq!(
            cut,
            [
                vec![
                    piece(Rect::new(0, 0, 100, 100), 0, true),
                    piece(Rect::new(0, 20, 100, 1), 8000, true),
                    piece(Rect::new(5, 0, 50, 20), 40_000, false)
                ],
                vec![piece(Rect::new(5, 20, 50, 20), 40_000, false)],
                vec![
                    piece(Rect::new(5, 40, 50, 5), 40_000, false),
                    piece(Rect::new(90, 90, 10, 1), 41_000, false)
                ],
            ]
        );
        // The same without places: everything goes through the scratch space.
        for round in rounds(&rects, Format::Rgb565, width, 0, capacity, false) {
            let bytes: usize = round
                .iter()
                .map(|piece| Format::Rgb565.row(piece.rect.width) * piece.rect.height as usize)
                .sum();
            assert!(bytes <= capacity && round.iter().all(|piece| !piece.placed));
        }
    }
}
