//! Which certificate a connection is shown: the current one, which may be exchanged at any time, or that of a challenge.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ACME_TLS;

/// The certificates of a running server.
#[derive(Debug, Default)]
pub struct Shown {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Shown {
    /// From now on new connections get this one; those that there are keep theirs.
    pub fn replace(&self, key: Arc<CertifiedKey>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    /// The one that connections get now.
    pub fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers the challenge for this name, until the guard is dropped.
    pub fn challenge(self: &Arc<Self>, name: &str, key: Arc<CertifiedKey>) -> Challenge {
        let name = name.to_ascii_lowercase();
        self.challenges.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), key);
        Challenge { shown: Arc::clone(self), name }
    }
}

impl ResolvesServerCert for Shown {
    /// `None` refuses the handshake: before the first certificate there is nothing that a browser should believe.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn().into_iter().flatten();
        // RFC 8737, 3: it offers this protocol and no other.
        if protocols.next() == Some(ACME_TLS) && protocols.next().is_none() {
            let name = hello.server_name()?.to_ascii_lowercase();
            return self.challenges.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        }
        self.current()
    }
}

/// A challenge that is answered as long as this lives.
#[derive(Debug)]
pub struct Challenge {
    shown: Arc<Shown>,
    name: String,
}

impl Drop for Challenge {
    fn drop(&mut self) {
        self.shown.challenges.write().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;
    use crate::tls::self_signed::{for_challenge, load_or_make};
    use crate::tls::{provider, server_config};

    /// What a client is shown that offers these protocols; `None` if it is refused.
    fn shown_to(shown: &Arc<Shown>, name: &str, protocols: &[&[u8]]) -> Option<CertificateDer<'static>> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.dangerous().set_certificate_verifier(Arc::new(Anything));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(server_config(Arc::clone(shown)).unwrap()).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().ok()?;
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        client.peer_certificates().map(|chain| chain[0].clone().into_owned())
    }

    #[test]
    fn a_challenge_is_for_who_asks_for_it_and_only_while_it_runs() {
        let shown = Arc::new(Shown::default());
        let challenge: &[&[u8]] = &[ACME_TLS];
        let browser: &[&[u8]] = &[b"h2", b"http/1.1"];
        assert_eq!(shown_to(&shown, "a.example", browser), None, "nothing to believe yet");

        let own = load_or_make(&["a.example".to_owned()], None).unwrap();
        shown.replace(Arc::clone(&own));
        let own = Some(own.cert[0].clone());
        assert_eq!(shown_to(&shown, "a.example", browser), own);
        assert_eq!(shown_to(&shown, "a.example", &[]), own);
        assert_eq!(shown_to(&shown, "a.example", challenge), None);

        let answer = for_challenge("a.example", &[7; 32]).unwrap();
        let guard = shown.challenge("A.example", Arc::clone(&answer));
        assert_eq!(shown_to(&shown, "a.example", challenge), Some(answer.cert[0].clone()));
        assert_eq!(shown_to(&shown, "b.example", challenge), None);
        assert_eq!(shown_to(&shown, "a.example", browser), own, "browsers never see it");
        assert_eq!(shown_to(&shown, "a.example", &[ACME_TLS, b"http/1.1"]), own);
        drop(guard);
        assert_eq!(shown_to(&shown, "a.example", challenge), None);
    }

    /// Looks at certificates without judging them.
    #[derive(Debug)]
    struct Anything;

    impl rustls::client::danger::ServerCertVerifier for Anything {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
