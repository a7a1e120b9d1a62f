//! What a certificate says about itself.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::TlsError;

/// Names and times of a certificate (RFC 5280).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The hosts and addresses that it is for, sorted.
    pub names: Vec<String>,
    /// From when it holds.
    pub from: SystemTime,
    /// Until when it holds.
    pub until: SystemTime,
}

impl Facts {
    /// Of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let malformed = |error: String| TlsError::Malformed(error);
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| malformed(error.to_string()))?;
        let names = parsed.subject_alternative_name().map_err(|error| malformed(error.to_string()))?;
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let mut names: Vec<_> = names.iter().filter_map(name).collect();
        names.sort();
        let validity = parsed.validity();
        Ok(Self {
            names,
            from: time(validity.not_before.timestamp()),
            until: time(validity.not_after.timestamp()),
        })
    }

    /// Whether it is for these names and no other.
    pub fn is_for(&self, names: &[String]) -> bool {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        self.names == names
    }

    /// When a third of its time is left, as Let's Encrypt advises: early enough for many attempts, also for one that
    /// holds six days only.
    pub fn renew_at(&self) -> SystemTime {
        self.from + self.until.duration_since(self.from).unwrap_or_default() * 2 / 3
    }
}

/// The SHA-256 of a certificate as people compare it: pairs of hexadecimal digits with colons.
pub fn sha256(certificate: &CertificateDer<'_>) -> String {
    let digits: Vec<_> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    digits.join(":")
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let address = match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from),
            };
            address.map(|address| address.to_string())
        }
        _ => None,
    }
}

/// A time before 1970 is none that a certificate of today has.
fn time(unix_seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_are_read() {
        let names = ["help.example.com", "192.0.2.1", "2001:db8::1", "a.example"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names.to_vec()).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let facts = Facts::of(certificate.der()).unwrap();
        assert!(facts.is_for(&names), "{facts:?}");
        assert!(!facts.is_for(&names[1..]));
        let day = Duration::from_hours(24);
        assert_eq!(facts.until.duration_since(facts.from).unwrap(), 90 * day);
        assert_eq!(facts.renew_at(), facts.from + 60 * day);
        assert!(Facts::of(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])).is_err());
    }

    #[test]
    fn the_sum_is_written_as_people_know_it() {
        let sum = sha256(&CertificateDer::from(b"abc".to_vec()));
        assert!(sum.starts_with("BA:78:16:BF:") && sum.len() == 95, "{sum}");
    }
}
