//! `cargo xtask ci`: what must hold before a change goes in.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::programs::{self, Profile};
use crate::results::Tally;
use crate::toolchain::{WASM, WasmToolchain, cargo};
use crate::workspace::Workspace;
use crate::{licences, process, setup, stories, viewer};

/// What clippy is told at the end: a warning is a failure.
const STRICT: [&str; 3] = ["--", "-D", "warnings"];

/// One thing that must hold, with its name.
type Step = (&'static str, fn(&Workspace) -> Result<()>);

/// In this order: what fails quickly first, and the session page before whatever compiles the server that embeds it.
const STEPS: &[Step] = &[
    ("set-up", setup::run),
    ("format", format),
    ("licences", licences::run),
    ("session page", session_page),
    ("lints", lints),
    ("browser lints", browser_lints),
    ("docs", docs),
    ("programs", release_programs),
];

/// Runs every step, also after a failure, so that one run tells everything.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut times = Vec::new();
    let mut tally = Tally::default();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step(workspace);
        if process::was_interrupted() {
            bail!("interrupted");
        }
        let word = match outcome {
            Ok(()) => "ok",
            Err(error) => {
                eprintln!("error: {error:#}");
                tally += Tally::FAILURE;
                "FAILED"
            }
        };
        times.push((*name, start.elapsed(), word));
    }

    println!("\n=== tests");
    let start = Instant::now();
    let tests = match stories::run_all(workspace, None) {
        Ok(tests) => tests,
        Err(_) if process::was_interrupted() => bail!("interrupted"),
        Err(error) => {
            eprintln!("error: {error:#}");
            Tally::FAILURE
        }
    };
    times.push(("tests", start.elapsed(), if tests.failed == 0 { "ok" } else { "FAILED" }));
    tally += tests;

    println!("\n=== summary");
    for (name, time, word) in &times {
        println!("{}", row(name, *time, word));
    }
    println!("{}", row("together", times.iter().map(|(_, time, _)| *time).sum(), ""));
    Ok(stories::conclude(tally))
}

fn row(name: &str, time: Duration, word: &str) -> String {
    let seconds = time.as_secs();
    format!("{name:<14} {:>3} min {:02} s  {word}", seconds / 60, seconds % 60).trim_end().to_owned()
}

fn format(workspace: &Workspace) -> Result<()> {
    process::run(cargo(workspace).args(["fmt", "--all", "--check"]))
}

fn session_page(workspace: &Workspace) -> Result<()> {
    viewer::build(workspace)?;
    viewer::measure(workspace)?.check_budget()
}

fn lints(workspace: &Workspace) -> Result<()> {
    process::run(cargo(workspace).args(["clippy", "--workspace", "--all-targets"]).args(STRICT))?;
    process::run(
        cargo(workspace)
            .args(["clippy", "--package", "xtask", "--features", "bindgen", "--bin", "nearhand-bindgen"])
            .args(STRICT),
    )
}

/// Most of the viewer is compiled only for browsers.
fn browser_lints(workspace: &Workspace) -> Result<()> {
    let viewer = ["--package", "nearhand-viewer", "--target", WASM];
    match WasmToolchain::provide(workspace)? {
        WasmToolchain::Rustup => process::run(cargo(workspace).arg("clippy").args(viewer).args(STRICT)),
        debian @ WasmToolchain::Debian { .. } => {
            println!("the viewer is checked without clippy: Debian's compiler comes without it");
            process::run(debian.cargo(workspace).arg("check").args(viewer))
        }
    }
}

fn docs(workspace: &Workspace) -> Result<()> {
    process::run(
        cargo(workspace).args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Builds what the stories run; also checks that openh264 has its assembly.
fn release_programs(workspace: &Workspace) -> Result<()> {
    programs::build(workspace, Profile::Release).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::row;

    #[test]
    fn times_are_minutes_and_seconds() {
        assert_eq!(row("lints", Duration::from_secs(125), "ok"), "lints            2 min 05 s  ok");
        assert_eq!(row("together", Duration::from_secs(59), ""), "together         0 min 59 s");
    }
}
