//! A proxy without TLS in front of the server that keeps every request: what browsers and programs really say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Listens from the start, and lets nobody through until it knows the server.
pub(super) struct Requests {
    pub(super) address: SocketAddr,
    server: Arc<OnceLock<String>>,
    /// What each connection's client has said so far.
    said: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Requests {
    pub(super) async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening a port for requests")?;
        let address = listener.local_addr()?;
        let (server, said) = (Arc::<OnceLock<String>>::default(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let task = tokio::spawn(serve(listener, Arc::clone(&server), Arc::clone(&said)));
        Ok(Self { address, server, said, task })
    }

    /// Whom the requests are for.
    pub(super) fn pass_on_to(&self, server: &str) {
        self.server.get_or_init(|| server.to_owned());
    }

    /// Each request with its headers and body, and each message on a WebSocket, as text.
    pub(super) fn all(&self) -> Vec<String> {
        lock(&self.said).iter().flat_map(|said| requests(said)).collect()
    }
}

async fn serve(listener: TcpListener, server: Arc<OnceLock<String>>, said: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let Some(server) = server.get().cloned() else { continue };
        let number = {
            let mut said = lock(&said);
            said.push(Vec::new());
            said.len() - 1
        };
        let said = Arc::clone(&said);
        connections.spawn(async move {
            // A connection that breaks is nothing that the requests would show.
            let _ = pass(client, &server, |bytes| lock(&said)[number].extend_from_slice(bytes)).await;
        });
    }
}

async fn pass(client: TcpStream, server: &str, mut keep: impl FnMut(&[u8])) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return to_server.shutdown().await;
            }
            keep(&buffer[..read]);
            to_server.write_all(&buffer[..read]).await?;
        }
    };
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(there, back)?;
    Ok(())
}

/// What one connection's client said: requests, and after an upgrade the messages in their frames.
fn requests(said: &[u8]) -> Vec<String> {
    const END: &[u8] = b"\r\n\r\n";
    let mut requests = Vec::new();
    let mut rest = said;
    while let Some(end) = rest.windows(END.len()).position(|bytes| bytes == END) {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + END.len()..];
        let lower = head.to_ascii_lowercase();
        let header = |name: &str| {
            let line = lower.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).unwrap_or_default().to_owned()
        };
        if header("upgrade") == "websocket" {
            requests.push(head);
            requests.extend(messages(rest));
            return requests;
        }
        let length = header("content-length").parse().unwrap_or(0).min(rest.len());
        requests.push(format!("{head}\n\n{}", String::from_utf8_lossy(&rest[..length])));
        rest = &rest[length..];
    }
    // Not HTTP, or not whole: kept as it is.
    if !rest.is_empty() {
        requests.push(String::from_utf8_lossy(rest).into_owned());
    }
    requests
}

/// The payloads of a client's frames, which are masked (RFC 6455, 5.2).
fn messages(mut rest: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while let [_, length, after @ ..] = rest {
        let (length, after) = match (length & 0x7f, after) {
            (126, [a, b, after @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), after),
            (126 | 127, _) => break,
            (length, after) => (usize::from(length), after),
        };
        let Some((mask, after)) = after.split_first_chunk::<4>() else { break };
        let payload = &after[..length.min(after.len())];
        let bytes: Vec<u8> =
            payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        messages.push(String::from_utf8_lossy(&bytes).into_owned());
        rest = &after[payload.len()..];
    }
    messages
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_frames_are_parted() {
        let mut said = b"POST /a?b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyzGET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_vec();
        said.extend([0x81, 0x82, 1, 2, 3, 4, b'o' ^ 1, b'k' ^ 2]);
        let all = requests(&said);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].starts_with("POST /a?b") && all[0].ends_with("\n\nxyz"), "{all:?}");
        assert_eq!(all[2], "ok");
    }
}
