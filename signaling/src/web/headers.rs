//! What every answer says to browsers about itself, errors and missing pages included.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::error::WebError;

/// How long a request, with its body, may take until its answer begins.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Headers that never change.
///
/// The referrer policy is not `no-referrer`: under that one, browsers send `Origin: null` with the forms of our own pages
/// (Fetch standard, "append a request Origin header"), and could not be told from another site's.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), serial=(), hid=(), \
         midi=(), browsing-topics=()",
    ),
];

/// Runs around every handler.
pub(super) async fn secure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // What streams has answered by then; what is still awaited is a body that does not come.
    let answered = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| WebError::Timeout.into_response());
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(&app)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if app.https {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn content_security_policy(app: &App) -> String {
    let mut policy = String::from(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob: mediastream:; font-src 'self'; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'; connect-src 'self'",
    );
    // Safari before 15.4 does not count WebSockets among 'self'.
    for origin in app.origins.websockets() {
        policy.push(' ');
        policy.push_str(&origin);
    }
    policy
}
