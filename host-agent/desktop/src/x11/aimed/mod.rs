//! The picture of one window, or of one program, and of nothing else.
//!
//! Composite has the server keep the whole picture of each of the windows, also where others cover them. Only those pictures
//! are read, never the screen: no pixel of another window can get in, however windows move meanwhile.

mod frame;
mod member;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nearhand_protocol::display::MAX_NAME;
use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::composite::{self, ConnectionExt as _, Redirect};
use x11rb::protocol::damage::{ConnectionExt as _, ReportLevel};
use x11rb::protocol::xfixes::{ConnectionExt as _, Region};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, EventMask, Window};

use self::frame::Frame;
use self::member::Member;
use super::family::Families;
use super::place::Place;
use super::props::{Atoms, chain};
use super::stack::Stack;
use super::windows::title;
use super::{Server, reply_error};
use crate::{Error, Event, Rect, merge};

/// How often at most it is asked which windows belong together.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// What belongs to the window that is shared, and its picture.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact, and any of them goes with any other")]
pub(super) struct Aimed {
    /// What the customer chose.
    window: Window,
    /// Everything of its program.
    application: bool,
    atoms: Atoms,
    stack: Stack,
    region: Region,
    members: BTreeMap<Window, Member>,
    /// The members, bottom to top.
    order: Vec<Window>,
    width: u32,
    height: u32,
    canvas: Vec<u8>,
    /// What of the canvas is to be put together anew.
    dirty: Vec<Place>,
    /// Something happened that may change who belongs to the window, and where they are.
    stale: bool,
    asked: Option<Instant>,
    changes: u64,
    frame: Frame,
    title: String,
    hidden: bool,
    closed: bool,
    told_closed: bool,
}

impl Aimed {
    /// `SUBSTRUCTURE_NOTIFY` and `PROPERTY_CHANGE` on the root are selected already.
    pub(super) fn new(
        server: &Server,
        window: Window,
        application: bool,
        size: (u32, u32),
    ) -> Result<Self, Error> {
        let conn = &server.conn;
        if !server.has(composite::X11_EXTENSION_NAME)? {
            return Err(Error::Scope("this X server can't show a window alone, it lacks Composite"));
        }
        let version = conn.composite_query_version(0, 4)?.reply();
        let version = version.map_err(reply_error("tell its Composite version"))?;
        if (version.major_version, version.minor_version) < (0, 2) {
            return Err(Error::Scope("this X server can't show a window alone, its Composite is too old"));
        }
        let region = conn.generate_id()?;
        conn.xfixes_create_region(region, &[])?;
        let mut aimed = Self {
            window,
            application,
            atoms: Atoms::of(server)?,
            stack: Stack::read(server)?,
            region,
            members: BTreeMap::new(),
            order: Vec::new(),
            width: 0,
            height: 0,
            canvas: Vec::new(),
            dirty: Vec::new(),
            stale: true,
            asked: None,
            changes: 0,
            frame: Frame::default(),
            title: String::new(),
            hidden: false,
            closed: false,
            told_closed: false,
        };
        aimed.resize(size);
        aimed.refresh(server, Instant::now())?;
        if aimed.closed {
            aimed.close(server);
            return Err(Error::Scope("the window is not there any more"));
        }
        Ok(aimed)
    }

    /// The screen has another size.
    pub(super) fn resize(&mut self, (width, height): (u32, u32)) {
        (self.width, self.height) = (width, height);
        self.canvas = vec![0; width as usize * height as usize * 4];
        self.dirty = vec![Place::new(0, 0, width, height)];
        self.stale = true;
    }

    /// Takes note of what the server said; true: there is something new to see.
    pub(super) fn hear(&mut self, server: &Server, event: &XEvent) -> bool {
        self.stack.hear(event);
        if event.sent_event() {
            return false;
        }
        match event {
            XEvent::DamageNotify(event) => {
                if let Some(member) = self.members.get_mut(&event.drawable) {
                    member.damaged = true;
                    return true;
                }
            }
            XEvent::ConfigureNotify(event) => {
                if let Some(member) = self.members.get_mut(&event.window) {
                    let size = (event.width, event.height, event.border_width);
                    member.stale |= std::mem::replace(&mut member.size, size) != size;
                    self.stale = true;
                }
            }
            XEvent::MapNotify(event) => self.touch(event.window),
            XEvent::UnmapNotify(event) => self.touch(event.window),
            XEvent::ReparentNotify(event) => self.touch(event.window),
            XEvent::DestroyNotify(event) => {
                if event.window == self.window {
                    // A program goes on with another of its windows.
                    let other = self.members.keys().copied().find(|other| *other != event.window);
                    match other.filter(|_| self.application) {
                        Some(other) => self.window = other,
                        None => self.closed = true,
                    }
                    self.stale = true;
                }
                // At once: its number may be another window's by the next grab.
                self.drop_member(server, event.window, false);
            }
            XEvent::PropertyNotify(event) => {
                let root = event.window == server.root() && event.atom == self.atoms._NET_CLIENT_LIST;
                let title = event.window == self.window
                    && [self.atoms._NET_WM_NAME, AtomEnum::WM_NAME.into()].contains(&event.atom);
                let bond = self.members.contains_key(&event.window)
                    && event.atom == u32::from(AtomEnum::WM_TRANSIENT_FOR);
                self.stale |= root || title || bond;
            }
            _ => {}
        }
        if self.stack.changes() != self.changes {
            self.changes = self.stack.changes();
            self.stale = true;
        }
        false
    }

