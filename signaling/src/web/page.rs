//! How a page of `static/pages/` becomes an answer: in the language of whoever asks.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::language;
use crate::assets;
use crate::error::WebError;

/// What the answer depends on, beside the address.
const VARY: &str = "accept-encoding, accept-language, cookie";

/// The page with this name, for a request with these headers.
pub(super) fn answer(name: &'static str, headers: &HeaderMap) -> Response {
    find(name, headers, headers).unwrap_or_else(|| WebError::PageMissing(name).into_page())
}

/// The page whole, whatever of it the browser has already.
pub(super) fn anew(name: &'static str, headers: &HeaderMap) -> Option<Response> {
    find(name, headers, &HeaderMap::new())
}

fn find(name: &str, asks: &HeaderMap, has: &HeaderMap) -> Option<Response> {
    let language = language::of(asks);
    let mut response = assets::find(&format!("/pages/{language}/{name}.html"))?.answer(has, None);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    Some(response)
}
