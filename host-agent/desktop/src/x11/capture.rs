//! Capture: XDAMAGE says what to read, and nothing runs while nothing changes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nearhand_protocol::cursor::CursorShape;
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::ViewGrant;
use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _, NotifyMask};
use x11rb::protocol::xfixes::{self, ConnectionExt as _, CursorNotifyMask};
use x11rb::protocol::xinput::{self, ConnectionExt as _, XIEventMask};
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask, Window};

use super::aimed::Aimed;
use super::displays::Monitors;
use super::pixels::Format;
use super::screen::Screen;
use super::shared::{narrow, part, shared, size};
use super::wake::Wake;
use super::{Server, cursor, reply_error};
use crate::{Capture, CursorSource, Displays, Error, Event, Frame, Rect, Scope, Waker, WindowId};

/// How often [`Event::Pointer`] is said at most.
const POINTER_INTERVAL: Duration = Duration::from_micros(16_667);

/// `XIAllMasterDevices` of XI2.h: each motion once, whichever device made it.
const ALL_MASTER_DEVICES: u16 = 1;

#[derive(Debug)]
pub(super) struct X11Capture {
    server: Server,
    monitors: Monitors,
    /// The whole screen.
    screen: Layout,
    /// What of it is shared.
    layout: Layout,
    scope: Scope,
    /// Something was said about size or monitors, and they were not looked at again.
    stale: bool,
    format: Format,
    source: Source,
    private: Vec<Window>,
    /// When the first damage was reported that no frame has shown.
    damaged_at: Option<Instant>,
    pending: BTreeSet<Event>,
    /// Damage was said, and nothing has been read since.
    damage_said: bool,
    pointer_said: Option<Instant>,
    wake: Wake,
}

/// Where the pixels come from.
#[derive(Debug)]
enum Source {
    Screen(Box<Screen>),
    /// Some windows, with the damage of the last grab.
    Windows(Box<Aimed>, Vec<Rect>),
}

impl X11Capture {
    pub(super) fn new(server: Server, monitors: Monitors) -> Result<Self, Error> {
        server.require(damage::X11_EXTENSION_NAME)?;
        server.require(xfixes::X11_EXTENSION_NAME)?;
        let format = Format::of(&server)?;
        let conn = &server.conn;
        let root = server.root();
        // XFIXES before XDAMAGE: damage is handed over as XFIXES regions. Version 2 has them.
        conn.xfixes_query_version(5, 0)?.reply().map_err(reply_error("tell its XFIXES version"))?;
        conn.damage_query_version(1, 1)?.reply().map_err(reply_error("tell its DAMAGE version"))?;

        // The size may change from here on: listen first, look second.
        select_structure(&server, EventMask::STRUCTURE_NOTIFY)?;
        if server.has(randr::X11_EXTENSION_NAME)? {
            conn.randr_query_version(1, 5)?.reply().map_err(reply_error("tell its RandR version"))?;
            conn.randr_select_input(
                root,
                NotifyMask::SCREEN_CHANGE | NotifyMask::CRTC_CHANGE | NotifyMask::OUTPUT_CHANGE,
            )?;
        }
        conn.xfixes_select_cursor_input(root, CursorNotifyMask::DISPLAY_CURSOR)?;
        select_motion(&server)?;

        let layout = monitors.layout(&server)?;
        let screen = Screen::new(&server, format, size(&layout), None)?;
        Ok(Self {
            monitors,
            screen: layout.clone(),
            layout,
            scope: Scope::Everything,
            stale: false,
            format,
            source: Source::Screen(Box::new(screen)),
            private: Vec::new(),
            damaged_at: None,
            pending: BTreeSet::new(),
            damage_said: false,
            pointer_said: None,
            wake: Wake::new()?,
            server,
        })
    }

    /// Takes everything that the server has said so far, and does what follows from it.
    fn drain(&mut self) -> Result<(), Error> {
        self.listen()?;
        // One change of the screen is told by several events.
        if self.stale {
            self.refresh_layout()?;
        }
        if let Source::Windows(aimed, _) = &mut self.source {
            let events = aimed.work(&self.server)?;
            let layout = shared(&self.screen, aimed);
            if events.contains(&Event::Resized) {
                self.layout = layout;
            }
            // The window went and came back, and nobody has heard of it.
            if let Some(hidden) = events.iter().find(|event| matches!(event, Event::Hidden(_))) {
                self.pending.retain(|event| !matches!(event, Event::Hidden(_)) || event == hidden);
            }
            let fresh = events.contains(&Event::Damage);
            self.pending.extend(events.into_iter().filter(|event| *event != Event::Damage));
            if fresh {
                self.damaged();
            }
        }
        Ok(())
    }

