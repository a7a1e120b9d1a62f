//! A connection to a real browser.

use super::anchor::Anchors;
use super::candidate::{self, Remote, Teller};
use super::channels::{Channels, SCTP_LIMIT};
use super::estimate::Estimator;
use super::event::{Candidate, EventSender, Events};
use super::feedback::{self, FeedbackTap};
use super::fingerprint::Fingerprint;
use super::mdns::Names;
use super::media::{self, Video};
use super::nack::{self, NackGate};
use super::relay::Relays;
use super::runtime::RelayRuntime;
use super::stats::{Shared, Stats};
use super::supervisor::{Handler, Supervisor};
use super::{EncodedFrame, FrameError, IceServer, Path, PeerConfig, RtcError, SendError, Transport, codec};
use async_trait::async_trait;
use bytes::Bytes;
use nearhand_protocol::channel::Channel;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    CongestionControlBuilder, NackResponderBuilder, SenderReportBuilder, Slot, TwccSenderBuilder,
};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use webrtc::error::Error;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, RTCConfiguration, RTCConfigurationBuilder, RTCIceCandidateInit,
    RTCIceServer, RTCIceTransportPolicy, RTCSessionDescription, Registry, SettingEngineBuilder,
};
use webrtc::rtp_transceiver::RtpSender;

/// Longest session description that is read; a browser's is about 8 kB.
const MAX_SDP: usize = 128 * 1024;
/// Longest candidate line that is read.
const MAX_CANDIDATE: usize = 1024;
/// Packets kept for retransmission; a power of two.
const RETRANSMISSION_BUFFER: u16 = 2048;

/// A connection to a browser. Dropping it closes it in the background; [`Transport::close`] waits for that.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    channels: Arc<Channels>,
    video: Arc<Video>,
    shared: Arc<Shared>,
    relays: Arc<Relays>,
    teller: Arc<Teller>,
    relay_only: bool,
    /// One negotiation at a time.
    negotiation: Arc<Mutex<Negotiation>>,
    names: Arc<Names>,
    /// One for each name of the browser; they end by themselves within two seconds.
    lookups: Mutex<JoinSet<()>>,
    local_fingerprint: OnceLock<Fingerprint>,
    remote_fingerprint: Arc<OnceLock<Fingerprint>>,
    /// Changed or dropped: the supervisor ends.
    stop: watch::Sender<bool>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// What negotiations have brought about.
struct Negotiation {
    /// Made when the browser first offers to receive H.264 that we send.
    video: Option<(Arc<TrackLocalStaticRTP>, Arc<dyn RtpSender>)>,
    /// What the next ICE restart uses.
    ice_servers: Vec<IceServer>,
    /// The browser's, as of the last offer; another one restarts ICE (RFC 8839, 4.4.1.1.1).
    ufrag: Option<String>,
}

impl Peer {
    /// Binds the sockets. Nothing is sent before the first offer is accepted, but to STUN and TURN servers.
    pub async fn new(config: &PeerConfig) -> Result<(Self, Events), RtcError> {
        let (events, receiver) = EventSender::new();
        let shared = Arc::new(Shared::new(Instant::now()));
        let (handler, callbacks) = Handler::new();

        let registry = Registry::new()
            .with(
                Slot::CongestionControl,
                CongestionControlBuilder::new(Estimator::new(shared.clone())).build(),
            )
            .with(Slot::TwccSender, TwccSenderBuilder::new().build())
            .with(nack::SLOT, NackGate::new(shared.clone()))
            .with(Slot::NackResponder, NackResponderBuilder::new().with_size(RETRANSMISSION_BUFFER).build())
            .with(Slot::SenderReport, SenderReportBuilder::new().build())
            .with(feedback::SLOT, FeedbackTap::new(shared.clone(), events.keyframe.clone()));

        let settings = SettingEngineBuilder::new()
            // Its way of resolving a browser's `.local` names fails where port 5353 is taken. See `mdns`.
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            // Sockets and allocations survive a restart: a relay that is asked for a second allocation on the same
            // way refuses it for a while (437), and what stands needs no time to be made.
            .with_discard_local_candidates_during_ice_restart(false)
            .build();

        let relays = Relays::new(config.dialer.clone());
        let anchors = Arc::new(Anchors::default());
        let teller = Arc::new(Teller { anchors: anchors.clone(), bind: config.bind.clone() });
        let servers = relays.assign(&config.ice_servers, false).unwrap_or_default();
        let configuration = configuration(servers, config.relay_only);

        let builder = PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_media_engine(codec::media_engine().map_err(|error| setup(&error))?)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(handler)
            .with_runtime(RelayRuntime::new(
                relays.clone(),
                config.is_anchored().then(|| anchors.clone()),
                shared.clone(),
            ))
            .with_udp_addrs(config.socket_addrs())
            .with_data_channel_send_buffer_limit(SCTP_LIMIT);
        // The future holds the whole stack by value, 20 kB: not on our stack.
        let connection = Box::pin(builder.build()).await.map_err(|error| setup(&error))?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);

