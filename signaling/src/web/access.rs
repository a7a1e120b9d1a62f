//! The one place that decides who may ask for what: by the matched address and by where the request comes from.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::request::{COOKIE, ClientAddress, Identity, PeerAddress, cookie};
use crate::app::App;
use crate::error::WebError;
use crate::origin::Origin;

/// What an address asks of whoever wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing; the handler may ask for more itself.
    Nothing,
    /// A sign-in; a browser is sent to the page for it.
    SignInPage,
    /// A sign-in.
    SignIn,
}

/// Deny by default: an address that is not listed needs a sign-in.
fn need(matched: &str) -> Need {
    match matched {
        "/"
        | "/sign-in"
        | "/sign-out"
        | "/language"
        | "/healthz"
        | "/favicon.ico"
        | "/static/{*path}"
        | "/viewer/{file}"
        | "/download/{file}"
        | "/api/downloads"
        | "/api/nameplates/{nameplate}"
        // The customer's program shows a code; the technician's tab is asked for its sign-in by its first message.
        | "/ws/host"
        | "/ws/viewer" => Need::Nothing,
        "/desk" | "/session/{session}" => Need::SignInPage,
        _ => Need::SignIn,
    }
}

/// Runs before every handler.
pub(super) async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let matched = matched.unwrap_or_default();
    let address = client_address(&app, &request);
    let mut identity = match Identity::of(&app, request.headers(), address) {
        Ok(identity) => identity,
        Err(error) => return error.into_response(),
    };
    let origin = app.origins.of(request.headers());
    if !origin_is_right(origin, &matched, request.method(), request.headers(), identity) {
        return WebError::ForeignOrigin.into_response();
    }
    if origin == Origin::Viewer {
        // Browsers send the cookie along where the two origins are of one site. It was given to our own pages.
        identity = identity.without_cookie();
    }
    match (need(&matched), identity.person()) {
        (Need::Nothing, _) | (_, Some(_)) => {}
        (Need::SignInPage, None) => return to_sign_in(request.uri()),
        (Need::SignIn, None) => return WebError::NotSignedIn.into_response(),
    }
    request.extensions_mut().insert(address);
    request.extensions_mut().insert(identity);
    next.run(request).await
}

/// A browser tells the page behind every WebSocket and every request that changes something; another site's page must
/// not act with the technician's cookie.
fn origin_is_right(
    origin: Origin,
    matched: &str,
    method: &Method,
    headers: &HeaderMap,
    identity: Identity,
) -> bool {
    match matched {
        "/ws/viewer" => matches!(origin, Origin::Own | Origin::Viewer),
        "/ws/host" => matches!(origin, Origin::Own | Origin::Missing),
        _ if matches!(*method, Method::GET | Method::HEAD) => true,
        _ => match origin {
            Origin::Own => true,
            Origin::Viewer | Origin::Foreign => false,
            // No browser; but a cookie is only believed with the origin of its page.
            Origin::Missing => matches!(identity, Identity::Bearer(_)) || cookie(headers, COOKIE).is_none(),
        },
    }
}

fn to_sign_in(uri: &Uri) -> Response {
    let next: String = url::form_urlencoded::byte_serialize(uri.path().as_bytes()).collect();
    Redirect::to(&format!("/sign-in?next={}", next.replace("%2F", "/"))).into_response()
}

/// Who asks. Behind a proxy that is the last address that the proxy has added to `X-Forwarded-For`; everything before
/// it was said by the client and may be made up.
fn client_address(app: &App, request: &Request) -> ClientAddress {
    let peer = request.extensions().get::<PeerAddress>();
    let peer = peer.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip());
    if !app.behind_proxy {
        return ClientAddress(peer);
    }
    let forwarded = request.headers().get_all(header::HeaderName::from_static("x-forwarded-for"));
    let last = forwarded.iter().next_back().and_then(|value| value.to_str().ok());
    let last = last.and_then(|value| value.rsplit(',').next()).and_then(|value| value.trim().parse().ok());
    ClientAddress(last.unwrap_or(peer))
}
