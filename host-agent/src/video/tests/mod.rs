//! Everything together but threads, network and codec: a desktop that changes at random, a line that loses, repeats and
//! overtakes, and a tab that paints by the protocol's rules. When it rests the tab shows what the desktop shows.

mod tab;
mod thread;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use nearhand_desktop::{Frame, Rect};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::{Quality, Watch};
use nearhand_protocol::grant::{Consent, Grants, Right};
use nearhand_protocol::picture::{Area, Painted, Update};
use nearhand_protocol::tile;
use nearhand_protocol::wire::decode_borrowed;
use proptest::prelude::*;

use super::ViewerId;
use super::region::Grid;
use super::screen::Screen;
use super::trace::Look;
use super::viewer::Viewer;
use crate::rtc::{
    Candidate, EncodedFrame, Fingerprint, FrameError, IceServer, RtcError, SendError, Stats, Transport,
};
use tab::{Decoded, Tab};

/// A transport that keeps what it is given, until it is asked for it.
#[derive(Default)]
struct Wire {
    sent: Mutex<Vec<Bytes>>,
    refuses: Mutex<bool>,
    stats: Stats,
}

impl Wire {
    fn take(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refuse(&self, refuses: bool) {
        *self.refuses.lock().unwrap_or_else(PoisonError::into_inner) = refuses;
    }
}

#[async_trait]
impl Transport for Wire {
    async fn accept_offer(&self, _: &str) -> Result<String, RtcError> {
        Err(RtcError::Closed)
    }

    async fn set_ice_servers(&self, _: Vec<IceServer>) -> Result<(), RtcError> {
        Err(RtcError::Closed)
    }

    async fn add_remote_candidate(&self, _: Candidate) -> Result<(), RtcError> {
        Err(RtcError::Closed)
    }

    fn send(&self, channel: Channel, message: Bytes) -> Result<(), SendError> {
        assert_eq!(channel, Channel::Picture);
        if *self.refuses.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(SendError::Full);
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        Ok(())
    }

    fn buffered(&self, _: Channel) -> usize {
        0
    }

    fn send_frame(&self, _: EncodedFrame) -> Result<(), FrameError> {
        Ok(())
    }

    fn can_send_frame(&self) -> bool {
        true
    }

    fn set_pacing(&self, _: Option<u32>) {}

    fn stats(&self) -> Stats {
        self.stats.clone()
    }

    fn local_fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    fn remote_fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    async fn close(&self) {}
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// The customer's desktop.
struct Desktop {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    damage: Vec<Rect>,
}

impl Desktop {
    fn new(width: u32, height: u32) -> Self {
        let pixels = vec![0; (width * height * 4) as usize];
        Self { width, height, pixels, damage: vec![Rect::new(0, 0, width, height)] }
    }

    /// Something happens on it.
    fn change(&mut self, dice: &mut Dice) {
        let (x, y) = (dice.roll(self.width.into()) as u32, dice.roll(self.height.into()) as u32);
        let (widest, highest) = ([12, 40, 150][dice.roll(3) as usize], [18, 40, 120][dice.roll(3) as usize]);
        let rect = Rect::new(x, y, 1 + dice.roll(widest) as u32, 1 + dice.roll(highest) as u32);
        let Some(rect) = rect.clip(self.width, self.height) else { return };
        let kind = dice.roll(4);
        if kind == 3 {
            let all = Rect::new(x / 3, y / 3, 120 + x / 3, 90 + y / 3);
            let Some(all) = all.clip(self.width, self.height) else { return };
            return self.scroll(all, 1 + dice.roll(20) as u32);
        }
        let colour = dice.roll(1 << 24) as u32;
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                let pixel = match kind {
                    0 => colour,
                    1 => colour ^ (((x ^ y) & 1) * 0xff),
                    _ => dice.roll(1 << 24) as u32,
                };
                let at = ((y * self.width + x) * 4) as usize;
                self.pixels[at..at + 4].copy_from_slice(&pixel.to_le_bytes());
            }
        }
        self.damage.push(rect);
    }

    fn scroll(&mut self, rect: Rect, by: u32) {
        let at = |x: u32, y: u32| ((y * self.width + x) * 4) as usize;
        for y in rect.y..(rect.y + rect.height).saturating_sub(by) {
            let from = at(rect.x, y + by);
            self.pixels.copy_within(from..from + rect.width as usize * 4, at(rect.x, y));
        }
        self.damage.push(rect);
    }

