//! The host programs that customers download: which there are, and their hashes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Download {
    /// Operating system, by the names of `std::env::consts::OS`.
    pub system: String,
    /// Processor, by the names of `std::env::consts::ARCH`.
    pub arch: String,
    /// Name of the file.
    pub file: String,
    /// Length, in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// A folder with programs. What is put there while the server runs is found.
#[derive(Debug, Default)]
pub struct Downloads {
    folder: Option<PathBuf>,
    /// By name of the file: hashing 20 MB for each visitor would be a gift to whoever wants the server busy.
    hashed: Mutex<HashMap<String, (SystemTime, Download)>>,
}

impl Downloads {
    /// The programs of this folder; none without a folder.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, hashed: Mutex::default() }
    }

    /// All of them, by name. Blocks on the disk.
    pub fn list(&self) -> std::io::Result<Vec<Download>> {
        let Some(folder) = &self.folder else {
            return Ok(Vec::new());
        };
        let mut downloads = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(name) = name.to_str()
                && let Some(download) = self.read(&entry.path(), name)?
            {
                downloads.push(download);
            }
        }
        downloads.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(downloads)
    }

    /// Where this file lies, if it is one of them. Blocks on the disk.
    pub fn path(&self, file: &str) -> Option<PathBuf> {
        // The name is taken from the shape, and the shape has no separator in it.
        parse(file)?;
        let path = self.folder.as_ref()?.join(file);
        path.is_file().then_some(path)
    }

    fn read(&self, path: &Path, name: &str) -> std::io::Result<Option<Download>> {
        let Some((system, arch)) = parse(name) else {
            return Ok(None);
        };
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let modified = metadata.modified()?;
        // One at a time: the second visitor waits for the hash that the first one made.
        let mut hashed = self.hashed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, download)) = hashed.get(name)
            && *at == modified
            && download.bytes == metadata.len()
        {
            return Ok(Some(download.clone()));
        }
        let mut hasher = Sha256::new();
        let mut file = std::fs::File::open(path)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut bytes = 0;
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer)?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            hasher.update(&buffer[..count]);
        }
        let download = Download {
            system: system.to_owned(),
            arch: arch.to_owned(),
            file: name.to_owned(),
            bytes,
            sha256: data_encoding::HEXLOWER.encode(&hasher.finalize()),
        };
        hashed.insert(name.to_owned(), (modified, download.clone()));
        Ok(Some(download))
    }
}

/// System and processor from `nearhand-host-linux-x86_64` or `nearhand-host-windows-x86_64.exe`.
fn parse(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("nearhand-host-")?;
    let rest = rest.strip_suffix(".exe").unwrap_or(rest);
    let (system, arch) = rest.split_once('-')?;
    let sound = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    (sound(system) && sound(arch)).then_some((system, arch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(parse("nearhand-host-linux-x86_64"), Some(("linux", "x86_64")));
        assert_eq!(parse("nearhand-host-windows-x86_64.exe"), Some(("windows", "x86_64")));
        for name in [
            "",
            "nearhand-host",
            "nearhand-host-linux",
            "nearhand-host-linux-",
            "nearhand-host-linux-../x",
            "nearhand-host-linux-x86_64.exe.txt",
            "nearhand-host-linux-x86_64\0",
            "other-linux-x86_64",
            "../nearhand-host-linux-x86_64",
        ] {
            assert_eq!(parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn programs_are_listed_with_their_hash() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::new(Some(folder.path().to_owned()));
        assert_eq!(downloads.list().unwrap(), []);
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        std::fs::write(folder.path().join("nearhand-host-linux-x86_64"), "abc").unwrap();
        let list = downloads.list().unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].bytes, 3);
        assert_eq!(list[0].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        std::fs::write(folder.path().join("nearhand-host-linux-x86_64"), "abcd").unwrap();
        assert_eq!(downloads.list().unwrap()[0].bytes, 4);
        assert!(downloads.path("notes.txt").is_none());
        assert!(downloads.path("nearhand-host-linux-x86_64").is_some());
    }
}
