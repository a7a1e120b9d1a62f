//! The customer's folder for received files: a hidden part file while one arrives, its final name at the end, and no
//! leftovers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nearhand_protocol::file::FileProblem;

use super::name;

const PREFIX: &str = ".nearhand-";
const SUFFIX: &str = ".part";
/// Names that are tried before giving up.
const TRIES: u32 = 1000;

/// A file that is arriving: removed when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct Part {
    file: Option<File>,
    path: PathBuf,
    folder: PathBuf,
}

impl Part {
    /// A new, hidden, locked file in the folder, which is made where it does not exist.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{PREFIX}{:016x}{SUFFIX}", rand::random::<u64>()));
        // `create_new` follows no link and opens nothing that exists.
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        // The lock tells a running program's file from a leftover; where the system has none, leftovers may stay.
        let _ = file.try_lock();
        Ok(Self { file: Some(file), path, folder: folder.to_owned() })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), |file| file.write_all(data))
    }

    /// Gives the file its final name, or the next free one like it; never replaces anything.
    pub(super) fn keep(mut self, name: &str) -> io::Result<PathBuf> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        for number in 0..TRIES {
            let name = if number == 0 { name.to_owned() } else { name::numbered(name, number) };
            let target = self.folder.join(name);
            // Claimed by an empty file first: `rename` alone would replace what is there.
            match OpenOptions::new().write(true).create_new(true).open(&target) {
                Ok(claim) => {
                    drop(claim);
                    return match fs::rename(&self.path, &target) {
                        Ok(()) => Ok(target),
                        Err(error) => {
                            let _ = fs::remove_file(&target);
                            Err(error)
                        }
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Closed first: some systems remove no open file. After `keep` nothing lies there any more.
        self.file = None;
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what an earlier run left behind; files of a program that still runs are locked, and stay.
pub(super) fn remove_leftovers(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let ours = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            if OpenOptions::new().write(true).open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Which problem an error of writing is.
pub(super) fn problem(error: &io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileProblem::DiskFull,
        io::ErrorKind::FileTooLarge => FileProblem::TooLarge,
        _ => FileProblem::CannotWrite,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for (number, expected) in ["a.txt", "a (1).txt", "a (2).txt"].into_iter().enumerate() {
            let mut part = Part::create(folder.path()).unwrap();
            part.write(&[b'0' + number as u8]).unwrap();
            assert_eq!(part.keep("a.txt").unwrap(), folder.path().join(expected));
        }
        assert_eq!(fs::read(folder.path().join("a.txt")).unwrap(), b"0");
        assert_eq!(listed(folder.path()), ["a (1).txt", "a (2).txt", "a.txt"]);
    }

    #[test]
    fn a_part_that_is_not_kept_goes() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("made/when/needed");
        drop(Part::create(&below).unwrap());
        assert_eq!(listed(&below), [""; 0]);
    }

    #[test]
    fn leftovers_go_and_files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".nearhand-00.part"), "x").unwrap();
        fs::write(folder.path().join("mine.part"), "x").unwrap();
        let running = Part::create(folder.path()).unwrap();
        remove_leftovers(folder.path());
        let names = listed(folder.path());
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.contains(&"mine.part".to_owned()) && running.path.exists());
        remove_leftovers(&folder.path().join("nowhere"));
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside.txt");
        let inside = folder.path().join("in");
        fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("a.txt")).unwrap();
        let mut part = Part::create(&inside).unwrap();
        part.write(b"x").unwrap();
        assert_eq!(part.keep("a.txt").unwrap(), inside.join("a (1).txt"));
        assert!(!outside.exists());
    }
}
