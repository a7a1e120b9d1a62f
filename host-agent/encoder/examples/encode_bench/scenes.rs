//! The scenes of the measurements, painted without an X server: text that scrolls, a window that is dragged, a screen that pans.

use nearhand_encoder::Rect;

pub(crate) const WIDTH: u32 = 1920;
pub(crate) const HEIGHT: u32 = 1080;

/// A screen and what is painted on it.
pub(crate) struct Screen {
    pub(crate) pixels: Vec<u8>,
    pub(crate) damage: Vec<Rect>,
}

/// One of the scenes.
pub(crate) trait Scene {
    /// Its name, and how often a second it is drawn.
    fn name(&self) -> (&'static str, u32);

    /// Draws the picture of this number.
    fn draw(&mut self, screen: &mut Screen, count: u32);
}

/// An image somewhere in memory.
struct Image {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { pixels: vec![0x40; (WIDTH * HEIGHT * 4) as usize], damage: Vec::new() }
    }

    pub(crate) fn everything() -> Rect {
        Rect::new(0, 0, WIDTH, HEIGHT)
    }

    /// Copies a part of the image, from this corner on, to a rectangle of the screen.
    fn copy(&mut self, image: &Image, from: (u32, u32), to: Rect) {
        assert!(from.0 + to.width <= image.width && from.1 + to.height <= image.height);
        for row in 0..to.height {
            let source = ((from.1 + row) * image.width + from.0) as usize;
            let target = ((to.y + row) * WIDTH + to.x) as usize * 4;
            let pixels = &image.pixels[source..source + to.width as usize];
            let bytes = &mut self.pixels[target..target + to.width as usize * 4];
            for (bytes, pixel) in bytes.chunks_exact_mut(4).zip(pixels) {
                bytes.copy_from_slice(&pixel.to_le_bytes());
            }
        }
        self.damage.push(to);
    }

    /// A clock of black and white cells of 32 pixels.
    fn clock(&mut self, count: u32) {
        let mut cells = Image { width: 1024, height: 32, pixels: vec![0; 1024 * 32] };
        let bits = count.wrapping_mul(0x9e37_79b1) ^ count;
        for (at, pixel) in cells.pixels.iter_mut().enumerate() {
            *pixel = if bits >> (at % 1024 / 32) & 1 == 1 { 0x00ff_ffff } else { 0 };
        }
        self.copy(&cells, (0, 0), Rect::new(0, 0, 1024, 32));
    }
}

/// Nothing moves.
pub(crate) struct Still(Image);

impl Still {
    pub(crate) fn new() -> Self {
        Self(text(WIDTH, HEIGHT, 60))
    }
}

impl Scene for Still {
    fn name(&self) -> (&'static str, u32) {
        ("static", 30)
    }

    fn draw(&mut self, screen: &mut Screen, count: u32) {
        if count == 0 {
            screen.copy(&self.0, (0, 0), Screen::everything());
        }
    }
}

/// 1600 × 900 pixels of text, three lines further ten times a second; a clock 29 times.
pub(crate) struct Scroll(Image);

const PAPER: u32 = 13 * 300;

impl Scroll {
    pub(crate) fn new() -> Self {
        Self(text(1600, PAPER + 900, 300))
    }
}

impl Scene for Scroll {
    fn name(&self) -> (&'static str, u32) {
        ("scroll", 29)
    }

    fn draw(&mut self, screen: &mut Screen, count: u32) {
        if count.is_multiple_of(3) {
            screen.copy(&self.0, (0, count * 13 % PAPER), Rect::new(160, 100, 1600, 900));
        }
        screen.clock(count);
    }
}

/// A window of 800 × 600 pixels, dragged over a wallpaper, so many times a second.
pub(crate) struct Drag {
    wallpaper: Image,
    face: Image,
    rate: u32,
    last: Option<Rect>,
}

impl Drag {
    pub(crate) fn new(rate: u32) -> Self {
        Self { wallpaper: gradients(WIDTH, HEIGHT), face: text(800, 600, 60), rate, last: None }
    }
}

