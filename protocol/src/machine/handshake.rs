//! The two ends prove to each other that they know the whole code, and that nobody stands between them.
//!
//! SPAKE2 (Abdalla and Pointcheval 2005; the group and hashes of the crate `spake2`, compatible with magic-wormhole) turns the
//! nine digits into a strong key: whoever sits in the middle has one guess in a thousand, and a wrong one is noticed by
//! both. From the key each end makes a proof over what its own DTLS connection really uses, the fingerprints of both
//! certificates, and sends it over that very connection. A server that swapped a fingerprint has made two connections with
//! different fingerprints, and can make neither proof.
//!
//! ```text
//! viewer                                   host
//!   Share ── by way of the server ─────────►         one exchange for a session
//!         ◄──────────────────────────────── Share
//!   Proof ── on the data channel `control` ►         for each peer connection and each renegotiation
//!         ◄──────────────────────────────── Proof
//! ```
//!
//! The pure parts live here; `PROTOCOL.md` has the bytes, the threat model and test vectors.

use core::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::code::Code;
use crate::id::{Epoch, Seat, SessionId};
use crate::invitation::Invitation;
use crate::proof::{Proof, SHARE_LEN, Share};
use crate::version::Version;

/// Random bytes that an exchange needs.
pub const SEED_LEN: usize = 64;

/// Why the ends could not prove each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The peer's share is no point, or of the wrong side. Nothing was learned and nothing can go on.
    #[error("the other end's part of the key exchange is not valid")]
    BadShare,
    /// The proof is not the one that somebody with the code would make over this connection: a wrong code, or
    /// somebody in the middle.
    #[error("the other end does not know the code, or somebody stands between the two ends")]
    BadProof,
}

/// The SHA-256 fingerprint of a DTLS certificate (RFC 8122).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads the value of an SDP's `a=fingerprint:sha-256 AB:CD:…`, without its name.
    pub fn from_sdp_value(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let mut parts = text.trim().split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2)?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }

    /// The one SHA-256 fingerprint of a session description; `None` where there is none, or where two differ.
    pub fn from_sdp(sdp: &str) -> Option<Self> {
        let mut found = None;
        for line in sdp.lines() {
            let Some(value) = line.trim_end().strip_prefix("a=fingerprint:") else { continue };
            let (algorithm, value) = value.split_once(' ')?;
            if !algorithm.eq_ignore_ascii_case("sha-256") {
                return None;
            }
            let value = Self::from_sdp_value(value)?;
            if found.is_some_and(|found| found != value) {
                return None;
            }
            found = Some(value);
        }
        found
    }
}

/// What one peer connection really uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Which one.
    pub epoch: Epoch,
    /// The host's certificate.
    pub host: Fingerprint,
    /// The viewer's certificate.
    pub viewer: Fingerprint,
}

/// An exchange that was begun: this end's share is out, the peer's is awaited.
pub struct Exchange {
    state: Spake2<Ed25519Group>,
    session: SessionId,
    seat: Seat,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("session", &self.session)
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// Begins; `seed` is fresh from the system's random source, and used once.
    pub fn begin(seat: Seat, session: SessionId, code: Code, seed: [u8; SEED_LEN]) -> (Self, Share) {
        let digits: String = code.expose().chars().filter(char::is_ascii_digit).collect();
        let password = Password::new(digits.as_bytes());
        let [viewer, host] = [Seat::Viewer, Seat::Host].map(|seat| identity(seat, session));
        let seed = Seed { bytes: seed, used: 0 };
        let (state, message) = match seat {
            Seat::Viewer => Spake2::start_a_with_rng(&password, &viewer, &host, seed),
            Seat::Host => Spake2::start_b_with_rng(&password, &viewer, &host, seed),
        };
        let mut share = [0; SHARE_LEN];
        // The crate's message is always one byte and one compressed point.
        for (place, byte) in share.iter_mut().zip(message) {
            *place = byte;
        }
        (Self { state, session, seat }, Share::from_bytes(share))
    }

    /// The peer's share has come. The key is the same at both ends only if both used the same code; nobody knows yet.
    pub fn finish(self, peer: &Share) -> Result<Key, HandshakeError> {
        let mut shared = self.state.finish(peer.as_bytes()).map_err(|_| HandshakeError::BadShare)?;
        let key = Key::derive(&shared, self.session, self.seat);
        shared.zeroize();
        Ok(key)
    }
}

