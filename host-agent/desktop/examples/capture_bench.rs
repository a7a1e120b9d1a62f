//! Prints one JSON line: what it costs to read what was painted on the screen at `$DISPLAY`, for damage of several sizes:
//! microseconds from the call to the pixels (`us`) and of this process's processor time (`cpu_us`), medians. Then the share of
//! a core, in percent, that capture takes while nothing happens, while ten characters a second appear, and while the pointer
//! is moved a thousand times a second.
//! `cargo run --release -p nearhand-desktop --example capture_bench`

#[cfg(target_os = "linux")]
use linux as system;

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::time::{Duration, Instant};

    use nearhand_desktop::{Capture, Event, Rect, open};
    use nearhand_protocol::grant::{Consent, Grants, Right, ViewGrant};
    use x11rb::connection::Connection;
    use x11rb::protocol::xproto::{ChangeGCAux, ConnectionExt as _, CreateGCAux, Gcontext, Rectangle};
    use x11rb::protocol::xtest::ConnectionExt as _;
    use x11rb::rust_connection::RustConnection;
    use x11rb::wrapper::ConnectionExt as _;

    type Result<T> = std::result::Result<T, Box<dyn Error>>;

    /// How long each share of a core is measured.
    const WHILE: Duration = Duration::from_secs(5);

    pub(crate) fn main() -> Result<()> {
        let mut grants = Grants::new();
        let _ = grants.give(Right::View, Consent::CommandLine);
        let grant = grants.view().ok_or("no right to see")?;
        let mut desktop = open(None)?;
        let capture = desktop.capture.as_mut();
        let (width, height) = (capture.layout().width, capture.layout().height);
        let painter = Painter::new()?;

        let mut fields = vec![format!("\"screen\":\"{width}x{height}\"")];
        let full = Rect::new(0, 0, width.into(), height.into());
        for (name, rect) in [
            ("full", full),
            ("wide", Rect::new(100, 100, u32::from(width) - 200, 200)),
            ("tall", Rect::new(300, 0, 64, height.into())),
            ("window", Rect::new(0, 0, 640, 360)),
            ("line", Rect::new(100, 100, 800, 16)),
            ("character", Rect::new(100, 100, 8, 16)),
        ] {
            fields.push(format!("\"{name}\":{}", reading(capture, &grant, &painter, rect)?));
        }
        fields.push(format!("\"idle_percent\":{:.3}", share(capture, &grant, |_| Ok(WHILE))?));
        let typing = share(capture, &grant, |count| {
            painter.fill(Rect::new(100 + count % 100 * 8, 300, 8, 16), count)?;
            Ok(Duration::from_millis(100))
        })?;
        fields.push(format!("\"typing_percent\":{typing:.3}"));
        let pointing = share(capture, &grant, |count| {
            painter.point((count % 500) as i16)?;
            Ok(Duration::from_millis(1))
        })?;
        fields.push(format!("\"pointing_percent\":{pointing:.3}"));
        println!("{{{}}}", fields.join(","));
        Ok(())
    }

    /// Paints as another program would.
    struct Painter {
        conn: RustConnection,
        root: u32,
        gc: Gcontext,
    }

    impl Painter {
        fn new() -> Result<Self> {
            let (conn, screen) = RustConnection::connect(None)?;
            let root = conn.setup().roots[screen].root;
            let gc = conn.generate_id()?;
            conn.create_gc(gc, root, &CreateGCAux::new())?;
            Ok(Self { conn, root, gc })
        }

        fn fill(&self, rect: Rect, number: u32) -> Result<()> {
            let colour = number.wrapping_mul(0x0012_3457);
            self.conn.change_gc(self.gc, &ChangeGCAux::new().foreground(colour))?;
            let rect = Rectangle {
                x: rect.x as i16,
                y: rect.y as i16,
                width: rect.width as u16,
                height: rect.height as u16,
            };
            self.conn.poly_fill_rectangle(self.root, self.gc, &[rect])?;
            self.conn.sync()?;
            Ok(())
        }

        fn point(&self, at: i16) -> Result<()> {
            /// `MotionNotify` of the core protocol, as XTEST names kinds of input.
            const MOTION: u8 = 6;
            self.conn.xtest_fake_input(MOTION, 0, 0, self.root, at + 1, at + 2, 0)?;
            self.conn.flush()?;
            Ok(())
        }
    }

    /// Reads a rectangle after it was painted, again and again.
    fn reading(
        capture: &mut dyn Capture,
        grant: &ViewGrant,
        painter: &Painter,
        rect: Rect,
    ) -> Result<String> {
        let (mut times, mut cpus) = (Vec::new(), Vec::new());
        for n in 0..100 {
            painter.fill(rect, n)?;
            while capture.wait(Some(Duration::from_secs(1)))?.is_some_and(|event| event != Event::Damage) {}
            let (start, begun) = (Instant::now(), processor_time());
            let frame = capture.grab(grant)?;
            let read: u64 = frame.damage.iter().map(Rect::area).sum();
            // The first grab of all reads everything.
            if read == rect.area() {
                cpus.push(processor_time().saturating_sub(begun).as_secs_f64() * 1e6);
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().ok_or("the damage was never what was painted")
        };
        Ok(format!("{{\"us\":{:.0},\"cpu_us\":{:.0}}}", median(times)?, median(cpus)?))
    }

    /// The share of a core that capturing takes, with something done again after the time it says.
    fn share(
        capture: &mut dyn Capture,
        grant: &ViewGrant,
        act: impl Fn(u32) -> Result<Duration> + Send,
    ) -> Result<f64> {
        capture.grab(grant)?;
        let waker = capture.waker();
        std::thread::scope(|scope| {
            // The other thread's own time is measured there, and taken off.
            let acting = scope.spawn(move || {
                let end = Instant::now() + WHILE;
                let mut count = 0;
                while Instant::now() < end {
                    let Ok(pause) = act(count) else { break };
                    std::thread::sleep(pause);
                    count += 1;
                }
                waker.wake();
                thread_time()
            });
            let begun = thread_time();
            while let Some(event) = capture.wait(None)? {
                match event {
                    Event::Damage => drop(capture.grab(grant)?.damage.len()),
                    Event::Pointer => drop(capture.pointer(grant)?),
                    Event::Cursor => drop(capture.cursor(grant)?),
                    Event::Resized | Event::Closed | Event::Hidden(_) => {}
                }
            }
            let used = thread_time().saturating_sub(begun);
            let _ = acting.join();
            Ok(used.as_secs_f64() / WHILE.as_secs_f64() * 100.0)
        })
    }

    fn processor_time() -> Duration {
        clock(rustix::time::ClockId::ProcessCPUTime)
    }

    fn thread_time() -> Duration {
        clock(rustix::time::ClockId::ThreadCPUTime)
    }

    fn clock(id: rustix::time::ClockId) -> Duration {
        let time = rustix::time::clock_gettime(id);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    system::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
