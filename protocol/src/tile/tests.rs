use proptest::prelude::*;

use super::*;

/// Reads what was coded and compares with the pixels; what was coded.
fn comes_back(bgra: &[u8], stride: usize, width: u16, height: u16) -> Vec<u8> {
    let (mut coded, mut pixels) = (Vec::new(), Vec::new());
    encode(bgra, stride, width, height, &mut coded);
    decode(&coded, width, height, &mut pixels).expect("what was coded can be read");
    let expected: Vec<u8> = (0..usize::from(height))
        .flat_map(|y| bgra[y * stride..][..usize::from(width) * 4].chunks_exact(4))
        .flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 255])
        .collect();
    assert_eq!(pixels, expected);
    coded
}

/// Pictures of a few colours or of many, in flat runs or without.
fn picture() -> impl Strategy<Value = (u16, u16, Vec<u8>)> {
    (1_u16..40, 1_u16..40, 1_usize..40, any::<u64>(), 0_u32..8).prop_map(
        |(width, height, colours, seed, run)| {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
            };
            let palette: Vec<u32> = (0..colours).map(|_| next() as u32).collect();
            let mut colour = 0;
            let mut bgra = Vec::new();
            for _ in 0..u32::from(width) * u32::from(height) {
                if next() % (1 << run) == 0 {
                    colour = if colours == 39 { next() as u32 } else { palette[next() as usize % colours] };
                }
                bgra.extend(colour.to_le_bytes());
            }
            (width, height, bgra)
        },
    )
}

proptest! {
    #[test]
    fn any_pixels_come_back((width, height, bgra) in picture()) {
        let coded = comes_back(&bgra, usize::from(width) * 4, width, height);
        prop_assert!(coded.len() <= usize::from(width) * usize::from(height) * 3 + 1);
    }

    #[test]
    fn any_bytes_are_survived(
        method in 0_u8..5,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        width in 0_u16..70,
        height in 0_u16..70,
    ) {
        let mut coded = vec![method];
        coded.extend(&bytes);
        let mut pixels = vec![7; 3];
        let read = decode(&coded, width, height, &mut pixels);
        let most = usize::from(width) * usize::from(height) * 4;
        prop_assert!(pixels.len() == most || read.is_err() && pixels.len() <= most);
    }

    #[test]
    fn a_limit_is_kept((width, height, bgra) in picture(), limit in 0_usize..2000) {
        let (mut encoder, mut coded, mut whole) = (Encoder::default(), Vec::new(), Vec::new());
        let stride = usize::from(width) * 4;
        encode(&bgra, stride, width, height, &mut whole);
        let within = encoder.encode_within(&bgra, stride, (width, height), limit, &mut coded);
        prop_assert_eq!(within, whole.len() <= limit);
        if within {
            prop_assert_eq!(coded, whole);
        }
    }
}

#[test]
fn rows_may_have_more_bytes_than_pixels() {
    let bgra: Vec<u8> = (0..60 * 7).map(|at| (at * at / 3) as u8).collect();
    comes_back(&bgra, 60, 13, 7);
    // The last row may end with its last pixel.
    comes_back(&bgra[..6 * 60 + 13 * 4], 60, 13, 7);
}

#[test]
fn one_pixel_and_one_colour_take_four_bytes() {
    assert_eq!(comes_back(&[1, 2, 3, 4], 4, 1, 1), [FILL, 3, 2, 1]);
    assert_eq!(comes_back(&[1, 2, 3, 9].repeat(256 * 256), 1024, 256, 256).len(), 4);
}

#[test]
fn noise_is_not_longer_than_its_pixels() {
    let mut state = 1_u32;
    let bgra: Vec<u8> = (0..64 * 64 * 4)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    assert_eq!(comes_back(&bgra, 256, 64, 64).len(), 64 * 64 * 3 + 1);
}

