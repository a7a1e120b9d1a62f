//! The frames of the RTP track, one by one, with the timestamps of their packets.

use core::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlVideoElement, MediaStream, MediaStreamTrack};

use super::Frame;
use crate::dom;
use crate::listen::{self, Sink, Task};

/// Whether this browser hands out frames of a track here, or tells them when it shows them.
pub(super) fn is_supported() -> bool {
    let shown = dom::global("HTMLVideoElement")
        .and_then(|class| dom::get(&class, "prototype"))
        .and_then(|prototype| dom::get(&prototype, "requestVideoFrameCallback"));
    dom::global("VideoFrame").is_some()
        && (dom::global("MediaStreamTrackProcessor").is_some() || shown.is_some())
}

/// Follows a track until it is dropped.
pub(crate) struct Track {
    _read: Option<Read>,
    _shown: Option<Shown>,
}

impl Track {
    /// Each frame goes to the sink as soon as it is decoded. One that nobody took before the next came is left out by the
    /// browser.
    pub(crate) fn follow(stream: &MediaStream, sink: &Sink<Frame>) -> Option<Self> {
        let track: MediaStreamTrack = dom::cast(stream.get_video_tracks().get(0))?;
        let read = Read::new(&track, sink);
        let shown = if read.is_none() { Some(Shown::new(stream, sink)?) } else { None };
        Some(Self { _read: read, _shown: shown })
    }
}

/// The way of browsers that hand out the frames of a track.
struct Read {
    reader: JsValue,
    _task: Task,
}

impl Drop for Read {
    fn drop(&mut self) {
        // Closes the frame that waits there.
        dom::call(&self.reader, "cancel", &Array::new());
    }
}

impl Read {
    fn new(track: &MediaStreamTrack, sink: &Sink<Frame>) -> Option<Self> {
        let class: Function = dom::cast(dom::global("MediaStreamTrackProcessor")?)?;
        let init = Object::new();
        dom::set(&init, "track", track);
        dom::set(&init, "maxBufferSize", &1.into());
        let processor = Reflect::construct(&class, &Array::of1(&init)).ok()?;
        let reader = dom::call(&dom::get(&processor, "readable")?, "getReader", &Array::new())?;
        let (reading, sink) = (reader.clone(), sink.clone());
        let task = listen::spawn(async move {
            while let Some(next) = dom::call_async(&reading, "read", &Array::new()) {
                let Ok(read) = JsFuture::from(next).await else { break };
                // `done` comes without a value.
                let Some(value) = dom::get(&read, "value") else { break };
                if let Some(frame) = Frame::new(value, None) {
                    sink(frame);
                }
            }
        });
        Some(Self { reader, _task: task })
    }
}

/// A callback that asks to be called again, and so must know itself.
type Kept = Rc<RefCell<Option<Closure<dyn FnMut(JsValue, JsValue)>>>>;

/// The way of browsers that hand out nothing: a video that is in no page, and a callback with each frame that it would show.
struct Shown {
    video: HtmlVideoElement,
    _callback: Kept,
    _playing: Option<Task>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.video.set_src_object(None);
    }
}

impl Shown {
    fn new(stream: &MediaStream, sink: &Sink<Frame>) -> Option<Self> {
        let video: HtmlVideoElement = dom::create("video").ok()?;
        video.set_muted(true);
        dom::set(&video, "playsInline", &JsValue::TRUE);
        video.set_src_object(Some(stream));
        let callback: Kept = Rc::default();
        let again = Rc::downgrade(&callback);
        let (source, sink) = (video.clone(), sink.clone());
        let closure = Closure::<dyn FnMut(JsValue, JsValue)>::new(move |_: JsValue, metadata: JsValue| {
            if let Some(frame) = shown_frame(&source, &metadata) {
                sink(frame);
            }
            if let Some(again) = again.upgrade()
                && let Some(again) = again.borrow().as_ref()
            {
                ask(&source, again);
            }
        });
        ask(&video, &closure);
        *callback.borrow_mut() = Some(closure);
        let playing = dom::call_async(&video, "play", &Array::new()).map(|playing| {
            listen::spawn(async move {
                let _ = JsFuture::from(playing).await;
            })
        });
        Some(Self { video, _callback: callback, _playing: playing })
    }
}

fn ask(video: &HtmlVideoElement, callback: &Closure<dyn FnMut(JsValue, JsValue)>) {
    dom::call(video, "requestVideoFrameCallback", &Array::of1(callback.as_ref().unchecked_ref()));
}

fn shown_frame(video: &HtmlVideoElement, metadata: &JsValue) -> Option<Frame> {
    let timestamp = dom::number(metadata, "rtpTimestamp")? as u32;
    let class: Function = dom::cast(dom::global("VideoFrame")?)?;
    let init = Object::new();
    dom::set(&init, "timestamp", &0.into());
    let frame = Reflect::construct(&class, &Array::of2(video, &init)).ok()?;
    Frame::new(frame, Some(timestamp))
}
