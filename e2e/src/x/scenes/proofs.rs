//! Scenes that show what a codec spoils, and scenes of which a machine can tell whether a picture of them ever existed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask, Rectangle};

use super::super::canvas::{Canvas, Colour, area};
use super::super::window::Scene;
use super::sentence;

/// A still page: coloured letters of nine pixels, a photograph, a checkerboard of single pixels, coloured thin lines.
#[derive(Default)]
pub(crate) struct Page;

impl Scene for Page {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let (width, height) = (canvas.width, canvas.height);
        let window = canvas.window(area(0, 0, width, height), EventMask::NO_EVENT)?;
        let pixmap = canvas.pixmap(width, height)?;
        canvas.put(pixmap, width, &ground(width, height))?;
        // The capitals of the server's own font are nine pixels high.
        let columns = [
            (0x00d0_2020, 0x00ff_ffff),
            (0x0010_30c0, 0x00ff_fff0),
            (0x0020_8020, 0x00e8_f0ff),
            (0x00ff_60ff, 0x0020_2020),
        ];
        let column = (width / 2).saturating_sub(24) / 2;
        for (index, (ink, paper)) in columns.into_iter().enumerate() {
            let x = 8 + (index % 2) as i16 * column as i16;
            let y = 8 + (index / 2) as i16 * 160;
            canvas.fill(pixmap, paper, &[area(x, y, column.saturating_sub(8), 152)])?;
            for line in 0..11 {
                let text =
                    sentence(line as u32 + index as u32 * 11, usize::from(column.saturating_sub(16) / 6));
                canvas.text_on(pixmap, (ink, paper), x + 4, y + 14 + line * 13, &text)?;
            }
        }
        canvas.copy(pixmap, window, (0, 0), area(0, 0, width, height))?;
        canvas.connection.free_pixmap(pixmap)?;
        canvas.flush()
    }
}

/// Left below the letters a checkerboard and thin lines, right a photograph; grey elsewhere.
fn ground(width: u16, height: u16) -> Vec<Colour> {
    const LINES: [Colour; 6] = [0x00ff_0000, 0x0000_c000, 0x0000_00ff, 0x00ff_a000, 0x0080_00ff, 0x0000_b0b0];
    let (middle, below) = (u32::from(width / 2), 336);
    let board = below + u32::from(height).saturating_sub(below) / 2;
    let mut grain = 0x1234_5678_u32;
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height));
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let colour = if x >= middle {
                photograph(x - middle, y, grain >> 24)
            } else if y < below {
                0x00c0_c4c8
            } else if y < board {
                if (x + y) % 2 == 0 { 0x00ff_ffff } else { 0 }
            } else if x % 7 == 0 {
                LINES[(x / 7 % 6) as usize]
            } else if y % 9 == 0 {
                LINES[(y / 9 % 6) as usize]
            } else {
                0x00ff_ffff
            };
            pixels.push(colour);
        }
    }
    pixels
}

/// As a camera would see it: light that falls off, shapes of every size, and grain.
fn photograph(x: u32, y: u32, grain: u32) -> Colour {
    let mut cloud = 0.0;
    for octave in 0..5_u32 {
        cloud += noise(x as f32 / (128 >> octave) as f32, y as f32 / (128 >> octave) as f32, octave)
            / (1 << octave) as f32;
    }
    let light = 170.0 - y as f32 / 12.0;
    let channel = |warm: f32, amount: f32| {
        let value = light * warm + cloud * amount + (grain % 9) as f32 - 4.0;
        value.clamp(0.0, 255.0) as u32
    };
    channel(1.0, 46.0) << 16 | channel(0.86, 60.0) << 8 | channel(0.7, 38.0)
}

/// Smooth noise between -1 and 1: corners of a grid have values, and what is between them is blended.
fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let corner = |x: u32, y: u32| {
        let mut state =
            x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
        state = (state ^ state >> 15).wrapping_mul(0x2c1b_3c6d);
        ((state ^ state >> 12) & 0xffff) as f32 / 32_767.5 - 1.0
    };
    let (left, top) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (across, down) = (ease(x - left), ease(y - top));
    let (left, top) = (left as u32, top as u32);
    let blend = |a: f32, b: f32, t: f32| a + (b - a) * t;
    blend(
        blend(corner(left, top), corner(left + 1, top), across),
        blend(corner(left, top + 1), corner(left + 1, top + 1), across),
        down,
    )
}

/// Pixels of a cell of a [`number`].
pub(crate) const BIT: u16 = 16;
/// Cells of a number: twelve bits of it, and four that check them.
const BITS: u16 = 16;

