//! A TURN client of the tests: sends what it is told to, well-formed or not, and shows the answer as it is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nearhand_protocol::signal::IceServer;
use stun_types::attribute::{
    ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithmValue, PasswordAlgorithms, Realm, Username,
    XorMappedAddress,
};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWriteVec,
    Method, TransactionId,
};
use stun_types::prelude::{
    AttributeStaticType as _, AttributeWrite, MessageWrite as _, MessageWriteExt as _,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use turn_types::AddressFamily;
use turn_types::attribute::{
    ChannelNumber, Data, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
    XorRelayedAddress,
};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH, SEND};

use super::soon;

/// What a session's end is told of the relay.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Credentials {
    /// The first of the list that has some.
    pub(crate) fn of(servers: &[IceServer]) -> Self {
        let server = servers.iter().find(|server| server.credential.is_some()).expect("a TURN server");
        Self { username: server.username.clone().unwrap(), password: server.credential.clone().unwrap() }
    }
}

/// A connection of any kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

enum Socket {
    Udp(UdpSocket),
    Stream(Box<dyn Duplex>, Vec<u8>),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// Zero for success.
    pub(crate) code: u16,
}

impl Reply {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::from_bytes(&self.bytes).unwrap()
    }

    pub(crate) fn relayed(&self) -> SocketAddr {
        let message = self.message();
        message.attribute::<XorRelayedAddress>().unwrap().addr(message.transaction_id())
    }

    pub(crate) fn mapped(&self) -> SocketAddr {
        let message = self.message();
        message.attribute::<XorMappedAddress>().unwrap().addr(message.transaction_id())
    }
}

/// One client.
pub(crate) struct Turn {
    socket: Socket,
    credentials: Option<Credentials>,
    challenge: Option<(String, String)>,
    algorithm: IntegrityAlgorithm,
}

