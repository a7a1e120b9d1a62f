//! The code that pairs two ends: nine digits, of which the server knows the first six only.
//!
//! `482 913 705` is a [`Nameplate`] (`482913`, allotted by the server, finds the room) and a [`Secret`] (`705`, made in
//! the technician's browser, the password that the two ends prove to each other). The two parts are types of their own
//! so that no function that talks to the server can be handed the secret by accident.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Something else than digits and separators stands in it.
    #[error("a code has digits only, but it has the character {0:?}")]
    NotADigit(char),
    /// Too few or too many digits.
    #[error("a code has {expected} digits, but this has {found}")]
    Length {
        /// How many it should have.
        expected: usize,
        /// How many were found (counting stops at 64).
        found: usize,
    },
}

/// The first six digits: names the room at the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nameplate(u32);

impl Nameplate {
    /// How many digits a nameplate has.
    pub const DIGITS: usize = 6;
    /// How many nameplates there are.
    pub const COUNT: u32 = 1_000_000;

    /// The nameplate with this number; `None` from [`Self::COUNT`] upwards.
    pub const fn from_number(number: u32) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The nameplate as a number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Nameplate {
    /// Six digits without a separator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Debug for Nameplate {
    /// A code never enters a log, its first part neither.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nameplate(…)")
    }
}

impl FromStr for Nameplate {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        digits::<{ Self::DIGITS }>(text).map(|digits| Self(number(&digits)))
    }
}

impl TryFrom<String> for Nameplate {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        text.parse()
    }
}

impl From<Nameplate> for String {
    fn from(nameplate: Nameplate) -> Self {
        nameplate.to_string()
    }
}

/// The last three digits: known to the two ends only.
///
/// It has no `Serialize`: no message carries it. [`Secret::expose`] is the one way out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(u16);

impl Secret {
    /// How many digits a secret has.
    pub const DIGITS: usize = 3;
    /// How many secrets there are.
    pub const COUNT: u16 = 1_000;

    /// The secret with this number; `None` from [`Self::COUNT`] upwards.
    pub const fn from_number(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// Maps eight random bytes onto a secret; the bias is below 10⁻¹⁶.
    pub const fn from_random(random: u64) -> Self {
        Self((random % Self::COUNT as u64) as u16)
    }

    /// The three digits, for showing them to the person in front of this end.
    pub fn expose(self) -> String {
        format!("{:03}", self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for Secret {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        digits::<{ Self::DIGITS }>(text).map(|digits| Self(number(&digits) as u16))
    }
}

/// All nine digits, as the technician reads them out and the customer types them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// What the server is told.
    pub nameplate: Nameplate,
    /// What it never learns.
    pub secret: Secret,
}

impl Code {
    /// How many digits a code has.
    pub const DIGITS: usize = Nameplate::DIGITS + Secret::DIGITS;

    /// The code in groups of three: `482 913 705`. For the screen in front of a person, never for a log.
    pub fn expose(self) -> String {
        let nameplate = self.nameplate.to_string();
        format!("{} {} {}", &nameplate[..3], &nameplate[3..], self.secret.expose())
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Nine digits; spaces, dashes and dots between them are passed over, as people type them.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let digits = digits::<{ Self::DIGITS }>(text)?;
        let (nameplate, secret) = digits.split_at(Nameplate::DIGITS);
        Ok(Self { nameplate: Nameplate(number(nameplate)), secret: Secret(number(secret) as u16) })
    }
}

/// A code, and the server that the file's name carries, as found in the name of a downloaded program.
///
/// The page gives the download a name such as `nearhand-host-482913705@help.example.com.exe`; a browser may have made
/// `nearhand-host-482913705@help.example.com (1).exe` of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedDownload {
    /// The code.
    pub code: Code,
    /// `host` or `host_port`'s host and port, where the name has them.
    pub server: Option<(String, Option<u16>)>,
}

impl NamedDownload {
    /// Finds the code in the name of a file, without its folder. `None` where the name carries none.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("nearhand-host-")?;
        let digits = rest.get(..Code::DIGITS)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let code = digits.parse().ok()?;
        let rest = &rest[Code::DIGITS..];
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let server = rest.strip_prefix('@').and_then(|rest| {
            // ` (1)`, `.exe` and `_8443` end the host name; a host name has none of these characters.
            let rest = rest.split([' ', '(']).next().unwrap_or(rest);
            let rest = rest.strip_suffix(".exe").unwrap_or(rest);
            let (host, port) = match rest.split_once('_') {
                Some((host, port)) => (host, Some(port.parse().ok()?)),
                None => (rest, None),
            };
            let valid = !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
            valid.then(|| (host.to_owned(), port))
        });
        Some(Self { code, server })
    }

