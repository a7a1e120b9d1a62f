//! Whether the other end is who it should be: one key exchange for a session, one proof for each peer connection.
//!
//! The rules are `PROTOCOL.md`'s, in "Proof". A share is made once for a tab's life, from one code: two shares of the same
//! randomness and different codes would let whoever sees both try all codes at leisure. So what the server says about the
//! code later is not used, and a seed that outlived a reload is used again with the very same code only.

use core::fmt;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::{Code, Secret};
use nearhand_protocol::control::ToHost;
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::id::{Epoch, Seat, SessionId};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Key, SEED_LEN};
use nearhand_protocol::proof::{Proof, Share};

use super::{Effect, Link, Phase, Signal, State};

/// A host that does not answer a proof, or a share, within this time can't, in milliseconds.
pub const PROVE_MS: u64 = 10_000;

/// The random bytes of one key exchange. They never print themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(pub [u8; SEED_LEN]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// What a tab knows when its page is opened, and has kept over a reload.
#[derive(Debug)]
pub struct Known {
    /// The session.
    pub session: SessionId,
    /// The part of the code that the server does not know.
    pub secret: Option<Secret>,
    /// What the exchange led to before the reload.
    pub key: Option<Key>,
    /// An exchange that was begun before the reload: of which code, from which bytes.
    pub begun: Option<(Code, Seed)>,
    /// Fresh random bytes, should an exchange begin.
    pub fresh: Seed,
}

/// How far the two ends are with their key.
#[derive(Debug)]
pub(super) struct Agreement {
    known: Known,
    exchange: Option<Exchange>,
    share: Option<Share>,
    shared_ms: u64,
}

impl Agreement {
    pub(super) const fn new(known: Known) -> Self {
        Self { known, exchange: None, share: None, shared_ms: 0 }
    }

    pub(super) const fn key(&self) -> Option<&Key> {
        self.known.key.as_ref()
    }

    /// There is neither a key nor what one is made of.
    pub(super) const fn lacks_secret(&self) -> bool {
        self.known.key.is_none() && self.known.secret.is_none()
    }
}

impl State {
    /// Whether the last three digits of the code are needed here and not known.
    pub const fn lacks_secret(&self) -> bool {
        self.agreement.lacks_secret()
    }

    /// The session's key, once there is one; only a proof says whether the other end has it too.
    pub const fn key(&self) -> Option<&Key> {
        self.agreement.key()
    }

    /// Whether the other end of the current peer connection has proven that it knows the code, and that nobody stands
    /// between. Nothing else of it is believed before, and nothing else sent to it.
    pub fn is_proven(&self) -> bool {
        self.ended.is_none() && self.peer.is_some_and(|peer| peer.proven)
    }

    /// The words that stand on both screens, for those who want to compare.
    pub fn words(&self) -> Option<[&'static str; 4]> {
        self.key().filter(|_| self.is_proven()).map(Key::words)
    }

    /// The part of [`Self::phase`] that is about proofs.
    pub(super) fn doubt(&self) -> Option<Phase> {
        if self.host_present && self.lacks_secret() {
            return Some(Phase::Locked);
        }
        let peer = self.peer.filter(|peer| peer.control_open && peer.link == Link::Up && !peer.proven)?;
        let since_ms = peer.opened_ms.max(self.agreement.shared_ms);
        let unanswered = self.key().is_none() && self.now_ms.saturating_sub(since_ms) >= PROVE_MS;
        Some(match (unanswered, self.keeps_last()) {
            (true, _) => Phase::Stranded,
            (false, true) => Phase::Reconnecting,
            (false, false) => Phase::Proving,
        })
    }

    /// The host is there (again): it gets this end's share, the same each time, until there is a key.
    pub(super) fn share(&mut self, effects: &mut Vec<Effect>) {
        let agreement = &mut self.agreement;
        if !self.host_present || agreement.known.key.is_some() {
            return;
        }
        if agreement.share.is_none() {
            let (Some(pairing), Some(secret)) = (self.pairing, agreement.known.secret) else { return };
            let code = Code { nameplate: pairing.nameplate, secret };
            let seed = match agreement.known.begun.take() {
                Some((begun, seed)) if begun == code => seed,
                _ => agreement.known.fresh.clone(),
            };
            let (exchange, share) = Exchange::begin(Seat::Viewer, agreement.known.session, code, seed.0);
            agreement.exchange = Some(exchange);
            agreement.share = Some(share);
            // Kept before it goes out: a reload in between must come to the same share.
            effects.push(Effect::KeepSeed { code, seed });
        }
        if let Some(share) = agreement.share {
            agreement.shared_ms = self.now_ms;
            effects.push(Effect::Share(share));
        }
    }

