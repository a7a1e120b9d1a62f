//! Certificate and key in files that somebody else renews: read again whenever they change.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::{Facts, Shown, TlsError, certified, read_certificates, read_key};
use crate::config::TlsFiles;

/// How often the files are looked at. A look is two questions to the file system, and works for symbolic links that are
/// turned elsewhere, as certbot's and Kubernetes' are.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is known of a file without reading it: when it was changed, and how long it is.
type Stamp = Option<(SystemTime, u64)>;

/// Keeps what is shown as the files are.
pub struct Files {
    paths: TlsFiles,
    shown: Arc<Shown>,
    seen: [Stamp; 2],
}

impl Files {
    /// Shows what is in the files now.
    pub fn open(files: &TlsFiles, shown: Arc<Shown>) -> Result<Self, TlsError> {
        // Looked at before they are read: a change in between is a change.
        let seen = stamps(files);
        let key = read(files)?;
        warn_if_late(&key);
        shown.replace(key);
        Ok(Self { paths: files.clone(), shown, seen })
    }

    /// Follows the files, for ever.
    pub async fn keep(mut self) {
        // The last complaint: files that are written one after the other must not fill the log.
        let mut complaint = String::new();
        let mut pending = false;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = self.paths.clone();
            let look = tokio::task::spawn_blocking(move || stamps(&files));
            let Ok(seen) = look.await else { return };
            pending |= seen != self.seen;
            self.seen = seen;
            if !pending {
                continue;
            }
            let files = self.paths.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || read(&files)).await else { return };
            match read {
                Ok(key) => {
                    let is_other = self.shown.current().is_none_or(|current| current.cert != key.cert);
                    if is_other {
                        info!(file = %self.paths.certificates.display(), "took the new certificate");
                        warn_if_late(&key);
                    }
                    self.shown.replace(key);
                    complaint.clear();
                    pending = false;
                }
                Err(error) => {
                    let words = error.to_string();
                    if words != complaint {
                        warn!(
                            error = words,
                            "the certificate has changed and can't be used; the one before stays"
                        );
                        complaint = words;
                    }
                }
            }
        }
    }
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    certified(read_certificates(&files.certificates)?, read_key(&files.key)?)
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    let stamp = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [stamp(&files.certificates), stamp(&files.key)]
}

fn warn_if_late(key: &CertifiedKey) {
    let facts = key.cert.first().and_then(|certificate| Facts::of(certificate).ok());
    if facts.is_some_and(|facts| facts.until < SystemTime::now()) {
        warn!("the certificate holds no longer: browsers will refuse it; renew it");
    }
}
