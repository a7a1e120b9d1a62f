//! `nearhand-e2e`: the runner of stories and measurements.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nearhand_e2e::{bench, runner};

/// Stories in a real browser with the real server and the real customer's program, and the measurements.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays a group of stories, one after the other; ends with the line `N passed, N failed`.
    Story {
        /// The group, or `all`.
        group: String,
        /// Only stories whose name contains this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
    },
    /// Measures, and prints the table of figures and goals. It fails nothing.
    Bench(bench::Options),
    /// Names the groups, the stories and the rows of the measurements.
    List,
}

#[tokio::main]
async fn main() -> ExitCode {
    // It fails only where it has been done. The client of the stories brings no cryptography of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match Arguments::parse().command {
        Command::Story { group, only } => runner::play(&group, only.as_deref()).await,
        Command::Bench(options) => bench::run(&options).await,
        Command::List => {
            runner::list();
            Ok(true)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
