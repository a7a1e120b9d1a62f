//! The windows on the root, bottom to top, as the server's events tell them.
//!
//! Events and replies come in one stream: when a reply is here, so is every event of what happened before the server made
//! it. So this model is what was true at that moment, without holding the server up.

use std::collections::HashMap;

use x11rb::errors::ReplyError;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::shape::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, MapState, Place as Circulated, Window};

use super::place::{Place, uncovered};
use super::{Server, reply_error};
use crate::Error;

/// A child of the root: a window, or the frame that a window manager put around one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) place: Place,
    pub(super) mapped: bool,
    /// What is known of its looks; asked when it matters.
    look: Option<Look>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    /// Nothing is seen through it.
    opaque: bool,
}

/// Whoever uses it has selected `SUBSTRUCTURE_NOTIFY` on the root and hands it every event.
#[derive(Debug, Default)]
pub(super) struct Stack {
    root: Window,
    /// Bottom to top.
    order: Vec<Window>,
    tops: HashMap<Window, Top>,
    changes: u64,
    /// Where mapped windows have been since [`mark`](Self::mark).
    trail: Vec<(Window, Place)>,
    /// An event did not fit to what is known.
    stale: bool,
}

impl Stack {
    /// As it is at this moment; what changes from here on must be heard already.
    pub(super) fn read(server: &Server) -> Result<Self, Error> {
        let mut stack = Self { root: server.root(), ..Self::default() };
        stack.refresh(server)?;
        Ok(stack)
    }

    fn refresh(&mut self, server: &Server) -> Result<(), Error> {
        let conn = &server.conn;
        let tree = conn.query_tree(self.root)?.reply().map_err(reply_error("list the windows"))?;
        let mut asked = Vec::with_capacity(tree.children.len());
        for window in &tree.children {
            asked.push((conn.get_geometry(*window)?, conn.get_window_attributes(*window)?));
        }
        self.order.clear();
        self.tops.clear();
        for (window, (geometry, attributes)) in tree.children.into_iter().zip(asked) {
            let (geometry, attributes) = (geometry.reply(), attributes.reply());
            let (geometry, attributes) = match (geometry, attributes) {
                (Ok(geometry), Ok(attributes)) => (geometry, attributes),
                // Gone in between: its event is under way.
                (Err(ReplyError::X11Error(_)), _) | (_, Err(ReplyError::X11Error(_))) => continue,
                (Err(error), _) | (_, Err(error)) => return Err(reply_error("describe a window")(error)),
            };
            let (width, height, border) = (geometry.width, geometry.height, geometry.border_width);
            let top = Top {
                place: Place::of(geometry.x, geometry.y, width, height, border),
                mapped: attributes.map_state != MapState::UNMAPPED,
                look: None,
            };
            self.tops.insert(window, top);
            self.order.push(window);
        }
        self.stale = false;
        self.changes += 1;
        Ok(())
    }

    /// Reads everything anew if an event did not fit.
    pub(super) fn mend(&mut self, server: &Server) -> Result<(), Error> {
        if self.stale { self.refresh(server) } else { Ok(()) }
    }

    pub(super) fn root(&self) -> Window {
        self.root
    }

    /// Counts what has changed: the same number, the same stack.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Bottom to top, those that are mapped.
    pub(super) fn mapped(&self) -> impl DoubleEndedIterator<Item = (Window, Top)> {
        let tops = self.order.iter().filter_map(|window| Some((*window, *self.tops.get(window)?)));
        tops.filter(|(_, top)| top.mapped)
    }

    pub(super) fn get(&self, window: Window) -> Option<Top> {
        self.tops.get(&window).copied()
    }

    /// Bottom is 0.
    pub(super) fn level(&self, window: Window) -> Option<usize> {
        self.order.iter().position(|other| *other == window)
    }

    /// From here on it is noted where windows have been.
    pub(super) fn mark(&mut self) {
        self.trail = self.mapped().map(|(window, top)| (window, top.place)).collect();
    }

    /// Everywhere that the window has been since the mark.
    pub(super) fn trail(&self, window: Window) -> impl Iterator<Item = Place> {
        self.trail.iter().filter(move |(other, _)| *other == window).map(|(_, place)| *place)
    }

    /// What of the window's place no window above it covers for certain.
    pub(super) fn seen(&mut self, server: &Server, window: Window) -> Result<Vec<Place>, Error> {
        let Some(top) = self.get(window).filter(|top| top.mapped) else { return Ok(Vec::new()) };
        let above: Vec<(Window, Top)> =
            self.mapped().skip_while(|(other, _)| *other != window).skip(1).collect();
        let mut covers = Vec::new();
        for (other, over) in above {
            if top.place.meet(&over.place).is_some()
                && self.look(server, other)?.is_some_and(|look| look.opaque)
            {
                covers.push(over.place);
            }
        }
        Ok(uncovered(top.place, covers))
    }

