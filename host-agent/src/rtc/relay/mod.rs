//! Relays over every transport, under a stack that only knows UDP.
//!
//! The stack speaks TURN over UDP. So each server that it is told of has a *virtual* address, in a block that nobody
//! can have, and what the stack sends there goes to the [`Link`](link::Link) of that server: a stream through whatever
//! proxies there are, or a UDP socket. What comes back seems to come from the virtual address. STUN servers have one
//! too, behind which only the name is hidden: the stack would stand still while it is looked up.

mod frame;
mod hold;
mod link;
mod queue;
mod silence;
mod udp;
mod url;

use super::config::IceServer;
use crate::dial::Dialer;
pub(super) use frame::unwrapped;
use hold::Hold;
use link::Link;
pub(super) use queue::{Inbox, only_looks};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Server;
use webrtc::peer_connection::RTCIceServer;

/// Servers of one connection that are used; a server that gives more gives nonsense.
const MAX_SERVERS: usize = 16;
/// For the name of a STUN server.
const RESOLVE: Duration = Duration::from_secs(5);
/// For the stack to release what it allocated, after which a link ends.
const RETIREMENT: Duration = Duration::from_secs(2);
/// For the links to say goodbye.
const FAREWELL: Duration = Duration::from_millis(500);

/// Where a packet for a virtual address goes.
pub(super) enum Route {
    /// To a TURN server.
    Relay(Arc<Link>),
    /// To the real address of a STUN server, once that is known.
    Stun(Option<SocketAddr>),
}

