//! Follows single frames and tiles from the damage on the customer's screen to the technician's: how long each stage takes.
//!
//! The host writes one line of its log for each frame or update that it sends (target `nearhand_host::trace`), the tab's
//! painter one entry into `window.nearhandTrace`; both name the frame by its RTP timestamp and the update by its number. All
//! times are of the one wall clock of the machine.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::Bench;
use super::report::percentile;
use crate::stage::Stage;
use crate::x::scenes::{Clock, Motion, Pattern, Scroll, Typing};
use crate::x::window::{Scene, Window};

const SETTLE: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(10);
const LOG: &str = "info,nearhand_host::trace=trace";

/// The moments of a frame's or an update's life, in their order.
const MOMENTS: [&str; 10] = [
    "damage",
    "grab",
    "grabbed",
    "converted",
    "encoded",
    "sent",
    "arrived",
    "decoded",
    "painted",
    "presented",
];
/// What happens from each of them to the next.
const STAGES: [&str; 9] =
    ["wait", "grab", "convert", "encode", "send", "network and buffer", "decode", "paint", "present"];
/// How many of them the host tells.
const OF_HOST: usize = 6;

/// Lets the painter write, and notes itself when the frame is presented in which the entry was painted.
const LISTEN: &str = "
    const entries = [];
    let step = Date.now();
    while (Date.now() === step);
    step = Date.now();
    // The painter's clock is that of the tab, which has gone its own way since the tab was opened.
    const shift = step - performance.now() - performance.timeOrigin;
    window.nearhandTrace = entries;
    let seen = 0;
    everyFrame((presented) => {
        for (; seen < entries.length; seen += 1) entries[seen].presented = performance.timeOrigin + presented;
    });
    window.nearhandTraceTake = () => {
        const told = entries.filter((entry) => entry.presented !== undefined);
        return told.map(({ kind, id, ...times }) => ({
            kind, id, times: ['arrived', 'decoded', 'painted', 'presented'].map((moment) => times[moment] + shift),
        }));
    };
    return true;";

/// What one end knows about a frame or an update: ms since 1970.
#[derive(Debug, Deserialize)]
struct Entry {
    kind: String,
    id: u32,
    times: Vec<f64>,
}

/// Prints a table for each of a few scenes.
pub(super) async fn run(stage: &Stage) -> Result<()> {
    let bench = Bench::start_logging(stage, LOG).await?;
    bench.viewer.ask::<Value>(LISTEN, &[]).await?;
    let desktop = Window::open(&bench.xvfb.display, Pattern)?;
    let mut found = 0;
    found += scene(&bench, "typing", Typing::default()).await?;
    found += scene(&bench, "a clock of 1024×32 pixels, 59 times a second", Clock::default()).await?;
    found += scene(&bench, "scrolling text", Scroll::default()).await?;
    found += scene(&bench, "full-screen motion", Motion::default()).await?;
    drop(desktop);
    ensure!(found > 0, "neither a frame nor an update was traced by both ends");
    Ok(())
}

async fn scene(bench: &Bench, name: &str, scene: impl Scene) -> Result<usize> {
    let window = Window::open(&bench.xvfb.display, scene)?;
    tokio::time::sleep(SETTLE).await;
    let logged = bench.host.complaint().len();
    bench
        .viewer
        .tab
        .js::<Value>("window.nearhandTraceSkip = window.nearhandTraceTake().length;", &[])
        .await?;
    tokio::time::sleep(MEASURE).await;
    let tab: Vec<Entry> = bench
        .viewer
        .tab
        .js("return window.nearhandTraceTake().slice(window.nearhandTraceSkip);", &[])
        .await?;
    drop(window);
    let log = bench.host.complaint();
    let host: Vec<Entry> = log.get(logged..).unwrap_or_default().lines().filter_map(entry).collect();
    let lives = joined(&host, &tab);
    println!(
        "\n{name}: {} traced by the host, {} by the tab, {} by both",
        host.len(),
        tab.len(),
        lives.len()
    );
    for kind in ["tiles", "frame"] {
        let of_kind: Vec<&Vec<f64>> =
            lives.iter().filter(|(of, _)| of == kind).map(|(_, times)| times).collect();
        if !of_kind.is_empty() {
            print(kind, &of_kind);
        }
    }
    Ok(lives.len())
}

