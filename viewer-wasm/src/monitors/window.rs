//! A monitor in a browser window of its own: an empty window of this page's origin, which this page fills and paints.
//!
//! It has no address and no script, so it can neither be reloaded into a second session nor outlive this page.

use std::cell::Cell;
use std::rc::Rc;

use nearhand_protocol::display::Monitor;
use nearhand_protocol::picture::Area;
use wasm_bindgen::JsCast;
use web_sys::{
    CanvasRenderingContext2d, Document, Element, Event as DomEvent, HtmlCanvasElement, HtmlElement,
    HtmlTextAreaElement, Node, Window,
};

use crate::dom::{self, Missing};
use crate::keyboard::{self, Keyboard};
use crate::listen::{self, Listener, Sink};
use crate::pointer::{self, Pointer};
use crate::screen::Mapping;
use crate::words::picture;

/// The browser opened no window: most block those that they take for advertising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked;

/// What happened to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is gone, or goes.
    Closed(u8),
    /// It is no longer the one in front: nothing is pressed any more.
    Left(u8),
}

/// Where goes what happens in a window.
pub(crate) struct Sinks {
    /// To the window itself.
    pub(crate) window: Sink<Event>,
    /// On its keyboard.
    pub(crate) keyboard: Sink<keyboard::Event>,
    /// With its pointer, in pixels of the whole desktop.
    pub(crate) pointer: Sink<pointer::Event>,
}

/// The window of one monitor.
pub(crate) struct OwnWindow {
    monitor: u8,
    /// The part of the desktop that it shows.
    area: Rc<Cell<Area>>,
    window: Window,
    document: Document,
    body: HtmlElement,
    picture: HtmlElement,
    canvas: HtmlCanvasElement,
    keyboard: Keyboard,
    pointer: Pointer,
    words: Element,
    context: CanvasRenderingContext2d,
    /// A repaint was asked for, and did not happen yet.
    awaited: Rc<Cell<bool>>,
    repaint: wasm_bindgen::closure::Closure<dyn FnMut(wasm_bindgen::JsValue)>,
    /// The corner of what the page's canvas shows.
    corner: Rc<Cell<(u16, u16)>>,
    _listeners: Vec<Listener>,
}

impl OwnWindow {
    /// Opens it: must be called while the technician's click is handled.
    pub(crate) fn open(monitor: &Monitor, name: &str, sinks: &Sinks) -> Result<Self, Blocked> {
        Self::fill(monitor, name, sinks).map_err(|_| Blocked)
    }

    fn fill(monitor: &Monitor, name: &str, sinks: &Sinks) -> Result<Self, Missing> {
        let missing = || Missing::new("a window of its own");
        let own = dom::window()?;
        let size = format!("popup,width={},height={}", monitor.width, monitor.height);
        let opened = own.open_with_url_and_target_and_features("", "", &size);
        let window = opened.ok().flatten().ok_or_else(missing)?;
        let document = window.document().ok_or_else(missing)?;
        // Made here and moved there: what is made there would be of other classes than those that this module knows.
        let body = document.body().ok_or_else(missing)?;
        let stage = dom::copy_of("monitor-window-template")?;
        let picture: HtmlElement = dom::within(&stage, ".picture")?;
        let canvas: HtmlCanvasElement = dom::within(&stage, "canvas")?;
        let field: HtmlTextAreaElement = dom::within(&stage, "textarea")?;
        let words: Element = dom::within(&stage, ".frozen p")?;
        let context: CanvasRenderingContext2d =
            dom::cast(canvas.get_context("2d").ok().flatten().ok_or_else(missing)?).ok_or_else(missing)?;
        take_styles(&dom::document()?, &document);
        body.append_child(&stage).map_err(|_| missing())?;
        dom::set_attribute(&body, "data-window", "own");

        let id = monitor.id;
        let (gone, left, page) = (sinks.window.clone(), sinks.window.clone(), window.clone());
        let listeners = vec![
            listen::on(&window, "pagehide", move |_: DomEvent| gone(Event::Closed(id))),
            listen::on(&window, "blur", move |_: DomEvent| left(Event::Left(id))),
            listen::on(&own, "pagehide", move |_: DomEvent| {
                let _ = page.close();
            }),
        ];
        let source: HtmlCanvasElement = dom::by_id("screen")?;
        let area = Rc::new(Cell::new(Area::new(0, 0, 0, 0)));
        let (awaited, corner) = (Rc::new(Cell::new(false)), Rc::new(Cell::new((0, 0))));
        let repaint = {
            let (awaited, area, corner) = (awaited.clone(), area.clone(), corner.clone());
            let context = context.clone();
            listen::callback(move |_| {
                awaited.set(false);
                copy(&source, corner.get(), &context, area.get());
            })
        };
        let mapping = Mapping::of(picture.clone(), area.clone());
        let (focused, to_app) = (field.clone(), sinks.pointer.clone());
        let pointer = Pointer::new(
            &mapping,
            &(Rc::new(move |event| match event {
                pointer::Event::Took => keyboard::focus(&focused),
                other => to_app(other),
            }) as Sink<pointer::Event>),
        );
        let own = Self {
            monitor: id,
            area,
            window,
            document,
            body,
            picture,
            canvas,
            keyboard: Keyboard::of(field, &sinks.keyboard),
            pointer,
            words,
            context,
            awaited,
            repaint,
            corner,
            _listeners: listeners,
        };
        own.fit(monitor, name, None);
        Ok(own)
    }

