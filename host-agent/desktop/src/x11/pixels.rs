//! The persistent picture: shared memory with the X server where both are on one machine, else copies over the socket.

use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, ImageOrder, VisualClass};
use x11rb::rust_connection::RustConnection;

use super::{Server, reply_error};
use crate::{Error, Rect};

/// What a pixel of the screen looks like on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Four bytes: blue, green, red, nothing.
    Bgrx,
    /// Two bytes: five bits of red, six of green, five of blue.
    Rgb565,
}

impl Format {
    /// The screen's format, or what is odd about it.
    pub(super) fn of(server: &Server) -> Result<Self, Error> {
        let setup = server.conn.setup();
        let screen = server.screen();
        let depth = screen.root_depth;
        let bits =
            setup.pixmap_formats.iter().find(|format| format.depth == depth).map_or(0, |f| f.bits_per_pixel);
        let visual = screen
            .allowed_depths
            .iter()
            .flat_map(|depth| &depth.visuals)
            .find(|visual| visual.visual_id == screen.root_visual);
        let little = setup.image_byte_order == ImageOrder::LSB_FIRST;
        let masks = visual
            .filter(|visual| visual.class == VisualClass::TRUE_COLOR)
            .map(|visual| (visual.red_mask, visual.green_mask, visual.blue_mask));
        match (bits, masks, little) {
            (32, Some((0x00ff_0000, 0xff00, 0xff)), true) => Ok(Self::Bgrx),
            (16, Some((0xf800, 0x07e0, 0x1f)), true) => Ok(Self::Rgb565),
            _ => Err(Error::PixelFormat(format!(
                "{depth} bits of depth in {bits} bits per pixel (masks {masks:x?}, {} byte order)",
                if little { "little-endian" } else { "big-endian" }
            ))),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Bgrx => 4,
            Self::Rgb565 => 2,
        }
    }