    fn look(&mut self, screen: &mut Screen, viewer: &mut Viewer, now: Instant) {
        let damage = nearhand_desktop::merge(std::mem::take(&mut self.damage), self.width, self.height);
        let frame = Frame {
            width: self.width,
            height: self.height,
            stride: self.width as usize * 4,
            pixels: &self.pixels,
            damage: &damage,
            damaged_at: now,
            captured_at: now,
        };
        let change = screen.follow(&frame);
        if !change.areas.is_empty() {
            viewer.follow(&change, now);
        }
    }

    fn shown(&self, view: Area) -> Vec<[u8; 3]> {
        (view.y..view.y + view.height)
            .flat_map(|y| (view.x..view.x + view.width).map(move |x| (x, y)))
            .map(|(x, y)| {
                let at = ((u32::from(y) * self.width + u32::from(x)) * 4) as usize;
                [self.pixels[at + 2], self.pixels[at + 1], self.pixels[at]]
            })
            .collect()
    }
}

/// Lets the line look as thin as it can be; the time when it does.
fn thin(viewer: &mut Viewer, start: Instant) -> Instant {
    let mut now = start;
    for _ in 0..200 {
        now += Duration::from_millis(100);
        viewer.rate.sent(1_000_000);
        let full = Stats {
            loss: Some(0.4),
            queue_delay: Some(Duration::from_secs(1)),
            delivered_bitrate: Some(200_000),
            ..Stats::default()
        };
        viewer.rate.update(now, &full);
    }
    now
}

/// How bad the line is, in percent and milliseconds.
#[derive(Clone, Copy, Debug)]
struct Weather {
    loss: u64,
    repeats: u64,
    jitter: u64,
    frames_lost: u64,
    refuses: u64,
    thin: bool,
}

/// On its way.
enum Parcel {
    Update(Bytes),
    Frame(Decoded),
    Painted(Painted),
}

struct Stage {
    start: Instant,
    now: u64,
    dice: Dice,
    weather: Weather,
    desktop: Desktop,
    screen: Screen,
    viewer: Viewer,
    wire: Arc<Wire>,
    coder: tile::Encoder,
    tab: Tab,
    on_the_way: Vec<(u64, Parcel)>,
    last_frame: u64,
    frame_at: u64,
    frames: u32,
    bytes: usize,
    updates: usize,
    _grants: Grants,
}

