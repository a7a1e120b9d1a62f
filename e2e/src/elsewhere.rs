//! The session tab from another origin: its static files on a port of their own, served as their README says, or tampered
//! with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A web server for one folder. It ends when dropped.
pub(crate) struct Elsewhere {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

struct Shared {
    folder: PathBuf,
    /// The only server that its pages may connect to.
    server: Mutex<String>,
    /// The file whose last byte is not what it was.
    changed: Mutex<Option<String>>,
    /// First lines and headers of all requests.
    heard: Mutex<String>,
}

impl Elsewhere {
    /// Serves this folder.
    pub(crate) async fn serve(folder: &Path) -> Result<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await.context("opening a port for the static viewer")?;
        let address = tcp.local_addr()?;
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            server: Mutex::default(),
            changed: Mutex::default(),
            heard: Mutex::default(),
        });
        let serving = tokio::spawn(accept(tcp, Arc::clone(&shared)));
        Ok(Self { shared, address, serving })
    }

    /// As browsers write it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Names the server in the policy of its pages.
    pub(crate) fn allow(&self, server: &str) {
        *lock(&self.shared.server) = server.replacen("http", "ws", 1);
    }

    /// Changes one byte of this file from now on.
    pub(crate) fn change(&self, file: Option<&str>) {
        *lock(&self.shared.changed) = file.map(str::to_owned);
    }

    /// All that browsers have sent to it.
    pub(crate) fn heard(&self) -> String {
        lock(&self.shared.heard).clone()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connections are tasks of this one, and end with it.
async fn accept(tcp: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = tcp.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A browser that goes away in the middle is none of the story's business.
            let _gone = tokio::time::timeout(Duration::from_secs(20), answer(stream, &shared)).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    lock(&shared.heard).push_str(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let name = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
    let is_plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    let content = if is_plain { std::fs::read(shared.folder.join(name)).ok() } else { None };
    let (status, mut content) = content.map_or(("404 Not Found", Vec::new()), |content| ("200 OK", content));
    if lock(&shared.changed).as_deref() == Some(name)
        && let Some(last) = content.last_mut()
    {
        *last ^= 1;
    }
    let mime = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    let server = lock(&shared.server).clone();
    let headers = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {mime}\r\ncontent-length: {}\r\nconnection: close\r\ncache-control: no-store\r\n\
         content-security-policy: connect-src 'self' {server}; frame-ancestors 'none'\r\n\
         cross-origin-opener-policy: same-origin\r\nx-content-type-options: nosniff\r\n\r\n",
        content.len()
    );
    stream.write_all(headers.as_bytes()).await?;
    stream.write_all(&content).await?;
    Ok(stream.shutdown().await?)
}
