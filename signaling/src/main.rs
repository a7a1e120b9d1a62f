//! The program `nearhand`: reads its options, starts the server, waits for the signal to stop.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use nearhand_signaling::config::{Config, Options};
use nearhand_signaling::logging;
use nearhand_signaling::server::{Server, Shutdown};
use tokio::signal::unix::{SignalKind, signal};

/// Exit status for options that don't go together, as clap has it for options that it can't read.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = options.log.clone();
    let config = match Config::from_options(options) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("nearhand: {problems}");
            return ExitCode::from(USAGE);
        }
    };
    match run(config, &filter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearhand: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, filter: &str) -> anyhow::Result<()> {
    let subscriber = logging::subscriber(filter, std::io::stderr).context("reading NEARHAND_LOG")?;
    tracing::subscriber::set_global_default(subscriber).context("starting the log")?;
    let runtime = tokio::runtime::Runtime::new().context("starting the tasks")?;
    runtime.block_on(async {
        let server = Server::new(config).await?;
        let waiting = tokio::spawn(stop_on_signal(server.shutdown())?);
        // The lines on stdout: whoever started the server waits for them. Nobody reading is no reason to stop.
        let _unread = writeln!(std::io::stdout(), "listening on {}", server.url());
        if let Some(address) = server.relay_addr() {
            let _unread = writeln!(std::io::stdout(), "relay on {address}");
        }
        server.run().await;
        waiting.abort();
        Ok(())
    })
}

/// The handlers are in place when this returns; a signal that comes early is not lost.
fn stop_on_signal(shutdown: Shutdown) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.shut_down();
    })
}
