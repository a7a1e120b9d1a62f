//! `cargo xtask …`: everything that a developer or CI runs beyond plain cargo.

mod arguments;
mod benchmark;
mod ci;
mod demo;
mod dist;
mod elsewhere;
mod fuzz;
mod licences;
mod needs;
// The server's build writes the pages in the same way.
#[path = "../../signaling/build/pages.rs"]
mod pages;
mod process;
mod programs;
mod results;
mod setup;
mod sizes;
mod stories;
mod toolchain;
mod viewer;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::workspace::Workspace;

fn main() -> ExitCode {
    process::listen_for_interrupts();
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) if process::was_interrupted() => {
            eprintln!("stopped: {error:#}");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Setup => setup::run(&workspace).map(done),
        Command::Viewer => viewer::run(&workspace).and_then(|()| elsewhere::run(&workspace)).map(done),
        Command::Test { filter } => stories::test(&workspace, filter.as_deref()),
        Command::Story { name } => stories::story(&workspace, &name),
        Command::Bench(options) => benchmark::run(&workspace, &options).map(done),
        Command::Demo(options) => demo::run(&workspace, &options).map(done),
        Command::Ci => ci::run(&workspace),
        Command::Dist { viewer_server } => dist::run(&workspace, viewer_server.as_deref()).map(done),
        Command::Fuzz { seconds, target } => fuzz::run(&workspace, seconds, target.as_deref()).map(done),
        Command::Licences => licences::run(&workspace).map(done),
    }
}
