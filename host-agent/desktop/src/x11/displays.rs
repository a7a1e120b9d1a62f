//! The monitors, by RandR, and how large the desktop draws on them.

use std::sync::{Arc, Mutex, PoisonError};

use nearhand_protocol::display::{Layout, MAX_MONITORS, MAX_NAME, Monitor};
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _};

use super::{Server, reply_error};
use crate::{Error, Rect};

/// Dots per inch of a screen that is not scaled.
const PLAIN_DPI: f64 = 96.0;
/// From so many dots per inch on, desktops that were not told otherwise draw everything twice as large (GNOME, KDE).
const DOUBLE_DPI: f64 = 192.0;
/// Longest RESOURCE_MANAGER property that is read, in units of four bytes.
const RESOURCES: u32 = 1 << 16;

/// Knows the monitors again: one keeps its number while others come and go, and has the same for who looks and who acts.
#[derive(Debug, Clone, Default)]
pub(super) struct Monitors {
    /// By their numbers.
    names: Arc<Mutex<Vec<String>>>,
}

impl Monitors {
    /// The size of the whole screen and the monitors on it. A server without RandR 1.5 has one monitor.
    pub(super) fn layout(&self, server: &Server) -> Result<Layout, Error> {
        let root = server.root();
        let size = server.conn.get_geometry(root)?.reply().map_err(reply_error("tell the screen's size"))?;
        let told = told(server)?;
        let text = text_dpi(server)?;
        let mut monitors: Vec<Monitor> = Vec::new();
        for (name, info) in told {
            let Some(area) = within(&info, size.width, size.height) else { continue };
            let id = self.number(&name, &monitors);
            monitors.push(Monitor {
                id,
                name,
                x: area.x as u16,
                y: area.y as u16,
                width: area.width as u16,
                height: area.height as u16,
                scale_percent: scale(text, &info),
                primary: info.primary && monitors.iter().all(|monitor| !monitor.primary),
            });
        }
        if monitors.is_empty() {
            let name = "screen".to_owned();
            monitors.push(Monitor {
                id: self.number(&name, &[]),
                name,
                x: 0,
                y: 0,
                width: size.width,
                height: size.height,
                scale_percent: text.map_or(100, percent),
                primary: true,
            });
        }
        if monitors.iter().all(|monitor| !monitor.primary) {
            monitors[0].primary = true;
        }
        Ok(Layout { width: size.width, height: size.height, monitors })
    }

    /// The number of the monitor of this name, which is none of those `taken` already.
    fn number(&self, name: &str, taken: &[Monitor]) -> u8 {
        // Whoever panicked left whole names.
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |number: &usize| taken.iter().all(|monitor| usize::from(monitor.id) != *number);
        let mut known = (0..names.len()).filter(|number| names[*number] == name);
        if let Some(number) = known.find(free) {
            return number as u8;
        }
        if let Ok(number) = u8::try_from(names.len()) {
            names.push(name.to_owned());
            return number;
        }
        // Somebody makes up names without end: any free number will do.
        let number = (0..names.len()).find(free).unwrap_or(0);
        name.clone_into(&mut names[number]);
        number as u8
    }
}

/// The monitors as the server tells them, with their names.
fn told(server: &Server) -> Result<Vec<(String, MonitorInfo)>, Error> {
    if !server.has(x11rb::protocol::randr::X11_EXTENSION_NAME)? {
        return Ok(Vec::new());
    }
    // Servers before 1.5 refuse this: the same as no monitors.
    let Ok(reply) = server.conn.randr_get_monitors(server.root(), true)?.reply() else {
        return Ok(Vec::new());
    };
    let mut cookies = Vec::new();
    for info in reply.monitors.into_iter().take(MAX_MONITORS) {
        cookies.push((server.conn.get_atom_name(info.name)?, info));
    }
    let mut monitors = Vec::new();
    for (cookie, info) in cookies {
        let name = cookie.reply().map(|atom| String::from_utf8_lossy(&atom.name).into_owned());
        let mut name = name.unwrap_or_default();
        name.truncate(name.floor_char_boundary(MAX_NAME));
        monitors.push((name, info));
    }
    Ok(monitors)
}

