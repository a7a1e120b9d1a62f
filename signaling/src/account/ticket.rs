//! Tickets: how a tab of another origin shows that its technician is signed in, where no cookie of this server reaches.
//!
//! The desk asks for one and opens the tab with it. It is good for one session, once, for a minute; whoever finds it later,
//! in a history or over a shoulder, has nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearhand_protocol::id::{SessionId, Ticket};
use subtle::ConstantTimeEq as _;

use super::PersonId;

/// How long a ticket is good.
pub const GOOD_FOR: Duration = Duration::from_mins(1);
/// Random bytes of a ticket: too many to guess.
pub const RANDOM: usize = 16;
/// Most tickets that are out; beyond it the oldest is void. A desk asks for one at each click.
const MOST: usize = 1024;

/// All tickets that are out.
#[derive(Debug, Default)]
pub struct Tickets(VecDeque<Out>);

#[derive(Debug)]
struct Out {
    text: String,
    session: SessionId,
    person: PersonId,
    until: Instant,
}

impl Tickets {
    /// A new one.
    pub fn issue(
        &mut self,
        session: SessionId,
        person: PersonId,
        random: [u8; RANDOM],
        now: Instant,
    ) -> Ticket {
        self.forget(now);
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        let text = data_encoding::HEXLOWER.encode(&random);
        let until = now + GOOD_FOR;
        self.0.push_back(Out { text: text.clone(), session, person, until });
        Ticket::new(text)
    }

    /// Whom it stands for, if it is good for this session. It is used up whatever it was shown for.
    pub fn redeem(&mut self, ticket: &Ticket, session: SessionId, now: Instant) -> Option<PersonId> {
        if ticket.expose().len() > Ticket::MAX_LEN {
            return None;
        }
        self.forget(now);
        let shown = ticket.expose().as_bytes();
        let at = self.0.iter().position(|out| bool::from(out.text.as_bytes().ct_eq(shown)))?;
        let out = self.0.remove(at)?;
        (out.session == session).then_some(out.person)
    }

    /// They end in the order in which they were given.
    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|out| out.until <= now) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ONE: SessionId = SessionId::new(Uuid::from_u128(1));
    const OTHER: SessionId = SessionId::new(Uuid::from_u128(2));

    fn random(number: u16) -> [u8; RANDOM] {
        let mut random = [7; RANDOM];
        random[..2].copy_from_slice(&number.to_be_bytes());
        random
    }

    #[test]
    fn it_is_good_once_for_its_session_and_its_time() {
        let now = Instant::now();
        let person = Some(PersonId::OPERATOR);
        let mut tickets = Tickets::default();
        let ticket = tickets.issue(ONE, PersonId::OPERATOR, random(0), now);
        assert_eq!(format!("{ticket:?}"), "Ticket(…)");
        assert!(ticket.expose().len() <= Ticket::MAX_LEN);
        assert_eq!(tickets.redeem(&ticket, ONE, now), person);
        assert_eq!(tickets.redeem(&ticket, ONE, now), None, "used up");

        let ticket = tickets.issue(ONE, PersonId::OPERATOR, random(1), now);
        assert_eq!(tickets.redeem(&ticket, OTHER, now), None, "of another session");
        assert_eq!(tickets.redeem(&ticket, ONE, now), None, "used up by that");

        let ticket = tickets.issue(ONE, PersonId::OPERATOR, random(2), now);
        let last = now + Duration::from_secs(59);
        let second = tickets.issue(OTHER, PersonId::OPERATOR, random(3), last);
        assert_eq!(tickets.redeem(&ticket, ONE, now + GOOD_FOR), None, "too late");
        assert_eq!(tickets.redeem(&second, OTHER, now + GOOD_FOR), person);
    }

    #[test]
    fn what_was_never_given_opens_nothing() {
        let now = Instant::now();
        let mut tickets = Tickets::default();
        let ticket = tickets.issue(ONE, PersonId::OPERATOR, random(0), now);
        let text = ticket.expose().to_owned();
        for forged in ["", "0", &text[1..], &text.to_uppercase(), &format!("{text}0"), &"0".repeat(10_000)] {
            if forged != text {
                assert_eq!(tickets.redeem(&Ticket::new(forged.into()), ONE, now), None, "{forged}");
            }
        }
        assert!(tickets.redeem(&ticket, ONE, now).is_some());
    }

    #[test]
    fn there_are_never_too_many() {
        let now = Instant::now();
        let mut tickets = Tickets::default();
        let first = tickets.issue(ONE, PersonId::OPERATOR, random(0), now);
        for number in 1..=MOST as u16 {
            tickets.issue(ONE, PersonId::OPERATOR, random(number), now);
        }
        assert_eq!(tickets.0.len(), MOST);
        assert!(tickets.redeem(&first, ONE, now).is_none());
    }
}
