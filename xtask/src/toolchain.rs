//! Which cargo builds what: the ordinary one, and for WASM either rustup's library or one built with Debian's compiler.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{needs, process};

/// The target of the session page.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// rustup takes seconds where its server answers, and hangs where it is walled off.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// The ordinary cargo, called in the workspace, building into the one target folder.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    prepared(Command::new(program), workspace)
}

/// A command that builds in the workspace as if it was typed there.
fn prepared(mut command: Command, workspace: &Workspace) -> Command {
    // `cargo run` tells xtask about the package xtask. Build scripts that watch such variables would run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_package =
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|start| text.starts_with(start));
        if of_package || text == "CARGO_CRATE_NAME" || text == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(&workspace.root)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .env("NEARHAND_VIEWER_DIR", workspace.viewer());
    command
}

/// Makes sure that `cargo fmt` and `cargo clippy` work.
pub(crate) fn provide_components(workspace: &Workspace) -> Result<()> {
    let works = |tool: &str| process::read(cargo(workspace).args([tool, "--version"])).is_ok();
    let missing: Vec<_> =
        [("fmt", "rustfmt"), ("clippy", "clippy")].into_iter().filter(|(tool, _)| !works(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(_, component)| *component).collect();
    process::run_within(Command::new("rustup").args(["component", "add"]).args(&names), RUSTUP_LIMIT)
        .with_context(|| format!("install with: rustup component add {}", names.join(" ")))
}

/// A compiler that can build for WASM.
pub(crate) enum WasmToolchain {
    /// The ordinary compiler, which has the library.
    Rustup,
    /// Debian's compiler with a library built from Debian's sources.
    Debian { sysroot: PathBuf },
}

impl WasmToolchain {
    /// Finds a compiler with the WASM library, or makes one.
    pub(crate) fn provide(workspace: &Workspace) -> Result<Self> {
        if std::env::var_os("NEARHAND_WASM_TOOLCHAIN").is_some_and(|choice| choice == "debian") {
            return Self::provide_debian(workspace);
        }
        if has_library(workspace) {
            return Ok(Self::Rustup);
        }
        // Once built, Debian's is not put to the question again by a 90 s wait.
        if let Some(sysroot) = built_sysroot(workspace) {
            return Ok(Self::Debian { sysroot });
        }
        let added = process::run_within(Command::new("rustup").args(["target", "add", WASM]), RUSTUP_LIMIT);
        match added {
            Ok(()) if has_library(workspace) => Ok(Self::Rustup),
            _ if process::was_interrupted() => bail!("interrupted"),
            _ => Self::provide_debian(workspace)
                .with_context(|| format!("rustup could not add {WASM}, nor could Debian's compiler")),
        }
    }

    /// The cargo of this compiler, as [`cargo`].
    pub(crate) fn cargo(&self, workspace: &Workspace) -> Command {
        match self {
            Self::Rustup => cargo(workspace),
            Self::Debian { sysroot } => {
                let mut command = debian_cargo(workspace);
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19").env(
                    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
                    format!("--sysroot={}", sysroot.display()),
                );
                command
            }
        }
    }

    fn provide_debian(workspace: &Workspace) -> Result<Self> {
        if let Some(sysroot) = built_sysroot(workspace) {
            return Ok(Self::Debian { sysroot });
        }
        needs::provide(needs::DEBIAN_RUST)?;
        let version = debian_version()?;
        eprintln!("building the WASM library once with Debian's rustc {version}, kept in target/toolchain");
        let sysroot = build_library(workspace, &version)?;
        Ok(Self::Debian { sysroot })
    }
}

/// Whether the ordinary compiler has the WASM library.
fn has_library(workspace: &Workspace) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = prepared(Command::new(rustc), workspace);
    process::read(command.args(["--print", "target-libdir", "--target", WASM]))
        .is_ok_and(|folder| has_rlibs(Path::new(folder.trim())))
}

