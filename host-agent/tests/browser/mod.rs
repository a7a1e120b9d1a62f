//! A stand-in for the browser: the same crate as an offerer, with the channels that the viewer opens.

#![allow(dead_code, reason = "each test program uses its own part")]

use async_trait::async_trait;
use bytes::BytesMut;
use nearhand_host::rtc::{Candidate, Event, Events, PeerState, Transport};
use nearhand_protocol::channel::Channel;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_VP8};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration,
    RTCConfigurationBuilder, RTCIceCandidateInit, RTCPeerConnectionIceEvent, RTCSessionDescription, Registry,
    SettingEngineBuilder, register_default_interceptors,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const PLAYOUT_DELAY_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// What the stand-in sees.
pub(crate) enum Seen {
    Candidate(RTCIceCandidateInit),
    Rtp(rtc::rtp::Packet),
    Message(Channel, BytesMut),
}

struct Handler {
    seen: mpsc::UnboundedSender<Seen>,
    track: mpsc::UnboundedSender<Arc<dyn TrackRemote>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let _ = self.seen.send(Seen::Candidate(event.candidate.to_json().expect("candidate")));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.track.send(track.clone());
        let seen = self.seen.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let _ = seen.send(Seen::Rtp(packet));
                }
            }
        });
    }
}

pub(crate) struct Browser {
    pub(crate) connection: Arc<dyn PeerConnection>,
    pub(crate) channels: HashMap<Channel, Arc<dyn DataChannel>>,
    pub(crate) seen: mpsc::UnboundedReceiver<Seen>,
    track: mpsc::UnboundedReceiver<Arc<dyn TrackRemote>>,
}

fn engine(h264: bool) -> MediaEngine {
    let mut engine = MediaEngine::default();
    let (mime, fmtp) = if h264 {
        (MIME_TYPE_H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
    } else {
        (MIME_TYPE_VP8, "")
    };
    let codec = RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: vec![],
    };
    engine
        .register_codec(RTCRtpCodecParameters { rtp_codec: codec, payload_type: 109 }, RtpCodecKind::Video)
        .expect("codec");
    let extension = RTCRtpHeaderExtensionCapability { uri: PLAYOUT_DELAY_URI.to_owned() };
    engine.register_header_extension(extension, RtpCodecKind::Video, None).expect("extension");
    engine
}

impl Browser {
    pub(crate) async fn new(h264: bool) -> Self {
        Self::with(h264, RTCConfigurationBuilder::new().build(), &["127.0.0.1:0"]).await
    }

    /// With ICE servers, a policy, other addresses.
    pub(crate) async fn with(h264: bool, configuration: RTCConfiguration, addresses: &[&str]) -> Self {
        let mut engine = engine(h264);
        let registry = register_default_interceptors(Registry::new(), &mut engine).expect("interceptors");
        let (seen_tx, seen) = mpsc::unbounded_channel();
        let (track_tx, track) = mpsc::unbounded_channel();
        let builder = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_configuration(configuration)
            .with_setting_engine(
                // Like browsers, it does not wait for something better to come.
                SettingEngineBuilder::new()
                    .with_multicast_dns_mode(MulticastDnsMode::Disabled)
                    .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
                    .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
                    .with_relay_acceptance_min_wait(Some(Duration::ZERO))
                    .build(),
            )
            .with_handler(Arc::new(Handler { seen: seen_tx.clone(), track: track_tx }))
            .with_udp_addrs(addresses.iter().map(|address| (*address).to_owned()).collect::<Vec<_>>());
        let connection = Box::pin(builder.build()).await.expect("offerer");
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let recvonly =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(recvonly)).await.expect("transceiver");
        let mut channels = HashMap::new();
        for channel in Channel::ALL {
            let reliability = channel.reliability();
            let init = RTCDataChannelInit {
                ordered: reliability.ordered,
                max_retransmits: reliability.max_retransmits,
                ..Default::default()
            };
            let data_channel =
                connection.create_data_channel(channel.label(), Some(init)).await.expect("channel");
            channels.insert(channel, data_channel.clone());
            let seen = seen_tx.clone();
            tokio::spawn(async move {
                while let Some(event) = data_channel.poll().await {
                    if let DataChannelEvent::OnMessage(message) = event {
                        let _ = seen.send(Seen::Message(channel, message.data));
                    }
                }
            });
        }
        Self { connection, channels, seen, track }
    }

    /// One round of offer and answer.
    pub(crate) async fn negotiate(&self, host: &dyn Transport, ice_restart: bool) -> (String, String) {
        let options = RTCOfferOptions { ice_restart };
        let offer = self.connection.create_offer(Some(options)).await.expect("offer");
        self.connection.set_local_description(offer.clone()).await.expect("local");
        let answer = host.accept_offer(&offer.sdp).await.expect("answer");
        let description = RTCSessionDescription::answer(answer.clone()).expect("answer parses");
        self.connection.set_remote_description(description).await.expect("remote");
        (offer.sdp, answer)
    }

    /// Asks for a keyframe.
    pub(crate) async fn pli(&mut self) {
        let track =
            tokio::time::timeout(PATIENCE, self.track.recv()).await.expect("track in time").expect("track");
        let media_ssrc = *track.ssrcs().await.first().expect("ssrc");
        let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc };
        track.write_rtcp(vec![Box::new(pli)]).await.expect("rtcp");
    }

    /// Carries candidates both ways until `done` says so of an event of the host or of the stand-in.
    pub(crate) async fn carry_until<T>(
        &mut self,
        host: &dyn Transport,
        events: &mut Events,
        mut done: impl FnMut(Result<Event, Seen>) -> Option<T>,
    ) -> T {
        let carried = async {
            loop {
                tokio::select! {
                    event = events.next() => {
                        let event = event.expect("the host's connection ended");
                        assert_ne!(event, Event::State(PeerState::Failed), "the host could not connect");
                        if let Event::LocalCandidate(candidate) = &event {
                            let init = RTCIceCandidateInit {
                                candidate: candidate.candidate.clone(),
                                sdp_mid: candidate.sdp_mid.clone(),
                                sdp_mline_index: candidate.sdp_m_line_index,
                                ..Default::default()
                            };
                            self.connection.add_ice_candidate(init).await.expect("host's candidate");
                        }
                        if let Some(found) = done(Ok(event)) { return found }
                    }
                    seen = self.seen.recv() => {
                        let seen = seen.expect("the stand-in ended");
                        if let Seen::Candidate(init) = &seen {
                            host.add_remote_candidate(Candidate {
                                candidate: init.candidate.clone(),
                                sdp_mid: init.sdp_mid.clone(),
                                sdp_m_line_index: init.sdp_mline_index,
                            }).await.expect("stand-in's candidate");
                        }
                        if let Some(found) = done(Err(seen)) { return found }
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, carried).await.expect("in time")
    }
}
