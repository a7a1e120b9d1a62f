//! Memory that is shared with the X server.

use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use x11rb::connection::Connection;
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::rust_connection::RustConnection;

use super::super::Server;
use super::Piece;
use crate::Error;

/// Memory that the X server made and shares with us (MIT-SHM 1.2: no System V identifiers that could leak).
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) id: shm::Seg,
    start: NonNull<u8>,
    pub(super) len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread.
unsafe impl Send for Segment {}

impl Segment {
    /// `None` where the server can't share memory with us: it is on another machine, in another container, or too old.
    pub(super) fn new(server: &Server, bytes: usize) -> Result<Option<Self>, Error> {
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

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped with this length until drop. The server writes into it only between a request for pixels and
        // its reply; `Picture::read_pieces`, which asks, needs the picture for itself and returns after all replies, so nobody
        // looks meanwhile. The server made the file with this size and, trusted with the whole desktop anyway, doesn't
        // shrink it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and nothing else borrows it, for `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Copies a piece from the scratch space to its place in the picture at the segment's start.
    pub(super) fn place(&mut self, piece: &Piece, width: u32) {
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

    pub(super) fn close(self, conn: &RustConnection) {
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
