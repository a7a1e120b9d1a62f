//! The screen that the demo shares: a virtual one with something to click on, or one that is there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::ends_early;
use crate::process::{self, Running};

/// How long the X server may take to start.
const LIMIT: Duration = Duration::from_secs(15);

/// What stands in the terminal.
const HELLO: &str = "Hello. You see this in a browser tab, and your keys arrive here.\\n\
    Try the calculator, type a line, move a window.\\n\\n";

/// An X display, and what was started for it.
pub(super) struct Screen {
    display: Display,
    // Dropped in this order: the programs, their X server, its folder.
    _programs: Vec<Running>,
    _server: Option<Running>,
    _folder: Option<TempDir>,
}

impl Screen {
    /// A display that somebody else runs.
    pub(super) fn existing(display: &str) -> Self {
        let display = Display { name: display.to_owned(), authority: None };
        Self { display, _programs: Vec::new(), _server: None, _folder: None }
    }

    /// Starts an Xvfb on a free display, reachable for us alone, and programs on it.
    pub(super) fn start(target: &Path) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("demo-").tempdir_in(target).context("making a folder")?;
        let authority = folder.path().join("authority");
        let cookie = super::server::random_hex()?;
        // The X server takes every cookie of the file, whatever display stands beside it.
        add_cookie(&authority, ":0", &cookie)?;

        let number_file = folder.path().join("display");
        let number = File::create(&number_file).context("creating a file for the display's number")?;
        let mut command = Command::new("Xvfb");
        command
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-auth"])
            .arg(&authority)
            .stdout(number)
            .stderr(Stdio::null());
        let mut server = Running::start(&mut command)?;
        let name = process::until("the X server", LIMIT, || {
            ends_early(&mut server, "Xvfb")?;
            let said = std::fs::read_to_string(&number_file).context("reading the display's number")?;
            Ok(said.strip_suffix('\n').map(|number| format!(":{}", number.trim())))
        })?;
        add_cookie(&authority, &name, &cookie)?;

        let display = Display { name, authority: Some(authority) };
        let programs = display.start_programs()?;
        Ok(Self { display, _programs: programs, _server: Some(server), _folder: Some(folder) })
    }

    pub(super) fn name(&self) -> &str {
        &self.display.name
    }

    /// Points `command` at this display.
    pub(super) fn show_on<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        self.display.show_on(command)
    }
}

/// What a program must know to draw.
struct Display {
    /// Such as `:7`.
    name: String,
    /// The file with its cookie, unless it is in the usual place.
    authority: Option<PathBuf>,
}

impl Display {
    fn show_on<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        command.env("DISPLAY", &self.name);
        if let Some(authority) = &self.authority {
            command.env("XAUTHORITY", authority);
        }
        command
    }

    fn start_programs(&self) -> Result<Vec<Running>> {
        // A plain shell with a plain prompt: what a person's own shell shows is nobody else's business.
        let shell = format!("printf '{HELLO}'; cd; PS1='customer$ ' exec sh");
        let lines: [&[&str]; 4] = [
            &["openbox"],
            &[
                "xterm",
                "-fa",
                "DejaVu Sans Mono",
                "-fs",
                "12",
                "-geometry",
                "76x22+40+60",
                "-title",
                "Terminal",
                "-e",
                "sh",
                "-c",
                &shell,
            ],
            &["xclock", "-geometry", "220x220-40+60"],
            &["xcalc", "-geometry", "260x340-40-60"],
        ];
        lines
            .iter()
            .map(|line| {
                let mut command = Command::new(line[0]);
                command.args(&line[1..]).stdout(Stdio::null()).stderr(Stdio::null());
                Running::start(self.show_on(&mut command))
            })
            .collect()
    }
}

fn add_cookie(authority: &Path, display: &str, cookie: &str) -> Result<()> {
    let mut xauth = Command::new("xauth");
    process::read(xauth.arg("-q").arg("-f").arg(authority).args(["add", display, ".", cookie])).map(drop)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::Screen;
    use crate::process;

    #[test]
    fn a_virtual_screen_lasts_as_long_as_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let screen = Screen::start(folder.path()).unwrap();
        let size = |screen: &Screen| process::read(screen.show_on(Command::new("xwininfo").arg("-root")));
        let said = size(&screen).unwrap();
        assert!(said.contains("Width: 1280") && said.contains("Height: 800"), "{said}");

        let stranger = process::read(
            Command::new("xwininfo")
                .arg("-root")
                .env("DISPLAY", screen.name())
                .env("XAUTHORITY", "/dev/null"),
        );
        assert!(stranger.is_err(), "the screen is open to other users");

        let socket = format!("/tmp/.X11-unix/X{}", screen.name().trim_start_matches(':'));
        assert!(std::path::Path::new(&socket).exists());
        drop(screen);
        assert!(!std::path::Path::new(&socket).exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files are left");
    }
}
