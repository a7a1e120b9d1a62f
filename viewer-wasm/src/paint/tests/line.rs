//! A host that paints its screen on a viewer's canvas over a line that loses, delays and reorders.

use proptest::prelude::*;

use super::*;

const VIEW: (u16, u16) = (150, 140);
const STEP_MS: f64 = 5.0;
/// What was not acknowledged by then counts as lost at the host, in milliseconds.
const LOST_MS: f64 = 300.0;

#[derive(Clone, Debug)]
enum Act {
    /// Exact pixels of a changed area.
    Tile(Area, u32),
    /// Pixels go to another place.
    Move((u16, u16), Area),
    /// A changed area goes into a frame of the video.
    Frame(Area, u32),
    /// A changed area goes as a tile behind a move, in one update.
    Scroll(u16, u32),
    /// The same, and a changed area goes into a frame that the update names.
    Look(u16, Area, u32),
    Rest,
}

/// What happens to a message or a frame on its way: steps of delay; `None`: it is lost.
type Way = Option<u8>;

fn area() -> impl Strategy<Value = Area> {
    (0..VIEW.0, 0..VIEW.1, 1..100_u16, 1..100_u16)
        .prop_map(|(x, y, width, height)| Area::new(x, y, width.min(VIEW.0 - x), height.min(VIEW.1 - y)))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (area(), 0..0xff_ffff_u32).prop_map(|(area, color)| Act::Tile(area, color)),
        2 => (area(), 0..VIEW.0, 0..VIEW.1).prop_map(|(to, x, y)| {
            Act::Move((x.min(VIEW.0 - to.width), y.min(VIEW.1 - to.height)), to)
        }),
        3 => (area(), 0..0xff_ffff_u32).prop_map(|(area, color)| Act::Frame(area, color)),
        1 => (1..20_u16, 0..0xff_ffff_u32).prop_map(|(by, color)| Act::Scroll(by, color)),
        1 => (1..20_u16, area(), 0..0xff_ffff_u32).prop_map(|(by, area, color)| Act::Look(by, area, color)),
        1 => Just(Act::Rest),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![6 => Just(Some(0)), 3 => (0..8_u8).prop_map(Some), 1 => Just(None)]
}

enum Parcel {
    Update(Vec<u8>),
    Frame(u32, Pixels),
}

/// A host that keeps to the rules: it never copies from where something is known to be missing, and sends anew what was
/// not acknowledged.
struct Host {
    screen: Pixels,
    /// What the canvas should show: the screen, but for what was painted from frames and not anew since.
    expected: Pixels,
    number: u32,
    timestamp: u32,
    now_ms: f64,
    /// Sent and neither acknowledged nor given up: number, when, cells.
    open: Vec<(u32, f64, Vec<usize>)>,
    /// Cells that the viewer does not have.
    missing: Vec<bool>,
    sent: Vec<(f64, Parcel)>,
}

impl Host {
    fn cells(area: Area) -> Vec<usize> {
        Grid::new(VIEW.0, VIEW.1).touched(area).collect()
    }

    fn send(&mut self, way: Way, parcel: Parcel) {
        if let Some(steps) = way {
            self.sent.push((self.now_ms + f64::from(steps) * STEP_MS, parcel));
        }
    }

    fn update(&mut self, way: Way, cells: Vec<usize>, steps: Vec<Step<'_>>) {
        self.number += 1;
        let update = Update { view: 1, number: self.number, steps };
        let bytes = wire::encode(&update).unwrap();
        self.open.push((self.number, self.now_ms, cells));
        self.send(way, Parcel::Update(bytes));
    }

    fn since(&self) -> u32 {
        self.open.first().map_or(self.number + 1, |(number, ..)| *number)
    }

    fn act(&mut self, act: &Act, ways: (Way, Way)) {
        match *act {
            Act::Tile(area, color) => {
                self.screen.fill(area, |x, y| color ^ (u32::from(x) << 3) ^ u32::from(y));
                let screen = self.screen.clone();
                self.expected.fill(area, |x, y| screen.get(x, y));
                let coded = self.screen.coded(area);
                self.update(ways.0, Self::cells(area), vec![Step::Tile { area, coded: &coded }]);
            }
            Act::Move(from, to) => {
                let source = Area::new(from.0, from.1, to.width, to.height);
                self.screen.move_within(source, to);
                self.expected.move_within(source, to);
                let unfit = Self::cells(source).iter().any(|cell| self.missing[*cell]);
                for cell in Self::cells(to) {
                    self.missing[cell] |= unfit;
                }
                if !unfit {
                    let step = Step::Move { since: self.since(), from_x: from.0, from_y: from.1, to };
                    self.update(ways.0, Self::cells(to), vec![step]);
                }
            }
            Act::Frame(area, color) => {
                self.screen.fill(area, |x, y| color ^ u32::from(x) ^ (u32::from(y) << 5));
                let named = Self::cells(area);
                let (step, frame) = self.frame(&named);
                self.update(ways.0, named, vec![step]);
                self.send(ways.1, frame);
            }
            Act::Scroll(by, color) => self.look(by, None, color, ways),
            Act::Look(by, area, color) => self.look(by, Some(area), color, ways),
            Act::Rest => {}
        }
    }

