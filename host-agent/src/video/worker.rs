//! The capture thread: waits for the desktop, and turns its newest state into one frame when the schedule says so.
//! No frame ever waits behind another: what is not sent yet is not made yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nearhand_desktop::{Capture, Error as DesktopError, Event as DesktopEvent};
use nearhand_encoder::{Config, Encoder, Error as EncoderError, Picture, Rect};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::cursor::CursorMessage;
use nearhand_protocol::grant::ViewGrant;
use nearhand_protocol::wire::encode;
use tokio::sync::mpsc;

use super::rate::Rate;
use super::schedule::{Schedule, Sent, Step};
use super::{Change, Event, Order, Shared, Show};
use crate::cursor::Cursor;
use crate::input::Placed;
use crate::rtc::{EncodedFrame, Transport};

/// A screen that can't be captured is tried again after this long.
const UNAVAILABLE: Duration = Duration::from_secs(1);

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
    live: Option<Live>,
}

/// What there is while the screen is shown.
struct Live {
    grant: ViewGrant,
    transport: Arc<dyn Transport>,
    schedule: Schedule,
    rate: Rate,
    codec: Option<(Picture, Encoder)>,
    cursor: Cursor,
    /// The screen could not be captured, and when it is tried again.
    unavailable: Option<Instant>,
    started: Instant,
    /// The RTP timestamp of that moment.
    first_timestamp: u32,
    /// The last frame's time, in ticks of 90 kHz.
    last_tick: u64,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        capture: Box<dyn Capture>,
        shared: &'a Shared,
        events: &'a mpsc::Sender<Event>,
        placed: Placed,
    ) -> Self {
        Self { capture, shared, events, placed, live: None }
    }

    /// Runs until it is told to quit, or the desktop is lost.
    pub(super) fn run(mut self) -> Result<(), WorkerError> {
        loop {
            let orders = self.shared.take();
            if orders.quit {
                return Ok(());
            }
            for order in orders.viewers.into_values() {
                self.obey(order)?;
            }
            let timeout = self.step()?;
            // While nothing is shown the desktop's events are read and forgotten, so that they don't pile up there.
            match self.capture.wait(timeout)? {
                None => {}
                Some(DesktopEvent::Damage) => {
                    if let Some(live) = &mut self.live {
                        live.schedule.damaged();
                    }
                }
                Some(DesktopEvent::Resized) => {
                    if let Some(live) = &mut self.live {
                        live.schedule.damaged();
                        live.schedule.want_keyframe();
                        live.codec = None;
                        self.tell(Event::Layout(self.capture.layout().clone()));
                    }
                }
                Some(DesktopEvent::Cursor) => self.shape()?,
                Some(DesktopEvent::Pointer) => self.pointer()?,
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), WorkerError> {
        match order.show {
            Change::Begin(show) => self.begin(show),
            Change::Stop => self.live = None,
            Change::None => {}
        }
        if let Some(live) = &mut self.live {
            if order.keyframe {
                live.schedule.keyframe_asked(Instant::now(), live.transport.stats().all_arrived);
            }
            if let Some(arrival) = order.arrival {
                live.rate.arrival(arrival);
            }
            if order.cursor {
                live.cursor = Cursor::default();
                self.cursor()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, show: Show) {
        self.live = Some(Live {
            grant: show.grant,
            transport: show.transport,
            schedule: Schedule::new(),
            rate: Rate::new(),
            codec: None,
            cursor: Cursor::default(),
            unavailable: None,
            started: Instant::now(),
            first_timestamp: rand::random(),
            last_tick: 0,
        });
        self.tell(Event::Layout(self.capture.layout().clone()));
        if let Err(error) = self.cursor() {
            tracing::debug!(%error, "the cursor is not known");
        }
    }

    /// Makes the frame that is due, if one is, and says how long to wait for the desktop.
    fn step(&mut self) -> Result<Option<Duration>, WorkerError> {
        let now = Instant::now();
        let Some(live) = &mut self.live else { return Ok(None) };
        if live.grant.check().is_err() {
            self.live = None;
            return Ok(None);
        }
        if let Some(again) = live.unavailable.filter(|again| *again > now) {
            return Ok(Some(again - now));
        }
        match live.schedule.next(now, live.transport.can_send_frame()) {
            Step::Wait => Ok(None),
            Step::WaitUntil(then) => Ok(Some(then.saturating_duration_since(now))),
            Step::Frame { keyframe } => {
                self.frame(keyframe)?;
                Ok(Some(Duration::ZERO))
            }
        }
    }

    /// Captures, encodes and sends one frame.
    fn frame(&mut self, keyframe: bool) -> Result<(), WorkerError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let frame = match self.capture.grab(&live.grant) {
            Ok(frame) => frame,
            Err(DesktopError::Revoked(_)) => {
                self.live = None;
                return Ok(());
            }
            Err(DesktopError::Refused { what, reason }) => {
                tracing::debug!(what, %reason, "the screen can't be captured just now");
                let first = live.unavailable.replace(Instant::now() + UNAVAILABLE).is_none();
                if first {
                    self.tell(Event::Screen { available: false });
                }
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let back = live.unavailable.take().is_some();
        let changed = !frame.damage.is_empty();
        let captured = frame.captured_at;
        let fits = |picture: &Picture| picture.screen_size() == (frame.width, frame.height);
        let fresh = !live.codec.as_ref().is_some_and(|(picture, _)| fits(picture));
        if fresh {
            let config = Config::new(frame.width, frame.height, live.rate.bitrate());
            live.codec = Some((Picture::new(frame.width, frame.height)?, Encoder::new(&config)?));
        }
        let Some((picture, encoder)) = &mut live.codec else { return Ok(()) };
        if fresh {
            let everything = [Rect::new(0, 0, frame.width, frame.height)];
            picture.update_from_bgra(frame.pixels, frame.stride, &everything)?;
        } else {
            let damage: Vec<Rect> =
                frame.damage.iter().map(|rect| Rect::new(rect.x, rect.y, rect.width, rect.height)).collect();
            picture.update_from_bgra(frame.pixels, frame.stride, &damage)?;
        }

        let keyframe = keyframe || fresh;
        let since = captured.saturating_duration_since(live.started);
        let timestamp_ms = since.as_millis() as i64;
        // Two frames of one timestamp would be one picture to the browser.
        let tick = ((since.as_micros() * 90 / 1000) as u64).max(live.last_tick + 1);
        live.last_tick = tick;
        let timestamp = live.first_timestamp.wrapping_add(tick as u32);
        let encoded = encoder.encode(picture, timestamp_ms, keyframe)?;
        let now = Instant::now();
        match encoded {
            // The customer may have taken the leave back while this frame was being encoded.
            _ if live.grant.check().is_err() => self.live = None,
            None => live.schedule.skipped(now),
            Some(encoded) => {
                let bits = encoded.data.len() as u64 * 8;
                let sent = Sent {
                    bits,
                    bitrate: live.rate.bitrate(),
                    keyframe: encoded.keyframe,
                    qp: encoded.qp,
                    changed,
                };
                live.schedule.sent(now, sent);
                live.rate.sent(bits);
                let frame = EncodedFrame {
                    annex_b: Bytes::from(encoded.data),
                    timestamp,
                    keyframe: encoded.keyframe,
                };
                if live.transport.send_frame(frame).is_err() {
                    // The encoder refers to a picture now that the other end never gets.
                    live.schedule.want_keyframe();
                    live.schedule.damaged();
                }
                if live.rate.update(now, &live.transport.stats()) {
                    encoder.set_bitrate(live.rate.bitrate())?;
                    live.transport.set_pacing(Some(live.rate.pacing(now)));
                }
            }
        }
        if back {
            self.tell(Event::Screen { available: true });
        }
        Ok(())
    }

    /// Says everything about the cursor.
    fn cursor(&mut self) -> Result<(), DesktopError> {
        self.shape()?;
        self.pointer()
    }

    fn shape(&mut self) -> Result<(), DesktopError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        match self.capture.cursor(&live.grant) {
            Ok(shape) => {
                if let Some(message) = live.cursor.shape(shape) {
                    live.say(&message);
                }
                Ok(())
            }
            Err(error) => bearable(error),
        }
    }

    fn pointer(&mut self) -> Result<(), DesktopError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        match self.capture.pointer(&live.grant) {
            Ok((x, y)) => {
                if let Some(message) = live.cursor.at(x, y, self.placed.is_at(x, y)) {
                    live.say(&message);
                }
                Ok(())
            }
            Err(error) => bearable(error),
        }
    }

    fn tell(&self, event: Event) {
        // The driver is gone only when everything ends, and this thread with it.
        let _ = self.events.blocking_send(event);
    }
}

impl Live {
    fn say(&mut self, message: &CursorMessage) {
        match encode(message) {
            Ok(bytes) => {
                if self.transport.send(Channel::Cursor, bytes.into()).is_err() {
                    // Told again when the channel opens or has room: the driver says when.
                    tracing::trace!("the cursor channel takes nothing now");
                }
            }
            Err(error) => tracing::debug!(%error, "the cursor can't be told"),
        }
    }
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
