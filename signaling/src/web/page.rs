//! How a page of `static/pages/` becomes an answer.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::assets;
use crate::error::WebError;

/// The page at this address of the table of assets.
pub(super) fn answer(address: &'static str, headers: &HeaderMap) -> Response {
    match assets::find(address) {
        Some(page) => page.answer(headers, None),
        None => WebError::PageMissing(address).into_page(),
    }
}
