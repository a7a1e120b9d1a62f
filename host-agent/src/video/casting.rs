//! All streams: who looks at which, and the frames that go out on them.

use std::time::{Duration, Instant};

use nearhand_encoder::{Error as EncoderError, LEAST_QP, Params};

use super::rate::Scale;
use super::schedule::{INTERVAL, Step, Wanted};
use super::screen::{Change, Screen};
use super::stream::{Key, Stream};
use super::trace::{self, Kind, Look};
use super::viewer::Viewer;
use super::worker::Wake;
use crate::rtc::EncodedFrame;

/// A stream whose last frame is not older than this is running.
const RUNNING: Duration = Duration::from_millis(200);
/// A stream changes its size no more often: each time costs a keyframe.
const RESIZE: Duration = Duration::from_secs(2);
/// A viewer that could not be told of a frame is tried again after this long.
const REFUSED: Duration = Duration::from_millis(15);

/// The streams, and the clock of their frames.
#[derive(Debug)]
pub(super) struct Casting {
    streams: Vec<Stream>,
    started: Instant,
    /// The RTP timestamp of that moment.
    first_timestamp: u32,
    /// The last frame's time, in ticks of 90 kHz.
    last_tick: u64,
}

impl Casting {
    /// No streams.
    pub(super) fn new(now: Instant, first_timestamp: u32) -> Self {
        Self { streams: Vec::new(), started: now, first_timestamp, last_tick: 0 }
    }

