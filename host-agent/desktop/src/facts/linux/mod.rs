//! What Linux tells in files. Everything is below a root, which tests make themselves.

mod packages;
mod system;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use nearhand_protocol::facts::Topic;

use super::Table;

/// Longest file that is read. A list of ten thousand packages has 20 MB.
const MAX_FILE: u64 = 64 << 20;
/// Most entries of a folder that are looked at.
const MAX_ENTRIES: usize = 20_000;

/// Adds what is known of the table's topic.
pub(super) fn add(table: &mut Table, root: &Path) {
    if table.is_stopped() {
        return;
    }
    match table.topic {
        Topic::Hardware => system::hardware(table, root),
        Topic::Network => system::network(table, root),
        Topic::Software => packages::all(table, root),
        Topic::Services => system::services(table, root),
        Topic::Drivers => system::drivers(table, root),
        Topic::System | Topic::Disks | Topic::Memory | Topic::Processes => {}
    }
}

/// A file's text, whatever is not UTF-8 replaced; empty where it can't be read.
fn text(path: impl AsRef<Path>) -> String {
    let mut bytes = Vec::new();
    // What was read before an error stays: some files of the kernel end so.
    let _ = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file's text without what is around it.
fn word(path: impl AsRef<Path>) -> String {
    text(path).trim().to_owned()
}

/// What is in a folder, in order; nothing where there is none.
fn entries(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).take(MAX_ENTRIES).collect();
    paths.sort_unstable();
    paths
}

/// The last part of a path.
fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
