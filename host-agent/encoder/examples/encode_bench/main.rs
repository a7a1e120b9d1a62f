//! What the encoder costs, for the scenes of the measurements at 1920 × 1080.
//!
//! Without arguments it prints one JSON line: milliseconds (median) of conversion and of encoding, and whether openh264's
//! assembly was there. With `table` it prints bytes, sharpness and times for fixed quantisers and for budgets.
//! `cargo run --release -p nearhand-encoder --example encode_bench -- table`
//!
//! A run of the table on two busy cores (bytes don't depend on that), luma of the middle 1600 × 900 pixels:
//!
//! TABLE

mod scenes;

use std::time::Instant;

use nearhand_encoder::{Config, Encoder, Error, Params, Picture, Rect, Search, assembly};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use scenes::{Drag, HEIGHT, Motion, Scene, Screen, Scroll, Still, WIDTH};

fn main() -> Result<(), Error> {
    if std::env::args().nth(1).is_some_and(|argument| argument == "table") { table() } else { line() }
}

/// How a scene is coded.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// At this quantiser.
    Quantiser(u8),
    /// At this many kB/s.
    Rate(u32),
}

fn scenes() -> Vec<Box<dyn Scene>> {
    vec![
        Box::new(Still::new()),
        Box::new(Scroll::new()),
        Box::new(Drag::new(60)),
        Box::new(Drag::new(30)),
        Box::new(Motion::new()),
    ]
}

fn line() -> Result<(), Error> {
    let mut fields = vec![format!("\"assembly\":{}", assembly())];
    let scenes: Vec<Box<dyn Scene>> =
        vec![Box::new(Still::new()), Box::new(Scroll::new()), Box::new(Motion::new())];
    for mut scene in scenes {
        let run = run(scene.as_mut(), Limit::Rate(500), Search::Near, false)?;
        fields.push(format!(
            "\"{}\":{{\"convert_ms\":{:.2},\"encode_ms\":{:.2},\"idr_ms\":{:.2},\"kbit_s\":{:.0},\"qp\":{:.0}}}",
            scene.name().0,
            run.convert,
            percentile(&run.times, 50),
            run.keyframe_ms,
            run.rate * 8.0,
            run.qp,
        ));
    }
    println!("{{{}}}", fields.join(","));
    Ok(())
}

fn table() -> Result<(), Error> {
    println!("scene   limit         IDR kB  kB/s    p50    p95    max kB   QP    dB    ms p50  p95   CPU ms");
    let near = [20, 26, 32, 38, 44].map(|qp| (Limit::Quantiser(qp), Search::Near));
    let far = [26, 32, 38].map(|qp| (Limit::Quantiser(qp), Search::Far));
    let rates = [Search::Near, Search::Far].map(|search| [450, 150].map(|rate| (Limit::Rate(rate), search)));
    for (limit, search) in near.into_iter().chain(far).chain(rates.into_iter().flatten()) {
        for mut scene in scenes() {
            let run = run(scene.as_mut(), limit, search, true)?;
            let limit = match limit {
                Limit::Quantiser(qp) => format!("QP {qp} {search:?}"),
                Limit::Rate(rate) => format!("{rate} kB/s {search:?}"),
            };
            println!(
                "{:7} {limit:13} {:6.1} {:7.1} {:6.1} {:6.1} {:6.1} {:6.1} {:6.1} {:7.1} {:6.1} {:6.1}",
                scene.name().0,
                run.keyframe / 1e3,
                run.rate,
                percentile(&run.sizes, 50) / 1e3,
                percentile(&run.sizes, 95) / 1e3,
                percentile(&run.sizes, 100) / 1e3,
                run.qp,
                run.decibel,
                percentile(&run.times, 50),
                percentile(&run.times, 95),
                run.cpu,
            );
        }
    }
    Ok(())
}

