//! What windows say about themselves: properties by ICCCM and EWMH.

use x11rb::connection::Connection;
use x11rb::cookie::Cookie;
use x11rb::errors::ReplyError;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, GetPropertyReply, Window,
};
use x11rb::rust_connection::RustConnection;

use super::{Server, reply_error};
use crate::Error;

x11rb::atom_manager! {
    /// The names of what is asked for.
    pub(super) Atoms: AtomsCookie {
        UTF8_STRING,
        WM_CLIENT_LEADER,
        _NET_ACTIVE_WINDOW,
        _NET_CLIENT_LIST,
        _NET_SUPPORTED,
        _NET_SUPPORTING_WM_CHECK,
        _NET_WM_ICON,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
        _NET_WM_WINDOW_TYPE,
        _NET_WM_WINDOW_TYPE_DESKTOP,
        _NET_WM_WINDOW_TYPE_DIALOG,
        _NET_WM_WINDOW_TYPE_DOCK,
        _NET_WM_WINDOW_TYPE_UTILITY,
    }
}

impl Atoms {
    pub(super) fn of(server: &Server) -> Result<Self, Error> {
        Self::new(&server.conn)?.reply().map_err(reply_error("name atoms"))
    }
}

/// A property that was asked for; asked together, many cost one round trip.
pub(super) struct Asked<'a>(Cookie<'a, RustConnection, GetPropertyReply>);

/// Asks for at most `longs` times four bytes of a property of whatever type.
pub(super) fn ask(
    server: &Server,
    window: Window,
    property: impl Into<Atom>,
    longs: u32,
) -> Result<Asked<'_>, Error> {
    let cookie = server.conn.get_property(false, window, property, AtomEnum::ANY, 0, longs)?;
    Ok(Asked(cookie))
}

impl Asked<'_> {
    /// `None` where the window does not say, or is gone.
    fn reply(self) -> Result<Option<GetPropertyReply>, Error> {
        gone(self.0.reply(), "tell a property of a window")
            .map(|reply| reply.filter(|reply| reply.format != 0))
    }

    /// All numbers of four bytes.
    pub(super) fn numbers(self) -> Result<Vec<u32>, Error> {
        Ok(self.reply()?.and_then(|reply| Some(reply.value32()?.collect())).unwrap_or_default())
    }

    /// The first number of four bytes, where it isn't 0.
    pub(super) fn number(self) -> Result<Option<u32>, Error> {
        Ok(self.numbers()?.first().copied().filter(|number| *number != 0))
    }

    pub(super) fn bytes(self) -> Result<Vec<u8>, Error> {
        Ok(self.reply()?.filter(|reply| reply.format == 8).map(|reply| reply.value).unwrap_or_default())
    }
}

/// Takes "there is no such window" for an answer: windows go whenever they like.
pub(super) fn gone<T>(reply: Result<T, ReplyError>, what: &'static str) -> Result<Option<T>, Error> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(error) => Err(reply_error(what)(error)),
    }
}

/// The windows that the window manager manages, in the order in which they came; `None` without one.
pub(super) fn managed(server: &Server, atoms: &Atoms) -> Result<Option<Vec<Window>>, Error> {
    let root = server.root();
    let check = ask(server, root, atoms._NET_SUPPORTING_WM_CHECK, 1)?.number()?;
    let Some(check) = check else { return Ok(None) };
    // The properties of one that is gone stay on the root; its own window does not.
    if ask(server, check, atoms._NET_SUPPORTING_WM_CHECK, 1)?.number()? != Some(check) {
        return Ok(None);
    }
    Ok(Some(ask(server, root, atoms._NET_CLIENT_LIST, MAX_WINDOWS)?.numbers()?))
}

/// Most windows that are looked at.
pub(super) const MAX_WINDOWS: u32 = 1024;

/// Most windows between one and the root: window managers put one or two around it.
const MAX_DEPTH: usize = 8;

/// The child of the root that each window is or lies in, where it still is.
pub(super) fn tops(server: &Server, windows: &[Window]) -> Result<Vec<Option<Window>>, Error> {
    let root = server.root();
    let mut tops: Vec<Option<Window>> = windows.iter().copied().map(Some).collect();
    let mut open: Vec<usize> = (0..windows.len()).collect();
    for _ in 0..MAX_DEPTH {
        let mut asked = Vec::with_capacity(open.len());
        for index in &open {
            if let Some(window) = tops[*index] {
                asked.push((*index, server.conn.query_tree(window)?));
            }
        }
        open.clear();
        for (index, cookie) in asked {
            match gone(cookie.reply(), "tell what is around a window")? {
                Some(tree) if tree.parent == root => {}
                Some(tree) if tree.parent != x11rb::NONE => {
                    tops[index] = Some(tree.parent);
                    open.push(index);
                }
                _ => tops[index] = None,
            }
        }
        if open.is_empty() {
            break;
        }
    }
    Ok(tops)
}

/// The window and what is around it, the child of the root last; `None` when it is gone. Of all of them this is
/// told from here on.
pub(super) fn chain(server: &Server, window: Window, told: EventMask) -> Result<Option<Vec<Window>>, Error> {
    let told = ChangeWindowAttributesAux::new().event_mask(told);
    let mut chain = vec![window];
    let mut last = window;
    for _ in 0..MAX_DEPTH {
        // Listen first, look second.
        server.conn.change_window_attributes(last, &told)?.ignore_error();
        let parent = match server.conn.query_tree(last)?.reply() {
            Ok(tree) => tree.parent,
            Err(ReplyError::X11Error(_)) => return Ok(None),
            Err(error) => return Err(reply_error("tell what is around a window")(error)),
        };
        if parent == server.root() || parent == x11rb::NONE {
            break;
        }
        chain.push(parent);
        last = parent;
    }
    Ok(Some(chain))
}

/// The number by which a server tells its clients apart, from any of their windows.
pub(super) fn client(server: &Server, window: Window) -> u32 {
    window & !server.conn.setup().resource_id_mask
}
