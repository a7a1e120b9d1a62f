//! Any bytes as a tile of any size: read, or refused, within the memory that its pixels take.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearhand_protocol::tile::Decoder;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (width, height, coded) = input;
    let (width, height) = (u16::from(width), u16::from(height));
    let most = usize::from(width) * usize::from(height) * 4;
    let (mut decoder, mut pixels, mut again) = (Decoder::default(), Vec::new(), Vec::new());
    let read = decoder.decode(coded, width, height, &mut pixels);
    assert!(pixels.len() == most || read.is_err() && pixels.len() <= most);
    assert!(pixels.capacity() <= most.max(64));
    if read.is_ok() {
        assert!(pixels.chunks_exact(4).all(|pixel| pixel[3] == 255));
    }
    // What one tile was must not matter to the next.
    assert_eq!(decoder.decode(coded, width, height, &mut again), read);
    assert_eq!(again, pixels);
});
