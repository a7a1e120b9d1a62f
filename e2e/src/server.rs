//! The real server, on a free port of the loopback interface.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::namespace::Namespace;
use crate::process::Process;
use crate::stage::Stage;

/// What the technician signs in with.
pub(crate) const TOKEN: &str = "token-of-the-stories-0123456789";
/// Whom the customer is told about.
pub(crate) const TECHNICIAN: &str = "Ada Byron";
/// Whom they work for.
pub(crate) const ORGANISATION: &str = "Example Help";
const START: Duration = Duration::from_secs(10);

/// Where a server runs and what it is told, where that is not the ordinary.
#[derive(Clone, Default)]
pub(crate) struct Setting {
    /// Where it runs.
    pub(crate) namespace: Option<Namespace>,
    /// What it listens on; by default a free port of the loopback interface.
    pub(crate) listen: Option<String>,
    /// Its origin, where that is not what it listens on.
    pub(crate) url: Option<String>,
    /// More words for its command line.
    pub(crate) arguments: Vec<OsString>,
    /// More variables in its environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Asks it, where an ordinary client does not get through to it.
    pub(crate) client: reqwest::Client,
}

/// A running server.
pub(crate) struct Server {
    process: Process,
    state: PathBuf,
    downloads: PathBuf,
    setting: Setting,
    /// Its origin, without a slash behind it.
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start(stage: &Stage) -> Result<Self> {
        Self::start_with(stage, &[]).await
    }

    /// With more variables in its environment.
    pub(crate) async fn start_with(stage: &Stage, extra: &[(&str, &str)]) -> Result<Self> {
        let variables = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::start_in(stage, Setting { variables, ..Setting::default() }).await
    }

    /// In other surroundings.
    pub(crate) async fn start_in(stage: &Stage, setting: Setting) -> Result<Self> {
        let (state, downloads) = (stage.folder("server-state")?, stage.folder("server-downloads")?);
        let program = downloads.join(format!("nearhand-host-linux-{}", std::env::consts::ARCH));
        if !program.exists() {
            std::fs::copy(&stage.places.host, &program).context("copying the host's program")?;
        }
        let (process, url) = Self::run(stage, &state, &downloads, &setting).await?;
        Ok(Self { process, state, downloads, setting, url })
    }

    async fn run(
        stage: &Stage,
        state: &PathBuf,
        downloads: &PathBuf,
        setting: &Setting,
    ) -> Result<(Process, String)> {
        let mut command = stage.command_in(setting.namespace.as_ref(), &stage.places.server);
        command.args(["--listen", setting.listen.as_deref().unwrap_or("127.0.0.1:0")]);
        command.arg("--state").arg(state).arg("--downloads").arg(downloads).args(&setting.arguments);
        command.env("NEARHAND_TECHNICIAN_TOKEN", TOKEN);
        command.env("NEARHAND_TECHNICIAN_NAME", TECHNICIAN).env("NEARHAND_ORGANISATION", ORGANISATION);
        command.env("NEARHAND_LOG", "info").envs(setting.variables.iter().cloned());
        let process = stage.start("server", &mut command)?;
        let url = process.line_after("listening on ", START).await?;
        let url = setting.url.as_deref().unwrap_or(url.trim()).trim_end_matches('/').to_owned();
        Ok((process, url))
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn interrupt(&mut self, signal: Signal) -> Result<std::process::ExitStatus> {
        self.process.signal(signal)?;
        self.process.wait(Duration::from_secs(10)).await
    }

    /// Starts it again where it was.
    pub(crate) async fn start_again(&mut self, stage: &Stage) -> Result<()> {
        if self.setting.listen.is_none() {
            self.setting.listen = Some(self.address().to_owned());
        }
        (self.process, self.url) = Self::run(stage, &self.state, &self.downloads, &self.setting).await?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether it is still there.
    pub(crate) fn alive(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_none())
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// Makes a session, as a program with the technician's token does: its id and nameplate.
    pub(crate) async fn new_session(&self) -> Result<(String, String)> {
        let client = &self.setting.client;
        let response = client
            .post(format!("{}/api/sessions", self.url))
            .bearer_auth(TOKEN)
            .send()
            .await
            .context("asking for a session")?;
        ensure!(response.status() == 201, "a new session was answered with {}", response.status());
        let answer: Value = response.json().await?;
        let field = |name: &str| {
            answer[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {answer}"))
        };
        Ok((field("session")?, field("nameplate")?))
    }

    /// The technician's sessions, as the desk is told.
    pub(crate) async fn sessions(&self) -> Result<Vec<Value>> {
        let client = &self.setting.client;
        let response = client.get(format!("{}/api/sessions", self.url)).bearer_auth(TOKEN).send().await?;
        ensure!(response.status() == 200, "the sessions were answered with {}", response.status());
        let answer: Value = response.json().await?;
        Ok(answer["sessions"].as_array().cloned().unwrap_or_default())
    }
}