/// What the two ends share for the length of a session. It never prints itself.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Key {
    secret: [u8; 32],
    #[zeroize(skip)]
    session: SessionId,
    #[zeroize(skip)]
    seat: Seat,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("session", &self.session)
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl Key {
    fn derive(shared: &[u8], session: SessionId, seat: Seat) -> Self {
        let mut secret = [0; 32];
        let salt = session.as_uuid().as_bytes();
        // An output of 32 bytes is always possible (RFC 5869 allows 255 × 32).
        let _ = Hkdf::<Sha256>::new(Some(salt), shared).expand(b"nearhand 1 session", &mut secret);
        Self { secret, session, seat }
    }

    /// The key of a guest and the host: both have the invitation's secret already, by way of a connection that was proven.
    /// It has 128 random bits, so there is nothing to guess and no exchange that a guess would have to be hidden in.
    pub fn invited(invitation: &Invitation, session: SessionId, seat: Seat) -> Self {
        let mut secret = [0; 32];
        let salt = session.as_uuid().as_bytes();
        let hkdf = Hkdf::<Sha256>::new(Some(salt), invitation.secret.expose());
        let number = invitation.id.0.to_be_bytes();
        let _ = hkdf.expand_multi_info(&[b"nearhand 1 invitation", &number], &mut secret);
        Self { secret, session, seat }
    }

    /// For the tab's own storage, so that a reloaded tab need not ask for the code again.
    pub fn expose(&self) -> [u8; 32] {
        self.secret
    }

    /// The key that [`Self::expose`] gave out before the tab was reloaded.
    pub const fn restore(secret: [u8; 32], session: SessionId, seat: Seat) -> Self {
        Self { secret, session, seat }
    }

    /// This end's proof for a peer connection.
    pub fn prove(&self, binding: &Binding) -> Proof {
        Proof(self.mac(self.seat, binding).finalize().into_bytes().into())
    }

    /// Checks the peer's proof for a peer connection, in constant time.
    pub fn verify(&self, binding: &Binding, proof: &Proof) -> Result<(), HandshakeError> {
        let mac = self.mac(self.seat.other(), binding);
        mac.verify_slice(&proof.0).map_err(|_| HandshakeError::BadProof)
    }

    /// Four words that are the same on both screens exactly if nobody stands between, for those who want to compare.
    pub fn words(&self) -> [&'static str; 4] {
        let mut bytes = [0; 4];
        let _ =
            Hkdf::<Sha256>::from_prk(&self.secret).map(|hkdf| hkdf.expand(b"nearhand 1 words", &mut bytes));
        bytes.map(|byte| super::words::WORDS[usize::from(byte)])
    }

    fn mac(&self, prover: Seat, binding: &Binding) -> Hmac<Sha256> {
        // As long as HMAC-SHA-256's block, so that it is used as it is (RFC 2104).
        let mut key = [0; 64];
        let label: &[u8] = match prover {
            Seat::Host => b"nearhand 1 proof host",
            Seat::Viewer => b"nearhand 1 proof viewer",
        };
        let _ = Hkdf::<Sha256>::from_prk(&self.secret).map(|hkdf| hkdf.expand(label, &mut key));
        let mut mac = Hmac::<Sha256>::new(&key.into());
        key.zeroize();
        mac.update(&Version::CURRENT.0.to_be_bytes());
        mac.update(self.session.as_uuid().as_bytes());
        mac.update(&binding.epoch.0.to_be_bytes());
        mac.update(&binding.host.0);
        mac.update(&binding.viewer.0);
        mac
    }
}

fn identity(seat: Seat, session: SessionId) -> Identity {
    let role = match seat {
        Seat::Host => "host",
        Seat::Viewer => "viewer",
    };
    Identity::new(format!("nearhand 1 {role} {session}").as_bytes())
}

/// Hands the caller's random bytes to the crate, which wants a generator: the pure part draws none itself.
struct Seed {
    bytes: [u8; SEED_LEN],
    used: usize,
}

impl rand_core::RngCore for Seed {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, place: &mut [u8]) {
        for byte in place {
            // The crate draws one scalar of 64 bytes. Should it ever draw more, a repeated seed is no longer random:
            // better no program than a predictable one.
            *byte =
                *self.bytes.get(self.used).expect("the key exchange drew more randomness than one scalar");
            self.used += 1;
        }
    }

    fn try_fill_bytes(&mut self, place: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(place);
        Ok(())
    }
}

impl rand_core::CryptoRng for Seed {}

impl Drop for Seed {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests;