    /// Which monitor.
    pub(crate) const fn monitor(&self) -> u8 {
        self.monitor
    }

    /// Somebody closed it without a word.
    pub(crate) fn is_closed(&self) -> bool {
        self.window.closed().unwrap_or(true)
    }

    /// Whether somebody may see it.
    pub(crate) fn is_seen(&self) -> bool {
        !self.is_closed() && !self.document.hidden()
    }

    /// The monitor is of this size and at this place now.
    pub(crate) fn fit(&self, monitor: &Monitor, name: &str, machine: Option<&str>) {
        let title = picture::window_title(name, machine);
        if self.document.title() != title {
            self.document.set_title(&title);
        }
        let area = Area::new(monitor.x, monitor.y, monitor.width, monitor.height);
        if self.area.replace(area) == area {
            return;
        }
        let (width, height) = (f64::from(monitor.width.max(1)), f64::from(monitor.height.max(1)));
        self.canvas.set_width(monitor.width.into());
        self.canvas.set_height(monitor.height.into());
        dom::set_style(&self.picture, "width", &format!("min(100vw, 100vh * {})", width / height));
        dom::set_style(&self.picture, "height", &format!("min(100vh, 100vw * {})", height / width));
        self.painted();
    }

    /// The page's own canvas shows what lies to the right of and below this pixel of the desktop.
    pub(crate) fn set_corner(&self, corner: (u16, u16)) {
        if self.corner.replace(corner) != corner {
            self.painted();
        }
    }

    /// The technician acts, or looks only; the customer's cursor is drawn as in the page.
    pub(crate) fn set_active(&self, active: bool, cursor: &str) {
        self.keyboard.set_active(active);
        self.pointer.set_active(active);
        // It carries a whole picture, which the browser would read anew.
        if self.picture.style().get_property_value("cursor").as_deref() != Ok(cursor) {
            dom::set_style(&self.picture, "cursor", cursor);
        }
    }

    /// Lets go of every key and button; whether any was held.
    pub(crate) fn release_all(&self) -> bool {
        self.keyboard.release_all().is_some() | self.pointer.release_all().is_some()
    }

    /// Something was painted on the page's own canvas: this one follows in the window's next animation frame.
    pub(crate) fn painted(&self) {
        if !self.awaited.get() {
            let asked = self.window.request_animation_frame(self.repaint.as_ref().unchecked_ref());
            self.awaited.set(asked.is_ok());
        }
    }

    /// The session stands as the page says, and this is said of it where no picture can be shown.
    pub(crate) fn follow(&self, page: &HtmlElement, words: Option<&str>) {
        for name in ["data-phase", "data-rights", "data-last", "data-frozen"] {
            dom::set_attribute(&self.body, name, &page.get_attribute(name).unwrap_or_default());
        }
        dom::set_text(&self.words, words.unwrap_or_default());
        if let Some(banner) = self.words.parent_element().and_then(dom::cast::<HtmlElement>) {
            dom::show(&banner, words.is_some());
        }
    }

    /// Nothing of the picture stays in it.
    pub(crate) fn darken(&self) {
        let area = self.area.get();
        self.context.clear_rect(0.0, 0.0, area.width.into(), area.height.into());
    }
}

impl Drop for OwnWindow {
    fn drop(&mut self) {
        let _ = self.window.close();
    }
}

/// Copies what the page's canvas shows of this part of the desktop.
fn copy(source: &HtmlCanvasElement, corner: (u16, u16), to: &CanvasRenderingContext2d, area: Area) {
    let (width, height) = (f64::from(area.width), f64::from(area.height));
    let (left, top) = (f64::from(area.x) - f64::from(corner.0), f64::from(area.y) - f64::from(corner.1));
    let _ = to.draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
        source, left, top, width, height, 0.0, 0.0, width, height,
    );
}

/// The page's style sheets, and its language, for the other document.
fn take_styles(from: &Document, to: &Document) {
    let sheets = from.query_selector_all("link[rel='stylesheet'], link[rel='icon']");
    let (Ok(sheets), Ok(Some(head))) = (sheets, to.query_selector("head")) else { return };
    for index in 0..sheets.length() {
        let copy: Option<Node> = sheets.item(index).and_then(|sheet| sheet.clone_node().ok());
        if let Some(copy) = copy {
            let _ = head.append_child(&copy);
        }
    }
    if let (Some(own), Some(root)) = (from.document_element(), to.document_element()) {
        for name in ["lang", "dir"] {
            dom::set_attribute(&root, name, &own.get_attribute(name).unwrap_or_default());
        }
    }
}
