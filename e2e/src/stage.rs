//! Where one story plays: its temporary folder, its programs and browsers, and what is kept when it fails.

use std::any::Any;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::browser::{Browser, Kind, Setting, Tab};
use crate::namespace::Namespace;
use crate::places::Places;
use crate::process::{Process, tail};

/// Lines of each program's log that are kept of a failed story.
const KEPT_LINES: usize = 200;

/// One story's surroundings. Dropping it ends its programs and removes its files.
pub(crate) struct Stage {
    name: String,
    run: String,
    pub(crate) places: Places,
    browsers: Mutex<Vec<Browser>>,
    /// In the order in which they were started.
    processes: Mutex<Vec<Process>>,
    /// What the programs need to the end, such as the network that they are in.
    kept: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
    // Last: what is above must have ended before its files go.
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new(name: &str, run: &str, places: &Places, parent: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("story-")
            .tempdir_in(parent)
            .context("making a temporary folder")?;
        let (browsers, processes, kept) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self {
            name: name.to_owned(),
            run: run.to_owned(),
            places: places.clone(),
            browsers,
            processes,
            kept,
            folder,
        })
    }

    /// The story's.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A folder of this story, made where it is not there yet.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("making the folder {name}"))?;
        Ok(folder)
    }

    /// A program in surroundings of its own: no display, no settings, no proxy, no home of the person who runs the stories.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.clean(Command::new(program))
    }

    /// As [`Self::command`], inside of a namespace if one is given.
    pub(crate) fn command_in(&self, namespace: Option<&Namespace>, program: impl AsRef<OsStr>) -> Command {
        match namespace {
            Some(namespace) => self.clean(namespace.command(program)),
            None => self.command(program),
        }
    }

    fn clean(&self, mut command: Command) -> Command {
        let folder = self.folder.path();
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("XAUTHORITY");
        for (variable, _) in std::env::vars_os() {
            let foreign = |name: &str| {
                let proxy = name.to_ascii_lowercase().ends_with("_proxy");
                proxy || name.starts_with("NEARHAND_") || name.starts_with("XDG_")
            };
            if variable.to_str().is_some_and(foreign) {
                command.env_remove(variable);
            }
        }
        command.env("HOME", folder).env("TMPDIR", folder).current_dir(folder);
        command
    }

    /// Starts it. It lives until it ends, is ended, or the stage is dropped, so that a failed story leaves all that it
    /// played with as it was at that moment.
    pub(crate) fn start(&self, name: &str, command: &mut Command) -> Result<Process> {
        let process = Process::start(name, &self.run, command)?;
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).push(process.clone());
        Ok(process)
    }

    /// Keeps something until the programs have ended.
    pub(crate) fn keep(&self, thing: Arc<dyn Any + Send + Sync>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
    }

    /// A fresh browser with one tab. It lives as long as the stage.
    pub(crate) async fn browser(&self, kind: Kind) -> Result<Tab> {
        self.browser_with(kind, Setting::default()).await
    }

    /// As [`Self::browser`], in other surroundings than the ordinary.
    pub(crate) async fn browser_with(&self, kind: Kind, setting: Setting) -> Result<Tab> {
        let browser = Browser::start(self, kind, setting).await?;
        let tab = browser.tab();
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner).push(browser);
        Ok(tab)
    }

    /// As [`Self::browser`], with Chromium.
    pub(crate) async fn chromium(&self) -> Result<Tab> {
        self.browser(Kind::Chromium).await
    }

    /// Ends the browser of this tab at once.
    pub(crate) fn kill_browser(&self, tab: &Tab) {
        let mut browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        for browser in browsers.extract_if(.., |browser| browser.has(tab)) {
            browser.kill();
        }
    }

    /// Ends everything that runs on it, the last first.
    pub(crate) fn clear(&self) {
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(process) = processes.pop() {
            process.end();
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Writes what each browser shows and what each program said into the folder of the screenshots.
    pub(crate) async fn keep_evidence(&self, reason: &str) {
        let start = self.places.shots.join(format!("failed-{}", self.name));
        let tabs: Vec<Tab> =
            self.browsers.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Browser::tab).collect();
        // Writing into a text never fails.
        let mut text = format!("{reason}\n");
        for (index, tab) in tabs.iter().enumerate() {
            let shot = tokio::time::timeout(Duration::from_secs(5), tab.png()).await;
            // What can't be kept is said in the kept text: the story has failed already for another reason.
            let kept = match shot {
                Ok(Ok(png)) => {
                    std::fs::write(format!("{}-{index}.png", start.display()), png).map_err(Into::into)
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(anyhow::anyhow!("the browser does not answer")),
            };
            if let Err(error) = kept {
                let _ = writeln!(text, "no screenshot {index}: {error:#}");
            }
            let page = tokio::time::timeout(Duration::from_secs(5), tab.words()).await;
            if let Ok(Ok(words)) = page {
                let _ = writeln!(text, "--- page {index}\n{words}");
            }
        }
        for process in self.processes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for (stream, output) in [("stdout", &process.stdout), ("stderr", &process.stderr)] {
                let _ =
                    writeln!(text, "--- {} {stream}\n{}", process.name(), tail(&output.text(), KEPT_LINES));
            }
        }
        if let Err(error) = std::fs::write(format!("{}.txt", start.display()), text) {
            eprintln!("the logs of {} are lost: {error}", self.name);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}