    /// Everything moves up, and the lowest rows are new; all that changed is in one update.
    fn look(&mut self, by: u16, film: Option<Area>, color: u32, ways: (Way, Way)) {
        let (from, to) = (Area::new(0, by, VIEW.0, VIEW.1 - by), Area::new(0, 0, VIEW.0, VIEW.1 - by));
        let strip = Area::new(0, VIEW.1 - by, VIEW.0, by);
        for picture in [&mut self.screen, &mut self.expected] {
            picture.move_within(from, to);
        }
        if let Some(area) = film {
            self.screen.fill(area, |x, y| color ^ u32::from(x) ^ (u32::from(y) << 5));
        }
        self.screen.fill(strip, |x, _| color ^ u32::from(x));
        if self.missing.contains(&true) {
            self.missing.fill(true);
            return;
        }
        let coded = self.screen.coded(strip);
        let mut steps = vec![Step::Move { since: self.since(), from_x: from.x, from_y: from.y, to }];
        let mut frame = None;
        if let Some(area) = film {
            let (step, parcel) = self.frame(&Self::cells(area));
            steps.push(step);
            frame = Some(parcel);
        }
        steps.push(Step::Tile { area: strip, coded: &coded });
        let screen = self.screen.clone();
        self.expected.fill(strip, |x, y| screen.get(x, y));
        self.update(ways.0, Self::cells(Area::new(0, 0, VIEW.0, VIEW.1)), steps);
        if let Some(frame) = frame {
            self.send(ways.1, frame);
        }
    }

    /// A frame of what is on the screen now, for these cells.
    fn frame(&mut self, named: &[usize]) -> (Step<'static>, Parcel) {
        self.timestamp = self.timestamp.wrapping_add(3000);
        // Nothing that a decoder puts out is exact.
        let mut frame = self.screen.clone();
        for pixel in &mut frame.at {
            *pixel ^= 0x0001_0101;
        }
        for cell in named {
            self.missing[*cell] = false;
            let area = Grid::new(VIEW.0, VIEW.1).area(*cell);
            self.expected.fill(area, |x, y| frame.get(x, y));
        }
        let cells = Cells::from_flags((0..self.missing.len()).map(|cell| named.contains(&cell)));
        let (timestamp, (width, height)) = (self.timestamp, VIEW);
        (Step::Frame { timestamp, width, height, cells }, Parcel::Frame(timestamp, frame))
    }

    fn hear(&mut self, painted: Painted) {
        let missing = &mut self.missing;
        let now_ms = self.now_ms;
        self.open.retain(|(number, at_ms, cells)| match painted.tells(*number) {
            Some(true) => false,
            _ if now_ms - at_ms > LOST_MS => {
                for cell in cells {
                    missing[*cell] = true;
                }
                false
            }
            _ => true,
        });
    }

