//! Data channels: one task each, a bounded queue outwards, back-pressure inwards.

use super::SendError;
use super::event::{Event, EventSender};
use super::line::{Meter, Share};
use super::stats::Shared;
use bytes::{Bytes, BytesMut};
use nearhand_protocol::channel::Channel;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};

/// Bytes per channel that are handed to SCTP before they are acknowledged, at most. The rest waits in our own queue.
/// What file data may fill of it is its [`Share`]'s matter, so that a slow line is not full of it in front of everything
/// else. A message of the picture overtakes what waits in SCTP: its queue of unordered messages comes first there.
pub(super) const SCTP_LIMIT: usize = 1024 * 1024;
/// Messages in our own queue of one channel; bytes are bounded by [`Channel::buffer_limit`].
const QUEUE: usize = 4096;
/// How often the unacknowledged rest is looked at while nothing new is sent.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// And after this long where nothing happened.
const DRAIN_LOOK_LATEST: Duration = Duration::from_millis(80);
/// Where neither the line is measured by it nor anybody waits to send more: a browser acknowledges a single packet after 200 ms,
/// and each look wakes an idle program.
const CALM_LOOK: Duration = Duration::from_millis(250);
/// How often file data looks whether it may go on.
const YIELD_LOOK: Duration = Duration::from_millis(2);

/// The open channels.
pub(super) struct Channels {
    open: Mutex<HashMap<Channel, Arc<Outgoing>>>,
    shared: Arc<Shared>,
}

/// The way out of one channel.
struct Outgoing {
    channel: Channel,
    queue: mpsc::Sender<Bytes>,
    /// Bytes in our queue.
    queued: AtomicUsize,
    /// Bytes in SCTP, as of the last look.
    outstanding: AtomicUsize,
    /// More than the low mark was buffered since the last [`Event::BufferedLow`].
    was_high: AtomicBool,
}

impl Outgoing {
    fn buffered(&self) -> usize {
        self.queued.load(Relaxed) + self.outstanding.load(Relaxed)
    }

    fn low_mark(&self) -> usize {
        self.channel.buffer_limit() / 4
    }

    fn send(&self, message: Bytes) -> Result<(), SendError> {
        let (buffered, length) = (self.buffered(), message.len());
        // One message always fits an empty buffer.
        if buffered != 0 && buffered + length > self.channel.buffer_limit() {
            self.was_high.store(true, Relaxed);
            return Err(SendError::Full);
        }
        self.queued.fetch_add(length, Relaxed);
        if buffered + length > self.low_mark() {
            self.was_high.store(true, Relaxed);
        }
        self.queue.try_send(message).map_err(|error| {
            self.queued.fetch_sub(length, Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => {
                    self.was_high.store(true, Relaxed);
                    SendError::Full
                }
                mpsc::error::TrySendError::Closed(_) => SendError::Closed,
            }
        })
    }

    /// How soon SCTP is looked at after something was sent.
    fn first_look(&self) -> Duration {
        let measures = matches!(self.channel, Channel::FileData | Channel::Picture | Channel::Frames);
        if measures || self.was_high.load(Relaxed) { DRAIN_LOOK } else { CALM_LOOK }
    }

    /// Notes how much SCTP still holds, and whether that is news to whoever waits to send more.
    fn look(&self, outstanding: usize) -> Option<Event> {
        self.outstanding.store(outstanding, Relaxed);
        (self.buffered() <= self.low_mark() && self.was_high.swap(false, Relaxed))
            .then_some(Event::BufferedLow(self.channel))
    }
}

impl Channels {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { open: Mutex::default(), shared }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Channel, Arc<Outgoing>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, channel: Channel, message: Bytes) -> Result<(), SendError> {
        if message.len() > Channel::MAX_MESSAGE {
            return Err(SendError::TooLong);
        }
        self.open().get(&channel).cloned().ok_or(SendError::Closed)?.send(message)
    }

    pub(super) fn buffered(&self, channel: Channel) -> usize {
        self.open().get(&channel).map_or(0, |outgoing| outgoing.buffered())
    }

    pub(super) fn is_open(&self, channel: Channel) -> bool {
        self.open().contains_key(&channel)
    }

    pub(super) fn clear(&self) {
        self.open().clear();
    }

    /// Serves a channel that the browser opened, until it closes. Channels with an unknown label, and a second one
    /// with the label of an open one, are closed at once.
    pub(super) async fn serve(self: Arc<Self>, data_channel: Arc<dyn DataChannel>, events: EventSender) {
        let label = data_channel.label().await.unwrap_or_default();
        let Some(channel) = Channel::from_label(&label) else {
            tracing::debug!("closed a data channel with an unknown label");
            let _ = data_channel.close().await;
            return;
        };
        let (queue, messages) = mpsc::channel(QUEUE);
        let outgoing = Arc::new(Outgoing {
            channel,
            queue,
            queued: AtomicUsize::new(0),
            outstanding: AtomicUsize::new(0),
            was_high: AtomicBool::new(false),
        });
        let registered = {
            let mut open = self.open();
            let free = !open.contains_key(&channel);
            if free {
                open.insert(channel, outgoing.clone());
            }
            free
        };
        if !registered {
            tracing::debug!(?channel, "closed a second data channel of the same label");
            let _ = data_channel.close().await;
            return;
        }
        if events.of(channel).send(Event::ChannelOpen(channel)).await.is_ok() {
            tokio::select! {
                () = read(channel, data_channel.as_ref(), &events) => {}
                () = write(&outgoing, messages, data_channel.as_ref(), &events, &self.shared) => {}
            }
        }
        self.open().remove(&channel);
        let _ = data_channel.close().await;
        let _ = events.of(channel).send(Event::ChannelClosed(channel)).await;
    }
}

