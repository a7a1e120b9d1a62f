//! The windows of other programs, as the window manager lists them.

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, EventMask, InputFocus, MapState,
    StackMode, Window, WindowClass,
};

use super::place::Place;
use super::props::{Atoms, MAX_WINDOWS, ask, gone, managed};
use super::{Server, reply_error};
use crate::{Error, Icon, MAX_ICON, MAX_TITLE, WindowId, WindowInfo, Windows};

/// Most of an icon property that is read, in units of four bytes: pictures of several sizes come in one.
const ICONS: u32 = 1 << 17;

/// Lists by a connection of its own, which the chooser keeps while it is open.
#[derive(Debug)]
pub(super) struct X11Windows {
    server: Server,
    atoms: Atoms,
}

impl X11Windows {
    pub(super) fn new(server: Server) -> Result<Self, Error> {
        Ok(Self { atoms: Atoms::of(&server)?, server })
    }

    /// Those of the window manager's list; without one what a program has put on the screen.
    fn candidates(&self) -> Result<Vec<Window>, Error> {
        if let Some(windows) = managed(&self.server, &self.atoms)? {
            return Ok(windows);
        }
        let tree = self.server.conn.query_tree(self.server.root())?.reply();
        let mut children = tree.map_err(reply_error("list the windows"))?.children;
        children.truncate(MAX_WINDOWS as usize);
        Ok(children)
    }

    /// `None`: nothing to share, ours, or gone.
    fn describe(&self, window: Window, screen: (u32, u32)) -> Result<Option<WindowInfo>, Error> {
        let (server, atoms) = (&self.server, &self.atoms);
        let conn = &server.conn;
        let attributes = conn.get_window_attributes(window)?;
        let geometry = conn.get_geometry(window)?;
        let corner = conn.translate_coordinates(window, server.root(), 0, 0)?;
        let pid = ask(server, window, atoms._NET_WM_PID, 1)?;
        let kind = ask(server, window, atoms._NET_WM_WINDOW_TYPE, 16)?;
        let state = ask(server, window, atoms._NET_WM_STATE, 32)?;
        let class = ask(server, window, AtomEnum::WM_CLASS, 256)?;
        let icon = ask(server, window, atoms._NET_WM_ICON, ICONS)?;
        let attributes = gone(attributes.reply(), "describe a window")?;
        let geometry = gone(geometry.reply(), "describe a window")?;
        let corner = gone(corner.reply(), "tell where a window is")?;
        let (pid, kind, state) = (pid.number()?, kind.numbers()?, state.numbers()?);
        let (class, icon) = (class.bytes()?, icon.numbers()?);
        let (Some(attributes), Some(geometry), Some(corner)) = (attributes, geometry, corner) else {
            return Ok(None);
        };
        let furniture = [atoms._NET_WM_WINDOW_TYPE_DESKTOP, atoms._NET_WM_WINDOW_TYPE_DOCK];
        let minimised =
            attributes.map_state != MapState::VIEWABLE || state.contains(&atoms._NET_WM_STATE_HIDDEN);
        let program = class.split(|byte| *byte == 0).rfind(|name| !name.is_empty());
        let program = program.map(plain).unwrap_or_default();
        let title = title(server, atoms, window)?;
        if attributes.class != WindowClass::INPUT_OUTPUT
            || attributes.override_redirect
            || pid == Some(std::process::id())
            || kind.iter().any(|kind| furniture.contains(kind))
            // Without a window manager there are nameless windows that nobody ever shows.
            || title.is_none() && (minimised || program.is_empty())
        {
            return Ok(None);
        }
        let place = Place::of(corner.dst_x, corner.dst_y, geometry.width, geometry.height, 0);
        Ok(Some(WindowInfo {
            id: WindowId(window.into()),
            title: title.unwrap_or_else(|| program.clone()),
            program,
            area: place.clip(screen.0, screen.1),
            minimised,
            icon: best_icon(&icon),
        }))
    }
}

impl Windows for X11Windows {
    fn list(&mut self) -> Result<Vec<WindowInfo>, Error> {
        let root = self.server.conn.get_geometry(self.server.root())?.reply();
        let root = root.map_err(reply_error("tell the screen's size"))?;
        let mut windows = Vec::new();
        for window in self.candidates()? {
            windows.extend(self.describe(window, (root.width.into(), root.height.into()))?);
        }
        Ok(windows)
    }

