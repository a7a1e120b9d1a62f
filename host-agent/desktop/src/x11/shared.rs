//! The layout of what is shared: all monitors, one of them, or the box around some windows. Pure.

use nearhand_protocol::display::{Layout, Monitor};

use super::aimed::Aimed;
use crate::{Rect, Scope};

pub(super) fn size(layout: &Layout) -> (u32, u32) {
    (layout.width.into(), layout.height.into())
}

/// The layout of what is shared of the screen; `None` where the monitor is not there.
pub(super) fn narrow(screen: &Layout, scope: &Scope) -> Option<Layout> {
    let mut layout = screen.clone();
    if let Scope::Monitor(id) = scope {
        layout.monitors.retain(|monitor| monitor.id == *id);
    }
    (!layout.monitors.is_empty()).then_some(layout)
}

/// The part of the screen that may be read, where it isn't all.
pub(super) fn part(layout: &Layout, scope: &Scope) -> Option<Rect> {
    let monitor = layout.monitors.first().filter(|_| matches!(scope, Scope::Monitor(_)))?;
    Some(Rect::new(monitor.x.into(), monitor.y.into(), monitor.width.into(), monitor.height.into()))
}

/// The layout while windows are shared: one monitor, which is the box around them.
pub(super) fn shared(screen: &Layout, aimed: &Aimed) -> Layout {
    let area = aimed.area();
    let on = screen.monitors.iter().find(|monitor| {
        let (x, y) = (area.x, area.y);
        (u32::from(monitor.x)..u32::from(monitor.x) + u32::from(monitor.width)).contains(&x)
            && (u32::from(monitor.y)..u32::from(monitor.y) + u32::from(monitor.height)).contains(&y)
    });
    let monitor = Monitor {
        id: 0,
        name: aimed.title().to_owned(),
        x: area.x as u16,
        y: area.y as u16,
        width: area.width as u16,
        height: area.height as u16,
        scale_percent: on.or(screen.monitors.first()).map_or(100, |monitor| monitor.scale_percent),
        primary: true,
    };
    Layout { width: screen.width, height: screen.height, monitors: vec![monitor] }
}