    /// The technician typed the last three digits. They count once: a share that is out stays what it is.
    pub(super) fn learn(&mut self, secret: Secret, effects: &mut Vec<Effect>) {
        if self.lacks_secret() {
            self.agreement.known.secret = Some(secret);
            self.share(effects);
        }
    }

    /// The host's share has come; one that comes again, or unasked, changes nothing.
    pub(super) fn agree(&mut self, share: &Share, effects: &mut Vec<Effect>) {
        let Some(exchange) = self.agreement.exchange.take() else { return };
        match exchange.finish(share) {
            Ok(key) => {
                self.agreement.known.key = Some(key);
                effects.push(Effect::KeepKey);
                self.prove(effects);
            }
            Err(_) => self.not_proven(effects),
        }
    }

    /// Both descriptions of a peer connection hold, for the first time or again.
    pub(super) fn describe(&mut self, epoch: Epoch, binding: Option<Binding>, effects: &mut Vec<Effect>) {
        let Some(peer) = self.current(epoch) else { return };
        // Certificates last as long as the peer connection: another one is another end.
        let other = peer.proven && peer.binding != binding;
        match binding.filter(|binding| binding.epoch == epoch && !other) {
            Some(binding) => {
                peer.binding = Some(binding);
                self.prove(effects);
            }
            None => self.not_proven(effects),
        }
    }

    /// Sends this end's proof, as soon as there is all that it takes; on a new peer connection with the question for sight
    /// right behind it, which the host reads only once the proof was right. That saves a round trip, and tells a host that
    /// can't prove itself nothing: every tab asks for sight.
    pub(super) fn prove(&mut self, effects: &mut Vec<Effect>) {
        if let (Some(key), Some(peer)) = (&self.agreement.known.key, &mut self.peer)
            && let Some(binding) = peer.binding.filter(|_| peer.control_open)
        {
            let first = peer.awaited_ms.replace(self.now_ms).is_none() && !peer.proven;
            effects.push(Effect::Tell(ToHost::Prove(key.prove(&binding))));
            if first {
                effects.push(Effect::Tell(ToHost::Ask(Rights::only(Right::View))));
            }
        }
    }

    /// The host's proof has come.
    pub(super) fn verify(&mut self, proof: &Proof, effects: &mut Vec<Effect>) {
        let (Some(key), Some(peer)) = (&self.agreement.known.key, &mut self.peer) else { return };
        let Some(binding) = peer.binding else { return };
        if key.verify(&binding, proof).is_err() {
            return self.not_proven(effects);
        }
        peer.awaited_ms = None;
        if !core::mem::replace(&mut peer.proven, true) {
            self.met = true;
            self.asked = Rights::only(Right::View);
            effects.push(Effect::Proven);
        }
    }

    /// A host that is there and does not answer a proof can't. Over a broken link, or one that the server lost as well, it
    /// gets the time that mending takes.
    pub(super) fn doubt_too_long(&mut self, effects: &mut Vec<Effect>) {
        let overdue = self.peer.is_some_and(|peer| {
            peer.link == Link::Up
                && peer.control_open
                && peer.awaited_ms.is_some_and(|since_ms| self.now_ms - since_ms >= PROVE_MS)
        });
        if overdue && self.host_present {
            self.not_proven(effects);
        }
    }

    fn not_proven(&mut self, effects: &mut Vec<Effect>) {
        // The control channel knows no reasons, and would be quicker: whoever is at its other end is told nothing, if the
        // server can say it.
        let reason = CloseReason::NotProven;
        effects.push(match self.signal {
            Signal::Up => Effect::TellServerEnd(reason),
            Signal::Never | Signal::Lost => Effect::Tell(ToHost::End),
        });
        self.end(reason, effects);
    }
}
