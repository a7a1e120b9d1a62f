//! The account with the authority: made once, and kept.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::AcmeError;
use super::http::Https;
use crate::config::AcmeOptions;
use crate::key::{is_exposed, write_private};
use crate::tls::TlsError;

const FILE: &str = "account.json";
/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// With which authority.
    directory: String,
    credentials: AccountCredentials,
}

/// The kept account, or a new one where there is none with this authority.
pub(super) async fn open(options: &AcmeOptions, folder: &Path, https: &Https) -> Result<Account, AcmeError> {
    let path = folder.join(FILE);
    let directory = options.directory.as_str();
    let failed = |error| AcmeError::of(error, https.retry_at());
    if let Some(kept) = read(&path)?.filter(|kept| kept.directory == directory) {
        let builder = Account::builder_with_http(Box::new(https.clone()));
        return builder.from_credentials(kept.credentials).await.map_err(failed);
    }
    let contact: Vec<_> = options.contacts.iter().map(String::as_str).collect();
    let account =
        NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(https.clone()));
    let (account, credentials) =
        builder.create(&account, directory.to_owned(), None).await.map_err(failed)?;
    info!(directory, "made an account with the certificate authority");
    let kept = Kept { directory: directory.to_owned(), credentials };
    let text = serde_json::to_vec(&kept).map_err(|error| AcmeError::Nonsense(error.to_string()))?;
    write_private(&path, &text).map_err(|error| TlsError::Io { action: "write", path, error })?;
    Ok(account)
}

/// Another one is made next time.
pub(super) fn forget(folder: &Path) -> Result<(), TlsError> {
    let path = folder.join(FILE);
    std::fs::remove_file(&path).map_err(|error| TlsError::Io { action: "remove", path, error })
}

fn read(path: &Path) -> Result<Option<Kept>, TlsError> {
    let io = |error| TlsError::Io { action: "read", path: path.to_owned(), error };
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    if is_exposed(&file).map_err(io)? {
        return Err(TlsError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(io)?;
    let kept = serde_json::from_str(&text);
    if kept.is_err() {
        warn!(file = %path.display(), "this is no account of this server; another one is made");
    }
    Ok(kept.ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_no_account_is_made_anew_but_not_what_others_could_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert!(read(&path).unwrap().is_none());
        for text in ["", "{}", "\u{0}", r#"{"directory": "https://ca.example", "credentials": {}}"#] {
            write_private(&path, text.as_bytes()).unwrap();
            assert!(read(&path).unwrap().is_none(), "{text}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(TlsError::Exposed { .. })));
    }
}
