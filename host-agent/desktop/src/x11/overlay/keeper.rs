//! The thread's work: what is above, and raising ours again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::composite::{self, ConnectionExt as _};
use x11rb::protocol::shape::SK;
use x11rb::protocol::xfixes::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask,
    PropMode, StackMode, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::Hears;
use super::patience::Patience;
use super::strips::strips;
use crate::overlay::{Above, Framed};
use crate::x11::place::Place;
use crate::x11::props::{ask, gone};
use crate::x11::stack::Stack;
use crate::x11::{Server, reply_error};
use crate::{Error, OwnRole, OwnWindows, WindowId};

/// Programs that lock the screen, by their class: nothing is put above them.
const LOCKERS: [&[u8]; 8] = [
    b"gnome-screensaver",
    b"i3lock",
    b"kscreenlocker_greet",
    b"light-locker",
    b"mate-screensaver",
    b"slock",
    b"xscreensaver",
    b"xsecurelock",
];

x11rb::atom_manager! {
    /// What tells task bars and compositors of our windows.
    Hints: HintsCookie {
        BYPASS_COMPOSITOR: &b"_NET_WM_BYPASS_COMPOSITOR"[..],
        STATE: b"_NET_WM_STATE",
        STATE_ABOVE: b"_NET_WM_STATE_ABOVE",
        STATE_SKIP_PAGER: b"_NET_WM_STATE_SKIP_PAGER",
        STATE_SKIP_TASKBAR: b"_NET_WM_STATE_SKIP_TASKBAR",
        STATE_STICKY: b"_NET_WM_STATE_STICKY",
        WINDOW_TYPE: b"_NET_WM_WINDOW_TYPE",
        WINDOW_TYPE_DOCK: b"_NET_WM_WINDOW_TYPE_DOCK",
    }
}

/// What a window of somebody else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It hides nothing: it is for input alone, or what a compositing manager paints into.
    Unseen,
    Plain,
    /// It locks the screen.
    Locker,
}

pub(super) struct Keeper {
    server: Server,
    hints: Hints,
    own: OwnWindows,
    /// Adopted windows that are to be above others, with their roles.
    kept: Vec<(Window, OwnRole)>,
    /// Adopted windows that need not be.
    others: Vec<(Window, OwnRole)>,
    /// The sides of the frames: where each is, and its colour.
    sides: Vec<(Window, Place, [u8; 3])>,
    /// What is on the screen; `None` while nothing is to be above it.
    stack: Option<Stack>,
    /// What windows of others are, as far as they were asked.
    others_are: HashMap<Window, Kind>,
    patience: Patience,
    covered: bool,
    hears: Option<Hears>,
}

