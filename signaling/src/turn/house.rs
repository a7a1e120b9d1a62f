//! What the machine of a client asks of the world around it: who somebody is, a socket, whether an address may be reached.

use std::net::SocketAddr;
use std::time::Instant;

use stun_types::attribute::ErrorCode;
use turn_types::AddressFamily;

use super::nonce::Nonces;
use crate::metrics::Refusal;

/// The time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// For what lasts.
    pub(super) now: Instant,
    /// For what is written down: seconds since 1970.
    pub(super) unix: u64,
}

/// The reason behind an error code, for the metrics.
pub(super) const fn refusal_of(code: u16) -> Refusal {
    match code {
        ErrorCode::FORBIDDEN => Refusal::Peer,
        ErrorCode::ALLOCATION_QUOTA_REACHED => Refusal::Quota,
        ErrorCode::INSUFFICIENT_CAPACITY => Refusal::Capacity,
        ErrorCode::ALLOCATION_MISMATCH | ErrorCode::WRONG_CREDENTIALS => Refusal::Mismatch,
        ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED
        | ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH
        | ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL
        | ErrorCode::UNKNOWN_ATTRIBUTE => Refusal::Unsupported,
        _ => Refusal::Malformed,
    }
}

/// No socket for an allocation; each has its error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSocket {
    /// 440.
    Family,
    /// 486.
    Quota,
    /// 508.
    Capacity,
}

impl NoSocket {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Family => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
            Self::Quota => ErrorCode::ALLOCATION_QUOTA_REACHED,
            Self::Capacity => ErrorCode::INSUFFICIENT_CAPACITY,
        }
    }
}

/// What a client's machine needs to know and to do beyond its own messages.
pub(super) trait House {
    /// Whoever stands behind a name.
    type Guest;
    /// A socket, held as long as the allocation.
    type Lease;

    /// The nonces of this server.
    fn nonces(&self) -> &Nonces;
    /// Who this is, and the password, if the name is good at this time (in seconds since 1970).
    fn login(&self, username: &str, from: SocketAddr, unix: u64) -> Option<(Self::Guest, String)>;
    /// A socket, and the address under which the world reaches it.
    fn open(
        &self,
        guest: &Self::Guest,
        family: AddressFamily,
        even_port: bool,
    ) -> Result<(SocketAddr, Self::Lease), NoSocket>;
    /// Whether this guest may send to this address, or to any port of it. `own` are the guest's relayed addresses.
    fn may_reach(
        &self,
        guest: &Self::Guest,
        own: &[Relayed<Self::Lease>],
        peer: SocketAddr,
        any_port: bool,
    ) -> bool;
    /// Takes note of a refusal.
    fn refused(&self, refusal: Refusal);
}

/// A relayed transport address.
pub(super) struct Relayed<L> {
    /// As the world sees it.
    pub(super) address: SocketAddr,
    /// Its socket.
    pub(super) lease: L,
}
