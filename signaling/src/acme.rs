//! A certificate from an authority that speaks ACME (RFC 8555): got at the first start, kept, and renewed in time.
//!
//! It runs beside the server and never holds it up: until the first certificate is there handshakes are refused; after
//! that the last one is shown whatever the authority does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use tracing::{error, info, warn};

use crate::config::AcmeOptions;
use crate::key::create_folder;
use crate::tls::{Facts, Shown, TlsError, read_kept};

mod account;
mod http;
mod order;
mod pause;
mod problem;

use http::Https;
use pause::Pauses;
pub use problem::AcmeError;

/// Folder below the server's own.
const FOLDER: &str = "acme";
/// Key and chain together.
const CERTIFICATE: &str = "certificate.pem";
/// How often the clock is looked at: it may be set, and machines sleep.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// Keeps the certificate of these names.
pub struct Acme {
    options: AcmeOptions,
    folder: PathBuf,
    https: Https,
    shown: Arc<Shown>,
}

impl Acme {
    /// Shows the certificate that is kept from an earlier run, if there is one.
    pub fn open(options: &AcmeOptions, state: &Path, shown: Arc<Shown>) -> Result<Self, TlsError> {
        let folder = state.join(FOLDER);
        create_folder(&folder).map_err(|error| TlsError::Io {
            action: "create the folder",
            path: folder.clone(),
            error,
        })?;
        let https = Https::new(options.ca.as_deref())?;
        match read_kept(&folder.join(CERTIFICATE)) {
            Ok(Some(key)) => shown.replace(key),
            Ok(None) => {}
            // Others could have read it: that is for the operator to judge.
            Err(error @ TlsError::Exposed { .. }) => return Err(error),
            Err(error) => warn!(%error, "the kept certificate can't be used; another one is asked for"),
        }
        Ok(Self { options: options.clone(), folder, https, shown })
    }

    /// Gets and renews the certificate, for ever.
    pub async fn keep(self) {
        let mut pauses = Pauses::default();
        loop {
            if let Some(wait) = self.wait(SystemTime::now()) {
                tokio::time::sleep(wait.min(LOOK_EVERY)).await;
                continue;
            }
            let names = self.options.domains.join(", ");
            info!(names, authority = self.authority(), "asking for a certificate");
            match self.renew().await {
                Ok(facts) => {
                    pauses = Pauses::default();
                    let days =
                        facts.until.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 86_400;
                    info!(names, days, "got a certificate");
                }
                Err(problem) => {
                    let pause =
                        pauses.next(&problem, SystemTime::now(), getrandom::u32().unwrap_or_default());
                    let again_in_s = pause.as_secs();
                    if self.shown.current().is_some() {
                        warn!(again_in_s, "the certificate could not be renewed: {problem}");
                    } else {
                        error!(again_in_s, "there is no certificate yet, so nobody can connect: {problem}");
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// How long the shown certificate will do; `None` if another one is due.
    fn wait(&self, now: SystemTime) -> Option<Duration> {
        let current = self.shown.current()?;
        let facts = facts(&current).ok()?;
        if !facts.is_for(&self.options.domains) {
            return None;
        }
        facts.renew_at().duration_since(now).ok().filter(|wait| !wait.is_zero())
    }

    async fn renew(&self) -> Result<Facts, AcmeError> {
        match self.try_renew().await {
            Err(problem @ AcmeError::AccountUnknown { .. }) => {
                warn!(%problem, "making another account");
                account::forget(&self.folder)?;
                self.try_renew().await
            }
            other => other,
        }
    }

    async fn try_renew(&self) -> Result<Facts, AcmeError> {
        let account = account::open(&self.options, &self.folder, &self.https).await?;
        let path = self.folder.join(CERTIFICATE);
        let key = order::fulfil(&account, &self.options.domains, &self.shown, &self.https, &path).await?;
        let facts = facts(&key)?;
        self.shown.replace(key);
        Ok(facts)
    }

    fn authority(&self) -> &str {
        self.options.directory.host_str().unwrap_or_default()
    }
}

fn facts(key: &CertifiedKey) -> Result<Facts, TlsError> {
    match key.cert.first() {
        Some(certificate) => Facts::of(certificate),
        None => Err(TlsError::Malformed("it is empty".into())),
    }
}
