//! The server's own key: where it lies, and the keys for single purposes that are derived from it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Length of a key and of a signature, in bytes.
pub const LEN: usize = 32;

const FILE: &str = "server.key";

/// Why the server has no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The folder or the file can't be read or made.
    #[error("can't {action} {path}: {error}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What came of it.
        error: std::io::Error,
    },
    /// The file is something else.
    #[error("{path} is no key of this server: it should have {LEN} bytes", path = path.display())]
    WrongLength {
        /// The file.
        path: PathBuf,
    },
    /// Others on this machine can read, and so sign with, the key.
    #[error("{path} can be read by other users of this machine: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// A key that the server made for itself. What it signs is believed again after a restart if the key was kept.
pub struct ServerKey(Zeroizing<[u8; LEN]>);

impl ServerKey {
    /// A new key that lives as long as the process.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; LEN]);
        getrandom::fill(key.as_mut()).map_err(KeyError::Random)?;
        Ok(Self(key))
    }

    /// The key of this folder; made, for this user's eyes only, if there is none.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join(FILE);
        match File::open(&path) {
            Ok(file) => Self::read(file, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                create_folder(folder).map_err(|error| KeyError::Io {
                    action: "create the folder",
                    path: folder.to_owned(),
                    error,
                })?;
                let key = Self::generate()?;
                write_private(&path, key.0.as_ref()).map_err(|error| KeyError::Io {
                    action: "write",
                    path,
                    error,
                })?;
                Ok(key)
            }
            Err(error) => Err(KeyError::Io { action: "read", path, error }),
        }
    }

    fn read(mut file: File, path: PathBuf) -> Result<Self, KeyError> {
        if is_exposed(&file).map_err(|error| KeyError::Io { action: "read", path: path.clone(), error })? {
            return Err(KeyError::Exposed { path });
        }
        let mut key = Zeroizing::new([0; LEN]);
        let whole = file.read_exact(key.as_mut()).is_ok() && matches!(file.read(&mut [0]), Ok(0));
        if whole { Ok(Self(key)) } else { Err(KeyError::WrongLength { path }) }
    }

    /// A key for one purpose: what was signed for one can't be used for another.
    pub fn signer(&self, purpose: &str, context: &[u8]) -> Signer {
        let mut mac = keyed(&self.0);
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(context);
        Signer(Zeroizing::new(mac.finalize().into_bytes().into()))
    }
}

/// Signs and checks for one purpose, by HMAC-SHA-256 (RFC 2104).
pub struct Signer(Zeroizing<[u8; LEN]>);

impl Signer {
    /// The payload and its signature as one text of letters, digits, `-` and `_`.
    pub fn seal(&self, payload: &[u8]) -> String {
        let mut sealed = payload.to_vec();
        sealed.extend_from_slice(&self.sign(payload));
        data_encoding::BASE64URL_NOPAD.encode(&sealed)
    }

    /// The payload behind a text that [`Self::seal`] made with the same key; `None` for any other.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let mut sealed = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let signature = sealed.split_off(sealed.len().checked_sub(LEN)?);
        bool::from(self.sign(&sealed).ct_eq(&signature)).then_some(sealed)
    }

    /// The signature alone, for where the payload travels by itself or not at all.
    pub(crate) fn sign(&self, payload: &[u8]) -> [u8; LEN] {
        let mut mac = keyed(&self.0);
        mac.update(payload);
        mac.finalize().into_bytes().into()
    }
}

fn keyed(key: &[u8; LEN]) -> Hmac<Sha256> {
    // A key shorter than the hash's block is filled up with zeros (RFC 2104, 2): the same MAC, without a case for a
    // wrong length.
    let mut block = Zeroizing::new([0; 64]);
    block[..LEN].copy_from_slice(key);
    Hmac::new((&*block).into())
}

/// Writes a file for this user's eyes only; beside and renamed when whole, so that a crash leaves no half of it behind.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    // What an earlier run left there may have other permissions.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(fresh, path)
}

/// Makes a folder that nobody else may look into, where there is none.
pub(crate) fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    builder.mode(0o700);
    builder.create(folder)
}

/// Whether a user other than its owner may read the file.
pub(crate) fn is_exposed(file: &File) -> std::io::Result<bool> {
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = ServerKey::generate().unwrap();
        let signer = key.signer("resume", b"");
        let sealed = signer.seal(b"payload");
        assert_eq!(signer.open(&sealed).unwrap(), b"payload");
        assert_eq!(key.signer("resume", b"").open(&sealed).unwrap(), b"payload");
        assert_eq!(key.signer("cookie", b"").open(&sealed), None);
        assert_eq!(key.signer("resume", b"x").open(&sealed), None);
        assert_eq!(ServerKey::generate().unwrap().signer("resume", b"").open(&sealed), None);
        for position in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(signer.open(std::str::from_utf8(&forged).unwrap()), None, "byte {position}");
        }
        for text in ["", "A", "####", &sealed[1..], &format!("{sealed}A"), &format!("{sealed}=")] {
            assert_eq!(signer.open(text), None);
        }
    }

    #[test]
    fn the_key_is_kept_and_kept_to_oneself() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/state");
        let sealed = ServerKey::load_or_create(&state).unwrap().signer("x", b"").seal(b"1");
        assert!(ServerKey::load_or_create(&state).unwrap().signer("x", b"").open(&sealed).is_some());

        let file = state.join(FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ServerKey::load_or_create(&state), Err(KeyError::Exposed { .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        for content in ["short", &"x".repeat(LEN + 1)] {
            std::fs::write(&file, content).unwrap();
            assert!(matches!(ServerKey::load_or_create(&state), Err(KeyError::WrongLength { .. })));
        }
    }
}
