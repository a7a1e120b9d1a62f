//! Windows of ours that the technician must not see although the screen is shared: where they are to be blanked.

use std::collections::{BTreeSet, HashSet};

use x11rb::protocol::Event as XEvent;
use x11rb::protocol::xproto::{ConnectionExt as _, EventMask, Window};

use super::Server;
use super::place::Place;
use super::props::{chain, gone};
use super::stack::Stack;
use crate::Error;

/// The private windows, and what is above them.
///
/// The server is not held up while pixels are read. What happened in the meantime is told before the pixels are there
/// ([`Stack`]); where anything did, all places where a private window has been are blanked as a whole.
#[derive(Debug)]
pub(super) struct Private {
    windows: Vec<Own>,
    stack: Stack,
    /// A window got another parent.
    reparented: bool,
    /// What could be seen of them when the reading began, and of which state of the stack that is.
    seen: Vec<Place>,
    at: u64,
    /// Where private windows have been on the root itself since then: between two frames, or without any.
    bare: HashSet<Place>,
    /// One was put into something that is not known: it may have been anywhere.
    lost: bool,
}

#[derive(Debug)]
struct Own {
    window: Window,
    /// With its border.
    size: (u32, u32),
    /// The window itself and what is around it, the child of the root last.
    chain: Vec<Window>,
    /// The children of the root that it has been or lain in since the reading began.
    tops: BTreeSet<Window>,
}

impl Private {
    /// `SUBSTRUCTURE_NOTIFY` on the root is selected already.
    pub(super) fn new(server: &Server, windows: &[Window]) -> Result<Self, Error> {
        let own = |window: &Window| Own {
            window: *window,
            size: (0, 0),
            chain: vec![*window],
            tops: BTreeSet::new(),
        };
        let mut private = Self {
            windows: windows.iter().map(own).collect(),
            stack: Stack::read(server)?,
            reparented: true,
            seen: Vec::new(),
            at: 0,
            bare: HashSet::new(),
            lost: false,
        };
        private.follow(server)?;
        Ok(private)
    }

    /// Takes note of what the server said.
    pub(super) fn hear(&mut self, event: &XEvent) {
        self.stack.hear(event);
        if event.sent_event() {
            return;
        }
        let root = self.stack.root();
        match event {
            XEvent::ReparentNotify(event) => {
                for own in self.windows.iter_mut().filter(|own| own.chain.contains(&event.window)) {
                    self.reparented = true;
                    if event.parent != root {
                        let known =
                            self.stack.get(event.parent).is_some() || own.chain.contains(&event.parent);
                        self.lost |= !known;
                        own.tops.insert(event.parent);
                    } else if event.window == own.window {
                        let (width, height) = own.size;
                        self.bare.insert(Place::new(event.x.into(), event.y.into(), width, height));
                    } else {
                        self.lost = true;
                    }
                }
            }
            XEvent::ConfigureNotify(event) => {
                let place = Place::of(event.x, event.y, event.width, event.height, event.border_width);
                if let Some(own) = self.windows.iter_mut().find(|own| own.window == event.window) {
                    own.size = (place.width, place.height);
                    if event.event == root {
                        self.bare.insert(place);
                    }
                }
            }
            XEvent::DestroyNotify(event) => self.windows.retain(|own| own.window != event.window),
            _ => {}
        }
    }

    /// Looks where the windows are, before pixels are read.
    pub(super) fn begin(&mut self, server: &Server) -> Result<(), Error> {
        self.stack.mend(server)?;
        self.follow(server)?;
        self.stack.mark();
        self.at = self.stack.changes();
        self.seen.clear();
        self.bare.clear();
        self.lost = false;
        for own in &mut self.windows {
            own.tops = own.chain.last().copied().into_iter().collect();
        }
        for top in self.tops() {
            self.seen.extend(self.stack.seen(server, top)?);
        }
        Ok(())
    }

    /// What must be blanked of the pixels that were read since [`begin`](Self::begin). Everything that the server said up to
    /// the last of them was heard.
    pub(super) fn blanks(&mut self, server: &Server) -> Result<Vec<Place>, Error> {
        if self.stack.changes() == self.at && !self.reparented && self.bare.is_empty() {
            return Ok(self.seen.clone());
        }
        self.stack.mend(server)?;
        self.follow(server)?;
        if self.lost {
            return Ok(vec![Place::new(0, 0, u32::from(u16::MAX), u32::from(u16::MAX))]);
        }
        let tops = self.tops();
        let mut places = self.bare.clone();
        places.extend(tops.iter().flat_map(|top| self.stack.trail(*top)));
        let now = tops.iter().filter_map(|top| self.stack.get(*top)).filter(|top| top.mapped);
        places.extend(now.map(|top| top.place));
        Ok(places.into_iter().collect())
    }

    fn tops(&self) -> BTreeSet<Window> {
        self.windows.iter().flat_map(|own| own.tops.iter().copied()).collect()
    }

    /// Finds what is around each window now.
    fn follow(&mut self, server: &Server) -> Result<(), Error> {
        if !std::mem::take(&mut self.reparented) {
            return Ok(());
        }
        let mut closed = BTreeSet::new();
        for own in &mut self.windows {
            let geometry = server.conn.get_geometry(own.window)?.reply();
            let Some(told) = gone(geometry, "describe a window")? else {
                closed.insert(own.window);
                continue;
            };
            let place = Place::of(0, 0, told.width, told.height, told.border_width);
            own.size = (place.width, place.height);
            match chain(server, own.window, EventMask::STRUCTURE_NOTIFY)? {
                Some(chain) => {
                    own.tops.extend(chain.last());
                    own.chain = chain;
                }
                // What was around it went in between: its event is under way.
                None => self.reparented = true,
            }
        }
        self.windows.retain(|own| !closed.contains(&own.window));
        Ok(())
    }
}
