//! What is shown on the customer's screen: a button, a test picture, and the moving scenes of the measurements.

mod proofs;

use std::time::Duration;

use anyhow::Result;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ConfigureWindowAux, ConnectionExt as _, EventMask, Rectangle, StackMode};

use super::canvas::{Canvas, Colour, area};
use super::timecode;
use super::window::Scene;
pub(crate) use proofs::{BIT, Lines, Manner, Page, Presses, Reporter, Ring, Twins, paper};

/// A window that changes its colour at each press of the first button on it.
pub(crate) struct Button {
    area: Rectangle,
    window: u32,
    on: bool,
}

impl Button {
    /// Its colour before the first press, after the second…
    pub(crate) const OFF: Colour = 0x0020_4080;
    /// Its colour after the first press, after the third…
    pub(crate) const ON: Colour = 0x00f0_e040;

    pub(crate) const fn new(area: Rectangle) -> Self {
        Self { area, window: 0, on: false }
    }

    fn draw(&self, canvas: &Canvas) -> Result<()> {
        let colour = if self.on { Self::ON } else { Self::OFF };
        canvas.fill(self.window, colour, &[area(0, 0, self.area.width, self.area.height)])?;
        canvas.flush()
    }
}

impl Scene for Button {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        self.window = canvas.window(self.area, EventMask::BUTTON_PRESS | EventMask::EXPOSURE)?;
        self.draw(canvas)
    }

    fn event(&mut self, canvas: &Canvas, event: &Event) -> Result<bool> {
        let pressed = matches!(event, Event::ButtonPress(press) if press.detail == 1);
        self.on ^= pressed;
        if pressed || matches!(event, Event::Expose(_)) {
            self.draw(canvas)?;
        }
        Ok(pressed)
    }
}

/// The whole screen with everything that a codec likes to spoil: small text, thin lines, gradients, hard colours.
#[derive(Default)]
pub(crate) struct Pattern;

impl Scene for Pattern {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let (width, height) = (canvas.width, canvas.height);
        let window = canvas.window(area(0, 0, width, height), EventMask::NO_EVENT)?;
        let pixmap = canvas.pixmap(width, height)?;
        canvas.put(pixmap, width, &gradients(width, height))?;
        for (index, colour) in [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x00ff_ff00, 0x00ff_00ff, 0x0000_ffff]
            .into_iter()
            .enumerate()
        {
            canvas.fill(pixmap, colour, &[area(64 + index as i16 * 96, 64, 80, 80)])?;
        }
        canvas.fill(pixmap, 0x00ff_ffff, &[area(64, 176, 560, 280)])?;
        for line in 0..20 {
            canvas.text(pixmap, 0x0010_1010, 72, 192 + line * 13, &sentence(line as u32, 90))?;
        }
        let lines: Vec<Rectangle> =
            (0..40).map(|line| area(680 + line * 8, 64, 1 + (line % 4) as u16, 200)).collect();
        canvas.fill(pixmap, 0x00ff_ffff, &lines)?;
        canvas.copy(pixmap, window, (0, 0), area(0, 0, width, height))?;
        canvas.connection.free_pixmap(pixmap)?;
        canvas.flush()
    }
}

/// The clock alone, 59 times a second.
#[derive(Default)]
pub(crate) struct Clock {
    window: u32,
}

/// The window with the clock, above everything else.
fn clock_window(canvas: &Canvas) -> Result<u32> {
    let window =
        canvas.window(area(0, 0, timecode::CELL * timecode::CELLS, timecode::CELL), EventMask::NO_EVENT)?;
    canvas.connection.configure_window(window, &ConfigureWindowAux::new().stack_mode(StackMode::ABOVE))?;
    Ok(window)
}

impl Scene for Clock {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        self.window = clock_window(canvas)?;
        timecode::draw(canvas, self.window)
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_secs(1) / 59)
    }

    fn tick(&mut self, canvas: &Canvas, _count: u32) -> Result<()> {
        timecode::draw(canvas, self.window)?;
        canvas.flush()
    }
}

/// The whole screen in motion, 30 times a second: a picture that pans over a larger one, as a film's camera does.
#[derive(Default)]
pub(crate) struct Motion {
    window: u32,
    clock: u32,
    film: u32,
}

/// How far the film is larger than the screen.
const PAN: u16 = 256;

impl Scene for Motion {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let (width, height) = (canvas.width + PAN, canvas.height + PAN);
        self.film = canvas.pixmap(width, height)?;
        canvas.put(self.film, width, &gradients(width, height))?;
        self.window = canvas.window(area(0, 0, canvas.width, canvas.height), EventMask::NO_EVENT)?;
        self.clock = clock_window(canvas)?;
        self.tick(canvas, 0)
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_secs(1) / 30)
    }

    fn tick(&mut self, canvas: &Canvas, count: u32) -> Result<()> {
        let turn = count as f32 / 30.0;
        let middle = f32::from(PAN / 2);
        let source = ((middle + middle * turn.sin()) as i16, (middle + middle * (turn * 0.7).cos()) as i16);
        canvas.copy(self.film, self.window, source, area(0, 0, canvas.width, canvas.height))?;
        timecode::draw(canvas, self.clock)?;
        canvas.flush()
    }
}

/// Text of 1600×900 pixels that scrolls by three lines about ten times a second, and the clock 29 times.
#[derive(Default)]
pub(crate) struct Scroll {
    window: u32,
    clock: u32,
    paper: u32,
}

