//! What goes in comes out: pictures through the encoder and a decoder, at every size, rate and request.

use nearhand_encoder::{
    Config, EncodedFrame, Encoder, Error, LEAST_QP, MOST_QP, Params, Picture, Rect, Search,
};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

/// Text-like content: sharp vertical and horizontal strokes on a light ground, with a coloured block.
fn screen(width: u32, height: u32, offset: u32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((width * height * 4) as usize);
    for y in 0..height {
        for x in 0..width {
            let (column, row) = (x / 3, (y + offset) >> 1);
            let ink = (column * 7 + row * 13) % 5 == 0 && (y + offset) % 16 < 11;
            let window = x > width / 4 && x < width / 2 && y > height / 3 && y < height / 2;
            pixels.extend_from_slice(match (ink, window) {
                (true, _) => &[0x20, 0x20, 0x20, 0xff],
                (false, true) => &[0xc0, 0x60, 0x30, 0xff],
                (false, false) => &[0xf0, 0xf4, 0xf6, 0xff],
            });
        }
    }
    pixels
}

fn picture(width: u32, height: u32, offset: u32) -> Picture {
    let mut picture = Picture::new(width, height).unwrap();
    update(&mut picture, offset);
    picture
}

fn update(picture: &mut Picture, offset: u32) {
    let (width, height) = picture.screen_size();
    let pixels = screen(width, height, offset);
    picture.update_from_bgra(&pixels, width as usize * 4, &[Rect::new(0, 0, width, height)]).unwrap();
}

