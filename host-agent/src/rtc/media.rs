//! The video: one frame in hand, cut into RTP packets and let out in small bursts; or, where the browser takes no H.264
//! in RTP, into messages of a data channel.

use super::channels::Channels;
use super::codec::PLAYOUT_DELAY_URI;
use super::stats::{Shared, Way};
use super::{EncodedFrame, FrameError, SendError, frames};
use bytes::Bytes;
use nearhand_protocol::channel::Channel;
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::shared::marshal::MarshalSize;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::rtp_transceiver::RtpSender;

/// Payload bytes per packet: with RTP header, extensions, SRTP, UDP and IPv6 it stays below 1,280, IPv6's least MTU.
const PAYLOAD: usize = 1160;
/// Packets let out at once, at most; then a pause of [`PAUSE`].
const BURST: usize = 40;
const PAUSE: Duration = Duration::from_millis(1);
/// However low the rate: a frame must end some time.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// A data channel that takes no more is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Minimum and maximum playout delay, 12 bits each, in units of 10 ms: show at once.
const PLAYOUT_DELAY_ZERO: [u8; 3] = [0; 3];

/// The sending end of the video, shared by [`Peer`](super::Peer) and its sending task.
pub(super) struct Video {
    frames: mpsc::Sender<EncodedFrame>,
    /// A frame is in hand.
    busy: AtomicBool,
    /// Bits per second; 0: no pacing but [`BURST`].
    pacing: AtomicU32,
    /// What the last negotiation settled.
    negotiated: Mutex<Option<Negotiated>>,
    channels: Arc<Channels>,
    shared: Arc<Shared>,
    keyframe: Arc<Notify>,
}

/// How packets of this track are marked.
#[derive(Clone)]
struct Negotiated {
    track: Arc<TrackLocalStaticRTP>,
    payload_type: u8,
    playout_delay_id: Option<u8>,
}

impl Video {
    pub(super) fn new(
        shared: Arc<Shared>,
        channels: Arc<Channels>,
        keyframe: Arc<Notify>,
    ) -> (Arc<Self>, mpsc::Receiver<EncodedFrame>) {
        let (frames, receiver) = mpsc::channel(1);
        let video = Self {
            frames,
            busy: AtomicBool::new(false),
            pacing: AtomicU32::new(0),
            negotiated: Mutex::new(None),
            channels,
            shared,
            keyframe,
        };
        (Arc::new(video), receiver)
    }

    /// Reads what was negotiated for the track; to be called after every answer.
    pub(super) async fn negotiated(&self, track: &Arc<TrackLocalStaticRTP>, sender: &dyn RtpSender) {
        let fmtp = track.track().await.codings().first().map(|coding| coding.codec.sdp_fmtp_line.clone());
        let fmtp = fmtp.unwrap_or_default();
        let negotiated = sender.get_parameters().await.ok().and_then(|parameters| {
            let (parameters, codecs) = (&parameters.rtp_parameters, &parameters.rtp_parameters.codecs);
            // In the order of the offer; the profile that the track was made with says the most about the stream.
            let best = codecs.iter().find(|codec| codec.rtp_codec.sdp_fmtp_line == fmtp).or(codecs.first())?;
            Some(Negotiated {
                track: track.clone(),
                payload_type: best.payload_type,
                playout_delay_id: parameters
                    .header_extensions
                    .iter()
                    .find(|extension| extension.uri == PLAYOUT_DELAY_URI)
                    .and_then(|extension| u8::try_from(extension.id).ok()),
            })
        });
        *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = negotiated;
    }

    /// How frames travel now.
    pub(super) fn way(&self) -> Option<Way> {
        if self.current().is_some() {
            Some(Way::Track)
        } else {
            self.channels.is_open(Channel::Frames).then_some(Way::Channel)
        }
    }

    pub(super) fn can_send(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
            && match self.way() {
                None => false,
                Some(Way::Track) => self.shared.line().is_free(Instant::now()),
                Some(Way::Channel) => self.channels.buffered(Channel::Frames) <= self.shared.frames_room(),
            }
    }

    pub(super) fn send(&self, frame: EncodedFrame) -> Result<(), FrameError> {
        if self.way().is_none() {
            return Err(FrameError::NotNegotiated);
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(FrameError::Busy);
        }
        self.frames.try_send(frame).map_err(|_| FrameError::NotNegotiated)
    }

    pub(super) fn set_pacing(&self, bits_per_second: Option<u32>) {
        self.pacing.store(bits_per_second.unwrap_or(0), Ordering::Relaxed);
    }

