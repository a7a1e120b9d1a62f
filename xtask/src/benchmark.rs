//! `cargo xtask bench`: release builds, then the runner's measurements.

use anyhow::{Context as _, Result};

use crate::arguments::BenchOptions;
use crate::toolchain::cargo;
use crate::workspace::Workspace;
use crate::{needs, process, stories, viewer};

pub(crate) fn run(workspace: &Workspace, options: &BenchOptions) -> Result<()> {
    needs::provide(&[needs::BUILD, needs::SCREEN, needs::BROWSERS, needs::lab()].concat())?;
    viewer::build(workspace)?;
    let mut command = stories::runner(workspace)?;
    // The encoder alone is measured by an example of its crate, which the runner finds beside itself.
    process::run(cargo(workspace).args([
        "build",
        "--release",
        "--package",
        "nearhand-encoder",
        "--examples",
    ]))?;
    command.arg("bench");
    let BenchOptions { json, only, runs, trace, lines, long } = options;
    if let Some(file) = json {
        // The runner works in the workspace's folder, the path is meant from the caller's.
        let file = std::path::absolute(file).with_context(|| format!("resolving {}", file.display()))?;
        command.arg("--json").arg(file);
    }
    if let Some(text) = only {
        command.args(["--only", text]);
    }
    if let Some(runs) = runs {
        command.args(["--runs", &runs.to_string()]);
    }
    if let Some(minutes) = long {
        command.args(["--long", &minutes.to_string()]);
    }
    command.args(trace.then_some("--trace")).args(lines.then_some("--lines"));
    process::run(&mut command)
}
