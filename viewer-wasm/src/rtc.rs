//! The peer connection to the customer's program: one value for each epoch, closed when it is dropped.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::id::Epoch;
use nearhand_protocol::machine::handshake::{Binding, Fingerprint};
use nearhand_protocol::machine::negotiation::{Effect, Negotiation};
use nearhand_protocol::signal::{Candidate, IceServer, Negotiate, Sdp};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Event as DomEvent, MediaStream, MessageEvent, RtcConfiguration, RtcDataChannel, RtcDataChannelInit,
    RtcDataChannelState, RtcDataChannelType, RtcIceCandidateInit, RtcIceServer, RtcIceTransportPolicy,
    RtcPeerConnection, RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcRtpTransceiverDirection,
    RtcRtpTransceiverInit, RtcSdpType, RtcSessionDescription, RtcSessionDescriptionInit, RtcSignalingState,
    RtcTrackEvent,
};

use crate::dom;
use crate::last_resort::{self, Known};
use crate::listen::{self, Listener, Sink, Task};
use crate::stream;

/// File data are refilled when fewer bytes than this wait.
pub(crate) const FILE_DATA_LOW: u32 = 256 * 1024;
/// Most steps of the negotiation that are waited for.
const MOST_TASKS: usize = 64;

/// Something happened to the peer connection.
pub(crate) enum Event {
    /// For the other end, by way of the server.
    Negotiate(Negotiate),
    /// The other end asks for an ICE restart.
    RestartWanted {
        /// By a new connection.
        anew: bool,
    },
    /// Both descriptions hold, with these certificates; `None` where they do not name exactly one each.
    Described(Option<Binding>),
    /// The packets flow.
    Up,
    /// They stopped; it may mend itself.
    Broken,
    /// It gave up.
    Failed,
    /// The picture.
    Picture(MediaStream),
    /// A channel is open.
    Opened(Channel),
    /// A channel is closed.
    Closed(Channel),
    /// A message arrived.
    Message(Channel, Vec<u8>),
    /// A channel's buffer has room again.
    Room(Channel),
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The channel is not open.
    NotOpen,
    /// Too much waits already.
    Full,
}

/// Whether this browser has WebRTC at all.
pub(crate) fn is_supported() -> bool {
    dom::global("RTCPeerConnection").is_some()
}

/// Whether this browser receives H.264 by WebRTC, and lets the page have its frames.
pub(crate) fn has_h264() -> bool {
    h264().is_some() && stream::reads_tracks()
}

/// The codecs to offer: H.264 with whole slices first, and what repairs losses. `None` without H.264.
fn h264() -> Option<Array> {
    let receiver = dom::global("RTCRtpReceiver")?;
    let capabilities = dom::call(&receiver, "getCapabilities", &Array::of1(&"video".into()))?;
    let codecs: Array = dom::cast(dom::get(&capabilities, "codecs")?)?;
    let kind = |codec: &JsValue| dom::string(codec, "mimeType").unwrap_or_default().to_ascii_lowercase();
    let line = |codec: &JsValue| dom::string(codec, "sdpFmtpLine").unwrap_or_default();
    let chosen = Array::new();
    for whole in [true, false] {
        for codec in codecs.iter() {
            if kind(&codec) == "video/h264" && line(&codec).contains("packetization-mode=1") == whole {
                chosen.push(&codec);
            }
        }
    }
    if chosen.length() == 0 {
        return None;
    }
    // Without rtx in the list a lost packet costs a whole new picture.
    for codec in codecs.iter() {
        if matches!(kind(&codec).as_str(), "video/rtx" | "video/red" | "video/ulpfec") {
            chosen.push(&codec);
        }
    }
    Some(chosen)
}

/// The ways to the other end that are allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways {
    /// STUN and TURN servers, as the newest welcome of the server named them.
    pub(crate) ice_servers: Vec<IceServer>,
    /// Relayed ones only: the two ends then do not learn each other's address.
    pub(crate) relay_only: bool,
}

impl Ways {
    fn configuration(&self) -> RtcConfiguration {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(&self.ice_servers.iter().map(ice_server).collect::<Array>());
        if self.relay_only {
            configuration.set_ice_transport_policy(RtcIceTransportPolicy::Relay);
        }
        configuration
    }
}

/// One peer connection.
pub(crate) struct Peer {
    epoch: Epoch,
    connection: RtcPeerConnection,
    channels: Vec<(Channel, RtcDataChannel)>,
    negotiation: Negotiation,
    tasks: Rc<RefCell<Vec<Task>>>,
    sink: Sink<Event>,
    _listeners: Vec<Listener>,
    _known: Known,
}

