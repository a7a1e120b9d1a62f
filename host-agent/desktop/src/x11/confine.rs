//! What input may reach: what is shared, and never a window of ours.
//!
//! Where a click lands is asked and the click made while the server is held for us alone: no window can slip in between. Moves
//! are only asked for: they press nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nearhand_protocol::input::{Button, KeyCode};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt as _, InputFocus, Window};

use super::displays::Monitors;
use super::family::Families;
use super::grab::Grab;
use super::place::Place;
use super::props::{Atoms, gone, tops};
use super::stack::Stack;
use super::windows::activate;
use super::{Server, reply_error};
use crate::{Error, Held, OwnWindows, Scope};

/// Deepest nesting of windows that is followed.
const MAX_DEPTH: usize = 32;
/// A family that was asked for so short a time ago is not asked for again because of a window that is not in it.
const FRESH: Duration = Duration::from_millis(20);
/// After this it is asked for in any case.
const OLD: Duration = Duration::from_secs(1);

/// What may be reached.
#[derive(Debug)]
pub(super) struct Confine {
    atoms: Atoms,
    monitors: Monitors,
    own: OwnWindows,
    bounds: Bounds,
    /// Where the pointer was put last.
    at: (i16, i16),
    /// Buttons that are down, and the place that they keep the pointer in.
    held: BTreeSet<Button>,
    leash: Option<Place>,
}

#[derive(Debug)]
enum Bounds {
    Everywhere,
    /// `None`: it is gone.
    Monitor {
        id: u8,
        place: Option<Place>,
        asked: Instant,
    },
    Family {
        window: Window,
        application: bool,
        members: BTreeSet<Window>,
        asked: Option<Instant>,
    },
}

impl Confine {
    pub(super) fn new(server: &Server, monitors: Monitors) -> Result<Self, Error> {
        Ok(Self {
            atoms: Atoms::of(server)?,
            monitors,
            own: OwnWindows::new(),
            bounds: Bounds::Everywhere,
            at: (0, 0),
            held: BTreeSet::new(),
            leash: None,
        })
    }

    pub(super) fn keep_off(&mut self, own: OwnWindows) {
        self.own = own;
    }

    pub(super) fn aim(&mut self, server: &Server, scope: &Scope) -> Result<(), Error> {
        self.bounds = match scope {
            Scope::Everything => Bounds::Everywhere,
            Scope::Monitor(id) => {
                let place = self.monitor(server, *id)?;
                place.ok_or(Error::Scope("the monitor is not there any more"))?;
                Bounds::Monitor { id: *id, place, asked: Instant::now() }
            }
            Scope::Window(id) | Scope::Application(id) => {
                let gone = Error::Scope("the window is not there any more");
                let window = Window::try_from(id.0).map_err(|_| gone)?;
                let application = matches!(scope, Scope::Application(_));
                Bounds::Family { window, application, members: BTreeSet::new(), asked: None }
            }
        };
        Ok(())
    }

    /// Where the monitor with this number is.
    fn monitor(&self, server: &Server, id: u8) -> Result<Option<Place>, Error> {
        let layout = self.monitors.layout(server)?;
        let monitor = layout.monitors.iter().find(|monitor| monitor.id == id);
        Ok(monitor.map(|monitor| {
            let (x, y) = (i32::from(monitor.x), i32::from(monitor.y));
            Place::new(x, y, monitor.width.into(), monitor.height.into())
        }))
    }

    /// Whether nothing is to be asked: the technician may reach everything, and nothing is ours.
    fn is_open(&self) -> bool {
        matches!(self.bounds, Bounds::Everywhere) && self.own.all().is_empty()
    }

    /// Where the pointer may go instead of there. While a button is down it stays with what was pressed, so that the release
    /// is never lost; else a place out of bounds is an error.
    pub(super) fn steer(&mut self, server: &Server, x: i16, y: i16) -> Result<(i16, i16), Error> {
        if self.is_open() {
            self.at = (x, y);
            return Ok(self.at);
        }
        let reached = match (self.reach(server, x, y), self.leash) {
            (Err(Error::Outside | Error::Ours), Some(leash)) if !self.held.is_empty() => {
                let (x, y) = within(leash, x, y);
                self.reach(server, x, y).map_or(self.at, |()| (x, y))
            }
            (reached, _) => reached.map(|()| (x, y))?,
        };
        self.at = reached;
        Ok(reached)
    }

