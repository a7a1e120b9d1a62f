//! Prints one JSON line: what it costs in milliseconds (median) to read the whole screen at `$DISPLAY`, a window of
//! 640 × 360 and a line of text, after each was painted anew.
//! `cargo run --release -p nearhand-desktop --example capture_bench`

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::{Duration, Instant};

    use nearhand_desktop::{Event, Rect, open};
    use nearhand_protocol::grant::{Consent, Grants, Right};
    use x11rb::connection::Connection;
    use x11rb::protocol::xproto::{ChangeGCAux, ConnectionExt as _, CreateGCAux, Rectangle};
    use x11rb::wrapper::ConnectionExt as _;

    let mut grants = Grants::new();
    let _ = grants.give(Right::View, Consent::CommandLine);
    let grant = grants.view().ok_or("no right to see")?;
    let mut desktop = open(None)?;
    let (width, height) = (desktop.capture.layout().width, desktop.capture.layout().height);
    let (conn, screen) = x11rb::connect(None)?;
    let root = conn.setup().roots[screen].root;
    let gc = conn.generate_id()?;
    conn.create_gc(gc, root, &CreateGCAux::new())?;

    let mut fields = vec![format!("\"screen\":\"{width}x{height}\"")];
    for (name, rect) in [
        ("full", Rect::new(0, 0, width.into(), height.into())),
        ("window", Rect::new(0, 0, 640, 360)),
        ("line", Rect::new(100, 100, 800, 16)),
    ] {
        let mut times = Vec::new();
        for n in 0..60_u32 {
            conn.change_gc(gc, &ChangeGCAux::new().foreground(n.wrapping_mul(0x0012_3457)))?;
            let rectangle = Rectangle {
                x: rect.x as i16,
                y: rect.y as i16,
                width: rect.width as u16,
                height: rect.height as u16,
            };
            conn.poly_fill_rectangle(root, gc, &[rectangle])?;
            conn.sync()?;
            while desktop
                .capture
                .wait(Some(Duration::from_secs(1)))?
                .is_some_and(|event| event != Event::Damage)
            {}
            let start = Instant::now();
            let frame = desktop.capture.grab(&grant)?;
            let read: u64 = frame.damage.iter().map(Rect::area).sum();
            // The first grab of all reads everything.
            if read == rect.area() {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).ok_or("the damage was never what was painted")?;
        fields.push(format!("\"{name}_ms\":{median:.3}"));
    }
    println!("{{{}}}", fields.join(","));
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
