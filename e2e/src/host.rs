//! The real customer's program, with a person who answers on its terminal.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::namespace::Namespace;
use crate::process::{Process, tail};
use crate::stage::Stage;
use crate::wait;

/// How long the program may take for anything that is said on its terminal.
const ANSWER: Duration = Duration::from_secs(15);

// Of the stable sentences in the host's `ui::terminal`.

/// Words of the first question.
pub(crate) const VIEW: &str = "see your screen";
/// Words of the second question.
pub(crate) const CONTROL: &str = "mouse and keyboard";
/// Words of the question before the first file that comes.
pub(crate) const FILES_IN: &str = "wants to send you the file";
/// Words of the question before the first file that goes.
pub(crate) const FILES_OUT: &str = "Send the file";

/// A running customer's program.
pub(crate) struct Host {
    process: Process,
    /// How much of its output has been taken in by [`Host::says`].
    read: usize,
    /// Where received files go.
    pub(crate) downloads: PathBuf,
}

impl Host {
    /// Starts it with a terminal on a display, and a code.
    pub(crate) fn start(stage: &Stage, server: &str, display: &str, code: &str) -> Result<Self> {
        Self::start_with(stage, server, |command| {
            command.args(["--code", code]).env("DISPLAY", display);
        })
    }

    /// Starts it with whatever `set` adds to its command line and environment.
    pub(crate) fn start_with(stage: &Stage, server: &str, set: impl FnOnce(&mut Command)) -> Result<Self> {
        Self::start_program(stage, &stage.places.host, |command| {
            command.args(["--server", server]);
            set(command);
        })
    }

    /// Starts a copy of the program, such as one with a code in its name.
    pub(crate) fn start_program(
        stage: &Stage,
        program: &std::path::Path,
        set: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        Self::start_command(stage, stage.command(program), set)
    }

    /// Starts it inside of a namespace.
    pub(crate) fn start_in(
        stage: &Stage,
        namespace: &Namespace,
        server: &str,
        set: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        Self::start_command(stage, stage.command_in(Some(namespace), &stage.places.host), |command| {
            command.args(["--server", server]);
            set(command);
        })
    }

    fn start_command(stage: &Stage, mut command: Command, set: impl FnOnce(&mut Command)) -> Result<Self> {
        let downloads = stage.folder("downloads")?;
        command.arg("--downloads").arg(&downloads).env("NEARHAND_LOG", "info");
        set(&mut command);
        let process = stage.start("host", &mut command)?;
        Ok(Self { process, read: 0, downloads })
    }

    /// Starts it without a person: it gives these rights by itself.
    pub(crate) fn headless(
        stage: &Stage,
        server: &str,
        display: &str,
        code: &str,
        grant: &str,
    ) -> Result<Self> {
        Self::start_with(stage, server, |command| {
            command.args(["--code", code, "--ui", "headless", "--grant", grant, "--display", display]);
        })
    }

    /// Waits until it prints this, after everything that was waited for before.
    pub(crate) async fn says(&mut self, text: &str) -> Result<()> {
        self.says_within(text, ANSWER).await
    }

    pub(crate) async fn says_within(&mut self, text: &str, limit: Duration) -> Result<()> {
        let stdout = self.process.stdout.clone();
        let from = self.read;
        let found = wait::find(limit, &format!("the host to say “{text}”"), || {
            let found =
                stdout.text().get(from..).and_then(|new| new.find(text)).map(|at| from + at + text.len());
            async move { Ok(found) }
        })
        .await;
        self.read = found.with_context(|| {
            let (stdout, stderr) = (self.process.stdout.text(), self.process.stderr.text());
            format!("it said:\n{}{}", tail(&stdout, 15), tail(&stderr, 5))
        })?;
        Ok(())
    }

    /// Types a line.
    pub(crate) fn types(&mut self, line: &str) -> Result<()> {
        self.process.write(&format!("{line}\n"))
    }

    /// Waits for a question with these words in it, and answers it.
    pub(crate) async fn asked(&mut self, words: &str, answer: bool) -> Result<()> {
        self.says(words).await?;
        self.says("[y/N] ").await?;
        self.types(if answer { "y" } else { "n" })
    }

    /// Everything that it has printed.
    pub(crate) fn said(&self) -> String {
        self.process.stdout.text()
    }

    /// What it has printed after everything that was waited for.
    pub(crate) fn said_since(&self) -> String {
        self.said().get(self.read..).unwrap_or_default().to_owned()
    }

    /// Everything that it has complained about.
    pub(crate) fn complaint(&self) -> String {
        self.process.stderr.text()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    pub(crate) async fn ends(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait(limit).await
    }

    pub(crate) fn alive(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_none())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Waits for the end of a program that can't do what it was asked: a status that is not 0, and one sentence that has
/// this word in it.
pub(crate) async fn fails_with_one_sentence(host: &mut Host, word: &str) -> Result<()> {
    let status = host.ends(Duration::from_secs(20)).await.with_context(|| host.complaint())?;
    let complaint = host.complaint();
    // Its log goes to the same stream; each line of it begins with a time, after colours.
    let logged = |line: &&str| !line.trim_start_matches("\u{1b}[2m").starts_with("20");
    let sentences: Vec<&str> =
        complaint.lines().filter(|line| !line.trim().is_empty()).filter(logged).collect();
    ensure!(status.code() == Some(1), "the host ended with {status}: {complaint}");
    ensure!(sentences.len() == 1, "that is not one sentence: {complaint}");
    ensure!(sentences[0].contains(word), "it does not say “{word}”: {complaint}");
    Ok(())
}
