//! TCP without a proxy, over IPv6 or IPv4, whichever answers first (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::race::staggered;

/// Pause between attempts: the "Connection Attempt Delay" that RFC 8305, section 5, recommends.
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses that are tried; a name with more has names enough that answer.
const MOST_ADDRESSES: usize = 8;

/// Bytes that the system may hold before they are sent. What the system would choose by itself, megabytes, are seconds
/// of pictures on a thin line, where nobody can drop them any more; this carries 12 Mbit/s over 100 ms.
const SEND_BUFFER: u32 = 128 * 1024;

/// A connection to this name or address.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    let attempts = alternate(addresses).into_iter().take(MOST_ADDRESSES).map(open);
    match staggered(attempts, STAGGER, |_| false).await {
        Ok(stream) => {
            // Small messages that somebody waits for.
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        // The one that the system preferred, and so the one that says most.
        Err(errors) => Err(errors.into_iter().next().unwrap_or_else(|| io::ErrorKind::NotFound.into())),
    }
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.connect(address).await
}

/// Families in turns, the first address's family first, otherwise in the order of the system (RFC 6724).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut turns = Vec::with_capacity(preferred.len() + other.len());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    loop {
        let pair = [preferred.next(), other.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let turns = |addresses: &[&str]| {
            alternate(addresses.iter().map(|address| address.parse().unwrap()).collect())
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            turns(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"]),
            ["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"]
        );
        assert_eq!(turns(&["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"]), ["10.0.0.1:1", "[::1]:1", "10.0.0.2:1"]);
        assert!(turns(&[]).is_empty());
    }

    #[tokio::test]
    async fn a_name_with_two_families_connects_where_one_listens() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // `localhost` has both families on most systems, and nobody listens on IPv6.
        let stream = connect("localhost", address.port()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        drop(listener);
        assert!(connect("localhost", address.port()).await.is_err());
        assert!(connect("no-such-name.invalid", 1).await.is_err());
    }
}
