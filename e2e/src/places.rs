//! Where the programs are and where pictures go: the only module that reads the environment.

use std::env::{split_paths, var_os};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Paths, found once at the start.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// `nearhand`.
    pub(crate) server: PathBuf,
    /// `nearhand-host`.
    pub(crate) host: PathBuf,
    /// Geckodriver, or why Firefox is left out.
    pub(crate) geckodriver: Result<PathBuf, String>,
    /// Measures the encoder alone, where it was built.
    pub(crate) encoder_bench: Option<PathBuf>,
    /// The session tab as static files, where they were made.
    pub(crate) static_viewer: Option<PathBuf>,
    /// Screenshots.
    pub(crate) shots: PathBuf,
    /// Drawings of what was measured.
    pub(crate) plots: PathBuf,
    /// Where a story writes what it found; it is only compared otherwise.
    pub(crate) readme: PathBuf,
    /// Whether what is compared is to be written anew.
    pub(crate) bless: bool,
}

impl Places {
    /// Reads `NEARHAND_SERVER_BIN`, `NEARHAND_HOST_BIN`, `NEARHAND_GECKODRIVER`, `NEARHAND_SKIP_FIREFOX`,
    /// `NEARHAND_STATIC_VIEWER`, `NEARHAND_SHOTS` and `NEARHAND_BLESS`; by default the programs are beside the runner. The README is the one of the
    /// working directory.
    pub(crate) fn find() -> Result<Self> {
        let own = std::env::current_exe().context("finding the runner itself")?;
        let beside = own.parent().unwrap_or(Path::new(".")).to_owned();
        let target = beside.parent().map_or_else(|| beside.clone(), Path::to_owned);
        let program = |variable: &str, name: &str| {
            let path = var_os(variable).map_or_else(|| beside.join(name), PathBuf::from);
            if path.is_file() {
                std::path::absolute(&path).with_context(|| format!("resolving {}", path.display()))
            } else {
                bail!("no program {}: build it, or set {variable}", path.display())
            }
        };
        let shots = var_os("NEARHAND_SHOTS").map_or_else(|| target.join("screenshots"), PathBuf::from);
        std::fs::create_dir_all(&shots).with_context(|| format!("making {}", shots.display()))?;
        let encoder_bench = beside.join("examples/encode_bench");
        Ok(Self {
            server: program("NEARHAND_SERVER_BIN", "nearhand")?,
            host: program("NEARHAND_HOST_BIN", "nearhand-host")?,
            geckodriver: geckodriver(&target),
            encoder_bench: encoder_bench.is_file().then_some(encoder_bench),
            static_viewer: var_os("NEARHAND_STATIC_VIEWER").map(std::path::absolute).transpose()?,
            shots: std::path::absolute(&shots)?,
            plots: std::path::absolute(target.join("plots"))?,
            readme: std::path::absolute("README.md")?,
            bless: var_os("NEARHAND_BLESS").is_some_and(|value| value == "1"),
        })
    }
}

fn geckodriver(target: &Path) -> Result<PathBuf, String> {
    if let Some(reason) = var_os("NEARHAND_SKIP_FIREFOX") {
        return Err(reason.to_string_lossy().into_owned());
    }
    if on_path("firefox-esr").is_none() {
        return Err("firefox-esr is not installed".to_owned());
    }
    let told = var_os("NEARHAND_GECKODRIVER").map(PathBuf::from);
    let kept = Some(target.join("tools/bin/geckodriver")).filter(|path| path.is_file());
    told.or(kept).or_else(|| on_path("geckodriver")).ok_or_else(|| "geckodriver is not installed".to_owned())
}

/// The program with this name on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    split_paths(&var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}
