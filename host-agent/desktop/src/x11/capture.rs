//! Capture: XDAMAGE says what to read, and nothing runs while nothing changes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nearhand_protocol::cursor::CursorShape;
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::ViewGrant;
use x11rb::connection::Connection;
use x11rb::protocol::Event as XEvent;
use x11rb::protocol::damage::{self, ConnectionExt as _, Damage, ReportLevel};
use x11rb::protocol::randr::{self, ConnectionExt as _, NotifyMask};
use x11rb::protocol::xfixes::{self, ConnectionExt as _, CursorNotifyMask, Region};
use x11rb::protocol::xinput::{self, ConnectionExt as _, XIEventMask};
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask};

use super::displays::Monitors;
use super::pixels::{Format, Picture};
use super::wake::Wake;
use super::{Server, cursor, reply_error};
use crate::{Capture, CursorSource, Displays, Error, Event, Frame, Rect, Waker, merge};

/// How often [`Event::Pointer`] is said at most.
const POINTER_INTERVAL: Duration = Duration::from_micros(16_667);

/// `XIAllMasterDevices` of XI2.h: each motion once, whichever device made it.
const ALL_MASTER_DEVICES: u16 = 1;

#[derive(Debug)]
pub(super) struct X11Capture {
    server: Server,
    monitors: Monitors,
    layout: Layout,
    /// Something was said about size or monitors, and they were not looked at again.
    stale: bool,
    format: Format,
    picture: Picture,
    damage: Damage,
    region: Region,
    /// What the last frame lends out.
    damaged: Vec<Rect>,
    /// The next grab reads everything: nothing was read yet, or the screen has another size.
    all: bool,
    /// When the first damage was reported that no frame has shown.
    damaged_at: Option<Instant>,
    pending: BTreeSet<Event>,
    pointer_said: Option<Instant>,
    wake: Wake,
}

impl X11Capture {
    pub(super) fn new(server: Server) -> Result<Self, Error> {
        server.require(damage::X11_EXTENSION_NAME)?;
        server.require(xfixes::X11_EXTENSION_NAME)?;
        let format = Format::of(&server)?;
        let conn = &server.conn;
        let root = server.root();
        // XFIXES before XDAMAGE: damage is handed over as XFIXES regions. Version 2 has them.
        conn.xfixes_query_version(5, 0)?.reply().map_err(reply_error("tell its XFIXES version"))?;
        conn.damage_query_version(1, 1)?.reply().map_err(reply_error("tell its DAMAGE version"))?;

        // The size may change from here on: listen first, look second.
        let structure = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        conn.change_window_attributes(root, &structure)?;
        if server.has(randr::X11_EXTENSION_NAME)? {
            conn.randr_query_version(1, 5)?.reply().map_err(reply_error("tell its RandR version"))?;
            conn.randr_select_input(
                root,
                NotifyMask::SCREEN_CHANGE | NotifyMask::CRTC_CHANGE | NotifyMask::OUTPUT_CHANGE,
            )?;
        }
        conn.xfixes_select_cursor_input(root, CursorNotifyMask::DISPLAY_CURSOR)?;
        select_motion(&server)?;

        let mut monitors = Monitors::default();
        let layout = monitors.layout(&server)?;
        let picture = Picture::new(&server, format, layout.width.into(), layout.height.into())?;
        let (damage, region) = (conn.generate_id()?, conn.generate_id()?);
        conn.xfixes_create_region(region, &[])?;
        let created = conn.damage_create(damage, root, ReportLevel::NON_EMPTY)?;
        created.check().map_err(reply_error("report damage"))?;
        Ok(Self {
            monitors,
            layout,
            stale: false,
            format,
            picture,
            damage,
            region,
            damaged: Vec::new(),
            all: true,
            damaged_at: None,
            pending: BTreeSet::new(),
            pointer_said: None,
            wake: Wake::new()?,
            server,
        })
    }

    /// Takes everything that the server has said so far.
    fn drain(&mut self) -> Result<(), Error> {
        while let Some(event) = self.server.conn.poll_for_event()? {
            match event {
                XEvent::DamageNotify(_) => {
                    self.damaged_at.get_or_insert_with(Instant::now);
                    self.pending.insert(Event::Damage);
                }
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
        // One change of the screen is told by several events.
        if self.stale { self.refresh_layout() } else { Ok(()) }
    }

    /// Looks at the size and the monitors anew.
    fn refresh_layout(&mut self) -> Result<(), Error> {
        let layout = self.monitors.layout(&self.server)?;
        self.stale = false;
        if layout == self.layout {
            return Ok(());
        }
        let (width, height) = (u32::from(layout.width), u32::from(layout.height));
        if (width, height) != (self.picture.width(), self.picture.height()) {
            self.picture.close(&self.server.conn);
            self.picture = Picture::new(&self.server, self.format, width, height)?;
        }
        self.layout = layout;
        self.all = true;
        self.damaged_at.get_or_insert_with(Instant::now);
        self.pending.insert(Event::Resized);
        self.pending.insert(Event::Damage);
        Ok(())
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
        let Some(event) = event else { return Err(held_back) };
        self.pending.remove(&event);
        if event == Event::Pointer {
            self.pointer_said = Some(Instant::now());
        }
        Ok(event)
    }

    /// Takes the damage away from the server, which from here on reports anew.
    fn take_damage(&mut self) -> Result<Vec<Rect>, Error> {
        let conn = &self.server.conn;
        conn.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let region =
            conn.xfixes_fetch_region(self.region)?.reply().map_err(reply_error("tell what was damaged"))?;
        let (width, height) = (self.picture.width(), self.picture.height());
        if self.all {
            return Ok(vec![Rect::new(0, 0, width, height)]);
        }
        let rects = region.rectangles.iter().map(|rect| {
            // Windows hang over the left and top edges.
            let (left, top) = (i32::from(rect.x).max(0), i32::from(rect.y).max(0));
            let right = (i32::from(rect.x) + i32::from(rect.width)).max(left);
            let bottom = (i32::from(rect.y) + i32::from(rect.height)).max(top);
            Rect::new(left as u32, top as u32, (right - left) as u32, (bottom - top) as u32)
        });
        Ok(merge(rects, width, height))
    }
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
        // Twice at most: the first attempt may find that the screen has just become smaller.
        for last in [false, true] {
            self.drain()?;
            let damaged = self.take_damage()?;
            self.pending.remove(&Event::Damage);
            if self.picture.read(&self.server, &damaged)? {
                self.damaged = damaged;
                self.all = false;
                break;
            }
            self.all = true;
            self.refresh_layout()?;
            if last {
                return Err(Error::Refused {
                    what: "hand over pixels",
                    reason: "it keeps changing its size".into(),
                });
            }
        }
        let captured_at = Instant::now();
        Ok(Frame {
            width: self.picture.width(),
            height: self.picture.height(),
            stride: self.picture.stride(),
            pixels: self.picture.pixels(),
            damage: &self.damaged,
            damaged_at: self.damaged_at.take().unwrap_or(captured_at),
            captured_at,
        })
    }

    fn waker(&self) -> Waker {
        self.wake.waker()
    }
}
