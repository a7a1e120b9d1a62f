//! A real window manager.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use x11rb::protocol::xproto::ConnectionExt as _;

use crate::scene::Program;
use crate::xvfb::{Xvfb, eventually};

/// Ends with the test.
pub(crate) struct Openbox(Child);

impl Openbox {
    pub(crate) fn on(server: &Xvfb) -> Self {
        let mut command = Command::new("openbox");
        command.args(["--sm-disable"]).env("DISPLAY", &server.display);
        for output in [Command::stdout, Command::stderr] {
            output(&mut command, Stdio::null());
        }
        let openbox = Self(command.spawn().expect("these tests need openbox: apt-get install openbox"));
        // It takes windows in only some time after it has said that it is there: what is shown in between it never sees.
        let program = Program::on(server);
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
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
