//! `/static/…`, `/viewer/…`: what is embedded in the program.

use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::missing;
use crate::assets;

/// The table of assets has exact addresses, so there is no way out of it.
pub(super) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    match assets::find(uri.path()) {
        Some(asset) => asset.answer(&headers, uri.query()),
        None => missing::page(uri, headers).await,
    }
}

/// Browsers ask for it whatever the page says.
pub(super) async fn icon(uri: Uri, headers: HeaderMap) -> Response {
    match assets::find("/static/favicon.svg") {
        Some(asset) => asset.answer(&headers, None),
        None => missing::page(uri, headers).await,
    }
}
