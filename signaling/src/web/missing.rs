//! Every address that there is not.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use crate::assets;
use crate::error::WebError;

pub(super) async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wants_page = accept.contains("text/html") && !uri.path().starts_with("/api/");
    match assets::find("/pages/not-found.html").filter(|_| wants_page) {
        Some(page) => {
            // Not the headers of the request: whoever has the page already must be told 404 all the same.
            let mut response = page.answer(&HeaderMap::new(), None);
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        None => WebError::NotFound.into_response(),
    }
}

pub(super) async fn method() -> Response {
    WebError::WrongMethod.into_response()
}
