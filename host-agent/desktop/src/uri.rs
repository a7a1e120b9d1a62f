//! Lists of files as desktops pass them: `text/uri-list` (RFC 2483) of `file:` addresses (RFC 8089). Pure.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The list of these files. Names that are not absolute are left out.
pub fn list(paths: &[PathBuf]) -> String {
    let mut list = String::new();
    for path in paths.iter().filter(|path| path.is_absolute()) {
        list.push_str("file://");
        encode(path, &mut list);
        list.push_str("\r\n");
    }
    list
}

/// The local files of a list, at most `most`; other addresses, comments and files of other computers are left out.
pub fn paths(list: &str, most: usize) -> Vec<PathBuf> {
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(path).take(most).collect()
}

fn path(line: &str) -> Option<PathBuf> {
    let rest = line.strip_prefix("file:")?;
    let rest = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, _) = rest.split_once('/')?;
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return None;
            }
            &rest[host.len()..]
        }
        None => rest,
    };
    let bytes = decode(rest)?;
    // A NUL ends a name for the system.
    let path = PathBuf::from(name(bytes.as_slice())?);
    (path.is_absolute() && !bytes.contains(&0)).then_some(path)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere names are Unicode")]
fn name(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(OsString::from_vec(bytes.to_vec()))
}

#[cfg(not(unix))]
fn name(bytes: &[u8]) -> Option<OsString> {
    std::str::from_utf8(bytes).ok().map(OsString::from)
}

fn encode(path: &Path, list: &mut String) {
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            list.push(char::from(*byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(list, "%{byte:02X}");
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            decoded.push((high * 16 + low) as u8);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        let names = ["/tmp/a b.txt", "/tmp/Rechnung März 100%.pdf", "/x/#?;\n\"", "/"];
        let paths_in: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        let text = list(&paths_in);
        assert!(text.is_ascii() && text.starts_with("file:///tmp/a%20b.txt\r\n"), "{text}");
        assert_eq!(paths(&text, 9), paths_in);
        assert_eq!(paths(&text, 2), paths_in[..2]);
        let odd = PathBuf::from(name(&[b'/', 0xff, 0x80]).unwrap());
        assert_eq!(paths(&list(&[odd.clone(), PathBuf::from("relative")]), 9), [odd]);
    }

    #[test]
    fn only_files_of_this_computer_count() {
        let text = "# comment\nfile://localhost/a\r\nfile:/b\nfile://other/c\nhttp://x/d\nfile:///e%00f\nfile:///%g0\nfile:relative\n\nfile:///%2e%2e/g";
        assert_eq!(paths(text, 9), ["/a", "/b", "/../g"].map(PathBuf::from));
    }
}
