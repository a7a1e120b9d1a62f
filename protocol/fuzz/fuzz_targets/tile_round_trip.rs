//! Pixels of any size, plain or repeated so that there is something to learn: they come back as they were.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nearhand_protocol::tile::{Decoder, Encoder};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    width: u8,
    height: u8,
    margin: u8,
    limit: u16,
    /// Bytes are colours of their own, or places in a palette.
    palette: Option<[[u8; 4]; 8]>,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let (width, height) = (u16::from(input.width) + 1, u16::from(input.height % 64) + 1);
    let stride = usize::from(width) * 4 + usize::from(input.margin);
    if input.bytes.is_empty() {
        return;
    }
    let bgra: Vec<u8> = match input.palette {
        Some(palette) => {
            let places = input.bytes.iter().flat_map(|byte| [byte & 7, byte >> 3 & 7]);
            places
                .cycle()
                .flat_map(|place| palette[usize::from(place)])
                .take(stride * usize::from(height))
                .collect()
        }
        None => input.bytes.iter().copied().cycle().take(stride * usize::from(height)).collect(),
    };
    let (mut coded, mut pixels) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::default();
    assert!(encoder.encode_within(&bgra, stride, (width, height), usize::MAX, &mut coded));
    assert!(coded.len() <= usize::from(width) * usize::from(height) * 3 + 1);
    Decoder::default().decode(&coded, width, height, &mut pixels).expect("what was coded can be read");
    let shown = (0..usize::from(height))
        .flat_map(|row| bgra[row * stride..][..usize::from(width) * 4].chunks_exact(4));
    assert!(shown.map(|pixel| [pixel[2], pixel[1], pixel[0], 255]).eq(pixels.chunks_exact(4)));
    let limit = usize::from(input.limit);
    let mut short = Vec::new();
    assert_eq!(
        encoder.encode_within(&bgra, stride, (width, height), limit, &mut short),
        coded.len() <= limit
    );
});
