//! The customer's picture in the page: its size and place, and the customer's cursor, which travels beside it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::Array;
use nearhand_protocol::cursor::{CursorMessage, CursorShape};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement, HtmlImageElement, HtmlVideoElement, ImageData,
    MediaStream, ResizeObserver,
};

use crate::dom::{self, Missing};
use crate::geometry::{self, Rect, Scale, Size};
use crate::listen::{self, Listener, Sink, Task};

/// Most shapes that are remembered; a program has a few dozen.
const MOST_SHAPES: usize = 64;

/// The stage changed its size, or the picture did.
pub(crate) struct Resized;

/// Which pixel a point of the page means; shared with whoever hears the pointer.
#[derive(Clone)]
pub(crate) struct Mapping {
    picture: HtmlElement,
    pixels: Rc<Cell<(u16, u16)>>,
}

impl Mapping {
    /// The picture's pixel under a point of the page, or beside it the nearest one.
    pub(crate) fn pixel(&self, x: f64, y: f64) -> Option<(u16, u16)> {
        let bounds = self.picture.get_bounding_client_rect();
        let size = Size { width: bounds.width(), height: bounds.height() };
        let (width, height) = self.pixels.get();
        geometry::to_pixel(Rect { left: bounds.left(), top: bounds.top(), size }, width, height, x, y)
    }
}

struct Shape {
    serial: u32,
    url: String,
    hot: (u16, u16),
}

/// The stage and what is on it.
pub(crate) struct Screen {
    stage: HtmlElement,
    picture: HtmlElement,
    video: HtmlVideoElement,
    cursor: HtmlImageElement,
    pixels: Rc<Cell<(u16, u16)>>,
    scale: Scale,
    shown: Option<Size>,
    shapes: VecDeque<Shape>,
    /// The shape that is shown; `None`: hidden, or not known yet.
    shape: Option<u32>,
    hidden: bool,
    /// Where the cursor is, when it was not the technician who moved it.
    elsewhere: Option<(u16, u16)>,
    acting: bool,
    playing: Option<Task>,
    observer: ResizeObserver,
    _resized: Closure<dyn FnMut(JsValue)>,
    _listener: Listener,
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.observer.disconnect();
        self.darken();
    }
}

impl Screen {
    /// Finds the stage in the page.
    pub(crate) fn new(sink: &Sink<Resized>) -> Result<Self, Missing> {
        let stage: HtmlElement = dom::by_id("stage")?;
        let video: HtmlVideoElement = dom::by_id("screen")?;
        let (to_observer, to_video) = (sink.clone(), sink.clone());
        let resized = listen::callback(move |_: JsValue| to_observer(Resized));
        let observer = ResizeObserver::new(resized.as_ref().unchecked_ref())
            .map_err(|_| Missing::new("a ResizeObserver"))?;
        observer.observe(&stage);
        // The stream's own size stands in until the host tells the layout.
        let listener = listen::on(&video, "resize", move |_: web_sys::Event| to_video(Resized));
        Ok(Self {
            stage,
            picture: dom::by_id("picture")?,
            video,
            cursor: dom::by_id("remote-cursor")?,
            pixels: Rc::default(),
            scale: Scale::Fit,
            shown: None,
            shapes: VecDeque::new(),
            shape: None,
            hidden: false,
            elsewhere: None,
            acting: false,
            playing: None,
            observer,
            _resized: resized,
            _listener: listener,
        })
    }

    /// For whoever hears the pointer.
    pub(crate) fn mapping(&self) -> Mapping {
        Mapping { picture: self.picture.clone(), pixels: self.pixels.clone() }
    }

    /// How the picture is laid into the stage.
    pub(crate) const fn scale(&self) -> Scale {
        self.scale
    }

    /// Lays it in differently.
    pub(crate) fn set_scale(&mut self, scale: Scale) {
        self.scale = scale;
        self.lay_out();
    }

    /// The picture's size in pixels, as the host says, or as the stream has it.
    pub(crate) fn set_pixels(&mut self, layout: Option<(u16, u16)>) {
        let own = || (self.video.video_width() as u16, self.video.video_height() as u16);
        self.pixels.set(layout.unwrap_or_else(own));
        self.lay_out();
    }

    /// A new stream is shown from now on.
    pub(crate) fn play(&mut self, stream: &MediaStream) {
        self.video.set_src_object(Some(stream));
        self.resume();
    }

