//! The connection to the technician's browser: H.264 out, in a track or a data channel, and data channels both ways.
//!
//! Nothing outside this module names the `webrtc` and `rtc` crates. The rest of the host talks to a [`Transport`]
//! and listens to its [`Events`]; [`Peer`] is the real one and [`fake`] the one that driver tests hold.
//!
//! The browser offers, always. Waiting happens in one place only, [`Events::next`]; sending never waits, it refuses
//! ([`SendError::Full`], [`FrameError::Busy`]), so that whoever produces decides what to leave out.

mod anchor;
mod candidate;
mod channels;
mod codec;
mod config;
mod estimate;
mod event;
pub mod fake;
mod feedback;
mod fingerprint;
mod frames;
mod handshake;
mod interfaces;
pub(crate) mod line;
mod mdns;
mod media;
mod nack;
mod peer;
mod relay;
mod runtime;
mod stats;
mod supervisor;
mod twice;

use async_trait::async_trait;
use bytes::Bytes;
use nearhand_protocol::channel::Channel;

pub use config::{Bind, IceServer, PeerConfig};
pub use event::{Candidate, Event, Events, Path, PeerState};
pub use fingerprint::Fingerprint;
pub use interfaces::Interfaces;
pub use line::Capacity;
pub use peer::Peer;
pub use stats::{Stats, Way};

/// One picture from the encoder.
#[derive(Clone)]
pub struct EncodedFrame {
    /// The access unit in Annex B form (start codes; SPS and PPS in front of an IDR picture).
    pub annex_b: Bytes,
    /// The RTP timestamp: when its pixels were taken from the screen, in ticks of 90 kHz since some moment. Another one
    /// than that of the frame before, or both would be one picture to the browser.
    pub timestamp: u32,
    /// An IDR picture: can be decoded without any before it.
    pub keyframe: bool,
}

/// Why a connection could not be made or an answer not be given. Holds no SDP, no candidate and no credential.
#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    /// Sockets, certificates or the given ICE servers.
    #[error(
        "could not set up the peer connection ({0}); check the ICE servers and that UDP sockets may be opened"
    )]
    Setup(String),
    /// The browser's offer is no SDP, too long, or offers what cannot be answered.
    #[error("could not answer the browser's offer ({0})")]
    Offer(String),
    /// A candidate that does not parse, or that came before the first offer.
    #[error("could not add the browser's candidate ({0})")]
    Candidate(String),
    /// [`Transport::close`] was called, or the connection ended.
    #[error("the peer connection is closed")]
    Closed,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As much is waiting as [`Channel::buffer_limit`] allows. Wait for [`Event::BufferedLow`].
    #[error("the send buffer of the channel is full")]
    Full,
    /// The browser has not opened this channel, or it is closed.
    #[error("the channel is not open")]
    Closed,
    /// Longer than [`Channel::MAX_MESSAGE`].
    #[error("the message is longer than {} bytes", Channel::MAX_MESSAGE)]
    TooLong,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No video was negotiated (yet), and the browser has not opened [`Channel::Frames`] either.
    #[error("no video is negotiated")]
    NotNegotiated,
    /// The frame before it is still being handed to the network. Ask [`Transport::can_send_frame`] *before* encoding:
    /// a frame that was encoded and then not sent leaves the browser without a reference picture.
    #[error("the frame before it is still being sent")]
    Busy,
}

/// What the host needs of a connection. Object-safe; `Arc<dyn Transport>` is shared between driver and video.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Takes the browser's offer, the first or a later one (renegotiation, ICE restart), and returns the answer.
    async fn accept_offer(&self, offer_sdp: &str) -> Result<String, RtcError>;

    /// Takes new STUN and TURN servers, or new credentials for the old ones; used from the next ICE restart on.
    async fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), RtcError>;

    /// Takes a trickled candidate of the browser; an empty [`Candidate::candidate`] is the end of candidates.
    async fn add_remote_candidate(&self, candidate: Candidate) -> Result<(), RtcError>;

    /// Queues a message. Never waits.
    fn send(&self, channel: Channel, message: Bytes) -> Result<(), SendError>;

    /// Bytes accepted by [`send`](Self::send) that the browser has not acknowledged. 0 where the channel is not open.
    fn buffered(&self, channel: Channel) -> usize;

    /// Queues a frame: for the track where the browser takes H.264 in RTP, else as
    /// [`FrameChunk`](nearhand_protocol::frame::FrameChunk)s for [`Channel::Frames`], where that is open;
    /// [`Stats::way`] tells which. Never waits; at most one frame is in hand, so nothing stale is ever queued.
    fn send_frame(&self, frame: EncodedFrame) -> Result<(), FrameError>;

    /// Whether [`send_frame`](Self::send_frame) would take a frame now.
    fn can_send_frame(&self) -> bool;

    /// How fast one frame's packets are let out, in bits per second; `None`: as fast as the local network allows
    /// (40 packets a millisecond). Meant for a small multiple of the encoder's target; the least is 0.5 Mbit/s.
    fn set_pacing(&self, bits_per_second: Option<u32>);

    /// A message on an unreliable channel did not come, as the browser told by its own numbers: a sign of a bad line, which
    /// media would give later or, where there are none, not at all.
    fn missed(&self) {}

    /// What is known about the way to the browser.
    fn stats(&self) -> Stats;

    /// SHA-256 fingerprint of our DTLS certificate; known after the first answer.
    fn local_fingerprint(&self) -> Option<Fingerprint>;

    /// SHA-256 fingerprint of the certificate the browser *used* in the DTLS handshake (not what some SDP claims);
    /// known from [`PeerState::Connected`] and from the first [`Event::ChannelOpen`] on, whichever comes first.
    fn remote_fingerprint(&self) -> Option<Fingerprint>;

    /// Closes the connection and joins every task of it. Idempotent. [`Events::next`] then ends
    /// with [`PeerState::Closed`] and `None`.
    async fn close(&self);
}
