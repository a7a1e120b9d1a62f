//! The program itself: what it prints, and how it ends.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal::Entry;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::TOKEN;

/// The program, with nothing but these options and variables; ended when dropped.
struct Program(Child, BufReader<ChildStdout>);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Self::command(arguments);
        // Nobody reads the log here, and a full pipe would hold the server up.
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.env("NEARHAND_TECHNICIAN_TOKEN", TOKEN).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self(child, stdout)
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nearhand"));
        command.env_clear().args(arguments);
        command
    }

    fn run(arguments: &[&str]) -> Output {
        Self::command(arguments).output().unwrap()
    }

    /// Waits for the line that says it is ready, and returns where it listens.
    fn address(&mut self) -> std::net::SocketAddr {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://");
        address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

#[test]
fn it_ends_cleanly_when_told_to() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut program = Program::start(&["--listen", "127.0.0.1:0"]);
        assert_ne!(program.address().port(), 0);
        program.signal(signal);
        assert_eq!(program.0.wait().unwrap().code(), Some(0), "{signal}");
        let mut rest = String::new();
        program.1.read_to_string(&mut rest).unwrap();
        let relay = rest.strip_prefix("relay on ").and_then(|rest| rest.strip_suffix('\n'));
        let relay: std::net::SocketAddr = relay.unwrap_or_else(|| panic!("{rest:?}")).parse().unwrap();
        assert_ne!(relay.port(), 0, "two lines on stdout, no more");
    }
}

#[test]
fn wrong_options_and_failures_have_their_status() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, status, words) in [
        (
            &["--grace", "0", "--listen", "0.0.0.0:1"][..],
            2,
            &["--technician-token", "--grace", "--listen"][..],
        ),
        (&["--no-such-option"], 2, &["--no-such-option"]),
        (&["--technician-token", TOKEN, "--listen", &taken], 1, &["can't listen on"]),
        (&["--technician-token", TOKEN, "--state", "/dev/null/x"], 1, &["/dev/null/x"]),
        (&["--technician-token", TOKEN, "--downloads", "/no/such/folder"], 1, &["/no/such/folder"]),
    ] {
        let output = Program::run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        for words in words {
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
        assert!(!error.contains("panicked") && !error.contains(TOKEN), "{error}");
        assert!(output.stdout.is_empty());
    }
}

/// Killed, not told: the ends come back to the next one all the same.
#[tokio::test]
async fn sessions_outlive_a_kill() {
    let state = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--state", state.path().to_str().unwrap()];
    let mut program = Program::start(&arguments);
    let server = support::Client::new(program.address());
    let pair = server.pair().await;
    program.signal(Signal::SIGKILL);
    program.0.wait().unwrap();

    let mut program = Program::start(&arguments);
    let server = support::Client::new(program.address());
    let (mut host, _) = server.host(Entry::Resume { token: pair.host_token.clone() }).await;
    let (mut viewer, _, epoch) = server.viewer(Entry::Resume { token: pair.viewer_token.clone() }).await;
    assert_eq!(host.receive().await, nearhand_protocol::signal::ServerToHost::ViewerArrived);
    support::negotiate(&mut viewer, &mut host, epoch).await;
    program.signal(Signal::SIGTERM);
    assert_eq!(host.end().await, CloseReason::ServerShutdown);
    assert_eq!(viewer.end().await, CloseReason::ServerShutdown);
    assert_eq!(program.0.wait().unwrap().code(), Some(0));

    // Without the folder the next one knows nobody.
    let mut program = Program::start(&["--listen", "127.0.0.1:0"]);
    let server = support::Client::new(program.address());
    assert_eq!(server.host_refused(Entry::Resume { token: pair.host_token }).await, CloseReason::BadResume);
    assert_eq!(
        server.viewer_refused(Entry::Resume { token: pair.viewer_token }).await,
        CloseReason::BadResume
    );
}

/// What waiting costs. Printed, and held to a bound that a mistake of a power of ten would break.
#[tokio::test]
async fn a_waiting_session_costs_little() {
    const PAIRS: usize = 200;
    let mut program = Program::start(&["--listen", "127.0.0.1:0"]);
    let server = support::Client::new(program.address());
    let resident = |id: u32| -> usize {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let before = resident(program.0.id());
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        pairs.push(server.pair().await);
    }
    let each = (resident(program.0.id()) - before) / PAIRS;
    println!("{before} kB idle, {each} kB for each session with both ends connected");
    assert!(each < 200, "{each} kB for each session");
}
