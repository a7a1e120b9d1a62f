//! H.264 for a desktop: colour conversion of what was damaged, and openh264 driven through its raw API, because the
//! safe wrapper sets neither several slices nor a new bitrate while it runs.
//!
//! A [`Picture`] shows the whole screen or a part of it, pixel for pixel or smaller ([`Scale`]); an [`Encoder`] is made for
//! its size. Each picture gets one quantiser, from its budget of bytes: [`Params`].
//!
//! What leaves here is constrained baseline, Annex B, one access unit for each picture, without B frames, with an IDR
//! only when one is asked for. The colours are BT.709 in limited range with sRGB's transfer, and the SPS says so (VUI),
//! so that no decoder has to guess from the picture's size.
//!
//! ```
//! use nearhand_encoder::{Config, Encoder, Picture, Rect};
//!
//! # fn main() -> Result<(), nearhand_encoder::Error> {
//! let (width, height) = (320, 240);
//! let screen = vec![0x80_u8; width as usize * height as usize * 4];
//! let mut picture = Picture::new(width, height)?;
//! picture.update_from_bgra(&screen, width as usize * 4, &[Rect::new(0, 0, width, height)])?;
//! let mut encoder = Encoder::new(&Config::new(width, height, 2_000_000))?;
//! let frame = encoder.encode(&picture, 0, true)?.expect("the first picture is never skipped");
//! assert!(frame.keyframe);
//! # Ok(())
//! # }
//! ```

mod assembly;
mod budget;
mod encoder;
mod error;
mod picture;
mod scaler;
mod size;
mod work;

pub use assembly::assembly;
pub use encoder::{Config, EncodedFrame, Encoder, LEAST_QP, MOST_QP, Params, Search};
pub use error::Error;
pub use picture::Picture;
pub use size::{MAX_MACROBLOCKS, MAX_SIDE, Rect, Scale};