    /// Ends all streams.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
    }

    /// Ends the streams that nobody looks at.
    pub(super) fn tidy(&mut self, viewers: &[Viewer]) {
        self.streams.retain(|stream| viewers.iter().any(|viewer| shows(stream, viewer)));
    }

    /// The screen became another.
    pub(super) fn follow(&mut self, change: &Change) {
        for stream in &mut self.streams {
            change.areas.iter().for_each(|area| stream.change(*area));
        }
    }

    /// Whether frames go to this viewer just now.
    pub(super) fn is_running(&self, viewer: &Viewer, now: Instant) -> bool {
        self.streams.iter().any(|stream| shows(stream, viewer) && stream.schedule.is_running(now, RUNNING))
    }

    /// How long it is from one look at the desktop to the next: while a stream runs, each look is to have its frame, or what
    /// one look brings by tiles and by a frame would be seen one after the other.
    pub(super) fn interval(&self, viewers: &[Viewer], now: Instant) -> Duration {
        let of = |viewer: &Viewer| {
            let fps = if self.is_running(viewer, now) { viewer.fps() } else { u32::MAX };
            INTERVAL.max(Duration::from_secs(1) / fps.max(1))
        };
        viewers.iter().filter(|viewer| viewer.is_watching()).map(of).min().unwrap_or(INTERVAL)
    }

    /// Makes the frames that are due. True where one was made.
    pub(super) fn cast(
        &mut self,
        viewers: &mut [Viewer],
        screen: &Screen,
        looked: &Look,
        wake: &mut Wake,
    ) -> Result<bool, EncoderError> {
        let now = Instant::now();
        self.part(viewers, now);
        self.begin(viewers, now)?;
        let mut made = false;
        for at in 0..self.streams.len() {
            made |= self.frame(at, viewers, screen, looked, wake)?;
        }
        Ok(made)
    }

    /// Gives viewers whose lines differ much streams of their own.
    fn part(&mut self, viewers: &mut [Viewer], now: Instant) {
        if viewers.len() < 2 {
            return;
        }
        let lines: Vec<_> = viewers.iter().map(|one| (one.id, one.view.area, one.bitrate())).collect();
        for viewer in viewers.iter_mut() {
            let others = lines.iter().filter(|(id, area, _)| *id != viewer.id && *area == viewer.view.area);
            let best = others.map(|(.., bitrate)| *bitrate).max();
            let bitrate = viewer.bitrate();
            if viewer.company.compare(now, bitrate, best) {
                tracing::debug!(viewer = viewer.id.0, apart = viewer.company.is_apart(), "another stream");
                viewer.synced = false;
            }
        }
        self.tidy(viewers);
    }

    /// Begins the streams that are missing, or have another size than is wanted.
    fn begin(&mut self, viewers: &mut [Viewer], now: Instant) -> Result<(), EncoderError> {
        for at in 0..viewers.len() {
            if !viewers[at].wants_frame() {
                continue;
            }
            let found = self.streams.iter().position(|stream| shows(stream, &viewers[at]));
            let key = Key { area: viewers[at].view.area, own: viewers[at].own_stream() };
            let same = |viewer: &Viewer| (viewer.view.area, viewer.own_stream()) == (key.area, key.own);
            let scale = viewers.iter().filter(|viewer| same(viewer)).map(|viewer| viewer.rate.wanted_scale());
            let scale = scale.min().unwrap_or(Scale::Full);
            let place = match found {
                Some(place) if self.streams[place].fits(scale, now, RESIZE) => continue,
                Some(place) => place,
                None => self.streams.len(),
            };
            let stream = Stream::new(key, scale, viewers[at].bitrate(), now)?;
            if place < self.streams.len() {
                self.streams[place] = stream;
            } else {
                self.streams.push(stream);
            }
            viewers.iter_mut().filter(|viewer| same(viewer)).for_each(|viewer| viewer.synced = false);
        }
        Ok(())
    }

    /// Makes the frame of a stream that is due, if one is. True where one was made.
    fn frame(
        &mut self,
        at: usize,
        viewers: &mut [Viewer],
        screen: &Screen,
        looked: &Look,
        wake: &mut Wake,
    ) -> Result<bool, EncoderError> {
        let now = Instant::now();
        let stream = &mut self.streams[at];
        let mut viewers: Vec<&mut Viewer> = viewers
            .iter_mut()
            .filter(|viewer| shows(stream, viewer) && screen.holds(viewer.view.area))
            .collect();
        let mut wanted = Wanted::default();
        for viewer in viewers.iter().filter(|viewer| viewer.wants_frame()) {
            if viewer.synced {
                wanted.next = true;
            } else {
                wanted.keyframe = true;
            }
        }
        let busy = |viewer: &Viewer| viewer.is_watching() && !viewer.transport.can_send_frame();
        let free = !viewers.iter().any(|viewer| busy(viewer));
        let all_busy = viewers.iter().all(|viewer| busy(viewer));
        let fps = viewers.iter().map(|viewer| viewer.fps()).min().unwrap_or(60);
        let step = stream.schedule.next(now, wanted, free, fps);
        let next = if let Step::WaitUntil(then) = step { Some(then) } else { None };
        for viewer in &mut viewers {
            viewer.set_next_frame(next);
        }
        let keyframe = match step {
            Step::Wait => return Ok(false),
            Step::WaitUntil(then) => {
                wake.at(then);
                if !free && !all_busy {
                    for viewer in viewers {
                        let busy = busy(viewer);
                        viewer.synced &= !viewer.company.holds_up(now, busy);
                    }
                }
                return Ok(false);
            }
            Step::Frame { keyframe } => keyframe,
        };
        // Two frames of one timestamp would be one picture to the browser.
        let since = looked.grabbed.saturating_duration_since(self.started);
        let tick = ((since.as_micros() * 90 / 1000) as u64).max(self.last_tick + 1);
        let timestamp = self.first_timestamp.wrapping_add(tick as u32);
        let size = stream.size();
        let (mut takers, mut others) = (Vec::new(), Vec::new());
        for viewer in viewers {
            viewer.company.holds_up(now, false);
            let takes =
                viewer.is_watching() && (keyframe || viewer.synced) && viewer.announce(timestamp, size, now);
            if takes { takers.push(viewer) } else { others.push(viewer) }
        }
        if takers.is_empty() {
            wake.at(now + REFUSED);
            return Ok(false);
        }
        // They miss a frame that the next one refers to.
        for viewer in others {
            viewer.synced = false;
        }
        self.last_tick = tick;
        let bitrate = takers.iter().map(|viewer| viewer.bitrate()).min().unwrap_or(super::rate::START);
        // By the time that passes also where the screen rests.
        let passed = now.saturating_duration_since(self.started).as_millis() as i64;
        let sharpest = takers.iter().map(|viewer| viewer.sharpest(now)).min().unwrap_or(LEAST_QP);
        let params = Params { keyframe, sharpest, ..Params::new(passed) };
        let video = takers.iter().map(|viewer| viewer.video_bitrate()).min().unwrap_or(bitrate);
        let encoded = stream.encode(screen, &params, video)?;
        let done = Instant::now();
        let Some(encoded) = encoded else {
            for viewer in takers {
                viewer.frame_failed(done);
            }
            return Ok(true);
        };
        let bits = encoded.annex_b.len() as u64 * 8;
        stream.schedule.sent(done, encoded.keyframe, bits, bitrate);
        for viewer in takers {
            // The customer may have taken the leave back while this frame was being encoded.
            if viewer.grant.check().is_err() {
                continue;
            }
            let frame =
                EncodedFrame { annex_b: encoded.annex_b.clone(), timestamp, keyframe: encoded.keyframe };
            if viewer.transport.send_frame(frame).is_err() {
                // The encoder refers to a picture now that the other end never gets.
                viewer.frame_failed(done);
                continue;
            }
            trace::sent(Kind::Frame, timestamp, looked, encoded.converted, done);
            viewer.synced |= encoded.keyframe;
            viewer.rate.sent(bits);
            if !encoded.keyframe {
                viewer.rate.coded(done, encoded.qp);
            }
            viewer.tally.frame(done - now, encoded.annex_b.len(), size);
        }
        Ok(true)
    }
}

/// Whether this stream is the viewer's.
fn shows(stream: &Stream, viewer: &Viewer) -> bool {
    stream.key == Key { area: viewer.view.area, own: viewer.own_stream() }
}
