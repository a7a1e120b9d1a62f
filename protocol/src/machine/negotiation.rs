//! Keeps descriptions and candidates of one session in their order, whatever order the network delivers them in.
//!
//! Candidates may arrive before the description they belong to, and messages of an earlier peer connection may arrive
//! after a tab was reloaded. This machine holds the first back and drops the second.

use crate::id::Epoch;
use crate::signal::{Candidate, Negotiate, Sdp};

/// Most candidates that wait for their description; a browser gathers about a dozen.
pub const MAX_WAITING: usize = 64;

/// What the driver does next, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A new peer connection begins: close the one before, make another.
    Start(Epoch),
    /// Apply the peer's description.
    Describe(Sdp),
    /// Add the peer's candidate.
    AddCandidate(Candidate),
    /// The host asks for an ICE restart: offer again, with new credentials.
    Restart {
        /// Or rather for a new peer connection: this one has no address left to restart with.
        anew: bool,
    },
}

/// One end's view of the negotiation.
#[derive(Debug, Default)]
pub struct Negotiation {
    epoch: Option<Epoch>,
    described: bool,
    waiting: Vec<Candidate>,
}

impl Negotiation {
    /// Nothing has been negotiated.
    pub fn new() -> Self {
        Self::default()
    }

    /// The peer connection that is current.
    pub const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// This end starts a peer connection itself (the viewer, before its offer).
    pub fn begin(&mut self, epoch: Epoch) {
        *self = Self { epoch: Some(epoch), described: false, waiting: Vec::new() };
    }

    /// A message of the peer arrived.
    pub fn receive(&mut self, message: Negotiate) -> Vec<Effect> {
        let epoch = message.epoch();
        let mut effects = Vec::new();
        match message {
            Negotiate::Offer { sdp, .. } => {
                if self.epoch.is_some_and(|current| epoch < current) {
                    return effects;
                }
                if self.epoch != Some(epoch) {
                    // Candidates that overtook this offer wait under its epoch already; see below.
                    self.begin(epoch);
                    effects.push(Effect::Start(epoch));
                }
                self.describe(sdp, &mut effects);
            }
            Negotiate::Answer { sdp, .. } => {
                if self.epoch == Some(epoch) {
                    self.describe(sdp, &mut effects);
                }
            }
            Negotiate::Candidate { candidate, .. } => {
                // The signaling channel keeps the order of one sender, so a candidate of a later peer connection than
                // the current one can only be a mistake; it is dropped like one of an earlier.
                if self.epoch == Some(epoch) {
                    if self.described {
                        effects.push(Effect::AddCandidate(candidate));
                    } else if self.waiting.len() < MAX_WAITING {
                        self.waiting.push(candidate);
                    }
                }
            }
            Negotiate::RestartWanted { anew, .. } => {
                // Before the first answer there is nothing to restart: that offer is still on its way.
                if self.epoch == Some(epoch) && self.described {
                    effects.push(Effect::Restart { anew });
                }
            }
        }
        effects
    }

    fn describe(&mut self, sdp: Sdp, effects: &mut Vec<Effect>) {
        self.described = true;
        effects.push(Effect::Describe(sdp));
        effects.extend(self.waiting.drain(..).map(Effect::AddCandidate));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Seat;

    fn offer(epoch: u32) -> Negotiate {
        Negotiate::Offer { epoch: Epoch(epoch), sdp: Sdp("o".into()) }
    }

    fn answer(epoch: u32) -> Negotiate {
        Negotiate::Answer { epoch: Epoch(epoch), sdp: Sdp("a".into()) }
    }

    fn candidate(epoch: u32) -> Negotiate {
        Negotiate::Candidate { epoch: Epoch(epoch), candidate: line() }
    }

    fn line() -> Candidate {
        Candidate { candidate: "c".into(), sdp_mid: None, sdp_m_line_index: None }
    }

    #[test]
    fn an_offer_starts_and_a_second_one_renegotiates() {
        let mut host = Negotiation::new();
        assert_eq!(host.receive(candidate(1)), []);
        assert_eq!(host.receive(offer(1)), [Effect::Start(Epoch(1)), Effect::Describe(Sdp("o".into()))]);
        assert_eq!(host.receive(candidate(1)), [Effect::AddCandidate(line())]);
        assert_eq!(host.receive(offer(1)), [Effect::Describe(Sdp("o".into()))]);
    }

    #[test]
    fn candidates_wait_for_the_answer() {
        let mut viewer = Negotiation::new();
        viewer.begin(Epoch(3));
        assert_eq!(viewer.receive(candidate(3)), []);
        assert_eq!(viewer.receive(answer(2)), []);
        assert_eq!(
            viewer.receive(answer(3)),
            [Effect::Describe(Sdp("a".into())), Effect::AddCandidate(line())]
        );
    }

    #[test]
    fn a_restart_is_for_the_connection_that_is_current_and_described() {
        let mut viewer = Negotiation::new();
        viewer.begin(Epoch(3));
        let wanted = |epoch| Negotiate::RestartWanted { epoch: Epoch(epoch), anew: false };
        assert_eq!(viewer.receive(wanted(3)), []);
        viewer.receive(answer(3));
        assert_eq!(viewer.receive(wanted(3)), [Effect::Restart { anew: false }]);
        let anew = Negotiate::RestartWanted { epoch: Epoch(3), anew: true };
        assert_eq!(viewer.receive(anew), [Effect::Restart { anew: true }]);
        assert_eq!(viewer.receive(wanted(2)), []);
        assert_eq!(viewer.receive(wanted(4)), []);
        assert!(wanted(3).allowed_from(Seat::Host) && !wanted(3).allowed_from(Seat::Viewer));
    }

    #[test]
    fn a_reloaded_tab_replaces_and_the_past_is_ignored() {
        let mut host = Negotiation::new();
        host.receive(offer(1));
        assert_eq!(host.receive(offer(2))[0], Effect::Start(Epoch(2)));
        assert_eq!(host.receive(offer(1)), []);
        assert_eq!(host.receive(candidate(1)), []);
        assert_eq!(host.receive(answer(1)), []);
    }

    proptest! {
        /// Whatever arrives: memory stays bounded, epochs only rise, and no candidate comes before a description.
        #[test]
        fn any_order_is_survived(steps in prop::collection::vec((0..4_u8, 0..4_u32), 0..200)) {
            let mut host = Negotiation::new();
            let mut highest = None;
            let mut described = false;
            for (kind, epoch) in steps {
                let effects = host.receive(match kind {
                    0 => offer(epoch),
                    1 => answer(epoch),
                    2 => Negotiate::RestartWanted { epoch: Epoch(epoch), anew: false },
                    _ => candidate(epoch),
                });
                for effect in effects {
                    match effect {
                        Effect::Start(epoch) => {
                            prop_assert!(highest.is_none_or(|before| epoch > before));
                            highest = Some(epoch);
                            described = false;
                        }
                        Effect::Describe(_) => described = true,
                        Effect::AddCandidate(_) | Effect::Restart { .. } => prop_assert!(described),
                    }
                }
                prop_assert!(host.waiting.len() <= MAX_WAITING);
            }
        }
    }
}