impl Stage {
    fn new(seed: u64, view: Area, weather: Weather) -> Self {
        let start = Instant::now();
        let mut grants = Grants::new();
        assert!(grants.give(Right::View, Consent::CommandLine));
        let stats = Stats {
            round_trip: Some(Duration::from_millis(weather.jitter + 4)),
            loss: Some(weather.loss as f32 / 100.0),
            ..Stats::default()
        };
        let wire = Arc::new(Wire { stats, ..Wire::default() });
        let mut viewer = Viewer::new(ViewerId(0), grants.view().expect("given"), wire.clone());
        let number = viewer.look_at(None, view).number;
        let start = if weather.thin { thin(&mut viewer, start) } else { start };
        let grid = Grid { width: view.width, height: view.height };
        Self {
            start,
            now: 0,
            dice: Dice(seed),
            weather,
            desktop: Desktop::new(300, 200),
            screen: Screen::new(300, 200),
            viewer,
            wire,
            coder: tile::Encoder::default(),
            tab: Tab::new(number, grid),
            on_the_way: Vec::new(),
            last_frame: 0,
            frame_at: 0,
            frames: 0,
            bytes: 0,
            updates: 0,
            _grants: grants,
        }
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    /// A moment passes: the host does what is due, and what is on its way arrives.
    fn step(&mut self) {
        self.now += 4;
        let now = self.instant();
        let refuses = self.dice.chance(self.weather.refuses);
        self.wire.refuse(refuses);
        if !self.desktop.damage.is_empty() {
            self.desktop.look(&mut self.screen, &mut self.viewer, now);
        }
        let looked = Look { damage: now, grab: now, grabbed: now };
        self.viewer.attend(now, &self.screen, &mut self.coder, &looked, ((0, 0), false));
        self.viewer.measure(now);
        // The codec gives frames that look nearly like the screen.
        if self.viewer.wants_frame() && self.now >= self.last_frame + 16 {
            self.frames += 1;
            let timestamp = self.frames * 1500;
            if self.viewer.announce(timestamp, (300, 200), now) {
                self.last_frame = self.now;
                let blur = |pixel: [u8; 3]| pixel.map(|channel| channel ^ 5);
                let pixels = self.desktop.shown(self.viewer.view.area).into_iter().map(blur).collect();
                if !self.dice.chance(self.weather.frames_lost) {
                    // A decoder gives frames in their order.
                    let at = self.now + 12 + self.dice.roll(self.weather.jitter + 1);
                    self.frame_at = self.frame_at.max(at);
                    self.on_the_way.push((self.frame_at, Parcel::Frame(Decoded { timestamp, pixels })));
                }
            }
        }
        let next = (self.start + Duration::from_millis(self.last_frame + 16)).max(now);
        self.viewer.set_next_frame(self.viewer.wants_frame().then_some(next));
        let _ = self.viewer.let_go(now, &looked);
        for message in self.wire.take() {
            self.bytes += message.len();
            self.updates += 1;
            let copies = if self.dice.chance(self.weather.repeats) { 2 } else { 1 };
            for _ in 0..copies {
                if !self.dice.chance(self.weather.loss) {
                    let at = self.now + 2 + self.dice.roll(self.weather.jitter + 1);
                    self.on_the_way.push((at, Parcel::Update(message.clone())));
                }
            }
        }
        if let Some(painted) = self.tab.tells(self.now)
            && !self.dice.chance(self.weather.loss)
        {
            let at = self.now + 2 + self.dice.roll(self.weather.jitter + 1);
            self.on_the_way.push((at, Parcel::Painted(painted)));
        }
        self.on_the_way.sort_by_key(|(at, _)| *at);
        self.tab.go_on(self.now);
        while self.on_the_way.first().is_some_and(|(at, _)| *at <= self.now) {
            match self.on_the_way.remove(0).1 {
                Parcel::Update(bytes) => {
                    let update = decode_borrowed::<Update<'_>>(&bytes).expect("an update");
                    self.tab.update(&update, self.now);
                }
                Parcel::Frame(frame) => self.tab.decoded(frame, self.now),
                Parcel::Painted(painted) => self.viewer.painted(&painted),
            }
        }
    }

    fn is_same(&self) -> bool {
        self.tab.canvas == self.desktop.shown(self.viewer.view.area)
    }

    /// Nothing happens any more, until the tab shows it; how long that took, in milliseconds.
    fn rest(&mut self, most: u64) -> u64 {
        let begun = self.now;
        while !self.is_same() && self.now < begun + most {
            self.step();
        }
        assert!(self.is_same(), "{} ms of rest, and not the same", self.now - begun);
        self.now - begun
    }
}

const FAIR: Weather = Weather { loss: 0, repeats: 0, jitter: 0, frames_lost: 0, refuses: 0, thin: false };

fn weather() -> impl Strategy<Value = Weather> {
    let bad = (0..30_u64, 0..20_u64, 0..120_u64, 0..20_u64, 0..20_u64, any::<bool>()).prop_map(
        |(loss, repeats, jitter, frames_lost, refuses, thin)| Weather {
            loss,
            repeats,
            jitter,
            frames_lost,
            refuses,
            thin,
        },
    );
    // Moves are only tried where nothing is known to be lost: the tab must refuse them where something overtook.
    let late = (0..120_u64, 0..4_u64, any::<bool>()).prop_map(|(jitter, refuses, thin)| Weather {
        jitter,
        refuses,
        thin,
        ..FAIR
    });
    prop_oneof![1 => Just(FAIR), 2 => late, 3 => bad]
}

fn views() -> impl Strategy<Value = Area> {
    prop_oneof![
        Just(Area::new(0, 0, 300, 200)),
        Just(Area::new(37, 21, 200, 150)),
        Just(Area::new(0, 0, 64, 64)),
        Just(Area::new(299, 199, 1, 1)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_rests_is_the_same_in_the_end(seed: u64, weather in weather(), view in views(), busy in 5..120_u64) {
        let mut stage = Stage::new(seed, view, weather);
        for _ in 0..3 {
            for _ in 0..busy {
                if stage.dice.chance(30) {
                    let Stage { desktop, dice, .. } = &mut stage;
                    desktop.change(dice);
                }
                stage.step();
            }
            stage.rest(30_000);
        }
        // And nothing more is sent then: all of it is known to be there.
        let settled = stage.now + 20_000;
        while stage.now < settled {
            stage.step();
        }
        let updates = stage.updates;
        for _ in 0..500 {
            stage.step();
        }
        prop_assert!(stage.is_same());
        prop_assert_eq!(stage.updates, updates, "nothing is sent for nothing");
    }
}

#[test]
fn all_ways_are_taken() {
    let mut stage = Stage::new(3, Area::new(0, 0, 300, 200), Weather { thin: true, jitter: 30, ..FAIR });
    for _ in 0..20 {
        for _ in 0..40 {
            if stage.dice.chance(20) {
                let Stage { desktop, dice, .. } = &mut stage;
                desktop.change(dice);
            }
            stage.step();
        }
        stage.rest(5_000);
    }
    let Tab { tiles, moves, refused, cells, .. } = stage.tab;
    assert!(tiles > 50 && moves >= 3 && refused > 0 && cells > 20, "{tiles}, {moves}, {refused}, {cells}");
}

#[test]
fn what_one_look_brings_is_seen_at_once() {
    let mut stage = Stage::new(5, Area::new(0, 0, 300, 200), Weather { thin: true, ..FAIR });
    stage.rest(5_000);
    let fill = |stage: &mut Stage, rect: Rect, colour: &mut dyn FnMut() -> u32| {
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                let at = ((y * 300 + x) * 4) as usize;
                stage.desktop.pixels[at..at + 4].copy_from_slice(&colour().to_le_bytes());
            }
        }
        stage.desktop.damage.push(rect);
    };
    for round in 1..20_u32 {
        // Too much for exact tiles, and a character elsewhere.
        let mut dice = Dice(u64::from(round));
        fill(&mut stage, Rect::new(0, 0, 128, 128), &mut || dice.roll(1 << 24) as u32);
        fill(&mut stage, Rect::new(220, 150, 9, 16), &mut || round * 0x0a_0a0a);
        // The next frame is not due yet.
        stage.last_frame = stage.now;
        let places = [stage.tab.at(20, 20), stage.tab.at(222, 155)];
        let before = places.map(|at| stage.tab.canvas[at]);
        let mut seen = [false; 2];
        let begun = stage.now;
        while !seen[0] {
            stage.step();
            seen = std::array::from_fn(|place| stage.tab.canvas[places[place]] != before[place]);
            assert_eq!(seen[0], seen[1], "round {round}, after {} ms", stage.now - begun);
            assert!(stage.now < begun + 1_000, "round {round}");
        }
        stage.rest(5_000);
    }
    assert!(stage.frames >= 19);
}

#[test]
fn typing_takes_few_bytes_and_one_update_each() {
    let mut stage = Stage::new(1, Area::new(0, 0, 300, 200), FAIR);
    stage.rest(2_000);
    let (bytes, updates) = (stage.bytes, stage.updates);
    for character in 0..20 {
        let rect = Rect::new(10 + character * 10, 100, 9, 16);
        for y in rect.y..rect.y + rect.height {
            for x in (rect.x..rect.x + rect.width).filter(|x| (x * 7 + y * 3) % 5 == 0) {
                stage.desktop.pixels[((y * 300 + x) * 4) as usize] = 200;
            }
        }
        stage.desktop.damage.push(rect);
        for _ in 0..25 {
            stage.step();
        }
        assert!(stage.is_same(), "character {character}");
    }
    assert_eq!((stage.updates - updates, stage.frames), (20, 0));
    assert!(stage.bytes - bytes < 20 * 80, "{} bytes", stage.bytes - bytes);
}

#[test]
fn nothing_is_sent_to_a_tab_that_nobody_sees() {
    let mut stage = Stage::new(1, Area::new(0, 0, 300, 200), FAIR);
    stage.rest(2_000);
    stage.viewer.wish(Watch { paused: true, quality: Quality::Auto, ..Watch::default() });
    assert!(stage.viewer.grant_wish(stage.instant()).is_ok());
    let updates = stage.updates;
    for _ in 0..100 {
        let Stage { desktop, dice, .. } = &mut stage;
        desktop.change(dice);
        stage.step();
    }
    assert_eq!(stage.updates, updates);
    stage.viewer.wish(Watch::default());
    stage.now += 1_000;
    assert!(stage.viewer.grant_wish(stage.instant()).is_ok());
    stage.rest(2_000);
}
