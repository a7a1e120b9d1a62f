//! The picture: what the painter decides, carried out on the canvas with what the stream brings.

use js_sys::Array;
use nearhand_protocol::frame::FrameChunk;
use nearhand_protocol::picture::{Area, Painted, View};
use nearhand_protocol::wire::{self, WireError};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlCanvasElement, MediaStream};

use super::sheet::Sheet;
use crate::dom::{self, Missing};
use crate::listen::{self, Sink, Task};
use crate::paint::{Canvas as _, Painter};
use crate::stream::{Decoder, Decoding, Frame, Track};

/// Views of more pixels than this are not shown: browsers have no canvas for them, or no memory.
pub(crate) const MOST_PIXELS: u32 = 1 << 26;

/// Something that belongs to the picture happened.
pub(crate) enum Event {
    /// A frame is decoded.
    Frame(Frame),
    /// The frame that is held is converted in this area; `None`: the browser refused.
    Converted(u32, Option<Area>),
    /// The decoder can't go on without a keyframe.
    Stuck,
    /// The browser lost what was on the canvas.
    Lost,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Something changed on the canvas.
    pub(crate) painted: bool,
    /// Everything is to be asked for anew.
    pub(crate) refresh: bool,
}

/// The picture of the current peer connection.
pub(super) struct Painting {
    painter: Painter,
    sheet: Sheet,
    track: Option<Track>,
    decoder: Option<Decoder>,
    sink: Sink<Event>,
    /// The host says nothing about the picture: each frame is all of it.
    bare: bool,
    /// While this runs, frames wait.
    converting: Option<Task>,
    /// The newest of those that wait.
    next: Option<Frame>,
    /// Frames painted since the page was opened.
    frames: u64,
    decoded: u64,
}

impl Painting {
    pub(super) fn new(canvas: HtmlCanvasElement, sink: Sink<Event>) -> Result<Self, Missing> {
        Ok(Self {
            painter: Painter::new(),
            sheet: Sheet::new(canvas)?,
            track: None,
            decoder: None,
            sink,
            bare: false,
            converting: None,
            next: None,
            frames: 0,
            decoded: 0,
        })
    }

    pub(super) const fn canvas(&self) -> &HtmlCanvasElement {
        self.sheet.canvas()
    }

    /// A new peer connection begins; the last picture stays.
    pub(super) fn begin(&mut self) {
        self.track = None;
        self.decoder = None;
        self.converting = None;
        self.next = None;
        self.sheet.let_go();
        self.painter = Painter::new();
        self.bare = false;
        self.decoded = 0;
    }

    /// Nothing stays.
    pub(super) fn end(&mut self) {
        self.begin();
        self.sheet.clear();
    }

    /// Frames come by this stream.
    pub(super) fn play(&mut self, stream: &MediaStream) {
        let sink = self.sink.clone();
        let frames: Sink<Frame> = std::rc::Rc::new(move |frame| sink(Event::Frame(frame)));
        self.track = Track::follow(stream, &frames);
    }

    /// The host paints by frames alone, each of them the whole of a picture of this size.
    pub(super) fn show_bare(&mut self, width: u16, height: u16) {
        self.bare = true;
        self.sheet.set_view(width, height);
    }

    /// What is shown from now on. Answers how many of the updates that waited for it made no sense.
    pub(super) fn view(&mut self, view: View) -> u32 {
        self.bare = false;
        self.sheet.set_view(view.area.width, view.area.height);
        self.painter.view(view, dom::page_ms(), &mut self.sheet)
    }

    /// An update came.
    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<Done, WireError> {
        let arrived_ms = dom::epoch_ms();
        let (before, strokes) = (self.painter.painted(), self.sheet.strokes);
        let done = self.painter.update(bytes, dom::page_ms(), &mut self.sheet);
        if self.painter.painted() != before
            && let Some(trace) = dom::trace()
        {
            let number = wire::decode_borrowed::<nearhand_protocol::picture::Update<'_>>(bytes)?.number;
            record(
                &trace,
                "tiles",
                number,
                [arrived_ms, self.sheet.decoded_ms.max(arrived_ms), dom::epoch_ms()],
            );
        }
        done.map(|()| Done { painted: self.sheet.strokes != strokes, refresh: false })
    }

    /// A part of a frame came over a data channel.
    pub(super) fn chunk(&mut self, bytes: &[u8]) -> Result<Done, WireError> {
        let chunk: FrameChunk<'_> = wire::decode_borrowed(bytes)?;
        let sink = self.sink.clone();
        let decoder = self.decoder.get_or_insert_with(|| {
            Decoder::new(std::rc::Rc::new(move |decoding| {
                sink(match decoding {
                    Decoding::Frame(frame) => Event::Frame(frame),
                    Decoding::Stuck => Event::Stuck,
                });
            }))
        });
        Ok(Done { painted: false, refresh: !decoder.take(&chunk) })
    }

