//! The one task that owns a connection: turns the stack's callbacks into events, and ends everything.

use super::candidate::Teller;
use super::channels::Channels;
use super::event::{CONTROL_QUEUE, Candidate, Event, EventSender, Path, PeerState};
use super::fingerprint::Fingerprint;
use super::interfaces::Interfaces;
use super::relay::Relays;
use super::stats::Shared;
use async_trait::async_trait;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::transport::DtlsTransport;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionEventHandler, RTCIceCandidateType, RTCIceGatheringState,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCStatsReport, StatsSelector,
};

/// How often path and round trip are read.
const LOOK: Duration = Duration::from_secs(1);

/// What a callback saw.
pub(super) enum Callback {
    Candidate(RTCPeerConnectionIceEvent),
    GatheringComplete,
    State(RTCPeerConnectionState),
    Channel(Arc<dyn DataChannel>),
}

/// The stack calls this on its own driver task: it passes on and never waits.
pub(super) struct Handler {
    callbacks: mpsc::Sender<Callback>,
}

impl Handler {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Callback>) {
        let (callbacks, receiver) = mpsc::channel(CONTROL_QUEUE);
        (Arc::new(Self { callbacks }), receiver)
    }

    /// The supervisor only ever waits for the stack itself, so this queue fills only under an attack by channels.
    fn pass(&self, callback: Callback) {
        if self.callbacks.try_send(callback).is_err() {
            tracing::warn!("dropped a callback of the peer connection: too many at once");
        }
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        self.pass(Callback::Candidate(event));
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.pass(Callback::GatheringComplete);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.pass(Callback::State(state));
    }

    async fn on_data_channel(&self, data_channel: Arc<dyn DataChannel>) {
        self.pass(Callback::Channel(data_channel));
    }
}

/// Owns the connection and all of its tasks.
pub(super) struct Supervisor {
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) channels: Arc<Channels>,
    pub(super) events: EventSender,
    pub(super) shared: Arc<Shared>,
    pub(super) remote_fingerprint: Arc<OnceLock<Fingerprint>>,
    /// Ended last, so that allocations can be released.
    pub(super) relays: Arc<Relays>,
    pub(super) interfaces: Option<Interfaces>,
    pub(super) teller: Arc<Teller>,
    /// The video task at first, then one per channel.
    pub(super) tasks: JoinSet<()>,
}

