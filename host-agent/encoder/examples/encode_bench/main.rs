//! What the encoder costs, for the scenes of the measurements at 1920 × 1080.
//!
//! Without arguments it prints one JSON line: milliseconds (median) of conversion and of encoding, and whether openh264's
//! assembly was there. With `table` it prints bytes, sharpness and times for fixed quantisers and for budgets.
//! `cargo run --release -p nearhand-encoder --example encode_bench -- table`
//!
//! A run of the table without its wall times, for which the machine was too busy (two cores; dB is luma of the middle
//! 1600 × 900 pixels; the text is denser than most). Goals are 450 kB/s for scrolling and dragging and 600 for motion at 28 to
//! 29 pictures a second: near search misses that of scrolling, where what moved has to be told otherwise; far search keeps
//! them, within 2 %.
//!
//! ```text
//! scene   limit         IDR kB    kB/s    p50    p95 max kB     QP     dB CPU ms
//! static  QP 20 Near    1112.4    19.6    0.0    0.0   55.0   20.0   43.9    4.1
//! scroll  QP 20 Near     929.3  9394.7   19.9  977.2  978.7   20.0   40.0   14.4
//! drag60  QP 20 Near     425.5  1731.7   28.1   62.2   99.1   20.0   45.6    8.1
//! drag30  QP 20 Near     425.5  2895.0   96.7  183.2  300.7   20.0   44.5    9.3
//! motion  QP 20 Near     128.9   426.8   15.8   18.9   19.8   20.0   48.7   12.2
//! static  QP 32 Near     615.6     2.3    0.0    0.0    4.2   32.0   32.3    4.8
//! scroll  QP 32 Near     514.8  4829.4    4.6  508.3  509.5   32.0   29.6   13.8
//! drag60  QP 32 Near     210.9   272.5    2.8   18.8   42.5   32.0   35.2    6.2
//! drag30  QP 32 Near     210.9  1270.9   30.0  101.9  161.9   32.0   34.3    7.5
//! motion  QP 32 Near      40.3   180.7    6.2    7.4    8.2   32.0   41.4   10.5
//! static  QP 44 Near     263.9     1.0    0.0    0.0    0.1   44.0   20.2    5.4
//! scroll  QP 44 Near     221.5  1632.8    1.8  171.7  176.4   44.0   18.3   13.9
//! drag60  QP 44 Near      91.2   102.9    1.3    4.0   15.0   44.0   24.4    5.3
//! drag30  QP 44 Near      91.2   405.5   13.8   32.4   55.5   44.0   23.5    6.5
//! motion  QP 44 Near      18.6   227.6    7.6    9.3   10.0   44.0   35.8   12.5
//! static  QP 26 Far      831.6    16.7    0.0    0.0   46.3   26.0   38.1   15.8
//! scroll  QP 26 Far      695.2   301.7    3.2   28.3   40.8   26.0   37.3   19.5
//! drag60  QP 26 Far      294.8   560.3    8.3   19.2   47.5   26.0   40.8   13.1
//! drag30  QP 26 Far      294.8   621.7   11.5   78.5   89.7   26.0   40.5   17.3
//! motion  QP 26 Far       66.9   196.0    6.9    8.3    9.0   26.0   45.0   11.0
//! static  QP 32 Far      619.7     2.6    0.0    0.0    5.0   32.0   32.4   16.5
//! scroll  QP 32 Far      518.5   142.5    1.2   14.0   14.3   32.0   31.6   19.4
//! drag60  QP 32 Far      211.4   215.7    2.5    8.8   52.6   32.0   35.6   13.6
//! drag30  QP 32 Far      211.4   308.7    3.9   46.7   58.5   32.0   35.1   14.3
//! motion  QP 32 Far       39.3   168.5    5.8    7.2    7.9   32.0   41.4   12.3
//! static  QP 38 Far      447.0     1.1    0.0    0.0    0.4   38.0   25.9   14.3
//! scroll  QP 38 Far      374.6    95.3    0.8    9.4    9.6   38.0   25.3   18.2
//! drag60  QP 38 Far      150.5   139.6    1.4    6.8   34.4   38.0   29.5   13.2
//! drag30  QP 38 Far      150.5   206.0    2.4   24.0   39.8   38.0   29.2   14.6
//! motion  QP 38 Far       25.7   218.2    7.3    9.7   10.1   38.0   38.4   14.1
//! static  450 kB/s Near  201.8    62.7    0.0    1.1   73.0   40.2   21.6    5.5
//! scroll  450 kB/s Near  200.8  1232.1    1.5  126.2  127.3   45.9   16.7   11.2
//! drag60  450 kB/s Near  210.9   444.4    3.0   28.5   52.7   37.1   36.2    8.7
//! drag30  450 kB/s Near  210.9   508.8   15.7   36.1   61.6   42.2   27.2    9.4
//! motion  450 kB/s Near  128.9   414.4   15.0   20.3   24.5   20.5   48.5   12.4
//! static  450 kB/s Far   197.8    73.7    0.0    2.5  107.0   39.2   22.6   18.8
//! scroll  450 kB/s Far   196.6   420.2    6.6   61.1  103.1   37.1   28.4   23.7
//! drag60  450 kB/s Far   211.4   456.3    2.8   34.5   74.8   33.6   40.1   14.6
//! drag30  450 kB/s Far   211.4   394.6    8.6   41.5   74.5   34.8   36.5   15.0
//! motion  450 kB/s Far   123.6   405.4   14.6   18.7   22.4   20.4   48.6   15.5
//! scroll  150 kB/s Near  170.0  1205.6    1.5  126.5  131.5   46.0   16.7   10.9
//! drag60  150 kB/s Near   71.6   153.2    1.3   10.4   16.8   44.2   26.4    5.9
//! drag30  150 kB/s Near   71.6   370.3   10.3   32.8   34.1   45.0   23.7    7.5
//! motion  150 kB/s Near  128.9   209.8    7.1    8.2    8.5   46.0   34.9   12.7
//! scroll  150 kB/s Far   166.3   134.1    1.2   17.4   56.1   44.7   19.5   17.4
//! drag60  150 kB/s Far    70.4   151.4    1.2    9.9   22.7   42.3   28.5   12.0
//! drag30  150 kB/s Far    70.4   178.9    3.1   20.0   27.8   44.1   25.3   13.9
//! motion  150 kB/s Far   123.6   193.3    6.6    7.8    7.9   46.0   35.3   14.2
//! ```

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
            "\"{}\":{{\"convert_ms\":{:.2},\"encode_ms\":{:.2},\"encode_p95_ms\":{:.2},\"idr_ms\":{:.2},\"kbit_s\":{:.0},\"qp\":{:.0}}}",
            scene.name().0,
            run.convert,
            percentile(&run.times, 50),
            percentile(&run.times, 95),
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
