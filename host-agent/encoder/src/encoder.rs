//! openh264 through its raw API, tuned for a desktop that is watched and controlled live.

use std::num::NonZeroUsize;
use std::os::raw::{c_int, c_void};
use std::ptr;

use openh264_sys2 as sys;
use openh264_sys2::source::APILoader;

use crate::budget::{Bucket, Model, Task};
use crate::work::Work;
use crate::{Error, Picture};

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
    raw: *mut sys::ISVCEncoder,
    calls: sys::ISVCEncoderVtbl,
    config: Config,
    coded: (u32, u32),
    model: Model,
    bucket: Bucket,
    /// The picture's version that was encoded last; `None`: none was.
    seen: Option<u32>,
    /// The quantiser of each macroblock as it stands.
    quantisers: Vec<u8>,
}

// SAFETY: the pointer is owned by this value alone and openh264 ties no state to the calling thread; its own worker
// threads are started and joined inside its calls. `&self` gives no access to it, so it is not `Sync` by need.
unsafe impl Send for Encoder {}

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

/// From so many macroblocks on, one more than 1280 × 720 has, a second thread pays.
const LARGE: usize = 3601;

/// openh264 computes bits in `i32`.
const MAX_BITRATE: u32 = 1_000_000_000;

impl Encoder {
    /// Starts an encoder; its first picture is an IDR.
    pub fn new(config: &Config) -> Result<Self, Error> {
        // The size's limits live in one place.
        let coded = Picture::new(config.width, config.height)?.coded_size();
        check("bitrate", config.bitrate_bps, MAX_BITRATE)?;
        check("frame rate", config.max_fps, MAX_FPS)?;

        let mut raw: *mut sys::ISVCEncoder = ptr::null_mut();
        // SAFETY: `raw` is a valid place for the pointer.
        let code = unsafe { APILoader::WelsCreateSVCEncoder(&raw mut raw) };
        if code != 0 || raw.is_null() {
            return Err(Error::Codec { what: "create an encoder", code: code.into() });
        }
        // SAFETY: a created encoder is a pointer to a pointer to its table of functions, which lives as long as it.
        let calls = unsafe { **raw };
        // From here `Drop` destroys it, whatever fails.
        let macroblocks = coded.0.div_ceil(16) as usize * coded.1.div_ceil(16) as usize;
        let mut encoder = Self {
            raw,
            calls,
            config: *config,
            coded,
            model: Model::new(),
            bucket: Bucket::new(),
            seen: None,
            quantisers: vec![51; macroblocks],
        };

        let mut level: c_int = sys::WELS_LOG_QUIET;
        encoder.set_option("quieten its log", sys::ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast())?;
        let parameters = encoder.parameters()?;
        let initialize = entry(calls.InitializeExt)?;
        // SAFETY: the encoder is alive, the parameters are complete and copied by the call.
        succeeded("start", unsafe { initialize(encoder.raw, &raw const parameters) })?;
        let mut format: c_int = sys::videoFormatI420;
        encoder.set_option("take I420", sys::ENCODER_OPTION_DATAFORMAT, (&raw mut format).cast())?;
        Ok(encoder)
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
        if picture.coded_size() != self.coded {
            return Err(Error::OtherSize { expected: self.coded, got: picture.coded_size() });
        }
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
        let mut frame = self.encode_at(picture, params.timestamp_ms, keyframe, qp)?;
        if let Some(first) = &frame {
            self.model.took(&task, qp, first.data.len());
            let again = self.model.quantiser(&task, budget, params.sharpest, params.coarsest);
            // A keyframe refers to nothing, so the first attempt can be thrown away.
            if first.keyframe && first.data.len() > budget * 3 / 2 && again > qp {
                qp = again;
                frame = self.encode_at(picture, params.timestamp_ms, true, qp)?;
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

    /// Quantises with this from the next picture on.
    ///
    /// Of all that the option carries openh264 takes over the layer's QP and a few more; what would make it start anew, with
    /// an IDR, is what it has already.
    fn set_qp(&mut self, qp: u8) -> Result<(), Error> {
        let mut parameters = sys::SEncParamExt::default();
        let get = entry(self.calls.GetOption)?;
        // SAFETY: the encoder is alive and started, and this option writes one `SEncParamExt`.
        let code = unsafe {
            get(self.raw, sys::ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, (&raw mut parameters).cast::<c_void>())
        };
        succeeded("give its parameters", code)?;
        parameters.sSpatialLayers[0].iDLayerQp = qp.into();
        self.set_option(
            "change its quantiser",
            sys::ENCODER_OPTION_SVC_ENCODE_PARAM_EXT,
            (&raw mut parameters).cast(),
        )
    }

    fn encode_at(
        &mut self,
        picture: &Picture,
        timestamp_ms: i64,
        keyframe: bool,
        qp: u8,
    ) -> Result<Option<EncodedFrame>, Error> {
        self.set_qp(qp)?;
        if keyframe {
            let force = entry(self.calls.ForceIntraFrame)?;
            // SAFETY: the encoder is alive and started.
            succeeded("force a keyframe", unsafe { force(self.raw, true) })?;
        }
        let (width, height) = (self.coded.0 as c_int, self.coded.1 as c_int);
        let source = sys::SSourcePicture {
            iColorFormat: sys::videoFormatI420,
            iStride: [width, width / 2, width / 2, 0],
            pData: [
                picture.y().as_ptr().cast_mut(),
                picture.u().as_ptr().cast_mut(),
                picture.v().as_ptr().cast_mut(),
                ptr::null_mut(),
            ],
            iPicWidth: width,
            iPicHeight: height,
            uiTimeStamp: timestamp_ms,
            ..sys::SSourcePicture::default()
        };
        let mut coded = sys::SFrameBSInfo::default();
        let encode = entry(self.calls.EncodeFrame)?;
        // SAFETY: the encoder is alive and started for this size; the planes have `coded_size` bytes without gaps, are
        // only read (the API's pointers are not const) and outlive the call; `coded` is a valid place for the result.
        succeeded("encode a picture", unsafe { encode(self.raw, &raw const source, &raw mut coded) })?;
        if coded.eFrameType == sys::videoFrameTypeSkip || coded.eFrameType == sys::videoFrameTypeInvalid {
            return Ok(None);
        }
        Ok(Some(EncodedFrame {
            data: access_unit(&coded),
            keyframe: coded.eFrameType == sys::videoFrameTypeIDR,
            qp,
        }))
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

    /// The settings, each with its reason.
    fn parameters(&self) -> Result<sys::SEncParamExt, Error> {
        let config = &self.config;
        let threads = config.threads.unwrap_or_else(|| default_threads(self.quantisers.len())).clamp(1, 4);
        let mut p = sys::SEncParamExt::default();
        let defaults = entry(self.calls.GetDefaultParams)?;
        // SAFETY: the encoder is alive; `p` is a valid place for the parameters.
        succeeded("give its default parameters", unsafe { defaults(self.raw, &raw mut p) })?;

        p.iUsageType = match config.search {
            Search::Near => sys::CAMERA_VIDEO_REAL_TIME,
            Search::Far => sys::SCREEN_CONTENT_REAL_TIME,
        };
        p.iComplexityMode = sys::LOW_COMPLEXITY;
        p.iPicWidth = self.coded.0 as c_int;
        p.iPicHeight = self.coded.1 as c_int;
        // See `budget`.
        p.iRCMode = sys::RC_OFF_MODE;
        p.iTargetBitrate = config.bitrate_bps as c_int;
        p.iMaxBitrate = sys::UNSPECIFIED_BIT_RATE as c_int;
        p.fMaxFrameRate = config.max_fps as f32;
        // The host paces whole pictures by what the line takes; a picture that it asks for is wanted.
        p.bEnableFrameSkip = false;
        // IDRs only on demand: one costs 100 to 300 kB at 1080p.
        p.uiIntraPeriod = 0;
        p.bEnableSceneChangeDetect = false;
        p.iNumRefFrame = 1;
        p.bEnableLongTermReference = false;
        p.iEntropyCodingModeFlag = 0;
        p.iMinQp = 1;
        p.iMaxQp = 51;
        // A screen has no noise, and what looks like background to the encoder is text that must get sharp: with the
        // detection on a resting page stays at 38.9 dB, without it gets to 49.7 dB within a second.
        p.bEnableDenoise = false;
        p.bEnableBackgroundDetection = false;
        p.bEnableAdaptiveQuant = false;
        p.iMultipleThreadIdc = threads;
        p.bUseLoadBalancing = false;
        p.iSpatialLayerNum = 1;
        p.iTemporalLayerNum = 1;
        p.eSpsPpsIdStrategy = sys::CONSTANT_ID;
        p.bPrefixNalAddingCtrl = false;

        let layer = &mut p.sSpatialLayers[0];
        layer.iVideoWidth = p.iPicWidth;
        layer.iVideoHeight = p.iPicHeight;
        layer.fFrameRate = p.fMaxFrameRate;
        layer.iSpatialBitrate = p.iTargetBitrate;
        layer.iMaxSpatialBitrate = p.iMaxBitrate;
        layer.uiProfileIdc = sys::PRO_BASELINE;
        // By size and rate.
        layer.uiLevelIdc = sys::LEVEL_UNKNOWN;
        layer.sSliceArgument.uiSliceMode =
            if threads > 1 { sys::SM_FIXEDSLCNUM_SLICE } else { sys::SM_SINGLE_SLICE };
        layer.sSliceArgument.uiSliceNum = threads.into();

        // What `Picture` converts to, said aloud: without it decoders guess by the picture's height.
        layer.bVideoSignalTypePresent = true;
        layer.uiVideoFormat = sys::VF_UNDEF as u8;
        layer.bFullRange = false;
        layer.bColorDescriptionPresent = true;
        layer.uiColorPrimaries = sys::CP_BT709 as u8;
        layer.uiTransferCharacteristics = sys::TRC_IEC61966_2_1 as u8;
        layer.uiColorMatrix = sys::CM_BT709 as u8;
        Ok(p)
    }

    fn set_option(
        &mut self,
        what: &'static str,
        option: sys::ENCODER_OPTION,
        value: *mut c_void,
    ) -> Result<(), Error> {
        let set = entry(self.calls.SetOption)?;
        // SAFETY: the encoder is alive; each caller passes a pointer to the type that its option reads.
        succeeded(what, unsafe { set(self.raw, option, value) })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: created by `WelsCreateSVCEncoder`, destroyed only here; destroying joins its threads.
        unsafe { APILoader::WelsDestroySVCEncoder(self.raw) };
    }
}

/// The NAL units of all layers in their order, copied out of the encoder's own buffers.
fn access_unit(coded: &sys::SFrameBSInfo) -> Vec<u8> {
    let mut data = Vec::with_capacity(coded.iFrameSizeInBytes.max(0) as usize);
    let layers = (coded.iLayerNum.max(0) as usize).min(coded.sLayerInfo.len());
    for layer in &coded.sLayerInfo[..layers] {
        let mut len = 0;
        for nal in 0..layer.iNalCount.max(0) as usize {
            // SAFETY: the encoder fills `iNalCount` lengths, valid until its next call; `coded` came from its last.
            len += unsafe { *layer.pNalLengthInByte.add(nal) }.max(0) as usize;
        }
        if len > 0 {
            // SAFETY: the layer's NAL units lie one after the other from `pBsBuf`, valid until the next call.
            data.extend_from_slice(unsafe { std::slice::from_raw_parts(layer.pBsBuf, len) });
        }
    }
    data
}

/// Two for a large picture where there are two cores: the second slice pays, further ones hardly. At 1080p it takes a third
/// off the time and adds 18 MB, for which openh264 gives each possible thread buffers of a whole picture.
fn default_threads(macroblocks: usize) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if cores >= 2 && macroblocks >= LARGE { 2 } else { 1 }
}

fn entry<F>(function: Option<F>) -> Result<F, Error> {
    function.ok_or(Error::Codec { what: "offer a function of its interface", code: 0 })
}

fn succeeded(what: &'static str, code: c_int) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(Error::Codec { what, code: code.into() }) }
}

fn check(what: &'static str, value: u32, max: u32) -> Result<(), Error> {
    if (1..=max).contains(&value) { Ok(()) } else { Err(Error::Setting { what, value }) }
}