impl Keeper {
    pub(super) fn new(server: Server, own: OwnWindows) -> Result<Self, Error> {
        server.require(xfixes::X11_EXTENSION_NAME)?;
        let version = server.conn.xfixes_query_version(5, 0)?.reply();
        version.map_err(reply_error("tell its XFIXES version"))?;
        let hints = Hints::new(&server.conn)?.reply().map_err(reply_error("name atoms"))?;
        Ok(Self {
            server,
            hints,
            own,
            kept: Vec::new(),
            others: Vec::new(),
            sides: Vec::new(),
            stack: None,
            others_are: HashMap::new(),
            patience: Patience::default(),
            covered: false,
            hears: None,
        })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn hears(&mut self, hears: Hears) {
        self.hears = Some(hears);
    }

    pub(super) fn say(&mut self, above: Above) {
        if let Some(hears) = &mut self.hears {
            hears(above);
        }
    }

    /// Shows these frames and no others.
    pub(super) fn frame(&mut self, around: &[Framed]) -> Result<(), Error> {
        let conn = &self.server.conn;
        let screen = conn.get_geometry(self.server.root())?.reply();
        let screen = screen.map_err(reply_error("tell the screen's size"))?;
        let size = (u32::from(screen.width), u32::from(screen.height));
        let wanted: Vec<(Place, [u8; 3])> = around
            .iter()
            .flat_map(|framed| strips(framed, size.0, size.1).into_iter().map(|side| (side, framed.colour)))
            .collect();
        for (window, ..) in self.sides.drain(wanted.len().min(self.sides.len())..) {
            conn.destroy_window(window)?.ignore_error();
        }
        for (index, (place, colour)) in wanted.into_iter().enumerate() {
            let pixel = self.pixel(colour)?;
            if let Some(side) = self.sides.get_mut(index) {
                if (side.1, side.2) == (place, colour) {
                    continue;
                }
                let (window, conn) = (side.0, &self.server.conn);
                let aux = ChangeWindowAttributesAux::new().background_pixel(pixel);
                conn.change_window_attributes(window, &aux)?.ignore_error();
                let aux = ConfigureWindowAux::new().x(place.x).y(place.y);
                let aux = aux.width(place.width).height(place.height);
                conn.configure_window(window, &aux)?.ignore_error();
                conn.clear_area(false, window, 0, 0, 0, 0)?.ignore_error();
                *side = (window, place, colour);
            } else {
                let window = self.side(place, pixel)?;
                self.sides.push((window, place, colour));
            }
        }
        self.watch()
    }

    /// Makes and shows one side of a frame.
    fn side(&self, place: Place, pixel: u32) -> Result<Window, Error> {
        let conn = &self.server.conn;
        let (window, region) = (conn.generate_id()?, conn.generate_id()?);
        let aux = CreateWindowAux::new().background_pixel(pixel).override_redirect(1);
        let (x, y) = (place.x as i16, place.y as i16);
        let (width, height) = (place.width as u16, place.height as u16);
        let (root, kind) = (self.server.root(), WindowClass::INPUT_OUTPUT);
        let made = conn.create_window(0, window, root, x, y, width, height, 0, kind, 0, &aux)?;
        // Clicks go through it.
        conn.xfixes_create_region(region, &[])?.ignore_error();
        conn.xfixes_set_window_shape_region(window, SK::INPUT, 0, 0, region)?.ignore_error();
        conn.xfixes_destroy_region(region)?.ignore_error();
        self.dress(window)?;
        conn.map_window(window)?.ignore_error();
        made.check().map_err(reply_error("show a frame"))?;
        Ok(window)
    }

    fn pixel(&self, [red, green, blue]: [u8; 3]) -> Result<u32, Error> {
        let wide = |part: u8| u16::from(part) * 0x101;
        let colours = self.server.screen().default_colormap;
        let told = self.server.conn.alloc_color(colours, wide(red), wide(green), wide(blue))?.reply();
        Ok(told.map_err(reply_error("mix a colour"))?.pixel)
    }

    /// What task bars, window managers and compositors are to know: they may heed it or not.
    fn dress(&self, window: Window) -> Result<(), Error> {
        let (conn, hints) = (&self.server.conn, &self.hints);
        let states =
            [hints.STATE_ABOVE, hints.STATE_SKIP_PAGER, hints.STATE_SKIP_TASKBAR, hints.STATE_STICKY];
        let dock = [hints.WINDOW_TYPE_DOCK];
        // 2: this window is no reason to stop compositing.
        for (property, kind, values) in [
            (hints.STATE, AtomEnum::ATOM, &states[..]),
            (hints.WINDOW_TYPE, AtomEnum::ATOM, &dock),
            (hints.BYPASS_COMPOSITOR, AtomEnum::CARDINAL, &[2]),
        ] {
            conn.change_property32(PropMode::REPLACE, window, property, kind, values)?.ignore_error();
        }
        Ok(())
    }

    pub(super) fn adopt(&mut self, window: WindowId, role: OwnRole) -> Result<(), Error> {
        let Ok(window) = Window::try_from(window.0) else { return Ok(()) };
        self.release(window);
        let conn = &self.server.conn;
        // Its end is told from here on.
        let aux = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        let aux = if role == OwnRole::Main { aux } else { aux.override_redirect(1) };
        let heard = conn.change_window_attributes(window, &aux)?;
        if role == OwnRole::Main {
            self.others.push((window, role));
        } else {
            self.dress(window)?;
            self.kept.push((window, role));
            // Notes lie above the bar.
            self.kept.sort_by_key(|(_, role)| *role == OwnRole::Note);
        }
        if heard.check().is_err() {
            self.release(window);
            return Err(Error::Refused { what: "keep a window above others", reason: "it is gone".into() });
        }
        self.watch()
    }

    pub(super) fn forget(&mut self, window: WindowId) -> Result<(), Error> {
        let Ok(window) = Window::try_from(window.0) else { return Ok(()) };
        self.release(window);
        self.watch()
    }

    fn release(&mut self, window: Window) -> Option<OwnRole> {
        let all = self.kept.iter().chain(&self.others);
        let role = all.filter(|(other, _)| *other == window).map(|(_, role)| *role).next();
        for windows in [&mut self.kept, &mut self.others] {
            windows.retain(|(other, _)| *other != window);
        }
        role
    }

    /// Hears what happens on the screen while there is something to keep above it.
    fn watch(&mut self) -> Result<(), Error> {
        let needed = !self.sides.is_empty() || !self.kept.is_empty();
        if needed == self.stack.is_some() {
            return Ok(());
        }
        let mask = if needed { EventMask::SUBSTRUCTURE_NOTIFY } else { EventMask::NO_EVENT };
        let aux = ChangeWindowAttributesAux::new().event_mask(mask);
        self.server.conn.change_window_attributes(self.server.root(), &aux)?;
        self.others_are.clear();
        // Listen first, look second.
        self.stack = if needed { Some(Stack::read(&self.server)?) } else { None };
        Ok(())
    }

    /// Takes note of what the server said; true: there was something.
    pub(super) fn hear(&mut self) -> Result<bool, Error> {
        let mut heard = false;
        self.server.conn.flush()?;
        while let Some(event) = self.server.conn.poll_for_event()? {
            heard = true;
            if let Some(stack) = &mut self.stack {
                stack.hear(&event);
            }
            if let XEvent::DestroyNotify(event) = event {
                self.others_are.remove(&event.window);
                if let Some(role) = self.release(event.window) {
                    let window = WindowId(event.window.into());
                    self.own.forget(window);
                    self.say(Above::Gone(window, role));
                    self.watch()?;
                }
            }
        }
        Ok(heard)
    }

    /// Raises ours if somebody else's is above; says when to look again if nothing happens.
    pub(super) fn keep(&mut self) -> Result<Option<Duration>, Error> {
        let now = Instant::now();
        if let Some(stack) = &mut self.stack {
            stack.mend(&self.server)?;
        }
        let due = if self.is_covered()? {
            match self.patience.ask(now) {
                Ok(()) => {
                    self.raise()?;
                    None
                }
                Err(due) => Some(due),
            }
        } else {
            None
        };
        self.patience.look(now);
        let hopeless = self.patience.is_hopeless();
        if std::mem::replace(&mut self.covered, hopeless) != hopeless {
            self.say(Above::Covered(hopeless));
        }
        let due = due.or_else(|| self.patience.over());
        Ok(due.map(|due| due.saturating_duration_since(now)))
    }

    /// Whether a window of somebody else lies above one of ours, where both are.
    fn is_covered(&mut self) -> Result<bool, Error> {
        let Some(stack) = &self.stack else { return Ok(false) };
        let ours = |window: Window| {
            self.sides.iter().any(|(side, ..)| *side == window)
                || self.kept.iter().any(|(kept, _)| *kept == window)
        };
        let mut below: Vec<Place> = Vec::new();
        let mut above: Vec<Window> = Vec::new();
        for (window, top) in stack.mapped() {
            if ours(window) {
                below.push(top.place);
            } else if below.iter().any(|place| place.meet(&top.place).is_some()) {
                above.push(window);
            }
        }
        let mut covered = false;
        for window in above {
            let kind = match self.others_are.get(&window) {
                Some(kind) => *kind,
                None => kind(&self.server, window)?,
            };
            self.others_are.insert(window, kind);
            match kind {
                // Whatever else there is: nothing of ours comes above it.
                Kind::Locker => return Ok(false),
                Kind::Plain => covered = true,
                Kind::Unseen => {}
            }
        }
        Ok(covered)
    }

    /// Frames first, then the bar, then notes.
    fn raise(&self) -> Result<(), Error> {
        let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
        let sides = self.sides.iter().map(|(side, ..)| *side);
        for window in sides.chain(self.kept.iter().map(|(window, _)| *window)) {
            self.server.conn.configure_window(window, &above)?.ignore_error();
        }
        // What follows from it is heard with the answer.
        self.server.conn.sync().map_err(reply_error("raise windows"))
    }
}

fn kind(server: &Server, window: Window) -> Result<Kind, Error> {
    let attributes = gone(server.conn.get_window_attributes(window)?.reply(), "describe a window")?;
    let class = ask(server, window, AtomEnum::WM_CLASS, 64)?.bytes()?;
    let locks = class.split(|byte| *byte == 0).any(|name| {
        let name = name.to_ascii_lowercase();
        LOCKERS.contains(&&name[..])
    });
    let seen = attributes.is_some_and(|told| told.class == WindowClass::INPUT_OUTPUT);
    if !seen || composite_overlay(server)? == Some(window) {
        return Ok(Kind::Unseen);
    }
    Ok(if locks { Kind::Locker } else { Kind::Plain })
}

/// The window that a compositing manager paints the whole screen into, where there is one: all others are below it.
fn composite_overlay(server: &Server) -> Result<Option<Window>, Error> {
    let manager = format!("_NET_WM_CM_S{}", server.screen);
    let manager = server.conn.intern_atom(false, manager.as_bytes())?.reply();
    let manager = manager.map_err(reply_error("name an atom"))?.atom;
    let owner = server.conn.get_selection_owner(manager)?.reply();
    let owner = owner.map_err(reply_error("tell of a compositing manager"))?.owner;
    if owner == x11rb::NONE || !server.has(composite::X11_EXTENSION_NAME)? {
        return Ok(None);
    }
    let version = server.conn.composite_query_version(0, 4)?.reply();
    if version.is_err() {
        return Ok(None);
    }
    let root = server.root();
    let told = gone(server.conn.composite_get_overlay_window(root)?.reply(), "tell of its overlay")?;
    if told.is_some() {
        server.conn.composite_release_overlay_window(root)?.ignore_error();
    }
    Ok(told.map(|told| told.overlay_win))
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("kept", &self.kept).field("sides", &self.sides).finish_non_exhaustive()
    }
}
