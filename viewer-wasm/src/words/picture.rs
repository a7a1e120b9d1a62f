//! What is said of the picture: the line's figures, the choice of quality, the monitors, and when it stands still.

use nearhand_protocol::control::Quality;
use nearhand_protocol::display::Monitor;

use crate::verdict::Verdict;

/// The view is larger than any canvas.
pub const TOO_LARGE: &str =
    "The customer’s desktop is too large for this browser: choose one of its monitors.";

/// What the figures come to, in one sentence.
pub fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Unknown => "Measuring the line…".into(),
        Verdict::Good => "Line: good.".into(),
        Verdict::Silent => "Line: silent. Nothing comes from the customer’s computer.".into(),
        Verdict::Lossy { percent } => {
            format!("Line loses {percent} % of packets; text stays sharp, motion is slower.")
        }
        Verdict::Narrow { kbit } => {
            format!(
                "Line carries only {}; text stays sharp, motion is softer and slower.",
                rate(f64::from(kbit))
            )
        }
        Verdict::Congested { ms } => {
            format!("Line is crowded: packets wait {ms} ms on the way; the picture comes late.")
        }
        Verdict::Far { ms } => format!("Line is long: every answer takes {ms} ms."),
        Verdict::HostBusy { ms } => {
            format!("The customer’s computer is busy: it needs {ms} ms for each picture.")
        }
        Verdict::TabBusy { ms } => {
            format!("This computer is busy: it needs {ms} ms to decode each picture.")
        }
    }
}

/// What a choice of quality means.
pub const fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Auto => "Text sharp, motion smooth, as far as the line allows.",
        Quality::Sharp => "Text can be read at every moment; motion may be slower.",
        Quality::Smooth => "Motion stays smooth; text may be soft until it rests.",
        Quality::SaveData => "As few bytes as possible, for a line that costs money.",
    }
}

/// Bits per second.
pub fn rate(kbit: f64) -> String {
    if kbit < 999.5 {
        format!("{kbit:.0} kbit/s")
    } else if kbit < 9_950.0 {
        format!("{:.1} Mbit/s", kbit / 1000.0)
    } else {
        format!("{:.0} Mbit/s", kbit / 1000.0)
    }
}

/// Bits per second, by their way.
pub fn rates(video_kbit: f64, exact_kbit: f64) -> String {
    format!("{} · {}", rate(video_kbit), rate(exact_kbit))
}

/// A time.
pub fn milliseconds(ms: f64) -> String {
    format!("{} ms", number(ms))
}

/// A number, to two digits where it has no more.
pub fn number(value: f64) -> String {
    if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Frames and small changes painted in each second.
pub fn painted(frames: u32, updates: u32) -> String {
    format!("{frames} · {updates}")
}

/// A part in thousandths.
pub fn permille(permille: u16) -> String {
    if permille.is_multiple_of(10) || permille >= 100 {
        format!("{} %", permille / 10)
    } else {
        format!("{}.{} %", permille / 10, permille % 10)
    }
}

/// The size of the video's frames, where they are smaller than what they show.
pub fn frame_size((width, height): (u16, u16), (of_width, of_height): (u16, u16)) -> String {
    if width < of_width || height < of_height {
        format!("{width} × {height} for {of_width} × {of_height}")
    } else {
        format!("{width} × {height}, full size")
    }
}

/// Which way the video comes.
pub const fn way(by_channel: bool) -> &'static str {
    if by_channel { "data channel, WebCodecs" } else { "WebRTC track" }
}

/// What the button of the monitors says, and what a screen reader says of it.
pub fn monitors(chosen: Option<usize>, count: usize) -> (String, String) {
    match chosen {
        Some(number) => {
            (format!("{number}/{count}"), format!("Monitors: number {number} of {count} is shown"))
        }
        None => ("All".into(), format!("Monitors: all {count} are shown")),
    }
}

/// A monitor for which the customer's system has no name.
pub fn unnamed(number: usize) -> String {
    format!("Monitor {number}")
}

/// What is told of a monitor beside its name.
pub fn monitor(monitor: &Monitor) -> String {
    let scale = match monitor.scale_percent {
        100 => String::new(),
        percent => format!(" · {percent} %"),
    };
    let main = if monitor.primary { " · main" } else { "" };
    format!("{} × {}{scale}{main}", monitor.width, monitor.height)
}