impl Scene for Drag {
    fn name(&self) -> (&'static str, u32) {
        (if self.rate == 60 { "drag60" } else { "drag30" }, self.rate)
    }

    fn draw(&mut self, screen: &mut Screen, count: u32) {
        let turn = count as f32 / self.rate as f32 * 1.5;
        let x = 560.0 + 500.0 * turn.sin();
        let y = 240.0 + 180.0 * (turn * 0.8).cos();
        let now = Rect::new(x as u32, y as u32, 800, 600);
        match self.last {
            Some(last) => screen.copy(&self.wallpaper, (last.x, last.y), last),
            None => screen.copy(&self.wallpaper, (0, 0), Screen::everything()),
        }
        screen.copy(&self.face, (0, 0), now);
        self.last = Some(now);
        screen.clock(count);
    }
}

/// The whole screen pans over a larger picture.
pub(crate) struct Motion(Image);

const PAN: u32 = 256;

impl Motion {
    pub(crate) fn new() -> Self {
        Self(gradients(WIDTH + PAN, HEIGHT + PAN))
    }
}

impl Scene for Motion {
    fn name(&self) -> (&'static str, u32) {
        ("motion", 30)
    }

    fn draw(&mut self, screen: &mut Screen, count: u32) {
        let turn = count as f32 / 30.0;
        let middle = (PAN / 2) as f32;
        let from = ((middle + middle * turn.sin()) as u32, (middle + middle * (turn * 0.7).cos()) as u32);
        screen.copy(&self.0, from, Screen::everything());
        screen.clock(count);
    }
}

/// Overlapping waves of colour with edges in them: smooth like a photograph, and no two places alike.
fn gradients(width: u32, height: u32) -> Image {
    let wave = |phase: f32| (127.5 + 127.0 * phase.sin()) as u32;
    let mut pixels = Vec::with_capacity((width * height) as usize);
    for y in 0..height {
        for x in 0..width {
            let (column, row) = (x as f32, y as f32);
            let red = wave(column / 97.0 + (row / 151.0).sin() * 2.0);
            let green = wave(row / 83.0 + (column / 211.0).cos() * 2.0);
            let blue = wave((column + row) / 131.0);
            let edge = if (x / 120 + y / 90) % 5 == 0 { 0x0018_1818 } else { 0 };
            pixels.push((red << 16 | green << 8 | blue) ^ edge);
        }
    }
    Image { width, height, pixels }
}

/// White paper with lines of letters of 6 × 13 pixels, which repeat after so many lines.
fn text(width: u32, height: u32, repeats_after: u32) -> Image {
    let mut image = Image { width, height, pixels: vec![0x00ff_ffff; (width * height) as usize] };
    for line in 0..height / 13 {
        let colour = [0x0010_1010, 0x0020_40a0, 0x0080_2020, 0x0010_6010][line as usize % 4];
        let number = line % repeats_after;
        let mut state = number.wrapping_mul(2_654_435_761).wrapping_add(12_345);
        let (mut word, mut at) = (0, 0);
        for column in 0..(width / 6 - 1).min(250) {
            if at == 0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                word = state >> 28;
                at = 4 + word % 6;
                continue;
            }
            at -= 1;
            letter(&mut image, 4 + column * 6, line * 13 + 2, word * 7 + at, colour);
        }
    }
    image
}

/// Strokes of one pixel on 5 × 9, as those of a bitmap font; each number has its own.
fn letter(image: &mut Image, left: u32, top: u32, number: u32, colour: u32) {
    let strokes = number.wrapping_mul(2_654_435_761) >> 24 | 1;
    for y in 0..9 {
        for x in 0..5 {
            let ink = strokes & 1 != 0 && x == 0 && y > 0
                || strokes & 2 != 0 && x == 4 && (3..8).contains(&y)
                || strokes & 4 != 0 && y == 0
                || strokes & 8 != 0 && y == 4
                || strokes & 16 != 0 && y == 8
                || strokes & 32 != 0 && x == 2 && y > 2
                || strokes & 64 != 0 && x + y == 8;
            if ink {
                image.pixels[((top + y) * image.width + left + x) as usize] = colour;
            }
        }
    }
}