    /// There is something new to read, which is said once.
    fn damaged(&mut self) {
        self.damaged_at.get_or_insert_with(Instant::now);
        if !std::mem::replace(&mut self.damage_said, true) {
            self.pending.insert(Event::Damage);
        }
    }

    /// Takes note of everything that the server has said so far.
    fn listen(&mut self) -> Result<(), Error> {
        while let Some(event) = self.server.conn.poll_for_event()? {
            let fresh = match &mut self.source {
                Source::Screen(screen) => {
                    screen.hear(&event);
                    matches!(event, XEvent::DamageNotify(_))
                }
                Source::Windows(aimed, _) => aimed.hear(&self.server, &event),
            };
            if fresh {
                self.damaged();
            }
            match event {
                XEvent::XfixesCursorNotify(_) => {
                    self.pending.insert(Event::Cursor);
                }
                XEvent::XinputRawMotion(_) => {
                    self.pending.insert(Event::Pointer);
                }
                XEvent::RandrScreenChangeNotify(_) | XEvent::RandrNotify(_) => self.stale = true,
                XEvent::ConfigureNotify(event) if event.window == self.server.root() => {
                    self.stale = true;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks at the size and the monitors anew.
    fn refresh_layout(&mut self) -> Result<(), Error> {
        let screen = self.monitors.layout(&self.server)?;
        self.stale = false;
        if screen == self.screen {
            return Ok(());
        }
        self.screen = screen;
        let size = size(&self.screen);
        match &mut self.source {
            Source::Screen(picture) => {
                let Some(layout) = narrow(&self.screen, &self.scope) else {
                    // The monitor is gone. Nothing is read any more.
                    picture.change(&self.server, size, Some(Rect::new(0, 0, 0, 0)))?;
                    self.pending.insert(Event::Closed);
                    return Ok(());
                };
                picture.change(&self.server, size, part(&layout, &self.scope))?;
                self.layout = layout;
            }
            Source::Windows(aimed, _) => {
                aimed.resize(size);
                self.layout = shared(&self.screen, aimed);
            }
        }
        self.start_anew();
        Ok(())
    }

    /// The next frame is another picture.
    fn start_anew(&mut self) {
        self.pending.insert(Event::Resized);
        self.damaged();
    }

    /// The next event that is due, and how long until one that is not.
    fn due(&mut self) -> Result<Event, Option<Duration>> {
        let mut held_back = None;
        let event = self.pending.iter().copied().find(|event| {
            if *event != Event::Pointer {
                return true;
            }
            let left = self.pointer_said.and_then(|said| POINTER_INTERVAL.checked_sub(said.elapsed()));
            held_back = left;
            left.is_none()
        });
        if let Source::Windows(aimed, _) = &self.source {
            let left = aimed.due().map(|due| due.saturating_duration_since(Instant::now()));
            held_back = [held_back, left].into_iter().flatten().min();
        }
        let Some(event) = event else { return Err(held_back) };
        self.pending.remove(&event);
        if event == Event::Pointer {
            self.pointer_said = Some(Instant::now());
        }
        Ok(event)
    }

    /// Brings the picture up to date.
    fn read(&mut self) -> Result<(), Error> {
        // Twice at most: the first attempt may find that the screen has just become smaller.
        for _ in 0..2 {
            self.drain()?;
            self.pending.remove(&Event::Damage);
            self.damage_said = false;
            let read = match &mut self.source {
                Source::Screen(screen) => screen.read(&self.server)?,
                Source::Windows(aimed, damaged) => {
                    *damaged = aimed.read(&self.server)?;
                    true
                }
            };
            // What happened until the pixels were read: it decides what is blanked.
            self.listen()?;
            if !read {
                self.stale = true;
                continue;
            }
            if let Source::Screen(screen) = &mut self.source
                && screen.finish(&self.server)?
            {
                self.damaged();
            }
            return Ok(());
        }
        Err(Error::Refused { what: "hand over pixels", reason: "it keeps changing its size".into() })
    }
}

/// The root and all windows on it.
fn structure() -> EventMask {
    EventMask::STRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_NOTIFY
}

/// What is to be told about the root and the windows on it.
fn select_structure(server: &Server, mask: EventMask) -> Result<(), Error> {
    let attributes = ChangeWindowAttributesAux::new().event_mask(mask);
    server.conn.change_window_attributes(server.root(), &attributes)?;
    Ok(())
}

/// Raw motion of whatever moves the pointer, where the server has XInput 2; else nobody tells, and the technician sees
/// the cursor only where they put it. Version 2.2 is asked for: to clients that know less, a server says nothing while
/// somebody holds a grab, a menu for example.
fn select_motion(server: &Server) -> Result<(), Error> {
    if !server.has(xinput::X11_EXTENSION_NAME)? {
        return Ok(());
    }
    let conn = &server.conn;
    if conn.xinput_xi_query_version(2, 2)?.reply().is_err() {
        return Ok(());
    }
    let mask = xinput::EventMask { deviceid: ALL_MASTER_DEVICES, mask: vec![XIEventMask::RAW_MOTION] };
    conn.xinput_xi_select_events(server.root(), &[mask])?;
    Ok(())
}

impl Displays for X11Capture {
    fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl CursorSource for X11Capture {
    fn cursor(&mut self, grant: &ViewGrant) -> Result<Option<CursorShape>, Error> {
        grant.check()?;
        if let Source::Windows(aimed, _) = &self.source {
            // Over another window it may look like what that one shows.
            let pointer = self.server.conn.query_pointer(self.server.root())?.reply();
            let pointer = pointer.map_err(reply_error("tell where the pointer is"))?;
            if !aimed.is_top(pointer.child) {
                return Ok(None);
            }
        }
        let image = self.server.conn.xfixes_get_cursor_image()?.reply();
        match image {
            Ok(image) => Ok(cursor::shape(&image)),
            // A server without any cursor answers with an error: nothing is shown.
            Err(x11rb::errors::ReplyError::X11Error(_)) => Ok(None),
            Err(error) => Err(reply_error("show its cursor")(error)),
        }
    }

    fn pointer(&mut self, grant: &ViewGrant) -> Result<(u16, u16), Error> {
        grant.check()?;
        let pointer = self
            .server
            .conn
            .query_pointer(self.server.root())?
            .reply()
            .map_err(reply_error("tell where the pointer is"))?;
        Ok((pointer.root_x.max(0) as u16, pointer.root_y.max(0) as u16))
    }
}

impl Capture for X11Capture {
    fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Event>, Error> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            self.server.conn.flush()?;
            self.drain()?;
            let held_back = match self.due() {
                Ok(event) => return Ok(Some(event)),
                Err(held_back) => held_back,
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let nap = [left, held_back].into_iter().flatten().min();
            if self.wake.sleep(&self.server, nap)? {
                return Ok(None);
            }
        }
    }

    fn grab(&mut self, grant: &ViewGrant) -> Result<Frame<'_>, Error> {
        grant.check()?;
        self.read()?;
        let captured_at = Instant::now();
        let (width, height) = size(&self.screen);
        let (pixels, damage) = match &self.source {
            Source::Screen(screen) => (screen.picture().pixels(), screen.damaged()),
            Source::Windows(aimed, damaged) => (aimed.pixels(), &damaged[..]),
        };
        Ok(Frame {
            width,
            height,
            stride: width as usize * 4,
            pixels,
            damage,
            damaged_at: self.damaged_at.take().unwrap_or(captured_at),
            captured_at,
        })
    }

    fn aim(&mut self, scope: &Scope) -> Result<(), Error> {
        self.drain()?;
        let size = size(&self.screen);
        let (source, layout) = match scope {
            Scope::Everything | Scope::Monitor(_) => {
                let missing = Error::Scope("the monitor is not there any more");
                let layout = narrow(&self.screen, scope).ok_or(missing)?;
                let mut screen = Screen::new(&self.server, self.format, size, part(&layout, scope))?;
                if !self.private.is_empty() {
                    select_structure(&self.server, structure())?;
                    screen.hide(&self.server, &self.private)?;
                }
                (Source::Screen(Box::new(screen)), layout)
            }
            Scope::Window(window) | Scope::Application(window) => {
                let gone = Error::Scope("the window is not there any more");
                let window = Window::try_from(window.0).map_err(|_| gone)?;
                select_structure(&self.server, structure() | EventMask::PROPERTY_CHANGE)?;
                let application = matches!(scope, Scope::Application(_));
                let aimed = Aimed::new(&self.server, window, application, size)?;
                let layout = shared(&self.screen, &aimed);
                (Source::Windows(Box::new(aimed), Vec::new()), layout)
            }
        };
        match std::mem::replace(&mut self.source, source) {
            Source::Screen(mut screen) => screen.close(&self.server),
            Source::Windows(mut aimed, _) => aimed.close(&self.server),
        }
        (self.scope, self.layout) = (*scope, layout);
        self.pending.retain(|event| !matches!(event, Event::Closed | Event::Hidden(_)));
        self.damage_said = false;
        self.start_anew();
        Ok(())
    }

    fn hide(&mut self, windows: &[WindowId]) -> Result<(), Error> {
        self.private = windows.iter().filter_map(|window| Window::try_from(window.0).ok()).collect();
        if let Source::Screen(screen) = &mut self.source {
            // Windows move from here on: listen first, look second.
            select_structure(&self.server, structure())?;
            screen.hide(&self.server, &self.private)?;
            self.damaged();
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.wake.waker()
    }
}
