//! The server of the demo, and the few requests of its HTTP API that a technician's program would make.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::{ends_early, fresh};
use crate::arguments::DemoOptions;
use crate::process::{self, Running};
use crate::programs::Programs;

/// How long the server may take to answer for the first time.
const LIMIT: Duration = Duration::from_secs(15);

/// A started server that answers.
pub(super) struct Server {
    /// Its origin, as it says itself.
    url: String,
    /// Made anew for each demo: even on loopback other users of the machine can knock.
    token: String,
    agent: ureq::Agent,
    // Dropped in this order: the server, then its folder.
    running: Running,
    _folder: TempDir,
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
    pub(super) fn start(programs: &Programs, target: &Path, options: &DemoOptions) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("demo-").tempdir_in(target).context("making a folder")?;
        // So that the customer's page has something to offer.
        let download = folder.path().join(format!("nearhand-host-linux-{}", std::env::consts::ARCH));
        std::fs::copy(&programs.host, &download).context("copying the host's program")?;

        let token = random_hex()?;
        let output = folder.path().join("output");
        let mut command = fresh(&programs.server);
        command
            .args(["--listen", &std::net::SocketAddr::new(options.bind, options.port).to_string()])
            .arg("--downloads")
            .arg(folder.path())
            .env("NEARHAND_TECHNICIAN_TOKEN", &token)
            .env("NEARHAND_LOG", "warn")
            .stdout(File::create(&output).context("creating a file for the server's output")?);
        let mut running = Running::start(&mut command)?;
        let url = process::until("the server's address", LIMIT, || {
            ends_early(&mut running, "the server")?;
            let said = std::fs::read_to_string(&output).context("reading the server's output")?;
            Ok(address_in(&said).map(str::to_owned))
        })?;

        let agent = ureq::Agent::config_builder()
            // A proxy of the environment would not know our loopback.
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .new_agent();
        let mut server = Self { url, token, agent, running, _folder: folder };
        let health = format!("{}/healthz", server.url);
        process::until("the server's first answer", LIMIT, || {
            server.ends_early()?;
            Ok(server.agent.get(&health).call().ok().map(drop))
        })?;
        Ok(server)
    }

    /// Where browsers and the host connect to.
    pub(super) fn url(&self) -> &str {
        &self.url
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
            .post(format!("{}/api/sessions", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .send_empty()
            .context("creating a session")?;
        let answer = json(answer)?;
        let field = |name: &str| {
            answer[name].as_str().map(str::to_owned).with_context(|| format!("the new session has no {name}"))
        };
        // 2³² is no multiple of 1000: a bias of one in four million is nothing beside the thousand secrets there are.
        let secret = getrandom::u32().context("asking for randomness")? % 1000;
        Ok(Session { id: field("session")?, nameplate: field("nameplate")?, secret: format!("{secret:03}") })
    }

    /// Whether the session's host is there.
    pub(super) fn has_host(&self, session: &Session) -> Result<bool> {
        let answer = self
            .agent
            .get(format!("{}/api/sessions", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .call()
            .context("asking for the session's state")?;
        Ok(host_is_in(&json(answer)?, &session.id))
    }

    /// The sign-in page with the token in it, which leads into the session. What stands behind `#` is never sent.
    pub(super) fn session_url(&self, session: &Session) -> String {
        let Session { id, secret, .. } = session;
        format!("{}/sign-in#token={}&next=%2Fsession%2F{id}%23{secret}", self.url, self.token)
    }
}

/// The origin in the server's line `listening on http://127.0.0.1:8080`, once that is complete.
fn address_in(said: &str) -> Option<&str> {
    let line =
        said.split_inclusive('\n').find_map(|line| line.strip_suffix('\n')?.strip_prefix("listening on "))?;
    Some(line.trim().trim_end_matches('/'))
}

fn host_is_in(answer: &Value, session: &str) -> bool {
    let sessions = answer["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    sessions.iter().any(|found| found["session"] == session && !found["host"].is_null())
}

fn json(mut answer: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let text = answer.body_mut().read_to_string().context("reading the server's answer")?;
    serde_json::from_str(&text).context("the server's answer is not JSON")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{address_in, host_is_in};

    #[test]
    fn the_address_is_read_when_its_line_is_complete() {
        assert_eq!(address_in("listening on http://127.0.0.1:8080\n"), Some("http://127.0.0.1:8080"));
        assert_eq!(address_in("first\nlistening on http://[::1]:1/\nlast\n"), Some("http://[::1]:1"));
        assert_eq!(address_in("listening on http://127.0.0.1:80"), None);
        assert_eq!(address_in(""), None);
    }

    #[test]
    fn the_host_is_looked_for_in_its_own_session() {
        let answer =
            json!({ "sessions": [{ "session": "a", "host": null }, { "session": "b", "host": {} }] });
        assert!(!host_is_in(&answer, "a"));
        assert!(host_is_in(&answer, "b"));
        assert!(!host_is_in(&answer, "c"));
        assert!(!host_is_in(&json!({}), "a"));
    }
}
