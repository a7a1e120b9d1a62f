//! The monitors, by RandR.

use nearhand_protocol::display::{Layout, MAX_MONITORS, MAX_NAME, Monitor};
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::ConnectionExt as _;

use super::{Server, reply_error};
use crate::{Error, Rect};

/// The size of the whole screen and the monitors on it. A server without RandR 1.5 has one monitor.
pub(super) fn layout(server: &Server) -> Result<Layout, Error> {
    let root = server.root();
    let size = server.conn.get_geometry(root)?.reply().map_err(reply_error("tell the screen's size"))?;
    let mut monitors = monitors(server, size.width, size.height)?;
    if monitors.is_empty() {
        monitors.push(Monitor {
            id: 0,
            name: "screen".to_owned(),
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
            scale_percent: 100,
            primary: true,
        });
    }
    Ok(Layout { width: size.width, height: size.height, monitors })
}

fn monitors(server: &Server, width: u16, height: u16) -> Result<Vec<Monitor>, Error> {
    if !server.has(x11rb::protocol::randr::X11_EXTENSION_NAME)? {
        return Ok(Vec::new());
    }
    // Servers before 1.5 refuse this: the same as no monitors.
    let Ok(reply) = server.conn.randr_get_monitors(server.root(), true)?.reply() else {
        return Ok(Vec::new());
    };
    let mut monitors = Vec::new();
    for monitor in reply.monitors.iter().take(MAX_MONITORS) {
        let rect = Rect::new(
            monitor.x.max(0) as u32,
            monitor.y.max(0) as u32,
            monitor.width.into(),
            monitor.height.into(),
        );
        let Some(rect) = rect.clip(width.into(), height.into()) else { continue };
        let name = server.conn.get_atom_name(monitor.name)?.reply();
        let mut name = name.map(|atom| String::from_utf8_lossy(&atom.name).into_owned()).unwrap_or_default();
        name.truncate(name.floor_char_boundary(MAX_NAME));
        monitors.push(Monitor {
            id: monitors.len() as u8,
            name,
            x: rect.x as u16,
            y: rect.y as u16,
            width: rect.width as u16,
            height: rect.height as u16,
            scale_percent: 100,
            primary: monitor.primary,
        });
    }
    Ok(monitors)
}
