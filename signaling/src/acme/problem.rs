//! Why there is no certificate, in words that say what to do.

use std::time::SystemTime;

use instant_acme::{Error, Problem};

use crate::tls::TlsError;

/// What stands between the server and its certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority's API can't be reached.
    #[error(
        "can't reach the certificate authority at {host}: {error}; this server must be able to open connections to it"
    )]
    Unreached {
        /// The authority.
        host: String,
        /// Why not.
        error: String,
    },
    /// The authority's own certificate is none that this server believes.
    #[error(
        "the certificate authority at {host} does not prove that it is the one: {error}; if it is one inside of a company, \
         name the file with its root by --tls-acme-ca"
    )]
    Unproven {
        /// The authority.
        host: String,
        /// Why not.
        error: rustls::Error,
    },
    /// It was asked too often.
    #[error(
        "the authority wants to be asked less often: {said}; for trials there is Let's Encrypt's staging service \
         (nearhand --help, --tls-acme-directory)"
    )]
    TooOften {
        /// In its words.
        said: String,
        /// When it may be asked again.
        retry_at: Option<SystemTime>,
    },
    /// It looked the name up and found nothing that it could connect to.
    #[error(
        "the authority found no address for {name}: {said}; add an A or AAAA record for it that points to this server"
    )]
    NoAddress {
        /// The name.
        name: String,
        /// In its words.
        said: String,
    },
    /// It could not open a connection.
    #[error(
        "the authority could not connect to port 443 of {name}: {said}; that port must lead to this server, through \
         firewalls and port forwarding too"
    )]
    NoConnection {
        /// The name.
        name: String,
        /// In its words.
        said: String,
    },
    /// Something else answered.
    #[error(
        "the authority reached something else on port 443 of {name}: {said}; the name's address must be this server's, \
         and no proxy on the way may end TLS"
    )]
    SomebodyElse {
        /// The name.
        name: String,
        /// In its words.
        said: String,
    },
    /// The owner of the name does not want certificates of this authority.
    #[error(
        "a CAA record of {name} forbids this authority to give a certificate: {said}; change the record, or name \
         another authority with --tls-acme-directory"
    )]
    Forbidden {
        /// The name.
        name: String,
        /// In its words.
        said: String,
    },
    /// It has forgotten the account; another one is made.
    #[error("the authority does not know this server's account any more: {said}")]
    AccountUnknown {
        /// In its words.
        said: String,
    },
    /// It gives no certificates to strangers.
    #[error(
        "the authority takes only accounts that were made with it beforehand, which this server can't use: {said}; \
         use another program for it, and --tls-cert with its files"
    )]
    AccountNeeded {
        /// In its words.
        said: String,
    },
    /// It has no way of looking that this server could answer.
    #[error(
        "the authority does not offer the challenge tls-alpn-01 for {name}, the only one that this server answers"
    )]
    NoChallenge {
        /// The name.
        name: String,
    },
    /// Anything else that it did not like.
    #[error("the authority refused: {said}")]
    Refused {
        /// In its words.
        said: String,
    },
    /// It did not come to an end.
    #[error("the authority did not decide in time; it may be busy")]
    TooSlow,
    /// What it said made no sense.
    #[error("what the authority said could not be understood: {0}; is --tls-acme-directory right?")]
    Nonsense(String),
    /// Something on this side.
    #[error(transparent)]
    Own(#[from] TlsError),
}

impl AcmeError {
    /// What the crate reports; `retry_at` is what the last answer asked for.
    pub(super) fn of(error: Error, retry_at: Option<SystemTime>) -> Self {
        match error {
            Error::Api(problem) => Self::of_problem(&problem, None, retry_at),
            Error::Timeout(_) => Self::TooSlow,
            Error::Other(error) => match error.downcast::<Self>() {
                Ok(own) => *own,
                Err(error) => Self::Nonsense(error.to_string()),
            },
            other => Self::Nonsense(other.to_string()),
        }
    }

    /// What the authority says; `name` is the one that it looked at.
    pub(super) fn of_problem(problem: &Problem, name: Option<&str>, retry_at: Option<SystemTime>) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or_default();
        let said = said(problem);
        match (kind, name.map(str::to_owned)) {
            ("rateLimited", _) => Self::TooOften { said, retry_at },
            ("accountDoesNotExist", _) => Self::AccountUnknown { said },
            ("externalAccountRequired", _) => Self::AccountNeeded { said },
            ("dns", Some(name)) => Self::NoAddress { name, said },
            ("connection", Some(name)) => Self::NoConnection { name, said },
            ("tls" | "unauthorized" | "incorrectResponse", Some(name)) => Self::SomebodyElse { name, said },
            ("caa", Some(name)) => Self::Forbidden { name, said },
            _ => Self::Refused { said },
        }
    }

    /// Whether it counted as an attempt.
    pub(super) const fn was_seen_by_authority(&self) -> bool {
        !matches!(self, Self::Unreached { .. } | Self::Unproven { .. })
    }

    /// Not before this time, says the authority.
    pub(super) const fn retry_at(&self) -> Option<SystemTime> {
        match self {
            Self::TooOften { retry_at, .. } => *retry_at,
            _ => None,
        }
    }
}

/// The authority's words on one line, and not too many of them.
fn said(problem: &Problem) -> String {
    let mut said = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        said.push(' ');
        said.push_str(&part.to_string());
    }
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    let said = said.trim().trim_end_matches('.');
    match problem.r#type.as_deref() {
        _ if !said.is_empty() => said.to_owned(),
        Some(kind) => kind.to_owned(),
        None => "it gave no reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_says_what_to_do() {
        for (kind, words) in [
            ("rateLimited", "staging"),
            ("externalAccountRequired", "--tls-cert"),
            ("accountDoesNotExist", "any more"),
            ("dns", "A or AAAA record"),
            ("connection", "port 443 of a.example"),
            ("tls", "something else"),
            ("unauthorized", "no proxy on the way"),
            ("caa", "CAA record of a.example"),
            ("malformed", "refused: too\u{20}bad"),
        ] {
            let problem = format!(
                r#"{{"type": "urn:ietf:params:acme:error:{kind}", "detail": "too\nbad.", "status": 400}}"#
            );
            let problem: Problem = serde_json::from_str(&problem).unwrap();
            let words_of = AcmeError::of_problem(&problem, Some("a.example"), None).to_string();
            assert!(words_of.contains(words) && words_of.contains("too bad"), "{kind}: {words_of}");
            assert!(!words_of.contains('\n'));
        }
        let silent: Problem = serde_json::from_str("{}").unwrap();
        assert!(AcmeError::of_problem(&silent, None, None).to_string().contains("no reason"));
    }
}
