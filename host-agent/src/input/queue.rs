//! What waits to be injected: moves merge, releases are never dropped, and nothing grows without bound.

use std::collections::VecDeque;

use nearhand_protocol::grant::ControlGrant;
use nearhand_protocol::input::{InputEvent, PointerMove};

/// Events that may wait; beyond it only releases are taken.
const CAPACITY: usize = 512;
/// Beyond this even releases stop being kept one by one: letting go of everything says the same.
const LIMIT: usize = 2 * CAPACITY;

/// Something for the thread to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Put the pointer there.
    Move {
        /// Pixels from the left.
        x: u16,
        /// Pixels from the top.
        y: u16,
        /// The leave.
        grant: ControlGrant,
    },
    /// Do this.
    Event(InputEvent, ControlGrant),
    /// Let go of everything.
    ReleaseAll,
    /// End.
    Stop,
}

/// The queue, without its lock.
#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    newest_move: Option<u32>,
    closed: bool,
}

impl Queue {
    pub(super) fn next(&mut self) -> Option<Job> {
        self.jobs.pop_front().or_else(|| self.closed.then_some(Job::Stop))
    }

    /// A pointer move; one that was overtaken is dropped, and one that waits right before it is replaced.
    pub(super) fn move_to(&mut self, to: PointerMove, grant: ControlGrant) {
        if self.closed || self.newest_move.is_some_and(|newest| to.sequence <= newest) {
            return;
        }
        self.newest_move = Some(to.sequence);
        if matches!(self.jobs.back(), Some(Job::Move { .. })) {
            self.jobs.pop_back();
        }
        if self.jobs.len() < CAPACITY {
            self.jobs.push_back(Job::Move { x: to.x, y: to.y, grant });
        }
    }

    /// False: full, and left out.
    pub(super) fn event(&mut self, event: InputEvent, grant: ControlGrant) -> bool {
        if self.closed {
            return false;
        }
        let releases = match &event {
            InputEvent::Button { pressed, .. } | InputEvent::Key { pressed, .. } => !pressed,
            InputEvent::ReleaseAll => true,
            InputEvent::Wheel { .. } | InputEvent::Text(_) => false,
        };
        if self.jobs.len() < CAPACITY {
            self.jobs.push_back(Job::Event(event, grant));
        } else if !releases {
            return false;
        } else if self.jobs.len() < LIMIT {
            self.jobs.push_back(Job::Event(event, grant));
        } else {
            self.release_all();
        }
        true
    }

    /// Several at once, or none: half a combination would leave keys pressed.
    pub(super) fn events(
        &mut self,
        events: impl ExactSizeIterator<Item = InputEvent>,
        grant: &ControlGrant,
    ) -> bool {
        if self.closed || self.jobs.len() + events.len() > CAPACITY {
            return false;
        }
        self.jobs.extend(events.map(|event| Job::Event(event, grant.clone())));
        true
    }

    pub(super) fn release_all(&mut self) {
        self.jobs.clear();
        self.jobs.push_back(Job::ReleaseAll);
    }

    pub(super) fn new_peer(&mut self) {
        self.newest_move = None;
    }

    pub(super) fn close(&mut self) {
        self.release_all();
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use nearhand_protocol::grant::{Consent, Grants, Right};
    use nearhand_protocol::input::KeyCode;

    use super::*;

    fn grant() -> (Grants, ControlGrant) {
        let mut grants = Grants::new();
        assert!(
            grants.give(Right::View, Consent::Customer) && grants.give(Right::Control, Consent::Customer)
        );
        let control = grants.control().unwrap();
        (grants, control)
    }

    fn to(sequence: u32, x: u16) -> PointerMove {
        PointerMove { sequence, x, y: 0 }
    }

    fn key(pressed: bool) -> InputEvent {
        InputEvent::Key { code: KeyCode::KeyA, key: None, pressed }
    }

    #[test]
    fn moves_merge_but_not_across_a_click_and_old_ones_are_dropped() {
        let (_grants, grant) = grant();
        let mut queue = Queue::default();
        queue.move_to(to(1, 10), grant.clone());
        queue.move_to(to(3, 30), grant.clone());
        queue.move_to(to(2, 20), grant.clone());
        queue.event(key(true), grant.clone());
        queue.move_to(to(4, 40), grant.clone());
        assert!(matches!(queue.next(), Some(Job::Move { x: 30, .. })));
        assert!(matches!(queue.next(), Some(Job::Event(..))));
        assert!(matches!(queue.next(), Some(Job::Move { x: 40, .. })));
        assert!(queue.next().is_none());
        queue.move_to(to(1, 50), grant.clone());
        assert!(queue.next().is_none());
        queue.new_peer();
        queue.move_to(to(1, 50), grant);
        assert!(matches!(queue.next(), Some(Job::Move { x: 50, .. })));
    }

    #[test]
    fn a_flood_is_bounded_and_releases_pass() {
        let (_grants, grant) = grant();
        let mut queue = Queue::default();
        for _ in 0..CAPACITY {
            assert!(queue.event(key(true), grant.clone()));
        }
        assert!(!queue.event(key(true), grant.clone()));
        assert!(!queue.events([key(true)].into_iter(), &grant));
        for _ in 0..10 * LIMIT {
            assert!(queue.event(key(false), grant.clone()));
            assert!(queue.jobs.len() <= LIMIT);
        }
        assert!(queue.jobs.iter().any(|job| matches!(job, Job::ReleaseAll)));
    }

    #[test]
    fn the_end_comes_after_the_release() {
        let (_grants, grant) = grant();
        let mut queue = Queue::default();
        queue.event(key(true), grant.clone());
        queue.close();
        queue.event(key(true), grant);
        assert!(matches!(queue.next(), Some(Job::ReleaseAll)));
        assert!(matches!(queue.next(), Some(Job::Stop)));
        assert!(matches!(queue.next(), Some(Job::Stop)));
    }
}
