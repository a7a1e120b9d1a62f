//! `cargo xtask test` and `story`: the crates' tests and the stories in real browsers, counted together.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process::{self, Output};
use crate::programs::{self, Profile, Programs};
use crate::results::Tally;
use crate::toolchain::cargo;
use crate::workspace::Workspace;
use crate::{elsewhere, needs, setup, viewer};

/// All tests, or with a filter those of the crates whose name contains it.
pub(crate) fn test(workspace: &Workspace, filter: Option<&str>) -> Result<ExitCode> {
    let tally = run_all(workspace, filter)?;
    Ok(conclude(tally))
}

/// One story, or `all`.
pub(crate) fn story(workspace: &Workspace, name: &str) -> Result<ExitCode> {
    needs::provide(&[needs::BUILD, needs::SCREEN, needs::BROWSERS, needs::lab()].concat())?;
    viewer::build(workspace)?;
    let tally = run_stories(workspace, name)?;
    Ok(conclude(tally))
}

/// Prints the last line that every test command ends with.
pub(crate) fn conclude(tally: Tally) -> ExitCode {
    println!("{tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What [`test()`] does, without its last line.
pub(crate) fn run_all(workspace: &Workspace, filter: Option<&str>) -> Result<Tally> {
    needs::provide(
        &[needs::BUILD, needs::NODE, needs::AUTHORITY, needs::SCREEN, needs::BROWSERS, needs::lab()].concat(),
    )?;
    viewer::build(workspace)?;
    let mut tally = Tally::default();
    let everything = ["test", "--workspace", "--exclude", "nearhand-e2e"];
    tally += cargo_test(cargo(workspace).args(everything), filter)?;
    if filter.is_some() {
        println!("stories are left out: a filter was given");
        return Ok(tally);
    }
    tally += page_tests(workspace)?;
    // As the runner itself is built, so that its browser driver is compiled once.
    tally += cargo_test(cargo(workspace).args(["test", "--release", "--package", "nearhand-e2e"]), None)?;
    tally += run_stories(workspace, "all").unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Tally::FAILURE
    });
    Ok(tally)
}

/// Runs cargo's tests to their end and counts what each test program says.
fn cargo_test(command: &mut Command, filter: Option<&str>) -> Result<Tally> {
    command.arg("--no-fail-fast").args(filter);
    let mut tally = Tally::default();
    let status = process::watch(command, Output::Stdout, |line| {
        if let Some(counted) = Tally::of_cargo_test(line) {
            tally += counted;
        }
    })?;
    Ok(with_status(tally, status.success()))
}

/// The pure parts of the pages' scripts, by Node's own test runner.
fn page_tests(workspace: &Workspace) -> Result<Tally> {
    let mut command = Command::new("node");
    command.current_dir(&workspace.root).args([
        "--test",
        "--test-reporter=tap",
        "static/tests/pure.test.mjs",
    ]);
    let mut tally = Tally::default();
    let status = process::watch(&mut command, Output::Stdout, |line| {
        if let Some(counted) = Tally::of_node_test(line) {
            tally += counted;
        }
    })?;
    Ok(with_status(tally, status.success()))
}

fn run_stories(workspace: &Workspace, name: &str) -> Result<Tally> {
    let mut command = runner(workspace)?;
    // Of several such lines the last counts: a story may print its own.
    let mut last = None;
    let status = process::watch(command.args(["story", name]), Output::Stdout, |line| {
        last = Tally::of_stories(line).or(last);
    })?;
    Ok(with_status(last.unwrap_or_default(), status.success() && last.is_some()))
}

/// A run that fails without a counted failure (does not build, crashes, says nothing) is one failure.
fn with_status(mut tally: Tally, success: bool) -> Tally {
    if !success && tally.failed == 0 {
        tally += Tally::FAILURE;
    }
    tally
}

/// The runner of stories and benchmarks, told where everything is.
pub(crate) fn runner(workspace: &Workspace) -> Result<Command> {
    let Programs { server, host } = programs::build(workspace, Profile::Release)?;
    let mut command = Command::new(programs::build_runner(workspace)?);
    let shots = std::env::var_os("NEARHAND_SHOTS")
        .map_or_else(|| workspace.target.join("screenshots"), PathBuf::from);
    command
        .current_dir(&workspace.root)
        .env("NEARHAND_SERVER_BIN", server)
        .env("NEARHAND_HOST_BIN", host)
        .env("NEARHAND_VIEWER_DIR", workspace.viewer())
        .env("NEARHAND_STATIC_VIEWER", elsewhere::build(workspace, None)?)
        .env("NEARHAND_SHOTS", shots);
    match setup::provide_geckodriver(workspace) {
        Ok(program) => command.env("NEARHAND_GECKODRIVER", program),
        Err(error) => {
            eprintln!("warning: stories in Firefox are skipped: {error:#}");
            command.env("NEARHAND_SKIP_FIREFOX", format!("{error:#}"))
        }
    };
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::with_status;
    use crate::results::Tally;

    #[test]
    fn a_failed_run_never_counts_as_passed() {
        let tally = |passed, failed| Tally { passed, failed };
        assert_eq!(with_status(tally(3, 0), true), tally(3, 0));
        assert_eq!(with_status(tally(3, 0), false), tally(3, 1));
        assert_eq!(with_status(tally(3, 2), false), tally(3, 2));
    }
}