/// The servers of one connection.
#[derive(Debug)]
pub(super) struct Relays {
    dialer: Option<Dialer>,
    /// This computer's addresses changed since the stack was told of servers.
    changed: AtomicBool,
    on_loss: Arc<Notify>,
    /// What is not heard for a moment, so that direct paths win.
    pub(super) hold: Arc<Hold>,
    known: Mutex<Known>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Known {
    /// How many numbers were given out.
    count: u16,
    /// What the stack has.
    servers: Option<Vec<Server>>,
    links: HashMap<u16, Arc<Link>>,
    stun: HashMap<u16, Arc<Mutex<Vec<SocketAddr>>>>,
}

impl Relays {
    pub(super) fn new(dialer: Option<Dialer>) -> Arc<Self> {
        Arc::new(Self {
            dialer,
            changed: AtomicBool::new(false),
            on_loss: Arc::default(),
            hold: Arc::default(),
            known: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the servers as the stack may know them; those that are not understood are left out. `None`: what the stack
    /// has is still good. That is so while the servers are the same and no allocation was lost: fresh credentials alone
    /// are not used then, as an allocation that stands needs none. Otherwise every relay gets a new address and a new
    /// link: a second allocation over the old one would be refused for as long as the server remembers the first.
    /// `dead`: nothing arrives, so what stands is given up as well.
    pub(super) fn assign(self: &Arc<Self>, servers: &[IceServer], dead: bool) -> Option<Vec<RTCIceServer>> {
        let mut left = MAX_SERVERS;
        let mut wanted = Vec::new();
        for server in servers {
            let mut parsed = Vec::new();
            for url in server.urls.iter().take(left) {
                match Server::parse(url) {
                    Ok(url) => parsed.push(url),
                    Err(error) => tracing::info!(%error, "an ICE server is left out"),
                }
            }
            left -= parsed.len();
            wanted.push((server, parsed));
        }
        let now: Vec<Server> = wanted.iter().flat_map(|(_, urls)| urls.clone()).collect();
        let mut known = self.known();
        let changed = self.changed.swap(false, Relaxed);
        let stale = |link: &Arc<Link>| dead || link.is_stale(changed);
        if known.servers.as_ref() == Some(&now) && !known.links.values().any(stale) {
            return None;
        }
        known.servers = Some(now);
        self.retire(&mut known);
        let assigned =
            wanted.into_iter().filter(|(_, urls)| !urls.is_empty()).map(|(server, urls)| RTCIceServer {
                urls: urls.into_iter().map(|url| self.assign_one(&mut known, url)).collect(),
                username: server.username.clone(),
                credential: server.credential.clone(),
            });
        Some(assigned.collect())
    }

    fn assign_one(&self, known: &mut Known, server: Server) -> String {
        known.count = known.count.wrapping_add(1);
        let number = known.count;
        match server {
            Server::Turn { transport, host, port } => {
                let link =
                    Arc::new(Link::new(transport, host, port, self.on_loss.clone(), self.hold.clone()));
                known.links.insert(number, link.clone());
                self.tasks().spawn(link.run(self.dialer.clone()));
                format!("turn:{}?transport=udp", virtual_v4(number))
            }
            Server::Stun { host, port } => {
                let addresses = Arc::default();
                known.stun.insert(number, Arc::clone(&addresses));
                self.tasks().spawn(resolve(host, port, addresses));
                format!("stun:{}", virtual_v4(number))
            }
        }
    }

    /// The links of the moment end soon: the stack is about to release what it allocated through them.
    fn retire(self: &Arc<Self>, known: &mut Known) {
        known.stun.clear();
        let retired: Vec<u16> = known.links.keys().copied().collect();
        let relays = Arc::downgrade(self);
        self.tasks().spawn(async move {
            tokio::time::sleep(RETIREMENT).await;
            let Some(relays) = relays.upgrade() else { return };
            for number in retired {
                if let Some(link) = relays.known().links.remove(&number) {
                    link.close.notify_one();
                }
            }
        });
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks
    }

    /// Where this goes, if it is a virtual address.
    pub(super) fn route(&self, to: SocketAddr) -> Option<Route> {
        let number = number(to)?;
        let known = self.known();
        if let Some(link) = known.links.get(&number) {
            return Some(Route::Relay(link.clone()));
        }
        let addresses = known.stun.get(&number);
        let real = addresses.and_then(|addresses| {
            let addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
            addresses.iter().copied().find(|address| address.is_ipv4() == to.is_ipv4())
        });
        // Also for a number that was never given out: nothing of that block ever leaves this computer.
        Some(Route::Stun(real))
    }

    /// The virtual address of the STUN server that this is.
    pub(super) fn stun_server(&self, from: SocketAddr) -> Option<SocketAddr> {
        let known = self.known();
        let number = known.stun.iter().find_map(|(number, addresses)| {
            addresses.lock().unwrap_or_else(PoisonError::into_inner).contains(&from).then_some(*number)
        })?;
        Some(if from.is_ipv4() { virtual_v4(number) } else { virtual_v6(number) })
    }

    /// Whether any server has carried something in the last seconds.
    pub(super) fn in_use(&self) -> bool {
        let now = Instant::now();
        self.known().links.values().any(|link| link.is_in_use(now))
    }

    /// Waits until an allocation was lost since the last call. Cancel-safe.
    pub(super) async fn loss(&self) {
        self.on_loss.notified().await;
    }

    /// Whether what was allocated at this address is lost.
    pub(super) fn is_lost(&self, relayed: SocketAddr) -> bool {
        self.known().links.values().any(|link| link.is_lost() && link.relayed() == Some(relayed))
    }

    /// This computer's addresses changed.
    pub(super) fn network_changed(&self) {
        self.changed.store(true, Relaxed);
        self.test();
    }

    /// Has every way tested that stands.
    pub(super) fn test(&self) {
        for link in self.known().links.values() {
            link.probe.notify_one();
        }
    }

    /// Ends every link, after what is queued was sent, and joins its task.
    pub(super) async fn close(&self) {
        for link in self.known().links.drain().map(|(_, link)| link) {
            link.close.notify_one();
        }
        let mut tasks = std::mem::take(&mut *self.tasks());
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            tasks.shutdown().await;
        }
    }
}

/// Names are looked up beside the stack.
async fn resolve(host: String, port: u16, addresses: Arc<Mutex<Vec<SocketAddr>>>) {
    if let Ok(Ok(found)) = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host, port))).await {
        *addresses.lock().unwrap_or_else(PoisonError::into_inner) = found.collect();
    } else {
        tracing::debug!("the name of a STUN server was not found");
    }
}

/// Port of every virtual address.
const PORT: u16 = 3478;

/// In 240.0.0.0/4, which is reserved for ever (RFC 1112).
fn virtual_v4(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(240, 0, high, low), PORT))
}

/// In 100::/64, where packets end (RFC 6666), for sockets of that family.
fn virtual_v6(number: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, number), PORT))
}

fn number(address: SocketAddr) -> Option<u16> {
    match address.ip() {
        IpAddr::V4(ip) => {
            let [first, _, high, low] = ip.octets();
            (first >= 240).then(|| u16::from_be_bytes([high, low]))
        }
        IpAddr::V6(ip) => match ip.segments() {
            [0x100, 0, 0, 0, .., number] => Some(number),
            _ => None,
        },
    }
}

