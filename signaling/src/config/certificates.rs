//! Where the server's certificate comes from: reads the options about TLS and says what is wrong with them.

use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use super::Options;

/// Asked where the operator names no other: Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Longest name of a host, in bytes (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// Where certificate and key come from.
#[derive(Clone, Debug)]
pub enum TlsSource {
    /// Somebody else makes and renews them.
    Files(TlsFiles),
    /// A certificate authority that speaks ACME (RFC 8555).
    Acme(AcmeOptions),
    /// The server vouches for itself under these names, beside those that it always has: for trial.
    SelfSigned(Vec<String>),
}

/// Files in PEM form.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those between it and its root.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate authority, and what it is asked for.
#[derive(Clone, Debug)]
pub struct AcmeOptions {
    /// The names of the server; never empty.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as `mailto:` addresses.
    pub contacts: Vec<String>,
    /// Where its API begins.
    pub directory: Url,
    /// What the API's own certificate is checked with; `None`: the system's store.
    pub ca: Option<PathBuf>,
}

/// What the options say about TLS; `None`: plain HTTP.
pub(super) fn source(options: &Options, problems: &mut Vec<String>) -> Option<TlsSource> {
    let files = files(options.tls_cert.clone(), options.tls_key.clone(), problems);
    let acme = acme(options, problems);
    let self_signed = options.tls_self_signed.as_deref().map(|name| self_signed(name, problems));
    let mut sources: Vec<_> = files.into_iter().chain(acme).chain(self_signed).collect();
    if sources.len() > 1 {
        problems.push(
            "--tls-cert, --tls-acme and --tls-self-signed are three ways to the same thing: choose one of them"
                .into(),
        );
    }
    // The first is enough not to report plain HTTP as well.
    (!sources.is_empty()).then(|| sources.swap_remove(0))
}

fn files(
    certificates: Option<PathBuf>,
    key: Option<PathBuf>,
    problems: &mut Vec<String>,
) -> Option<TlsSource> {
    match (&certificates, &key) {
        (None, None) => return None,
        (Some(_), Some(_)) => {}
        (Some(_), None) => problems.push("--tls-cert needs --tls-key, the private key in PEM form".into()),
        (None, Some(_)) => {
            problems.push("--tls-key needs --tls-cert, the certificate chain in PEM form".into());
        }
    }
    // Half of it is enough not to report plain HTTP as well.
    let (certificates, key) = (certificates.unwrap_or_default(), key.unwrap_or_default());
    Some(TlsSource::Files(TlsFiles { certificates, key }))
}

fn acme(options: &Options, problems: &mut Vec<String>) -> Option<TlsSource> {
    let domains: Vec<_> = given(&options.tls_acme).map(str::to_ascii_lowercase).collect();
    if domains.is_empty() {
        for (option, is_given) in [
            ("--tls-acme-contact", given(&options.tls_acme_contacts).next().is_some()),
            ("--tls-acme-directory", options.tls_acme_directory.is_some()),
            ("--tls-acme-ca", options.tls_acme_ca.is_some()),
        ] {
            if is_given {
                problems.push(format!("{option} needs --tls-acme, the server's name: help.example.com"));
            }
        }
        return None;
    }
    for domain in &domains {
        if domain.starts_with("*.") {
            problems.push(format!(
                "--tls-acme {domain}: a certificate for all names below one can't be had over port 443; name each of them"
            ));
        } else if !is_domain(domain) {
            problems.push(format!(
                "--tls-acme {domain:?} is no name of a host that others can look up; write for example help.example.com"
            ));
        }
    }
    if options.state.is_none() {
        problems.push(
            "--tls-acme needs --state, a folder for the certificate: authorities give only a few a week for a name, and \
             without it each start would ask for another"
                .into(),
        );
    }
    let contacts = given(&options.tls_acme_contacts).filter_map(|contact| {
        let contact = contact.strip_prefix("mailto:").unwrap_or(contact);
        let sound = contact.split_once('@').is_some_and(|(name, host)| !name.is_empty() && is_host(host))
            && !contact.contains([' ', ',', '?']);
        if !sound {
            problems.push(format!(
                "--tls-acme-contact {contact:?} is no mail address; write for example admin@example.com"
            ));
        }
        sound.then(|| format!("mailto:{contact}"))
    });
    let contacts = contacts.collect();
    let directory = options.tls_acme_directory.as_deref().unwrap_or(LETS_ENCRYPT);
    let parsed = Url::parse(directory).ok().filter(|url| url.scheme() == "https" && url.has_host());
    if parsed.is_none() {
        problems.push(format!(
            "--tls-acme-directory {directory:?}: write where the authority's API begins, with https: {LETS_ENCRYPT}"
        ));
    }
    // With a problem there is no configuration, but something must stand here.
    let directory = parsed.or_else(|| Url::parse(LETS_ENCRYPT).ok())?;
    Some(TlsSource::Acme(AcmeOptions { domains, contacts, directory, ca: options.tls_acme_ca.clone() }))
}

fn self_signed(name: &str, problems: &mut Vec<String>) -> TlsSource {
    let names: Vec<_> = name.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in &names {
        if name.parse::<IpAddr>().is_err() && !is_host(name) {
            problems.push(format!(
                "--tls-self-signed {name:?} is neither a host's name nor an address; write for example help.example.com, \
                 or nothing"
            ));
        }
    }
    TlsSource::SelfSigned(names.into_iter().map(str::to_ascii_lowercase).collect())
}

/// Several values of an option, without empty ones, which a variable that is set to nothing leaves.
fn given(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// A name that an authority could vouch for: with a dot in it, and no address.
fn is_domain(name: &str) -> bool {
    is_host(name)
        && name.contains('.')
        // The last label of an address is a number.
        && !name.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()))
}

/// A host's name as certificates have it (RFC 5280, 4.2.1.6): letters, digits and hyphens, in labels of up to 63.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_HOST && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_is_called() {
        for (name, host, domain) in [
            ("help.example.com", true, true),
            ("xn--bcher-kva.example", true, true),
            ("a-1.b2", true, true),
            ("localhost", true, false),
            ("192.0.2.1", true, false),
            ("help.example.com.", false, false),
            ("-a.example", false, false),
            ("a_b.example", false, false),
            ("bücher.example", false, false),
            ("a..example", false, false),
            ("2001:db8::1", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_host(name), is_domain(name)), (host, domain), "{name:?}");
        }
        assert!(!is_host(&"a".repeat(64)) && !is_host(&"a.".repeat(127)));
    }
}
