//! `cargo xtask bench`: release builds, then the runner's measurements.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::toolchain::cargo;
use crate::workspace::Workspace;
use crate::{needs, process, stories, viewer};

pub(crate) fn run(workspace: &Workspace, json: Option<&Path>) -> Result<()> {
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
    if let Some(file) = json {
        // The runner works in the workspace's folder, the path is meant from the caller's.
        let file = std::path::absolute(file).with_context(|| format!("resolving {}", file.display()))?;
        command.arg("--json").arg(file);
    }
    process::run(&mut command)
}
