//! What the scenes of the measurements take: bytes each way, and time. Run by hand, optimised.

use std::time::{Duration, Instant};

use nearhand_encoder::Params;
use nearhand_protocol::picture::{Area, Painted};
use nearhand_protocol::tile;
use nearhand_protocol::wire::decode_borrowed;

use super::super::schedule::{Schedule, Step, Wanted};
use super::super::stream::{Key, Stream};
use super::*;

#[path = "../../../encoder/examples/encode_bench/scenes.rs"]
#[allow(dead_code, unreachable_pub)]
mod scenes;
use scenes::{Drag, HEIGHT, Motion, Scene, Scroll, Still, WIDTH};

struct Typing {
    count: u32,
}
impl Scene for Typing {
    fn name(&self) -> (&'static str, u32) {
        ("typing", 10)
    }
    fn draw(&mut self, screen: &mut scenes::Screen, count: u32) {
        self.count = count;
        let (x0, y0) = (100 + (count % 100) * 10, 200 + (count / 100) * 20);
        for y in 0..14 {
            for x in 0..8 {
                if (x * 7 + y * 3 + count) % 5 < 2 {
                    let at = (((y0 + y) * WIDTH + x0 + x) * 4) as usize;
                    screen.pixels[at..at + 4].copy_from_slice(&[20, 20, 20, 0]);
                }
            }
        }
        screen.damage.push(nearhand_encoder::Rect::new(x0, y0, 8, 14));
    }
}
struct Clock;
impl Scene for Clock {
    fn name(&self) -> (&'static str, u32) {
        ("clock", 59)
    }
    fn draw(&mut self, screen: &mut scenes::Screen, count: u32) {
        let bits = count.wrapping_mul(0x9e37_79b1) ^ count;
        for y in 4..36_u32 {
            for x in 0..1024_u32 {
                let v = if bits >> (x / 32) & 1 == 1 { 255 } else { 0 };
                let at = ((y * WIDTH + 448 + x) * 4) as usize;
                screen.pixels[at..at + 4].copy_from_slice(&[v, v, v, 0]);
            }
        }
        screen.damage.push(nearhand_encoder::Rect::new(448, 4, 1024, 32));
    }
}

