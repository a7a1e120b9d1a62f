//! The program: reads its arguments, runs one session, says how it ended: status 0 after an ordinary end, 1 with a
//! sentence on standard error otherwise, 2 where the options are not understood.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use nearhand_host::config::{Config, StartError};
use nearhand_host::host::{self, Console};
use nearhand_host::logging;
use nearhand_protocol::close::CloseReason;
use tokio::sync::mpsc;

/// Ending takes two seconds at most, whatever hangs.
const LONGEST_END: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(logging::filter())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let config = match Config::parse(arguments()) {
        Ok(config) => config,
        Err(StartError::Arguments(error)) => error.exit(),
        Err(StartError::Problems(problems)) => return failed(&problems.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&format!("the program can't start ({error}): close other programs and try again"));
        }
    };
    let (interrupt, interrupted) = mpsc::channel(1);
    if let Err(error) = ctrlc::set_handler(move || on_interrupt(&interrupt)) {
        return failed(&format!("Ctrl+C could not be set up ({error})"));
    }
    let console =
        Console { input: Box::new(io::BufReader::new(io::stdin())), output: Box::new(io::stdout()) };
    // A task of its own: a panic in it ends that task, which lets go of everything it owns, keys first.
    let session = runtime.block_on(async { tokio::spawn(host::run(config, console, interrupted)).await });
    runtime.shutdown_timeout(Duration::from_millis(200));
    match session {
        Ok(Ok(reason)) if is_ordinary(reason) => ExitCode::SUCCESS,
        Ok(Ok(_)) => ExitCode::FAILURE,
        Ok(Err(error)) => failed(&format!("{error:#}")),
        Err(_) => failed("the program failed; everything was let go: please report what stands above"),
    }
}

/// The program's own name as the person sees it: where it lies under its download's name, that name carries the code.
fn arguments() -> impl Iterator<Item = OsString> {
    let own = std::env::current_exe().ok().map(OsString::from);
    let mut given = std::env::args_os();
    let first = given.next();
    own.or(first).into_iter().chain(given)
}

fn on_interrupt(interrupt: &mpsc::Sender<()>) {
    // Full: it was pressed before, and the end is under way.
    let _ = interrupt.try_send(());
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST_END);
        std::process::exit(1);
    });
}

fn failed(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::FAILURE
}

/// Ends that nobody needs to look into.
fn is_ordinary(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::CustomerEnded
            | CloseReason::TechnicianEnded
            | CloseReason::CustomerRefused
            | CloseReason::ViewerLost
            | CloseReason::TooLong
    )
}
