//! `cargo xtask setup`: everything that the other commands would install on their way, at once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::toolchain::{self, WasmToolchain, cargo};
use crate::workspace::{Workspace, executable};
use crate::{needs, process, viewer};

/// The driver of Firefox. Not in Debian, so it is built once and kept: about a minute of CPU.
const GECKODRIVER: &str = "0.37.1";

/// Generous, for a slow machine: a build that takes longer is stuck.
const INSTALL_LIMIT: Duration = Duration::from_mins(20);

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    needs::provide(&[needs::BUILD, needs::SCREEN, needs::BROWSERS, needs::lab()].concat())?;
    println!("packages of the system: complete");
    toolchain::provide_components(workspace)?;
    println!("rustfmt, clippy: present");
    match WasmToolchain::provide(workspace)? {
        WasmToolchain::Rustup => println!("WASM library: of the ordinary compiler"),
        WasmToolchain::Debian { sysroot } => {
            println!("WASM library: built with Debian's, {}", sysroot.display());
        }
    }
    match viewer::provide_optimiser(workspace) {
        Ok(program) => println!("wasm-opt: {}", program.display()),
        Err(error) => println!("wasm-opt: absent, the session page will be larger: {error:#}"),
    }
    match provide_geckodriver(workspace) {
        Ok(program) => println!("geckodriver: {}", program.display()),
        Err(error) => println!("geckodriver: absent, stories in Firefox will be skipped: {error:#}"),
    }
    Ok(())
}

/// Finds geckodriver on the PATH or under target/tools, or installs it there.
pub(crate) fn provide_geckodriver(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(program) = process::find("geckodriver") {
        return Ok(program);
    }
    provide_crate(workspace, "geckodriver", GECKODRIVER)
}

/// Installs the program of a crate under target/tools, once.
pub(crate) fn provide_crate(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let program = executable(&workspace.tools().join("bin"), name);
    if program.is_file() {
        return Ok(program);
    }
    eprintln!("building {name} {version} once, kept in target/tools");
    // Outside of the shared folder: its leftovers are of no use to any other build.
    let scratch = workspace.tools().join(format!("build-{name}"));
    let mut command = cargo(workspace);
    command
        .env("CARGO_TARGET_DIR", &scratch)
        // They mostly wait for others: optimised they take more than twice as long to build.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .args(["install", "--quiet", "--locked", name, "--version", version, "--root"])
        .arg(workspace.tools());
    let installed = process::run_within(&mut command, INSTALL_LIMIT);
    let _ = std::fs::remove_dir_all(&scratch);
    installed.with_context(|| format!("installing {name} {version}"))?;
    Ok(program)
}
