//! The customer's picture in the page: its size and place, and the customer's cursor, which travels beside it.

mod painting;
mod sheet;
mod surface;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use nearhand_protocol::cursor::{CursorMessage, CursorShape};
use nearhand_protocol::picture::{Area, Painted, View};
use nearhand_protocol::wire::WireError;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{
    CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement, HtmlImageElement, ImageData, MediaStream,
    ResizeObserver,
};

use crate::dom::{self, Missing};
use crate::geometry::{self, Rect, Scale, Size};
use crate::listen::{self, Listener, Sink};

pub(crate) use painting::{Done, Event, MOST_PIXELS};

use painting::Painting;

/// Most shapes that are remembered; a program has a few dozen.
const MOST_SHAPES: usize = 64;

/// The stage changed its size.
pub(crate) struct Resized;

/// No part of the desktop.
const NOTHING: Area = Area::new(0, 0, 0, 0);

/// Which pixel a point of the page means; shared with whoever hears the pointer.
#[derive(Clone)]
pub(crate) struct Mapping {
    picture: HtmlElement,
    shown: Rc<Cell<Area>>,
}

impl Mapping {
    /// Of this element, which shows this part of the desktop.
    pub(crate) const fn of(picture: HtmlElement, shown: Rc<Cell<Area>>) -> Self {
        Self { picture, shown }
    }

    /// What shows the picture, and takes the pointer.
    pub(crate) const fn picture(&self) -> &HtmlElement {
        &self.picture
    }

    /// The pixel of the whole desktop under a point of the page, or beside the picture the nearest one that is shown.
    pub(crate) fn pixel(&self, x: f64, y: f64) -> Option<(u16, u16)> {
        let bounds = self.picture.get_bounding_client_rect();
        let size = Size { width: bounds.width(), height: bounds.height() };
        let shown = self.shown.get();
        let rect = Rect { left: bounds.left(), top: bounds.top(), size };
        let (across, down) = geometry::to_pixel(rect, shown.width, shown.height, x, y)?;
        Some((shown.x.saturating_add(across), shown.y.saturating_add(down)))
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
    painting: Painting,
    cursor: HtmlImageElement,
    /// The part of the desktop that is shown; without extent while nothing is.
    area: Rc<Cell<Area>>,
    scale: Scale,
    shown: Option<Size>,
    shapes: VecDeque<Shape>,
    /// The shape that is shown; `None`: hidden, or not known yet.
    shape: Option<u32>,
    hidden: bool,
    /// Where the cursor is, when it was not the technician who moved it.
    elsewhere: Option<(u16, u16)>,
    acting: bool,
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
    pub(crate) fn new(sink: &Sink<Resized>, of_picture: Sink<Event>) -> Result<Self, Missing> {
        let stage: HtmlElement = dom::by_id("stage")?;
        let canvas: HtmlCanvasElement = dom::by_id("screen")?;
        let to_observer = sink.clone();
        let resized = listen::callback(move |_: JsValue| to_observer(Resized));
        let observer = ResizeObserver::new(resized.as_ref().unchecked_ref())
            .map_err(|_| Missing::new("a ResizeObserver"))?;
        observer.observe(&stage);
        let lost = of_picture.clone();
        let listener = listen::on(&canvas, "contextrestored", move |_: web_sys::Event| lost(Event::Lost));
        Ok(Self {
            stage,
            picture: dom::by_id("picture")?,
            painting: Painting::new(canvas, of_picture)?,
            cursor: dom::by_id("remote-cursor")?,
            area: Rc::new(Cell::new(NOTHING)),
            scale: Scale::Fit,
            shown: None,
            shapes: VecDeque::new(),
            shape: None,
            hidden: false,
            elsewhere: None,
            acting: false,
            observer,
            _resized: resized,
            _listener: listener,
        })
    }

    /// For whoever hears the pointer.
    pub(crate) fn mapping(&self) -> Mapping {
        Mapping { picture: self.picture.clone(), shown: self.area.clone() }
    }

    /// The cursor over the picture, as CSS has it.
    pub(crate) fn cursor_style(&self) -> String {
        self.picture.style().get_property_value("cursor").unwrap_or_default()
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

    /// What is looked at from now on. Answers how many of the updates that waited for it made no sense.
    pub(crate) fn set_view(&mut self, view: View) -> u32 {
        let bad = self.painting.view(view);
        self.set_area(view.area);
        bad
    }

    /// A host that says nothing of views shows everything, by frames alone.
    pub(crate) fn set_bare(&mut self, width: u16, height: u16) {
        self.painting.show_bare(width, height);
        self.set_area(Area::new(0, 0, width, height));
    }

    fn set_area(&mut self, area: Area) {
        if self.area.replace(area) != area {
            self.lay_out();
        }
    }

    /// Lays the picture into the stage, which has changed.
    pub(crate) fn fit(&mut self) {
        self.lay_out();
    }

    /// A new peer connection begins; the last picture stays until it brings another.
    pub(crate) fn begin(&mut self) {
        self.painting.begin();
    }

    /// The video comes by this stream from now on.
    pub(crate) fn play(&mut self, stream: &MediaStream) {
        self.painting.play(stream);
    }

    /// An update of the picture.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<Done, WireError> {
        self.painting.update(bytes)
    }

    /// A part of a frame that comes over a data channel.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> Result<Done, WireError> {
        self.painting.chunk(bytes)
    }

    /// Something else that belongs to the picture.
    pub(crate) fn handle(&mut self, event: Event) -> Result<Done, WireError> {
        self.painting.handle(event)
    }

    /// What waited long enough waits no longer.
    pub(crate) fn tick(&mut self) -> Result<Done, WireError> {
        self.painting.tick()
    }

    /// What the host is to be told by now of what was painted.
    pub(crate) fn tell(&mut self) -> Option<Painted> {
        self.painting.tell()
    }

    /// In how many milliseconds [`Self::tick`] or [`Self::tell`] has something to do; `None`: only after something else.
    pub(crate) fn due_in_ms(&self) -> Option<f64> {
        self.painting.due_in_ms()
    }

    /// Writes down, for who looks at the page from outside, how much was painted.
    pub(crate) fn count(&self) {
        self.painting.count();
    }

    /// How many frames of the current peer connection were decoded here, not by the browser's WebRTC.
    pub(crate) const fn decoded(&self) -> u64 {
        self.painting.decoded()
    }

    /// Nothing is shown any more, and nothing of it stays in the page.
    pub(crate) fn darken(&mut self) {
        self.painting.end();
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
        let Area { width, height, .. } = self.area.get();
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
        let area = self.area.get();
        let place = self.elsewhere.filter(|(x, y)| {
            (area.x.into()..area.right()).contains(&u32::from(*x))
                && (area.y.into()..area.bottom()).contains(&u32::from(*y))
        });
        let drawn = shape.zip(place).zip(self.shown).filter(|_| !self.hidden);
        dom::show(&self.cursor, drawn.is_some());
        if let Some(((shape, (x, y)), size)) = drawn {
            if self.cursor.src() != shape.url {
                self.cursor.set_src(&shape.url);
            }
            let (across, down) = geometry::from_pixel(size, area.width, area.height, x - area.x, y - area.y);
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
