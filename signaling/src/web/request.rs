//! Who sends a request: from which address, and signed in as whom.

use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use axum::http::{HeaderMap, header};

use crate::account::PersonId;
use crate::app::App;
use crate::error::WebError;

/// The name of the sign-in cookie.
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
        let cookie = cookie(headers, COOKIE);
        let person = cookie.and_then(|cookie| app.accounts.by_cookie(cookie, SystemTime::now()));
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

/// The value of the cookie with this name (RFC 6265, 5.4).
pub(super) fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Where to go next, if that is a path of this server: a browser must not be sent elsewhere by a link to the sign-in.
/// Browsers read `\` as `/` and drop tabs and line breaks, so none of these may stand in it.
///
/// What follows `#` is not passed on: the last digits of a code stand there, and they are none of the server's business.
pub(super) fn same_origin(next: &str) -> Option<&str> {
    let next = next.split('#').next().unwrap_or_default();
    let sound = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 512
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    sound.then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_never_leaves_the_server() {
        for good in ["/", "/desk", "/session/0123?x=1"] {
            assert_eq!(same_origin(good), Some(good));
        }
        assert_eq!(same_origin("/session/0123#705"), Some("/session/0123"));
        for bad in [
            "",
            "desk",
            "//evil.net",
            "/\\evil.net",
            "\\\\evil.net",
            "https://evil.net",
            "javascript:alert(1)",
            "/\t/evil.net",
            "/a\r\nSet-Cookie: x",
            "/é",
            " /desk",
        ] {
            assert_eq!(same_origin(bad), None, "{bad:?}");
        }
        assert_eq!(same_origin(&format!("/{}", "a".repeat(600))), None);
    }
}