    /// The picture is in sight (again): it plays, where the browser stopped it.
    pub(crate) fn resume(&mut self) {
        // A picture that can't start yet rejects the promise, and that is no news.
        if self.video.paused()
            && let Some(playing) = dom::call_async(&self.video, "play", &Array::new())
        {
            self.playing = Some(listen::spawn(async move {
                let _ = JsFuture::from(playing).await;
            }));
        }
    }

    /// Nothing is shown any more, and nothing of it stays in the page.
    pub(crate) fn darken(&mut self) {
        self.video.set_src_object(None);
        self.elsewhere = None;
        self.draw_cursor();
    }

    /// The technician acts, or looks only.
    pub(crate) fn set_acting(&mut self, acting: bool) {
        if self.acting != acting {
            self.acting = acting;
            self.draw_cursor();
        }
    }

    /// The technician moved the pointer: it is where the browser draws it.
    pub(crate) fn moved_here(&mut self) {
        if self.elsewhere.take().is_some() {
            self.draw_cursor();
        }
    }

    /// The host tells about its cursor.
    pub(crate) fn cursor(&mut self, message: CursorMessage) {
        match message {
            CursorMessage::Shape(shape) => {
                self.hidden = false;
                self.shape = Some(shape.serial);
                self.remember(&shape);
            }
            CursorMessage::Again { serial } => {
                self.hidden = false;
                self.shape = Some(serial);
            }
            CursorMessage::Hidden => self.hidden = true,
            CursorMessage::At { x, y } => self.elsewhere = Some((x, y)),
        }
        self.draw_cursor();
    }

    fn remember(&mut self, shape: &CursorShape) {
        self.shapes.retain(|known| known.serial != shape.serial);
        if let Some(url) = picture_url(shape) {
            self.shapes.push_back(Shape { serial: shape.serial, url, hot: (shape.hot_x, shape.hot_y) });
        }
        if self.shapes.len() > MOST_SHAPES {
            self.shapes.pop_front();
        }
    }

    fn lay_out(&mut self) {
        let (width, height) = self.pixels.get();
        let stage =
            Size { width: self.stage.client_width().into(), height: self.stage.client_height().into() };
        let ratio = dom::window().map_or(1.0, |window| window.device_pixel_ratio());
        let shown = geometry::shown(self.scale, stage, width, height, ratio);
        if self.shown != shown {
            self.shown = shown;
            if let Some(size) = shown {
                dom::set_style(&self.picture, "width", &format!("{}px", size.width));
                dom::set_style(&self.picture, "height", &format!("{}px", size.height));
            }
        }
        self.draw_cursor();
    }

    fn draw_cursor(&self) {
        let shape = self.shape.and_then(|serial| self.shapes.iter().find(|shape| shape.serial == serial));
        let own = match (self.acting, self.hidden || self.elsewhere.is_some(), shape) {
            (true, true, _) => "none".into(),
            (true, false, Some(shape)) => {
                format!("url({}) {} {}, default", shape.url, shape.hot.0, shape.hot.1)
            }
            _ => "default".into(),
        };
        dom::set_style(&self.picture, "cursor", &own);
        let drawn = shape.zip(self.elsewhere).zip(self.shown).filter(|_| !self.hidden);
        dom::show(&self.cursor, drawn.is_some());
        if let Some(((shape, (x, y)), size)) = drawn {
            if self.cursor.src() != shape.url {
                self.cursor.set_src(&shape.url);
            }
            let (width, height) = self.pixels.get();
            let (across, down) = geometry::from_pixel(size, width, height, x, y);
            let (left, top) = (across - f64::from(shape.hot.0), down - f64::from(shape.hot.1));
            dom::set_style(&self.cursor, "transform", &format!("translate({left}px, {top}px)"));
        }
    }
}

/// The shape as a PNG in a `data:` address, which CSS takes without a request.
fn picture_url(shape: &CursorShape) -> Option<String> {
    let canvas: HtmlCanvasElement = dom::create("canvas").ok()?;
    canvas.set_width(shape.width.into());
    canvas.set_height(shape.height.into());
    let context: CanvasRenderingContext2d = dom::cast(canvas.get_context("2d").ok()??)?;
    let pixels = ImageData::new_with_u8_clamped_array_and_sh(
        Clamped(&shape.rgba),
        shape.width.into(),
        shape.height.into(),
    );
    context.put_image_data(&pixels.ok()?, 0.0, 0.0).ok()?;
    canvas.to_data_url_with_type("image/png").ok()
}
