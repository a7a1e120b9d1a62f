//! One order (RFC 8555, 7.4): the authority looks whether the names lead here (RFC 8737), then it gives a certificate.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::AcmeError;
use super::http::Https;
use crate::key::write_private;
use crate::tls::self_signed::for_challenge;
use crate::tls::{Shown, TlsError, certified};

/// How long the authority may take to look, and again to sign.
const DECIDES_WITHIN: Duration = Duration::from_mins(3);

/// Gets a certificate for these names and keeps it, with its key, in this file.
pub(super) async fn fulfil(
    account: &Account,
    domains: &[String],
    shown: &Arc<Shown>,
    https: &Https,
    path: &Path,
) -> Result<Arc<CertifiedKey>, AcmeError> {
    let failed = |error| AcmeError::of(error, https.retry_at());
    let identifiers: Vec<_> = domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(failed)?;
    let patience = RetryPolicy::new().timeout(DECIDES_WITHIN);
    {
        // Answered until the authority has decided.
        let _challenges = answer_challenges(&mut order, shown, https).await?;
        match order.poll_ready(&patience).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(why_refused(&mut order, https).await),
            Err(error) => {
                // The order says less than what it was about.
                let general = failed(error);
                return Err(match why_refused(&mut order, https).await {
                    AcmeError::Refused { .. } => general,
                    exact => exact,
                });
            }
        }
    }
    let key = order.finalize().await.map_err(failed)?;
    let chain = order.poll_certificate(&patience).await.map_err(failed)?;
    let both = format!("{key}{chain}");
    let certified = read(&key, &chain)?;
    write_private(path, both.as_bytes()).map_err(|error| TlsError::Io {
        action: "write",
        path: path.to_owned(),
        error,
    })?;
    Ok(certified)
}

/// Shows the authority what it will look for, and tells it to look.
async fn answer_challenges(
    order: &mut Order,
    shown: &Arc<Shown>,
    https: &Https,
) -> Result<Vec<crate::tls::shown::Challenge>, AcmeError> {
    let failed = |error| AcmeError::of(error, https.retry_at());
    let mut answered = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        // It may remember from an earlier order that the name leads here.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeError::NoChallenge { name });
        };
        let key = for_challenge(&name, challenge.key_authorization().digest().as_ref())?;
        answered.push(shown.challenge(&name, key));
        challenge.set_ready().await.map_err(failed)?;
    }
    Ok(answered)
}

/// What the authority did not like, by the name that it looked at.
async fn why_refused(order: &mut Order, https: &Https) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { continue };
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            return AcmeError::of_problem(problem, Some(&name), https.retry_at());
        }
    }
    AcmeError::Refused { said: "it gave no reason".into() }
}

fn read(key: &str, chain: &str) -> Result<Arc<CertifiedKey>, AcmeError> {
    let nonsense = |error: rustls::pki_types::pem::Error| AcmeError::Nonsense(error.to_string());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(nonsense)?;
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(nonsense)?;
    if chain.is_empty() {
        return Err(AcmeError::Nonsense("a chain without a certificate".into()));
    }
    Ok(certified(chain, key)?)
}