    /// Bytes of a row; X pads rows to 32 bits.
    fn row(self, width: u32) -> usize {
        (width as usize * self.bytes()).next_multiple_of(4)
    }
}

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
        Ok(Self { width, height, format, store: store.unwrap_or_else(|| Store::Sent(vec![0; bytes])) })
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

    /// Gives the server's memory back; the picture can't be read into any more.
    pub(super) fn close(&mut self, conn: &RustConnection) {
        if let Store::InPlace(segment) | Store::Copied(segment, _) =
            std::mem::replace(&mut self.store, Store::Sent(Vec::new()))
        {
            segment.close(conn);
        }
    }

    /// Reads the rectangles, which lie within the picture.
    ///
    /// False: the server refused because the screen has become smaller in between.
    pub(super) fn read(&mut self, server: &Server, rects: &[Rect]) -> Result<bool, Error> {
        let read = match &self.store {
            Store::Sent(_) => self.read_sent(server, rects),
            Store::InPlace(_) => self.read_shared(server, rects, self.len()),
            Store::Copied(..) => self.read_shared(server, rects, 0),
        };
        match read {
            Ok(()) => Ok(true),
            Err(ReplyError::X11Error(_)) => Ok(false),
            Err(error) => Err(reply_error("hand over pixels")(error)),
        }
    }

    /// Asks for as much at once as fits into the scratch space, which begins at `scratch`, then waits for it.
    fn read_shared(&mut self, server: &Server, rects: &[Rect], scratch: usize) -> Result<(), ReplyError> {
        let (Store::InPlace(segment) | Store::Copied(segment, _)) = &self.store else { return Ok(()) };
        let capacity = segment.len - scratch;
        let place = scratch > 0;
        for round in rounds(rects, self.format, self.width, scratch, capacity, place) {
            self.read_pieces(server, &round)?;
        }
        Ok(())
    }

    fn read_pieces(&mut self, server: &Server, pieces: &[Piece]) -> Result<(), ReplyError> {
        let (Store::InPlace(segment) | Store::Copied(segment, _)) = &mut self.store else { return Ok(()) };
        let mut cookies = Vec::with_capacity(pieces.len());
        for Piece { rect, offset, .. } in pieces {
            cookies.push(server.conn.shm_get_image(
                server.root(),
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

    fn read_sent(&mut self, server: &Server, rects: &[Rect]) -> Result<(), ReplyError> {
        let Store::Sent(pixels) = &mut self.store else { return Ok(()) };
        let mut cookies = Vec::with_capacity(rects.len());
        for rect in rects {
            cookies.push(server.conn.get_image(
                ImageFormat::Z_PIXMAP,
                server.root(),
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

/// Copies the rows of one rectangle to their place in the picture.
fn copy(format: Format, from: &[u8], picture: &mut [u8], width: u32, rect: Rect) {
    let row = format.row(rect.width);
    for y in 0..rect.height as usize {
        let source = &from[y * row..][..rect.width as usize * format.bytes()];
        let at = ((rect.y as usize + y) * width as usize + rect.x as usize) * 4;
        let target = &mut picture[at..at + rect.width as usize * 4];
        match format {
            Format::Bgrx => target.copy_from_slice(source),
            Format::Rgb565 => {
                for (pixel, packed) in target.chunks_exact_mut(4).zip(source.chunks_exact(2)) {
                    pixel.copy_from_slice(&expand(u16::from_le_bytes([packed[0], packed[1]])));
                }
            }
        }
    }
}

/// Five and six bits to eight, so that full stays full.
fn expand(packed: u16) -> [u8; 4] {
    let five = |bits: u16| ((bits & 0x1f) << 3 | (bits & 0x1f) >> 2) as u8;
    let six = (packed >> 5) & 0x3f;
    [five(packed), (six << 2 | six >> 4) as u8, five(packed >> 11), 0xff]
}

/// Memory that the X server made and shares with us (MIT-SHM 1.2: no System V identifiers that could leak).
#[derive(Debug)]
struct Segment {
    id: shm::Seg,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread.
unsafe impl Send for Segment {}

impl Segment {
    /// `None` where the server can't share memory with us: it is on another machine, in another container, or too old.
    fn new(server: &Server, bytes: usize) -> Result<Option<Self>, Error> {
        if !server.has(shm::X11_EXTENSION_NAME)? {
            return Ok(None);
        }
        let Ok(len) = u32::try_from(bytes) else { return Ok(None) };
        let conn = &server.conn;
        let version = match conn.shm_query_version()?.reply() {
            Ok(reply) => (reply.major_version, reply.minor_version),
            Err(error) => {
                tracing::debug!(%error, "the X server's MIT-SHM does not answer");
                return Ok(None);
            }
        };
        // Descriptors travel over the local socket only.
        if version < (1, 2) || !is_local(conn) {
            return Ok(None);
        }
        let id = conn.generate_id()?;
        let fd: OwnedFd = match conn.shm_create_segment(id, len, false)?.reply() {
            Ok(reply) => reply.shm_fd,
            Err(error) => {
                tracing::debug!(%error, "the X server shares no memory: pixels come over the socket");
                return Ok(None);
            }
        };
        // SAFETY: a new mapping at an address of the kernel's choice, of an open descriptor; it aliases nothing of ours.
        let start = unsafe {
            mmap(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)
        };
        let start = start.map(|start| NonNull::new(start.cast::<u8>()));
        let Ok(Some(start)) = start else {
            conn.shm_detach(id)?;
            return Ok(None);
        };
        Ok(Some(Self { id, start, len: bytes }))
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped with this length until drop. The server writes into it only between a request for pixels and
        // its reply; `read_pieces`, which asks, needs the picture for itself and returns after all replies, so nobody
        // looks meanwhile. The server made the file with this size and, trusted with the whole desktop anyway, doesn't
        // shrink it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Copies a piece from the scratch space to its place in the picture at the segment's start.
    fn place(&mut self, piece: &Piece, width: u32) {
        let Piece { rect, offset, .. } = *piece;
        let row = rect.width as usize * 4;
        for y in 0..rect.height as usize {
            let from = offset + y * row;
            let to = ((rect.y as usize + y) * width as usize + rect.x as usize) * 4;
            assert!(
                to + row <= offset && from + row <= self.len,
                "a piece lies in picture and scratch space"
            );
            // SAFETY: both lie within the mapping and apart, as was just checked; nothing borrows it, for `&mut self`, and
            // the server has answered and writes no more.
            unsafe {
                ptr::copy_nonoverlapping(self.start.as_ptr().add(from), self.start.as_ptr().add(to), row);
            }
        }
    }

    fn close(self, conn: &RustConnection) {
        // A connection that is gone has given it back already.
        if let Ok(cookie) = conn.shm_detach(self.id) {
            cookie.ignore_error();
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nothing borrows it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        if let Err(error) = unmapped {
            tracing::warn!(%error, "the shared memory could not be unmapped");
        }
    }
}

/// Whether the connection is a Unix socket.
fn is_local(conn: &RustConnection) -> bool {
    use std::os::fd::AsFd;
    rustix::net::getsockname(conn.stream().as_fd())
        .is_ok_and(|address| address.address_family() == rustix::net::AddressFamily::UNIX)
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

    #[test]
    fn sixteen_bits_become_thirty_two() {
        assert_eq!(expand(0xffff), [0xff, 0xff, 0xff, 0xff]);
        assert_eq!(expand(0), [0, 0, 0, 0xff]);
        assert_eq!(expand(0xf800), [0, 0, 0xff, 0xff]);
        let mut picture = vec![0; 4 * 4 * 4];
        // Three pixels make six bytes: two of padding follow.
        let rows = [0x1f, 0, 0xe0, 0x07, 0, 0xf8, 9, 9, 0, 0, 0, 0, 0xff, 0xff, 9, 9];
        copy(Format::Rgb565, &rows, &mut picture, 4, Rect::new(1, 2, 3, 2));
        assert_eq!(picture[36..48], [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255]);
        assert_eq!(picture[60..64], [255; 4]);
        assert!(picture[..36].iter().all(|byte| *byte == 0));
    }
}