fn has_rlibs(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|files| {
        files.flatten().any(|file| file.path().extension().is_some_and(|extension| extension == "rlib"))
    })
}

/// The library built earlier for the Debian compiler that is installed now.
fn built_sysroot(workspace: &Workspace) -> Option<PathBuf> {
    let sysroot = sysroot(workspace, &debian_version().ok()?);
    has_rlibs(&library_folder(&sysroot)).then_some(sysroot)
}

fn sysroot(workspace: &Workspace, version: &str) -> PathBuf {
    workspace.target.join("toolchain").join(format!("{WASM}-{version}"))
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(WASM).join("lib")
}

/// The version of Debian's compiler, such as 1.96.0.
fn debian_version() -> Result<String> {
    let said = process::read(Command::new("/usr/bin/rustc").arg("--version"))?;
    compiler_version(&said).map(str::to_owned).with_context(|| format!("rustc says {said:?} for its version"))
}

/// `1.96.0` of `rustc 1.96.0 (hash date) (built from a source tarball)`.
fn compiler_version(said: &str) -> Option<&str> {
    said.strip_prefix("rustc ")?.split_whitespace().next()
}

fn debian_cargo(workspace: &Workspace) -> Command {
    let mut command = prepared(Command::new("/usr/bin/cargo"), workspace);
    command.env("RUSTC", "/usr/bin/rustc").env("RUSTDOC", "/usr/bin/rustdoc");
    // Both would lead back to rustup's compiler.
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// Builds std for WASM from Debian's sources, offline: they come with their vendored crates.
fn build_library(workspace: &Workspace, version: &str) -> Result<PathBuf> {
    let vendor = PathBuf::from(format!("/usr/src/rustc-{version}/library/vendor"));
    if !vendor.is_dir() {
        bail!("rust-web-src has no vendored crates at {}", vendor.display());
    }
    let folder = workspace.target.join("toolchain").join("build");
    write(&folder.join("Cargo.toml"), "[package]\nname = \"empty\"\nedition = \"2024\"\n\n[workspace]\n")?;
    write(&folder.join("src/lib.rs"), "#![no_std]\n")?;
    write(
        &folder.join(".cargo/config.toml"),
        &format!(
            "[source.crates-io]\nreplace-with = \"vendored\"\n\n[source.vendored]\ndirectory = {:?}\n",
            vendor.display().to_string()
        ),
    )?;
    let mut command = debian_cargo(workspace);
    command
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("RUSTC_BOOTSTRAP", "1")
        // Else the library can't take part in link-time optimisation.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .args(["build", "--offline", "--release", "-Zbuild-std=std,panic_abort", "--target", WASM]);
    process::run(&mut command)?;

    let built = folder.join("target").join(WASM).join("release/deps");
    let sysroot = sysroot(workspace, version);
    // Filled under another name first, so that an interrupted copy is never taken for a library.
    let unfinished = sysroot.with_extension("unfinished");
    let library = library_folder(&unfinished);
    std::fs::create_dir_all(&library).with_context(|| format!("creating {}", library.display()))?;
    for file in std::fs::read_dir(&built).with_context(|| format!("reading {}", built.display()))? {
        let path = file?.path();
        let is_own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libempty-"));
        if path.extension().is_some_and(|extension| extension == "rlib") && !is_own {
            let copy = library.join(path.file_name().context("a file without a name")?);
            std::fs::copy(&path, &copy).with_context(|| format!("copying to {}", copy.display()))?;
        }
    }
    if !has_rlibs(&library) {
        bail!("no library came out of the build in {}", built.display());
    }
    std::fs::rename(&unfinished, &sysroot).with_context(|| format!("creating {}", sysroot.display()))?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    Ok(sysroot)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::compiler_version;

    #[test]
    fn reads_the_compilers_version() {
        let debian = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n";
        assert_eq!(compiler_version(debian), Some("1.96.0"));
        assert_eq!(compiler_version("clang 19"), None);
        assert_eq!(compiler_version(""), None);
    }
}
