//! Starting other programs so that none outlives us: each in its own process group, ended when its guard is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How often a waiting step looks whether the child has ended or Ctrl-C was pressed.
const POLL: Duration = Duration::from_millis(25);

/// How long a group has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C, SIGTERM and SIGHUP don't kill us: waits fail instead, and the guards end what was started.
pub(crate) fn listen_for_interrupts() {
    if let Err(error) = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)) {
        eprintln!("warning: Ctrl-C will not end started programs: {error}");
    }
}

/// Whether Ctrl-C, SIGTERM or SIGHUP came.
pub(crate) fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A started program and all that it starts in turn; dropping the guard ends them.
pub(crate) struct Running {
    name: String,
    child: std::process::Child,
    ended: bool,
}

impl Running {
    /// Starts `command` in a process group of its own, without our stdin.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child, ended: false })
    }

    /// The child's piped stdout, once.
    pub(crate) fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// The child's piped stderr, once.
    pub(crate) fn take_stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// The status, if the program has ended by itself.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.is_alive() {
            return Ok(None);
        }
        // The dead leader still holds its id, so the group can't be somebody else's yet.
        let _ = killpg(self.group(), Signal::SIGTERM);
        self.ended = true;
        self.child.wait().map(Some).with_context(|| format!("waiting for {}", self.name))
    }

    /// Waits for the end; fails on Ctrl-C and when `limit` has passed.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if was_interrupted() {
                bail!("{} was interrupted", self.name);
            }
            if let Some(limit) = limit.filter(|limit| start.elapsed() > *limit) {
                bail!("{} did not end within {} s", self.name, limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Whether the program still runs. Leaves a dead one unreaped.
    fn is_alive(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        !self.ended && matches!(waitid(Id::Pid(self.group()), flags), Ok(WaitStatus::StillAlive))
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let _ = killpg(self.group(), Signal::SIGTERM);
        let start = Instant::now();
        while self.is_alive() && start.elapsed() < GRACE {
            std::thread::sleep(POLL);
        }
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Prints and runs `command` with our stdout and stderr; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = announce(command);
    check(&shown, Running::start(command)?.wait(None)?)
}

/// As [`run`], ended when `limit` has passed.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let shown = announce(command);
    check(&shown, Running::start(command)?.wait(Some(limit))?)
}

/// Runs `command` silently and returns its stdout; stderr is part of the error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        bail!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Which of a program's outputs [`watch`] looks at, and whether it is shown, too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    HiddenStdout,
    Stderr,
}

/// Prints and runs `command` and gives each line of the chosen output to `look` as it comes.
pub(crate) fn watch(command: &mut Command, which: Output, mut look: impl FnMut(&str)) -> Result<ExitStatus> {
    announce(command);
    match which {
        Output::Stdout | Output::HiddenStdout => command.stdout(Stdio::piped()),
        Output::Stderr => command.stderr(Stdio::piped()),
    };
    let mut running = Running::start(command)?;
    let pipe: Box<dyn std::io::Read + Send> = match which {
        Output::Stdout | Output::HiddenStdout => Box::new(running.take_stdout().context("no stdout")?),
        Output::Stderr => Box::new(running.take_stderr().context("no stderr")?),
    };
    // Bounded: a chatty program waits for us.
    let (lines, received) = mpsc::sync_channel::<Vec<u8>>(256);
    // Ends with the pipe. Not joined: a stray grandchild may hold the pipe open after the program's end.
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if lines.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    let mut show = |line: Vec<u8>| {
        // A closed terminal is no reason to stop counting.
        let _ = match which {
            Output::Stdout => std::io::stdout().write_all(&line),
            Output::HiddenStdout => Ok(()),
            Output::Stderr => std::io::stderr().write_all(&line),
        };
        look(String::from_utf8_lossy(&line).trim_end());
    };
    let mut status = None;
    loop {
        match received.recv_timeout(POLL) {
            Ok(line) => show(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            // The program is gone and nothing more came: whoever still holds the pipe is not waited for.
            Err(mpsc::RecvTimeoutError::Timeout) if status.is_some() => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if was_interrupted() {
                    bail!("{} was interrupted", running.name);
                }
                status = running.try_wait()?;
            }
        }
    }
    let _ = std::io::stdout().flush();
    match status {
        Some(status) => Ok(status),
        None => running.wait(None),
    }
}

/// Asks `look` again and again until it returns something; fails on Ctrl-C and when `limit` has passed.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if was_interrupted() {
            bail!("waiting for {what} was interrupted");
        }
        if start.elapsed() > limit {
            bail!("{what} did not come within {} s", limit.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

fn announce(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    if let Some(name) = PathBuf::from(&shown).file_name() {
        shown = name.to_string_lossy().into_owned();
    }
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    eprintln!("$ {shown}");
    shown
}

fn check(shown: &str, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    match status.signal() {
        Some(signal) => bail!("`{shown}` was killed by signal {signal}"),
        None => bail!("`{shown}` failed with status {}", status.code().unwrap_or(-1)),
    }
}

/// Where `program` lies on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    use super::{Output, Running, run_within, watch};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn is_gone(pid: i32) -> bool {
        // A zombie of a grandchild may wait for init: gone enough.
        kill(Pid::from_raw(pid), None).is_err()
            || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z"))
    }

    #[test]
    fn dropping_the_guard_ends_grandchildren_too() {
        let mut command = shell("sleep 1000 & echo $!; wait");
        let mut running = Running::start(command.stdout(Stdio::piped())).unwrap();
        let mut line = String::new();
        let mut pipe = std::io::BufReader::new(running.take_stdout().unwrap());
        std::io::BufRead::read_line(&mut pipe, &mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        assert!(!is_gone(grandchild));
        drop(running);
        // The pipe closes when the last holder is gone: nothing to poll for.
        std::io::Read::read_to_string(&mut pipe, &mut line).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while !is_gone(grandchild) && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(is_gone(grandchild));
    }

    #[test]
    fn too_slow_a_program_is_ended() {
        let error = run_within(&mut shell("sleep 1000"), Duration::from_millis(100)).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
    }

    #[test]
    fn every_line_is_seen_and_the_status_kept() {
        let mut lines = Vec::new();
        let status = watch(&mut shell("echo one; printf two; exit 3"), Output::HiddenStdout, |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(status.code(), Some(3));
    }
}
