//! A transport without a network, for tests of whoever drives one.

use super::event::{Candidate, Event, EventSender, Events};
use super::{EncodedFrame, Fingerprint, FrameError, IceServer, RtcError, SendError, Stats, Transport};
use async_trait::async_trait;
use bytes::Bytes;
use nearhand_protocol::channel::Channel;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Stands where a [`Peer`](super::Peer) would: records what it is given, and says what it is told to say.
pub struct FakeTransport {
    inner: Mutex<Inner>,
    /// Rung at everything that is recorded.
    recorded: Notify,
}

/// What a [`FakeTransport`] was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// An offer was accepted.
    Offer(String),
    /// A candidate was added.
    Candidate(Candidate),
    /// Other ICE servers were set.
    IceServers(Vec<IceServer>),
    /// A message was sent.
    Message(Channel, Bytes),
    /// A frame was sent; whether it was a keyframe.
    Frame {
        /// [`EncodedFrame::keyframe`].
        keyframe: bool,
        /// Length of [`EncodedFrame::annex_b`].
        bytes: usize,
    },
    /// Pacing was set.
    Pacing(Option<u32>),
    /// The transport was closed.
    Close,
}

struct Inner {
    events: Option<EventSender>,
    recorded: Vec<Recorded>,
    open: HashSet<Channel>,
    full: HashSet<Channel>,
    buffered: usize,
    video: Result<(), FrameError>,
    stats: Stats,
    fingerprints: Option<(Fingerprint, Fingerprint)>,
}

impl FakeTransport {
    /// A transport on which no channel is open and no video negotiated, and its events.
    pub fn new() -> (Arc<Self>, Events) {
        let (events, receiver) = EventSender::new();
        let inner = Inner {
            events: Some(events),
            recorded: Vec::new(),
            open: HashSet::new(),
            full: HashSet::new(),
            buffered: 0,
            video: Err(FrameError::NotNegotiated),
            stats: Stats::default(),
            fingerprints: None,
        };
        (Arc::new(Self { inner: Mutex::new(inner), recorded: Notify::new() }), receiver)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, recorded: Recorded) {
        self.inner().recorded.push(recorded);
        self.recorded.notify_waiters();
    }

    /// Lets an event happen; an opened or closed channel takes messages from then on, or not. Messages of channels
    /// whose queue is full wait, as they would for real. Does nothing after the close.
    pub async fn emit(&self, event: Event) {
        let events = {
            let mut inner = self.inner();
            match &event {
                Event::ChannelOpen(channel) => drop(inner.open.insert(*channel)),
                Event::ChannelClosed(channel) => drop(inner.open.remove(channel)),
                Event::BufferedLow(channel) => drop(inner.full.remove(channel)),
                _ => {}
            }
            inner.events.clone()
        };
        let Some(events) = events else { return };
        let queue = match &event {
            Event::KeyframeWanted => return events.keyframe.notify_one(),
            Event::LocalCandidate(_) | Event::State(_) => &events.control,
            Event::ChannelOpen(channel)
            | Event::Message(channel, _)
            | Event::ChannelClosed(channel)
            | Event::BufferedLow(channel) => events.of(*channel),
        };
        let _ = queue.send(event).await;
    }

    /// Makes [`Transport::send`] refuse on this channel until its [`Event::BufferedLow`].
    pub fn fill(&self, channel: Channel) {
        self.inner().full.insert(channel);
    }

    /// What [`Transport::buffered`] says, for every open channel.
    pub fn set_buffered(&self, bytes: usize) {
        self.inner().buffered = bytes;
    }

    /// What [`Transport::send_frame`] says.
    pub fn set_video(&self, video: Result<(), FrameError>) {
        self.inner().video = video;
    }

    /// What [`Transport::stats`] says.
    pub fn set_stats(&self, stats: Stats) {
        self.inner().stats = stats;
    }

    /// What the fingerprints are: ours, the browser's.
    pub fn set_fingerprints(&self, local: Fingerprint, remote: Fingerprint) {
        self.inner().fingerprints = Some((local, remote));
    }