    /// It went off the screen or came back, and all that lies in it.
    fn touch(&mut self, window: Window) {
        for member in self.members.values_mut().filter(|member| member.is_within(window)) {
            member.stale = true;
            self.stale = true;
        }
    }

    /// Until when nothing needs to be done unless the server says something.
    pub(super) fn due(&self) -> Option<Instant> {
        let ask = self.stale.then(|| self.asked.map_or_else(Instant::now, |asked| asked + ASK_INTERVAL));
        [ask, self.frame.due()].into_iter().flatten().min()
    }

    /// Does what is due, and says what became of it.
    pub(super) fn work(&mut self, server: &Server) -> Result<BTreeSet<Event>, Error> {
        let now = Instant::now();
        let mut events = BTreeSet::new();
        let (hidden, title) = (self.hidden, self.title.clone());
        if self.stale && self.asked.is_none_or(|asked| now.duration_since(asked) >= ASK_INTERVAL) {
            self.refresh(server, now)?;
        }
        // Followed in any case.
        let moved = self.frame.follow(now);
        if moved || self.title != title {
            events.insert(Event::Resized);
        }
        if self.hidden != hidden {
            events.insert(Event::Hidden(self.hidden));
        }
        if self.closed && !std::mem::replace(&mut self.told_closed, true) {
            events.insert(Event::Closed);
        }
        if !self.dirty.is_empty() || self.members.values().any(|member| member.viewable && member.stale) {
            events.insert(Event::Damage);
        }
        Ok(events)
    }

    /// Where what is shared is on the screen: the box around all of it.
    pub(super) fn area(&self) -> Rect {
        self.frame.area()
    }

    /// What the window calls itself.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Whether the child of the root is one of those that are shown.
    pub(super) fn is_top(&self, window: Window) -> bool {
        self.members.values().any(|member| member.top() == Some(window) && member.viewable)
    }

    pub(super) fn pixels(&self) -> &[u8] {
        &self.canvas
    }

    /// Asks who belongs to the window, and where all of them are.
    fn refresh(&mut self, server: &Server, now: Instant) -> Result<(), Error> {
        (self.stale, self.asked) = (false, Some(now));
        self.stack.mend(server)?;
        self.changes = self.stack.changes();
        let families = Families::read(server, &self.atoms, &self.stack)?;
        let family = if self.application {
            families.of_application(self.window)
        } else {
            families.of_window(self.window)
        };
        let shown = |window: &Window| families.get(*window).is_some_and(|facts| facts.viewable);
        let viewable: Vec<Window> = family.iter().copied().filter(shown).collect();
        // A window that is minimised may be left out of the list for a moment: closed is what is destroyed.
        self.closed |= !self.exists(server)?;
        self.hidden = if self.application { viewable.is_empty() } else { !viewable.contains(&self.window) };

        let keep =
            |window: &Window| viewable.contains(window) || viewable.is_empty() || *window == self.window;
        let leaving: Vec<Window> = self.members.keys().copied().filter(|window| !keep(window)).collect();
        for window in leaving {
            self.drop_member(server, window, true);
        }
        let before: BTreeSet<Window> =
            self.members.iter().filter(|(_, member)| member.viewable).map(|(window, _)| *window).collect();
        for member in self.members.values_mut() {
            member.viewable = false;
        }
        for window in viewable {
            self.update_member(server, window)?;
        }
        // On the screen again: with another pixmap.
        for (_, member) in self.members.iter_mut().filter(|(window, _)| !before.contains(window)) {
            member.stale = true;
        }
        self.arrange();
        if let Some(title) = title(server, &self.atoms, self.window)? {
            self.title = cut(title);
        }
        let screen = Place::new(0, 0, self.width, self.height);
        let shown = self.members.values().filter_map(|member| member.place.meet(&screen));
        let shown = shown.filter_map(|place| place.clip(self.width, self.height));
        self.frame.want(shown.reduce(|all, place| all.union(&place)), now);
        Ok(())
    }

    /// Whether there is anything left to share.
    fn exists(&self, server: &Server) -> Result<bool, Error> {
        match server.conn.get_geometry(self.window)?.reply() {
            Ok(_) => Ok(true),
            Err(ReplyError::X11Error(_)) => Ok(false),
            Err(error) => Err(reply_error("describe a window")(error)),
        }
    }

