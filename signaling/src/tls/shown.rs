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