/// What was measured of a scene; all but the keyframe's figures are without it.
struct Run {
    keyframe: f64,
    keyframe_ms: f64,
    /// Bytes of each picture, ascending.
    sizes: Vec<f64>,
    /// Milliseconds of each picture, ascending.
    times: Vec<f64>,
    /// kB in a second of the scene.
    rate: f64,
    qp: f64,
    decibel: f64,
    convert: f64,
    /// Milliseconds of all threads for a picture, mean.
    cpu: f64,
}

fn run(scene: &mut dyn Scene, limit: Limit, search: Search, quality: bool) -> Result<Run, Error> {
    let (_, rate) = scene.name();
    let bitrate = match limit {
        Limit::Quantiser(_) => 1_000_000,
        Limit::Rate(rate) => rate * 8000,
    };
    let mut encoder = Encoder::new(&Config { max_fps: rate, search, ..Config::new(WIDTH, HEIGHT, bitrate) })?;
    let mut decoder = quality.then(|| Decoder::new().expect("a decoder starts"));
    let mut picture = Picture::new(WIDTH, HEIGHT)?;
    let mut screen = Screen::new();
    let (mut sizes, mut times, mut converts, mut decibels) = (vec![], vec![], vec![], vec![]);
    let (mut keyframe, mut keyframe_ms, mut qps, mut cpu) = (0.0, 0.0, 0.0, 0.0);
    for n in 0..rate * 3 {
        screen.damage.clear();
        scene.draw(&mut screen, n);
        let everything = [Screen::everything()];
        let damage = if n == 0 { &everything[..] } else { &screen.damage };
        let start = Instant::now();
        picture.update_from_bgra(&screen.pixels, WIDTH as usize * 4, damage)?;
        converts.push(milliseconds(start));
        let params = Params::new(i64::from(n) * 1000 / i64::from(rate));
        let params = match limit {
            Limit::Quantiser(qp) => Params { sharpest: qp, coarsest: qp, ..params },
            Limit::Rate(_) => params,
        };
        let (start, begun) = (Instant::now(), processor_time());
        let Some(frame) = encoder.encode_with(&picture, &params)? else { continue };
        if n == 0 {
            (keyframe, keyframe_ms) = (frame.data.len() as f64, milliseconds(start));
        } else {
            times.push(milliseconds(start));
            cpu += processor_time() - begun;
            sizes.push(frame.data.len() as f64);
            qps += f64::from(frame.qp);
        }
        let decoded = decoder.as_mut().and_then(|decoder| decoder.decode(&frame.data).ok().flatten());
        if let Some(decoded) = decoded.filter(|_| n > 0 && n % 5 == 0) {
            decibels.push(psnr(&decoded, &picture));
        }
    }
    let frames = sizes.len() as f64;
    let bytes: f64 = sizes.iter().sum();
    sizes.sort_by(f64::total_cmp);
    times.sort_by(f64::total_cmp);
    converts.sort_by(f64::total_cmp);
    Ok(Run {
        keyframe,
        keyframe_ms,
        rate: bytes / frames * f64::from(rate) / 1e3,
        qp: qps / frames,
        decibel: decibels.iter().sum::<f64>() / decibels.len().max(1) as f64,
        convert: percentile(&converts, 50),
        cpu: cpu / frames,
        sizes,
        times,
    })
}

/// Luma's PSNR in dB, in the middle of the picture.
fn psnr(decoded: &impl YUVSource, picture: &Picture) -> f64 {
    let area = Rect::new(160, 100, 1600, 900);
    let (theirs, ours) = (decoded.strides().0, picture.coded_size().0 as usize);
    let row = |plane: &'_ [u8], stride: usize, y: u32| {
        plane[y as usize * stride + area.x as usize..][..area.width as usize].to_vec()
    };
    let mut squares = 0_u64;
    for y in area.y..area.y + area.height {
        let (got, sent) = (row(decoded.y(), theirs, y), row(picture.y(), ours, y));
        squares += got.iter().zip(sent).map(|(a, b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
    }
    let mean = squares as f64 / f64::from(area.width * area.height);
    10.0 * (255.0 * 255.0 / mean.max(1e-6)).log10()
}

/// Of ascending values.
fn percentile(values: &[f64], percent: usize) -> f64 {
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds that all threads of this process have run.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