impl Supervisor {
    /// Runs until the connection closes, `stop` changes, or the sender of `stop` is dropped; then closes the
    /// connection and joins every task.
    pub(super) async fn run(
        mut self,
        mut callbacks: mpsc::Receiver<Callback>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut state = None;
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                callback = callbacks.recv() => match callback {
                    Some(callback) => if self.handle(callback, &mut state).await.is_err() { break },
                    None => break,
                },
                _ = look.tick(), if matches!(state, Some(PeerState::Connected(_))) => {
                    let path = self.look().await;
                    if self.tell(PeerState::Connected(path), &mut state).is_err() { break }
                }
                () = changed(&mut self.interfaces) => self.relays.network_changed(),
                () = self.relays.loss() => if self.lost_its_relay(state).await
                    && self.tell(PeerState::Disconnected, &mut state).is_err() { break },
                // Finished channel tasks are reaped; a panic in one is theirs, and has been printed.
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
            }
        }
        if self.connection.close().await.is_err() {
            tracing::debug!("the peer connection was already closed");
        }
        self.relays.close().await;
        self.tasks.shutdown().await;
        self.channels.clear();
    }

    /// Whether the path in use went through an allocation that is lost: no need to wait until silence tells.
    async fn lost_its_relay(&self, state: Option<PeerState>) -> bool {
        if !matches!(state, Some(PeerState::Connected(Path::Relayed))) {
            return false;
        }
        let Some(dtls) = dtls(self.connection.as_ref()).await else { return false };
        let pair = dtls.ice_transport().get_selected_candidate_pair().await;
        let Ok(Some(pair)) = pair else { return false };
        let local = pair.local();
        local.address.parse().is_ok_and(|ip| self.relays.is_lost(SocketAddr::new(ip, local.port)))
    }

    async fn handle(&mut self, callback: Callback, state: &mut Option<PeerState>) -> Result<(), Ended> {
        match callback {
            Callback::Candidate(event) => {
                if let Ok(init) = event.candidate.to_json() {
                    for candidate in self.teller.lines(&init.candidate) {
                        self.send(Event::LocalCandidate(Candidate {
                            candidate,
                            sdp_mid: init.sdp_mid.clone(),
                            sdp_m_line_index: init.sdp_mline_index,
                        }))?;
                    }
                }
                Ok(())
            }
            Callback::GatheringComplete => self.send(Event::LocalCandidate(Candidate::default())),
            Callback::Channel(data_channel) => {
                // Whoever hears a message can ask whose it is, in whatever order the stack tells of states and channels.
                self.know_remote().await?;
                // Each label once, and a few on their way to be closed.
                if self.tasks.len() < 32 {
                    self.tasks.spawn(self.channels.clone().serve(data_channel, self.events.clone()));
                } else {
                    let _ = data_channel.close().await;
                }
                Ok(())
            }
            Callback::State(RTCPeerConnectionState::Connecting) => self.tell(PeerState::Connecting, state),
            Callback::State(RTCPeerConnectionState::Disconnected) => {
                self.tell(PeerState::Disconnected, state)
            }
            Callback::State(RTCPeerConnectionState::Failed) => self.tell(PeerState::Failed, state),
            Callback::State(RTCPeerConnectionState::Closed) => Err(Ended),
            Callback::State(RTCPeerConnectionState::Connected) => {
                self.know_remote().await?;
                let path = self.look().await;
                self.tell(PeerState::Connected(path), state)
            }
            Callback::State(_) => Ok(()),
        }
    }

    /// Notes the certificate of the DTLS handshake: never connected to someone unknown.
    async fn know_remote(&self) -> Result<(), Ended> {
        if self.remote_fingerprint.get().is_none() {
            let Some(certificate) = remote_certificate(self.connection.as_ref()).await else {
                tracing::error!("the browser's certificate is not known after the handshake");
                return Err(Ended);
            };
            let _ = self.remote_fingerprint.set(Fingerprint::of_certificate(&certificate));
        }
        Ok(())
    }

    fn tell(&self, new: PeerState, state: &mut Option<PeerState>) -> Result<(), Ended> {
        if *state == Some(new) {
            return Ok(());
        }
        if let PeerState::Connected(path) = new {
            let relayed = !path.is_direct();
            tracing::info!(relayed, ?path, "how packets travel to the technician");
        }
        *state = Some(new);
        self.shared.set_connected(matches!(new, PeerState::Connected(_)));
        self.send(Event::State(new))
    }

    /// More than [`CONTROL_QUEUE`] unread events, or nobody to read them: the owner is gone or hangs.
    fn send(&self, event: Event) -> Result<(), Ended> {
        self.events.control.try_send(event).map_err(|_| {
            tracing::debug!("closed the peer connection: nobody reads its events");
            Ended
        })
    }

    /// Reads path and round trip.
    async fn look(&self) -> Path {
        let path = path(self.connection.as_ref()).await.unwrap_or(Path::Host);
        let report = self.connection.get_stats(Instant::now(), StatsSelector::None).await;
        let round_trip = round_trip(&report);
        self.shared.update(|line| {
            line.path = Some(path);
            line.round_trip = round_trip.or(line.round_trip);
        });
        path
    }
}

/// The connection is over.
struct Ended;

async fn changed(interfaces: &mut Option<Interfaces>) {
    match interfaces {
        Some(interfaces) => interfaces.changed().await,
        None => std::future::pending().await,
    }
}

/// The round trip of the last ICE check on the selected pair.
fn round_trip(report: &RTCStatsReport) -> Option<Duration> {
    let id = &report.transport()?.selected_candidate_pair_id;
    let pair = report.candidate_pairs().find(|pair| pair.stats.id == *id)?;
    let seconds = pair.current_round_trip_time;
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

/// How packets travel: the less direct end decides.
async fn path(connection: &dyn PeerConnection) -> Option<Path> {
    let ice = dtls(connection).await?.ice_transport();
    let pair = ice.get_selected_candidate_pair().await.ok()??;
    let kinds = [pair.local().typ, pair.remote().typ];
    Some(if kinds.contains(&RTCIceCandidateType::Relay) {
        Path::Relayed
    } else if kinds.contains(&RTCIceCandidateType::Srflx) {
        Path::ServerReflexive
    } else if kinds.contains(&RTCIceCandidateType::Prflx) {
        Path::PeerReflexive
    } else {
        Path::Host
    })
}

/// The certificate that the browser used in the DTLS handshake, in DER form.
async fn remote_certificate(connection: &dyn PeerConnection) -> Option<Vec<u8>> {
    dtls(connection).await?.get_remote_certificates().await.ok()?.into_iter().next()
}

/// The one transport under everything (BUNDLE).
async fn dtls(connection: &dyn PeerConnection) -> Option<Arc<dyn DtlsTransport>> {
    match connection.sctp().await {
        Some(sctp) => Some(sctp.transport()),
        None => connection.get_senders().await.first()?.transport().await.ok()?,
    }
}