/// What of the monitor lies within the screen: layouts may reach out of it, also to the left and above.
fn within(info: &MonitorInfo, width: u16, height: u16) -> Option<Rect> {
    let (left, top) = (i32::from(info.x).max(0), i32::from(info.y).max(0));
    let right = (i32::from(info.x) + i32::from(info.width)).min(width.into());
    let bottom = (i32::from(info.y) + i32::from(info.height)).min(height.into());
    (left < right && top < bottom)
        .then(|| Rect::new(left as u32, top as u32, (right - left) as u32, (bottom - top) as u32))
}

/// `Xft.dpi` of the resources, where toolkits find the scale that the person has chosen.
fn text_dpi(server: &Server) -> Result<Option<f64>, Error> {
    let (name, kind) = (AtomEnum::RESOURCE_MANAGER, AtomEnum::STRING);
    let reply = server.conn.get_property(false, server.root(), name, kind, 0, RESOURCES)?.reply();
    Ok(reply.ok().and_then(|reply| xft_dpi(&reply.value)))
}

fn xft_dpi(resources: &[u8]) -> Option<f64> {
    let line = resources.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Xft.dpi:"))?;
    let dpi: f64 = std::str::from_utf8(line).ok()?.trim().parse().ok()?;
    (PLAIN_DPI / 2.0..=PLAIN_DPI * 8.0).contains(&dpi).then_some(dpi)
}

/// What the person has chosen, else what the size of the glass suggests to desktops.
fn scale(text_dpi: Option<f64>, info: &MonitorInfo) -> u16 {
    if let Some(dpi) = text_dpi {
        return percent(dpi);
    }
    // Televisions and virtual machines tell sizes of a few millimetres, or none.
    let inches = f64::from(info.width_in_millimeters) / 25.4;
    let dense = inches > 4.0 && f64::from(info.width.max(info.height)) >= 1200.0;
    if dense && f64::from(info.width) / inches >= DOUBLE_DPI { 200 } else { 100 }
}

fn percent(dpi: f64) -> u16 {
    (dpi / PLAIN_DPI * 100.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(x: i16, y: i16, width: u16, height: u16, millimetres: u32) -> MonitorInfo {
        MonitorInfo { x, y, width, height, width_in_millimeters: millimetres, ..MonitorInfo::default() }
    }

    #[test]
    fn monitors_are_clipped_to_the_screen() {
        let clipped = |x, y, width, height| within(&info(x, y, width, height, 0), 800, 600);
        assert_eq!(clipped(0, 0, 800, 600), Some(Rect::new(0, 0, 800, 600)));
        assert_eq!(clipped(-100, -50, 300, 100), Some(Rect::new(0, 0, 200, 50)));
        assert_eq!(clipped(700, 500, 800, 600), Some(Rect::new(700, 500, 100, 100)));
        assert_eq!(clipped(800, 0, 800, 600), None);
        assert_eq!(clipped(-800, 0, 800, 600), None);
        assert_eq!(clipped(i16::MAX, i16::MIN, u16::MAX, u16::MAX), None);
    }

    #[test]
    fn the_scale_is_what_was_chosen_or_what_the_glass_suggests() {
        let resources = b"Xcursor.size:\t48\nXft.dpi:\t144\nXft.hinting:\t1\n";
        assert_eq!(xft_dpi(resources), Some(144.0));
        assert_eq!(xft_dpi(b"Xft.dpi: 0\n"), None);
        assert_eq!(xft_dpi(b"Xft.dpi: \xff\n"), None);
        assert_eq!(scale(Some(144.0), &info(0, 0, 1920, 1080, 500)), 150);
        assert_eq!(scale(None, &info(0, 0, 1920, 1080, 500)), 100);
        assert_eq!(scale(None, &info(0, 0, 3840, 2160, 344)), 200, "a laptop of 15 inches");
        assert_eq!(scale(None, &info(0, 0, 3840, 2160, 600)), 100, "a desk's monitor of 27 inches");
        assert_eq!(scale(None, &info(0, 0, 3840, 2160, 16)), 100, "a size that nobody believes");
    }

    #[test]
    fn a_monitor_keeps_its_number() {
        let monitors = Monitors::default();
        assert_eq!([monitors.number("DP-1", &[]), monitors.number("HDMI-1", &[])], [0, 1]);
        assert_eq!(monitors.number("HDMI-1", &[]), 1, "while the first is unplugged");
        for n in 0..1000 {
            monitors.number(&format!("made-up-{n}"), &[]);
        }
        assert_eq!(monitors.names.lock().unwrap().len(), 256);
    }
}
