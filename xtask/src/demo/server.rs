//! The server of the demo, and the few requests of its HTTP API that a technician's browser would make.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::ends_early;
use crate::arguments::DemoOptions;
use crate::process::{self, Running};

/// How long the server may take to answer for the first time.
const LIMIT: Duration = Duration::from_secs(15);

/// A started server that answers.
pub(super) struct Server {
    running: Running,
    /// Where this machine reaches it.
    address: SocketAddr,
    /// Made anew for each demo: even on loopback other users of the machine can knock.
    token: String,
    agent: ureq::Agent,
}

/// A session that waits for its host.
pub(super) struct Session {
    id: String,
    /// Six digits from the server.
    nameplate: String,
    /// Three digits that the server never learns; in real use the technician's browser makes them.
    secret: String,
}

impl Session {
    pub(super) fn code(&self) -> String {
        format!("{}{}", self.nameplate, self.secret)
    }
}

impl Server {
    pub(super) fn start(program: &Path, options: &DemoOptions) -> Result<Self> {
        let port = match options.port {
            0 => free_port(options.bind)?,
            port => port,
        };
        let token = random_hex()?;
        let listen = SocketAddr::new(options.bind, port);
        let mut command = Command::new(program);
        command.env("NEARHAND_LISTEN", listen.to_string()).env("NEARHAND_TECHNICIAN_TOKEN", &token);
        let reached =
            if options.bind.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { options.bind };
        let agent = ureq::Agent::config_builder()
            // A proxy of the environment would not know our loopback.
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .new_agent();
        let mut server = Self {
            running: Running::start(&mut command)?,
            address: SocketAddr::new(reached, port),
            token,
            agent,
        };
        let health = format!("{}/healthz", server.url());
        process::until("the server's first answer", LIMIT, || {
            server.ends_early()?;
            Ok(server.agent.get(&health).call().ok().map(drop))
        })?;
        Ok(server)
    }

    /// Where the host connects to.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// An error if the server is gone.
    pub(super) fn ends_early(&mut self) -> Result<()> {
        ends_early(&mut self.running, "the server")
    }

    /// Opens a session as the technician.
    pub(super) fn create_session(&self) -> Result<Session> {
        let answer = self
            .agent
            .post(format!("{}/api/sessions", self.url()))
            .header("Authorization", format!("Bearer {}", self.token))
            .send_empty()
            .context("creating a session")?;
        let answer = json(answer)?;
        let field = |name: &str| {
            answer[name].as_str().map(str::to_owned).with_context(|| format!("the new session has no {name}"))
        };
        let secret = getrandom::u32().context("asking for randomness")? % 1000;
        Ok(Session { id: field("id")?, nameplate: field("nameplate")?, secret: format!("{secret:03}") })
    }

    /// Whether the session's host is there.
    pub(super) fn has_host(&self, session: &Session) -> Result<bool> {
        let answer = self
            .agent
            .get(format!("{}/api/sessions/{}", self.url(), session.id))
            .header("Authorization", format!("Bearer {}", self.token))
            .call()
            .context("asking for the session's state")?;
        Ok(json(answer)?["host"].as_bool().unwrap_or(false))
    }

    /// What leads straight into the session. After the `#`, so that it is never sent to the server.
    pub(super) fn session_url(&self, session: &Session) -> String {
        format!("{}/session/{}#token={}&secret={}", self.url(), session.id, self.token, session.secret)
    }
}

fn json(mut answer: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let text = answer.body_mut().read_to_string().context("reading the server's answer")?;
    serde_json::from_str(&text).context("the server's answer is not JSON")
}

/// A port that is free now; the server may still find it taken, and then says so.
fn free_port(address: IpAddr) -> Result<u16> {
    let listener = TcpListener::bind((address, 0)).with_context(|| format!("listening on {address}"))?;
    Ok(listener.local_addr().context("asking for the port")?.port())
}

/// 128 random bits.
pub(super) fn random_hex() -> Result<String> {
    let [high, low] = [getrandom::u64(), getrandom::u64()];
    Ok(format!(
        "{:016x}{:016x}",
        high.context("asking for randomness")?,
        low.context("asking for randomness")?
    ))
}
