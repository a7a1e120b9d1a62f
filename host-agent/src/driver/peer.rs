//! The driver's dealings with peer connections: one for each tab at a time, the newest counts.

use std::time::Duration;

use bytes::Bytes;
use nearhand_protocol::channel::Channel;
use nearhand_protocol::control::ToHost;
use nearhand_protocol::file::{FileMessage, FileProblem};
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::handshake::{Binding, Fingerprint};
use nearhand_protocol::machine::negotiation::Effect as Negotiated;
use nearhand_protocol::signal::{Candidate, HostToServer, IceServer, Negotiate};
use nearhand_protocol::wire::{Message, decode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{Driver, OWNER, Peer};
use crate::rtc::{
    Candidate as RtcCandidate, Event as PeerEvent, IceServer as RtcIceServer, Path, PeerState, RtcError,
};
use crate::session::{Event, FileOffer, News, ViewerId};

/// For setting up a connection or answering an offer: local work, no network.
const SETUP: Duration = Duration::from_secs(5);

impl Driver {
    pub(super) async fn negotiate(&mut self, viewer: ViewerId, message: Negotiate) {
        if !message.allowed_from(Seat::Viewer) {
            tracing::debug!("the technician's end sent what only a host may send");
            return;
        }
        let Some(seat) = self.seats.get_mut(&viewer) else { return };
        let own = self.own.clone();
        for effect in seat.negotiation.receive(message) {
            let done = tokio::select! {
                // Nobody waits for a network who wants everything to end.
                () = own.panicked() => return,
                done = timeout(SETUP, self.negotiated(viewer, effect)) => done,
            };
            let error = match done {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "setting up the connection took too long".into(),
            };
            tracing::warn!(error, "the connection to the technician was not made");
            self.ui.show(&News::Problem(error));
        }
    }

    async fn negotiated(&mut self, viewer: ViewerId, effect: Negotiated) -> Result<(), RtcError> {
        match effect {
            Negotiated::Start(epoch) => {
                self.lose_peer(viewer);
                self.of(viewer, Event::NewPeer);
                let addresses = self.interfaces.addresses();
                let (transport, events) = self.connect.connect(&self.ice_servers).await?;
                if let Some(seat) = self.seats.get_mut(&viewer) {
                    seat.peer = Some(Peer { epoch, transport, addresses });
                    seat.events = Some(events);
                    seat.relayed = None;
                }
            }
            Negotiated::Describe(sdp) => {
                let Some(peer) = self.peer(viewer) else { return Ok(()) };
                let epoch = peer.epoch;
                let answer = peer.transport.accept_offer(&sdp.0).await?;
                let sdp = nearhand_protocol::signal::Sdp(answer);
                self.tell(viewer, Negotiate::Answer { epoch, sdp });
                self.of(viewer, Event::Offered);
            }
            Negotiated::AddCandidate(Candidate { candidate, sdp_mid, sdp_m_line_index }) => {
                let Some(peer) = self.peer(viewer) else { return Ok(()) };
                let candidate = RtcCandidate { candidate, sdp_mid, sdp_m_line_index };
                // One address that can't be used is no reason to give up on the others.
                if let Err(error) = peer.transport.add_remote_candidate(candidate).await {
                    tracing::debug!(%error, "a candidate was not taken");
                }
            }
            // The viewer's part; what only a host may send was sorted out before.
            Negotiated::Restart { .. } => {}
        }
        Ok(())
    }

    /// The server named the ways to the technician, perhaps other ones than before: for the next peer connection, and for
    /// the next restart of each that is there.
    pub(super) async fn know_ways(&mut self, ice_servers: Vec<IceServer>) {
        self.ice_servers = ice_servers;
        for peer in self.seats.values().filter_map(|seat| seat.peer.as_ref()) {
            let servers = self.ice_servers.iter().map(RtcIceServer::from).collect();
            if let Err(error) = peer.transport.set_ice_servers(servers).await {
                tracing::debug!(%error, "the connection goes on with the relays that it knows");
            }
        }
    }

    /// Asks the technician's end for an ICE restart, or for a new connection: it alone offers.
    pub(super) fn want_restart(&self, viewer: ViewerId) {
        let Some(peer) = self.peer(viewer) else { return };
        let anew = self.is_stranded(viewer, peer);
        tracing::info!(anew, "the technician's end is asked for a new path");
        self.tell(viewer, Negotiate::RestartWanted { epoch: peer.epoch, anew });
    }

    /// Whether no address is left that the connection was made with: its sockets can send nothing, whatever is negotiated. By
    /// way of a relay it would go on, and files with it.
    fn is_stranded(&self, viewer: ViewerId, peer: &Peer) -> bool {
        let relayed = self.seats.get(&viewer).is_some_and(|seat| seat.relayed == Some(true));
        let now = self.interfaces.addresses();
        !relayed && !peer.addresses.is_empty() && peer.addresses.iter().all(|address| !now.contains(address))
    }

    /// Something of the negotiation with this tab, by way of the server.
    fn tell(&self, viewer: ViewerId, message: Negotiate) {
        let guest = self.seats.get(&viewer).and_then(|seat| seat.guest);
        self.signal.send(match guest {
            None => HostToServer::Negotiate(message),
            Some(guest) => HostToServer::GuestNegotiate { guest, message },
        });
    }

    /// How packets travel now; the customer is told of changes.
    fn travels(&mut self, viewer: ViewerId, path: Path) {
        let relayed = !path.is_direct();
        let Some(seat) = self.seats.get_mut(&viewer) else { return };
        if seat.relayed.replace(relayed) != Some(relayed) && viewer == OWNER {
            self.ui.show(&News::Path { relayed });
        }
    }

    /// The connection of the moment is no more; it closes in the background.
    pub(super) fn lose_peer(&mut self, viewer: ViewerId) {
        let Some(seat) = self.seats.get_mut(&viewer) else { return };
        seat.events = None;
        if let Some(peer) = seat.peer.take() {
            if viewer == OWNER {
                self.files.stop(None, FileProblem::ConnectionLost);
            }
            self.closing.spawn(async move { peer.transport.close().await });
            self.of(viewer, Event::PeerLost);
        }
    }

    pub(super) fn peer_event(&mut self, viewer: ViewerId, event: Option<PeerEvent>) {
        match event {
            None => self.lose_peer(viewer),
            Some(PeerEvent::LocalCandidate(RtcCandidate { candidate, sdp_mid, sdp_m_line_index })) => {
                if let Some(peer) = self.peer(viewer) {
                    let candidate = Candidate { candidate, sdp_mid, sdp_m_line_index };
                    self.tell(viewer, Negotiate::Candidate { epoch: peer.epoch, candidate });
                }
            }
            Some(PeerEvent::State(state)) => {
                tracing::info!(viewer = viewer.0, ?state, "the connection to the technician");
                match state {
                    PeerState::Connecting => {}
                    PeerState::Connected(path) => {
                        self.of(viewer, Event::PeerConnected);
                        self.travels(viewer, path);
                    }
                    PeerState::Disconnected | PeerState::Failed => {
                        self.of(viewer, Event::PeerLost);
                        self.of(viewer, Event::RestartDue);
                    }
                    PeerState::Closed => self.lose_peer(viewer),
                }
            }
            Some(PeerEvent::KeyframeWanted) => self.video.want_keyframe(viewer),
            Some(PeerEvent::ChannelOpen(channel)) => match channel {
                Channel::Control => self.of(viewer, Event::ControlOpen),
                Channel::Chat => self.of(viewer, Event::ChatOpen),
                Channel::Cursor => self.video.tell_cursor(viewer),
                // The picture is begun by a right, and waits for these.
                Channel::Input
                | Channel::Pointer
                | Channel::Files
                | Channel::FileData
                | Channel::Picture
                | Channel::Frames
                | Channel::Clipboard
                | Channel::Facts => {}
            },
            Some(PeerEvent::ChannelClosed(channel)) => {
                // A tab that is closed closes its channels before anything else is noticed.
                if channel == Channel::Control {
                    self.of(viewer, Event::PeerLost);
                }
            }
            Some(PeerEvent::BufferedLow(channel)) => match channel {
                Channel::FileData if viewer == OWNER => self.files.room(),
                Channel::Cursor => self.video.tell_cursor(viewer),
                _ => {}
            },
            Some(PeerEvent::Message(channel, bytes)) => self.message(viewer, channel, bytes),
        }
    }

    fn message(&mut self, viewer: ViewerId, channel: Channel, bytes: Bytes) {
        if channel != Channel::Control && !self.company.trusts(viewer) {
            self.garbage(viewer, channel, &"it came before the proof");
            return;
        }
        match channel {
            Channel::Control => {
                let binding = self.peer(viewer).and_then(binding);
                self.decoded(viewer, channel, &bytes, |message| match message {
                    ToHost::Prove(proof) => Event::Prove { proof, binding },
                    message => Event::Control(message),
                });
            }
            Channel::Input => self.decoded(viewer, channel, &bytes, Event::Input),
            Channel::Pointer => self.decoded(viewer, channel, &bytes, Event::Pointer),
            Channel::Chat => self.decoded(viewer, channel, &bytes, Event::Chat),
            Channel::Files => match decode(&bytes) {
                Ok(message) => self.file_message(viewer, message),
                Err(error) => self.garbage(viewer, channel, &error),
            },
            Channel::FileData => {
                // Transfers are the owner's alone: nothing of another's tab gets to them.
                if viewer != OWNER || !self.files.chunk(bytes) {
                    self.garbage(viewer, channel, &"no chunk");
                }
            }
            Channel::Picture => self.decoded(viewer, channel, &bytes, Event::Painted),
            // Clipboards are not in our hello.
            Channel::Cursor | Channel::Frames | Channel::Facts | Channel::Clipboard => {
                self.garbage(viewer, channel, &"nothing is to be said there");
            }
        }
    }

    fn decoded<M: Message + DeserializeOwned>(
        &mut self,
        viewer: ViewerId,
        channel: Channel,
        bytes: &[u8],
        event: impl FnOnce(M) -> Event,
    ) {
        match decode(bytes) {
            Ok(message) => self.of(viewer, event(message)),
            Err(error) => self.garbage(viewer, channel, &error),
        }
    }

    fn garbage(&mut self, viewer: ViewerId, channel: Channel, error: &dyn std::fmt::Display) {
        tracing::debug!(channel = channel.label(), %error, "a message of the technician's end was ignored");
        self.of(viewer, Event::Garbage);
    }

    fn file_message(&mut self, viewer: ViewerId, message: FileMessage) {
        match message {
            FileMessage::Offer { id, name, size } => {
                self.of(viewer, Event::FileOffered(FileOffer { id, name, size }));
            }
            FileMessage::Wanted => self.of(viewer, Event::FileWanted),
            // Of a clipboard, and clipboards are not in our hello.
            FileMessage::Bundle { .. } => self.garbage(viewer, Channel::Files, &"no clipboard is carried"),
            FileMessage::Stop { id, .. } => {
                self.of(viewer, Event::FileWithdrawn(id));
                if viewer == OWNER {
                    self.files.message(id, message);
                }
            }
            FileMessage::Accept { id, .. }
            | FileMessage::Progress { id, .. }
            | FileMessage::Complete { id, .. }
            | FileMessage::Saved { id, .. } => {
                if viewer == OWNER {
                    self.files.message(id, message);
                }
            }
        }
    }
}

impl From<&IceServer> for RtcIceServer {
    fn from(server: &IceServer) -> Self {
        Self {
            urls: server.urls.clone(),
            username: server.username.clone().unwrap_or_default(),
            credential: server.credential.clone().unwrap_or_default(),
        }
    }
}

/// What the connection really uses, whatever any session description said.
fn binding(peer: &Peer) -> Option<Binding> {
    let host = Fingerprint(*peer.transport.local_fingerprint()?.as_bytes());
    let viewer = Fingerprint(*peer.transport.remote_fingerprint()?.as_bytes());
    Some(Binding { epoch: peer.epoch, host, viewer })
}
