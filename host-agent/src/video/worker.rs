//! The capture thread: waits for the desktop, and shows its newest state to everybody who looks, each as their line allows.
//! Nothing ever waits behind another: what is not sent yet is not made yet.

use std::time::{Duration, Instant};

use nearhand_desktop::{Capture, Error as DesktopError, Event as DesktopEvent};
use nearhand_encoder::Error as EncoderError;
use nearhand_protocol::display::Layout;
use nearhand_protocol::picture::Area;
use nearhand_protocol::tile;
use tokio::sync::mpsc;

use super::casting::Casting;
use super::schedule::Pace;
use super::screen::Screen;
use super::trace::Look;
use super::viewer::Viewer;
use super::{Change, Event, Order, Shared, ViewerId};
use crate::cursor::Cursor;
use crate::input::Placed;

/// A screen that can't be captured is tried again after this long.
const UNAVAILABLE: Duration = Duration::from_secs(1);
/// Most tabs that the screen is shown to.
const MOST_VIEWERS: usize = 8;

/// Why nothing can be shown any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    #[error(transparent)]
    Desktop(#[from] DesktopError),
    #[error("this screen can't be shown: {0}")]
    Encoder(#[from] EncoderError),
}

/// Everything the thread owns.
pub(super) struct Worker<'a> {
    capture: Box<dyn Capture>,
    shared: &'a Shared,
    events: &'a mpsc::Sender<Event>,
    placed: Placed,
    viewers: Vec<Viewer>,
    casting: Casting,
    screen: Option<Screen>,
    coder: tile::Encoder,
    pace: Pace,
    /// The desktop changed since it was looked at.
    damaged: bool,
    looked: Look,
    pointer: (u16, u16),
    /// The screen could not be captured, and when it is tried again.
    unavailable: Option<Instant>,
}

/// When to look again at the latest.
#[derive(Debug, Default)]
pub(super) struct Wake(Option<Instant>);

impl Wake {
    pub(super) fn at(&mut self, then: Instant) {
        self.0 = Some(self.0.map_or(then, |wake| wake.min(then)));
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        capture: Box<dyn Capture>,
        shared: &'a Shared,
        events: &'a mpsc::Sender<Event>,
        placed: Placed,
    ) -> Self {
        let now = Instant::now();
        Self {
            capture,
            shared,
            events,
            placed,
            viewers: Vec::new(),
            casting: Casting::new(now, rand::random()),
            screen: None,
            coder: tile::Encoder::default(),
            pace: Pace::default(),
            damaged: true,
            looked: Look { damage: now, grab: now, grabbed: now },
            pointer: (0, 0),
            unavailable: None,
        }
    }

    /// Runs until it is told to quit, or the desktop is lost.
    pub(super) fn run(mut self) -> Result<(), WorkerError> {
        loop {
            let orders = self.shared.take();
            if orders.quit {
                return Ok(());
            }
            for (viewer, order) in orders.viewers {
                self.obey(viewer, order);
            }
            let timeout = self.step()?;
            // While nothing is shown the desktop's events are read and forgotten, so that they don't pile up there.
            match self.capture.wait(timeout)? {
                // The last two only of what was aimed at, and nothing is.
                None | Some(DesktopEvent::Closed | DesktopEvent::Hidden(_)) => {}
                Some(DesktopEvent::Damage) => self.damaged = true,
                Some(DesktopEvent::Resized) => self.resized(),
                Some(DesktopEvent::Cursor) => self.shape(None)?,
                Some(DesktopEvent::Pointer) => self.pointer(None)?,
            }
        }
    }

    fn obey(&mut self, id: ViewerId, order: Order) {
        match order.show {
            Change::Begin(show) => {
                self.leave(id);
                if self.viewers.len() >= MOST_VIEWERS {
                    tracing::warn!("one viewer more than the screen is shown to");
                    return;
                }
                self.viewers.push(Viewer::new(id, show.grant, show.transport));
                self.tell(Event::Layout(self.capture.layout().clone()));
                self.look_at(self.viewers.len() - 1);
                self.cursor(id);
            }
            Change::Stop => self.leave(id),
            Change::None => {}
        }
        let now = Instant::now();
        let Some(viewer) = self.viewers.iter_mut().find(|viewer| viewer.id == id) else { return };
        if let Some(painted) = order.painted {
            viewer.painted(&painted);
        }
        if order.keyframe {
            viewer.keyframe_asked(now);
        }
        if order.refresh {
            viewer.refresh(now);
        }
        if let Some(arrival) = order.arrival {
            viewer.rate.arrival(arrival);
        }
        if let Some(watch) = order.watch {
            viewer.wish(watch);
        }
        if order.cursor {
            viewer.cursor = Cursor::default();
            self.cursor(id);
        }
    }

