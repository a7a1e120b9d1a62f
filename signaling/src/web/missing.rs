//! Every address that there is not.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use super::page;
use crate::error::WebError;

pub(super) async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wants_page = accept.contains("text/html") && !uri.path().starts_with("/api/");
    // Whoever has the page already must be told 404 all the same.
    match page::anew("not-found", &headers).filter(|_| wants_page) {
        Some(mut page) => {
            *page.status_mut() = StatusCode::NOT_FOUND;
            page
        }
        None => WebError::NotFound.into_response(),
    }
}

pub(super) async fn method() -> Response {
    WebError::WrongMethod.into_response()
}
