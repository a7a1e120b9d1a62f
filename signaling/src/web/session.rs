//! `/session/{session}`: the tab in which the technician sees the customer's screen.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use nearhand_protocol::id::SessionId;

use super::page;
use crate::assets;
use crate::error::WebError;

/// The page says itself, in its own words, when the session is over or another's: then its WebSocket is turned away.
pub(super) async fn page(Path(session): Path<String>, headers: HeaderMap) -> Response {
    if session.parse::<SessionId>().is_err() {
        return WebError::NotFound.into_response();
    }
    if !assets::has_viewer() {
        return WebError::ViewerNotBuilt.into_page();
    }
    page::answer("/pages/session.html", &headers)
}
