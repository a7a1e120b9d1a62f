//! What is counted, and how Prometheus reads it. Names and labels are fixed: nothing of a peer becomes a label.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a client reaches the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each says its own name")]
pub enum Transport {
    Udp,
    Stream,
}

/// Which way relayed bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a client to a peer outside.
    ToPeer,
    /// From a peer outside to a client.
    ToClient,
    /// Between two clients of one session, within the process.
    Inside,
}

/// Why the relay did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The name is none of ours, its session is not live here, or it is too late.
    Login,
    /// The password does not fit the name.
    Password,
    /// The nonce is too old.
    Nonce,
    /// The request breaks the protocol.
    Malformed,
    /// The peer is forbidden.
    Peer,
    /// The session's or the address's share is used up.
    Quota,
    /// The server's share is used up.
    Capacity,
    /// What is not offered: TCP to peers, an address family, reserved ports.
    Unsupported,
    /// There is no such allocation, or there is one already.
    Mismatch,
    /// A stranger asks too often.
    Flood,
}

/// Why relayed bytes were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The session uses more than its bandwidth.
    Bandwidth,
    /// The way out is full.
    Full,
    /// Nobody may be there.
    Peer,
}

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each says its own name")]
pub enum Kind {
    Http,
    Turn,
}

/// Labels are written as Prometheus has them: small letters.
macro_rules! labels {
    ($($of:ident { $($value:ident = $text:literal),+ $(,)? })+) => {$(
        impl EncodeLabelValue for $of {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                EncodeLabelValue::encode(&match self { $(Self::$value => $text),+ }, encoder)
            }
        }
    )+};
}

labels! {
    Transport { Udp = "udp", Stream = "stream" }
    Direction { ToPeer = "to_peer", ToClient = "to_client", Inside = "inside" }
    Refusal { Login = "login", Password = "password", Nonce = "nonce", Malformed = "malformed", Peer = "peer", Quota = "quota", Capacity = "capacity", Unsupported = "unsupported", Mismatch = "mismatch", Flood = "flood" }
    Loss { Bandwidth = "bandwidth", Full = "full", Peer = "peer" }
    Kind { Http = "http", Turn = "turn" }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTransport {
    transport: Transport,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDirection {
    direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRefusal {
    reason: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDrop {
    reason: Loss,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: Kind,
}

/// All counters. A clone counts into the same.
#[derive(Clone)]
pub struct Metrics(Arc<Counters>);

struct Counters {
    registry: Registry,
    sessions: Gauge,
    sessions_total: Counter,
    connections: Family<ByKind, Gauge>,
    allocations: Family<ByTransport, Gauge>,
    allocations_total: Family<ByTransport, Counter>,
    refusals: Family<ByRefusal, Counter>,
    drops: Family<ByDrop, Counter>,
    /// Looked up once: these are counted for every packet.
    bytes: [Counter<u64, AtomicU64>; 3],
    packets: [Counter<u64, AtomicU64>; 3],
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("nearhand");
        let counters = {
            let registry = &mut registry;
            let bytes = Family::<ByDirection, Counter>::default();
            let packets = Family::<ByDirection, Counter>::default();
            let each = |family: &Family<ByDirection, Counter>| {
                [Direction::ToPeer, Direction::ToClient, Direction::Inside]
                    .map(|direction| family.get_or_create(&ByDirection { direction }).clone())
            };
            let (each_bytes, each_packets) = (each(&bytes), each(&packets));
            registry.register("relay_bytes", "Payload that the relay carried, in bytes", bytes);
            registry.register("relay_packets", "Datagrams that the relay carried", packets);
            Counters {
                registry: Registry::default(),
                sessions: registered(registry, "sessions", "Sessions that are live now"),
                sessions_total: registered(registry, "sessions_begun", "Sessions that began"),
                connections: registered(registry, "connections", "TCP connections that are open now"),
                allocations: registered(registry, "relay_allocations", "Allocations that are held now"),
                allocations_total: registered(
                    registry,
                    "relay_allocations_made",
                    "Allocations that were made",
                ),
                refusals: registered(registry, "relay_refusals", "Requests that the relay refused"),
                drops: registered(registry, "relay_dropped", "Datagrams that the relay dropped"),
                bytes: each_bytes,
                packets: each_packets,
            }
        };
        Self(Arc::new(Counters { registry, ..counters }))
    }

    /// A session began.
    pub fn session_began(&self) {
        self.0.sessions.inc();
        self.0.sessions_total.inc();
    }

    /// A session is over.
    pub fn session_ended(&self) {
        self.0.sessions.dec();
    }

    /// A connection is open; it counts until what is returned is dropped.
    pub fn connection(&self, kind: Kind) -> Counted {
        Counted::new(self.0.connections.get_or_create_owned(&ByKind { kind }))
    }

    /// An allocation is made; it counts until what is returned is dropped.
    pub fn allocation(&self, transport: Transport) -> Counted {
        let transport = ByTransport { transport };
        self.0.allocations_total.get_or_create(&transport).inc();
        Counted::new(self.0.allocations.get_or_create_owned(&transport))
    }

    /// The relay refused something.
    pub fn refused(&self, reason: Refusal) {
        self.0.refusals.get_or_create(&ByRefusal { reason }).inc();
    }

    /// The relay dropped datagrams.
    pub fn dropped(&self, reason: Loss, datagrams: u64) {
        if datagrams > 0 {
            self.0.drops.get_or_create(&ByDrop { reason }).inc_by(datagrams);
        }
    }

    /// The relay carried a datagram.
    pub fn relayed(&self, direction: Direction, bytes: usize) {
        self.0.bytes[direction as usize].inc_by(bytes as u64);
        self.0.packets[direction as usize].inc();
    }

    /// All of it, in the format of OpenMetrics, which Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _whole = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        text
    }
}

fn registered<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: prometheus_client::registry::Metric + Clone + Default,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Something that is counted while it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