    fn leave(&mut self, id: ViewerId) {
        self.viewers.retain(|viewer| viewer.id != id);
        self.tidy();
    }

    /// Ends the streams that nobody looks at, and forgets the screen with the last viewer.
    fn tidy(&mut self) {
        self.casting.tidy(&self.viewers);
        if self.viewers.is_empty() {
            self.screen = None;
        }
    }

    fn resized(&mut self) {
        self.damaged = true;
        self.screen = None;
        self.casting.clear();
        if self.viewers.is_empty() {
            return;
        }
        self.tell(Event::Layout(self.capture.layout().clone()));
        for at in 0..self.viewers.len() {
            self.look_at(at);
        }
    }

    /// Shows this viewer what it wants to see of the desktop, from the beginning.
    fn look_at(&mut self, at: usize) {
        let viewer = &mut self.viewers[at];
        let (monitor, area) = part(self.capture.layout(), viewer.monitor());
        let view = viewer.look_at(monitor, area);
        let viewer = viewer.id;
        self.tell(Event::View { viewer, view });
        self.tidy();
    }

    /// Does what is due, and says how long to wait for the desktop.
    fn step(&mut self) -> Result<Option<Duration>, WorkerError> {
        let now = Instant::now();
        self.viewers.retain(|viewer| viewer.grant.check().is_ok());
        self.tidy();
        let mut wake = Wake::default();
        self.wishes(now, &mut wake);
        if self.viewers.iter().any(Viewer::is_watching) {
            self.look(now, &mut wake)?;
        }
        let mut more = self.attend(&mut wake);
        if let Some(screen) = &self.screen {
            more |= self.casting.cast(&mut self.viewers, screen, &self.looked, &mut wake)?;
        }
        for viewer in &mut self.viewers {
            match viewer.let_go(Instant::now(), &self.looked) {
                Ok(sent) => more |= sent,
                Err(until) => wake.at(until),
            }
            // After all that is sent: the very first update may be the one that does not come.
            if let Some(then) = viewer.deadline() {
                wake.at(then);
            }
        }
        if more {
            return Ok(Some(Duration::ZERO));
        }
        Ok(wake.0.map(|then| then.saturating_duration_since(Instant::now())))
    }

    fn wishes(&mut self, now: Instant, wake: &mut Wake) {
        for at in 0..self.viewers.len() {
            let viewer = &mut self.viewers[at];
            match viewer.grant_wish(now) {
                Ok(Some(_)) => {
                    let shown = (viewer.view.monitor, viewer.view.area);
                    if part(self.capture.layout(), viewer.monitor()) != shown {
                        self.look_at(at);
                    }
                }
                Ok(None) => {}
                Err(then) => wake.at(then),
            }
            let viewer = &mut self.viewers[at];
            match viewer.figures(now) {
                Ok(Some(figures)) => {
                    let viewer = viewer.id;
                    wake.at(now + Duration::from_secs(1));
                    self.tell(Event::Figures { viewer, figures });
                }
                Ok(None) => {}
                Err(then) => wake.at(then),
            }
        }
    }

