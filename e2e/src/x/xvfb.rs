//! Xvfb, on a display number that it finds by itself.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::screen::Screen;
use crate::stage::Stage;

/// A running X server.
pub(crate) struct Xvfb {
    /// As in `$DISPLAY`.
    pub(crate) display: String,
}

impl Xvfb {
    /// Starts one with a single screen of this size, 24 bits deep.
    pub(crate) async fn start(stage: &Stage, width: u16, height: u16) -> Result<Self> {
        let mut command = stage.command("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-dpi", "96"]);
        command.args(["-screen", "0", &format!("{width}x{height}x24")]);
        let process = stage.start("Xvfb", &mut command)?;
        let number = process.line_after("", Duration::from_secs(10)).await?;
        Ok(Self { display: format!(":{}", number.trim()) })
    }

    /// A connection for looking at it.
    pub(crate) fn screen(&self) -> Result<Screen> {
        Screen::connect(&self.display)
    }

    /// Sets the keyboard layout of this screen, as `us` or `de`.
    pub(crate) fn set_layout(&self, layout: &str) -> Result<()> {
        let status = Command::new("setxkbmap")
            .args(["-display", &self.display, "-layout", layout])
            .status()
            .context("starting setxkbmap")?;
        anyhow::ensure!(status.success(), "setxkbmap {layout} failed");
        Ok(())
    }
}