    /// Everything recorded so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.inner().recorded.clone()
    }

    /// Waits until something recorded satisfies `wanted`, and returns it. A test puts its time limit around this.
    pub async fn wait_for(&self, wanted: impl Fn(&Recorded) -> bool) -> Recorded {
        loop {
            let rung = self.recorded.notified();
            if let Some(found) = self.inner().recorded.iter().find(|recorded| wanted(recorded)) {
                return found.clone();
            }
            rung.await;
        }
    }
}

#[async_trait]
impl Transport for FakeTransport {
    async fn accept_offer(&self, offer_sdp: &str) -> Result<String, RtcError> {
        if self.inner().events.is_none() {
            return Err(RtcError::Closed);
        }
        self.record(Recorded::Offer(offer_sdp.to_owned()));
        Ok(format!("answer to {offer_sdp}"))
    }

    async fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), RtcError> {
        self.record(Recorded::IceServers(servers));
        Ok(())
    }

    async fn add_remote_candidate(&self, candidate: Candidate) -> Result<(), RtcError> {
        self.record(Recorded::Candidate(candidate));
        Ok(())
    }

    fn send(&self, channel: Channel, message: Bytes) -> Result<(), SendError> {
        {
            let inner = self.inner();
            if message.len() > Channel::MAX_MESSAGE {
                return Err(SendError::TooLong);
            }
            if !inner.open.contains(&channel) {
                return Err(SendError::Closed);
            }
            if inner.full.contains(&channel) {
                return Err(SendError::Full);
            }
        }
        self.record(Recorded::Message(channel, message));
        Ok(())
    }

    fn buffered(&self, channel: Channel) -> usize {
        let inner = self.inner();
        if inner.open.contains(&channel) { inner.buffered } else { 0 }
    }

    fn send_frame(&self, frame: EncodedFrame) -> Result<(), FrameError> {
        self.inner().video?;
        self.record(Recorded::Frame { keyframe: frame.keyframe, bytes: frame.annex_b.len() });
        Ok(())
    }

    fn can_send_frame(&self) -> bool {
        self.inner().video.is_ok()
    }

    fn set_pacing(&self, bits_per_second: Option<u32>) {
        self.record(Recorded::Pacing(bits_per_second));
    }

    fn stats(&self) -> Stats {
        self.inner().stats.clone()
    }

    fn local_fingerprint(&self) -> Option<Fingerprint> {
        self.inner().fingerprints.map(|(local, _)| local)
    }

    fn remote_fingerprint(&self) -> Option<Fingerprint> {
        self.inner().fingerprints.map(|(_, remote)| remote)
    }

    async fn close(&self) {
        let ended = {
            let mut inner = self.inner();
            inner.open.clear();
            inner.video = Err(FrameError::NotNegotiated);
            inner.events.take().is_some()
        };
        if ended {
            self.record(Recorded::Close);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PeerState;
    use super::*;

    #[tokio::test]
    async fn behaves_like_a_connection() {
        let (transport, mut events) = FakeTransport::new();
        let message = Bytes::from_static(b"hello");
        assert_eq!(transport.send(Channel::Chat, message.clone()), Err(SendError::Closed));
        transport.emit(Event::ChannelOpen(Channel::Chat)).await;
        assert_eq!(events.next().await, Some(Event::ChannelOpen(Channel::Chat)));
        transport.fill(Channel::Chat);
        assert_eq!(transport.send(Channel::Chat, message.clone()), Err(SendError::Full));
        transport.emit(Event::BufferedLow(Channel::Chat)).await;
        assert_eq!(transport.send(Channel::Chat, message.clone()), Ok(()));
        let sent = transport.wait_for(|recorded| matches!(recorded, Recorded::Message(..))).await;
        assert_eq!(sent, Recorded::Message(Channel::Chat, message));
        transport.close().await;
        assert_eq!(events.next().await, Some(Event::BufferedLow(Channel::Chat)));
        assert_eq!(events.next().await, Some(Event::State(PeerState::Closed)));
        assert_eq!(events.next().await, None);
        assert!(matches!(transport.accept_offer("offer").await, Err(RtcError::Closed)));
    }
}
