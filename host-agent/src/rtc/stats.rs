//! What is known about the way to the browser, gathered from every part of the connection.

use super::event::Path;
use super::frames;
use super::line::{Capacity, Line, Report};
use super::twice::Twice;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How frames of the video travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the RTP track.
    Track,
    /// Over [`Channel::Frames`](nearhand_protocol::channel::Channel::Frames): the browser's WebRTC has no H.264.
    Channel,
}

/// A snapshot. What was not measured yet is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// How packets travel.
    pub path: Option<Path>,
    /// How frames travel; `None`: not at all, yet.
    pub way: Option<Way>,
    /// Round trip to the browser, by ICE checks, every few seconds; before the first, by feedback.
    pub round_trip: Option<Duration>,
    /// Time that packets at the beginning of frames stand in queues on the way, above the least of the last 6 to 12 s;
    /// with every feedback (about 50 ms). The earliest sign of congestion.
    pub queue_delay: Option<Duration>,
    /// Part of the packets of the last second that was lost, 0 to 1, by transport-wide feedback, else by receiver
    /// reports.
    pub loss: Option<f32>,
    /// What arrived at the browser during the last second, in bits per second of RTP and data channels.
    pub delivered_bitrate: Option<u32>,
    /// The same of the last quarter of a second.
    pub delivered_now: Option<u32>,
    /// What the spacing of packets tells about the narrowest place on the way.
    pub capacity: Option<Capacity>,
    /// The browser's own estimate (REMB), where it sends one.
    pub remb: Option<u32>,
    /// Frames handed to the network entirely.
    pub frames_sent: u64,
    /// RTP packets sent, without retransmissions.
    pub packets_sent: u64,
    /// Their bytes, with RTP headers, and those of frames over a data channel.
    pub bytes_sent: u64,
    /// Packets of the frame in hand that wait for pacing.
    pub backlog_packets: usize,
    /// Retransmissions that passed the gate.
    pub retransmissions: u64,
    /// Retransmissions that were asked for and refused.
    pub retransmissions_refused: u64,
    /// PLI and FIR received.
    pub keyframe_requests: u64,
    /// The browser has reported the newest packet as received: nothing is on its way, and nothing was lost at the end.
    pub all_arrived: bool,
}

/// Where all parts write and [`Stats`] is read from. Nothing here is held across a wait.
pub(super) struct Shared {
    line: Mutex<Line>,
    looked: Mutex<Looked>,
    twice: Mutex<Twice>,
    /// Media and data flow, as far as is known.
    connected: AtomicBool,
    frames_sent: AtomicU64,
    packets_sent: AtomicU64,
    bytes_sent: AtomicU64,
    backlog: AtomicUsize,
    retransmissions: AtomicU64,
    refused: AtomicU64,
    keyframe_requests: AtomicU64,
    /// Sequence number of the newest packet sent.
    newest_sent: AtomicU16,
    /// The highest sequence number that the browser reported.
    newest_reported: AtomicU16,
}

/// What is looked up now and then.
#[derive(Clone, Default)]
pub(super) struct Looked {
    pub(super) path: Option<Path>,
    pub(super) round_trip: Option<Duration>,
    pub(super) reported_loss: Option<f32>,
    pub(super) remb: Option<u32>,
}

impl Shared {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            line: Mutex::new(Line::new(now)),
            looked: Mutex::default(),
            twice: Mutex::new(Twice::new()),
            connected: AtomicBool::default(),
            frames_sent: AtomicU64::default(),
            packets_sent: AtomicU64::default(),
            bytes_sent: AtomicU64::default(),
            backlog: AtomicUsize::default(),
            retransmissions: AtomicU64::default(),
            refused: AtomicU64::default(),
            keyframe_requests: AtomicU64::default(),
            newest_sent: AtomicU16::default(),
            newest_reported: AtomicU16::default(),
        }
    }

    /// The measurements of the line.
    pub(super) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self) -> MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what was looked up.
    pub(super) fn update(&self, change: impl FnOnce(&mut Looked)) {
        change(&mut self.looked());
    }

    pub(super) fn reports(&self, now: Instant, reports: &[Report]) {
        let line = {
            let mut line = self.line();
            line.reports(now, reports);
            line.findings(now)
        };
        let lost = reports.iter().filter(|report| report.arrival.is_none()).count();
        self.twice().told(now, reports.len(), lost, &line);
    }

    /// A message did not come.
    pub(super) fn missed(&self, now: Instant) {
        self.twice().missed(now);
    }

    fn twice(&self) -> MutexGuard<'_, Twice> {
        self.twice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether packets of data channels leave twice.
    pub(super) fn is_twice(&self, now: Instant) -> bool {
        self.twice().is_on(now)
    }

    /// Whether this datagram does.
    pub(super) fn copies(&self, now: Instant, datagram: &[u8]) -> bool {
        self.twice().copies(now, datagram)
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Relaxed);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.looked().round_trip
    }

    pub(super) fn set_reported_loss(&self, loss: f32) {
        self.update(|line| line.reported_loss = Some(loss));
    }

    /// The highest sequence number of a receiver report, whose upper half counts the turns (RFC 3550, 6.4.1).
    pub(super) fn set_reported_to(&self, extended: u32) {
        self.newest_reported.store(extended as u16, Relaxed);
    }

    pub(super) fn set_remb(&self, bitrate: u32) {
        self.update(|line| line.remb = Some(bitrate));
    }

    pub(super) fn count_retransmissions(&self, sent: usize, refused: usize) {
        self.retransmissions.fetch_add(sent as u64, Relaxed);
        self.refused.fetch_add(refused as u64, Relaxed);
    }

    pub(super) fn count_keyframe_request(&self) {
        self.keyframe_requests.fetch_add(1, Relaxed);
    }

    /// To be called before the packet is given to the stack, which notes its departure.
    pub(super) fn packet_leaves(&self, bytes: usize) {
        self.line().sent(Instant::now(), bytes);
    }

    pub(super) fn count_packet(&self, sequence_number: u16, bytes: usize) {
        self.newest_sent.store(sequence_number, Relaxed);
        self.packets_sent.fetch_add(1, Relaxed);
        self.bytes_sent.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes that may wait in the channel of frames when the next one is taken.
    pub(super) fn frames_room(&self) -> usize {
        let capacity = self.line().findings(Instant::now()).capacity;
        frames::room(capacity.map(|capacity| capacity.bits), self.round_trip().unwrap_or_default())
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_frame(&self) {
        self.frames_sent.fetch_add(1, Relaxed);
    }

    pub(super) fn set_backlog(&self, packets: usize) {
        self.backlog.store(packets, Relaxed);
    }

    pub(super) fn snapshot(&self) -> Stats {
        let looked = self.looked().clone();
        let found = self.line().findings(Instant::now());
        Stats {
            path: looked.path,
            // The video knows.
            way: None,
            round_trip: looked.round_trip.or(found.lag),
            queue_delay: found.queue,
            loss: found.loss.or(looked.reported_loss),
            delivered_bitrate: found.delivered,
            delivered_now: found.delivered_now,
            capacity: found.capacity,
            remb: looked.remb,
            frames_sent: self.frames_sent.load(Relaxed),
            packets_sent: self.packets_sent.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            backlog_packets: self.backlog.load(Relaxed),
            retransmissions: self.retransmissions.load(Relaxed),
            retransmissions_refused: self.refused.load(Relaxed),
            keyframe_requests: self.keyframe_requests.load(Relaxed),
            all_arrived: self.packets_sent.load(Relaxed) > 0
                && self.newest_sent.load(Relaxed) == self.newest_reported.load(Relaxed),
        }
    }
}
