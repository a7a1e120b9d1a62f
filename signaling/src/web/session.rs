//! `/session/{session}`: the tab in which the technician sees the customer's screen.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use nearhand_protocol::id::SessionId;

use super::page;
use crate::app::App;
use crate::assets;
use crate::error::WebError;

/// The page says itself, in its own words, when the session is over or another's: then its WebSocket is turned away.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Response {
    if session.parse::<SessionId>().is_err() {
        return WebError::NotFound.into_response();
    }
    // Where the tab's code comes from elsewhere, it must not come from here by an old link. The desk knows the way.
    if app.origins.viewer().is_some() {
        return Redirect::to("/desk").into_response();
    }
    if !assets::has_viewer() {
        return WebError::ViewerNotBuilt.into_page();
    }
    page::answer("session", &headers)
}
