//! `/desk`: the technician's page.

use axum::http::HeaderMap;
use axum::response::Response;

use super::page;

pub(super) async fn page(headers: HeaderMap) -> Response {
    page::answer("desk", &headers)
}