/// The times of both ends, for what both know.
fn joined(host: &[Entry], tab: &[Entry]) -> Vec<(String, Vec<f64>)> {
    let known: HashMap<(&str, u32), &Entry> =
        tab.iter().map(|entry| ((entry.kind.as_str(), entry.id), entry)).collect();
    host.iter()
        .filter_map(|entry| {
            let there = known.get(&(entry.kind.as_str(), entry.id))?;
            let times: Vec<f64> = entry.times.iter().chain(&there.times).copied().collect();
            (times.len() == MOMENTS.len() && times.iter().all(|time| time.is_finite()))
                .then(|| (entry.kind.clone(), times))
        })
        .collect()
}

fn print(kind: &str, lives: &[&Vec<f64>]) {
    let what = if kind == "tiles" { "updates with exact pixels" } else { "frames of video" };
    println!("  {} {what}", lives.len());
    println!("  {:<22} {:<24} {:>8} {:>8} {:>8}   ms", "stage", "", "p50", "p95", "max");
    let row = |name: &str, span: &str, times: &mut Vec<f64>| {
        let [p50, p95, most] = [0.5, 0.95, 1.0].map(|part| percentile(times, part));
        println!("  {name:<22} {span:<24} {p50:>8.2} {p95:>8.2} {most:>8.2}");
    };
    for (at, stage) in STAGES.iter().enumerate() {
        let mut times: Vec<f64> = lives.iter().map(|life| life[at + 1] - life[at]).collect();
        row(stage, &format!("{} → {}", MOMENTS[at], MOMENTS[at + 1]), &mut times);
    }
    let mut whole: Vec<f64> = lives.iter().map(|life| life[MOMENTS.len() - 1] - life[0]).collect();
    row("together", "", &mut whole);
}

/// A line of the host's log, if it is one of the trace.
fn entry(line: &str) -> Option<Entry> {
    let line = without_colours(line);
    let (_, fields) = line.split_once("nearhand_host::trace: ")?;
    let field = |name: &str| {
        let value = fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"'))
    };
    let times: Option<Vec<f64>> = MOMENTS[..OF_HOST]
        .iter()
        .map(|moment| field(moment)?.parse::<f64>().ok().map(|micros| micros / 1000.0))
        .collect();
    Some(Entry { kind: field("kind")?.to_owned(), id: field("id")?.parse().ok()?, times: times? })
}

/// Without what a terminal would understand (ECMA-48, SGR).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "2026-11-22T02:00:00.000001Z TRACE nearhand_host::trace: kind=\"tiles\" id=7 damage=1000 grab=2000 \
                        grabbed=2500 converted=2500 encoded=3000 sent=3500";

    #[test]
    fn the_hosts_line_is_read() {
        let entry = entry(LINE).unwrap();
        assert_eq!((entry.kind.as_str(), entry.id), ("tiles", 7));
        assert_eq!(entry.times, [1.0, 2.0, 2.5, 2.5, 3.0, 3.5]);
        let coloured = LINE.replace("id=", "\u{1b}[3mid\u{1b}[0m\u{1b}[2m=\u{1b}[0m");
        assert_eq!(super::entry(&coloured).unwrap().id, 7);
        assert!(super::entry("2026 INFO nearhand_host: id=7").is_none());
        assert!(super::entry(&LINE.replace("sent=3500", "")).is_none());
    }

    #[test]
    fn both_ends_are_brought_together_by_kind_and_number() {
        let tab = |kind: &str, id| Entry { kind: kind.to_owned(), id, times: vec![4.0, 5.0, 6.0, 7.0] };
        let host = vec![entry(LINE).unwrap()];
        assert_eq!(joined(&host, &[tab("frame", 7), tab("tiles", 8)]).len(), 0);
        let lives = joined(&host, &[tab("tiles", 7)]);
        assert_eq!(lives[0].1.len(), MOMENTS.len());
        let half = Entry { times: vec![f64::NAN; 4], ..tab("tiles", 7) };
        assert!(joined(&host, &[half]).is_empty(), "a moment that nobody noted is no time");
    }
}
