//! The end of a session: everything is let go first, then both ends are told, all of it within two seconds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nearhand_protocol::channel::Channel;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::signal::{HostToServer, ServerToHost};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Driver, DriverError};
use crate::rtc::Transport;
use crate::signal;

/// For the last word on the control channel to reach the technician's tab.
const LAST_WORD: Duration = Duration::from_millis(400);
/// For closing a peer connection.
const CLOSE: Duration = Duration::from_millis(500);
/// For the server's own word that the technician ended it.
const SERVER: Duration = Duration::from_millis(500);
/// For our last message to the server.
const GOODBYE: Duration = Duration::from_millis(500);

impl Driver {
    /// The receivers of the threads must be gone: a thread that waits for room in them could not be joined.
    pub(super) async fn end(
        self,
        reason: CloseReason,
        server: mpsc::Receiver<signal::Event>,
    ) -> Result<CloseReason, DriverError> {
        let Self {
            mut ui,
            signal,
            video,
            input,
            files,
            seats,
            mut closing,
            broken,
            server_done,
            listening,
            ..
        } = self;
        // Keys and pixels first, whatever the network does.
        drop(listening);
        drop(input);
        drop(video);
        ui.stop();

        let told_by_technician = reason == CloseReason::TechnicianEnded && !server_done;
        let farewell = async {
            let peers = seats.into_values().filter_map(|seat| seat.peer);
            join_all(peers.map(|peer| part(peer.transport))).await;
            let _ = timeout(CLOSE, async { while closing.join_next().await.is_some() {} }).await;
        };
        let goodbye = async {
            let mut server = server;
            // The technician tells the server as well; only where that fails it is on us.
            if told_by_technician && timeout(SERVER, ended(&mut server)).await.is_err() {
                signal.send(HostToServer::End { reason: CloseReason::CustomerEnded });
            }
            signal.finish(GOODBYE).await;
        };
        tokio::join!(farewell, goodbye, files.finish(CLOSE));
        match broken {
            Some(error) => Err(error),
            None => Ok(reason),
        }
    }
}

/// Closes a connection, once its last word is out.
pub(super) async fn part(transport: Arc<dyn Transport>) {
    let spoken = async {
        while transport.buffered(Channel::Control) > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = timeout(LAST_WORD, spoken).await;
    let _ = timeout(CLOSE, transport.close()).await;
}

/// Waits until the server says that it is over.
async fn ended(server: &mut mpsc::Receiver<signal::Event>) {
    while let Some(event) = server.recv().await {
        if matches!(event, signal::Event::Message(ServerToHost::End { .. }) | signal::Event::Failed(_)) {
            return;
        }
    }
}
