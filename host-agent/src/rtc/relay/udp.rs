//! The sockets of one server over UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// For a name.
const RESOLVE: Duration = Duration::from_secs(5);
/// Addresses of a server that are tried, of both families together.
const ADDRESSES: usize = 4;

/// A socket for each address of the server that this computer has a route to.
pub(super) async fn sockets(host: &str, port: u16) -> Result<Vec<UdpSocket>, String> {
    let addresses = timeout(RESOLVE, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let mut sockets = Vec::new();
    let mut last = None;
    for address in addresses {
        if sockets.len() == ADDRESSES {
            break;
        }
        let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let connected = async {
            let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
            socket.connect(address).await?;
            Ok::<_, io::Error>(socket)
        };
        match connected.await {
            Ok(socket) => sockets.push(socket),
            Err(error) => last = Some(error),
        }
    }
    match last {
        _ if !sockets.is_empty() => Ok(sockets),
        Some(error) => Err(error.to_string()),
        None => Err("its name has no address".into()),
    }
}

/// What comes first to any of the sockets.
pub(super) async fn receive(sockets: &[UdpSocket], buffer: &mut [u8]) -> (usize, io::Result<usize>) {
    std::future::poll_fn(|cx| {
        for (index, socket) in sockets.iter().enumerate() {
            let mut buffer = ReadBuf::new(buffer);
            if let Poll::Ready(received) = socket.poll_recv(cx, &mut buffer) {
                return Poll::Ready((index, received.map(|()| buffer.filled().len())));
            }
        }
        Poll::Pending
    })
    .await
}
