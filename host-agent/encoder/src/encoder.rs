//! An encoder for a desktop that is watched and controlled live: which quantiser each picture gets.

mod codec;

use crate::budget::{Bucket, Model, Task};
use crate::work::Work;
use crate::{Error, Picture};

use codec::Codec;

/// What an encoder is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Pixels in a row of the screen; odd ones are padded as [`Picture`] does it.
    pub width: u32,
    /// Rows of the screen.
    pub height: u32,
    /// Bits per second to aim at.
    pub bitrate_bps: u32,
    /// Pictures per second at most (1 to 60): none gets less than half of `bitrate_bps / max_fps` bits.
    pub max_fps: u32,
    /// Threads and slices; `None`: two where there are two cores or more and the picture is larger than 1280 × 720. Slices
    /// beyond two cost bits and gain little.
    pub threads: Option<u16>,
    /// Where it looks for what was there before.
    pub search: Search,
}

/// Where an encoder looks for what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Nearby (openh264's preset for cameras): quick, and right for films. What scrolls or is dragged by more than some ten
    /// pixels at once is coded anew.
    Near,
    /// Along rows and columns, and by what blocks look like (openh264's preset for screens): scrolled text takes a
    /// thirtieth of the bytes, a dragged window a quarter, but every picture of 1080p 8 ms more. Where more than 85 % of
    /// the picture changed and nothing of it is found, it is an IDR that nobody asked for. For thin lines and small
    /// pictures, where what moved isn't told otherwise.
    Far,
}

impl Config {
    /// A screen at 30 pictures per second, with as many threads as fit this machine.
    pub const fn new(width: u32, height: u32, bitrate_bps: u32) -> Self {
        Self { width, height, bitrate_bps, max_fps: 30, threads: None, search: Search::Near }
    }
}

/// How one picture is to be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// When it was captured, in milliseconds; must not go backwards.
    pub timestamp_ms: i64,
    /// As an IDR.
    pub keyframe: bool,
    /// The length to aim at, in bytes; `None`: what the bitrate gives. A change that comes as a surprise may take up to twice
    /// as much; a keyframe that does is coded again.
    pub max_bytes: Option<usize>,
    /// The sharpest quantiser that is worth its bytes (1 to 51): the picture takes no more than this needs.
    pub sharpest: u8,
    /// The coarsest quantiser (1 to 51), whatever `max_bytes` says.
    pub coarsest: u8,
}

impl Params {
    /// A picture as good as the bitrate lets it be.
    pub const fn new(timestamp_ms: i64) -> Self {
        Self { timestamp_ms, keyframe: false, max_bytes: None, sharpest: LEAST_QP, coarsest: MOST_QP }
    }
}

/// One coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// One access unit in Annex B: start codes and NAL units; SPS and PPS come before an IDR.
    pub data: Vec<u8>,
    /// Whether it is an IDR: decoding can start here.
    pub keyframe: bool,
    /// The quantiser (1 sharpest, 51 coarsest): what is left to refine while the screen rests.
    pub qp: u8,
}

/// An H.264 encoder for one size of screen. Make a new one when the size changes.
///
/// Calls block for the time of one encode (a few milliseconds at 1080p): keep it on a thread of its own.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    config: Config,
    model: Model,
    bucket: Bucket,
    /// The picture's version that was encoded last; `None`: none was.
    seen: Option<u32>,
    /// The quantiser of each macroblock as it stands.
    quantisers: Vec<u8>,
}

/// The rates that openh264 takes (`MAX_FRAME_RATE` in `wels_const.h` is 60).
const MAX_FPS: u32 = 60;
/// The sharpest quantiser. What is sharper nobody sees, and motion pays for it: panning a full screen took 1254 kB/s with 1
/// here and takes 377 kB/s with 20, at the same rate of pictures. (0 would make openh264 take its default range 26..35.)
pub const LEAST_QP: u8 = 20;

/// The coarsest quantiser that shows anything: text can be guessed at 38 and is gone at 46, and films get no smaller beyond 34.
/// Where that takes more than the line does, a smaller picture shows more than a coarser one.
pub const MOST_QP: u8 = 46;

/// A keyframe gets so many times the bytes of other pictures, where its caller names none.
const KEYFRAME_SHARE: usize = 2;