#[test]
fn a_checkerboard_is_next_to_nothing() {
    let bgra: Vec<u8> =
        (0..64 * 64).flat_map(|at| if (at + at / 64) % 2 == 0 { [0_u8; 4] } else { [255; 4] }).collect();
    assert!(comes_back(&bgra, 256, 64, 64).len() < 48);
}

#[test]
fn a_coder_keeps_nothing_of_the_tile_before() {
    let one: Vec<u8> = (0..32 * 32 * 4).map(|at| (at / 7) as u8).collect();
    let two: Vec<u8> = (0..16 * 16 * 4).map(|at| (at / 40) as u8).collect();
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let (mut first, mut again, mut pixels) = (Vec::new(), Vec::new(), Vec::new());
    encoder.encode_within(&two, 64, (16, 16), usize::MAX, &mut first);
    encoder.encode_within(&one, 128, (32, 32), usize::MAX, &mut again);
    decoder.decode(&again, 32, 32, &mut pixels).unwrap();
    encoder.encode_within(&two, 64, (16, 16), usize::MAX, &mut again);
    assert_eq!(first, again);
    decoder.decode(&again, 16, 16, &mut pixels).unwrap();
    assert_eq!(pixels[4 * 100], two[4 * 100 + 2]);
}

#[test]
fn what_is_no_tile_is_told() {
    let mut pixels = Vec::new();
    let mut problem = |coded: &[u8]| decode(coded, 4, 4, &mut pixels).unwrap_err().to_string();
    assert_eq!(problem(&[]), "a tile that can't be read: it is empty");
    assert_eq!(problem(&[RAW, 1, 2, 3]), "a tile that can't be read: its length does not fit its size");
    assert_eq!(problem(&[FILL, 1, 2]), "a tile that can't be read: its length does not fit its size");
    assert_eq!(problem(&[200]), "a tile that can't be read: its coding is not known");
    let mut long = vec![0; 4096];
    long[0] = MODEL;
    assert_eq!(problem(&long), "a tile that can't be read: it does not end with its last pixel");
}

/// What one typed letter is.
#[test]
fn a_glyph_is_short() {
    const LETTER: [&str; 16] = [
        "        ", "        ", "        ", "   ##   ", "  #  #  ", "  #  #  ", " #    # ", " #    # ",
        " ###### ", " #    # ", " #    # ", " #    # ", "        ", "        ", "        ", "        ",
    ];
    let plain: Vec<u8> =
        LETTER.join("").bytes().flat_map(|ink| if ink == b'#' { [0, 0, 0, 0] } else { [255; 4] }).collect();
    let plain = comes_back(&plain, 32, 8, 16).len();
    // With shades of grey beside each stroke.
    let ink: Vec<u8> = LETTER.join("").bytes().map(|ink| if ink == b'#' { 20 } else { 255 }).collect();
    let smooth: Vec<u8> = (0..128)
        .flat_map(|at| [(u16::from(ink[at]) * 3 / 4 + u16::from(ink[at.saturating_sub(1)]) / 4) as u8; 4])
        .collect();
    let smooth = comes_back(&smooth, 32, 8, 16).len();
    assert!(plain <= 24 && smooth <= 40, "{plain} {smooth}");
}

/// A tile that is cut off while its bytes so far end with zeros, which are left out at the end, is no tile.
#[test]
fn what_is_too_long_is_given_up() {
    let bgra: Vec<u8> =
        b"\xbc\x6e\x1e\x1d\x00\x0a\x0a\x00\x3e\x3e\x6e".iter().copied().cycle().take(61 * 31 * 4).collect();
    let (mut encoder, mut whole, mut short) = (Encoder::default(), Vec::new(), Vec::new());
    encode(&bgra, 61 * 4, 61, 31, &mut whole);
    for limit in (0..whole.len() + 9).step_by(1 + whole.len() / 40) {
        assert_eq!(encoder.encode_within(&bgra, 61 * 4, (61, 31), limit, &mut short), whole.len() <= limit);
    }
}
