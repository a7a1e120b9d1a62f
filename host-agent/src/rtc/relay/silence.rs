//! Notices that the way to a server is cut, by what is asked and not answered.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Every request is answered; nothing at all for this long means that the way is cut.
const ANSWER: Duration = Duration::from_secs(5);
/// The same for a question that was only put to find that out, after a change of this computer's addresses.
const PROBE_ANSWER: Duration = Duration::from_millis(1500);

/// Notices that nothing is heard any more.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When the answer to the oldest unanswered question is overdue.
    due: Mutex<Option<Instant>>,
    changed: Notify,
}

impl Watch {
    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn asked(&self) {
        self.due().get_or_insert(Instant::now() + ANSWER);
        self.changed.notify_one();
    }

    pub(super) fn probed(&self) {
        let soon = Instant::now() + PROBE_ANSWER;
        let mut due = self.due();
        *due = Some(due.map_or(soon, |due| due.min(soon)));
        drop(due);
        self.changed.notify_one();
    }

    pub(super) fn heard(&self) {
        *self.due() = None;
    }

    /// Ends when an answer is overdue.
    pub(super) async fn silent(&self) {
        loop {
            let due = *self.due();
            match due {
                None => self.changed.notified().await,
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {
                        if self.due().is_some_and(|due| due <= Instant::now()) {
                            return;
                        }
                    }
                    // Perhaps the answer to a later question is due earlier.
                    () = self.changed.notified() => {}
                },
            }
        }
    }
}

/// A Binding request with a transaction of our own.
pub(super) const PROBE: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42nearhand\xf0\x9f\x93\xa1";

/// An answer to [`PROBE`], which the stack knows nothing of.
pub(super) fn is_probe_answer(datagram: &[u8]) -> bool {
    datagram.len() >= 20 && datagram[0] == 1 && datagram[4..20] == PROBE[4..20]
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;
    use tokio::time::timeout;

    #[test]
    fn answers_to_the_probe_are_known() {
        assert!(frame::is_request(&PROBE));
        let mut answer = PROBE;
        answer[0] = 1;
        assert!(is_probe_answer(&answer));
        assert!(!is_probe_answer(&PROBE) && !is_probe_answer(&answer[..19]));
        answer[19] = 0;
        assert!(!is_probe_answer(&answer));
    }

    #[tokio::test]
    async fn silence_is_noticed_after_a_question_and_not_before() {
        let watch = Watch::default();
        assert!(timeout(PROBE_ANSWER / 10, watch.silent()).await.is_err(), "nothing was asked");
        watch.asked();
        watch.probed();
        let started = Instant::now();
        timeout(ANSWER, watch.silent()).await.expect("noticed");
        assert!(started.elapsed() < PROBE_ANSWER * 2, "the answer to the probe was due first");
        watch.heard();
        assert!(timeout(PROBE_ANSWER / 10, watch.silent()).await.is_err(), "the answer came");
    }
}
