//! The command line of `cargo xtask`; its help is the manual.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Builds, tests, measures and shows Nearhand.
///
/// Every command first looks for what it needs. On Debian and as root it installs what is missing;
/// elsewhere it prints the one command to type and stops. All builds share one folder: $CARGO_TARGET_DIR, or target/.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Install what builds and browser tests need
    ///
    /// Looks for the compiler's WASM library, a C++ compiler and NASM, browsers with their drivers, and a
    /// virtual X server with a few programs. What is missing is installed with apt-get when root on Debian;
    /// otherwise the command to type is printed and the exit status is 1. The other commands do the same for
    /// the part that they need.
    #[command(after_long_help = "Environment:\n  \
        NEARHAND_WASM_TOOLCHAIN=debian  build the WASM library with Debian's rustc-web, without asking rustup first")]
    Setup,

    /// Build the session page: WASM, its JavaScript glue, optimised, with its sizes
    ///
    /// The result is in target/viewer/, which the server embeds, and in target/static-viewer/ as files for another origin.
    /// Nothing is compiled when nothing changed.
    /// Without npm the module is left unoptimised, which is said.
    Viewer,

    /// Run all tests: those of the crates, then the stories in real browsers
    ///
    /// The last line is `N passed, N failed`, the sum over everything.
    Test {
        /// Run only the crates' tests whose name contains this, and no story (for one story: `cargo xtask story NAME`)
        filter: Option<String>,
    },

    /// Run a group of stories in a real browser with the real server and host
    ///
    /// Screenshots are written to target/screenshots/. The last line is `N passed, N failed`. The group reach plays in
    /// network namespaces and needs root; elsewhere its stories are skipped, and say why.
    #[command(after_long_help = "Environment:\n  \
        NEARHAND_BLESS=1  write what the group reach found into the README's table, instead of comparing it")]
    Story {
        /// The group's name: harness, main-job, picture, reach, or `all`
        name: String,
    },

    /// Measure: latency, frames, bad lines, encoder, connect, files, sizes
    ///
    /// Prints a table of figures and goals; it fails nothing. What goes over lines is measured in network namespaces and
    /// needs root. Drawings of the bad lines are written to target/plots/.
    Bench(BenchOptions),

    /// Show the main job: start server and host on a virtual screen and print the URL to open
    ///
    /// The screen is an Xvfb of 1280x800 with a terminal, a clock and a calculator, so that nothing of this
    /// machine is shown. Ctrl-C ends everything that was started.
    Demo(DemoOptions),

    /// What must hold before a change goes in: format, lints, docs, licences, sizes, all tests
    ///
    /// Prints the time of each step. The last line is `N passed, N failed`; a failed step counts as one failure.
    Ci,

    /// Build the programs as they are shipped, with SHA-256 sums, into target/dist/
    ///
    /// Beside them the session tab as static files for another origin than the server's, as a folder and as an archive.
    /// The SHA-256 over all of these files is printed.
    Dist {
        /// Let the static session tab connect to this server only, instead of any that is reached by TLS
        #[arg(long, value_name = "ORIGIN")]
        viewer_server: Option<String>,
    },

    /// Run the fuzz targets of protocol/fuzz with the nightly compiler
    Fuzz {
        /// How long each target runs
        #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        /// Only this target
        target: Option<String>,
    },

    /// Check licences, sources and banned crates of every dependency against deny.toml
    ///
    /// Uses cargo-deny where it is installed, with security advisories if their database can be reached.
    /// Otherwise checks the same rules from `cargo metadata`, without advisories, and says so.
    #[command(visible_alias = "deny")]
    Licences,
}

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct BenchOptions {
    /// Write the rows as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Measure only the rows whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Measure every row so many times, and tell medians with their spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) runs: Option<u8>,
    /// Follow single frames and tiles from the damage to the screen: how long each stage took
    #[arg(long, conflicts_with_all = ["only", "lines", "long", "runs", "json"])]
    pub(crate) trace: bool,
    /// Only the bad lines: how the picture stops and recovers, and a drawing of each
    #[arg(long, conflicts_with_all = ["only", "long"])]
    pub(crate) lines: bool,
    /// Mixed use for so many minutes: does memory stay flat, and latency what it was
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["only", "runs", "json"])]
    pub(crate) long: Option<u32>,
}

/// Options of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct DemoOptions {
    /// The server's port; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    /// The server's address, one of this machine alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1", value_parser = loopback)]
    pub(crate) bind: IpAddr,
    /// Share this X display, such as :0, instead of a virtual one: whoever has the URL sees and controls it
    #[arg(long, value_name = ":N", conflicts_with = "virtual_screen")]
    pub(crate) display: Option<String>,
    /// Share a virtual screen (the default)
    #[arg(long = "virtual")]
    pub(crate) virtual_screen: bool,
    /// End with status 0 as soon as the host is connected
    #[arg(long)]
    pub(crate) check: bool,
}

/// The demo has no certificate, so it stays inside of this machine.
fn loopback(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "write an address such as 127.0.0.1 or ::1".to_owned())?;
    if address.is_loopback() {
        Ok(address)
    } else {
        Err("the demo has no certificate, so it can't be opened to a network; from another machine reach it through \
             ssh -L 8080:127.0.0.1:8080"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Arguments;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_trace_is_measured_alone() {
        let bench = |words: &[&str]| Arguments::try_parse_from([&["xtask", "bench"], words].concat()).is_ok();
        assert!(
            bench(&["--runs", "5", "--json", "figures.json"])
                && bench(&["--trace"])
                && bench(&["--long", "30"])
        );
        assert!(bench(&["--lines", "--runs", "3"]));
        assert!(
            !bench(&["--runs", "0"])
                && !bench(&["--trace", "--lines"])
                && !bench(&["--long", "5", "--only", "x"])
        );
    }

    #[test]
    fn the_demo_stays_inside_of_this_machine() {
        let bind = |address| Arguments::try_parse_from(["xtask", "demo", "--bind", address]).is_ok();
        assert!(bind("127.0.0.1") && bind("::1"));
        assert!(!bind("0.0.0.0") && !bind("192.0.2.1") && !bind("localhost"));
    }
}
