//! `/api/downloads`, `/download/{file}`: the host programs.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;
use tracing::error;

use crate::app::App;
use crate::error::WebError;

pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, WebError> {
    let listed = tokio::task::spawn_blocking(move || app.downloads.list()).await;
    match listed {
        Ok(Ok(downloads)) => Ok(Json(json!({ "downloads": downloads }))),
        Ok(Err(reason)) => {
            error!(%reason, "can't read the folder of downloads");
            Err(WebError::Internal)
        }
        Err(reason) => {
            error!(%reason, "listing the downloads failed");
            Err(WebError::Internal)
        }
    }
}

pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, WebError> {
    let path = app.downloads.path(&name).ok_or(WebError::NotFound)?;
    let file = tokio::fs::File::open(&path).await.map_err(|_| WebError::NotFound)?;
    let length = file.metadata().await.map_err(|_| WebError::NotFound)?.len();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024))).into_response())
}