    /// Takes a window in, or looks where it is now.
    fn update_member(&mut self, server: &Server, window: Window) -> Result<(), Error> {
        let conn = &server.conn;
        // Listen first, look second.
        let told = EventMask::STRUCTURE_NOTIFY | EventMask::PROPERTY_CHANGE;
        let Some(chain) = chain(server, window, told)? else { return Ok(()) };
        if !self.members.contains_key(&window) {
            conn.composite_redirect_window(window, Redirect::AUTOMATIC)?.ignore_error();
        }
        let geometry = conn.get_geometry(window)?;
        let corner = conn.translate_coordinates(window, server.root(), 0, 0)?;
        let (geometry, corner) = match (geometry.reply(), corner.reply()) {
            (Ok(geometry), Ok(corner)) => (geometry, corner),
            // Gone in between: its event is under way.
            (Err(ReplyError::X11Error(_)), _) | (_, Err(ReplyError::X11Error(_))) => return Ok(()),
            (Err(error), _) | (_, Err(error)) => return Err(reply_error("describe a window")(error)),
        };
        let size = (geometry.width, geometry.height, geometry.border_width);
        let border = geometry.border_width as i16;
        let (x, y) = (corner.dst_x.saturating_sub(border), corner.dst_y.saturating_sub(border));
        let place = Place::of(x, y, geometry.width, geometry.height, geometry.border_width);
        let member = match self.members.entry(window) {
            Entry::Occupied(member) => member.into_mut(),
            Entry::Vacant(free) => {
                let damage = conn.generate_id()?;
                conn.damage_create(damage, window, ReportLevel::NON_EMPTY)?.ignore_error();
                self.dirty.push(place);
                free.insert(Member::new(chain.clone(), place, size, damage))
            }
        };
        if member.place != place {
            self.dirty.extend([member.place, place]);
            member.place = place;
        }
        member.stale |= std::mem::replace(&mut member.size, size) != size;
        member.move_into(chain);
        member.viewable = true;
        Ok(())
    }

    fn drop_member(&mut self, server: &Server, window: Window, exists: bool) {
        let Some(mut member) = self.members.remove(&window) else { return };
        self.order.retain(|other| *other != window);
        self.dirty.push(member.place);
        self.stale = true;
        member.close(server);
        // A connection that is gone has given it back already.
        if exists {
            if let Ok(cookie) = server.conn.damage_destroy(member.damage) {
                cookie.ignore_error();
            }
            if let Ok(cookie) = server.conn.composite_unredirect_window(window, Redirect::AUTOMATIC) {
                cookie.ignore_error();
            }
        }
    }

    /// Puts the members in the order in which they lie upon each other.
    fn arrange(&mut self) {
        let mut order: Vec<Window> = self.members.keys().copied().collect();
        order.sort_by_key(|window| {
            (self.members[window].top().and_then(|top| self.stack.level(top)), *window)
        });
        if order != self.order {
            self.dirty.extend(self.members.values().map(|member| member.place));
            self.order = order;
        }
    }

    /// Reads what has changed, and puts it together. What of the canvas is new comes out.
    pub(super) fn read(&mut self, server: &Server) -> Result<Vec<Rect>, Error> {
        for window in self.order.clone() {
            let Some(member) = self.members.get_mut(&window) else { continue };
            if !member.viewable {
                continue;
            }
            let parts = member.read(server, window, self.region)?;
            let (x, y) = (member.place.x, member.place.y);
            self.dirty.extend(
                parts
                    .into_iter()
                    .map(|part| Place::new(x + part.x as i32, y + part.y as i32, part.width, part.height)),
            );
        }
        let dirty = std::mem::take(&mut self.dirty);
        let dirty = dirty.iter().filter_map(|place| place.clip(self.width, self.height));
        let dirty = merge(dirty, self.width, self.height);
        for rect in &dirty {
            self.compose(*rect);
        }
        Ok(dirty)
    }

    /// Black, and the members upon it from the bottom to the top.
    fn compose(&mut self, rect: Rect) {
        let stride = self.width as usize * 4;
        for y in rect.y..rect.y + rect.height {
            let at = y as usize * stride + rect.x as usize * 4;
            self.canvas[at..at + rect.width as usize * 4].fill(0);
        }
        for window in &self.order {
            let member = &self.members[window];
            let Some(picture) = &member.picture else { continue };
            // The picture may be older than the place, and of another size.
            let held = Place { width: picture.width(), height: picture.height(), ..member.place };
            let Some(part) = held.meet(&rect.into()).and_then(|part| part.clip(self.width, self.height))
            else {
                continue;
            };
            for y in part.y..part.y + part.height {
                let to = y as usize * stride + part.x as usize * 4;
                let left = (part.x as i32 - held.x) as usize;
                let from = (y as i32 - held.y) as usize * picture.stride() + left * 4;
                let row = part.width as usize * 4;
                self.canvas[to..to + row].copy_from_slice(&picture.pixels()[from..from + row]);
            }
        }
    }

    /// Leaves the windows as they were.
    pub(super) fn close(&mut self, server: &Server) {
        for window in self.members.keys().copied().collect::<Vec<_>>() {
            self.drop_member(server, window, true);
        }
        if let Ok(cookie) = server.conn.xfixes_destroy_region(self.region) {
            cookie.ignore_error();
        }
    }
}

/// As long as a monitor's name may be.
fn cut(mut title: String) -> String {
    while title.len() > MAX_NAME {
        title.pop();
    }
    title
}
