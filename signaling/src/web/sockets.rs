//! `/ws/host`, `/ws/viewer`: the upgrade to a WebSocket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse as _, Response};

use super::request::{ClientAddress, Identity};
use crate::app::App;
use crate::error::WebError;
use crate::ws::{self, Host, MAX_FRAME, Peer, Side, Viewer};

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

pub(super) async fn host(
    state: State<Arc<App>>,
    address: Extension<ClientAddress>,
    identity: Extension<Identity>,
    upgrade: Upgrade,
) -> Response {
    open::<Host>(state, address, identity, upgrade)
}

pub(super) async fn viewer(
    state: State<Arc<App>>,
    address: Extension<ClientAddress>,
    identity: Extension<Identity>,
    upgrade: Upgrade,
) -> Response {
    open::<Viewer>(state, address, identity, upgrade)
}

fn open<S: Side>(
    State(app): State<Arc<App>>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Extension(identity): Extension<Identity>,
    upgrade: Upgrade,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return WebError::NotWebSocket.into_response();
    };
    let peer = Peer { address, person: identity.person() };
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        // Signals are small and rare: a waiting host costs 10 kB in all, and the default would be 128 KiB each.
        .read_buffer_size(512)
        .write_buffer_size(0)
        .on_upgrade(move |socket| {
            let tasks = app.tasks.clone();
            tasks.track_future(ws::serve::<S>(socket, app, peer))
        })
}
