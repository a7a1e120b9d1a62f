//! SOCKS5 (RFC 1928, RFC 1929) and SOCKS4a: ask a proxy for a stream to somewhere else. Names are looked up by the proxy.

use nearhand_desktop::proxy::Credentials;
use tokio_socks::tcp::{Socks4Stream, Socks5Stream};
use tokio_socks::{Error, IntoTargetAddr as _};

use super::Stream;

/// A stream to this name or address over a connection to a SOCKS5 proxy.
pub(super) async fn connect5(
    proxy: Box<dyn Stream>,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<Box<dyn Stream>, Error> {
    let target = (host, port).into_target_addr()?;
    let stream = match credentials {
        // Offered beside "none": what the proxy takes is its choice.
        Some(Credentials { name, password }) => {
            Socks5Stream::connect_with_password_and_socket(proxy, target, name, password).await?
        }
        None => Socks5Stream::connect_with_socket(proxy, target).await?,
    };
    Ok(stream.into_inner())
}

/// A stream to this name or IPv4 address over a connection to a SOCKS4 proxy, which knows names but no passwords.
pub(super) async fn connect4(
    proxy: Box<dyn Stream>,
    host: &str,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<Box<dyn Stream>, Error> {
    let target = (host, port).into_target_addr()?;
    let stream = match credentials {
        Some(Credentials { name, .. }) => {
            Socks4Stream::connect_with_userid_and_socket(proxy, target, name).await?
        }
        None => Socks4Stream::connect_with_socket(proxy, target).await?,
    };
    Ok(stream.into_inner())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// What we say to a proxy that says this, and what came of it.
    async fn play(
        says: &[u8],
        host: &str,
        credentials: Option<&Credentials>,
    ) -> (Vec<u8>, Result<(), Error>) {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(says).await.unwrap();
        theirs.shutdown().await.unwrap();
        let result =
            tokio::time::timeout(Duration::from_secs(5), connect5(Box::new(ours), host, 443, credentials));
        let result = result.await.expect("an end").map(drop);
        let mut said = Vec::new();
        theirs.read_to_end(&mut said).await.unwrap();
        (said, result)
    }

    #[tokio::test]
    async fn names_are_left_to_the_proxy() {
        let (said, result) = play(b"\x05\0\x05\0\0\x01\0\0\0\0\0\0", "h.example", None).await;
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(said, b"\x05\x01\0\x05\x01\0\x03\x09h.example\x01\xbb");
        let me = Credentials { name: "me".into(), password: "geheim".into() };
        let (said, result) = play(b"\x05\x02\x01\0\x05\0\0\x01\0\0\0\0\0\0", "2001:db8::1", Some(&me)).await;
        assert!(result.is_ok(), "{result:?}");
        assert!(
            said.starts_with(b"\x05\x02\0\x02\x01\x02me\x06geheim\x05\x01\0\x04\x20\x01\x0d\xb8"),
            "{said:?}"
        );
    }

    #[tokio::test]
    async fn what_is_no_way_through() {
        let me = Credentials { name: "me".into(), password: "geheim".into() };
        for (says, credentials, kind) in [
            (&b"\x05\xff"[..], None, "NoAcceptableAuthMethods"),
            (b"\x05\x02", None, "AuthorizationRequired"),
            (b"\x05\x02\x01\x01", Some(&me), "PasswordAuthFailure"),
            (b"\x05\0\x05\x02\0\x01\0\0\0\0\0\0", None, "ConnectionNotAllowed"),
            (b"\x05\0\x05\x04\0\x01\0\0\0\0\0\0", None, "HostUnreachable"),
            (b"HTTP/1.1 400 Bad\r\n\r\n", None, "InvalidResponseVersion"),
            (b"", None, "Io"),
            (b"\x05\0\x05\0\0\x03\xffx", None, "Io"),
        ] {
            let (_, result) = play(says, "h", credentials).await;
            let error = format!("{:?}", result.unwrap_err());
            assert!(error.starts_with(kind), "{says:?}: {error}");
        }
        let long = Credentials { name: "x".repeat(256), password: "y".into() };
        assert!(play(b"", "h", Some(&long)).await.1.is_err());
    }

    proptest! {
        #[test]
        fn no_proxy_makes_us_panic(says in proptest::collection::vec(prop_oneof![Just(5_u8), Just(0), 0..6_u8, any::<u8>()], 0..600)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let me = Credentials { name: "me".into(), password: "geheim".into() };
            let _ = runtime.block_on(play(&says, "h.example", Some(&me)));
            let _ = runtime.block_on(play(&[&b"\x05\0\x05\0\0\x03"[..], &says].concat(), "h.example", None));
        }
    }
}