    /// Calls `press` with the pointer's place if a button or the wheel may be pressed there. Nothing can come in between.
    pub(super) fn click(
        &mut self,
        server: &Server,
        press: impl Fn(Option<(i16, i16)>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.is_open() {
            return press(None);
        }
        let (x, y) = self.at;
        // Before the server is held: this may take a while.
        self.refresh(server, OLD)?;
        let reached = {
            let _grab = Grab::on(server)?;
            let reached = self.allowed(server, x, y);
            if reached.is_ok() {
                press(Some((x, y)))?;
            }
            reached
        };
        match reached {
            Err(Error::Outside) if self.refresh(server, FRESH)? => {
                let _grab = Grab::on(server)?;
                self.allowed(server, x, y)?;
                press(Some((x, y)))
            }
            reached => reached,
        }
        .inspect_err(|error| {
            if matches!(error, Error::Outside) {
                self.uncover(server, x, y);
            }
        })
    }

    /// A button went down or up where the pointer is.
    pub(super) fn pressed(&mut self, server: &Server, button: Button, pressed: bool) -> Result<(), Error> {
        if !pressed {
            self.held.remove(&button);
        } else if !self.is_open() {
            self.held.insert(button);
            self.leash = self.place_at(server)?;
        }
        Ok(())
    }

    /// Calls `press` if keys reach what they may reach. Nothing can come in between. Else the window that is shared is brought
    /// to the front, for the next time.
    pub(super) fn keys(
        &mut self,
        server: &Server,
        press: impl Fn() -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.is_open() {
            return press();
        }
        self.refresh(server, OLD)?;
        let listens = {
            let _grab = Grab::on(server)?;
            let listens = self.listens(server);
            if listens.is_ok() {
                press()?;
            }
            listens
        };
        match listens {
            Err(Error::Outside) if self.refresh(server, FRESH)? => {
                let _grab = Grab::on(server)?;
                self.listens(server)?;
                press()
            }
            listens => listens,
        }
        .inspect_err(|error| {
            if let (Error::Outside, Bounds::Family { window, .. }) = (error, &self.bounds) {
                let _ = activate(server, &self.atoms, *window);
                let _ = server.conn.flush();
            }
        })
    }

    /// Whether the combination stays with the window that has the focus. A desktop or window manager would hear the others.
    pub(super) fn stays(&self, code: KeyCode, held: &Held) -> bool {
        use KeyCode as K;
        if !matches!(self.bounds, Bounds::Family { .. }) {
            return true;
        }
        let switches = matches!(
            code,
            K::Tab
                | K::Escape
                | K::Space
                | K::F1
                | K::F2
                | K::F3
                | K::F5
                | K::F6
                | K::F7
                | K::F8
                | K::F9
                | K::F10
                | K::F11
                | K::F12
        );
        let control = held.any(&[K::ControlLeft, K::ControlRight]);
        // The right one makes characters, with Control where the technician's system says so.
        let alt = held.any(&[K::AltLeft]);
        let both = (control || matches!(code, K::ControlLeft | K::ControlRight))
            && (alt || code == K::AltLeft)
            && (control || alt);
        let meta = held.any(&[K::MetaLeft, K::MetaRight])
            || matches!(code, K::MetaLeft | K::MetaRight | K::PrintScreen);
        !(meta || both || alt && switches || control && code == K::Escape)
    }

    /// As `allowed`, and asks who belongs to the window again before it says no.
    fn reach(&mut self, server: &Server, x: i16, y: i16) -> Result<(), Error> {
        self.refresh(server, OLD)?;
        match self.allowed(server, x, y) {
            Err(Error::Outside) if self.refresh(server, FRESH)? => self.allowed(server, x, y),
            allowed => allowed,
        }
    }

    /// Whether what is at the place may be reached, as things are.
    fn allowed(&self, server: &Server, x: i16, y: i16) -> Result<(), Error> {
        if let Bounds::Monitor { place, .. } = &self.bounds
            && !place.is_some_and(|place| place.contains(x.into(), y.into()))
        {
            return Err(Error::Outside);
        }
        let chain = chain_at(server, x, y)?;
        self.check(server, &chain, chain.first().copied())
    }

    /// Whether what has the keys may be reached, as things are.
    fn listens(&self, server: &Server) -> Result<(), Error> {
        let focus = server.conn.get_input_focus()?.reply().map_err(reply_error("tell the focus"))?.focus;
        let chain = if focus == u32::from(u8::from(InputFocus::POINTER_ROOT)) {
            let pointer = server.conn.query_pointer(server.root())?.reply();
            let pointer = pointer.map_err(reply_error("tell where the pointer is"))?;
            chain_at(server, pointer.root_x, pointer.root_y)?
        } else if focus == u32::from(u8::from(InputFocus::NONE)) || focus == server.root() {
            Vec::new()
        } else {
            chain_of(server, focus)?
        };
        if let Bounds::Monitor { place: monitor, .. } = &self.bounds {
            // Nobody types into what they don't see.
            let place = chain.last().map_or(Ok(None), |window| place_of(server, *window))?;
            if place.zip(*monitor).is_none_or(|(place, monitor)| place.meet(&monitor).is_none()) {
                return Err(Error::Outside);
            }
        }
        self.check(server, &chain, chain.first().copied())
    }

    /// Whether windows that lie in each other may be reached: the child of the root is `top`.
    fn check(&self, server: &Server, chain: &[Window], top: Option<Window>) -> Result<(), Error> {
        let own: Vec<Window> =
            self.own.all().into_iter().filter_map(|(window, _)| Window::try_from(window.0).ok()).collect();
        // With the frame that a window manager puts around it: its buttons close and minimise.
        let own_tops = tops(server, &own)?;
        if chain.iter().any(|window| own.contains(window)) || top.is_some() && own_tops.contains(&top) {
            return Err(Error::Ours);
        }
        match &self.bounds {
            Bounds::Family { members, .. } if !chain.iter().any(|window| members.contains(window)) => {
                Err(Error::Outside)
            }
            _ => Ok(()),
        }
    }

    /// Asks who belongs to the window, or where the monitor is, if the last answer is as old as this; true: there is a new
    /// answer.
    fn refresh(&mut self, server: &Server, age: Duration) -> Result<bool, Error> {
        if let Bounds::Monitor { id, asked, .. } = self.bounds {
            if asked.elapsed() < age {
                return Ok(false);
            }
            let place = self.monitor(server, id)?;
            self.bounds = Bounds::Monitor { id, place, asked: Instant::now() };
            return Ok(true);
        }
        let Bounds::Family { window, application, members, asked } = &mut self.bounds else {
            return Ok(false);
        };
        if asked.is_some_and(|asked| asked.elapsed() < age) {
            return Ok(false);
        }
        let stack = Stack::read(server)?;
        let families = Families::read(server, &self.atoms, &stack)?;
        if *application && families.get(*window).is_none() {
            // The program goes on with another of its windows.
            *window =
                members.iter().copied().find(|member| families.get(*member).is_some()).unwrap_or(*window);
        }
        *members = if *application { families.of_application(*window) } else { families.of_window(*window) };
        *asked = Some(Instant::now());
        Ok(true)
    }

    /// The place of the shared window under the pointer.
    fn place_at(&self, server: &Server) -> Result<Option<Place>, Error> {
        let (x, y) = self.at;
        match &self.bounds {
            Bounds::Monitor { place, .. } => Ok(*place),
            Bounds::Everywhere => Ok(Some(Place::new(0, 0, u32::from(u16::MAX), u32::from(u16::MAX)))),
            Bounds::Family { members, .. } => {
                let member = chain_at(server, x, y)?.into_iter().find(|window| members.contains(window));
                member.map_or(Ok(None), |member| place_of(server, member))
            }
        }
    }

    /// Brings the member that another window covers here to the front.
    pub(super) fn uncover(&self, server: &Server, x: i16, y: i16) {
        let Bounds::Family { members, .. } = &self.bounds else { return };
        let covered = members.iter().find(|member| {
            place_of(server, **member)
                .is_ok_and(|place| place.is_some_and(|place| place.contains(x.into(), y.into())))
        });
        if let Some(member) = covered {
            let _ = activate(server, &self.atoms, *member);
            let _ = server.conn.flush();
        }
    }
}

/// The windows at a place of the root, from its child down to the innermost.
fn chain_at(server: &Server, x: i16, y: i16) -> Result<Vec<Window>, Error> {
    let root = server.root();
    let mut chain = Vec::new();
    let mut at = root;
    while chain.len() < MAX_DEPTH {
        let told =
            gone(server.conn.translate_coordinates(root, at, x, y)?.reply(), "tell what is at a place")?;
        let Some(child) = told.map(|told| told.child).filter(|child| *child != x11rb::NONE) else { break };
        chain.push(child);
        at = child;
    }
    Ok(chain)
}

/// The window and what it lies in, the child of the root first.
fn chain_of(server: &Server, window: Window) -> Result<Vec<Window>, Error> {
    let mut chain = vec![window];
    while chain.len() < MAX_DEPTH {
        let tree = server.conn.query_tree(chain[chain.len() - 1])?;
        let tree = gone(tree.reply(), "tell what is around a window")?;
        let Some(parent) = tree.map(|tree| tree.parent).filter(|parent| *parent != x11rb::NONE) else {
            break;
        };
        if parent == server.root() {
            break;
        }
        chain.push(parent);
    }
    chain.reverse();
    Ok(chain)
}

fn place_of(server: &Server, window: Window) -> Result<Option<Place>, Error> {
    let geometry = server.conn.get_geometry(window)?;
    let corner = server.conn.translate_coordinates(window, server.root(), 0, 0)?;
    let geometry = gone(geometry.reply(), "describe a window")?;
    let corner = gone(corner.reply(), "tell where a window is")?;
    Ok(geometry
        .zip(corner)
        .map(|(geometry, corner)| Place::of(corner.dst_x, corner.dst_y, geometry.width, geometry.height, 0)))
}

/// The point of the place that is nearest.
fn within(place: Place, x: i16, y: i16) -> (i16, i16) {
    let near = |at: i16, from: i32, size: u32| {
        i32::from(at).clamp(from, from + (size as i32 - 1).max(0)).clamp(0, i16::MAX.into()) as i16
    };
    (near(x, place.x, place.width), near(y, place.y, place.height))
}