        let channels = Arc::new(Channels::new(shared.clone()));
        let (video, frames) = Video::new(shared.clone(), channels.clone(), events.keyframe.clone());
        let remote_fingerprint = Arc::new(OnceLock::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(video.clone().run(frames));
        let supervisor = Supervisor {
            connection: connection.clone(),
            channels: channels.clone(),
            events,
            shared: shared.clone(),
            remote_fingerprint: remote_fingerprint.clone(),
            relays: relays.clone(),
            interfaces: config.interfaces.clone(),
            teller: teller.clone(),
            tasks,
        };
        let (stop, stopped) = watch::channel(false);
        let supervisor = tokio::spawn(supervisor.run(callbacks, stopped));
        let peer = Self {
            connection,
            channels,
            video,
            shared,
            relays,
            teller,
            relay_only: config.relay_only,
            negotiation: Arc::new(Mutex::new(Negotiation {
                video: None,
                ice_servers: config.ice_servers.clone(),
                ufrag: None,
            })),
            names: Arc::default(),
            lookups: Mutex::default(),
            local_fingerprint: OnceLock::new(),
            remote_fingerprint,
            stop,
            supervisor: Mutex::new(Some(supervisor)),
        };
        Ok((peer, receiver))
    }

    /// Gives the browser our track as soon as it offers to receive what we send. A browser without H.264 gets none,
    /// and everything else all the same.
    async fn add_video(&self, offer: &str, negotiation: &mut Negotiation) -> Result<(), Error> {
        if negotiation.video.is_none()
            && let Some(codec) = codec::best_offered(offer)
        {
            let track = media::new_track(codec);
            let sender = self.connection.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
            negotiation.video = Some((track, sender));
        }
        Ok(())
    }

    /// Adds a candidate once its name is resolved, unless ICE was restarted meanwhile. A relay alone reaches no address
    /// of a local network, and a question for it would tell the whole network of us.
    async fn look_up(&self, name: String, candidate: Candidate) {
        if self.relay_only {
            return;
        }
        let ufrag = self.negotiation.lock().await.ufrag.clone();
        let (names, connection, negotiation) =
            (self.names.clone(), self.connection.clone(), self.negotiation.clone());
        let looking = async move {
            for ip in names.resolve(&name).await {
                let negotiation = negotiation.lock().await;
                if negotiation.ufrag != ufrag {
                    return;
                }
                let init = RTCIceCandidateInit {
                    candidate: candidate.candidate.replacen(&name, &ip.to_string(), 1),
                    sdp_mid: candidate.sdp_mid.clone(),
                    sdp_mline_index: candidate.sdp_m_line_index,
                    ..Default::default()
                };
                if let Err(error) = connection.add_ice_candidate(init).await {
                    tracing::debug!(error = kind(&error), "a candidate with a name was not taken");
                }
            }
        };
        let mut lookups = self.lookups.lock().await;
        while lookups.try_join_next().is_some() {}
        lookups.spawn(looking);
    }

    async fn negotiate(&self, offer_sdp: &str, negotiation: &mut Negotiation) -> Result<String, Error> {
        let offer = RTCSessionDescription::offer(offer_sdp.to_owned())?;
        // Read when gathering begins, and not before: with an ICE restart.
        let ufrag = ice_ufrag(offer_sdp);
        let restart = negotiation.ufrag.is_some() && negotiation.ufrag != ufrag;
        if restart {
            if let Some(servers) = self.relays.assign(&negotiation.ice_servers, !self.shared.is_connected()) {
                self.connection.set_configuration(configuration(servers, self.relay_only)).await?;
            }
            // The other end may have noticed before us.
            self.relays.test();
        }
        if !self.relay_only && negotiation.ufrag != ufrag {
            let relayed = self.shared.snapshot().path == Some(Path::Relayed);
            self.relays.hold.begin(relayed, Instant::now());
        }
        negotiation.ufrag = ufrag;
        self.add_video(offer_sdp, negotiation).await?;
        self.connection.set_remote_description(offer).await?;
        let answer = self.connection.create_answer(None).await?;
        self.connection.set_local_description(answer.clone()).await?;
        if let Some((track, sender)) = &negotiation.video {
            self.video.negotiated(track, sender.as_ref()).await;
        }
        Ok(self.teller.answer(&answer.sdp))
    }
}

