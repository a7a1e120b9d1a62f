//! `/metrics`, on a port of its own.

use axum::Router;
use axum::http::header;
use axum::routing::get;

use crate::metrics::Metrics;

/// What OpenMetrics calls itself; Prometheus reads it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that there is on that port.
pub fn router(metrics: Metrics) -> Router {
    let numbers = move || async move { ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.text()) };
    Router::new().route("/metrics", get(numbers))
}
