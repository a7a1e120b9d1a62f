//! Everything that is asked for by HTTP: one file for each page and each resource of the API.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{any, delete, get, post};
use axum::{Router, middleware};

use crate::app::App;

mod access;
mod customer;
mod desk;
mod downloads;
mod events;
mod headers;
mod health;
mod language;
mod missing;
mod nameplates;
mod numbers;
mod page;
mod request;
mod session;
mod sessions;
mod sign_in;
mod sockets;
mod static_files;
mod tickets;

pub use numbers::router as numbers_router;
pub use request::PeerAddress;

/// Longest body of a request, in bytes: a form with a token.
const MAX_BODY: usize = 16 * 1024;

/// All addresses. Who may use which stands in [`access`]; an address that is not named there needs a sign-in.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(customer::page))
        .route("/desk", get(desk::page))
        .route("/session/{session}", get(session::page))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/language", post(language::choice))
        .route("/api/sessions", get(sessions::list).post(sessions::create))
        .route("/api/sessions/events", get(events::stream))
        .route("/api/sessions/{session}", delete(sessions::end))
        .route("/api/sessions/{session}/tickets", post(tickets::issue))
        .route("/api/nameplates/{nameplate}", get(nameplates::look_up))
        .route("/api/downloads", get(downloads::list))
        .route("/download/{file}", get(downloads::file))
        .route("/healthz", get(health::check))
        .route("/favicon.ico", get(static_files::icon))
        .route("/static/{*path}", get(static_files::file))
        .route("/viewer/{file}", get(static_files::file))
        .route("/ws/host", any(sockets::host))
        .route("/ws/viewer", any(sockets::viewer))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), access::guard))
        .fallback(missing::page)
        .method_not_allowed_fallback(missing::method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), headers::secure))
        .with_state(app)
}