fn configuration(servers: Vec<RTCIceServer>, relay_only: bool) -> RTCConfiguration {
    let policy = if relay_only { RTCIceTransportPolicy::Relay } else { RTCIceTransportPolicy::All };
    RTCConfigurationBuilder::new().with_ice_servers(servers).with_ice_transport_policy(policy).build()
}

#[async_trait]
impl Transport for Peer {
    async fn accept_offer(&self, offer_sdp: &str) -> Result<String, RtcError> {
        if offer_sdp.len() > MAX_SDP {
            return Err(RtcError::Offer(format!("longer than {MAX_SDP} bytes")));
        }
        let mut negotiation = self.negotiation.lock().await;
        let answer = self.negotiate(offer_sdp, &mut negotiation).await.map_err(|error| match error {
            Error::ErrConnectionClosed => RtcError::Closed,
            error => RtcError::Offer(kind(&error)),
        })?;
        if let Some(fingerprint) = Fingerprint::from_sdp(&answer) {
            let _ = self.local_fingerprint.set(fingerprint);
        }
        Ok(answer)
    }

    async fn set_ice_servers(&self, servers: Vec<IceServer>) -> Result<(), RtcError> {
        self.negotiation.lock().await.ice_servers = servers;
        Ok(())
    }

    async fn add_remote_candidate(&self, candidate: Candidate) -> Result<(), RtcError> {
        let line = &candidate.candidate;
        if line.len() > MAX_CANDIDATE {
            return Err(RtcError::Candidate(format!("longer than {MAX_CANDIDATE} bytes")));
        }
        match candidate::remote(line) {
            Remote::Address => {
                if let Some(address) = candidate::relayed(line) {
                    self.relays.hold.learn(address);
                }
            }
            // The end needs no act.
            Remote::End => return Ok(()),
            Remote::Name(name) => {
                self.look_up(name, candidate).await;
                return Ok(());
            }
            Remote::Impossible => return Err(RtcError::Candidate("an address that nobody can have".into())),
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_mline_index: candidate.sdp_m_line_index,
            ..Default::default()
        };
        self.connection.add_ice_candidate(init).await.map_err(|error| RtcError::Candidate(kind(&error)))
    }

    fn send(&self, channel: Channel, message: Bytes) -> Result<(), SendError> {
        self.channels.send(channel, message)
    }

    fn buffered(&self, channel: Channel) -> usize {
        self.channels.buffered(channel)
    }

    fn send_frame(&self, frame: EncodedFrame) -> Result<(), FrameError> {
        self.video.send(frame)
    }

    fn can_send_frame(&self) -> bool {
        self.video.can_send()
    }

    fn set_pacing(&self, bits_per_second: Option<u32>) {
        self.video.set_pacing(bits_per_second);
    }

    fn missed(&self) {
        self.shared.missed(Instant::now());
    }

    fn stats(&self) -> Stats {
        Stats { way: self.video.way(), ..self.shared.snapshot() }
    }

    fn local_fingerprint(&self) -> Option<Fingerprint> {
        self.local_fingerprint.get().copied()
    }

    fn remote_fingerprint(&self) -> Option<Fingerprint> {
        self.remote_fingerprint.get().copied()
    }

    async fn close(&self) {
        self.stop.send_replace(true);
        self.lookups.lock().await.shutdown().await;
        // Held while waiting, so that a second caller returns only when everything is joined, too.
        let mut supervisor = self.supervisor.lock().await;
        if let Some(task) = supervisor.as_mut() {
            let _ = task.await;
        }
        *supervisor = None;
    }
}

/// The first `a=ice-ufrag` of a session description.
fn ice_ufrag(sdp: &str) -> Option<String> {
    sdp.lines().find_map(|line| line.trim().strip_prefix("a=ice-ufrag:")).map(str::to_owned)
}

fn setup(error: &Error) -> RtcError {
    RtcError::Setup(kind(error))
}

/// The kind of an error without its text, which may quote SDP, addresses or credentials.
fn kind(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}