/// The cells of a number below 4096: `true` is white.
fn bits(number: u32) -> [bool; BITS as usize] {
    let number = number & 0xfff;
    let check = (number ^ number >> 4 ^ number >> 8 ^ 0x5) & 0xf;
    std::array::from_fn(|bit| (number << 4 | check) >> (15 - bit) & 1 == 1)
}

/// Draws a number that a machine reads off the picture.
fn number(canvas: &Canvas, drawable: u32, x: i16, y: i16, value: u32) -> Result<()> {
    let bits = bits(value);
    for (colour, wanted) in [(0x00ff_ffff, true), (0, false)] {
        let areas: Vec<Rectangle> = (0..BITS)
            .filter(|bit| bits[usize::from(*bit)] == wanted)
            .map(|bit| area(x + (bit * BIT) as i16, y, BIT, BIT))
            .collect();
        canvas.fill(drawable, colour, &areas)?;
    }
    Ok(())
}

/// How [`Twins`] change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nothing but the two numbers.
    Little,
    /// Everything between them, too.
    Much,
    /// Everything for a second, then nothing for half of one.
    Fits,
}

/// A window whose left and right end show the same number, drawn by one request: at no moment do they differ.
pub(crate) struct Twins {
    area: Rectangle,
    period: Duration,
    manner: Manner,
    window: u32,
    next: u32,
    films: Vec<u32>,
}

impl Twins {
    pub(crate) const fn new(area: Rectangle, period: Duration, manner: Manner) -> Self {
        Self { area, period, manner, window: 0, next: 0, films: Vec::new() }
    }

    /// Where the second number begins, from the window's left edge.
    pub(crate) const fn second(width: u16) -> u16 {
        width - BIT * BITS
    }
}

impl Scene for Twins {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let Rectangle { width, height, .. } = self.area;
        self.window = canvas.window(self.area, EventMask::NO_EVENT)?;
        self.next = canvas.pixmap(width, height)?;
        canvas.fill(self.next, 0x0040_4850, &[area(0, 0, width, height)])?;
        if self.manner != Manner::Little {
            for film in 0..4_u32 {
                let pixmap = canvas.pixmap(width, height)?;
                let pixels: Vec<Colour> = (0..u32::from(height))
                    .flat_map(|y| (0..u32::from(width)).map(move |x| (x, y)))
                    .map(|(x, y)| photograph(x + film * 7, y + film * 3, 4))
                    .collect();
                canvas.put(pixmap, width, &pixels)?;
                self.films.push(pixmap);
            }
        }
        self.tick(canvas, 0)
    }

    fn period(&self) -> Option<Duration> {
        Some(self.period)
    }

    fn tick(&mut self, canvas: &Canvas, count: u32) -> Result<()> {
        let Rectangle { width, height, .. } = self.area;
        // In fits: of a second and a half the first second.
        let beat = self.period * (count % 1_000_000);
        if self.manner == Manner::Fits && beat.as_millis() % 1500 >= 1000 {
            return Ok(());
        }
        if let Some(film) = self.films.get(count as usize % self.films.len().max(1)) {
            canvas.copy(*film, self.next, (0, 0), area(0, 0, width, height))?;
        }
        number(canvas, self.next, 0, 0, count)?;
        number(canvas, self.next, Self::second(width) as i16, (height - BIT) as i16, count)?;
        canvas.copy(self.next, self.window, (0, 0), area(0, 0, width, height))?;
        canvas.flush()
    }
}

/// Lines with numbers that scroll: at every moment each line has the number after that of the line above.
pub(crate) struct Lines {
    area: Rectangle,
    /// Lines at a time.
    step: u32,
    window: u32,
    paper: u32,
}

/// The paper's lines; its end repeats its beginning.
const PAPER: u32 = 512;

impl Lines {
    pub(crate) const fn new(area: Rectangle, step: u32) -> Self {
        Self { area, step, window: 0, paper: 0 }
    }
}

impl Scene for Lines {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let Rectangle { width, height, .. } = self.area;
        let lines = PAPER + u32::from(height / BIT);
        self.paper = canvas.pixmap(width, (lines * u32::from(BIT)) as u16)?;
        canvas.fill(self.paper, 0x00ff_ffff, &[area(0, 0, width, (lines * u32::from(BIT)) as u16)])?;
        for line in 0..lines {
            let y = (line * u32::from(BIT)) as i16;
            number(canvas, self.paper, 0, y, line % PAPER)?;
            let x = BIT * BITS + 8;
            let text = sentence(line % PAPER, usize::from(width.saturating_sub(x) / 6).min(250));
            canvas.text(self.paper, 0x0010_1010, x as i16, y + 12, &text)?;
        }
        self.window = canvas.window(self.area, EventMask::NO_EVENT)?;
        self.tick(canvas, 0)
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_millis(66))
    }

    fn tick(&mut self, canvas: &Canvas, count: u32) -> Result<()> {
        let Rectangle { width, height, .. } = self.area;
        let from = (count * self.step % PAPER) as u16 * BIT;
        canvas.copy(self.paper, self.window, (0, from as i16), area(0, 0, width, height))?;
        canvas.flush()
    }
}

