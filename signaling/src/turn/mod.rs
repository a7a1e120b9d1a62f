//! The built-in relay: TURN (RFC 8656) over UDP, TCP and TLS, for the two ends of a session and nobody else.
//!
//! Pure are [`credentials`], [`peers`], `quotas`, `nonce`, `framing` and the machine of one client, `client` with its `allocation`; sockets are
//! in `departures`, `relay`, `flow`, `udp` and `stream`. Two ends that are both here reach each other inside the process: what
//! one sends to the other's relayed address never touches a relayed socket.
//!
//! The library of messages is `stun-types` with `turn-types`. The server of the same family, `turn-server-proto`, is not
//! used: it remembers every address that ever asked, searches its clients one by one for each packet, has no say in who
//! is a peer, and no limits.

mod addresses;
mod allocation;
mod client;
pub mod credentials;
mod departures;
mod flow;
mod framing;
mod house;
pub mod ice;
mod message;
mod nonce;
pub mod peers;
mod quotas;
mod relay;
mod sessions;
mod stream;
mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

pub use relay::Relay;
pub use sessions::Sessions;

/// Whether a connection that begins with this byte speaks TURN. A STUN request of any method begins below 0x04, no HTTP
/// request does, and ChannelData never comes first.
pub const fn speaks_turn(first: u8) -> bool {
    first < 0x04
}

/// The relay's own ports, open: one number for UDP and TCP.
pub struct Ports {
    udp: Vec<std::net::UdpSocket>,
    /// For the listener of TCP.
    pub tcp: TcpListener,
    /// Where they are.
    pub address: SocketAddr,
}

impl Ports {
    /// Opens them; port 0 takes any that is free for both.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let tcp = TcpListener::bind(address).await?;
            let taken = tcp.local_addr()?;
            match udp::bind(taken) {
                Ok(udp) => return Ok(Self { udp, tcp, address: taken }),
                // The number was free for one and not for the other.
                Err(_) if address.port() == 0 && tries < 20 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Relay {
    /// Serves clients that come by UDP, in tasks that end with the server.
    pub fn listen(self: &Arc<Self>, ports: Vec<std::net::UdpSocket>) -> io::Result<()> {
        for port in ports {
            self.spawn(udp::Counter::new(self, port)?.run());
        }
        Ok(())
    }
}

impl Ports {
    /// The two kinds apart.
    pub fn split(self) -> (Vec<std::net::UdpSocket>, TcpListener) {
        (self.udp, self.tcp)
    }
}

/// The address of a client, whichever family its socket has.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}
