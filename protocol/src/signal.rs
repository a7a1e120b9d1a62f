//! What the two ends and the server say to each other over the signaling WebSocket, as JSON text messages.
//!
//! One enum for each direction. The server relays descriptions and candidates as it relays letters: it looks at their
//! length and nothing else. An unknown message is answered with [`CloseReason::BadMessage`]; unknown fields are ignored.

use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::close::CloseReason;
use crate::code::Nameplate;
use crate::grant::Rights;
use crate::id::{Epoch, GuestId, ResumeToken, Seat, SessionId, Ticket};
use crate::invitation::InvitationId;
use crate::proof::Share;
use crate::version::{Capabilities, Version};

/// Longest message on the WebSocket, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Longest name of a person or organisation, in bytes.
pub const MAX_NAME: usize = 200;

/// A session description (RFC 8866). It holds addresses and fingerprints: it never prints itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sdp(pub String);

impl fmt::Debug for Sdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sdp({} bytes)", self.0.len())
    }
}

/// One ICE candidate (RFC 8839), as browsers write it. It holds an address: it never prints itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The line `candidate:…`; empty: there are no more.
    pub candidate: String,
    /// The media section that it belongs to, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The media section that it belongs to, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({} bytes)", self.candidate.len())
    }
}

/// A message of the negotiation between the two ends, relayed as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Negotiate {
    /// The viewer's offer: the start of a peer connection, or a new one for a running connection (ICE restart).
    Offer {
        /// The peer connection.
        epoch: Epoch,
        /// The description.
        sdp: Sdp,
    },
    /// The host's answer.
    Answer {
        /// The peer connection.
        epoch: Epoch,
        /// The description.
        sdp: Sdp,
    },
    /// A candidate of either end.
    Candidate {
        /// The peer connection.
        epoch: Epoch,
        /// The candidate.
        candidate: Candidate,
    },
    /// The host's network changed, or nothing arrives there any more: the viewer, who alone offers, should restart ICE.
    RestartWanted {
        /// The peer connection.
        epoch: Epoch,
        /// No address of the host's that it was made with is left: nothing but a new one will do.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        anew: bool,
    },
}

impl Negotiate {
    /// The peer connection that it belongs to.
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Offer { epoch, .. }
            | Self::Answer { epoch, .. }
            | Self::Candidate { epoch, .. }
            | Self::RestartWanted { epoch, .. } => *epoch,
        }
    }

    /// Whether this end may send it: the browser offers, the host answers.
    pub const fn allowed_from(&self, seat: Seat) -> bool {
        match self {
            Self::Offer { .. } => matches!(seat, Seat::Viewer),
            Self::Answer { .. } | Self::RestartWanted { .. } => matches!(seat, Seat::Host),
            Self::Candidate { .. } => true,
        }
    }
}

/// A STUN or TURN server, as `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// Its addresses (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// How an end comes into its room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Entry {
    /// The customer's program, by the server's part of the code.
    Nameplate {
        /// The first six digits.
        nameplate: Nameplate,
    },
    /// The technician's tab, by the session named in its page, and proven by the sign-in of the request itself.
    SignedIn {
        /// The session.
        session: SessionId,
    },
    /// Either end, after its connection broke or the server was restarted.
    Resume {
        /// What the server gave it at its first entry.
        token: ResumeToken,
    },
    /// The technician's tab, served from another origin: its desk asked for the ticket and opened the tab with it.
    Ticket {
        /// The session.
        session: SessionId,
        /// What the server gave the desk.
        ticket: Ticket,
    },
    /// The tab of another technician, who was invited into a session that runs. Whether they may, the host alone finds out.
    Invited {
        /// The session.
        session: SessionId,
        /// The invitation that it will prove.
        invitation: InvitationId,
    },
}

/// Who helps, as the customer is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Technician {
    /// The person's name.
    pub name: String,
    /// Whom they work for.
    pub organisation: String,
}

/// What the customer's program says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// Operating system and version, in words.
    pub system: String,
    /// The machine's name.
    pub machine: String,
    /// It runs without a person and gives rights by its command line: for tests only.
    #[serde(default)]
    pub headless: bool,
}

/// From the customer's program to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HostToServer {
    /// First of all.
    Hello {
        /// What it speaks.
        version: Version,
        /// What else it can do.
        capabilities: Capabilities,
        /// How it comes in.
        entry: Entry,
        /// About itself.
        info: HostInfo,
    },
    /// For the other end.
    Negotiate(Negotiate),
    /// Which rights hold now; for the record, and for the desk. Nothing depends on it.
    Rights {
        /// What holds.
        held: Rights,
    },
    /// The customer ended the session, or refused it.
    End {
        /// Why: [`CloseReason::CustomerEnded`], [`CloseReason::CustomerRefused`] or [`CloseReason::NotProven`].
        reason: CloseReason,
    },
    /// For the other end: this end's part of the key exchange, once a session.
    Share {
        /// The part.
        share: Share,
    },
    /// For one of the guests.
    GuestNegotiate {
        /// Which.
        guest: GuestId,
        /// What.
        message: Negotiate,
    },
    /// A guest is sent away, for good. The session goes on.
    GuestEnd {
        /// Which.
        guest: GuestId,
        /// Why: as for [`Self::End`], or [`CloseReason::UnknownCode`] where there is no such invitation.
        reason: CloseReason,
    },
}

