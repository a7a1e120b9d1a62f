//! An X server of the test's own, on a free display, which ends with the test.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nearhand_protocol::grant::{Consent, Grants, Right};
use x11rb::rust_connection::RustConnection;

/// A running Xvfb.
pub(crate) struct Xvfb {
    server: Child,
    pub(crate) display: String,
}

impl Xvfb {
    /// Starts one with this screen, for example `1280x720x24`.
    pub(crate) fn start(screen: &str) -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-screen", "0", screen]);
        Self::run(&mut command, "apt-get install xvfb xterm x11-xkb-utils")
    }

    /// Runs an X server, which writes its display to standard output.
    pub(crate) fn run(command: &mut Command, missing: &str) -> Self {
        let mut server = command
            .args(["-displayfd", "1", "-nolisten", "tcp", "-noreset"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}: {missing}"));
        let stdout = server.stdout.take().unwrap();
        // From here the guard ends it, whatever fails.
        let mut xvfb = Self { server, display: String::new() };
        let mut number = String::new();
        BufReader::new(stdout).read_line(&mut number).unwrap();
        xvfb.display = format!(":{}", number.trim());
        assert!(xvfb.display.len() > 1, "{command:?} did not start: {missing}");
        xvfb
    }

    /// A client of the test's own, and its root window.
    pub(crate) fn connect(&self) -> (RustConnection, u32) {
        use x11rb::connection::Connection;
        let (conn, screen) = RustConnection::connect(Some(&self.display)).unwrap();
        let root = conn.setup().roots[screen].root;
        (conn, root)
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        // Asked, it takes its socket and lock file away with it.
        if let Some(pid) = rustix::process::Pid::from_raw(self.server.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if let Ok(Some(_)) = self.server.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Leave for everything.
pub(crate) fn grants() -> Grants {
    let mut grants = Grants::new();
    assert!(grants.give(Right::View, Consent::CommandLine));
    assert!(grants.give(Right::Control, Consent::CommandLine));
    assert!(grants.give(Right::ClipboardIn, Consent::CommandLine));
    assert!(grants.give(Right::ClipboardOut, Consent::CommandLine));
    grants
}

/// Tries until it is so, for ten seconds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
