//! The canvas of the page, which shows the view pixel for pixel.

use nearhand_protocol::picture::Area;
use wasm_bindgen::{Clamped, JsCast, JsValue};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use crate::dom::{self, Missing};
use crate::stream::Frame;

/// Where the browser draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawing {
    /// On the graphics card: pixels go there quickly and come back slowly.
    Card,
    /// In this machine's memory, where copying rows beats everything else: a canvas drawn onto itself is copied whole
    /// before.
    Memory,
}

impl Drawing {
    /// Finds out; takes some ten milliseconds.
    pub(super) fn find() -> Self {
        let by_software = || {
            let canvas: HtmlCanvasElement = dom::create("canvas").ok()?;
            let context = canvas.get_context("webgl").ok()??;
            let call = |object: &JsValue, method, argument: JsValue| {
                dom::call(object, method, &js_sys::Array::of1(&argument))
            };
            // WEBGL_debug_renderer_info: UNMASKED_RENDERER_WEBGL. What a browser says without asking for performance is not
            // to be relied on: Chromium's own software renderer does not count as a caveat.
            call(&context, "getExtension", "WEBGL_debug_renderer_info".into())?;
            let name = call(&context, "getParameter", 0x9246.into())?.as_string()?.to_ascii_lowercase();
            if let Some(extension) = call(&context, "getExtension", "WEBGL_lose_context".into()) {
                dom::call(&extension, "loseContext", &js_sys::Array::new());
            }
            Some(
                ["swiftshader", "llvmpipe", "software", "basic render"]
                    .iter()
                    .any(|kind| name.contains(kind)),
            )
        };
        if by_software().unwrap_or(true) { Self::Memory } else { Self::Card }
    }
}

/// A canvas.
pub(super) struct Surface {
    pub(super) canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
    drawing: Drawing,
}

impl Surface {
    pub(super) fn new(canvas: HtmlCanvasElement, drawing: Drawing) -> Result<Self, Missing> {
        let options = js_sys::Object::new();
        dom::set(&options, "alpha", &JsValue::FALSE);
        dom::set(&options, "willReadFrequently", &(drawing == Drawing::Memory).into());
        let context = canvas.get_context_with_context_options("2d", &options).ok().flatten();
        let context: CanvasRenderingContext2d =
            context.and_then(dom::cast).ok_or_else(|| Missing::new("a canvas to draw on"))?;
        Ok(Self { canvas, context, drawing })
    }

    /// It is so large from now on. Where that is news, nothing stays of what it shows.
    pub(super) fn set_size(&self, width: u16, height: u16) {
        let (width, height) = (width.into(), height.into());
        // Setting a size clears the canvas, also where it is the same.
        if (self.canvas.width(), self.canvas.height()) != (width, height) {
            self.canvas.set_width(width);
            self.canvas.set_height(height);
        }
    }

    /// Puts parts of an image, whose corner lies at this pixel of the view.
    pub(super) fn put(&self, image: &ImageData, at: (u16, u16), parts: &[Area]) {
        for part in parts {
            let _ = self.context.put_image_data_with_dirty_x_and_dirty_y_and_dirty_width_and_dirty_height(
                image,
                at.0.into(),
                at.1.into(),
                f64::from(part.x - at.0),
                f64::from(part.y - at.1),
                part.width.into(),
                part.height.into(),
            );
        }
    }

    /// Copies pixels to another place.
    pub(super) fn copy(&self, from: Area, to: Area) {
        let (width, height) = (f64::from(from.width), f64::from(from.height));
        match self.drawing {
            Drawing::Card => {
                let _ = self
                    .context
                    .draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
                        &self.canvas,
                        from.x.into(),
                        from.y.into(),
                        width,
                        height,
                        to.x.into(),
                        to.y.into(),
                        width,
                        height,
                    );
            }
            Drawing::Memory => {
                let image = self.context.get_image_data(from.x.into(), from.y.into(), width, height);
                if let Ok(image) = image {
                    let _ = self.context.put_image_data(&image, to.x.into(), to.y.into());
                }
            }
        }
    }

    /// Draws parts of a frame, of which `width × height` pixels hold the whole view of this size.
    pub(super) fn draw(&self, frame: &Frame, size: (u16, u16), view: (u16, u16), parts: &[Area]) {
        if size == view {
            self.context.set_image_smoothing_enabled(false);
            for part in parts {
                // Each call converts the whole frame, so it is given no more of it than it shows.
                let even = frame.even(*part);
                let Some(cut) = frame.part(even) else { continue };
                self.draw_image(
                    cut.as_js(),
                    [
                        f64::from(part.x - even.x),
                        f64::from(part.y - even.y),
                        part.width.into(),
                        part.height.into(),
                    ],
                    [f64::from(part.x), f64::from(part.y), part.width.into(), part.height.into()],
                );
            }
            return;
        }
        // Drawn as one, within the parts: each alone would be smoothed up to its edges and no further, and show them.
        let Some(all) = crate::paint::around(parts) else { return };
        let across = f64::from(size.0) / f64::from(view.0);
        let down = f64::from(size.1) / f64::from(view.1);
        let scaled = |at: u32, factor: f64, more: f64, most: u16| {
            (f64::from(at) * factor + more).clamp(0.0, most.into()).round() as u16
        };
        let (left, top) =
            (scaled(all.x.into(), across, -3.0, size.0), scaled(all.y.into(), down, -3.0, size.1));
        let right = scaled(all.right(), across, 3.0, size.0);
        let bottom = scaled(all.bottom(), down, 3.0, size.1);
        if right <= left || bottom <= top {
            return;
        }
        let even = frame.even(Area::new(left, top, right - left, bottom - top));
        let Some(cut) = frame.part(even) else { return };
        // What `even` added beyond the part that holds the view is not drawn.
        let width = f64::from(right - even.x);
        let height = f64::from(bottom - even.y);
        self.context.save();
        self.context.begin_path();
        for part in parts {
            self.context.rect(f64::from(part.x), f64::from(part.y), part.width.into(), part.height.into());
        }
        self.context.clip();
        self.context.set_image_smoothing_enabled(true);
        self.draw_image(
            cut.as_js(),
            [0.0, 0.0, width, height],
            [f64::from(even.x) / across, f64::from(even.y) / down, width / across, height / down],
        );
        self.context.restore();
    }

    fn draw_image(&self, source: &JsValue, from: [f64; 4], to: [f64; 4]) {
        let arguments = js_sys::Array::of1(source);
        for value in from.into_iter().chain(to) {
            arguments.push(&value.into());
        }
        dom::call(self.context.unchecked_ref(), "drawImage", &arguments);
    }
}

/// Pixels for a canvas, without copying: they must not outlive the bytes.
pub(super) fn image_of(rgba: &[u8], width: u16, height: u16) -> Option<ImageData> {
    ImageData::new_with_u8_clamped_array_and_sh(Clamped(rgba), width.into(), height.into()).ok()
}