/// Luma's PSNR in dB of the decoded frame against the picture; the sizes must agree.
fn psnr(decoder: &mut Decoder, frame: &EncodedFrame, picture: &Picture) -> f64 {
    let decoded = decoder.decode(&frame.data).unwrap().expect("every access unit decodes to a picture");
    let (width, height) = picture.coded_size();
    assert_eq!(decoded.dimensions(), (width as usize, height as usize));
    let stride = decoded.strides().0;
    let mut squares = 0_u64;
    for y in 0..height as usize {
        let got = &decoded.y()[y * stride..][..width as usize];
        let sent = &picture.y()[y * width as usize..][..width as usize];
        squares += got.iter().zip(sent).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
    }
    let mean = squares as f64 / f64::from(width * height);
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

#[test]
fn a_resting_screen_gets_sharp() {
    let picture = picture(640, 360, 0);
    let mut encoder = Encoder::new(&Config::new(640, 360, 2_000_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut qualities = Vec::new();
    for n in 0..30 {
        let frame = encoder.encode(&picture, n * 33, false).unwrap().unwrap();
        assert_eq!(frame.keyframe, n == 0, "an IDR only at the start");
        assert!((1..=51).contains(&frame.qp), "QP {}", frame.qp);
        qualities.push(psnr(&mut decoder, &frame, &picture));
    }
    assert!(qualities[0] > 20.0, "the first picture can be read: {qualities:.1?}");
    assert!(qualities[29] > 42.0, "rest brings the sharpness back: {qualities:.1?}");
}

#[test]
fn motion_stays_readable() {
    let mut picture = picture(640, 360, 0);
    let mut encoder = Encoder::new(&Config::new(640, 360, 4_000_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut worst = f64::MAX;
    for n in 0..30_u32 {
        update(&mut picture, n * 5);
        let frame = encoder.encode(&picture, i64::from(n) * 33, false).unwrap().unwrap();
        let quality = psnr(&mut decoder, &frame, &picture);
        if n >= 5 {
            worst = worst.min(quality);
        }
    }
    assert!(worst > 24.0, "worst PSNR of a scroll: {worst:.1} dB");
}

#[test]
fn an_idr_comes_when_asked_for_and_starts_a_new_decoder() {
    let picture = picture(320, 240, 3);
    let mut encoder = Encoder::new(&Config::new(320, 240, 1_000_000)).unwrap();
    for n in 0..5 {
        encoder.encode(&picture, n * 33, false).unwrap().unwrap();
    }
    let frame = encoder.encode(&picture, 5 * 33, true).unwrap().unwrap();
    assert!(frame.keyframe);
    assert!(psnr(&mut Decoder::new().unwrap(), &frame, &picture) > 20.0);
    let next = encoder.encode(&picture, 6 * 33, false).unwrap().unwrap();
    assert!(!next.keyframe, "one request, one IDR");
}

#[test]
fn the_bitstream_is_constrained_baseline_in_as_many_slices_as_threads() {
    for threads in [1_u16, 2] {
        let picture = picture(640, 480, 0);
        let config = Config { threads: Some(threads), ..Config::new(640, 480, 1_000_000) };
        let frame = Encoder::new(&config).unwrap().encode(&picture, 0, false).unwrap().unwrap();
        let units: Vec<&[u8]> = nal_units(&frame.data);
        let kinds: Vec<u8> = units.iter().map(|unit| unit[0] & 0x1f).collect();
        let mut expected = vec![7, 8];
        expected.extend(vec![5; threads.into()]);
        assert_eq!(kinds, expected, "SPS, PPS, then the slices of the IDR");
        let sps = units[0];
        assert_eq!(sps[1], 66, "baseline");
        assert_eq!(sps[2] & 0x40, 0x40, "constrained (constraint_set1_flag)");
    }
}

#[test]
fn the_bitrate_follows_while_it_runs() {
    let mut picture = picture(640, 360, 0);
    let mut encoder = Encoder::new(&Config::new(640, 360, 6_000_000)).unwrap();
    let mut bits = |encoder: &mut Encoder, from: u32| -> usize {
        (from..from + 60)
            .map(|n| {
                // Unpredictable content, so that only the rate control decides about the size.
                update(&mut picture, n * 37);
                let frame = encoder.encode(&picture, i64::from(n) * 33, false).unwrap().unwrap();
                assert_eq!(frame.keyframe, n == 0, "a new bitrate needs no IDR");
                if n - from < 30 { 0 } else { frame.data.len() * 8 }
            })
            .sum()
    };
    let high = bits(&mut encoder, 0);
    encoder.set_bitrate(400_000).unwrap();
    let low = bits(&mut encoder, 60);
    encoder.set_bitrate(6_000_000).unwrap();
    let again = bits(&mut encoder, 120);
    assert!(low * 3 < high, "{high} bits in the second before, {low} after");
    assert!(again > low * 2, "{low} bits in the second before, {again} after");
}

#[test]
fn odd_and_extreme_sizes() {
    for (width, height) in [(1, 1), (3, 40), (16, 16), (17, 31), (801, 601), (1366, 768), (3840, 2160)] {
        let picture = picture(width, height, 0);
        let mut encoder = Encoder::new(&Config::new(width, height, 20_000_000)).unwrap();
        let frame = encoder.encode(&picture, 0, false).unwrap().unwrap();
        let quality = psnr(&mut Decoder::new().unwrap(), &frame, &picture);
        assert!(quality > 20.0, "{width} × {height}: {quality:.1} dB");
    }
}

#[test]
fn a_picture_keeps_to_its_bytes_once_the_content_is_known() {
    for search in [Search::Near, Search::Far] {
        let mut picture = picture(1280, 720, 0);
        let config = Config { search, ..Config::new(1280, 720, 50_000_000) };
        let mut encoder = Encoder::new(&config).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let mut sizes = Vec::new();
        for n in 0..30_u32 {
            update(&mut picture, n * 37);
            let params = Params { max_bytes: Some(20_000), coarsest: 51, ..Params::new(i64::from(n) * 33) };
            let frame = encoder.encode_with(&picture, &params).unwrap().unwrap();
            assert!(decoder.decode(&frame.data).unwrap().is_some());
            sizes.push((frame.data.len(), frame.qp));
        }
        let late = &sizes[10..];
        let mean = late.iter().map(|(bytes, _)| bytes).sum::<usize>() / late.len();
        assert!(mean < 24_000, "{search:?}: {mean} of {sizes:?}");
        assert!(late.iter().all(|(bytes, _)| *bytes < 60_000), "{search:?}: {sizes:?}");
        assert!(mean > 6_000 || late.iter().any(|(_, qp)| *qp == LEAST_QP), "{search:?}: {sizes:?}");
    }
}

#[test]
fn a_keyframe_that_came_out_too_large_is_coded_again() {
    let picture = picture(1280, 720, 0);
    let mut encoder = Encoder::new(&Config::new(1280, 720, 50_000_000)).unwrap();
    let mut sizes = Vec::new();
    for n in 0..6 {
        let params = Params { keyframe: true, max_bytes: Some(60_000), ..Params::new(n * 500) };
        let frame = encoder.encode_with(&picture, &params).unwrap().unwrap();
        assert!(frame.keyframe);
        Decoder::new().unwrap().decode(&frame.data).unwrap().expect("it stands alone");
        sizes.push((frame.data.len(), frame.qp));
    }
    assert!(sizes.iter().all(|(bytes, qp)| *bytes < 120_000 || *qp == MOST_QP), "{sizes:?}");
}

#[test]
fn another_quantiser_is_no_keyframe() {
    let mut picture = picture(640, 360, 0);
    let mut encoder = Encoder::new(&Config::new(640, 360, 4_000_000)).unwrap();
    for n in 0..20_u8 {
        update(&mut picture, u32::from(n));
        let qp = 20 + n * 7 % 31;
        let params = Params { sharpest: qp, coarsest: qp, ..Params::new(i64::from(n) * 33) };
        let frame = encoder.encode_with(&picture, &params).unwrap().unwrap();
        assert_eq!((frame.keyframe, frame.qp), (n == 0, qp));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    assert!(matches!(Encoder::new(&Config::new(0, 600, 1_000_000)), Err(Error::Size { .. })));
    assert!(matches!(Encoder::new(&Config::new(9000, 9000, 1_000_000)), Err(Error::Size { .. })));
    assert!(matches!(Encoder::new(&Config::new(640, 480, 0)), Err(Error::Setting { .. })));
    let mut encoder = Encoder::new(&Config::new(640, 480, 1_000_000)).unwrap();
    assert!(matches!(encoder.set_bitrate(0), Err(Error::Setting { .. })));
    assert!(matches!(encoder.set_max_fps(0), Err(Error::Setting { .. })));
    encoder.set_max_fps(15).unwrap();
    let error = encoder.encode(&picture(320, 240, 0), 0, false).unwrap_err();
    assert_eq!(error, Error::OtherSize { expected: (640, 480), got: (320, 240) });
}

/// Splits Annex B at its start codes.
fn nal_units(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        data.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at + 3).collect();
    starts
        .iter()
        .enumerate()
        .map(|(n, start)| {
            let end = starts.get(n + 1).map_or(data.len(), |next| next - 3);
            data[*start..end].strip_suffix(&[0]).unwrap_or(&data[*start..end])
        })
        .collect()
}
