//! A real window manager.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use x11rb::protocol::xproto::ConnectionExt as _;

use crate::scene::Program;
use crate::xvfb::{Xvfb, eventually};

/// Ends with the test.
pub(crate) struct Openbox {
    child: Child,
    /// Kept: the numbers of its windows must not be given to others while openbox still takes leave of them.
    probe: Program,
}

impl Openbox {
    pub(crate) fn on(server: &Xvfb) -> Self {
        let mut command = Command::new("openbox");
        command.args(["--sm-disable"]).env("DISPLAY", &server.display);
        for output in [Command::stdout, Command::stderr] {
            output(&mut command, Stdio::null());
        }
        let child = command.spawn().expect("these tests need openbox: apt-get install openbox");
        // From here on it ends with the test.
        let openbox = Self { child, probe: Program::on(server) };
        let program = &openbox.probe;
        // It takes windows in only some time after it has said that it is there: what is shown in between it never sees.
        eventually("a window manager", || {
            let window = program.window((0, 0, 10, 10), 0);
            program.show(window);
            let soon = Instant::now() + Duration::from_millis(200);
            let mut managed = false;
            while !managed && Instant::now() < soon {
                managed = program.conn.query_tree(window).unwrap().reply().unwrap().parent != program.root;
            }
            program.destroy(window);
            managed
        });
        openbox
    }
}

impl Drop for Openbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
