//! Puts the parts together and runs one session: what `main` calls, and what tests of the whole call too.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Code;
use nearhand_protocol::grant::{Brake, Consent};
use nearhand_protocol::signal::{HostInfo, IceServer, MAX_NAME};
use tokio::sync::mpsc;

use crate::config::{Config, UiKind};
use crate::dial::{self, Dialer};
use crate::driver::{self, Connect, Parts};
use crate::rtc::{Events, IceServer as RtcIceServer, Interfaces, Peer, PeerConfig, RtcError, Transport};
use crate::signal::{Connector, Introduction, Signal};
use crate::ui::{self, Headless, Terminal, Ui};

/// Real peer connections.
struct Peers {
    /// For relays; the same way out as signaling has.
    dialer: Dialer,
    interfaces: Interfaces,
    relay_only: bool,
}

#[async_trait]
impl Connect for Peers {
    async fn connect(&self, ice_servers: &[IceServer]) -> Result<(Arc<dyn Transport>, Events), RtcError> {
        let ice_servers = ice_servers
            .iter()
            .map(|server| RtcIceServer {
                urls: server.urls.clone(),
                username: server.username.clone().unwrap_or_default(),
                credential: server.credential.clone().unwrap_or_default(),
            })
            .collect();
        let config = PeerConfig {
            ice_servers,
            relay_only: self.relay_only,
            dialer: Some(self.dialer.clone()),
            interfaces: Some(self.interfaces.clone()),
            ..PeerConfig::default()
        };
        let (peer, events) = Peer::new(&config).await?;
        Ok((Arc::new(peer), events))
    }
}

/// Where the customer is: standard input and output, or those of a test.
pub struct Console {
    /// Lines of the customer.
    pub input: Box<dyn BufRead + Send>,
    /// What the customer reads.
    pub output: Box<dyn Write + Send>,
}

/// Runs the session of this configuration to its end. Something in `interrupt` ends it, as the customer would.
///
/// The error is one sentence that says what to do.
pub async fn run(
    config: Config,
    mut console: Console,
    interrupt: mpsc::Receiver<()>,
) -> anyhow::Result<CloseReason> {
    // Everything that can fail here comes before the code is used up.
    let mut desktop = nearhand_desktop::open(config.display.as_deref())?;
    let dialer = Dialer::new(&dial::Options { ca_cert: config.ca_cert.clone(), way: config.way.clone() })?;
    let connector = Connector::new(config.server.clone(), dialer.clone())?;
    let code = match config.code {
        Some(code) => code,
        None => ask_for_code(&mut console)?,
    };
    let headless = config.ui == UiKind::Headless;
    let info = host_info(headless);

    let (commands, receiver) = mpsc::channel(ui::QUEUE);
    let terminal =
        Terminal::new(console.output, config.server.to_string(), info.machine.clone(), commands.clone());
    // Without a person too: the commands of the terminal are what tests send files and end the session with.
    terminal
        .listen(console.input)
        .context("the program could not start its threads: close other programs")?;
    let ui: Box<dyn Ui> =
        if headless { Box::new(Headless::new(config.grant, commands, terminal)) } else { Box::new(terminal) };

    let interfaces = Interfaces::watch();
    let peers = Peers { dialer, interfaces: interfaces.clone(), relay_only: config.relay_only };
    let (signal, server) = Signal::start(connector, Introduction { nameplate: code.nameplate, info });
    let local = desktop.local.take();
    let parts = Parts {
        consent: if headless { Consent::CommandLine } else { Consent::Customer },
        code,
        ui,
        commands: receiver,
        interrupt,
        signal,
        server,
        connect: Box::new(peers),
        interfaces,
        desktop,
        downloads: config.downloads,
        brake: Brake::default(),
        listen: local.map(driver::devices),
    };
    Ok(driver::run(parts).await?)
}

/// Asks until nine digits were typed, three times at most.
fn ask_for_code(console: &mut Console) -> anyhow::Result<Code> {
    for _ in 0..3 {
        write!(console.output, "CODE: type the nine digits that your technician gave you: ")?;
        console.output.flush()?;
        let mut line = String::new();
        if io::Read::take(&mut console.input, 1024).read_line(&mut line)? == 0 {
            break;
        }
        match line.parse() {
            Ok(code) => return Ok(code),
            Err(error) => writeln!(console.output, "NOTE: {error}")?,
        }
    }
    anyhow::bail!("no code was given: ask the technician for one, and start this program again with it")
}

fn host_info(headless: bool) -> HostInfo {
    let mut machine = gethostname::gethostname().to_string_lossy().into_owned();
    shorten(&mut machine);
    HostInfo { system: system(), machine, headless }
}

/// The operating system in words.
fn system() -> String {
    // https://www.freedesktop.org/software/systemd/man/os-release.html; on other systems there is no such file.
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let mut name = name.map_or(std::env::consts::OS, |name| name.trim_matches(['"', '\''])).to_owned();
    shorten(&mut name);
    name
}

fn shorten(text: &mut String) {
    let mut end = text.len().min(MAX_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lines: &'static str) -> anyhow::Result<Code> {
        let mut console = Console { input: Box::new(lines.as_bytes()), output: Box::new(io::sink()) };
        ask_for_code(&mut console)
    }

    #[test]
    fn a_code_may_take_three_attempts() {
        assert!(ask("482 913 705\n").is_ok());
        assert!(ask("12\nx\n482913705\n").is_ok());
        assert!(ask("1\n2\n3\n482913705\n").is_err());
        assert!(ask("").is_err());
    }

    #[test]
    fn this_machine_has_words() {
        let info = host_info(true);
        assert!(!info.system.is_empty() && info.headless);
    }
}
