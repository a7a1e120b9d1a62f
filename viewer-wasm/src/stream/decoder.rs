//! H.264 that came over a data channel, decoded by WebCodecs.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use nearhand_protocol::frame::FrameChunk;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::JsFuture;

use super::Frame;
use super::assembly::{Assembly, Coded, Taken};
use crate::dom;
use crate::listen::{self, Sink, Task};

/// Constrained baseline, level 4.0; decoders take larger pictures too, and the stream itself says what it is.
const CODEC: &str = "avc1.42e028";
/// With more frames than this inside, the decoder is too slow: all of them are given up for a keyframe.
const MOST_INSIDE: f64 = 8.0;

/// What the decoder says.
pub(crate) enum Decoding {
    /// A frame is there.
    Frame(Frame),
    /// It can't go on without a keyframe.
    Stuck,
}

/// Decodes what comes over the channel.
pub(crate) struct Decoder {
    assembly: Assembly,
    running: Option<Running>,
    /// Nothing is of use before the next keyframe.
    waits: bool,
    sink: Sink<Decoding>,
}

struct Running {
    decoder: JsValue,
    _output: Closure<dyn FnMut(JsValue)>,
    _error: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be closed already, by an error.
        dom::call(&self.decoder, "close", &Array::new());
    }
}

impl Decoder {
    /// Nothing is decoded so far.
    pub(crate) fn new(sink: Sink<Decoding>) -> Self {
        Self { assembly: Assembly::default(), running: None, waits: true, sink }
    }

    /// A part of a frame; `false` where a keyframe is to be asked for.
    pub(crate) fn take(&mut self, chunk: &FrameChunk<'_>) -> bool {
        match self.assembly.take(chunk) {
            Taken::More => true,
            Taken::Whole(coded) => self.decode(&coded),
            Taken::Gap => {
                self.waits = true;
                false
            }
        }
    }

    /// The decoder failed; the next keyframe starts another one.
    pub(crate) fn give_up(&mut self) {
        self.running = None;
        self.waits = true;
    }

    fn decode(&mut self, coded: &Coded) -> bool {
        let inside =
            self.running.as_ref().and_then(|running| dom::number(&running.decoder, "decodeQueueSize"));
        if inside.is_some_and(|inside| inside > MOST_INSIDE) {
            self.give_up();
        }
        if self.waits && !coded.keyframe {
            return false;
        }
        if self.running.is_none() {
            self.running = start(&self.sink);
        }
        let fed = self.running.as_ref().and_then(|running| feed(&running.decoder, coded));
        if fed.is_none() {
            self.give_up();
        }
        self.waits = fed.is_none();
        fed.is_some()
    }
}

fn start(sink: &Sink<Decoding>) -> Option<Running> {
    let class: Function = dom::cast(dom::global("VideoDecoder")?)?;
    let (to_frames, to_errors) = (sink.clone(), sink.clone());
    let output = listen::callback(move |frame: JsValue| {
        // What went in as microseconds comes out as it was.
        let timestamp = dom::number(&frame, "timestamp").map(|timestamp| timestamp as u32);
        if let Some(frame) = Frame::new(frame, timestamp) {
            to_frames(Decoding::Frame(frame));
        }
    });
    let error = listen::callback(move |_: JsValue| to_errors(Decoding::Stuck));
    let init = Object::new();
    dom::set(&init, "output", output.as_ref());
    dom::set(&init, "error", error.as_ref());
    let decoder = Reflect::construct(&class, &Array::of1(&init)).ok()?;
    dom::call(&decoder, "configure", &Array::of1(&configuration()));
    Some(Running { decoder, _output: output, _error: error })
}

fn feed(decoder: &JsValue, coded: &Coded) -> Option<()> {
    let class: Function = dom::cast(dom::global("EncodedVideoChunk")?)?;
    let init = Object::new();
    dom::set(&init, "type", &if coded.keyframe { "key" } else { "delta" }.into());
    dom::set(&init, "timestamp", &coded.timestamp.into());
    dom::set(&init, "data", &Uint8Array::from(coded.annex_b.as_slice()));
    let chunk = Reflect::construct(&class, &Array::of1(&init)).ok()?;
    dom::call(decoder, "decode", &Array::of1(&chunk)).map(|_| ())
}

/// Without a `description` the stream is in Annex B form.
fn configuration() -> JsValue {
    let configuration = Object::new();
    dom::set(&configuration, "codec", &CODEC.into());
    dom::set(&configuration, "optimizeForLatency", &JsValue::TRUE);
    configuration.into()
}

/// Asks whether this browser decodes H.264 by WebCodecs, and says it later.
pub(crate) fn decodes_h264(answer: impl FnOnce(bool) + 'static) -> Task {
    let asked: Option<Promise> = dom::global("VideoDecoder")
        .and_then(|class| dom::call_async(&class, "isConfigSupported", &Array::of1(&configuration())));
    listen::spawn(async move {
        let supported = match asked {
            Some(asked) => JsFuture::from(asked).await.ok().and_then(|found| dom::get(&found, "supported")),
            None => None,
        };
        answer(supported.is_some_and(|supported| supported.is_truthy()));
    })
}
