//! Building the programs of the workspace, and knowing where they are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{self, Output};
use crate::toolchain::cargo;
use crate::workspace::Workspace;

/// How programs are compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// What stories, demo and benchmarks run.
    Release,
    /// What is shipped.
    Dist,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }
}

/// The two programs that people run.
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    pub(crate) host: PathBuf,
}

/// Builds server and host. The session page must be there: the server embeds it.
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<Programs> {
    let mut command = cargo(workspace);
    command.args(["build", "--profile", profile.name()]);
    command.args(["--package", "nearhand-signaling", "--bin", "nearhand"]);
    command.args(["--package", "nearhand-host", "--bin", "nearhand-host"]);
    if matches!(profile, Profile::Dist) {
        command.env("CARGO_ENCODED_RUSTFLAGS", without_paths_of_this_machine(workspace));
    }
    let built = Built::run(command)?;
    built.check_assembly()?;
    Ok(Programs { server: built.program("nearhand")?, host: built.program("nearhand-host")? })
}

/// Builds the runner of stories and benchmarks.
pub(crate) fn build_runner(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = cargo(workspace);
    command.args(["build", "--profile", Profile::Release.name()]);
    command.args(["--package", "nearhand-e2e", "--bin", "nearhand-e2e"]);
    Built::run(command)?.program("nearhand-e2e")
}

/// Flags that keep the builder's folders out of panic messages. In cargo's encoding: separated by 0x1f.
fn without_paths_of_this_machine(workspace: &Workspace) -> String {
    let mut flags = vec![format!("--remap-path-prefix={}=nearhand", workspace.root.display())];
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags.join("\u{1f}")
}

/// What cargo said that it built.
#[derive(Default)]
struct Built {
    programs: Vec<(String, PathBuf)>,
    /// Where openh264's build script ran, if it is part of the build.
    openh264: Option<PathBuf>,
}

impl Built {
    fn run(mut command: std::process::Command) -> Result<Self> {
        command.arg("--message-format=json-render-diagnostics");
        let mut built = Self::default();
        let status = process::watch(&mut command, Output::HiddenStdout, |line| built.look(line))?;
        if !status.success() {
            bail!("the build failed");
        }
        Ok(built)
    }

    /// Takes in one line of cargo's JSON.
    fn look(&mut self, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return };
        match message["reason"].as_str() {
            Some("compiler-artifact") => {
                if let (Some(name), Some(path)) =
                    (message["target"]["name"].as_str(), message["executable"].as_str())
                {
                    self.programs.push((name.to_owned(), PathBuf::from(path)));
                }
            }
            Some("build-script-executed") => {
                let package = message["package_id"].as_str().unwrap_or_default();
                if package.contains("openh264-sys2") {
                    self.openh264 = message["out_dir"].as_str().map(PathBuf::from);
                }
            }
            _ => {}
        }
    }

    fn program(&self, name: &str) -> Result<PathBuf> {
        let found = self.programs.iter().find(|(built, _)| built == name);
        found.map(|(_, path)| path.clone()).with_context(|| format!("cargo built no program {name}"))
    }

    /// An error if openh264 was built without its assembly, which its build script passes over in silence.
    fn check_assembly(&self) -> Result<()> {
        match &self.openh264 {
            Some(folder) if cfg!(target_arch = "x86_64") && !has_assembly(folder) => bail!(
                "openh264 was built without NASM, two to three times slower; install nasm, then: \
                 cargo clean --package openh264-sys2 (for every profile)"
            ),
            _ => Ok(()),
        }
    }
}

/// Whether NASM's objects are there; the C++ compiler's have a hash before their name.
fn has_assembly(folder: &Path) -> bool {
    ["dct.o", "satd_sad.o", "mc_luma.o"].iter().all(|object| folder.join(object).is_file())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Built;

    #[test]
    fn reads_what_cargo_built() {
        let mut built = Built::default();
        for line in [
            r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"nearhand"},"executable":"/t/release/nearhand"}"#,
            r#"{"reason":"build-script-executed","package_id":"registry+x#ring@0.17.0","out_dir":"/t/ring"}"#,
            r#"{"reason":"build-script-executed","package_id":"registry+x#openh264-sys2@0.9.9","out_dir":"/t/o"}"#,
            "not JSON",
        ] {
            built.look(line);
        }
        assert_eq!(built.program("nearhand").unwrap(), PathBuf::from("/t/release/nearhand"));
        assert!(built.program("serde").is_err());
        assert_eq!(built.openh264, Some(PathBuf::from("/t/o")));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_build_without_assembly_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let built = Built { programs: Vec::new(), openh264: Some(folder.path().to_owned()) };
        std::fs::write(folder.path().join("12d0430a-dct.o"), "").unwrap();
        assert!(built.check_assembly().is_err());
        for object in ["dct.o", "satd_sad.o", "mc_luma.o"] {
            std::fs::write(folder.path().join(object), "").unwrap();
        }
        assert!(built.check_assembly().is_ok());
    }
}
