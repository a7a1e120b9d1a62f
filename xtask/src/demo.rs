//! `cargo xtask demo`: the main job on this machine, ready to be opened in a browser.

mod screen;
mod server;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use self::screen::Screen;
use self::server::Server;
use crate::arguments::DemoOptions;
use crate::process::{self, Running};
use crate::programs::{self, Profile};
use crate::workspace::Workspace;
use crate::{needs, viewer};

/// How long the host may take to reach the server and be admitted.
const HOST_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn run(workspace: &Workspace, options: &DemoOptions) -> Result<()> {
    let screen_needs = if options.display.is_none() { needs::SCREEN } else { &[] };
    needs::provide(&[needs::BUILD, screen_needs].concat())?;
    viewer::build(workspace)?;
    let programs = programs::build(workspace, Profile::Release)?;

    // Guards are dropped in reverse: the host ends before the server, the screen last.
    let screen = match &options.display {
        Some(display) => Screen::existing(display),
        None => Screen::start(&workspace.target)?,
    };
    let mut server = Server::start(&programs, &workspace.target, options)?;
    let session = server.create_session()?;
    let received = workspace.target.join("demo-received");
    let rights = match &options.display {
        Some(_) => "view,control",
        None => "view,control,files-in,files-out",
    };
    let mut command = fresh(&programs.host);
    command
        .args(["--server", server.url(), "--ui", "headless", "--grant", rights, "--downloads"])
        .arg(&received)
        // Not an argument: everybody on the machine can read those.
        .env("NEARHAND_CODE", session.code());
    let mut host = Running::start(screen.show_on(&mut command))?;
    process::until("the host's connection", HOST_LIMIT, || {
        ends_early(&mut host, "the host")?;
        Ok(server.has_host(&session)?.then_some(()))
    })?;

    println!("\nThe screen {} is shared without asking: {rights}.", screen.name());
    if options.display.is_some() {
        println!("It is a real screen: whoever has the URL sees and controls it.");
    }
    println!("Received files go to {}.", received.display());
    println!("Technician's token: {}", server.token());
    println!("\nOpen in a browser:\n\n    {}\n", server.session_url(&session));
    if options.check {
        return Ok(());
    }
    println!("Ctrl-C ends everything.");
    while !process::was_interrupted() {
        ends_early(&mut host, "the host")?;
        server.ends_early()?;
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("\nEnding the host, the server and the screen.");
    Ok(())
}

/// A command that takes no settings of Nearhand from our environment.
fn fresh(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NEARHAND_")) {
        command.env_remove(name);
    }
    command
}

fn ends_early(running: &mut Running, what: &str) -> Result<()> {
    if let Some(status) = running.try_wait()? {
        bail!("{what} ended too early ({status}); its last words are above");
    }
    Ok(())
}