/// The monitor that was looked at is not there any more.
pub fn monitor_gone(name: &str) -> String {
    format!("The monitor {name} is not there any more; all of them are shown.")
}

/// What the button says that opens a monitor in a window of its own.
pub fn own_window(name: &str, open: bool) -> String {
    if open { format!("Close the window of {name}") } else { format!("Open {name} in its own window") }
}

/// The title of that window.
pub fn window_title(name: &str, machine: Option<&str>) -> String {
    match machine {
        Some(machine) => format!("{name} – {machine} – Nearhand"),
        None => format!("{name} – Nearhand"),
    }
}

/// The browser opens no window.
pub const POPUP_BLOCKED: &str =
    "The browser blocked the window: allow pop-ups for this page, in its address bar, and try again.";

/// One monitor was chosen while others had windows of their own.
pub const WINDOWS_CLOSED: &str = "Only this monitor is sent now; the windows of single monitors were closed.";

/// The line is silent: what it means for the picture, and for the input.
pub fn silent(silent_ms: u64, machine: Option<&str>, controls: bool) -> (String, &'static str) {
    let machine = machine.unwrap_or("the customer");
    let since = match silent_ms / 1000 {
        0 => "No picture".to_owned(),
        seconds @ 1..=119 => format!("No picture for {seconds} s"),
        seconds => format!("No picture for {} min", seconds / 60),
    };
    let input = if controls { "What you type arrives when the line is back." } else { "" };
    (format!("{since}: the line to {machine} is silent. Trying to reach them again."), input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_a_sentence() {
        for (found, words) in [
            (Verdict::Good, "Line: good."),
            (Verdict::Lossy { percent: 5 }, "Line loses 5 % of packets; text stays sharp, motion is slower."),
            (
                Verdict::Narrow { kbit: 480 },
                "Line carries only 480 kbit/s; text stays sharp, motion is softer and slower.",
            ),
            (Verdict::Far { ms: 310 }, "Line is long: every answer takes 310 ms."),
        ] {
            assert_eq!(verdict(found), words);
        }
    }

    #[test]
    fn figures_are_as_exact_as_is_of_use() {
        for (kbit, words) in [
            (0.0, "0 kbit/s"),
            (999.4, "999 kbit/s"),
            (999.6, "1.0 Mbit/s"),
            (2_449.0, "2.4 Mbit/s"),
            (9_960.0, "10 Mbit/s"),
        ] {
            assert_eq!(rate(kbit), words);
        }
        for (count, words) in [(0, "0 %"), (3, "0.3 %"), (50, "5 %"), (51, "5.1 %"), (1000, "100 %")] {
            assert_eq!(permille(count), words);
        }
        assert_eq!((milliseconds(0.44), milliseconds(9.96)), ("0.4 ms".into(), "10 ms".into()));
        assert_eq!(frame_size((960, 540), (1920, 1080)), "960 × 540 for 1920 × 1080");
        assert_eq!(frame_size((1920, 1080), (1920, 1080)), "1920 × 1080, full size");
    }

    #[test]
    fn silence_counts_in_words() {
        let words = |ms| silent(ms, Some("desk-4"), false).0;
        assert_eq!(
            words(3_900),
            "No picture for 3 s: the line to desk-4 is silent. Trying to reach them again."
        );
        assert!(words(0).starts_with("No picture: the line"));
        assert!(words(125_000).starts_with("No picture for 2 min:"));
        assert!(silent(1_000, None, true).0.contains("the line to the customer"));
    }

    #[test]
    fn a_monitor_is_told_by_what_sets_it_apart() {
        let mut laptop = Monitor {
            id: 1,
            name: "eDP-1".into(),
            x: 0,
            y: 0,
            width: 2880,
            height: 1800,
            scale_percent: 200,
            primary: true,
        };
        assert_eq!(monitor(&laptop), "2880 × 1800 · 200 % · main");
        laptop.primary = false;
        laptop.scale_percent = 100;
        assert_eq!(monitor(&laptop), "2880 × 1800");
        assert_eq!(monitors(Some(2), 3).0, "2/3");
    }
}
