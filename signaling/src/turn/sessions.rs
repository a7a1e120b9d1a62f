//! The sessions that the relay serves: who is in them, what they may use, which relayed addresses they hold.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Instant;

use nearhand_protocol::id::SessionId;
use tokio_util::sync::CancellationToken;

use super::departures::Departures;
use super::quotas::Bucket;
use crate::chair::Chair;
use crate::metrics::Metrics;

/// Most addresses that are known of one end; the oldest is forgotten for a new one.
const MAX_ADDRESSES: usize = 8;
/// Most that are known of all guests together.
const MAX_GUESTS_ADDRESSES: usize = 8 * MAX_ADDRESSES;

/// All sessions that are live here. The registry keeps it true.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    by_id: Mutex<HashMap<SessionId, Arc<Session>>>,
    /// Bytes each second that the relay carries for one session.
    bandwidth: Option<u64>,
    metrics: Metrics,
}

impl Sessions {
    /// None yet.
    pub fn new(bandwidth: Option<u64>, metrics: Metrics) -> Self {
        Self(Arc::new(Inner { by_id: Mutex::default(), bandwidth, metrics }))
    }

    /// A session begins.
    pub fn begin(&self, id: SessionId) {
        let session = Session {
            addresses: Mutex::default(),
            relayed: RwLock::default(),
            bucket: Mutex::new(Bucket::new(self.0.bandwidth, Instant::now())),
            allocations: Default::default(),
            over: CancellationToken::new(),
        };
        if self.lock().insert(id, Arc::new(session)).is_none() {
            self.0.metrics.session_began();
        }
    }

    /// A session is over: its credentials and allocations are too.
    pub fn end(&self, id: SessionId) {
        let session = self.lock().remove(&id);
        if let Some(session) = session {
            session.over.cancel();
            self.0.metrics.session_ended();
        }
    }

    /// An end was seen at this address.
    pub fn seen(&self, id: SessionId, chair: Chair, address: IpAddr) {
        if let Some(session) = self.get(id) {
            session.seen(chair, address);
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.0.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where something for a relayed address goes in.
pub(super) trait Inlet: Send + Sync {
    /// Passes on what a peer sent to it.
    fn deliver(&self, from: SocketAddr, payload: &[u8], now: Instant, departures: &mut Departures);
}

/// One session, as the relay sees it.
pub(super) struct Session {
    /// Of the host, of the viewer, of all guests.
    addresses: Mutex<[Vec<IpAddr>; 3]>,
    relayed: RwLock<Vec<(SocketAddr, Weak<dyn Inlet>)>>,
    bucket: Mutex<Bucket>,
    /// Of the two ends, and of all guests: these can't use up what those need.
    allocations: [Arc<AtomicUsize>; 2],
    /// Ends with the session.
    pub(super) over: CancellationToken,
}

/// One allocation of a session, which counts until it is dropped.
#[derive(Debug)]
pub(super) struct Share(Arc<AtomicUsize>);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Session {
    /// A share of what this end of the session may have; `None` if it has all.
    pub(super) fn share(&self, chair: Chair, most: usize) -> Option<Share> {
        let allocations = &self.allocations[usize::from(matches!(chair, Chair::Guest(_)))];
        let share = |count: usize| (count < most).then_some(count + 1);
        let taken = allocations.fetch_update(Ordering::Relaxed, Ordering::Relaxed, share);
        taken.ok().map(|_| Share(Arc::clone(allocations)))
    }

    /// Whether so many bytes may pass now.
    pub(super) fn admits(&self, bytes: usize, now: Instant) -> bool {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, now)
    }

    pub(super) fn seen(&self, chair: Chair, address: IpAddr) {
        let address = address.to_canonical();
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, most) = match chair {
            Chair::Host => (&mut addresses[0], MAX_ADDRESSES),
            Chair::Viewer => (&mut addresses[1], MAX_ADDRESSES),
            Chair::Guest(_) => (&mut addresses[2], MAX_GUESTS_ADDRESSES),
        };
        known.retain(|known| *known != address);
        if known.len() == most {
            known.remove(0);
        }
        known.push(address);
    }

    /// Whether one of the ends was seen at this address.
    pub(super) fn has_end_at(&self, address: IpAddr) -> bool {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().flatten().any(|known| *known == address)
    }

    /// Whether a relayed address of the session fits.
    pub(super) fn relays_at(&self, fits: impl Fn(SocketAddr) -> bool) -> bool {
        let relayed = self.relayed.read().unwrap_or_else(PoisonError::into_inner);
        relayed.iter().any(|(known, _)| fits(*known))
    }

    /// Where things for this relayed address go in.
    pub(super) fn inlet(&self, address: SocketAddr) -> Option<Arc<dyn Inlet>> {
        let relayed = self.relayed.read().unwrap_or_else(PoisonError::into_inner);
        relayed.iter().find(|(known, _)| *known == address).and_then(|(_, inlet)| inlet.upgrade())
    }

    pub(super) fn add(&self, address: SocketAddr, inlet: Weak<dyn Inlet>) {
        self.relayed.write().unwrap_or_else(PoisonError::into_inner).push((address, inlet));
    }

    pub(super) fn remove(&self, address: SocketAddr) {
        let mut relayed = self.relayed.write().unwrap_or_else(PoisonError::into_inner);
        relayed.retain(|(known, _)| *known != address);
    }
}