impl Peer {
    /// Makes a peer connection and offers it.
    pub(crate) fn offer(epoch: Epoch, ways: &Ways, sink: Sink<Event>) -> Result<Self, JsValue> {
        let connection = RtcPeerConnection::new_with_configuration(&ways.configuration())?;
        let known = last_resort::remember(&connection);
        let mut listeners = connection_listeners(&connection, epoch, &sink);
        let mut channels = Vec::new();
        for channel in Channel::ALL {
            let data = data_channel(&connection, channel);
            listeners.extend(channel_listeners(&data, channel, &sink));
            channels.push((channel, data));
        }
        receive_picture(&connection);
        let mut negotiation = Negotiation::new();
        negotiation.begin(epoch);
        let peer = Self {
            epoch,
            connection,
            channels,
            negotiation,
            tasks: Rc::default(),
            sink,
            _listeners: listeners,
            _known: known,
        };
        peer.describe();
        Ok(peer)
    }

    /// Which one it is.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Offers again, with new ICE credentials, and candidates by these ways.
    pub(crate) fn restart_ice(&self, ways: &Ways) {
        dom::call(&self.connection, "setConfiguration", &Array::of1(&ways.configuration()));
        dom::call(&self.connection, "restartIce", &Array::new());
        self.describe();
    }

    /// Sends the offer that was not answered once more. The same one: an answer to it that is still on its way fits too.
    pub(crate) fn offer_again(&self, ways: &Ways) {
        let waits = self.connection.signaling_state() == RtcSignalingState::HaveLocalOffer;
        match self.connection.local_description().filter(|_| waits) {
            // By now it holds the candidates that were gathered since.
            Some(offer) => (self.sink)(offered(self.epoch, &offer)),
            None => self.restart_ice(ways),
        }
    }

    /// The other end's part of the negotiation.
    pub(crate) fn receive(&mut self, message: Negotiate) {
        for effect in self.negotiation.receive(message) {
            // The browser queues these itself and keeps their order; what fails shows as a connection that never
            // comes up, and is replaced.
            let described = matches!(effect, Effect::Describe(_));
            let promise = match effect {
                Effect::Start(_) => continue,
                Effect::Restart { anew } => {
                    (self.sink)(Event::RestartWanted { anew });
                    continue;
                }
                Effect::Describe(Sdp(sdp)) => {
                    let description = RtcSessionDescriptionInit::new(RtcSdpType::Answer);
                    description.set_sdp(&sdp);
                    self.connection.set_remote_description(&description)
                }
                Effect::AddCandidate(candidate) => {
                    let init = RtcIceCandidateInit::new(&candidate.candidate);
                    init.set_sdp_mid(candidate.sdp_mid.as_deref());
                    init.set_sdp_m_line_index(candidate.sdp_m_line_index);
                    self.connection.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init))
                }
            };
            let (connection, sink, epoch) = (self.connection.clone(), self.sink.clone(), self.epoch);
            self.run(async move {
                if JsFuture::from(promise).await.is_ok() && described {
                    sink(Event::Described(binding(&connection, epoch)));
                }
            });
        }
    }

    /// Sends a message, unless too much waits already.
    pub(crate) fn send(&self, channel: Channel, bytes: &[u8]) -> Result<(), SendError> {
        let data = self.channel(channel).ok_or(SendError::NotOpen)?;
        if data.ready_state() != RtcDataChannelState::Open {
            return Err(SendError::NotOpen);
        }
        if data.buffered_amount() as usize + bytes.len() > channel.buffer_limit() {
            return Err(SendError::Full);
        }
        data.send_with_u8_array(bytes).map_err(|_| SendError::NotOpen)
    }

    /// Bytes that wait in a channel's buffer.
    pub(crate) fn buffered(&self, channel: Channel) -> usize {
        self.channel(channel).map_or(0, |data| data.buffered_amount() as usize)
    }

    /// The connection's statistics, to be awaited.
    pub(crate) fn stats(&self) -> js_sys::Promise {
        self.connection.get_stats()
    }

    fn channel(&self, channel: Channel) -> Option<&RtcDataChannel> {
        self.channels.iter().find(|(name, _)| *name == channel).map(|(_, data)| data)
    }

    fn describe(&self) {
        let (connection, sink, epoch) = (self.connection.clone(), self.sink.clone(), self.epoch);
        // Without an argument the browser makes the offer itself, for the state that it is in by then.
        let Some(described) = dom::call_async(&connection, "setLocalDescription", &Array::new()) else {
            return sink(Event::Failed);
        };
        self.run(async move {
            let done = JsFuture::from(described).await;
            match (done, connection.local_description()) {
                (Ok(_), Some(description)) if description.type_() == RtcSdpType::Offer => {
                    sink(offered(epoch, &description));
                }
                (Ok(_), _) => {}
                (Err(_), _) => sink(Event::Failed),
            }
        });
    }

    fn run(&self, future: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        // They are short. Of a peer that sends candidates without end, the oldest are no longer waited for.
        if tasks.len() >= MOST_TASKS {
            tasks.remove(0);
        }
        tasks.push(listen::spawn(future));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.close();
    }
}

fn offered(epoch: Epoch, description: &RtcSessionDescription) -> Event {
    Event::Negotiate(Negotiate::Offer { epoch, sdp: Sdp(description.sdp()) })
}

