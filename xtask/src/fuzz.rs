//! `cargo xtask fuzz`: the targets of protocol/fuzz with the nightly compiler, each for a while.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, Output};
use crate::toolchain::cargo;
use crate::workspace::Workspace;
use crate::{needs, setup};

const CARGO_FUZZ: &str = "0.13.2";

/// A whole compiler is some hundred megabytes.
const RUSTUP_LIMIT: Duration = Duration::from_mins(5);

pub(crate) fn run(workspace: &Workspace, seconds: u64, only: Option<&str>) -> Result<()> {
    let folder = workspace.root.join("protocol/fuzz");
    if !folder.is_dir() {
        bail!("there are no fuzz targets: {} is missing", folder.display());
    }
    needs::provide(needs::BUILD)?;
    provide_nightly(workspace)?;
    let program = setup::provide_crate(workspace, "cargo-fuzz", CARGO_FUZZ)?;
    let cargo_fuzz = |verb: &str| {
        let mut command = cargo(workspace);
        let (environment, directory): (Vec<_>, _) = (
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect(),
            command.get_current_dir().map(ToOwned::to_owned),
        );
        command = Command::new(&program);
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = directory {
            command.current_dir(directory);
        }
        // Sanitizers need nightly; $CARGO would lead back to the ordinary compiler.
        command.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO");
        command.env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
        command.args(["fuzz", verb, "--fuzz-dir"]).arg(&folder);
        command
    };

    let listed = process::read(&mut cargo_fuzz("list"))?;
    let mut targets: Vec<_> = listed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let Some(only) = only {
        if !targets.contains(&only) {
            bail!("no fuzz target {only}; there are: {}", targets.join(", "));
        }
        targets = vec![only];
    }
    let mut findings = Vec::new();
    let mut rows = Vec::new();
    for target in targets {
        let mut command = cargo_fuzz("run");
        command.arg(target).arg("--").arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        let mut executions = None;
        let status = process::watch(&mut command, Output::Stderr, |line| {
            executions = executed_units(line).or(executions);
        })?;
        if !status.success() {
            findings.push(target);
        }
        let executions = executions.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
        rows.push(format!("{target:<24} {executions:>14} executions in {seconds} s"));
    }
    println!("{}", rows.join("\n"));
    if !findings.is_empty() {
        bail!("findings in {}; the inputs are in protocol/fuzz/artifacts", findings.join(", "));
    }
    Ok(())
}

fn provide_nightly(workspace: &Workspace) -> Result<()> {
    let present = || {
        let mut command = Command::new("rustc");
        process::read(
            command.env("RUSTUP_TOOLCHAIN", "nightly").current_dir(&workspace.root).arg("--version"),
        )
    };
    if present().is_ok() {
        return Ok(());
    }
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
    process::run_within(&mut install, RUSTUP_LIMIT)
        .context("fuzzing needs the nightly compiler; install with: rustup toolchain install nightly")
}

/// The number in libFuzzer's `stat::number_of_executed_units: 1234`.
fn executed_units(line: &str) -> Option<u64> {
    line.trim().strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::executed_units;

    #[test]
    fn reads_libfuzzers_statistics() {
        assert_eq!(executed_units("stat::number_of_executed_units: 1234567"), Some(1_234_567));
        assert_eq!(executed_units("stat::average_exec_per_sec:     99"), None);
        assert_eq!(executed_units("stat::number_of_executed_units: many"), None);
    }
}
