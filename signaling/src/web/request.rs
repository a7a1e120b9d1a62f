//! Who sends a request: from which address, and signed in as whom.

use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use axum::http::{HeaderMap, header};

use crate::account::PersonId;
use crate::app::App;
use crate::error::WebError;

/// The name of the cookie.
pub(super) const COOKIE: &str = "nearhand";

/// The other end of the TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Who asks, also through a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// As whom somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Nobody in particular.
    Nobody,
    /// Signed in, as the cookie shows that the browser sends with everything.
    Cookie(PersonId),
    /// Signed in, as the token shows that a program sends on purpose.
    Bearer(PersonId),
}

impl Identity {
    pub(super) fn of(app: &App, headers: &HeaderMap, address: ClientAddress) -> Result<Self, WebError> {
        if let Some(token) = bearer(headers) {
            let person = || app.accounts.by_token(token);
            let person = app.sign_in_throttle.attempt(address.0, Instant::now(), person)?;
            return person.map(Self::Bearer).ok_or(WebError::NotSignedIn);
        }
        let person = cookie(headers).and_then(|cookie| app.accounts.by_cookie(cookie, SystemTime::now()));
        Ok(person.map_or(Self::Nobody, Self::Cookie))
    }

    /// The same, where a cookie counts for nothing.
    pub(super) const fn without_cookie(self) -> Self {
        match self {
            Self::Cookie(_) => Self::Nobody,
            other => other,
        }
    }

    pub(super) const fn person(self) -> Option<PersonId> {
        match self {
            Self::Nobody => None,
            Self::Cookie(person) | Self::Bearer(person) => Some(person),
        }
    }
}

/// The value of the sign-in cookie (RFC 6265, 5.4).
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