fn run(mut scene: Box<dyn Scene>, seconds: u64) {
    let (name, fps) = scene.name();
    let start = Instant::now();
    let mut grants = Grants::new();
    assert!(grants.give(Right::View, Consent::CommandLine));
    let stats = Stats { round_trip: Some(Duration::from_millis(2)), loss: Some(0.0), ..Stats::default() };
    let wire = Arc::new(Wire { stats, ..Wire::default() });
    let mut viewer = Viewer::new(ViewerId(0), grants.view().expect("given"), wire.clone());
    let view = Area::new(0, 0, WIDTH as u16, HEIGHT as u16);
    viewer.look_at(None, view);
    let mut desktop = scenes::Screen::new();
    let mut screen = Screen::new(WIDTH as u16, HEIGHT as u16);
    let mut coder = tile::Encoder::default();
    let mut stream =
        Stream::new(Key { area: view, own: None }, super::super::rate::Scale::Full, 6_000_000, start)
            .expect("a stream");
    let mut schedule = Schedule::default();
    let (mut follow, mut attend, mut encode) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut worst_follow, mut worst_attend) = (Duration::ZERO, Duration::ZERO);
    let (mut tile_bytes, mut updates, mut tiles, mut moves) = (0, 0, 0, 0);
    let (mut frames, mut frame_bytes, mut qps) = (0_u32, 0, 0_u32);
    let mut drawn = 0;
    let mut number = 0;
    let report = |label: &str, secs: f64, v: [f64; 11]| {
        println!(
            "{name:8} {label:6}: frames {:5.1}/s {:6.1} kB/s qp {:4.1} | updates {:5.1}/s tiles {:5.1}/s moves {:4.1}/s {:6.2} kB/s | ms/s follow {:6.1} (worst {:4.1}) attend {:6.1} (worst {:4.1}) encode {:6.1}",
            v[0] / secs,
            v[1] / secs / 1e3,
            v[2],
            v[3] / secs,
            v[4] / secs,
            v[5] / secs,
            v[6] / secs / 1e3,
            v[7] / secs,
            v[8],
            v[9] / secs,
            0.0,
            v[10] / secs
        );
    };
    let settle = 2_000_u64;
    for ms in 0..(settle + seconds * 1000) {
        if ms == settle {
            println!("{name:8} settled: exact {} %", viewer_exact(&viewer));
            (follow, attend, encode) = Default::default();
            (worst_follow, worst_attend) = Default::default();
            (tile_bytes, updates, tiles, moves, frames, frame_bytes, qps) = Default::default();
        }
        let now = start + Duration::from_millis(ms);
        if ms * u64::from(fps) / 1000 >= drawn {
            drawn = ms * u64::from(fps) / 1000 + 1;
            scene.draw(&mut desktop, drawn as u32 - 1);
            if drawn == 1 {
                desktop.damage = vec![scenes::Screen::everything()];
            }
        }
        if !desktop.damage.is_empty() {
            let damage = nearhand_desktop::merge(
                desktop.damage.drain(..).map(|r| Rect::new(r.x, r.y, r.width, r.height)),
                WIDTH,
                HEIGHT,
            );
            let frame = Frame {
                width: WIDTH,
                height: HEIGHT,
                stride: WIDTH as usize * 4,
                pixels: &desktop.pixels,
                damage: &damage,
                damaged_at: now,
                captured_at: now,
            };
            let t = Instant::now();
            let change = screen.follow(&frame);
            if !change.areas.is_empty() {
                viewer.follow(&change, now);
            }
            change.areas.iter().for_each(|a| stream.change(*a));
            follow += t.elapsed();
            worst_follow = worst_follow.max(t.elapsed());
        }
        let looked = Look { damage: now, grab: now, grabbed: now };
        let t = Instant::now();
        let running = schedule.is_running(now, Duration::from_millis(200));
        viewer.attend(now, &screen, &mut coder, &looked, ((960, 540), running));
        attend += t.elapsed();
        worst_attend = worst_attend.max(t.elapsed());
        viewer.measure(now);
        let wanted = Wanted {
            next: viewer.wants_frame() && viewer.synced,
            keyframe: viewer.wants_frame() && !viewer.synced,
        };
        if let Step::Frame { keyframe } = schedule.next(now, wanted, true, 60) {
            assert!(viewer.announce(ms as u32 * 90, (WIDTH, HEIGHT), now));
            let t = Instant::now();
            let params = Params { keyframe, ..Params::new(ms as i64) };
            let e = stream.encode(&screen, &params, viewer.bitrate()).expect("encodes").expect("a frame");
            encode += t.elapsed();
            frames += 1;
            frame_bytes += e.annex_b.len();
            qps += u32::from(e.qp);
            viewer.synced = true;
            schedule.sent(now, e.keyframe, e.annex_b.len() as u64 * 8, viewer.bitrate());
            viewer.rate.sent(e.annex_b.len() as u64 * 8);
            viewer.rate.coded(now, e.qp);
            if std::env::var("VERBOSE").is_ok() {
                println!("{ms} frame {} key {} qp {}", e.annex_b.len(), e.keyframe, e.qp);
            }
        }
        for message in wire.take() {
            tile_bytes += message.len();
            updates += 1;
            let update = decode_borrowed::<Update<'_>>(&message).expect("an update");
            number = update.number;
            for step in &update.steps {
                match step {
                    nearhand_protocol::picture::Step::Tile { .. } => tiles += 1,
                    nearhand_protocol::picture::Step::Move { .. } => moves += 1,
                    nearhand_protocol::picture::Step::Frame { .. } => {}
                }
            }
        }
        if ms % 8 == 0 && number > 0 {
            viewer.painted(&Painted { highest: number, painted: u128::MAX });
        }
    }
    let secs = seconds as f64;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    report(
        "total",
        secs,
        [
            f64::from(frames),
            frame_bytes as f64,
            f64::from(qps) / f64::from(frames.max(1)),
            f64::from(updates),
            f64::from(tiles),
            f64::from(moves),
            tile_bytes as f64,
            ms(follow),
            ms(worst_follow),
            ms(attend),
            ms(encode),
        ],
    );
    println!("{name:8} worst attend {:.1} ms, exact {} %", ms(worst_attend), viewer_exact(&viewer));
}

fn viewer_exact(viewer: &Viewer) -> u8 {
    viewer.exact_percent()
}

#[test]
#[ignore = "measures"]
fn scenes() {
    let which = std::env::var("SCENE").unwrap_or_default();
    let all: Vec<Box<dyn Scene>> = vec![
        Box::new(Still::new()),
        Box::new(Typing { count: 0 }),
        Box::new(Clock),
        Box::new(Scroll::new()),
        Box::new(Drag::new(60)),
        Box::new(Motion::new()),
    ];
    for scene in all {
        if scene.name().0.contains(&which) {
            run(scene, 5);
        }
    }
}
