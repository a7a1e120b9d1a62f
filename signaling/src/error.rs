//! What goes wrong on the way to an answer, and the one place where it becomes a status, a machine code and words.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::registry::CreateError;
use crate::throttle::Throttled;

/// Why a request is not answered as it wished.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Nothing is there, or it is none of the asker's business.
    #[error("there is nothing at this address")]
    NotFound,
    /// The code was never given, is used, or is too late.
    #[error("no session waits for this code")]
    UnknownCode,
    /// It needs a sign-in.
    #[error("sign in first")]
    NotSignedIn,
    /// The page that sent it is not one of this server's.
    #[error("this request came from a page of another site")]
    ForeignOrigin,
    /// The address is right, the method is not.
    #[error("this address does not take this method")]
    WrongMethod,
    /// Its body did not come in time.
    #[error("the request did not come in time")]
    Timeout,
    /// The connection must become a WebSocket.
    #[error("this address speaks WebSocket only")]
    NotWebSocket,
    /// Too many failures.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// No session could be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The session page is missing in this build.
    #[error("the viewer is not built into this server: cargo xtask viewer, then build the server again")]
    ViewerNotBuilt,
    /// A page is missing in this build.
    #[error("the page {0} is not built into this server")]
    PageMissing(&'static str),
    /// Something of this machine failed. Details go to the log only.
    #[error("the server failed; its log says how")]
    Internal,
}

impl WebError {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::UnknownCode => StatusCode::NOT_FOUND,
            Self::NotSignedIn => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Create(CreateError::Full | CreateError::Stopping)
            | Self::ViewerNotBuilt
            | Self::PageMissing(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Create(CreateError::Random) | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::UnknownCode => "unknown_code",
            Self::NotSignedIn => "not_signed_in",
            Self::ForeignOrigin => "foreign_origin",
            Self::WrongMethod => "wrong_method",
            Self::Timeout => "timeout",
            Self::NotWebSocket => "not_websocket",
            Self::Throttled(_) => "too_many_attempts",
            Self::Create(CreateError::Full) => "too_many_sessions",
            Self::Create(CreateError::Stopping) => "server_shutdown",
            Self::Create(CreateError::Random) | Self::Internal => "server_error",
            Self::ViewerNotBuilt => "viewer_not_built",
            Self::PageMissing(_) => "page_missing",
        }
    }

    /// For people, where a page was asked for.
    pub fn into_page(self) -> Response {
        let text = self.to_string();
        (self.status(), [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text + "\n").into_response()
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.code(), "message": self.to_string() }));
        let mut response = (self.status(), body).into_response();
        if let Self::Throttled(Throttled(wait)) = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}
