//! Mixed use for a long time: whether memory stays flat and latency stays what it was.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Bench;
use super::report::percentile;
use crate::process::{cpu_seconds, memory_kb};
use crate::stage::Stage;
use crate::x::canvas::area;
use crate::x::scenes::{Button, Drag, Motion, Pattern, Scroll, Typing};
use crate::x::window::Window;

/// Each use in turn takes so long.
const TURN: Duration = Duration::from_secs(10);
const CLICKS: usize = 20;

/// What one round of all uses left.
struct Round {
    minutes: f64,
    /// In MB: customer's program, server, and what the tab's scripts hold.
    memory: [f64; 3],
    /// In ms, half of the clicks and 95 % of them.
    clicks: [f64; 2],
    /// Age of the moving pictures in ms, half of them and 95 %.
    ages: [f64; 2],
    /// Of the customer's program, in percent of a core.
    cpu: f64,
}

/// Typing, scrolling, dragging, motion, rest and clicks in turn. Prints a line for each round, and at the end what the last
/// third of the rounds is against the first: of memory and of latency.
pub(super) async fn run(stage: &Stage, time: Duration) -> Result<()> {
    let bench = Bench::start(stage).await?;
    let _desktop = Window::open(&bench.xvfb.display, Pattern)?;
    println!(
        "{:>7}  {:>8} {:>8} {:>8}   {:>8} {:>8}   {:>8} {:>8}   {:>6}",
        "minutes", "host", "server", "scripts", "click", "p95", "age", "p95", "cpu"
    );
    let begin = Instant::now();
    let mut rounds = Vec::new();
    while begin.elapsed() < time {
        let round = round(&bench, begin).await?;
        let Round { minutes, memory: [host, server, tab], clicks, ages, cpu } = &round;
        println!(
            "{minutes:>7.1}  {host:>8.1} {server:>8.1} {tab:>8.1}   {:>8.1} {:>8.1}   {:>8.1} {:>8.1}   {cpu:>6.1}",
            clicks[0], clicks[1], ages[0], ages[1]
        );
        rounds.push(round);
    }
    ensure!(rounds.len() >= 3, "{} rounds tell nothing", rounds.len());
    let third = rounds.len() / 3;
    let (first, last) = (&rounds[..third], &rounds[rounds.len() - third..]);
    println!("\n{:<24} {:>10} {:>10} {:>10}", "median of", "first", "last", "change");
    let row = |name: &str, of: &dyn Fn(&Round) -> f64| {
        let middle = |rounds: &[Round]| percentile(&mut rounds.iter().map(of).collect::<Vec<f64>>(), 0.5);
        let (first, last) = (middle(first), middle(last));
        println!("{name:<24} {first:>10.1} {last:>10.1} {:>+9.1} %", (last / first - 1.0) * 100.0);
    };
    row("host, MB", &|round| round.memory[0]);
    row("server, MB", &|round| round.memory[1]);
    row("scripts of the tab, MB", &|round| round.memory[2]);
    row("click p50, ms", &|round| round.clicks[0]);
    row("click p95, ms", &|round| round.clicks[1]);
    row("age p50, ms", &|round| round.ages[0]);
    row("age p95, ms", &|round| round.ages[1]);
    row("host, % of a core", &|round| round.cpu);
    Ok(())
}

async fn round(bench: &Bench, begin: Instant) -> Result<Round> {
    let display = &bench.xvfb.display;
    let (started, cpu) = (Instant::now(), cpu_seconds(bench.host.pid())?);
    let typing = Window::open(display, Typing::default())?;
    tokio::time::sleep(TURN).await;
    drop(typing);
    let mut ages = Vec::new();
    let scroll = Window::open(display, Scroll::default())?;
    ages.extend(bench.collect(TURN).await?.ages);
    drop(scroll);
    let drag = Window::open(display, Drag::default())?;
    ages.extend(bench.collect(TURN).await?.ages);
    drop(drag);
    let motion = Window::open(display, Motion::default())?;
    ages.extend(bench.collect(TURN).await?.ages);
    drop(motion);
    tokio::time::sleep(TURN).await;
    let _button = Window::open(display, Button::new(area(860, 490, 200, 100)))?;
    bench.viewer.mouse("mouseMoved", 960, 540, false).await?;
    let mut clicks = Vec::new();
    for click in 0..CLICKS {
        tokio::time::sleep(Duration::from_millis(120 + (click as u64 * 37) % 150)).await;
        clicks.extend(bench.click(960, 540).await?);
    }
    // Precise only where the browser is asked to tidy up first.
    bench.viewer.tab.devtools("HeapProfiler.collectGarbage", serde_json::json!({})).await?;
    let scripts: f64 = bench.viewer.tab.js("return performance.memory.usedJSHeapSize;", &[]).await?;
    let used = cpu_seconds(bench.host.pid())? - cpu;
    let memory = |pid| anyhow::Ok(memory_kb(pid)? as f64 / 1000.0);
    Ok(Round {
        minutes: begin.elapsed().as_secs_f64() / 60.0,
        memory: [memory(bench.host.pid())?, memory(bench.server.pid())?, scripts / 1e6],
        clicks: [0.5, 0.95].map(|part| percentile(&mut clicks, part)),
        ages: [0.5, 0.95].map(|part| percentile(&mut ages, part)),
        cpu: used / started.elapsed().as_secs_f64() * 100.0,
    })
}