const SCROLL: (u16, u16) = (1600, 900);
/// Height of the long paper, a multiple of a line's 13 pixels; its end repeats its beginning.
const PAPER: u16 = 13 * 300;

impl Scene for Scroll {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        self.paper = text_pixmap(canvas, SCROLL.0, PAPER + SCROLL.1, 300)?;
        self.window = canvas.window(area(160, 100, SCROLL.0, SCROLL.1), EventMask::NO_EVENT)?;
        self.clock = clock_window(canvas)?;
        self.tick(canvas, 0)
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_secs(1) / 29)
    }

    fn tick(&mut self, canvas: &Canvas, count: u32) -> Result<()> {
        if count.is_multiple_of(3) {
            let from = (count * 13 % u32::from(PAPER)) as i16;
            canvas.copy(self.paper, self.window, (0, from), area(0, 0, SCROLL.0, SCROLL.1))?;
        }
        timecode::draw(canvas, self.clock)?;
        canvas.flush()
    }
}

/// A window of 800×600 pixels, dragged about 60 times a second over a desktop.
#[derive(Default)]
pub(crate) struct Drag {
    window: u32,
    clock: u32,
    face: u32,
}

impl Scene for Drag {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let (width, height) = (canvas.width, canvas.height);
        let desktop = canvas.window(area(0, 0, width, height), EventMask::NO_EVENT)?;
        let wallpaper = canvas.pixmap(width, height)?;
        canvas.put(wallpaper, width, &gradients(width, height))?;
        canvas.connection.change_window_attributes(
            desktop,
            // What the dragged window uncovers is drawn by the server itself.
            &x11rb::protocol::xproto::ChangeWindowAttributesAux::new().background_pixmap(wallpaper),
        )?;
        canvas.connection.clear_area(false, desktop, 0, 0, 0, 0)?;
        self.face = text_pixmap(canvas, 800, 600, 60)?;
        self.window = canvas.window(area(200, 150, 800, 600), EventMask::NO_EVENT)?;
        canvas.copy(self.face, self.window, (0, 0), area(0, 0, 800, 600))?;
        self.clock = clock_window(canvas)?;
        timecode::draw(canvas, self.clock)
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_secs(1) / 60)
    }

    fn tick(&mut self, canvas: &Canvas, count: u32) -> Result<()> {
        let turn = count as f32 / 60.0 * 1.5;
        let x = 560.0 + 500.0 * turn.sin();
        let y = 240.0 + 180.0 * (turn * 0.8).cos();
        canvas
            .connection
            .configure_window(self.window, &ConfigureWindowAux::new().x(x as i32).y(y as i32))?;
        timecode::draw(canvas, self.clock)?;
        canvas.flush()
    }
}

/// Ten characters a second in a window of text.
#[derive(Default)]
pub(crate) struct Typing {
    window: u32,
}

impl Scene for Typing {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        self.window = canvas.window(area(160, 100, 800, 600), EventMask::NO_EVENT)?;
        canvas.fill(self.window, 0x00ff_ffff, &[area(0, 0, 800, 600)])
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }

    fn tick(&mut self, canvas: &Canvas, count: u32) -> Result<()> {
        let (column, line) = (count % 120, count / 120 % 40);
        let character = sentence(line, 120).chars().nth(column as usize).unwrap_or(' ').to_string();
        canvas.text(
            self.window,
            0x0010_1010,
            (8 + column * 6) as i16,
            (16 + line * 13) as i16,
            &character,
        )?;
        canvas.flush()
    }
}

fn text_pixmap(canvas: &Canvas, width: u16, height: u16, repeats_after: u32) -> Result<u32> {
    let pixmap = canvas.pixmap(width, height)?;
    canvas.fill(pixmap, 0x00ff_ffff, &[area(0, 0, width, height)])?;
    for line in 0..u32::from(height / 13) {
        let colour = [0x0010_1010, 0x0020_40a0, 0x0080_2020, 0x0010_6010][line as usize % 4];
        let text = sentence(line % repeats_after, usize::from(width / 6).min(250));
        canvas.text(pixmap, colour, 4, (line * 13 + 11) as i16, &text)?;
    }
    Ok(pixmap)
}

/// A line of words that looks like a program's log; each number has its own.
fn sentence(number: u32, characters: usize) -> String {
    const WORDS: [&str; 16] = [
        "printer",
        "offline",
        "0x80070005",
        "retry",
        "paper",
        "queue",
        "driver",
        "update",
        "service",
        "started",
        "warning:",
        "timeout",
        "spooler",
        "network",
        "share",
        "\\\\srv\\hp",
    ];
    let mut text = format!("{number:04} ");
    let mut state = number.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    while text.len() < characters {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(WORDS[(state >> 24) as usize % WORDS.len()]);
        text.push(' ');
    }
    text.truncate(characters);
    text
}

/// Overlapping waves of colour with edges in them: smooth like a photograph, and no two places alike.
fn gradients(width: u16, height: u16) -> Vec<Colour> {
    let wave = |phase: f32| (127.5 + 127.0 * phase.sin()) as u32;
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height));
    for y in 0..height {
        let row = f32::from(y);
        for x in 0..width {
            let column = f32::from(x);
            let red = wave(column / 97.0 + (row / 151.0).sin() * 2.0);
            let green = wave(row / 83.0 + (column / 211.0).cos() * 2.0);
            let blue = wave((column + row) / 131.0);
            let edge = if (x / 120 + y / 90) % 5 == 0 { 0x0018_1818 } else { 0 };
            pixels.push((red << 16 | green << 8 | blue) ^ edge);
        }
    }
    pixels
}