impl Turn {
    pub(crate) async fn udp(server: SocketAddr, credentials: Option<Credentials>) -> Self {
        let any: IpAddr = if server.is_ipv4() { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
        let socket = UdpSocket::bind((any, 0)).await.unwrap();
        socket.connect(server).await.unwrap();
        Self::new(Socket::Udp(socket), credentials)
    }

    pub(crate) async fn tcp(server: SocketAddr, credentials: Option<Credentials>) -> Self {
        Self::over(TcpStream::connect(server).await.unwrap(), credentials)
    }

    pub(crate) fn over(stream: impl Duplex + 'static, credentials: Option<Credentials>) -> Self {
        Self::new(Socket::Stream(Box::new(stream), Vec::new()), credentials)
    }

    fn new(socket: Socket, credentials: Option<Credentials>) -> Self {
        Self { socket, credentials, challenge: None, algorithm: IntegrityAlgorithm::Sha1 }
    }

    /// Protects what follows by SHA-256 (RFC 8489).
    pub(crate) fn with_sha256(mut self) -> Self {
        self.algorithm = IntegrityAlgorithm::Sha256;
        self
    }

    /// Forgets the nonce, or uses another.
    pub(crate) fn set_nonce(&mut self, nonce: &str) {
        if let Some((_, given)) = &mut self.challenge {
            nonce.clone_into(given);
        }
    }

    pub(crate) fn set_credentials(&mut self, credentials: Credentials) {
        self.credentials = Some(credentials);
    }

    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.socket, Socket::Stream(..))
    }

    /// A request as it goes over the wire, with credentials once there was a challenge.
    pub(crate) fn request(
        &self,
        method: Method,
        attributes: &[&dyn AttributeWrite],
        id: TransactionId,
    ) -> Vec<u8> {
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        for attribute in attributes {
            message.add_attribute(*attribute).unwrap();
        }
        if let (Some(credentials), Some((realm, nonce))) = (&self.credentials, &self.challenge) {
            message.add_attribute(&Username::new(&credentials.username).unwrap()).unwrap();
            message.add_attribute(&Realm::new(realm).unwrap()).unwrap();
            message.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
            if self.algorithm == IntegrityAlgorithm::Sha256 {
                let algorithm = PasswordAlgorithmValue::SHA256;
                message
                    .add_attribute(&PasswordAlgorithms::new(&[algorithm, PasswordAlgorithmValue::MD5]))
                    .unwrap();
                message.add_attribute(&PasswordAlgorithm::new(algorithm)).unwrap();
            }
            let key = LongTermKeyCredentials::new(
                credentials.username.clone(),
                credentials.password.clone(),
                realm.clone(),
            );
            message.add_message_integrity(&key.into(), self.algorithm).unwrap();
        }
        message.finish()
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, method: Method, attributes: &[&dyn AttributeWrite]) -> Reply {
        let request = self.request(method, attributes, TransactionId::generate());
        self.exchange(&request).await
    }

    /// Sends these bytes and waits for a message.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Reply {
        self.send_raw(request).await;
        let bytes = soon(self.receive_raw()).await.expect("an answer");
        let message = Message::from_bytes(&bytes).unwrap();
        let code = message.attribute::<ErrorCode>().map_or(0, |error| error.code());
        if let (Ok(realm), Ok(nonce)) = (message.attribute::<Realm>(), message.attribute::<Nonce>()) {
            self.challenge = Some((realm.realm().to_owned(), nonce.nonce().to_owned()));
        }
        Reply { bytes, code }
    }

    /// Allocates as clients do: asks, is challenged, asks with credentials.
    pub(crate) async fn allocate(&mut self) -> Reply {
        self.allocate_with(&[&RequestedTransport::new(RequestedTransport::UDP)]).await
    }

    pub(crate) async fn allocate_family(&mut self, family: AddressFamily) -> Reply {
        self.allocate_with(&[
            &RequestedTransport::new(RequestedTransport::UDP),
            &RequestedAddressFamily::new(family),
        ])
        .await
    }

    pub(crate) async fn allocate_with(&mut self, attributes: &[&dyn AttributeWrite]) -> Reply {
        let first = self.ask(ALLOCATE, attributes).await;
        if first.code == 401 { self.ask(ALLOCATE, attributes).await } else { first }
    }

    pub(crate) async fn permit(&mut self, peer: SocketAddr) -> u16 {
        let id = TransactionId::generate();
        let request = self.request(CREATE_PERMISSION, &[&XorPeerAddress::new(peer, id)], id);
        self.exchange(&request).await.code
    }

    pub(crate) async fn bind(&mut self, number: u16, peer: SocketAddr) -> u16 {
        let id = TransactionId::generate();
        let attributes: [&dyn AttributeWrite; 2] =
            [&ChannelNumber::new(number), &XorPeerAddress::new(peer, id)];
        let request = self.request(CHANNEL_BIND, &attributes, id);
        self.exchange(&request).await.code
    }

    pub(crate) async fn refresh(&mut self, lifetime: u32) -> u16 {
        self.ask(REFRESH, &[&Lifetime::new(lifetime)]).await.code
    }

    pub(crate) async fn binding(&mut self) -> SocketAddr {
        self.ask(BINDING, &[]).await.mapped()
    }

    pub(crate) async fn send_channel(&mut self, number: u16, payload: &[u8]) {
        let mut frame = number.to_be_bytes().to_vec();
        frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        frame.extend_from_slice(payload);
        if self.is_stream() {
            frame.resize(frame.len().next_multiple_of(4), 0);
        }
        self.send_raw(&frame).await;
    }

    pub(crate) async fn send_indication(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut message = Message::builder_indication(SEND, MessageWriteVec::new());
        message.add_attribute(&XorPeerAddress::new(peer, message.transaction_id())).unwrap();
        message.add_attribute(&Data::new(payload)).unwrap();
        self.send_raw(&message.finish()).await;
    }

    /// The payload of the next ChannelData or Data indication, with its channel or peer.
    pub(crate) async fn receive(&mut self) -> (Result<u16, SocketAddr>, Vec<u8>) {
        let frame = soon(self.receive_raw()).await.expect("something of a peer");
        if frame[0] >= 0x40 {
            let len = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
            return (Ok(u16::from_be_bytes([frame[0], frame[1]])), frame[4..4 + len].to_vec());
        }
        let message = Message::from_bytes(&frame).unwrap();
        assert!(message.has_class(MessageClass::Indication), "{message:?}");
        let peer = message.attribute::<XorPeerAddress>().unwrap().addr(message.transaction_id());
        let data = message.raw_attribute(Data::TYPE).unwrap();
        (Err(peer), data.value.to_vec())
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(200), self.receive_raw()).await.is_err()
    }

    /// Whether the server closes the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        soon(self.receive_raw()).await.is_none()
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        match &mut self.socket {
            Socket::Udp(socket) => {
                socket.send(bytes).await.unwrap();
            }
            Socket::Stream(stream, _) => {
                stream.write_all(bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    /// One datagram, or one frame of the stream; `None` at its end.
    pub(crate) async fn receive_raw(&mut self) -> Option<Vec<u8>> {
        match &mut self.socket {
            Socket::Udp(socket) => {
                let mut buffer = vec![0; 65_536];
                let len = socket.recv(&mut buffer).await.ok()?;
                buffer.truncate(len);
                Some(buffer)
            }
            Socket::Stream(stream, early) => loop {
                if early.len() >= 4 {
                    let length = usize::from(u16::from_be_bytes([early[2], early[3]]));
                    let whole = if early[0] >= 0x40 { (4 + length).next_multiple_of(4) } else { 20 + length };
                    if early.len() >= whole {
                        return Some(early.drain(..whole).collect());
                    }
                }
                let mut buffer = vec![0; 4096];
                match stream.read(&mut buffer).await {
                    Ok(len @ 1..) => early.extend_from_slice(&buffer[..len]),
                    Ok(0) | Err(_) => return None,
                }
            },
        }
    }
}
