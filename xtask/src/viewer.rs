//! `cargo xtask viewer`: the session page's WASM module and its JavaScript glue, ready to be embedded.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::process;
use crate::sizes::Sizes;
use crate::toolchain::{WASM, WasmToolchain, cargo};
use crate::workspace::{Workspace, executable};

/// The package of npm that brings wasm-opt. Debian's 108 writes modules that browsers refuse.
const BINARYEN: &str = "132.0.0";

pub(crate) const SCRIPT: &str = "nearhand_viewer.js";
pub(crate) const MODULE: &str = "nearhand_viewer_bg.wasm";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    build(workspace)?;
    measure(workspace)?;
    Ok(())
}

/// Builds what the server embeds; quick if nothing changed.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let toolchain = WasmToolchain::provide(workspace)?;
    process::run(toolchain.cargo(workspace).args([
        "build",
        "--package",
        "nearhand-viewer",
        "--lib",
        "--target",
        WASM,
        "--profile",
        "wasm",
    ]))?;
    let compiled = workspace.target.join(WASM).join("wasm/nearhand_viewer.wasm");
    let glue = glue_version(workspace)?;
    let optimiser = match provide_optimiser(workspace) {
        Ok(program) => Some(program),
        Err(_) if process::was_interrupted() => bail!("interrupted"),
        Err(error) => {
            eprintln!("warning: the session page stays unoptimised, about a fifth larger: {error:#}");
            None
        }
    };

    let stamp_file = workspace.target.join("viewer.stamp");
    let stamp = stamp(&compiled, &glue, optimiser.is_some())?;
    let finished = workspace.viewer();
    if is_current(&finished, &stamp_file, &stamp) {
        return Ok(());
    }
    process::run(cargo(workspace).args([
        "build",
        "--package",
        "xtask",
        "--features",
        "bindgen",
        "--bin",
        "nearhand-bindgen",
    ]))?;
    // Made beside and moved when whole: the server's build never sees half of it.
    let fresh = workspace.target.join("viewer.new");
    remove_folder(&fresh)?;
    let bindgen = executable(&workspace.target.join("debug"), "nearhand-bindgen");
    process::run(Command::new(bindgen).arg(&compiled).arg(&fresh))?;
    if let Some(optimiser) = optimiser {
        let module = fresh.join(MODULE);
        let optimised = fresh.join("optimised.wasm");
        process::run(Command::new(optimiser).arg("-Oz").arg(&module).arg("-o").arg(&optimised))?;
        std::fs::rename(&optimised, &module).with_context(|| format!("writing {}", module.display()))?;
    }
    remove_folder(&finished)?;
    std::fs::rename(&fresh, &finished).with_context(|| format!("creating {}", finished.display()))?;
    std::fs::write(&stamp_file, stamp).with_context(|| format!("writing {}", stamp_file.display()))
}

/// Prints the sizes of the built files and returns their sum.
pub(crate) fn measure(workspace: &Workspace) -> Result<Sizes> {
    let mut sum = Sizes::default();
    for name in [SCRIPT, MODULE] {
        let path = workspace.viewer().join(name);
        let content = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let sizes = Sizes::of(&content)?;
        println!("{name:<24} {sizes}");
        sum = sum + sizes;
    }
    println!("{:<24} {sum}", "together");
    Ok(sum)
}

/// Finds wasm-opt under target/tools, or installs it there by npm.
pub(crate) fn provide_optimiser(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.tools().join(format!("binaryen-{BINARYEN}"));
    let program = folder.join("node_modules/.bin/wasm-opt");
    if program.is_file() {
        return Ok(program);
    }
    if process::find("npm").is_none() {
        bail!("npm is not installed");
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
        .arg(&folder)
        .arg(format!("binaryen@{BINARYEN}"));
    process::run_within(&mut npm, std::time::Duration::from_mins(3))?;
    Ok(program)
}

/// The version of the glue generator, which must be that of the library inside the module.
fn glue_version(workspace: &Workspace) -> Result<String> {
    let library = workspace.locked_version("wasm-bindgen")?;
    let generator = workspace.locked_version("wasm-bindgen-cli-support")?;
    if library != generator {
        bail!(
            "Cargo.lock has wasm-bindgen {library} and wasm-bindgen-cli-support {generator}; make them equal with: \
             cargo update -p wasm-bindgen-cli-support --precise {library}"
        );
    }
    Ok(library)
}

/// What the result depends on, as text.
fn stamp(compiled: &Path, glue: &str, optimised: bool) -> Result<String> {
    let content = std::fs::read(compiled).with_context(|| format!("reading {}", compiled.display()))?;
    let optimiser = if optimised { BINARYEN } else { "none" };
    Ok(format!("{:x?} wasm-bindgen {glue} binaryen {optimiser}\n", Sha256::digest(content).as_slice()))
}

fn is_current(finished: &Path, stamp_file: &Path, stamp: &str) -> bool {
    [SCRIPT, MODULE].iter().all(|name| finished.join(name).is_file())
        && std::fs::read_to_string(stamp_file).is_ok_and(|last| last == stamp)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{MODULE, SCRIPT, is_current, stamp};

    #[test]
    fn is_made_again_when_anything_changed() {
        let folder = tempfile::tempdir().unwrap();
        let compiled = folder.path().join("compiled");
        let stamp_file = folder.path().join("stamp");
        std::fs::write(&compiled, "one").unwrap();
        let first = stamp(&compiled, "0.2.1", true).unwrap();
        std::fs::write(&stamp_file, &first).unwrap();
        assert!(!is_current(folder.path(), &stamp_file, &first), "nothing is there yet");

        std::fs::write(folder.path().join(SCRIPT), "").unwrap();
        std::fs::write(folder.path().join(MODULE), "").unwrap();
        assert!(is_current(folder.path(), &stamp_file, &first));

        assert_ne!(first, stamp(&compiled, "0.2.2", true).unwrap());
        assert_ne!(first, stamp(&compiled, "0.2.1", false).unwrap());
        std::fs::write(&compiled, "two").unwrap();
        assert_ne!(first, stamp(&compiled, "0.2.1", true).unwrap());
    }
}
