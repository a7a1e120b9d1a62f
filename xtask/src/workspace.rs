//! Where things lie: the workspace, its one target folder, and the versions that Cargo.lock pins.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The paths that every step shares.
pub(crate) struct Workspace {
    /// The folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Where every build goes: `$CARGO_TARGET_DIR`, or `target/` of the workspace.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable when it runs this program; the compiled-in path serves a direct start.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("xtask has no parent folder")?.to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            // Relative paths are meant from where cargo was called.
            Some(folder) => std::path::absolute(folder).context("resolving CARGO_TARGET_DIR")?,
            None => root.join("target"),
        };
        std::fs::create_dir_all(&target)
            .with_context(|| format!("creating the target folder {}", target.display()))?;
        Ok(Self { root, target })
    }

    /// Programs that are installed once and kept.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// What the server embeds as the session page.
    pub(crate) fn viewer(&self) -> PathBuf {
        self.target.join("viewer")
    }

    /// The version of the package `name` in Cargo.lock; an error if it is absent or there are several.
    pub(crate) fn locked_version(&self, name: &str) -> Result<String> {
        let path = self.root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        match locked_versions(&lock, name).as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => anyhow::bail!("Cargo.lock has no package {name}"),
            several => anyhow::bail!("Cargo.lock has several versions of {name}: {}", several.join(", ")),
        }
    }
}

/// All versions of the package `name` in the text of a Cargo.lock.
fn locked_versions<'lock>(lock: &'lock str, name: &str) -> Vec<&'lock str> {
    lock.split("[[package]]")
        .filter(|package| field(package, "name") == Some(name))
        .filter_map(|package| field(package, "version"))
        .collect()
}

fn field<'text>(package: &'text str, key: &str) -> Option<&'text str> {
    package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
}

/// `program` with the ending that executables have on this system.
pub(crate) fn executable(folder: &Path, program: &str) -> PathBuf {
    folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
}

#[cfg(test)]
mod tests {
    use super::locked_versions;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "wasm-bindgen"
version = "0.2.130"
dependencies = [
 "wasm-bindgen-macro",
]

[[package]]
name = "wasm-bindgen-macro"
version = "0.2.131"

[[package]]
name = "syn"
version = "1.0.0"

[[package]]
name = "syn"
version = "2.0.0"
"#;

    #[test]
    fn finds_exactly_the_named_package() {
        assert_eq!(locked_versions(LOCK, "wasm-bindgen"), ["0.2.130"]);
        assert_eq!(locked_versions(LOCK, "wasm"), [""; 0]);
    }

    #[test]
    fn finds_every_version() {
        assert_eq!(locked_versions(LOCK, "syn"), ["1.0.0", "2.0.0"]);
    }
}
