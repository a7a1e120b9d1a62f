//! What can happen to a session, and what follows from it.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::{Code, Nameplate, Secret};
use nearhand_protocol::control::{InputProblem, Notice, ToHost, ToViewer};
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::Epoch;
use nearhand_protocol::machine::handshake::Binding;
use nearhand_protocol::proof::Share;
use nearhand_protocol::signal::HostInfo;
use nearhand_protocol::version::Version;

use super::Seed;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The server let us in.
    Welcomed {
        /// What it speaks.
        version: Version,
        /// The server's part of the code.
        nameplate: Nameplate,
        /// Seconds for which the code can be used; zero once it was.
        code_valid_s: u32,
        /// The number of the next peer connection.
        epoch: Epoch,
        /// The customer's program, if it is there.
        host: Option<HostInfo>,
    },
    /// The customer's program came, or came back.
    HostArrived(HostInfo),
    /// The server lost the customer's program.
    HostDropped {
        /// Seconds until the session ends.
        grace_s: u32,
    },
    /// The connection to the server broke; it is tried again.
    SignalLost,
    /// The server ended the session, or refuses us for good.
    SignalEnded(CloseReason),
    /// The peer connection of this epoch is up.
    LinkUp(Epoch),
    /// Its packets stopped; it may mend itself.
    LinkBroken(Epoch),
    /// It gave up.
    LinkFailed(Epoch),
    /// Its control channel is open.
    ControlOpen(Epoch),
    /// Its control channel is closed.
    ControlClosed(Epoch),
    /// Bytes came over the peer connection of this epoch.
    Traffic(Epoch),
    /// How its packets travel; said now and then.
    Travels {
        /// Which peer connection.
        epoch: Epoch,
        /// By way of a relay, where a better path would be wanted.
        relayed: bool,
        /// This end itself sends over a direct path, so there is one.
        sure: bool,
        /// A file is on its way.
        busy: bool,
    },
    /// The browser says that this machine's network has changed, or is there again.
    NetworkHint,
    /// The host asks for an ICE restart.
    RestartWanted {
        /// Of this connection.
        epoch: Epoch,
        /// Or rather for a new one: it has no address any more that this one was made with.
        anew: bool,
    },
    /// Both of its descriptions hold, for the first time or again; without a binding where they do not name exactly one
    /// certificate each.
    Described(Epoch, Option<Binding>),
    /// The host's share has come, by way of the server.
    Shared(Share),
    /// The technician typed the part of the code that the server does not know.
    SecretTyped(Secret),
    /// The host said something on the control channel.
    Heard(ToViewer),
    /// So much of what the host sent made no sense that nothing more of it is looked at.
    Misled,
    /// The technician asks to see the screen (again).
    AskView,
    /// The technician asks for control.
    AskControl,
    /// The technician gives control back.
    GiveBackControl,
    /// The technician ends the session.
    End,
    /// Time passed.
    Tick,
}

/// What the driver does next, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Close the peer connection that is there, make one with this number, and offer.
    StartPeer(Epoch),
    /// Offer again, with new ICE credentials and the newest ICE servers.
    RestartIce,
    /// Send the offer that was not answered once more, as it is; where there is none, [`Self::RestartIce`].
    OfferAgain,
    /// Connect to the server anew, at once: the connection that is there may be dead.
    Redial,
    /// Keep this in the tab until there is a key: a reload in between must come to the same share.
    KeepSeed {
        /// Of which code the share is.
        code: Code,
        /// What it was made of.
        seed: Seed,
    },
    /// Send this end's share, by way of the server.
    Share(Share),
    /// Keep [`super::State::key`] in the tab, and the seed no longer.
    KeepKey,
    /// The host has proven itself on this peer connection: what waited for that may go out, and its picture be taken.
    Proven,
    /// Say this on the control channel.
    Tell(ToHost),
    /// Tell the server that this end ended the session, and why.
    TellServerEnd(CloseReason),
    /// Nothing is held any more: let go of keys and buttons, and stop forwarding.
    ReleaseInput,
    /// The picture may be seen no longer.
    Darken,
    /// Close every connection and forget every token: the session is over.
    Close,
    /// Tell the technician.
    Announce(Announcement),
}

/// Something that the technician should read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// The customer said no.
    Refused(Right),
    /// The customer gave this right.
    Given(Right),
    /// The customer took this right back.
    Taken(Right),
    /// The host has something to say.
    Notice(Notice),
    /// The host did not carry out the input.
    InputIgnored(InputProblem),
}