    pub(super) fn handle(&mut self, event: Event) -> Result<Done, WireError> {
        match event {
            Event::Frame(frame) if self.converting.is_some() => {
                self.next = Some(frame);
                Ok(Done::default())
            }
            Event::Frame(frame) => self.frame(frame),
            Event::Converted(timestamp, area) => {
                self.converting = None;
                self.sheet.converted(timestamp, area);
                let done = self.paint();
                match self.next.take() {
                    Some(next) => {
                        let more = self.frame(next)?;
                        done.map(|done| Done { painted: done.painted || more.painted, ..done })
                    }
                    None => done,
                }
            }
            Event::Stuck => {
                if let Some(decoder) = &mut self.decoder {
                    decoder.give_up();
                }
                Ok(Done { painted: false, refresh: true })
            }
            Event::Lost => Ok(Done { painted: false, refresh: true }),
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self) -> Result<Done, WireError> {
        let strokes = self.sheet.strokes;
        self.painter.tick(dom::page_ms(), &mut self.sheet)?;
        Ok(Done { painted: self.sheet.strokes != strokes, refresh: false })
    }

    /// What the host is to be told by now.
    pub(super) fn tell(&mut self) -> Option<Painted> {
        self.painter.tell(dom::page_ms())
    }

    /// In how many milliseconds [`Self::tick`] or [`Self::tell`] has something to do.
    pub(super) fn due_in_ms(&self) -> Option<f64> {
        self.painter.due_ms().map(|due_ms| due_ms - dom::page_ms())
    }

    /// Shows on the canvas's element what it shows, for who looks from outside.
    pub(super) fn count(&self) {
        let canvas = self.canvas();
        if let Some(view) = self.painter.shown() {
            dom::set_attribute(canvas, "data-view", &view.number.to_string());
        }
        dom::set_attribute(canvas, "data-frames", &self.frames.to_string());
        dom::set_attribute(canvas, "data-updates", &self.painter.painted().to_string());
    }

    /// Frames of the current peer connection that were decoded here, not by the browser's WebRTC.
    pub(super) const fn decoded(&self) -> u64 {
        self.decoded
    }

    fn frame(&mut self, frame: Frame) -> Result<Done, WireError> {
        self.decoded += u64::from(self.decoder.is_some());
        let timestamp = frame.timestamp;
        let wanted = self.painter.wanted(timestamp);
        self.sheet.hold(frame);
        let converting =
            wanted.and_then(|(width, height, parts)| self.sheet.convert((width, height), &parts));
        let Some((promise, area)) = converting else { return self.paint() };
        let sink = self.sink.clone();
        self.converting = Some(listen::spawn(async move {
            let done = JsFuture::from(promise).await.is_ok();
            sink(Event::Converted(timestamp, done.then_some(area)));
        }));
        Ok(Done::default())
    }

    /// Paints from the frame that is held.
    fn paint(&mut self) -> Result<Done, WireError> {
        let Some(frame) = self.sheet.held() else { return Ok(Done::default()) };
        let (timestamp, times) = (frame.timestamp, [frame.arrived_ms, frame.decoded_ms]);
        let (width, height) = frame.size();
        let painted = if self.bare {
            let (columns, rows) = self.sheet.view();
            let all = [Area::new(0, 0, columns, rows)];
            // A stream may be a row or a column larger than its picture.
            let near = |pixels: u16, of_view: u16| {
                if pixels.abs_diff(of_view) < 16 { pixels.min(of_view) } else { pixels }
            };
            columns > 0 && self.sheet.frame(near(width, columns), near(height, rows), &all)
        } else {
            let strokes = self.sheet.strokes;
            self.painter.frame(timestamp, dom::page_ms(), &mut self.sheet)?;
            self.sheet.strokes != strokes
        };
        if painted {
            self.frames += 1;
            if let Some(trace) = dom::trace() {
                record(&trace, "frame", timestamp, [times[0], times[1], dom::epoch_ms()]);
            }
        }
        Ok(Done { painted, refresh: false })
    }
}

/// Writes down when something came, was decoded and was painted.
fn record(trace: &Array, kind: &str, id: u32, [arrived, decoded, painted]: [f64; 3]) {
    let entry = js_sys::Object::new();
    dom::set(&entry, "kind", &kind.into());
    dom::set(&entry, "id", &id.into());
    for (name, at_ms) in [("arrived", arrived), ("decoded", decoded), ("painted", painted)] {
        dom::set(&entry, name, &JsValue::from_f64(at_ms));
    }
    trace.push(&entry);
}
