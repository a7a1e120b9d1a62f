//! What is said of the picture: the line's figures, the choice of quality, the monitors, and when it stands still.

use nearhand_protocol::catalogue::Value::{Count, Text};
use nearhand_protocol::control::Quality;
use nearhand_protocol::display::Monitor;

use super::{catalogue, plain, text};
use crate::verdict::Verdict;

/// The view is larger than any canvas.
pub fn too_large() -> String {
    plain("tab.picture.too_large")
}

/// What the figures come to, in one sentence.
pub fn verdict(verdict: Verdict) -> String {
    let counted = |key, name, count: u32| text(key, &[(name, Count(count.into()))]);
    match verdict {
        Verdict::Unknown => plain("tab.verdict.unknown"),
        Verdict::Good => plain("tab.verdict.good"),
        Verdict::Silent => plain("tab.verdict.silent"),
        Verdict::Lossy { percent } => counted("tab.verdict.lossy", "percent", percent.into()),
        Verdict::Narrow { kbit } => text("tab.verdict.narrow", &[("rate", Text(&rate(f64::from(kbit))))]),
        Verdict::Congested { ms } => counted("tab.verdict.congested", "ms", ms.into()),
        Verdict::Far { ms } => counted("tab.verdict.far", "ms", ms),
        Verdict::HostBusy { ms } => counted("tab.verdict.host_busy", "ms", ms),
        Verdict::TabBusy { ms } => counted("tab.verdict.tab_busy", "ms", ms),
    }
}

/// What a choice of quality means.
pub fn quality(quality: Quality) -> String {
    plain(match quality {
        Quality::Auto => "tab.quality.auto",
        Quality::Sharp => "tab.quality.sharp",
        Quality::Smooth => "tab.quality.smooth",
        Quality::SaveData => "tab.quality.save_data",
    })
}

/// Bits per second.
pub fn rate(kbit: f64) -> String {
    let words = catalogue();
    words.apart(&if kbit < 999.5 {
        format!("{kbit:.0} kbit/s")
    } else {
        format!("{} Mbit/s", words.decimal(kbit / 1000.0, usize::from(kbit < 9_950.0)))
    })
}

/// Bits per second, by their way.
pub fn rates(video_kbit: f64, exact_kbit: f64) -> String {
    format!("{} · {}", rate(video_kbit), rate(exact_kbit))
}

/// A time.
pub fn milliseconds(ms: f64) -> String {
    catalogue().apart(&format!("{} ms", number(ms)))
}

/// A number, to two digits where it has no more.
pub fn number(value: f64) -> String {
    catalogue().decimal(value, usize::from(value < 9.95))
}

/// Frames and small changes painted in each second.
pub fn painted(frames: u32, updates: u32) -> String {
    format!("{frames} · {updates}")
}

/// A part in thousandths.
pub fn permille(permille: u16) -> String {
    let digits = usize::from(permille < 100 && !permille.is_multiple_of(10));
    let percent = if digits == 0 { f64::from(permille / 10) } else { f64::from(permille) / 10.0 };
    catalogue().apart(&format!("{} %", catalogue().decimal(percent, digits)))
}

/// The size of the video's frames, where they are smaller than what they show.
pub fn frame_size((width, height): (u16, u16), (of_width, of_height): (u16, u16)) -> String {
    let size = format!("{width} × {height}");
    if width < of_width || height < of_height {
        let of = format!("{of_width} × {of_height}");
        text("tab.picture.reduced", &[("size", Text(&size)), ("of", Text(&of))])
    } else {
        text("tab.picture.whole", &[("size", Text(&size))])
    }
}

/// Which way the video comes.
pub fn way(by_channel: bool) -> String {
    plain(if by_channel { "tab.picture.by_channel" } else { "tab.picture.by_track" })
}

/// What the button of the monitors says, and what a screen reader says of it.
pub fn monitors(chosen: Option<usize>, count: usize) -> (String, String) {
    let total = ("total", Count(count as u64));
    match chosen {
        Some(number) => (
            format!("{number}/{count}"),
            text("tab.monitors.one", &[("number", Count(number as u64)), total]),
        ),
        None => (plain("tab.monitors.all"), text("tab.monitors.all_shown", &[total])),
    }
}

/// A monitor for which the customer's system has no name.
pub fn unnamed(number: usize) -> String {
    text("tab.monitors.unnamed", &[("number", Count(number as u64))])
}

/// What is told of a monitor beside its name.
pub fn monitor(monitor: &Monitor) -> String {
    let scale = match monitor.scale_percent {
        100 => String::new(),
        percent => format!(" · {percent} %"),
    };
    let main = if monitor.primary { format!(" · {}", plain("tab.monitors.main")) } else { String::new() };
    let size = format!("{} × {}", monitor.width, monitor.height);
    format!("{}{scale}{main}", catalogue().apart(&size))
}

/// The monitor that was looked at is not there any more.
pub fn monitor_gone(name: &str) -> String {
    named("tab.monitors.gone", name)
}

/// What the button says that opens a monitor in a window of its own.
pub fn own_window(name: &str, open: bool) -> String {
    named(if open { "tab.monitors.close_window" } else { "tab.monitors.open_window" }, name)
}

/// The title of that window.
pub fn window_title(name: &str, machine: Option<&str>) -> String {
    let words = catalogue();
    match machine {
        Some(machine) => format!("{} – {} – Nearhand", words.apart(name), words.apart(machine)),
        None => format!("{} – Nearhand", words.apart(name)),
    }
}

/// The browser opens no window.
pub fn popup_blocked() -> String {
    plain("tab.monitors.blocked")
}

/// One monitor was chosen while others had windows of their own.
pub fn windows_closed() -> String {
    plain("tab.monitors.windows_closed")
}

/// The line is silent: what it means for the picture, and for the input.
pub fn silent(silent_ms: u64, machine: Option<&str>, controls: bool) -> (String, String) {
    let customer = plain("tab.silent.customer");
    let machine = ("machine", Text(machine.unwrap_or(&customer)));
    let seen = match silent_ms / 1000 {
        0 => text("tab.silent.now", &[machine]),
        seconds @ 1..=119 => text("tab.silent.seconds", &[machine, ("count", Count(seconds))]),
        seconds => text("tab.silent.minutes", &[machine, ("count", Count(seconds / 60))]),
    };
    let input = if controls { plain("tab.silent.typing") } else { String::new() };
    (seen, input)
}

fn named(key: &str, name: &str) -> String {
    text(key, &[("name", Text(name))])
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
            (
                Verdict::Congested { ms: 90 },
                "Line is crowded: packets wait 90 ms on the way; the picture comes late.",
            ),
            (
                Verdict::HostBusy { ms: 45 },
                "The customer’s computer is busy: it needs 45 ms for each picture.",
            ),
            (Verdict::TabBusy { ms: 45 }, "This computer is busy: it needs 45 ms to decode each picture."),
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
