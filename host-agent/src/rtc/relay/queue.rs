//! The two queues between the stack, which never waits, and a stream, which may stand still.

use super::frame;
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Bytes that wait to be sent; a keyframe of a busy screen fits.
const OUTGOING_BYTES: usize = 256 * 1024;
/// How long a datagram may wait. What is older is worth less than the room it takes: the newest picture wins, and
/// the congestion control sees a loss, as it would on a full line.
const OUTGOING_AGE: Duration = Duration::from_millis(250);
/// Datagrams that wait for the stack, which reads them at once unless it hangs. Then the stream is not read.
const INCOMING: usize = 512;

/// From the stack to a relay. Full or too old: the oldest are dropped, but never requests, which are few and repeated
/// late.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    state: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    datagrams: VecDeque<(Instant, Bytes)>,
    bytes: usize,
}

impl Outgoing {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a datagram, and makes room for it if need be.
    pub(super) fn push(&self, datagram: Bytes, now: Instant) {
        let mut waiting = self.state();
        waiting.bytes += datagram.len();
        waiting.datagrams.push_back((now, datagram));
        while waiting.bytes > OUTGOING_BYTES {
            let oldest = waiting.datagrams.iter().position(|(_, datagram)| !frame::is_request(datagram));
            // Only requests, 256 kB of them: the stack does not do that, and memory is bounded all the same.
            if let Some((_, dropped)) = waiting.datagrams.remove(oldest.unwrap_or(0)) {
                waiting.bytes -= dropped.len();
            }
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// The next datagram that is not too old. Cancel-safe; for one taker.
    pub(super) async fn pop(&self) -> Bytes {
        loop {
            if let Some(datagram) = self.try_pop(Instant::now()) {
                return datagram;
            }
            self.filled.notified().await;
        }
    }

    /// The next datagram that is not too old, if there is one.
    pub(super) fn try_pop(&self, now: Instant) -> Option<Bytes> {
        let mut waiting = self.state();
        while let Some((since, datagram)) = waiting.datagrams.pop_front() {
            waiting.bytes -= datagram.len();
            if now.saturating_duration_since(since) <= OUTGOING_AGE || frame::is_request(&datagram) {
                return Some(datagram);
            }
        }
        None
    }

    /// Waits until something is there. Cancel-safe; for one taker.
    pub(super) async fn filled(&self) {
        while self.state().datagrams.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.state() = Waiting::default();
    }
}

/// From all relays to one socket of the stack.
#[derive(Debug, Default)]
pub(in crate::rtc) struct Inbox {
    state: Mutex<Unread>,
    room: Notify,
}

#[derive(Debug, Default)]
struct Unread {
    datagrams: VecDeque<(SocketAddr, Bytes)>,
    waker: Option<Waker>,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, Unread> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room: the relay's stream stands still meanwhile, as any receiver's does that is slow.
    pub(super) async fn deliver(&self, from: SocketAddr, datagram: Bytes) {
        loop {
            let room = self.room.notified();
            {
                let mut unread = self.state();
                if unread.datagrams.len() < INCOMING {
                    unread.datagrams.push_back((from, datagram));
                    if let Some(waker) = unread.waker.take() {
                        waker.wake();
                    }
                    return;
                }
            }
            room.await;
        }
    }

    /// The next datagram, and who is said to have sent it.
    pub(in crate::rtc) fn poll(&self, cx: &Context<'_>) -> Poll<(SocketAddr, Bytes)> {
        let mut unread = self.state();
        if let Some(next) = unread.datagrams.pop_front() {
            drop(unread);
            self.room.notify_waiters();
            return Poll::Ready(next);
        }
        // To keep the one of a look would be to lose the one that counts.
        if !only_looks(cx) {
            unread.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Whether the stack does not wait but only looks if there is more: with a waker that wakes nobody, whose data are none. Its
/// table of functions tells nothing: each crate may have its own copy of it.
pub(in crate::rtc) fn only_looks(cx: &Context<'_>) -> bool {
    cx.waker().data().is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    const REQUEST: [u8; 20] = [0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

    fn media(number: u8) -> Bytes {
        Bytes::from([&[0x40, 0, 4, 0][..], &[number; 1020]].concat())
    }

    #[test]
    fn when_full_the_oldest_media_goes_and_requests_stay() {
        let (outgoing, now) = (Outgoing::default(), Instant::now());
        outgoing.push(media(0), now);
        outgoing.push(Bytes::from_static(&REQUEST), now);
        for number in 1..=255 {
            outgoing.push(media(number), now);
        }
        assert_eq!(outgoing.try_pop(now), Some(Bytes::from_static(&REQUEST)), "media 0 made room");
        let rest: Vec<u8> =
            std::iter::from_fn(|| outgoing.try_pop(now)).map(|datagram| datagram[9]).collect();
        assert_eq!(rest, (1..=255).collect::<Vec<u8>>());
        assert_eq!(outgoing.state().bytes, 0);
    }

    #[test]
    fn memory_is_bounded_even_for_requests() {
        let (outgoing, now) = (Outgoing::default(), Instant::now());
        for _ in 0..13_300 {
            outgoing.push(Bytes::from_static(&REQUEST), now);
        }
        assert!(outgoing.state().bytes <= OUTGOING_BYTES);
    }

    #[test]
    fn what_waited_too_long_is_not_sent() {
        let (outgoing, now) = (Outgoing::default(), Instant::now());
        outgoing.push(media(1), now);
        outgoing.push(Bytes::from_static(&REQUEST), now);
        outgoing.push(media(2), now + OUTGOING_AGE);
        let later = now + OUTGOING_AGE + Duration::from_millis(1);
        assert_eq!(outgoing.try_pop(later), Some(Bytes::from_static(&REQUEST)));
        assert_eq!(outgoing.try_pop(later), Some(media(2)));
        assert_eq!(outgoing.try_pop(later), None);
    }

    #[tokio::test]
    async fn waiting_for_the_next_one_ends_when_it_comes() {
        let outgoing = Arc::new(Outgoing::default());
        let taker = tokio::spawn({
            let outgoing = outgoing.clone();
            async move { outgoing.pop().await }
        });
        tokio::task::yield_now().await;
        outgoing.push(media(1), Instant::now());
        assert_eq!(taker.await.unwrap(), media(1));
        outgoing.push(media(1), Instant::now());
        outgoing.filled().await;
        outgoing.clear();
        assert_eq!(outgoing.try_pop(Instant::now()), None);
    }

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_look_without_a_waker_does_not_silence_the_one_who_waits() {
        let (inbox, counter) = (Inbox::default(), Arc::new(Counter::default()));
        let waker = Waker::from(counter.clone());
        let address = SocketAddr::from(([240, 0, 0, 1], 3478));
        assert!(inbox.poll(&Context::from_waker(&waker)).is_pending());
        assert!(inbox.poll(&Context::from_waker(Waker::noop())).is_pending());
        inbox.deliver(address, media(1)).await;
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert_eq!(inbox.poll(&Context::from_waker(Waker::noop())), Poll::Ready((address, media(1))));
    }

    #[tokio::test]
    async fn a_full_inbox_holds_the_stream_back() {
        let inbox = Arc::new(Inbox::default());
        let address = SocketAddr::from(([240, 0, 0, 1], 3478));
        for _ in 0..INCOMING {
            inbox.deliver(address, media(1)).await;
        }
        let blocked = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.deliver(address, media(2)).await }
        });
        tokio::task::yield_now().await;
        assert!(!blocked.is_finished());
        assert!(inbox.poll(&Context::from_waker(Waker::noop())).is_ready());
        blocked.await.unwrap();
    }
}