/// From the server to the customer's program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerToHost {
    /// It is in.
    Welcome {
        /// What the server speaks.
        version: Version,
        /// The session.
        session: SessionId,
        /// For coming back.
        resume: ResumeToken,
        /// Who helps.
        technician: Technician,
        /// Ways around firewalls.
        ice_servers: Vec<IceServer>,
        /// Whether the technician's tab is there.
        viewer_present: bool,
    },
    /// The technician's tab came, or came back.
    ViewerArrived,
    /// The technician's connection to the server broke. The peer connection may live on.
    ViewerDropped {
        /// Seconds until the session ends if it does not come back.
        grace_s: u32,
    },
    /// From the other end.
    Negotiate(Negotiate),
    /// The session is over, or this connection is; the WebSocket closes next.
    End {
        /// Why.
        reason: CloseReason,
    },
    /// From the other end: its part of the key exchange.
    Share {
        /// The part.
        share: Share,
    },
    /// Another technician's tab came, or came back; said again of each after a [`Self::Welcome`].
    GuestArrived {
        /// Which.
        guest: GuestId,
        /// What it will prove.
        invitation: InvitationId,
        /// Whose tab it is, as the server knows.
        technician: Technician,
    },
    /// A guest's connection to the server broke. The peer connection may live on.
    GuestDropped {
        /// Which.
        guest: GuestId,
        /// Seconds until it counts as gone.
        grace_s: u32,
    },
    /// A guest is gone for good.
    GuestLeft {
        /// Which.
        guest: GuestId,
        /// Why.
        reason: CloseReason,
    },
    /// From a guest.
    GuestNegotiate {
        /// Which.
        guest: GuestId,
        /// What.
        message: Negotiate,
    },
}

/// From the technician's tab to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ViewerToServer {
    /// First of all.
    Hello {
        /// What it speaks.
        version: Version,
        /// What else it can do.
        capabilities: Capabilities,
        /// How it comes in.
        entry: Entry,
    },
    /// For the other end.
    Negotiate(Negotiate),
    /// The technician's end ended the session.
    End {
        /// Why: [`CloseReason::TechnicianEnded`] or [`CloseReason::NotProven`].
        #[serde(default = "technician_ended")]
        reason: CloseReason,
    },
    /// For the other end: this end's part of the key exchange, once a session.
    Share {
        /// The part.
        share: Share,
    },
}

/// Tabs of earlier versions name no reason.
const fn technician_ended() -> CloseReason {
    CloseReason::TechnicianEnded
}

/// From the server to the technician's tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerToViewer {
    /// It is in.
    Welcome {
        /// What the server speaks.
        version: Version,
        /// The session.
        session: SessionId,
        /// For coming back.
        resume: ResumeToken,
        /// The part of the code that the server allotted.
        nameplate: Nameplate,
        /// Seconds for which the code can still be used; zero once it was.
        code_valid_s: u32,
        /// The number of the next peer connection: higher than every earlier one of this session.
        epoch: Epoch,
        /// Ways around firewalls.
        ice_servers: Vec<IceServer>,
        /// The customer's program, if it is there.
        host: Option<HostInfo>,
    },
    /// The customer's program came, or came back.
    HostArrived {
        /// About it.
        host: HostInfo,
    },
    /// The customer's connection to the server broke. The peer connection may live on.
    HostDropped {
        /// Seconds until the session ends if it does not come back.
        grace_s: u32,
    },
    /// From the other end.
    Negotiate(Negotiate),
    /// The session is over, or this connection is; the WebSocket closes next.
    End {
        /// Why.
        reason: CloseReason,
    },
    /// From the other end: its part of the key exchange.
    Share {
        /// The part.
        share: Share,
    },
}

/// Why a text is no signaling message. The text itself is not repeated: it may hold an SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Longer than [`MAX_MESSAGE`]; nothing was parsed.
    #[error("a signaling message of {0} bytes is over the limit of {MAX_MESSAGE}")]
    TooLarge(usize),
    /// Not JSON, or no message that this version knows.
    #[error("a signaling message that this version does not understand (near column {0})")]
    Malformed(usize),
}

impl SignalError {
    /// How the connection is closed for it.
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::TooLarge(_) => CloseReason::TooLarge,
            Self::Malformed(_) => CloseReason::BadMessage,
        }
    }
}

/// Reads a message of any direction.
pub fn parse<M: DeserializeOwned>(text: &str) -> Result<M, SignalError> {
    if text.len() > MAX_MESSAGE {
        return Err(SignalError::TooLarge(text.len()));
    }
    serde_json::from_str(text).map_err(|error| SignalError::Malformed(error.column()))
}

/// Writes a message of any direction.
pub fn to_text<M: Serialize>(message: &M) -> Result<String, SignalError> {
    let text = serde_json::to_string(message).map_err(|error| SignalError::Malformed(error.column()))?;
    if text.len() > MAX_MESSAGE { Err(SignalError::TooLarge(text.len())) } else { Ok(text) }
}