/// Hands messages to our owner until the channel closes.
async fn read(channel: Channel, data_channel: &dyn DataChannel, events: &EventSender) {
    let reliable = channel.reliability().max_retransmits.is_none();
    while let Some(event) = data_channel.poll().await {
        match event {
            DataChannelEvent::OnMessage(message) if message.data.len() > Channel::MAX_MESSAGE => {
                tracing::warn!(
                    ?channel,
                    bytes = message.data.len(),
                    "closed a data channel for too long a message"
                );
                return;
            }
            DataChannelEvent::OnMessage(message) => {
                let event = Event::Message(channel, message.data.freeze());
                if reliable {
                    if events.of(channel).send(event).await.is_err() {
                        return;
                    }
                } else {
                    // Full: dropped, as the network might have done.
                    let _ = events.of(channel).try_send(event);
                }
            }
            DataChannelEvent::OnClose => return,
            _ => {}
        }
    }
}

/// Hands messages to SCTP, which takes them as the browser acknowledges.
async fn write(
    outgoing: &Outgoing,
    mut messages: mpsc::Receiver<Bytes>,
    data_channel: &dyn DataChannel,
    events: &EventSender,
    shared: &Shared,
) {
    let now = Instant::now();
    let mut meter = Meter::new(now);
    // Everything else is small, or wanted at once.
    let mut share = (outgoing.channel == Channel::FileData).then(|| Share::new(now));
    let mut look = outgoing.first_look();
    loop {
        let outstanding = outgoing.outstanding.load(Relaxed);
        let may_go = share.as_ref().is_none_or(|share| {
            let line = shared.line();
            let now = Instant::now();
            share.allows(now, outstanding, &line.findings(now), line.shown())
        });
        let message = if !may_go {
            tokio::time::sleep(YIELD_LOOK).await;
            None
        } else if outstanding > 0 {
            // The stack tells when its buffer crosses a threshold, but not reliably when it counts differently from
            // us; looks while something is under way cannot miss.
            match tokio::time::timeout(look, messages.recv()).await {
                Ok(None) => return,
                Ok(message) => message,
                Err(_) => None,
            }
        } else {
            match messages.recv().await {
                None => return,
                message => message,
            }
        };
        if let Some(message) = message {
            let (length, now) = (message.len(), Instant::now());
            meter.handed(now, length);
            {
                let mut line = shared.line();
                match &mut share {
                    Some(share) => share.sent(now, length, &line.findings(now), line.shown()),
                    None if is_picture(outgoing.channel) => line.shows(now),
                    None => {}
                }
            }
            let sent = data_channel.send(BytesMut::from(message)).await;
            outgoing.queued.fetch_sub(length, Relaxed);
            if sent.is_err() {
                return;
            }
        }
        let before = outstanding;
        let Ok(outstanding) = data_channel.outstanding_bytes().await else { return };
        let first = outgoing.first_look();
        look = if outstanding == before { (look * 2).min(DRAIN_LOOK_LATEST.max(first)) } else { first };
        note(&mut meter, share.as_mut(), outgoing.channel, outstanding, shared);
        if let Some(event) = outgoing.look(outstanding)
            && events.of(outgoing.channel).send(event).await.is_err()
        {
            return;
        }
    }
}

const fn is_picture(channel: Channel) -> bool {
    matches!(channel, Channel::Picture | Channel::Frames)
}

/// Lets the line know what was acknowledged.
fn note(meter: &mut Meter, share: Option<&mut Share>, channel: Channel, outstanding: usize, shared: &Shared) {
    let now = Instant::now();
    let (bytes, report) = meter.looked(now, outstanding);
    if bytes == 0 {
        return;
    }
    let mut line = shared.line();
    if let (Some(share), Some(report)) = (share, &report) {
        share.acknowledged(now, report, &line.findings(now));
    }
    match report {
        // Where frames travel this way nothing else tells of the line.
        Some(report) if channel == Channel::Frames => line.reports(now, &[report]),
        _ => line.acknowledged(now, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(channel: Channel) -> (Outgoing, mpsc::Receiver<Bytes>) {
        let (queue, messages) = mpsc::channel(QUEUE);
        let outgoing = Outgoing {
            channel,
            queue,
            queued: AtomicUsize::new(0),
            outstanding: AtomicUsize::new(0),
            was_high: AtomicBool::new(false),
        };
        (outgoing, messages)
    }

    #[test]
    fn full_is_said_and_low_is_told_once() {
        let (outgoing, _messages) = outgoing(Channel::FileData);
        let message = Bytes::from(vec![0; Channel::MAX_MESSAGE]);
        let taken = (0..100).take_while(|_| outgoing.send(message.clone()).is_ok()).count();
        assert_eq!(taken, Channel::FileData.buffer_limit() / Channel::MAX_MESSAGE);
        assert_eq!(outgoing.send(message), Err(SendError::Full));
        assert_eq!(outgoing.send(Bytes::new()), Ok(()), "what still fits is taken");

        outgoing.queued.store(0, Relaxed);
        assert_eq!(outgoing.look(outgoing.low_mark() + 1), None);
        assert_eq!(outgoing.look(outgoing.low_mark()), Some(Event::BufferedLow(Channel::FileData)));
        assert_eq!(outgoing.look(0), None);
    }

    #[test]
    fn a_long_message_fits_an_empty_buffer() {
        let (outgoing, _messages) = outgoing(Channel::Pointer);
        assert!(Channel::Pointer.buffer_limit() < 20_000);
        assert_eq!(outgoing.send(Bytes::from(vec![0; 20_000])), Ok(()));
        assert_eq!(outgoing.send(Bytes::from_static(b"x")), Err(SendError::Full));
    }
}
