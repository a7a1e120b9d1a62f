//! openh264 through its raw API: one of its encoders, with its settings. What is unsafe is here and in nothing above.

use std::num::NonZeroUsize;
use std::os::raw::{c_int, c_void};
use std::ptr;

use openh264_sys2 as sys;
use openh264_sys2::source::APILoader;

use super::{Config, EncodedFrame, Search};
use crate::{Error, Picture};

/// From so many macroblocks on, one more than 1280 × 720 has, a second thread pays.
const LARGE: usize = 3601;

/// A started encoder of openh264.
#[derive(Debug)]
pub(super) struct Codec {
    raw: *mut sys::ISVCEncoder,
    calls: sys::ISVCEncoderVtbl,
    coded: (u32, u32),
}

// SAFETY: the pointer is owned by this value alone and openh264 ties no state to the calling thread; its own worker
// threads are started and joined inside its calls. `&self` gives no access to it, so it is not `Sync` by need.
unsafe impl Send for Codec {}

impl Codec {
    /// Starts one for pictures of this coded size, which has so many macroblocks.
    pub(super) fn start(config: &Config, coded: (u32, u32), macroblocks: usize) -> Result<Self, Error> {
        let mut raw: *mut sys::ISVCEncoder = ptr::null_mut();
        // SAFETY: `raw` is a valid place for the pointer.
        let code = unsafe { APILoader::WelsCreateSVCEncoder(&raw mut raw) };
        if code != 0 || raw.is_null() {
            return Err(Error::Codec { what: "create an encoder", code: code.into() });
        }
        // SAFETY: a created encoder is a pointer to a pointer to its table of functions, which lives as long as it.
        let calls = unsafe { **raw };
        // From here `Drop` destroys it, whatever fails.
        let mut codec = Self { raw, calls, coded };

        let mut level: c_int = sys::WELS_LOG_QUIET;
        codec.set_option("quieten its log", sys::ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast())?;
        let parameters = codec.parameters(config, macroblocks)?;
        let initialize = entry(calls.InitializeExt)?;
        // SAFETY: the encoder is alive, the parameters are complete and copied by the call.
        succeeded("start", unsafe { initialize(codec.raw, &raw const parameters) })?;
        let mut format: c_int = sys::videoFormatI420;
        codec.set_option("take I420", sys::ENCODER_OPTION_DATAFORMAT, (&raw mut format).cast())?;
        Ok(codec)
    }

    /// An error unless the picture has the size that this was started for.
    pub(super) fn fits(&self, picture: &Picture) -> Result<(), Error> {
        let (expected, got) = (self.coded, picture.coded_size());
        if got == expected { Ok(()) } else { Err(Error::OtherSize { expected, got }) }
    }

    /// One picture in, one access unit out: as an IDR where it is to be a keyframe, quantised with `qp`. `None`: the codec left it
    /// out.
    pub(super) fn encode(
        &mut self,
        picture: &Picture,
        timestamp_ms: i64,
        keyframe: bool,
        qp: u8,
    ) -> Result<Option<EncodedFrame>, Error> {
        self.fits(picture)?;
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
        // SAFETY: the encoder is alive and started for this size, as was just checked; the planes have `coded_size` bytes without gaps, are
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

    /// The settings, each with its reason.
    fn parameters(&self, config: &Config, macroblocks: usize) -> Result<sys::SEncParamExt, Error> {
        let threads = config.threads.unwrap_or_else(|| default_threads(macroblocks)).clamp(1, 4);
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

impl Drop for Codec {
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
