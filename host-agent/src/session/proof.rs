//! Whether the peer knows the code, over this very connection: the one key exchange of the session, and the proofs.

use std::fmt;
use std::time::{Duration, Instant};

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Code;
use nearhand_protocol::control::ToViewer;
use nearhand_protocol::id::{Seat, SessionId};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Key, SEED_LEN};
use nearhand_protocol::proof::{Proof, Share};
use nearhand_protocol::signal::HostToServer;

use super::{Effect, News, Session};

/// How long a peer that has all that it takes may keep its proof to itself. An honest one sends it at once.
pub const PROOF_WAIT: Duration = Duration::from_secs(30);

/// How far the key exchange is. There is one for the whole session, so that a guesser has one guess.
pub(super) enum Handshake {
    /// The session's id is not known yet.
    Waiting { code: Code, seed: [u8; SEED_LEN] },
    /// Our share is made, the viewer's is awaited.
    Begun { exchange: Exchange, ours: Share },
    /// There is a key; whether the viewer's is the same, its proof shows.
    Agreed { theirs: Share, ours: Share, key: Key },
    /// The viewer was invited: both have the key, or it is another's.
    Invited { key: Key },
    /// The viewer's share was none; there is no second exchange.
    Failed,
}

/// Neither code nor seed nor key.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting { .. } => "Waiting",
            Self::Begun { .. } => "Begun",
            Self::Agreed { .. } => "Agreed",
            Self::Invited { .. } => "Invited",
            Self::Failed => "Failed",
        })
    }
}

impl Handshake {
    /// The session is known. A server that names another one later gets no second exchange.
    fn begin(&mut self, session: SessionId) {
        if let Self::Waiting { code, seed } = self {
            let (exchange, ours) = Exchange::begin(Seat::Host, session, *code, *seed);
            // Used once; what is left of it goes with the variant.
            seed.fill(0);
            *self = Self::Begun { exchange, ours };
        }
    }
}

impl Session {
    /// Whether the peer of this connection said its hello and proved the code. Until then nothing else of it counts, and
    /// it is told nothing else.
    pub const fn trusts(&self) -> bool {
        self.greeted && self.proven
    }

    pub(super) fn begin_exchange(&mut self, session: SessionId) {
        self.handshake.begin(session);
    }

    /// When a peer that does not prove itself is taken for one that can't. A technician who has yet to type the last digits
    /// has no key, and all the time of the session.
    pub(super) fn proof_until(&self) -> Option<Instant> {
        let able =
            matches!(self.handshake, Handshake::Agreed { .. } | Handshake::Invited { .. }) && !self.proven;
        self.awaited.filter(|_| able).map(|since| since + PROOF_WAIT)
    }

    /// The viewer's share: the first one makes the key, the same one again (its tab was reloaded, or our answer was lost)
    /// is answered again, any other is a second guess and gets no answer.
    pub(super) fn share(&mut self, share: Share, now: Instant, out: &mut Vec<Effect>) {
        self.handshake = match std::mem::replace(&mut self.handshake, Handshake::Failed) {
            Handshake::Begun { exchange, ours } => {
                let Ok(key) = exchange.finish(&share) else {
                    self.end(CloseReason::NotProven, out);
                    return;
                };
                self.awaited = self.awaited.map(|_| now);
                Handshake::Agreed { theirs: share, ours, key }
            }
            other => other,
        };
        if let Handshake::Agreed { theirs, ours, .. } = &self.handshake
            && *theirs == share
        {
            out.push(Effect::Signal(HostToServer::Share { share: *ours }));
        }
    }

    /// The viewer's proof, and what our own end of the connection really uses.
    pub(super) fn prove(
        &mut self,
        proof: &Proof,
        binding: Option<Binding>,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        // An honest viewer has its key from our share, so ours is there before its proof.
        let right = match (&self.handshake, binding) {
            (Handshake::Agreed { key, .. } | Handshake::Invited { key }, Some(binding)) => {
                key.verify(&binding, proof).ok().map(|()| (key.prove(&binding), key.words()))
            }
            _ => None,
        };
        let Some((answer, words)) = right else {
            self.end(CloseReason::NotProven, out);
            return;
        };
        out.push(Effect::Send(ToViewer::Prove(answer)));
        if self.words.replace(words).is_none() {
            out.push(Effect::Tell(News::Words(words)));
        }
        if !std::mem::replace(&mut self.proven, true) && self.greeted {
            self.trusted(now, out);
        }
    }
}