    /// Looks at the desktop, where it changed and that may be.
    fn look(&mut self, now: Instant, wake: &mut Wake) -> Result<(), WorkerError> {
        if self.screen.is_some() && !self.damaged {
            return Ok(());
        }
        if let Some(then) = self.unavailable.max(self.pace.from()).filter(|then| *then > now) {
            wake.at(then);
            return Ok(());
        }
        let Some(first) = self.viewers.first() else { return Ok(()) };
        let grab = Instant::now();
        let frame = match self.capture.grab(&first.grant) {
            Ok(frame) => frame,
            // Looked for again with the next step.
            Err(DesktopError::Revoked(_)) => {
                wake.at(now);
                return Ok(());
            }
            Err(DesktopError::Refused { what, reason }) => {
                tracing::debug!(what, %reason, "the screen can't be captured just now");
                wake.at(now + UNAVAILABLE);
                if self.unavailable.replace(now + UNAVAILABLE).is_none() {
                    self.tell(Event::Screen { available: false });
                }
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.damaged = false;
        self.pace.taken(now, self.casting.interval(&self.viewers, now));
        let (Ok(width), Ok(height)) = (u16::try_from(frame.width), u16::try_from(frame.height)) else {
            return Err(EncoderError::Size { width: frame.width, height: frame.height }.into());
        };
        let screen = match self.screen.take().filter(|screen| screen.fits(&frame)) {
            Some(screen) => self.screen.insert(screen),
            None => self.screen.insert(Screen::new(width, height)),
        };
        let change = screen.follow(&frame);
        let captured = frame.captured_at;
        let grabbed = Instant::now();
        self.looked = Look { damage: frame.damaged_at, grab, grabbed };
        if !change.areas.is_empty() {
            self.viewers.iter_mut().for_each(|viewer| viewer.follow(&change, captured));
        }
        self.casting.follow(&change);
        self.viewers.iter_mut().for_each(|viewer| viewer.tally.captured(grabbed - grab));
        if self.unavailable.take().is_some() {
            self.tell(Event::Screen { available: true });
        }
        Ok(())
    }

    /// Sends every viewer what goes without a frame. True where there may be more.
    fn attend(&mut self, wake: &mut Wake) -> bool {
        let Some(screen) = &self.screen else { return false };
        let mut more = false;
        for viewer in &mut self.viewers {
            let now = Instant::now();
            let corner = viewer.view.area;
            if !screen.holds(corner) {
                continue;
            }
            let pointer = (self.pointer.0.saturating_sub(corner.x), self.pointer.1.saturating_sub(corner.y));
            let running = self.casting.is_running(viewer, now);
            let attended = viewer.attend(now, screen, &mut self.coder, &self.looked, (pointer, running));
            more |= attended.more;
            if let Some(then) = attended.again {
                wake.at(then);
            }
            viewer.measure(now);
        }
        more
    }

    /// Says everything about the cursor to this viewer.
    fn cursor(&mut self, id: ViewerId) {
        if let Err(error) = self.shape(Some(id)).and_then(|()| self.pointer(Some(id))) {
            tracing::debug!(%error, "the cursor is not known");
        }
    }

    fn shape(&mut self, only: Option<ViewerId>) -> Result<(), DesktopError> {
        for viewer in self.viewers.iter_mut().filter(|viewer| only.is_none_or(|id| id == viewer.id)) {
            match self.capture.cursor(&viewer.grant) {
                Ok(shape) => {
                    if let Some(message) = viewer.cursor.shape(shape) {
                        viewer.say(&message);
                    }
                }
                Err(error) => bearable(error)?,
            }
        }
        Ok(())
    }

    fn pointer(&mut self, only: Option<ViewerId>) -> Result<(), DesktopError> {
        for viewer in self.viewers.iter_mut().filter(|viewer| only.is_none_or(|id| id == viewer.id)) {
            match self.capture.pointer(&viewer.grant) {
                Ok((x, y)) => {
                    self.pointer = (x, y);
                    if let Some(message) = viewer.cursor.at(x, y, self.placed.is_at(x, y)) {
                        viewer.say(&message);
                    }
                }
                Err(error) => bearable(error)?,
            }
        }
        Ok(())
    }

    fn tell(&self, event: Event) {
        // The driver is gone only when everything ends, and this thread with it.
        let _ = self.events.blocking_send(event);
    }
}

/// What of the picture is shown of this monitor, or of all.
fn part(layout: &Layout, monitor: Option<u8>) -> (Option<u8>, Area) {
    let all = Area::new(0, 0, layout.width.max(1), layout.height.max(1));
    let found = layout.monitors.iter().find(|one| Some(one.id) == monitor);
    let found = found.and_then(|one| {
        let area = Area::new(one.x, one.y, one.width, one.height);
        super::region::common(area, all).map(|area| (monitor, area))
    });
    found.unwrap_or((None, all))
}

/// Only a lost desktop ends the thread; a cursor that can't be read now is read at its next change.
fn bearable(error: DesktopError) -> Result<(), DesktopError> {
    match error {
        DesktopError::Lost(_) => Err(error),
        error => {
            tracing::trace!(%error, "the cursor can't be read");
            Ok(())
        }
    }
}
