//! One decoded frame of the video, which goes back to the decoder's small pool when it is dropped.

use js_sys::{Array, Function, Object, Promise, Reflect};
use nearhand_protocol::picture::Area;
use wasm_bindgen::JsValue;

use crate::dom;

/// A `VideoFrame` of WebCodecs.
pub(crate) struct Frame {
    own: JsValue,
    /// 90 kHz, as the host gave it.
    pub(crate) timestamp: u32,
    /// When its last packet came, as far as this page knows, and when it was decoded; milliseconds since 1970.
    pub(crate) arrived_ms: f64,
    pub(crate) decoded_ms: f64,
    /// Where the picture lies among the coded pixels.
    visible: (u32, u32),
    size: (u16, u16),
}

impl Drop for Frame {
    fn drop(&mut self) {
        dom::call(&self.own, "close", &Array::new());
    }
}

impl Frame {
    /// A frame that the browser gave us, to be closed by us. A timestamp of the track is in its metadata.
    pub(crate) fn new(frame: JsValue, timestamp: Option<u32>) -> Option<Self> {
        let decoded_ms = dom::epoch_ms();
        let mut own = Self {
            timestamp: 0,
            arrived_ms: decoded_ms,
            decoded_ms,
            visible: (0, 0),
            size: (0, 0),
            own: frame,
        };
        // From here on it is closed whatever happens.
        own.timestamp = if let Some(timestamp) = timestamp {
            timestamp
        } else {
            let metadata = dom::call(&own.own, "metadata", &Array::new())?;
            // Float to integer saturates.
            dom::number(&metadata, "rtpTimestamp")? as u32
        };
        let visible = dom::get(&own.own, "visibleRect")?;
        let number = |name| dom::number(&visible, name).unwrap_or_default();
        own.visible = (number("x") as u32, number("y") as u32);
        own.size = (number("width") as u16, number("height") as u16);
        Some(own)
    }

    /// Its picture's width and height.
    pub(crate) const fn size(&self) -> (u16, u16) {
        self.size
    }

    /// The browser's object.
    pub(crate) const fn as_js(&self) -> &JsValue {
        &self.own
    }

    /// Whether its pixels lie in this machine's memory, where we can read them as fast as the browser can.
    pub(crate) fn is_in_memory(&self) -> bool {
        dom::string(&self.own, "format").as_deref() == Some("I420")
    }

    /// A part of it, without copying: the browser converts only that when it draws. The part begins at even places.
    pub(crate) fn part(&self, area: Area) -> Option<Self> {
        let init = Object::new();
        dom::set(&init, "visibleRect", &self.rect(area));
        let class: Function = dom::cast(dom::global("VideoFrame")?)?;
        let frame = Reflect::construct(&class, &Array::of2(&self.own, &init)).ok()?;
        Self::new(frame, Some(self.timestamp))
    }

    /// Converts a part of it to red, green, blue and alpha, to its place in a `Uint8ClampedArray` for the whole frame.
    pub(crate) fn convert(&self, area: Area, into: &JsValue) -> Option<Promise> {
        let options = Object::new();
        let row = u32::from(self.size.0) * 4;
        let layout = Object::new();
        dom::set(&layout, "offset", &(u32::from(area.y) * row + u32::from(area.x) * 4).into());
        dom::set(&layout, "stride", &row.into());
        dom::set(&options, "layout", &Array::of1(&layout));
        dom::set(&options, "rect", &self.rect(area));
        dom::set(&options, "format", &"RGBA".into());
        dom::set(&options, "colorSpace", &"srgb".into());
        dom::call_async(&self.own, "copyTo", &Array::of2(into, &options))
    }

    /// The area, made larger where its sides lie between two samples of colour, and within the frame.
    pub(crate) fn even(&self, area: Area) -> Area {
        let even = |to: u32, most: u16| to.next_multiple_of(2).min(most.into()) as u16;
        let (x, y) = (area.x & !1, area.y & !1);
        Area::new(x, y, even(area.right(), self.size.0) - x, even(area.bottom(), self.size.1) - y)
    }

    fn rect(&self, area: Area) -> JsValue {
        let rect = Object::new();
        for (name, value) in [
            ("x", self.visible.0 + u32::from(area.x)),
            ("y", self.visible.1 + u32::from(area.y)),
            ("width", area.width.into()),
            ("height", area.height.into()),
        ] {
            dom::set(&rect, name, &value.into());
        }
        rect.into()
    }
}
