//! A certificate that the server makes for itself, for trial: whoever compares its SHA-256 may believe it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use tracing::warn;

use super::{Facts, TlsError, certified, facts, provider, read_kept};
use crate::config::Config;
use crate::key::{create_folder, write_private};

/// Key and certificate together.
const FILE: &str = "self-signed.pem";
/// The certificate alone, for those who import it; never read again.
const FOR_OTHERS: &str = "self-signed.crt";
/// How long it holds: as long as systems believe one at most that was imported by hand.
const HOLDS_FOR: Duration = Duration::from_hours(24 * 397);
/// One that is kept is replaced at the start when it holds no longer than this.
const SOON: Duration = Duration::from_hours(24 * 30);

/// The kept certificate if it is still good, or a new one. Says in the log what it is known by.
pub fn load_or_make(names: &[String], state: Option<&Path>) -> Result<Arc<CertifiedKey>, TlsError> {
    let kept = state.map(|state| read_kept(&state.join(FILE))).transpose()?.flatten();
    let still_good = kept.filter(|key| {
        let facts = key.cert.first().and_then(|certificate| Facts::of(certificate).ok());
        facts.is_some_and(|facts| facts.is_for(names) && facts.until > SystemTime::now() + SOON)
    });
    let key = match still_good {
        Some(key) => key,
        None => make(names, state)?,
    };
    let sha256 = key.cert.first().map(facts::sha256).unwrap_or_default();
    if let Some(state) = state {
        let file = state.join(FOR_OTHERS);
        let file = file.display();
        warn!(sha256, %file, "for trial: the certificate is this server's own; compare it, or import the file");
    } else {
        warn!(
            sha256,
            "for trial: the certificate is this server's own, and another at each start; --state DIR keeps it"
        );
    }
    Ok(key)
}

/// Every name under which a server with this configuration can be called, sorted.
pub fn names(config: &Config, given: &[String]) -> Vec<String> {
    let mut names = given.to_vec();
    names.push("localhost".into());
    names.extend([Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()]);
    let listen = config.listen.ip();
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    if let Some(host) = config.public_url.as_ref().and_then(|url| url.host_str()) {
        names.push(host.trim_matches(['[', ']']).to_ascii_lowercase());
    }
    // As they are written: 0:0:0:0:0:0:0:1 and ::1 are one name.
    let mut names: Vec<_> = names
        .into_iter()
        .map(|name| name.parse::<IpAddr>().map_or(name, |address| address.to_string()))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn make(names: &[String], state: Option<&Path>) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "Nearhand, self-signed");
    // A clock that is a little behind must not refuse it.
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_hours(24)).into();
    params.not_after = (now + HOLDS_FOR).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    if let Some(state) = state {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |error| TlsError::Io { action, path, error }
        };
        create_folder(state).map_err(io("create the folder", state))?;
        let both = format!("{}{}", key.serialize_pem(), certificate.pem());
        let path = state.join(FILE);
        write_private(&path, both.as_bytes()).map_err(io("write", &path))?;
        let path = state.join(FOR_OTHERS);
        std::fs::write(&path, certificate.pem()).map_err(io("write", &path))?;
    }
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    certified(vec![certificate.der().clone()], key)
}

/// The certificate of a challenge (RFC 8737, 3): the name, and what only the account's owner can compute.
pub(crate) fn for_challenge(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider().key_provider.load_private_key(key).map_err(TlsError::Unusable)?;
    // Not `certified`: it does not know the extension, which must be critical, and would refuse.
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn config(given: &[&str]) -> Config {
        use clap::Parser as _;

        let token = ["nearhand", "--technician-token", "0123456789abcdef"];
        Config::from_options(crate::config::Options::parse_from(token.iter().chain(given))).unwrap()
    }

    #[test]
    fn it_has_every_name_that_the_server_goes_by() {
        let own = ["127.0.0.1", "::1", "localhost"];
        assert_eq!(names(&config(&[]), &[]), own);
        let listen = ["--listen", "192.0.2.1:443", "--tls-self-signed", "--public-url", "https://box.lan"];
        let given = ["0:0:0:0:0:0:0:1".to_owned(), "a.example".to_owned()];
        assert_eq!(
            names(&config(&listen), &given),
            ["127.0.0.1", "192.0.2.1", "::1", "a.example", "box.lan", "localhost"]
        );
    }

    #[test]
    fn it_is_kept_while_it_fits() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first_names = ["::1".to_owned(), "localhost".to_owned()];
        let first = load_or_make(&first_names, Some(&state)).unwrap();
        assert_eq!(load_or_make(&first_names, Some(&state)).unwrap().cert, first.cert);
        let exported = CertificateDer::from_pem_file(state.join(FOR_OTHERS)).unwrap();
        assert_eq!([exported], first.cert[..]);
        let mode = |name| std::fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(FILE), 0o600);

        let second = load_or_make(&["localhost".to_owned()], Some(&state)).unwrap();
        assert_ne!(second.cert, first.cert);
        std::fs::set_permissions(state.join(FILE), std::fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = load_or_make(&["localhost".to_owned()], Some(&state));
        assert!(matches!(exposed, Err(TlsError::Exposed { .. })));
        assert_ne!(load_or_make(&first_names, None).unwrap().cert, first.cert);
    }
}