    fn activate(&mut self, window: WindowId) -> Result<(), Error> {
        let Ok(window) = Window::try_from(window.0) else { return Ok(()) };
        activate(&self.server, &self.atoms, window)?;
        self.server.conn.flush()?;
        Ok(())
    }
}

/// Brings the window to the front and gives it the focus.
pub(super) fn activate(server: &Server, atoms: &Atoms, window: Window) -> Result<(), Error> {
    let (conn, root) = (&server.conn, server.root());
    let supported = ask(server, root, atoms._NET_SUPPORTED, MAX_WINDOWS)?.numbers()?;
    if managed(server, atoms)?.is_some() && supported.contains(&atoms._NET_ACTIVE_WINDOW) {
        // Source 2: it is the person's wish, not the program's own (EWMH).
        let message =
            ClientMessageEvent::new(32, window, atoms._NET_ACTIVE_WINDOW, [2, x11rb::CURRENT_TIME, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        conn.send_event(false, root, mask, message)?.ignore_error();
        return Ok(());
    }
    conn.map_window(window)?.ignore_error();
    conn.configure_window(window, &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))?.ignore_error();
    conn.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME)?.ignore_error();
    Ok(())
}

/// What the window says at its top, where it says anything.
pub(super) fn title(server: &Server, atoms: &Atoms, window: Window) -> Result<Option<String>, Error> {
    let modern = ask(server, window, atoms._NET_WM_NAME, 256)?;
    let old = ask(server, window, AtomEnum::WM_NAME, 256)?;
    let (modern, old) = (modern.bytes()?, old.bytes()?);
    let title = if modern.is_empty() { plain(&old) } else { plain(&modern) };
    Ok(Some(title).filter(|title| !title.is_empty()))
}

/// A stranger's bytes as a short text without control characters; what is not UTF-8 is Latin 1, as X has it.
fn plain(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned);
    let mut plain: String = text.chars().filter(|character| !character.is_control()).collect();
    while plain.len() > MAX_TITLE {
        plain.pop();
    }
    plain.trim().to_owned()
}

/// The largest picture that is not too large, of a property with one after the other: width, height, pixels as ARGB.
fn best_icon(property: &[u32]) -> Option<Icon> {
    let mut best: Option<(u16, u16, &[u32])> = None;
    let mut rest = property;
    while let [width, height, pixels @ ..] = rest {
        let count = width
            .checked_mul(*height)
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0);
        let Some(picture) = count.and_then(|count| pixels.get(..count)) else { break };
        rest = &pixels[picture.len()..];
        let fits = |side: &u32| u16::try_from(*side).ok().filter(|side| *side <= MAX_ICON);
        if let (Some(width), Some(height)) = (fits(width), fits(height))
            && best.is_none_or(|(.., pixels)| picture.len() > pixels.len())
        {
            best = Some((width, height, picture));
        }
    }
    best.map(|(width, height, pixels)| {
        let rgba = pixels.iter().flat_map(|argb| {
            let [blue, green, red, alpha] = argb.to_le_bytes();
            [red, green, blue, alpha]
        });
        Icon { width, height, rgba: rgba.collect() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_texts_are_made_plain() {
        assert_eq!(plain("Rechnung – März\n\u{7}".as_bytes()), "Rechnung – März");
        assert_eq!(plain(b"M\xe4rz"), "März");
        assert_eq!(plain("ß".repeat(100).as_bytes()).len(), MAX_TITLE);
        assert_eq!(plain(b""), "");
    }

    #[test]
    fn the_best_icon_is_taken_and_broken_ones_are_none() {
        let icon = |side: u32, colour: u32| {
            let mut property = vec![side, side];
            property.extend(vec![colour; (side * side) as usize]);
            property
        };
        let all = [icon(16, 1), icon(48, 0x8011_2233), icon(256, 3), icon(32, 4)].concat();
        let best = best_icon(&all).unwrap();
        assert_eq!((best.width, best.height, &best.rgba[..4]), (48, 48, &[0x11, 0x22, 0x33, 0x80][..]));
        for broken in [&[][..], &[16], &[16, 16, 1, 2], &[u32::MAX, u32::MAX, 1], &[0, 9, 1]] {
            assert_eq!(best_icon(broken), None);
        }
        assert_eq!(
            best_icon(&[icon(16, 1), vec![64, 64, 9]].concat()).unwrap().width,
            16,
            "what is whole counts"
        );
    }
}
