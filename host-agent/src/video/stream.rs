//! One encoder and the picture it reads, for all viewers that look at the same part of the desktop over lines alike.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nearhand_encoder::{Config, Encoder, Error as EncoderError, Params, Picture, Rect, Scale};
use nearhand_protocol::picture::Area;

use super::ViewerId;
use super::rate;
use super::region::{Grid, Region};
use super::schedule::Schedule;
use super::screen::Screen;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The part of the desktop.
    pub(super) area: Area,
    /// The only viewer, where its line is worse than the others'.
    pub(super) own: Option<ViewerId>,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: Key,
    pub(super) schedule: Schedule,
    picture: Picture,
    encoder: Encoder,
    /// What the picture does not show yet, from the corner of the area.
    changed: Region,
    scale: rate::Scale,
    begun: Instant,
}

/// A frame of it.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) annex_b: Bytes,
    pub(super) keyframe: bool,
    pub(super) qp: u8,
    pub(super) converted: Instant,
}

impl Stream {
    /// A stream that has shown nothing.
    pub(super) fn new(
        key: Key,
        scale: rate::Scale,
        bitrate: u32,
        now: Instant,
    ) -> Result<Self, EncoderError> {
        let area = key.area;
        let view = Rect::new(area.x.into(), area.y.into(), area.width.into(), area.height.into());
        let largest = Scale::largest(view.width, view.height).size(view.width, view.height);
        let (of, parts) = scale.fraction();
        let side = |side: u32, most: u32| (side * of).div_ceil(parts).clamp(1, most);
        let (width, height) = (side(view.width, largest.0), side(view.height, largest.1));
        let picture = Picture::of(view, width, height)?;
        let encoder = Encoder::new(&Config::new(width, height, bitrate))?;
        let mut changed = Region::new(Grid { width: area.width, height: area.height });
        changed.add(Area::new(0, 0, area.width, area.height));
        Ok(Self { key, schedule: Schedule::default(), picture, encoder, changed, scale, begun: now })
    }

    /// Whether it has this scale, or is too young to change it.
    pub(super) fn fits(&self, scale: rate::Scale, now: Instant, least: Duration) -> bool {
        self.scale == scale || now.saturating_duration_since(self.begun) < least
    }

    /// The pixels of a frame that hold the view.
    pub(super) fn size(&self) -> (u32, u32) {
        self.picture.screen_size()
    }

    /// The screen changed here, in its own pixels.
    pub(super) fn change(&mut self, area: Area) {
        if let Some(part) = within(area, self.key.area) {
            self.changed.add(part);
        }
    }

    /// Encodes the screen as it is.
    pub(super) fn encode(
        &mut self,
        screen: &Screen,
        params: &Params,
        bitrate: u32,
    ) -> Result<Option<Encoded>, EncoderError> {
        if self.encoder.config().bitrate_bps != bitrate {
            self.encoder.set_bitrate(bitrate)?;
        }
        let corner = self.key.area;
        let (x, y) = (u32::from(corner.x), u32::from(corner.y));
        let rect = |area: Area| {
            Rect::new(x + u32::from(area.x), y + u32::from(area.y), area.width.into(), area.height.into())
        };
        let damage: Vec<Rect> = self.changed.take().into_iter().map(rect).collect();
        self.picture.update_from_bgra(screen.pixels(), screen.stride(), &damage)?;
        let converted = Instant::now();
        let encoded = self.encoder.encode_with(&self.picture, params)?;
        Ok(encoded.map(|frame| Encoded {
            annex_b: frame.data.into(),
            keyframe: frame.keyframe,
            qp: frame.qp,
            converted,
        }))
    }
}

/// What of `area` lies in `view`, from the corner of that.
pub(super) fn within(area: Area, view: Area) -> Option<Area> {
    let part = super::region::common(area, view)?;
    Some(Area::new(part.x - view.x, part.y - view.y, part.width, part.height))
}
