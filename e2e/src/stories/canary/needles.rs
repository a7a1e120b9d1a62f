//! Words that must not be found, in every dress in which they could be carried, and the places that are searched.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use aho_corasick::AhoCorasick;
use anyhow::{Context as _, Result};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};

/// Bytes of memory that are read at once.
const CHUNK: usize = 4 << 20;
/// No pattern is longer: as much of one chunk is searched again with the next.
const OVERLAP: usize = 1024;

/// Texts with the names by which they are called in an error.
pub(super) struct Needles {
    names: Vec<String>,
    patterns: AhoCorasick,
}

impl Needles {
    pub(super) fn new(texts: &[(&str, &str)]) -> Result<Self> {
        let (mut names, mut patterns) = (Vec::new(), Vec::new());
        for (name, text) in texts {
            for (dress, bytes) in dresses(text) {
                names.push(format!("{name} in {dress}"));
                patterns.push(bytes);
            }
        }
        Ok(Self { names, patterns: AhoCorasick::new(patterns).context("making a search of the canaries")? })
    }

    /// The names of those that are there, each once.
    pub(super) fn found_in(&self, hay: &[u8]) -> Vec<String> {
        let matches = self.patterns.find_overlapping_iter(hay);
        let mut found: Vec<String> = matches.map(|at| self.names[at.pattern().as_usize()].clone()).collect();
        found.sort();
        found.dedup();
        found
    }

    /// The same in everything that a process can read of its own memory (proc(5), `maps` and `mem`); and how many bytes
    /// that was.
    pub(super) fn found_in_memory(&self, pid: u32) -> Result<(Vec<String>, u64)> {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))
            .with_context(|| format!("reading the map of process {pid}"))?;
        let memory = File::open(format!("/proc/{pid}/mem"))
            .with_context(|| format!("opening the memory of process {pid}"))?;
        let (mut found, mut searched) = (Vec::new(), 0);
        let mut buffer = vec![0; CHUNK + OVERLAP];
        for line in maps.lines() {
            let Some((first, last)) = readable(line) else { continue };
            let mut at = first;
            while at < last {
                let wanted = buffer.len().min((last - at) as usize);
                // Some regions are the kernel's own and can't be read, whatever the map says.
                let Ok(read @ 1..) = memory.read_at(&mut buffer[..wanted], at) else { break };
                found.extend(self.found_in(&buffer[..read]));
                searched += read as u64;
                at += if read > OVERLAP { (read - OVERLAP) as u64 } else { read as u64 };
                if at + OVERLAP as u64 >= last {
                    break;
                }
            }
        }
        found.sort();
        found.dedup();
        Ok((found, searched))
    }
}

/// The first address of a readable region and the one behind its last.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (first, last) = fields.next()?.split_once('-')?;
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    fields.next()?.starts_with('r').then_some((hexadecimal(first)?, hexadecimal(last)?))
}

/// A text as it could lie in a buffer.
fn dresses(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
    let mut dresses = vec![
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-16, little-endian", wide(u16::to_le_bytes)),
        ("UTF-16, big-endian", wide(u16::to_be_bytes)),
        ("hexadecimal digits", HEXLOWER.encode(text.as_bytes()).into_bytes()),
        ("hexadecimal digits", HEXUPPER.encode(text.as_bytes()).into_bytes()),
    ];
    for before in 0..3 {
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            dresses.push(("base64", base64(encoding, before, text.as_bytes())));
        }
    }
    dresses
}

/// The characters that depend on nothing but the text where so many other bytes come before it.
fn base64(encoding: &Encoding, before: usize, text: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text);
    let whole = bytes.len() * 8 / 6;
    encoding.encode(&bytes).into_bytes()[(before * 8).div_ceil(6)..whole].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "canary-w9f2k7";

    #[test]
    fn it_is_found_in_every_dress() {
        let needles = Needles::new(&[("it", TEXT)]).unwrap();
        assert!(needles.found_in(b"nothing of that kind").is_empty());
        assert_eq!(needles.found_in(format!("xx{TEXT}yy").as_bytes()), ["it in UTF-8"]);
        let wide: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(needles.found_in(&wide), ["it in UTF-16, little-endian"]);
        for before in 0..7 {
            let whole = format!("{}{TEXT}, and more", "x".repeat(before));
            let encoded = BASE64_NOPAD.encode(whole.as_bytes());
            assert_eq!(needles.found_in(encoded.as_bytes()), ["it in base64"], "{before} bytes before it");
        }
    }

    #[test]
    fn it_is_found_in_a_process() {
        let held = format!("canary-{:x}", rand::random::<u64>());
        let needles = Needles::new(&[("held", &held)]).unwrap();
        let (found, searched) = needles.found_in_memory(std::process::id()).unwrap();
        assert!(found.contains(&"held in UTF-8".to_owned()), "{found:?}");
        assert!(searched > 100_000);
    }
}