/// How many lines [`Lines`] has before they begin again.
pub(crate) const fn paper() -> u32 {
    PAPER
}

/// Where it was pressed, in pixels of the whole screen.
pub(crate) type Presses = Arc<Mutex<Vec<(i16, i16)>>>;

/// A window that tells which pixel was pressed.
pub(crate) struct Reporter {
    area: Rectangle,
    presses: Presses,
}

impl Reporter {
    pub(crate) fn new(area: Rectangle) -> (Self, Presses) {
        let presses = Presses::default();
        (Self { area, presses: presses.clone() }, presses)
    }
}

impl Scene for Reporter {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let window = canvas.window(self.area, EventMask::BUTTON_PRESS)?;
        let Rectangle { width, height, .. } = self.area;
        let pixmap = canvas.pixmap(width, height)?;
        canvas.put(pixmap, width, &super::gradients(width, height))?;
        canvas.copy(pixmap, window, (0, 0), area(0, 0, width, height))?;
        canvas.connection.free_pixmap(pixmap)?;
        canvas.flush()
    }

    fn event(&mut self, _canvas: &Canvas, event: &Event) -> Result<bool> {
        let Event::ButtonPress(press) = event else { return Ok(false) };
        self.presses.lock().unwrap_or_else(PoisonError::into_inner).push((press.root_x, press.root_y));
        Ok(true)
    }
}

/// A window with a cursor of its own: a ring of 17 pixels in two colours, which points with the pixel at 5, 11.
pub(crate) struct Ring(pub(crate) Rectangle);

impl Ring {
    /// Its side in pixels.
    pub(crate) const SIDE: u16 = 17;
    /// The pixel that points.
    pub(crate) const HOT: (u16, u16) = (5, 11);

    /// Red, green, blue and opacity of one of its pixels.
    pub(crate) fn pixel(x: u16, y: u16) -> [u8; 4] {
        let (across, down) = (i32::from(x) - 8, i32::from(y) - 8);
        match across * across + down * down {
            0..=24 => [0; 4],
            // One half is of another colour, so that a turned one is found.
            _ if x < 8 => [0xe0, 0x20, 0x40, 0xff],
            _ => [0x20, 0x60, 0xf0, 0xff],
        }
    }
}

impl Scene for Ring {
    fn open(&mut self, canvas: &Canvas) -> Result<()> {
        let window = canvas.window(self.0, EventMask::NO_EVENT)?;
        canvas.fill(window, 0x0060_7080, &[area(0, 0, self.0.width, self.0.height)])?;
        let each = || (0..Self::SIDE).flat_map(|y| (0..Self::SIDE).map(move |x| (x, y)));
        let of = |wanted: &dyn Fn([u8; 4]) -> bool| -> Vec<Rectangle> {
            let chosen = each().filter(|(x, y)| wanted(Self::pixel(*x, *y)));
            chosen.map(|(x, y)| area(x as i16, y as i16, 1, 1)).collect()
        };
        let cursor = canvas.cursor(
            (Self::SIDE, Self::SIDE),
            Self::HOT,
            ([0xe0, 0x20, 0x40], &of(&|pixel| pixel[0] == 0xe0)),
            ([0x20, 0x60, 0xf0], &of(&|pixel| pixel[3] == 0xff)),
        )?;
        let aux = ChangeWindowAttributesAux::new().cursor(cursor);
        canvas.connection.change_window_attributes(window, &aux)?;
        canvas.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_cells_of_their_own() {
        let all: std::collections::HashSet<_> = (0..4096).map(bits).collect();
        assert_eq!(all.len(), 4096);
        assert_eq!(bits(0), bits(4096));
    }

    #[test]
    fn the_page_has_a_checkerboard_of_single_pixels_and_a_photograph_of_many_colours() {
        let (width, height) = (1280_u16, 800_u16);
        let pixels = ground(width, height);
        let at = |x: usize, y: usize| pixels[y * usize::from(width) + x];
        assert_ne!(at(10, 400), at(11, 400));
        assert_eq!(at(10, 400), at(11, 401));
        let colours: std::collections::HashSet<_> =
            (0..600).flat_map(|y| (700..1200).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect();
        assert!(colours.len() > 5_000, "no palette holds them: {}", colours.len());
    }
}