    fn look(&mut self, server: &Server, window: Window) -> Result<Option<Look>, Error> {
        let Some(top) = self.tops.get(&window) else { return Ok(None) };
        if top.look.is_some() {
            return Ok(top.look);
        }
        let conn = &server.conn;
        // Listen first: who gets holes later is told.
        let has_shape = server.has(shape::X11_EXTENSION_NAME)?;
        if has_shape {
            conn.shape_select_input(window, true)?.ignore_error();
        }
        let geometry = conn.get_geometry(window)?.reply();
        let shaped = if has_shape { Some(conn.shape_query_extents(window)?.reply()) } else { None };
        let look = match (geometry, shaped) {
            (Ok(geometry), None) => Some(Self::looks(server, geometry.depth, false)),
            (Ok(geometry), Some(Ok(shape))) => {
                Some(Self::looks(server, geometry.depth, shape.bounding_shaped))
            }
            (Err(ReplyError::X11Error(_)), _) | (_, Some(Err(ReplyError::X11Error(_)))) => None,
            (Err(error), _) | (_, Some(Err(error))) => return Err(reply_error("describe a window")(error)),
        };
        if let Some(top) = self.tops.get_mut(&window) {
            top.look = look;
        }
        Ok(look)
    }

    /// A window of another depth than the screen's may be painted translucent by a compositor.
    fn looks(server: &Server, depth: u8, shaped: bool) -> Look {
        Look { opaque: depth == server.screen().root_depth && !shaped }
    }

    /// Notes what the event says about the stack.
    pub(super) fn hear(&mut self, event: &XEvent) {
        // Anybody may send what looks like an event: only the server's own count.
        if event.sent_event() {
            return;
        }
        let known = |stack: &Self, window| stack.tops.contains_key(window);
        match event {
            XEvent::CreateNotify(event) if event.parent == self.root => {
                let place = Place::of(event.x, event.y, event.width, event.height, event.border_width);
                self.add(event.window, place);
            }
            XEvent::ConfigureNotify(event) if event.event == self.root && known(self, &event.window) => {
                let place = Place::of(event.x, event.y, event.width, event.height, event.border_width);
                self.change(event.window, |top| top.place = place);
                self.put_above(event.window, event.above_sibling);
            }
            XEvent::GravityNotify(event) if event.event == self.root => {
                self.change(event.window, |top| {
                    (top.place.x, top.place.y) = (event.x.into(), event.y.into());
                });
            }
            XEvent::MapNotify(event) if event.event == self.root => {
                self.change(event.window, |top| top.mapped = true);
            }
            XEvent::UnmapNotify(event) if event.event == self.root => {
                self.change(event.window, |top| top.mapped = false);
            }
            XEvent::CirculateNotify(event) if event.event == self.root => {
                let above = match event.place {
                    Circulated::ON_TOP => self.order.last().copied().filter(|top| *top != event.window),
                    _ => None,
                };
                if event.place != Circulated::ON_TOP || above.is_some() {
                    self.put_above(event.window, above.unwrap_or(x11rb::NONE));
                }
            }
            XEvent::ReparentNotify(event) if event.event == self.root => {
                if event.parent != self.root {
                    self.remove(event.window);
                } else if !known(self, &event.window) {
                    // Its size is not told.
                    self.stale = true;
                    self.changes += 1;
                }
            }
            XEvent::DestroyNotify(event) if event.event == self.root => self.remove(event.window),
            XEvent::ShapeNotify(event) => {
                self.change(event.affected_window, |top| top.look = None);
            }
            _ => {}
        }
    }

    fn add(&mut self, window: Window, place: Place) {
        self.remove(window);
        self.order.push(window);
        self.tops.insert(window, Top { place, mapped: false, look: None });
        self.changes += 1;
    }

    fn remove(&mut self, window: Window) {
        if self.tops.remove(&window).is_some() {
            self.order.retain(|other| *other != window);
            self.changes += 1;
        }
    }

    fn change(&mut self, window: Window, change: impl FnOnce(&mut Top)) {
        if let Some(top) = self.tops.get_mut(&window) {
            change(top);
            self.changes += 1;
            if top.mapped {
                self.trail.push((window, top.place));
            }
        }
    }

    fn put_above(&mut self, window: Window, sibling: Window) {
        let Some(from) = self.level(window) else { return };
        self.order.remove(from);
        let to = if sibling == x11rb::NONE { Some(0) } else { self.level(sibling).map(|level| level + 1) };
        // A sibling that is not known: events of two reads got mixed.
        self.stale |= to.is_none();
        self.order.insert(to.unwrap_or(from), window);
        self.changes += 1;
    }
}
