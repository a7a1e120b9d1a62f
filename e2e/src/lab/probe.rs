//! Small probes that tell what a router does, so that a story may believe its name.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Lab, SECOND_SERVER_V4, SERVER_V4, Side};

/// What the mapping or the filtering of a NAT looks at (RFC 4787, 4.1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependence {
    /// Nothing of the other end.
    Endpoint,
    /// The other end's address.
    Address,
    /// The other end's address and port.
    AddressAndPort,
}

/// What a router does with UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    pub(crate) mapping: Dependence,
    pub(crate) filtering: Dependence,
}

/// Within the machine: what is not there by then was dropped.
const LIMIT: Duration = Duration::from_millis(400);

/// Finds out what the router of this side does with UDP of version 4.
pub(crate) async fn behaviour(lab: &Lab, side: &Side) -> Result<Behaviour> {
    let open = |address, port| lab.server.udp(SocketAddr::from((address, port)));
    // Free ports, the same two at both addresses.
    let first = open(SERVER_V4, 0)?;
    let port = first.local_addr()?.port();
    let other = open(SECOND_SERVER_V4, port)?;
    let first_again = open(SERVER_V4, 0)?;
    let other_again = open(SECOND_SERVER_V4, first_again.local_addr()?.port())?;
    let end = side.end.udp(SocketAddr::from(([0, 0, 0, 0], 0)))?;

    let seen = seen_from(&first, &end).await.context("the first packet")?;
    // Everything takes the same way in the same order: what has not come before the last one never comes.
    for socket in [&other, &other_again, &first_again, &first] {
        socket.send_to(b"?", seen).await?;
    }
    let mut heard = BTreeSet::new();
    while !heard.contains(&first.local_addr()?) {
        let (_, from) = timeout(LIMIT, end.recv_from(&mut [0; 8])).await.context("no answer comes in")??;
        heard.insert(from);
    }
    let hears = |socket: &UdpSocket| anyhow::Ok(heard.contains(&socket.local_addr()?));
    let filtering = match (hears(&first_again)?, hears(&other)?, hears(&other_again)?) {
        (true, true, true) => Dependence::Endpoint,
        (true, false, false) => Dependence::Address,
        (false, false, false) => Dependence::AddressAndPort,
        other => anyhow::bail!("the filtering makes no sense: {other:?}"),
    };

    let same = |now: SocketAddr| now == seen;
    let mapping = match (
        same(seen_from(&first_again, &end).await?),
        same(seen_from(&other, &end).await?),
        same(seen_from(&other_again, &end).await?),
    ) {
        (true, true, true) => Dependence::Endpoint,
        (true, false, false) => Dependence::Address,
        (false, false, false) => Dependence::AddressAndPort,
        other => anyhow::bail!("the mapping makes no sense: {other:?}"),
    };
    ensure!(seen.ip() == side.public(), "it is seen as {seen}");
    Ok(Behaviour { mapping, filtering })
}

/// Sends from the end to a socket of the server's computer: the address that it is seen with there.
async fn seen_from(socket: &UdpSocket, end: &UdpSocket) -> Result<SocketAddr> {
    end.send_to(b"!", socket.local_addr()?).await?;
    let (_, from) = timeout(LIMIT, socket.recv_from(&mut [0; 8])).await.context("it never arrived")??;
    Ok(from)
}

/// Whether UDP gets out to this address of the server's computer.
pub(crate) async fn udp_passes(lab: &Lab, side: &Side, to: SocketAddr) -> Result<bool> {
    let there = lab.server.udp(to)?;
    let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    match seen_from(&there, &side.end.udp(any)?).await {
        Ok(_) => Ok(true),
        Err(error) if error.is::<std::io::Error>() => Ok(false),
        Err(_) => Ok(false),
    }
}

/// Whether a TCP connection to this address of the server's computer comes about; nobody needs to listen there.
pub(crate) async fn tcp_passes(lab: &Lab, side: &Side, to: SocketAddr) -> Result<bool> {
    let listener = lab.server.enter(move || std::net::TcpListener::bind(to))?;
    let _listener = listener.with_context(|| format!("listening on {to}"))?;
    let tried = side.end.enter(move || std::net::TcpStream::connect_timeout(&to, LIMIT))?;
    Ok(tried.is_ok())
}