/// The certificates of both ends, as the browser itself understood the descriptions that it goes by: it accepts no other.
fn binding(connection: &RtcPeerConnection, epoch: Epoch) -> Option<Binding> {
    let viewer = Fingerprint::from_sdp(&connection.local_description()?.sdp())?;
    let host = Fingerprint::from_sdp(&connection.remote_description()?.sdp())?;
    Some(Binding { epoch, host, viewer })
}

fn ice_server(server: &IceServer) -> RtcIceServer {
    let made = RtcIceServer::new();
    made.set_urls(&server.urls.iter().map(JsValue::from).collect::<Array>());
    if let Some(username) = &server.username {
        made.set_username(username);
    }
    if let Some(credential) = &server.credential {
        made.set_credential(credential);
    }
    made
}

fn data_channel(connection: &RtcPeerConnection, channel: Channel) -> RtcDataChannel {
    let reliability = channel.reliability();
    let init = RtcDataChannelInit::new();
    init.set_ordered(reliability.ordered);
    if let Some(retransmits) = reliability.max_retransmits {
        init.set_max_retransmits(retransmits);
    }
    let data = connection.create_data_channel_with_data_channel_dict(channel.label(), &init);
    data.set_binary_type(RtcDataChannelType::Arraybuffer);
    if channel == Channel::FileData {
        data.set_buffered_amount_low_threshold(FILE_DATA_LOW);
    }
    data
}

fn receive_picture(connection: &RtcPeerConnection) {
    let Some(codecs) = h264().filter(|_| stream::reads_tracks()) else { return };
    let init = RtcRtpTransceiverInit::new();
    init.set_direction(RtcRtpTransceiverDirection::Recvonly);
    let transceiver = connection.add_transceiver_with_str_and_init("video", &init);
    // By name: a browser without it offers everything, and H.264 among it.
    dom::call(&transceiver, "setCodecPreferences", &Array::of1(&codecs));
    // The host asks for no delay with each packet; this is for when that extension is missing.
    dom::set(&transceiver.receiver(), "jitterBufferTarget", &JsValue::from_f64(0.0));
}

fn connection_listeners(connection: &RtcPeerConnection, epoch: Epoch, sink: &Sink<Event>) -> Vec<Listener> {
    let (to_candidates, to_states, to_tracks) = (sink.clone(), sink.clone(), sink.clone());
    let states = connection.clone();
    vec![
        listen::on(connection, "icecandidate", move |event: RtcPeerConnectionIceEvent| {
            let candidate = event.candidate().map_or_else(
                || Candidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: None },
                |candidate| Candidate {
                    candidate: candidate.candidate(),
                    sdp_mid: candidate.sdp_mid(),
                    sdp_m_line_index: candidate.sdp_m_line_index(),
                },
            );
            to_candidates(Event::Negotiate(Negotiate::Candidate { epoch, candidate }));
        }),
        listen::on(connection, "connectionstatechange", move |_: DomEvent| match states.connection_state() {
            RtcPeerConnectionState::Connected => to_states(Event::Up),
            RtcPeerConnectionState::Disconnected => to_states(Event::Broken),
            RtcPeerConnectionState::Failed => to_states(Event::Failed),
            _ => {}
        }),
        listen::on(connection, "track", move |event: RtcTrackEvent| {
            dom::set(&event.receiver(), "jitterBufferTarget", &JsValue::from_f64(0.0));
            let stream = event.streams().get(0);
            let stream = dom::cast(stream).or_else(|| {
                // The host named no stream: make one.
                let stream = MediaStream::new().ok()?;
                stream.add_track(&event.track());
                Some(stream)
            });
            if let Some(stream) = stream {
                to_tracks(Event::Picture(stream));
            }
        }),
    ]
}

fn channel_listeners(data: &RtcDataChannel, channel: Channel, sink: &Sink<Event>) -> [Listener; 4] {
    let (opened, closed, message, room) = (sink.clone(), sink.clone(), sink.clone(), sink.clone());
    [
        listen::on(data, "open", move |_: DomEvent| opened(Event::Opened(channel))),
        listen::on(data, "close", move |_: DomEvent| closed(Event::Closed(channel))),
        listen::on(data, "message", move |event: MessageEvent| {
            // A text is no message of ours; it is passed on as what it is, malformed.
            let buffer = dom::cast::<js_sys::ArrayBuffer>(event.data());
            let length = buffer.as_ref().map_or(0, js_sys::ArrayBuffer::byte_length) as usize;
            let bytes = buffer
                .filter(|_| length <= Channel::MAX_MESSAGE)
                .map(|buffer| Uint8Array::new(&buffer).to_vec())
                .unwrap_or_default();
            message(Event::Message(channel, bytes));
        }),
        listen::on(data, "bufferedamountlow", move |_: DomEvent| room(Event::Room(channel))),
    ]
}
