//! What can go wrong between a screen's pixels and a bitstream.

/// Why a picture could not be made, converted or encoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No pixels, more than the view has, or more than H.264's level 5.2 ends at, the highest that openh264 writes: see
    /// [`Scale::largest`](crate::Scale::largest).
    #[error(
        "a picture of {width} × {height} pixels can't be encoded: at most 8688 in a row or column, 36864 macroblocks of 16 × 16, and no more than the view has"
    )]
    Size {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The screen's buffer is shorter than its size and stride say.
    #[error("a screen of {width} × {height} pixels with {stride} bytes per row doesn't fit into {len} bytes")]
    Source {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes that were given.
        len: usize,
    },
    /// The picture is of another size than the encoder was made for: make a new encoder.
    #[error("a picture of {got:?} pixels was given to an encoder for {expected:?}")]
    OtherSize {
        /// What the encoder was made for (width, height).
        expected: (u32, u32),
        /// What came (width, height).
        got: (u32, u32),
    },
    /// A bitrate or frame rate of zero, or past what openh264 takes.
    #[error("{what} of {value} is out of range")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: u32,
    },
    /// The colour conversion refused its input.
    #[error("colour conversion failed: {0}")]
    Convert(String),
    /// openh264 returned an error; the codes are `CM_RETURN` and `ENCRetCode` of its headers.
    #[error("openh264 failed to {what}: code {code}")]
    Codec {
        /// What was tried.
        what: &'static str,
        /// openh264's return code.
        code: i64,
    },
}
