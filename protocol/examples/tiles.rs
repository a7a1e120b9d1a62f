//! Measures the coding of tiles on screenshots: `cargo run --release --example tiles -- screen.png …`
//!
//! For each picture and size of tile: bytes for each pixel, and nanoseconds for each pixel to code and to read.

use std::time::Instant;

use nearhand_protocol::tile::{Decoder, Encoder};

fn main() {
    println!(
        "{:<20} {:>7} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "", "tile", "bytes", "b/tile", "bit/px", "ns code", "ns read"
    );
    for path in std::env::args_os().skip(1) {
        let picture = match image::open(&path) {
            Ok(picture) => picture.to_rgba8(),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                continue;
            }
        };
        let (width, height) = picture.dimensions();
        let mut bgra = picture.into_raw();
        bgra.chunks_exact_mut(4).for_each(|pixel| pixel.swap(0, 2));
        let name = std::path::Path::new(&path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (w, h) in [(8, 16), (64, 64), (256, 256)] {
            measure(&name, &bgra, (width, height), (w, h));
        }
    }
}

fn measure(name: &str, bgra: &[u8], (width, height): (u32, u32), (w, h): (u16, u16)) {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let (mut coded, mut pixels) = (Vec::new(), Vec::new());
    let (mut bytes, mut tiles, mut flat) = (0, 0_u64, 0_u64);
    let (mut coding, mut reading) = (0, 0);
    let stride = width as usize * 4;
    for y in (0..height.saturating_sub(u32::from(h) - 1)).step_by(usize::from(h)) {
        for x in (0..width.saturating_sub(u32::from(w) - 1)).step_by(usize::from(w)) {
            let from = &bgra[y as usize * stride + x as usize * 4..];
            coding += shortest(|| {
                encoder.encode_within(from, stride, (w, h), usize::MAX, &mut coded);
            });
            reading +=
                shortest(|| decoder.decode(&coded, w, h, &mut pixels).expect("what was coded can be read"));
            for (row, read) in pixels.chunks_exact(usize::from(w) * 4).enumerate() {
                let shown = &from[row * stride..][..usize::from(w) * 4];
                let same = shown
                    .chunks_exact(4)
                    .zip(read.chunks_exact(4))
                    .all(|(s, r)| s[..3] == [r[2], r[1], r[0]]);
                assert!(same, "{name} {x} {y}");
            }
            if coded.len() == 4 {
                flat += 1;
            } else {
                bytes += coded.len() as u64;
                tiles += 1;
            }
        }
    }
    let _ = flat;
    let all = (tiles + flat) as f64 * f64::from(w) * f64::from(h);
    println!(
        "{name:<20} {:>7} {bytes:>9} {:>8.1} {:>8.3} {:>8.1} {:>8.1}",
        format!("{w}x{h}"),
        bytes as f64 / tiles.max(1) as f64,
        bytes as f64 * 8.0 / all,
        coding as f64 / all,
        reading as f64 / all
    );
}

/// Nanoseconds of the quickest of three runs: others use the machine too.
fn shortest(mut run: impl FnMut()) -> u128 {
    let time = |()| {
        let begin = Instant::now();
        run();
        begin.elapsed().as_nanos()
    };
    [(); 3].map(time).into_iter().min().unwrap_or_default()
}