    fn current(&self) -> Option<Negotiated> {
        self.negotiated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends frames until the connection ends.
    pub(super) async fn run(self: Arc<Self>, mut frames: mpsc::Receiver<EncodedFrame>) {
        let mut packetizer = Packetizer::new(rand::random());
        while let Some(frame) = frames.recv().await {
            let sent = if let Some(negotiated) = self.current() {
                let ssrc = negotiated.track.track().await.ssrcs().next().unwrap_or_default();
                let packets = packetizer.packets(&frame, &negotiated, ssrc);
                self.let_out(packets, &negotiated.track).await.is_ok()
            } else {
                self.hand_over(&frame).await
            };
            if sent {
                self.shared.count_frame();
            } else {
                // The rest of the frame is lost, and every frame after it would refer to it.
                self.keyframe.notify_one();
            }
            self.shared.set_backlog(0);
            self.busy.store(false, Ordering::Release);
        }
    }

    /// Sends a frame over its data channel, as fast as that takes it; whether it is all there.
    async fn hand_over(&self, frame: &EncodedFrame) -> bool {
        let Some(chunks) = frames::chunks(frame) else { return false };
        for chunk in chunks {
            let bytes = chunk.len();
            loop {
                match self.channels.send(Channel::Frames, chunk.clone()) {
                    Ok(()) => break,
                    Err(SendError::Full) => tokio::time::sleep(LOOK_AGAIN).await,
                    Err(SendError::Closed | SendError::TooLong) => return false,
                }
            }
            self.shared.count_bytes(bytes);
        }
        true
    }

    async fn let_out(
        &self,
        packets: Vec<rtp::Packet>,
        track: &TrackLocalStaticRTP,
    ) -> webrtc::error::Result<()> {
        let total = packets.len();
        let mut in_burst = 0;
        for (index, packet) in packets.into_iter().enumerate() {
            let (burst, pause) = pace(self.pacing.load(Ordering::Relaxed));
            if in_burst >= burst {
                self.shared.set_backlog(total - index);
                tokio::time::sleep(pause).await;
                in_burst = 0;
            }
            let (number, size) = (packet.header.sequence_number, packet.marshal_size());
            self.shared.packet_leaves(size);
            track.write_rtp(packet).await?;
            self.shared.count_packet(number, size);
            in_burst += 1;
        }
        Ok(())
    }
}

/// A new track with one stream of this codec.
pub(super) fn new_track(codec: RTCRtpCodec) -> Arc<TrackLocalStaticRTP> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(rand::random()), ..Default::default() },
        codec,
        ..Default::default()
    };
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "screen".to_owned(),
        "screen-video".to_owned(),
        "screen".to_owned(),
        RtpCodecKind::Video,
        vec![encoding],
    )))
}

/// Packets per burst and the pause after it, for packets of 1.2 kB.
fn pace(bits_per_second: u32) -> (usize, Duration) {
    const PACKET_BITS: u64 = 8 * 1200;
    if bits_per_second == 0 {
        return (BURST, PAUSE);
    }
    let bits_per_pause = u64::from(bits_per_second) * PAUSE.as_millis() as u64 / 1000;
    let burst = (bits_per_pause / PACKET_BITS).clamp(1, BURST as u64);
    let pause = Duration::from_secs_f64((burst * PACKET_BITS) as f64 / f64::from(bits_per_second));
    (burst as usize, pause.clamp(PAUSE, LONGEST_PAUSE))
}

/// Cuts frames into packets (RFC 6184, non-interleaved mode).
struct Packetizer {
    payloader: H264Payloader,
    sequence_number: u16,
}

impl Packetizer {
    fn new(sequence_number: u16) -> Self {
        Self { payloader: H264Payloader::default(), sequence_number }
    }

    fn packets(&mut self, frame: &EncodedFrame, negotiated: &Negotiated, ssrc: u32) -> Vec<rtp::Packet> {
        let payloads = self.payloader.payload(PAYLOAD, &frame.annex_b).unwrap_or_default();
        let count = payloads.len();
        payloads
            .into_iter()
            .enumerate()
            .map(|(index, payload)| {
                let mut header = rtp::Header {
                    version: 2,
                    // The last packet of an access unit (RFC 6184, 5.1).
                    marker: index + 1 == count,
                    payload_type: negotiated.payload_type,
                    sequence_number: self.sequence_number,
                    timestamp: frame.timestamp,
                    ssrc,
                    ..Default::default()
                };
                self.sequence_number = self.sequence_number.wrapping_add(1);
                if let Some(id) = negotiated.playout_delay_id {
                    // Refused only for an id that no header format can carry; then the packet goes without.
                    let _ = header.set_extension(id, Bytes::from_static(&PLAYOUT_DELAY_ZERO));
                }
                rtp::Packet { header, payload }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec;
    use super::*;

    fn negotiated(playout_delay_id: Option<u8>) -> Negotiated {
        let codec = codec::best_offered(
            "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n",
        );
        Negotiated { track: new_track(codec.unwrap()), payload_type: 96, playout_delay_id }
    }

    fn frame(timestamp: u32, slice: usize) -> EncodedFrame {
        let mut annex_b = vec![0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4, 5, 0, 0, 1, 0x65];
        annex_b.resize(annex_b.len() + slice, 0xff);
        EncodedFrame { annex_b: annex_b.into(), timestamp, keyframe: true }
    }

    #[test]
    fn a_keyframe_is_a_stap_a_and_fragments_with_one_marker() {
        let mut packetizer = Packetizer::new(u16::MAX);
        let packets = packetizer.packets(&frame(1000, 3000), &negotiated(Some(6)), 42);
        assert_eq!(packets.len(), 4);
        assert_eq!(packets[0].payload[0] & 0x1f, 24, "STAP-A of SPS and PPS");
        assert!(packets[1..].iter().all(|packet| packet.payload[0] & 0x1f == 28), "FU-A");
        let markers: Vec<bool> = packets.iter().map(|packet| packet.header.marker).collect();
        assert_eq!(markers, [false, false, false, true]);
        let numbers: Vec<u16> = packets.iter().map(|packet| packet.header.sequence_number).collect();
        assert_eq!(numbers, [u16::MAX, 0, 1, 2]);
        for packet in &packets {
            assert_eq!(packet.header.get_extension(6).as_deref(), Some(&[0u8, 0, 0][..]));
            assert_eq!((packet.header.timestamp, packet.header.ssrc), (1000, 42));
            assert!(packet.marshal_size() <= 1200);
        }
    }

    #[test]
    fn pacing_is_bounded() {
        assert_eq!(pace(0), (BURST, PAUSE));
        assert_eq!(pace(u32::MAX), (BURST, PAUSE));
        assert_eq!(pace(48_000_000), (5, PAUSE));
        assert_eq!(pace(2_400_000), (1, Duration::from_millis(4)));
        assert_eq!(pace(1), (1, LONGEST_PAUSE));
    }
}
