//! What a connection tells its owner, and in which order.

use bytes::Bytes;
use nearhand_protocol::channel::Channel;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// One end's address as the other may try it, in the words of the WebRTC specification.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The candidate line without `a=`; empty: the end of candidates.
    pub candidate: String,
    /// The media section it belongs to, by name.
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by number.
    pub sdp_m_line_index: Option<u16>,
}

/// Addresses stay out of every log.
impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.candidate.is_empty() { "Candidate(end)" } else { "Candidate(…)" })
    }
}

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From machine to machine on one network.
    Host,
    /// Directly, through a router whose outer address a STUN server told.
    ServerReflexive,
    /// Directly, to an address that was only seen in a packet.
    PeerReflexive,
    /// Through a TURN server.
    Relayed,
}

impl Path {
    /// Whether no server carries the packets.
    pub const fn is_direct(self) -> bool {
        !matches!(self, Self::Relayed)
    }
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Looking for a path, or shaking hands on one.
    Connecting,
    /// Media and data flow. Comes again when the path has changed.
    Connected(Path),
    /// Nothing was heard for some seconds; may recover by itself or by an ICE restart.
    Disconnected,
    /// Will not recover without an ICE restart from the browser.
    Failed,
    /// The end; no event follows.
    Closed,
}

/// What a connection tells its owner.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// To be sent to the browser. An empty one is the end of candidates.
    LocalCandidate(Candidate),
    /// The connection changed.
    State(PeerState),
    /// The browser cannot decode: the next frame should be a keyframe. Many requests become one event.
    KeyframeWanted,
    /// The browser opened a channel.
    ChannelOpen(Channel),
    /// A message, text or binary, at most [`Channel::MAX_MESSAGE`] long.
    Message(Channel, Bytes),
    /// The channel is gone; the browser may open it again.
    ChannelClosed(Channel),
    /// Less than a quarter of [`Channel::buffer_limit`] is waiting, after it was more.
    BufferedLow(Channel),
}

/// Contents stay out of every log.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalCandidate(candidate) => f.debug_tuple("LocalCandidate").field(candidate).finish(),
            Self::State(state) => f.debug_tuple("State").field(state).finish(),
            Self::KeyframeWanted => f.write_str("KeyframeWanted"),
            Self::ChannelOpen(channel) => f.debug_tuple("ChannelOpen").field(channel).finish(),
            Self::Message(channel, bytes) => write!(f, "Message({channel:?}, {} bytes)", bytes.len()),
            Self::ChannelClosed(channel) => f.debug_tuple("ChannelClosed").field(channel).finish(),
            Self::BufferedLow(channel) => f.debug_tuple("BufferedLow").field(channel).finish(),
        }
    }
}

/// The events of one connection, for one listener.
///
/// Four sources, looked at in this order: candidates and states; the keyframe flag; messages; file data. So a
/// transfer never stands before a key press or the end of the session. Within one channel the order is kept.
///
/// When the listener is slow: candidates and states are few and never dropped (more than [`CONTROL_QUEUE`] unread
/// ones close the connection); keyframe requests merge; messages of unreliable channels are dropped; reliable ones
/// wait, [`DATA_QUEUE`] here, then in the stack, then at the browser, whose SCTP window closes. That last step
/// stops *all* data channels of the connection, and begins at about 20 MB of unread file data: a transfer must keep
/// its own window below that.
pub struct Events {
    control: mpsc::Receiver<Event>,
    keyframe: Arc<Notify>,
    data: mpsc::Receiver<Event>,
    bulk: mpsc::Receiver<Event>,
    end: End,
}

/// How far the end was told.
enum End {
    /// The connection lives.
    Open,
    /// It is gone; what was received before is still being read.
    Draining,
    /// The owner knows.
    Told,
}

/// Unread candidates and states.
pub(super) const CONTROL_QUEUE: usize = 256;
/// Unread messages, and as many of file data; each is at most 64 kB.
pub(super) const DATA_QUEUE: usize = 64;

impl Events {
    /// The next event. After the end: what was still unread, [`PeerState::Closed`], then `None`. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        if matches!(self.end, End::Open) {
            tokio::select! {
                biased;
                event = self.control.recv() => match event {
                    Some(event) => return Some(event),
                    None => self.end = End::Draining,
                },
                () = self.keyframe.notified() => return Some(Event::KeyframeWanted),
                Some(event) = self.data.recv() => return Some(event),
                Some(event) = self.bulk.recv() => return Some(event),
            }
        }
        if matches!(self.end, End::Told) {
            return None;
        }
        // Every sender is gone by now, so neither of these waits.
        if let Some(event) = self.data.recv().await {
            return Some(event);
        }
        if let Some(event) = self.bulk.recv().await {
            return Some(event);
        }
        self.end = End::Told;
        Some(Event::State(PeerState::Closed))
    }
}

/// The sending ends of [`Events`].
#[derive(Clone)]
pub(super) struct EventSender {
    pub(super) control: mpsc::Sender<Event>,
    pub(super) keyframe: Arc<Notify>,
    data: mpsc::Sender<Event>,
    bulk: mpsc::Sender<Event>,
}

impl EventSender {
    pub(super) fn new() -> (Self, Events) {
        let (control_tx, control) = mpsc::channel(CONTROL_QUEUE);
        let (data_tx, data) = mpsc::channel(DATA_QUEUE);
        let (bulk_tx, bulk) = mpsc::channel(DATA_QUEUE);
        let keyframe = Arc::new(Notify::new());
        let sender = Self { control: control_tx, keyframe: keyframe.clone(), data: data_tx, bulk: bulk_tx };
        (sender, Events { control, keyframe, data, bulk, end: End::Open })
    }

    /// The queue for everything about this channel; its order is the channel's order.
    pub(super) fn of(&self, channel: Channel) -> &mpsc::Sender<Event> {
        if channel == Channel::FileData { &self.bulk } else { &self.data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn states_overtake_messages_and_messages_overtake_file_data() {
        let (sender, mut events) = EventSender::new();
        sender.of(Channel::FileData).try_send(Event::ChannelOpen(Channel::FileData)).unwrap();
        sender.of(Channel::Input).try_send(Event::ChannelOpen(Channel::Input)).unwrap();
        sender.keyframe.notify_one();
        sender.keyframe.notify_one();
        sender.control.try_send(Event::State(PeerState::Failed)).unwrap();
        assert_eq!(events.next().await, Some(Event::State(PeerState::Failed)));
        assert_eq!(events.next().await, Some(Event::KeyframeWanted));
        assert_eq!(events.next().await, Some(Event::ChannelOpen(Channel::Input)));
        assert_eq!(events.next().await, Some(Event::ChannelOpen(Channel::FileData)));
        sender.of(Channel::Chat).try_send(Event::ChannelClosed(Channel::Chat)).unwrap();
        drop(sender);
        assert_eq!(
            events.next().await,
            Some(Event::ChannelClosed(Channel::Chat)),
            "unread messages survive the end"
        );
        assert_eq!(events.next().await, Some(Event::State(PeerState::Closed)));
        assert_eq!(events.next().await, None);
    }

    #[test]
    fn contents_are_not_printed() {
        let event = Event::Message(Channel::Chat, Bytes::from_static(b"hidden"));
        assert_eq!(format!("{event:?}"), "Message(Chat, 6 bytes)");
        let candidate = Candidate { candidate: "hidden".into(), ..Candidate::default() };
        assert_eq!(format!("{:?}", Event::LocalCandidate(candidate)), "LocalCandidate(Candidate(…))");
    }
}
