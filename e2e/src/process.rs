//! Programs that a story starts: their output is kept, and they end with the guard, whatever happened before.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Marks every process of a run in its environment, so that one that was left behind is recognised, whoever its parent
/// is by then.
pub(crate) const MARK: &str = "NEARHAND_E2E_RUN";
/// How long a program has between the polite signal and the other one.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a program has written so far.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Everything, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill_from(&self, mut source: impl Read + Send + 'static) -> JoinHandle<()> {
        let output = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = source.read(&mut buffer) {
                output.lock().extend_from_slice(&buffer[..read]);
            }
        })
    }
}

/// A running program, held by whoever talks with it and by the stage, which ends it.
#[derive(Clone)]
pub(crate) struct Process {
    name: String,
    pid: u32,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    running: Arc<Mutex<Running>>,
}

/// What only one may touch at a time. Dropping it ends the program with its whole process group.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` in a process group of its own; `run` goes into its environment.
    pub(crate) fn start(name: &str, run: &str, command: &mut Command) -> Result<Self> {
        command.env(MARK, run).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("starting {}", show(command.get_program())))?;
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers = [
            child.stdout.take().map(|pipe| stdout.fill_from(pipe)),
            child.stderr.take().map(|pipe| stderr.fill_from(pipe)),
        ];
        let (pid, stdin) = (child.id(), child.stdin.take());
        let running = Running { child, stdin, readers: readers.into_iter().flatten().collect() };
        Ok(Self { name: name.to_owned(), pid, stdout, stderr, running: Arc::new(Mutex::new(running)) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal to the program alone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        nix::sys::signal::kill(Pid::from_raw(self.pid as i32), signal)
            .with_context(|| format!("sending {signal} to {}", self.name))
    }

    /// Writes to its standard input.
    pub(crate) fn write(&self, text: &str) -> Result<()> {
        let mut running = self.running();
        let stdin = running.stdin.as_mut().context("the standard input is closed")?;
        stdin
            .write_all(text.as_bytes())
            .and_then(|()| stdin.flush())
            .with_context(|| format!("writing to {}", self.name))
    }

    /// Its status, if it has ended.
    pub(crate) fn ended(&self) -> Result<Option<ExitStatus>> {
        self.running().child.try_wait().with_context(|| format!("asking after {}", self.name))
    }

    /// Waits for its end.
    pub(crate) async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                self.running().join_readers();
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{} did not end within {limit:?}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until its standard output has a line that begins with `start`, and returns the rest of that line.
    pub(crate) async fn line_after(&self, start: &str, limit: Duration) -> Result<String> {
        self.line(start, limit, |line| line.strip_prefix(start)).await
    }

    /// As [`Self::line_after`], where something may stand before `text` in its line.
    pub(crate) async fn line_with(&self, text: &str, limit: Duration) -> Result<String> {
        self.line(text, limit, |line| line.split_once(text).map(|(_, rest)| rest)).await
    }

    async fn line(&self, what: &str, limit: Duration, rest: impl Fn(&str) -> Option<&str>) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            let ended = self.ended()?.is_some();
            if ended {
                // Its last words may still be in the pipe.
                self.running().join_readers();
            }
            let text = self.stdout.text();
            // Only whole lines: the rest of the last one may still be on its way.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(rest) = whole.lines().find_map(&rest) {
                return Ok(rest.to_owned());
            }
            if ended || Instant::now() > end {
                let what_it_did = if ended { "ended" } else { "went on" };
                bail!(
                    "{} {what_it_did} without printing “{what}”; it wrote:\n{}{}",
                    self.name,
                    tail(&text, 20),
                    tail(&self.stderr.text(), 20)
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&self) {
        self.running().end(Signal::SIGKILL);
    }

    /// Asks it to end, and ends it if it does not.
    pub(crate) fn end(&self) {
        self.running().end(Signal::SIGTERM);
    }
}

impl Running {
    fn end(&mut self, first: Signal) {
        let group = Pid::from_raw(self.child.id() as i32);
        drop(self.stdin.take());
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // An error means that it has just ended by itself.
            let _ = killpg(group, first);
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end && !matches!(self.child.try_wait(), Ok(Some(_))) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // What it started may have outlived it.
        let _ = killpg(group, Signal::SIGKILL);
        // Nothing is left to wait for, or it is a zombie of ours now.
        let _ = self.child.wait();
        self.join_readers();
    }

    fn join_readers(&mut self) {
        let end = Instant::now() + Duration::from_secs(1);
        for reader in self.readers.drain(..) {
            // A grandchild in another group may still hold the pipe: the check at the end of the run names it.
            while !reader.is_finished() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(2));
            }
            if reader.is_finished() {
                let _ = reader.join();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Signal::SIGTERM);
    }
}

/// The last `count` lines of a text.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut last = lines[lines.len().saturating_sub(count)..].join("\n");
    if !last.is_empty() {
        last.push('\n');
    }
    last
}

/// Every living process of this run but the runner itself: process id and command line.
pub(crate) fn left_behind(run: &str) -> Vec<(i32, String)> {
    let mark = format!("{MARK}={run}");
    let own = std::process::id() as i32;
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids: BTreeSet<i32> = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
        .filter(|id| *id != own)
        .collect();
    ids.into_iter()
        .filter_map(|id| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()).then(|| {
                let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                (id, String::from_utf8_lossy(&command).replace('\0', " "))
            })
        })
        .collect()
}

/// Ends every process of this run that is still alive, and says which there were.
pub(crate) fn sweep(run: &str) -> Vec<String> {
    // Some are just about to end by themselves, such as a browser's helpers after the browser.
    let end = Instant::now() + Duration::from_secs(2);
    while !left_behind(run).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let left = left_behind(run);
    for (id, _) in &left {
        let _ = nix::sys::signal::kill(Pid::from_raw(*id), Signal::SIGKILL);
    }
    left.into_iter().map(|(id, command)| format!("{id} {command}")).collect()
}

/// User and system time of a process so far, and its threads', in seconds (proc(5), `/proc/pid/stat` 14 and 15).
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The second field is the name in parentheses and may hold anything.
    let rest = stat.rsplit_once(')').context("unreadable /proc/pid/stat")?.1;
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux has reported in units of 1/100 s to user space on every architecture for decades.
    Ok(ticks as f64 / 100.0)
}

/// Memory that would come back if the process ended (PSS), in kB (proc(5), `smaps_rollup`).
pub(crate) fn memory_kb(pid: u32) -> Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix("kB")?.trim().parse().ok())
        .context("no Pss in smaps_rollup")
}

fn show(program: &OsStr) -> String {
    program.to_string_lossy().into_owned()
}
