//! Prints one JSON line: what a 1080p picture costs in milliseconds (median), for a resting screen, a scrolled page and
//! full motion, and whether openh264's assembly was there. `cargo run --release -p nearhand-encoder --example encode_bench`

use std::time::Instant;

use nearhand_encoder::{Config, Encoder, Error, Picture, Rect, assembly};

const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;
const FRAMES: u32 = 90;

fn main() -> Result<(), Error> {
    let mut fields = vec![format!("\"assembly\":{}", assembly())];
    for (name, draw) in
        [("static", still as fn(u32, u32, u32) -> u32), ("scroll", scroll), ("motion", motion)]
    {
        let row = run(draw)?;
        fields.push(format!(
            "\"{name}\":{{\"convert_ms\":{:.2},\"encode_ms\":{:.2},\"idr_ms\":{:.2},\"kbit_s\":{},\"qp\":{}}}",
            row.convert, row.encode, row.idr, row.kilobits, row.qp
        ));
    }
    println!("{{{}}}", fields.join(","));
    Ok(())
}

struct Row {
    convert: f64,
    encode: f64,
    idr: f64,
    kilobits: usize,
    qp: u8,
}

fn run(draw: fn(u32, u32, u32) -> u32) -> Result<Row, Error> {
    let mut encoder = Encoder::new(&Config::new(WIDTH, HEIGHT, 6_000_000))?;
    let mut picture = Picture::new(WIDTH, HEIGHT)?;
    let mut screen = vec![0; (WIDTH * HEIGHT * 4) as usize];
    let (mut converts, mut encodes, mut bytes, mut idr, mut qp) = (Vec::new(), Vec::new(), 0, 0.0, 0);
    for n in 0..FRAMES {
        for (at, pixel) in screen.chunks_exact_mut(4).enumerate() {
            let at = at as u32;
            pixel.copy_from_slice(&draw(at % WIDTH, at / WIDTH, n).to_le_bytes());
        }
        let start = Instant::now();
        picture.update_from_bgra(&screen, WIDTH as usize * 4, &[Rect::new(0, 0, WIDTH, HEIGHT)])?;
        converts.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let frame = encoder.encode(&picture, i64::from(n) * 33, false)?;
        let took = start.elapsed().as_secs_f64() * 1e3;
        if n == 0 {
            idr = took;
            continue;
        }
        encodes.push(took);
        if let Some(frame) = frame {
            bytes += frame.data.len();
            qp = frame.qp;
        }
    }
    let kilobits = bytes * 8 * 30 / (FRAMES as usize - 1) / 1000;
    Ok(Row { convert: median(converts), encode: median(encodes), idr, kilobits, qp })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A page of text: glyph-like strokes of 8 × 16 cells with margins.
fn page(x: u32, y: u32) -> u32 {
    let cell = (x / 8).wrapping_mul(2_654_435_761) ^ (y / 16).wrapping_mul(40_503);
    let bit = (cell >> ((x % 8) / 2 + (y % 16) / 4 * 4)) & 1;
    let inside = x > 160 && x < WIDTH - 160 && y % 16 < 12 && !cell.is_multiple_of(6);
    if inside && bit == 1 { 0xff20_2428 } else { 0xfff6_f4f0 }
}

fn still(x: u32, y: u32, _: u32) -> u32 {
    page(x, y)
}

fn scroll(x: u32, y: u32, n: u32) -> u32 {
    page(x, y + n * 16)
}

/// A film-like gradient that moves everywhere, with grain.
fn motion(x: u32, y: u32, n: u32) -> u32 {
    let wave = ((x + n * 7) / 3) ^ ((y + n * 5) / 4);
    let grain = (x.wrapping_mul(73) ^ y.wrapping_mul(151) ^ n.wrapping_mul(7919)) & 7;
    let level = (wave & 0x7f) + grain + 40;
    0xff00_0000 | (level << 16) | ((level * 3 / 4 + 20) << 8) | (255 - level)
}
