//! `/healthz`: for whatever watches the server.

pub(super) async fn check() -> &'static str {
    "ok"
}
