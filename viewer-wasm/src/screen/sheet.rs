//! What is painted on, and the frame that is painted from.

use js_sys::{Promise, Uint8ClampedArray};
use nearhand_protocol::picture::Area;
use nearhand_protocol::tile::{self, TileError};
use web_sys::{HtmlCanvasElement, ImageData};

use super::surface::{Drawing, Surface, image_of};
use crate::dom::{self, Missing};
use crate::paint::{Canvas, common};
use crate::stream::Frame;

/// A frame is converted at once, in one go, where so many pixels of it are needed.
const CONVERT_PIXELS: u32 = 4 * 64 * 64;
/// A conversion may be for so many times the pixels that are needed.
const CONVERT_WASTE: u32 = 4;

/// Larger frames are not converted: room for all their pixels would be needed, four bytes for each.
const CONVERT_MOST: u32 = 1 << 24;

/// The newest frame.
struct Held {
    frame: Frame,
    /// The area of it that is converted already.
    converted: Option<Area>,
}

/// The canvas of the page.
pub(super) struct Sheet {
    surface: Surface,
    view: (u16, u16),
    tiles: tile::Decoder,
    pixels: Vec<u8>,
    held: Option<Held>,
    /// Room for the pixels of a frame of one size.
    buffer: Option<(Uint8ClampedArray, ImageData)>,
    /// This browser can't convert frames.
    unable: bool,
    /// When the last tile was decoded, in milliseconds since 1970.
    pub(super) decoded_ms: f64,
    /// How often something was painted.
    pub(super) strokes: u64,
}

impl Sheet {
    pub(super) fn new(canvas: HtmlCanvasElement) -> Result<Self, Missing> {
        Ok(Self {
            surface: Surface::new(canvas, Drawing::find())?,
            view: (0, 0),
            tiles: tile::Decoder::default(),
            pixels: Vec::new(),
            held: None,
            buffer: None,
            unable: false,
            decoded_ms: 0.0,
            strokes: 0,
        })
    }

    pub(super) const fn canvas(&self) -> &HtmlCanvasElement {
        &self.surface.canvas
    }

    /// The canvas has the size of this view from now on. What it shows stays, where that is the size it has.
    pub(super) fn set_view(&mut self, width: u16, height: u16) {
        self.view = (width, height);
        self.surface.set_size(width, height);
    }

    /// Nothing stays.
    pub(super) fn clear(&mut self) {
        self.held = None;
        self.buffer = None;
        self.pixels = Vec::new();
        self.view = (0, 0);
        self.surface.set_size(1, 1);
    }

    /// This frame is painted from, until the next.
    pub(super) fn hold(&mut self, frame: Frame) {
        self.held = Some(Held { frame, converted: None });
    }

    /// The size of what is looked at.
    pub(super) const fn view(&self) -> (u16, u16) {
        self.view
    }

    pub(super) fn held(&self) -> Option<&Frame> {
        self.held.as_ref().map(|held| &held.frame)
    }

    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// Begins to convert what will be needed of the frame that is held, where that is the quicker way; the answer is when it
    /// is done, and what [`Self::converted`] is then to be told.
    ///
    /// Chromium without a graphics card needs 8 ms to draw a frame of 1080p, and 2 ms to convert and put it.
    pub(super) fn convert(&mut self, size: (u16, u16), parts: &[Area]) -> Option<(Promise, Area)> {
        let held = self.held.as_ref()?;
        let needed: u32 = parts.iter().map(|area| area.pixels()).sum();
        let area = crate::paint::around(parts)?;
        let area = common(area, Area::new(0, 0, held.frame.size().0, held.frame.size().1))?;
        let of_frame = u32::from(held.frame.size().0) * u32::from(held.frame.size().1);
        if self.unable
            || of_frame > CONVERT_MOST
            || size != self.view
            || needed < CONVERT_PIXELS
            || area.pixels() / CONVERT_WASTE > needed
            || !held.frame.is_in_memory()
        {
            return None;
        }
        let area = held.frame.even(area);
        let (width, height) = held.frame.size();
        let fits = self.buffer.as_ref().is_some_and(|(_, image)| {
            (image.width(), image.height()) == (u32::from(width), u32::from(height))
        });
        if !fits {
            let pixels = Uint8ClampedArray::new_with_length(u32::from(width) * u32::from(height) * 4);
            let image = ImageData::new_with_js_u8_clamped_array_and_sh(&pixels, width.into(), height.into());
            self.buffer = Some((pixels, image.ok()?));
        }
        let (pixels, _) = self.buffer.as_ref()?;
        Some((held.frame.convert(area, pixels)?, area))
    }

    /// The conversion is done, or this browser refused it.
    pub(super) fn converted(&mut self, timestamp: u32, area: Option<Area>) {
        self.unable |= area.is_none();
        if let Some(held) = self.held.as_mut().filter(|held| held.frame.timestamp == timestamp) {
            held.converted = area;
        }
    }
}

impl Canvas for Sheet {
    fn tile(&mut self, area: Area, coded: &[u8], parts: &[Area]) -> Result<(), TileError> {
        self.tiles.decode(coded, area.width, area.height, &mut self.pixels)?;
        self.decoded_ms = dom::epoch_ms();
        self.strokes += 1;
        if let Some(image) = image_of(&self.pixels, area.width, area.height) {
            self.surface.put(&image, (area.x, area.y), parts);
        }
        Ok(())
    }

    fn copy(&mut self, from: Area, to: Area) {
        self.strokes += 1;
        self.surface.copy(from, to);
    }

    fn frame(&mut self, width: u16, height: u16, parts: &[Area]) -> bool {
        let Some(held) = &self.held else { return false };
        let (most, rows) = held.frame.size();
        if width > most || height > rows {
            return false;
        }
        let converted = held.converted.filter(|area| {
            (width, height) == self.view && parts.iter().all(|part| common(*part, *area) == Some(*part))
        });
        self.strokes += 1;
        match (converted, &self.buffer) {
            (Some(_), Some((_, image))) => self.surface.put(image, (0, 0), parts),
            _ => self.surface.draw(&held.frame, (width, height), self.view, parts),
        }
        true
    }
}
