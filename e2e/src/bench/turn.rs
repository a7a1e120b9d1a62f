//! A TURN client over UDP (RFC 8656) that does no more than load wants: an allocation, one channel, and data.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use stun_types::attribute::{ErrorCode, Nonce, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWriteVec, Method,
    TransactionId,
};
use stun_types::prelude::{AttributeWrite, MessageWrite as _, MessageWriteExt as _};
use turn_types::attribute::{ChannelNumber, RequestedTransport, XorPeerAddress, XorRelayedAddress};
use turn_types::message::{ALLOCATE, CHANNEL_BIND};

/// How long an answer may take, and how often a request is sent again.
const PATIENCE: Duration = Duration::from_secs(1);
const TRIES: usize = 5;
/// The one channel.
const CHANNEL: u16 = 0x4000;
/// Bytes before the data of a channel.
const HEAD: usize = 4;

/// A user of a relay whose secret is known (coturn's REST scheme).
pub(super) struct User {
    name: String,
    password: String,
}

impl User {
    /// With the right to an hour.
    pub(super) fn new(secret: &str, name: &str) -> Result<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let name = format!("{}:{name}", now + 3600);
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).context("an unusable secret")?;
        mac.update(name.as_bytes());
        Ok(Self { name, password: data_encoding::BASE64.encode(&mac.finalize().into_bytes()) })
    }
}

/// One allocation.
pub(super) struct Turn {
    socket: UdpSocket,
    user: User,
    challenge: Option<(String, String)>,
    /// Where peers send to.
    pub(super) relayed: SocketAddr,
}

impl Turn {
    pub(super) fn allocate(server: SocketAddr, user: User) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a client's socket")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut turn = Self { socket, user, challenge: None, relayed: server };
        let udp = RequestedTransport::new(RequestedTransport::UDP);
        // The first answer is the challenge.
        let mut answer = turn.ask(ALLOCATE, TransactionId::generate(), &[&udp])?;
        if error(&answer)? == 401 {
            answer = turn.ask(ALLOCATE, TransactionId::generate(), &[&udp])?;
        }
        ensure!(error(&answer)? == 0, "an allocation was refused: {}", error(&answer)?);
        let message = Message::from_bytes(&answer)?;
        turn.relayed = message.attribute::<XorRelayedAddress>()?.addr(message.transaction_id());
        Ok(turn)
    }

    /// From now on data go to and come from this peer.
    pub(super) fn bind(&mut self, peer: SocketAddr) -> Result<()> {
        let id = TransactionId::generate();
        let answer =
            self.ask(CHANNEL_BIND, id, &[&ChannelNumber::new(CHANNEL), &XorPeerAddress::new(peer, id)])?;
        ensure!(error(&answer)? == 0, "the channel to {peer} was refused: {}", error(&answer)?);
        Ok(())
    }

    /// A datagram as it goes to the peer.
    pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = CHANNEL.to_be_bytes().to_vec();
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    /// The socket to send frames on, and receive them.
    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// How much data of the peer is in what was received.
    pub(super) fn payload(received: usize) -> usize {
        received.saturating_sub(HEAD)
    }

    fn ask(
        &mut self,
        method: Method,
        id: TransactionId,
        attributes: &[&dyn AttributeWrite],
    ) -> Result<Vec<u8>> {
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        for attribute in attributes {
            message.add_attribute(*attribute)?;
        }
        if let Some((realm, nonce)) = &self.challenge {
            message.add_attribute(&Username::new(&self.user.name)?)?;
            message.add_attribute(&Realm::new(realm)?)?;
            message.add_attribute(&Nonce::new(nonce)?)?;
            let User { name, password } = &self.user;
            let key = LongTermKeyCredentials::new(name.clone(), password.clone(), realm.clone());
            message.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1)?;
        }
        let request = message.finish();
        let mut buffer = [0; 2048];
        for _ in 0..TRIES {
            self.socket.send(&request)?;
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let answer = &buffer[..length];
            let message = Message::from_bytes(answer)?;
            if let (Ok(realm), Ok(nonce)) = (message.attribute::<Realm>(), message.attribute::<Nonce>()) {
                self.challenge = Some((realm.realm().to_owned(), nonce.nonce().to_owned()));
            }
            return Ok(answer.to_vec());
        }
        bail!("the relay does not answer")
    }
}

fn error(answer: &[u8]) -> Result<u16> {
    let message = Message::from_bytes(answer)?;
    Ok(message.attribute::<ErrorCode>().map_or(0, |error| error.code()))
}
