//! Clients that come over a connection, TCP or TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::departures::{Outbox, Way, with_desk};
use super::flow::Flow;
use super::framing::{self, Next};
use super::relay::Relay;
use crate::metrics::{Kind, Loss};

/// How long a connection may take to get its allocation.
const SEATED_WITHIN: Duration = Duration::from_secs(10);
/// How long a client may leave unread what is written for it.
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// What is read at once, in bytes, of a client that has an allocation.
const READ: usize = 32 * 1024;
/// And of a stranger, of whom there may be many.
const READ_OF_STRANGER: usize = 2 * 1024;
/// How long the last words have to go out.
const LINGER: Duration = Duration::from_secs(1);

impl Relay {
    /// Serves one connection to its end: that of its allocation, or of the patience for one.
    pub async fn serve(self: &Arc<Self>, stream: impl AsyncRead + AsyncWrite, peer: SocketAddr) {
        let _counted = self.metrics().connection(Kind::Turn);
        let peer = super::canonical(peer);
        let outbox = Arc::new(Outbox::default());
        let mut stranger = self.stranger(peer.ip());
        if stranger.is_none() {
            return;
        }
        let flow = Flow::new(self, peer, Way::Stream(Arc::clone(&outbox)));
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = async {
            let patience = sleep(SEATED_WITHIN);
            tokio::pin!(patience);
            let mut buffer = BytesMut::new();
            loop {
                buffer.reserve(if flow.is_seated() { READ } else { READ_OF_STRANGER });
                let read = tokio::select! {
                    read = reader.read_buf(&mut buffer) => read,
                    () = &mut patience, if !flow.is_seated() => return,
                    () = flow.ended(), if flow.is_seated() => return,
                };
                if !matches!(read, Ok(1..)) || !self.take_frames(&flow, &mut buffer) || flow.has_ended() {
                    return;
                }
                if flow.is_seated() {
                    stranger = None;
                }
            }
        };
        let writing = async {
            let mut bytes = Vec::new();
            loop {
                outbox.take(&mut bytes).await;
                let written = timeout(WRITE_WITHIN, async {
                    writer.write_all(&bytes).await?;
                    writer.flush().await
                });
                if !matches!(written.await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        let mut writing = std::pin::pin!(writing);
        tokio::select! {
            () = reading => {
                // The answer to the last request may still be on its way out.
                let _gone_anyway = timeout(LINGER, async {
                    tokio::select! {
                        () = &mut writing => {}
                        () = outbox.drained() => {}
                    }
                })
                .await;
            }
            () = &mut writing => {}
            () = self.stop().cancelled() => {}
        }
        flow.abandon();
    }

    /// Takes what is whole in the buffer; false if the client speaks no TURN.
    fn take_frames(&self, flow: &Arc<Flow>, buffer: &mut BytesMut) -> bool {
        let now = Instant::now();
        with_desk(|desk| {
            let sound = loop {
                // Before its allocation a client has no channels; what looks like one is an HTTP request.
                if !flow.is_seated() && buffer.first().is_some_and(|first| framing::is_channel(*first)) {
                    break false;
                }
                match framing::next(buffer) {
                    Next::Frame { len, taken } => {
                        flow.take(&buffer[..len], now, &mut desk.departures);
                        buffer.advance(taken);
                    }
                    Next::Incomplete => break true,
                    Next::Broken => break false,
                }
            };
            desk.departures.flush();
            self.metrics().dropped(Loss::Full, desk.departures.take_lost());
            sound
        })
    }
}
