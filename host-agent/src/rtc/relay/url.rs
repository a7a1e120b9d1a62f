//! Addresses of STUN and TURN servers, `stun:`, `turn:` and `turns:` (RFC 7064, RFC 7065).

/// A server for reflexive or relayed candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// Tells how a packet looks from outside.
    Stun {
        /// Name or address, without brackets.
        host: String,
        port: u16,
    },
    /// Carries packets.
    Turn {
        transport: Transport,
        /// Name or address, without brackets.
        host: String,
        port: u16,
    },
}

/// How a TURN server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    /// The word for logs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// Why a server is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    /// Neither of the schemes that are spoken: `stuns:`, an unknown transport, DTLS.
    #[error("a kind of server that is not supported")]
    Unsupported,
    /// Not of the form `turn:host:port?transport=…`.
    #[error("no address of a STUN or TURN server")]
    Malformed,
}

impl Server {
    /// Reads one URL as the server gives them, which is untrusted.
    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once(':').ok_or(UrlError::Malformed)?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let transport = match query.strip_prefix("transport=") {
            Some(transport) => Some(transport),
            None if query.is_empty() => None,
            None => return Err(UrlError::Malformed),
        };
        let with_port = |default| {
            let (host, port) = split(authority)?;
            Ok((host.to_owned(), port.unwrap_or(default)))
        };
        let scheme = scheme.to_ascii_lowercase();
        let transport = match (scheme.as_str(), transport) {
            ("stun", None | Some("udp")) => {
                let (host, port) = with_port(3478)?;
                return Ok(Self::Stun { host, port });
            }
            ("turn", None | Some("udp")) => Transport::Udp,
            ("turn", Some("tcp")) => Transport::Tcp,
            ("turns", None | Some("tcp")) => Transport::Tls,
            _ => return Err(UrlError::Unsupported),
        };
        let (host, port) = with_port(if transport == Transport::Tls { 5349 } else { 3478 })?;
        Ok(Self::Turn { transport, host, port })
    }
}

/// Host, without the brackets of an IPv6 address, and port.
fn split(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(UrlError::Malformed)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Malformed)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UrlError::Malformed),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || host.len() > 255 || !host.bytes().all(known) {
        return Err(UrlError::Malformed);
    }
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(UrlError::Malformed),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(transport: Transport, host: &str, port: u16) -> Server {
        Server::Turn { transport, host: host.into(), port }
    }

    #[test]
    fn reads_what_servers_give() {
        for (url, server) in [
            ("turn:relay.example", turn(Transport::Udp, "relay.example", 3478)),
            ("turn:relay.example:80", turn(Transport::Udp, "relay.example", 80)),
            ("turn:relay.example?transport=udp", turn(Transport::Udp, "relay.example", 3478)),
            ("turn:192.0.2.1:3478?transport=tcp", turn(Transport::Tcp, "192.0.2.1", 3478)),
            ("turns:relay.example", turn(Transport::Tls, "relay.example", 5349)),
            ("turns:relay.example:443?transport=tcp", turn(Transport::Tls, "relay.example", 443)),
            ("TURNS:[2001:db8::1]:443", turn(Transport::Tls, "2001:db8::1", 443)),
            ("turn:[2001:db8::1]", turn(Transport::Udp, "2001:db8::1", 3478)),
            ("stun:relay.example", Server::Stun { host: "relay.example".into(), port: 3478 }),
            ("stun:relay.example:1?transport=udp", Server::Stun { host: "relay.example".into(), port: 1 }),
        ] {
            assert_eq!(Server::parse(url), Ok(server), "{url}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for url in
            ["", "turn", "turn:", "turn::1", "turn:host:", "turn:host:0", "turn:host:65536", "turn:ho st"]
        {
            assert_eq!(Server::parse(url), Err(UrlError::Malformed), "{url}");
        }
        for url in ["turn:[::1", "turn:[host]:1", "turn:[::1]1", "turn:2001:db8::1", "turn:h?x=y", "turn://h"]
        {
            assert_eq!(Server::parse(url), Err(UrlError::Malformed), "{url}");
        }
        for url in ["http:host", "stuns:host", "turns:host?transport=udp", "turn:host?transport=sctp"] {
            assert_eq!(Server::parse(url), Err(UrlError::Unsupported), "{url}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(url in "(turns?|stun|x)?:?[\\[\\]a-z0-9:.?=]{0,40}") {
            let _ = Server::parse(&url);
        }
    }
}