/// openh264 computes bits in `i32`.
const MAX_BITRATE: u32 = 1_000_000_000;

impl Encoder {
    /// Starts an encoder; its first picture is an IDR.
    pub fn new(config: &Config) -> Result<Self, Error> {
        // The size's limits live in one place.
        let coded = Picture::new(config.width, config.height)?.coded_size();
        check("bitrate", config.bitrate_bps, MAX_BITRATE)?;
        check("frame rate", config.max_fps, MAX_FPS)?;
        let macroblocks = coded.0.div_ceil(16) as usize * coded.1.div_ceil(16) as usize;
        Ok(Self {
            codec: Codec::start(config, coded, macroblocks)?,
            config: *config,
            model: Model::new(),
            bucket: Bucket::new(),
            seen: None,
            quantisers: vec![51; macroblocks],
        })
    }

    /// What this encoder was made for, with the bitrate and frame rate as they are now.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Encodes the picture as it stands, as well as the bitrate lets it be. `timestamp_ms` must not go backwards.
    pub fn encode(
        &mut self,
        picture: &Picture,
        timestamp_ms: i64,
        force_idr: bool,
    ) -> Result<Option<EncodedFrame>, Error> {
        self.encode_with(picture, &Params { keyframe: force_idr, ..Params::new(timestamp_ms) })
    }

    /// Encodes the picture as it stands, within these limits.
    ///
    /// `None` is a picture that the encoder left out; with the settings used here it does not, but a caller must not
    /// fail if it does.
    pub fn encode_with(&mut self, picture: &Picture, params: &Params) -> Result<Option<EncodedFrame>, Error> {
        self.codec.fits(picture)?;
        let works = picture.works();
        let keyframe = params.keyframe || self.seen.is_none();
        // Another picture of this size than the last one has its own versions; a version that is ahead tells at least that.
        let seen = self.seen.filter(|seen| works.version().wrapping_sub(*seen) < u32::MAX / 2);
        let seen = seen.unwrap_or(works.version().wrapping_sub(u32::MAX / 2));
        let work = Work::since(works.cells(), works.version(), seen);
        let task = Task::new(works.cells(), &self.quantisers, &work, keyframe);
        let even = self.bucket.bytes(params.timestamp_ms, self.config.bitrate_bps, self.config.max_fps);
        let budget = params.max_bytes.unwrap_or(if keyframe { even * KEYFRAME_SHARE } else { even });

        let mut qp = self.model.quantiser(&task, budget, params.sharpest, params.coarsest);
        let mut frame = self.codec.encode(picture, params.timestamp_ms, keyframe, qp)?;
        if let Some(first) = &frame {
            self.model.took(&task, qp, first.data.len());
            let again = self.model.quantiser(&task, budget, params.sharpest, params.coarsest);
            // A keyframe refers to nothing, so the first attempt can be thrown away.
            if first.keyframe && first.data.len() > budget * 3 / 2 && again > qp {
                qp = again;
                frame = self.codec.encode(picture, params.timestamp_ms, true, qp)?;
                if let Some(second) = &frame {
                    self.model.took(&task, qp, second.data.len());
                }
            }
        }
        let Some(frame) = frame else { return Ok(None) };
        self.bucket.took(frame.data.len());
        for (was, cell) in self.quantisers.iter_mut().zip(works.cells()) {
            *was = if frame.keyframe || work.is_new(*cell) { qp } else { qp.min(*was) };
        }
        self.seen = Some(works.version());
        Ok(Some(frame))
    }

    /// Aims at another bitrate from the next picture on, without an IDR.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), Error> {
        check("bitrate", bitrate_bps, MAX_BITRATE)?;
        self.config.bitrate_bps = bitrate_bps;
        Ok(())
    }

    /// Spreads the bitrate over another number of pictures per second from the next picture on, without an IDR.
    pub fn set_max_fps(&mut self, max_fps: u32) -> Result<(), Error> {
        check("frame rate", max_fps, MAX_FPS)?;
        self.config.max_fps = max_fps;
        Ok(())
    }
}

fn check(what: &'static str, value: u32, max: u32) -> Result<(), Error> {
    if (1..=max).contains(&value) { Ok(()) } else { Err(Error::Setting { what, value }) }
}