/// Whether this address is one of ours that no peer may claim to have.
pub(super) fn is_virtual(ip: IpAddr) -> bool {
    number(SocketAddr::new(ip, PORT)).is_some()
}

/// Both virtual addresses for the one that URLs carry; `None`: it is none.
pub(super) fn both_families(host: &str) -> Option<Vec<SocketAddr>> {
    let address: SocketAddr = host.parse().ok()?;
    let number = number(address)?;
    Some(vec![virtual_v4(number), virtual_v6(number)])
}

/// Sends to a link; the error makes the stack give up on this server for this socket.
pub(super) fn send(link: &Link, inbox: &Arc<Inbox>, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
    link.send(inbox, to, datagram)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(urls: &[&str]) -> IceServer {
        IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: "name".into(),
            credential: "key".into(),
        }
    }

    fn urls(assigned: Option<Vec<RTCIceServer>>) -> Vec<String> {
        assigned.unwrap().into_iter().flat_map(|server| server.urls).collect()
    }

    #[tokio::test]
    async fn every_server_has_an_address_of_its_own_and_keeps_it_while_it_is_good() {
        let relays = Relays::new(None);
        let mut servers = vec![
            server(&["turn:relay.example?transport=tcp", "turns:relay.example:443", "nonsense"]),
            server(&["stun:127.0.0.1:9"]),
            server(&["stuns:relay.example"]),
        ];
        let first = relays.assign(&servers, false).unwrap();
        assert_eq!((first[0].username.as_str(), first[0].credential.as_str()), ("name", "key"));
        assert_eq!(
            urls(Some(first)),
            ["turn:240.0.0.1:3478?transport=udp", "turn:240.0.0.2:3478?transport=udp", "stun:240.0.0.3:3478"]
        );
        servers[0].credential = "fresh".into();
        assert!(relays.assign(&servers, false).is_none());
        assert!(matches!(relays.route(virtual_v4(1)), Some(Route::Relay(_))));
        assert!(matches!(relays.route(virtual_v6(2)), Some(Route::Relay(_))));
        assert!(matches!(relays.route(virtual_v4(9)), Some(Route::Stun(None))), "never a real address");
        assert!(relays.route("192.0.2.1:3478".parse().unwrap()).is_none());
        // Nothing was allocated, so another network is reason enough for another attempt.
        relays.network_changed();
        let again = relays.assign(&servers, false).unwrap();
        assert_eq!(again[0].credential, "fresh");
        assert_eq!(again[0].urls[0], "turn:240.0.0.4:3478?transport=udp");
        servers.pop();
        servers.pop();
        assert_eq!(urls(relays.assign(&servers, false))[0], "turn:240.0.0.7:3478?transport=udp");
        relays.close().await;
    }

    #[tokio::test]
    async fn a_stun_server_is_known_by_both_its_addresses() {
        let relays = Relays::new(None);
        relays.assign(&[server(&["stun:127.0.0.1:9"])], false);
        let real: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let resolved = async {
            while !matches!(relays.route(virtual_v4(1)), Some(Route::Stun(Some(address))) if address == real)
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), resolved).await.unwrap();
        assert_eq!(relays.stun_server(real), Some(virtual_v4(1)));
        assert_eq!(relays.stun_server("127.0.0.1:10".parse().unwrap()), None);
        relays.close().await;
    }

    #[test]
    fn peers_may_not_have_these_addresses() {
        for (ip, ours) in [
            ("240.0.0.1", true),
            ("255.255.255.255", true),
            ("100::5", true),
            ("192.0.2.1", false),
            ("100:0:0:1::5", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_virtual(ip.parse().unwrap()), ours, "{ip}");
        }
        assert_eq!(both_families("240.0.1.2:3478"), Some(vec![virtual_v4(258), virtual_v6(258)]));
        assert_eq!(both_families("relay.example:3478"), None);
    }

    #[tokio::test]
    async fn more_servers_than_make_sense_are_left_out() {
        let relays = Relays::new(None);
        let many: Vec<String> = (1..100).map(|port| format!("turn:relay.example:{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let assigned = relays.assign(&[server(&many), server(&["turn:more.example"])], false).unwrap();
        assert_eq!(assigned.iter().map(|server| server.urls.len()).sum::<usize>(), MAX_SERVERS);
        relays.close().await;
    }
}