    /// The name that a page gives to a download; `extension` comes with its dot, or is empty.
    pub fn file_name(code: Code, host: &str, port: Option<u16>, extension: &str) -> String {
        let digits: String = code.expose().chars().filter(char::is_ascii_digit).collect();
        match port {
            Some(port) => format!("nearhand-host-{digits}@{host}_{port}{extension}"),
            None => format!("nearhand-host-{digits}@{host}{extension}"),
        }
    }
}

/// Exactly `N` digits out of a text with separators.
fn digits<const N: usize>(text: &str) -> Result<[u8; N], CodeError> {
    let mut found = [0; N];
    let mut count = 0;
    for character in text.chars().take(64) {
        match character {
            '0'..='9' => {
                if let Some(slot) = found.get_mut(count) {
                    *slot = character as u8 - b'0';
                }
                count += 1;
            }
            ' ' | '-' | '.' | '\u{a0}' | '\u{202f}' | '\t' | '\r' | '\n' => {}
            other => return Err(CodeError::NotADigit(other)),
        }
    }
    if count == N { Ok(found) } else { Err(CodeError::Length { expected: N, found: count }) }
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        for text in ["482913705", "482 913 705", " 482-913-705\n", "482.913.705", "482\u{a0}913\u{202f}705"] {
            let code: Code = text.parse().unwrap();
            assert_eq!(code.nameplate.to_string(), "482913", "{text:?}");
            assert_eq!(code.secret.expose(), "705", "{text:?}");
            assert_eq!(code.expose(), "482 913 705");
        }
        let zeros: Code = "000000007".parse().unwrap();
        assert_eq!(zeros.expose(), "000 000 007");
    }

    #[test]
    fn what_is_no_code_is_said() {
        assert_eq!("".parse::<Code>(), Err(CodeError::Length { expected: 9, found: 0 }));
        assert_eq!("48291370".parse::<Code>(), Err(CodeError::Length { expected: 9, found: 8 }));
        assert_eq!("4829137055".parse::<Code>(), Err(CodeError::Length { expected: 9, found: 10 }));
        assert_eq!("48291370x".parse::<Code>(), Err(CodeError::NotADigit('x')));
        assert_eq!("٤٨٢٩١٣٧٠٥".parse::<Code>(), Err(CodeError::NotADigit('٤')));
        assert!("1".repeat(10_000).parse::<Code>().is_err());
    }

    #[test]
    fn no_part_prints_itself_for_debugging() {
        let code: Code = "482913705".parse().unwrap();
        let debug = format!("{code:?}");
        assert!(!debug.contains("482") && !debug.contains("913") && !debug.contains("705"), "{debug}");
    }

    #[test]
    fn a_downloads_name_carries_code_and_server() {
        let code: Code = "482913705".parse().unwrap();
        let at = |host: &str, port| Some((host.to_owned(), port));
        for (name, server) in [
            ("nearhand-host-482913705", None),
            ("nearhand-host-482913705.exe", None),
            ("nearhand-host-482913705 (1).exe", None),
            ("nearhand-host-482913705(2)", None),
            ("nearhand-host-482913705@help.example.com", at("help.example.com", None)),
            ("nearhand-host-482913705@help.example.com.exe", at("help.example.com", None)),
            ("nearhand-host-482913705@help.example.com_8443 (1).exe", at("help.example.com", Some(8443))),
            ("nearhand-host-482913705@127.0.0.1_8080", at("127.0.0.1", Some(8080))),
            ("nearhand-host-482913705@evil/../x", None),
            ("nearhand-host-482913705@host_99999", None),
        ] {
            assert_eq!(NamedDownload::from_file_name(name), Some(NamedDownload { code, server }), "{name}");
        }
        for name in
            ["nearhand-host", "nearhand-host-12345678", "nearhand-host-4829137051", "other-482913705", ""]
        {
            assert_eq!(NamedDownload::from_file_name(name), None, "{name}");
        }
        let name = NamedDownload::file_name(code, "help.example.com", Some(8443), ".exe");
        assert_eq!(name, "nearhand-host-482913705@help.example.com_8443.exe");
    }
}
