//! Real programs on the customer's screen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::xvfb::Xvfb;
use crate::stage::Stage;
use crate::wait;

/// An xterm over the whole screen in which `cat` writes to a file what is typed.
pub(crate) struct Typist {
    file: PathBuf,
}

impl Typist {
    /// Returns when `cat` waits for the first line.
    pub(crate) async fn start(stage: &Stage, xvfb: &Xvfb) -> Result<Self> {
        let folder = stage.folder("typist")?;
        let (file, ready) = (folder.join("typed.txt"), folder.join("ready"));
        let script = format!("touch {} && exec cat > {}", quoted(&ready)?, quoted(&file)?);
        let mut command = stage.command("xterm");
        // `-u8`: without it xterm types Latin-1 in a locale without UTF-8.
        command.args(["-u8", "-geometry", "200x60+0+0", "-e", "sh", "-c", &script]);
        command.env("DISPLAY", &xvfb.display).env("LC_ALL", "C.UTF-8");
        stage.start("xterm", &mut command)?;
        wait::until(Duration::from_secs(10), "xterm to run cat", || Ok(ready.exists())).await?;
        Ok(Self { file })
    }

    /// Whole lines typed so far.
    pub(crate) fn typed(&self) -> Result<String> {
        match std::fs::read_to_string(&self.file) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error).context("reading what was typed"),
        }
    }
}

/// A terminal window that shows something, for pictures.
pub(crate) async fn show_terminal(stage: &Stage, xvfb: &Xvfb) -> Result<()> {
    let ready = stage.folder("terminal")?.join("ready");
    let show = "for n in 1 2 3 4 5 6; do echo \"printer-$n  idle  0 jobs  toner $((n * 13)) %\"; done";
    let script =
        format!("echo '$ lpstat -p'; {show}; printf '$ '; touch {}; exec sleep 600", quoted(&ready)?);
    let mut command = stage.command("xterm");
    command.args([
        "-u8",
        "-fa",
        "monospace",
        "-fs",
        "13",
        "-geometry",
        "64x18+160+330",
        "-e",
        "sh",
        "-c",
        &script,
    ]);
    command.env("DISPLAY", &xvfb.display).env("LC_ALL", "C.UTF-8");
    stage.start("xterm", &mut command)?;
    wait::until(Duration::from_secs(10), "xterm to show its text", || Ok(ready.exists())).await
}

fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().context("a temporary folder that is no UTF-8")?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}