    /// Sends exactly what is missing.
    fn repair(&mut self, way: Way) {
        let grid = Grid::new(VIEW.0, VIEW.1);
        let wanted: Vec<usize> = (0..grid.len()).filter(|cell| self.missing[*cell]).collect();
        for cell in wanted {
            let area = grid.area(cell);
            let coded = self.screen.coded(area);
            self.missing[cell] = false;
            let screen = self.screen.clone();
            self.expected.fill(area, |x, y| screen.get(x, y));
            self.update(way, vec![cell], vec![Step::Tile { area, coded: &coded }]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the line does: where the host believes that all is there, all is there, pixel for pixel.
    #[test]
    fn what_is_acknowledged_is_on_the_canvas(
        acts in prop::collection::vec((act(), way(), way(), prop::bool::weighted(0.9)), 1..60),
        begin in any::<u32>(),
    ) {
        let mut painter = Painter::new();
        let mut canvas = Pixels::new(VIEW.0, VIEW.1, 0x12_3456);
        let view = View { number: 1, monitor: None, area: Area::new(0, 0, VIEW.0, VIEW.1) };
        painter.view(view, 0.0, &mut canvas);
        let cells = Grid::new(VIEW.0, VIEW.1).len();
        let mut host = Host {
            screen: Pixels::new(VIEW.0, VIEW.1, 0),
            expected: Pixels::new(VIEW.0, VIEW.1, 0),
            number: 0,
            timestamp: begin,
            now_ms: 0.0,
            open: Vec::new(),
            missing: vec![true; cells],
            sent: Vec::new(),
        };
        host.repair(Some(0));
        let quiet = core::iter::repeat_n((Act::Rest, Some(0), Some(0), true), 320);
        for (round, (act, of_update, of_frame, ack)) in acts.iter().cloned().chain(quiet).enumerate() {
            host.now_ms += STEP_MS;
            host.act(&act, (of_update, of_frame));
            if round >= acts.len() && round % 80 == 0 {
                host.repair(Some(0));
            }
            let (due, rest): (Vec<_>, Vec<_>) =
                core::mem::take(&mut host.sent).into_iter().partition(|(at_ms, _)| *at_ms <= host.now_ms);
            host.sent = rest;
            for (_, parcel) in due {
                match parcel {
                    Parcel::Update(bytes) => {
                        prop_assert_eq!(painter.update(&bytes, host.now_ms, &mut canvas), Ok(()));
                        prop_assert_eq!(painter.update(&bytes, host.now_ms, &mut canvas), Ok(()), "again");
                    }
                    Parcel::Frame(timestamp, frame) => {
                        canvas.frame = Some(Box::new(frame));
                        painter.frame(timestamp, host.now_ms, &mut canvas).unwrap();
                    }
                }
            }
            painter.tick(host.now_ms, &mut canvas).unwrap();
            let told = painter.tell(host.now_ms);
            prop_assert!(painter.due_ms().is_none_or(|due_ms| due_ms > host.now_ms));
            match told {
                Some(painted) if ack => host.hear(painted),
                _ if round >= acts.len() => host.hear(painter.history.told()),
                _ => {}
            }
        }
        prop_assert_eq!(host.open.len(), 0);
        prop_assert!(!host.missing.contains(&true));
        prop_assert!(canvas.at == host.expected.at, "the canvas shows something else");
        host.missing.fill(true);
        host.repair(Some(0));
        prop_assert!(host.expected.at == host.screen.at);
    }

    /// Bytes of any kind, and updates of any kind, neither panic nor paint outside; what waits stays bounded.
    #[test]
    fn a_hostile_host_reaches_nothing(
        numbers in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u32>()), 1..100),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        areas in prop::collection::vec((any::<u16>(), any::<u16>(), 1..300_u16, 1..300_u16), 1..20),
    ) {
        let mut painter = Painter::new();
        let mut canvas = Pixels::new(VIEW.0, VIEW.1, 0);
        painter.view(View { number: 0, monitor: None, area: Area::new(0, 0, VIEW.0, VIEW.1) }, 0.0, &mut canvas);
        let _ = painter.update(&bytes, 0.0, &mut canvas);
        for (index, (number, since, timestamp)) in numbers.into_iter().enumerate() {
            let (x, y, width, height) = areas[index % areas.len()];
            let area = Area::new(x % 300, y % 300, width, height);
            let steps = vec![
                Step::Frame {
                    timestamp, width: width.min(VIEW.0), height: height.min(VIEW.1),
                    cells: Cells::from_flags((0..60_u32).map(|cell| since >> (cell % 32) & 1 == 1)),
                },
                Step::Move { since, from_x: y % 300, from_y: x % 300, to: area },
                Step::Tile { area, coded: &bytes },
            ];
            let view = (since % 5) as u8;
            if let Ok(message) = wire::encode(&Update { view, number, steps }) {
                let _ = painter.update(&message, f64::from(index as u32), &mut canvas);
            }
            canvas.frame = Some(Box::new(Pixels::new(VIEW.0, VIEW.1, timestamp & 0xff_ffff)));
            let _ = painter.frame(timestamp, f64::from(index as u32), &mut canvas);
            prop_assert!(painter.awaited.len() <= MOST_AWAITED + 1 && painter.waiting.len() <= MOST_WAITING + 1);
            prop_assert!(painter.early.len() <= MOST_EARLY);
        }
    }
}
