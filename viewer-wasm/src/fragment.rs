//! What the page's address carries behind its `#`: browsers send none of it.
//!
//! Parts are parted by `&`, in any order: the last three digits of the code as they are, or `new` where this tab is to draw
//! them, `invitation=…` in the link of a colleague, and `relay=only` or `relay=any`. A page of another origin than the server's also needs `session=…`, `server=…` (an
//! origin) and, to come in, `ticket=…`.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use nearhand_protocol::code::Secret;
use nearhand_protocol::id::{SessionId, Ticket};
use nearhand_protocol::invitation::Invitation;

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// The part of the code that the server does not know.
    pub secret: Option<Secret>,
    /// Whether only relayed paths are to be used, so that the two ends do not learn each other's address; `None` where it
    /// is not said.
    pub relay_only: Option<bool>,
    /// There is no secret yet: this tab makes it.
    pub new_secret: bool,
    /// What another technician's tab made for this one to come in by.
    pub invitation: Option<Invitation>,
    /// The session, where the page's path does not name it.
    pub session: Option<SessionId>,
    /// The server, where the page does not come from it.
    pub server: Option<Origin>,
    /// Opens the session once.
    pub ticket: Option<Ticket>,
}

/// Where a server is: scheme, host and perhaps port (RFC 6454), by TLS or on this very machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for WebSockets.
    pub fn websocket(&self) -> String {
        self.0.replacen("http", "ws", 1)
    }
}

/// It is no origin, or one that anybody on the way could read and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoOrigin;

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let (scheme, place) = text.split_once("://").ok_or(NoOrigin)?;
        let (host, port) = match place.rsplit_once(':') {
            // The colons of an address in brackets part nothing.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (place, None),
        };
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let address = |host: &str| host.parse::<Ipv6Addr>().is_ok();
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_sound = bracketed.map_or(!host.is_empty() && host.chars().all(sound), address);
        let port_sound = port.is_none_or(|port| port.parse::<u16>().is_ok());
        let local = host == "localhost"
            || host.parse::<Ipv4Addr>().is_ok_and(|host| host.is_loopback())
            || bracketed == Some("::1");
        if host_sound && port_sound && (scheme == "https" || scheme == "http" && local) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoOrigin)
        }
    }
}

impl Fragment {
    /// Reads it, with or without its `#`. What is not known is ignored.
    pub fn parse(text: &str) -> Self {
        let mut fragment = Self::default();
        for part in text.trim_start_matches('#').split('&') {
            match part.split_once('=') {
                None if part == "new" => fragment.new_secret = true,
                None => fragment.secret = part.parse().ok().or(fragment.secret),
                Some(("invitation", text)) => fragment.invitation = text.parse().ok(),
                Some(("relay", "only")) => fragment.relay_only = Some(true),
                Some(("relay", "any")) => fragment.relay_only = Some(false),
                Some(("session", id)) => fragment.session = id.parse().ok(),
                Some(("server", origin)) => fragment.server = origin.parse().ok(),
                Some(("ticket", ticket)) if ticket.len() <= Ticket::MAX_LEN => {
                    fragment.ticket = Some(Ticket::new(ticket.to_owned()));
                }
                Some(_) => {}
            }
        }
        fragment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_any_order_and_strangers_are_ignored() {
        let secret: Option<Secret> = "705".parse().ok();
        for (text, secret, relay_only) in [
            ("", None, None),
            ("#705", secret, None),
            ("705", secret, None),
            ("#relay=only", None, Some(true)),
            ("#705&relay=only", secret, Some(true)),
            ("#relay=any&705", secret, Some(false)),
            ("#70&relay=perhaps&x=y&", None, None),
        ] {
            let expected = Fragment { secret, relay_only, ..Fragment::default() };
            assert_eq!(Fragment::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn an_invitation_stands_beside_the_rest() {
        let text = "3.BQUFBQUFBQUFBQUFBQUFBQ";
        let fragment = Fragment::parse(&format!("#relay=only&invitation={text}"));
        assert_eq!(fragment.invitation.map(|invitation| invitation.to_link()).as_deref(), Some(text));
        assert_eq!((fragment.relay_only, fragment.secret), (Some(true), None));
        assert_eq!(Fragment::parse("#invitation=3.BQUF"), Fragment::default());
    }

    #[test]
    fn a_page_of_another_origin_is_told_where_it_belongs() {
        let id = "6ba7b8109dad41d180b400c04fd430c8";
        let text = format!("#session={id}&server=https://help.example.com:8443&ticket=0a1b&new");
        let fragment = Fragment::parse(&text);
        assert_eq!(fragment.session, id.parse().ok());
        assert_eq!(fragment.ticket, Some(Ticket::new("0a1b".into())));
        assert!(fragment.new_secret && fragment.secret.is_none());
        let server = fragment.server.unwrap();
        assert_eq!(server.as_str(), "https://help.example.com:8443");
        assert_eq!(server.websocket(), "wss://help.example.com:8443");
        let long = format!("#ticket={}", "a".repeat(Ticket::MAX_LEN + 1));
        assert_eq!(Fragment::parse(&long), Fragment::default());
    }

    #[test]
    fn a_server_is_reached_by_tls_or_on_this_machine() {
        for good in [
            "https://help.example.com",
            "https://[2001:db8::1]:8443",
            "https://[2001:db8::1]",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:8080",
        ] {
            assert_eq!(good.parse::<Origin>().map(|origin| origin.as_str() == good), Ok(true), "{good}");
        }
        for bad in [
            "",
            "help.example.com",
            "http://help.example.com",
            "http://127.0.0.1.evil.example",
            "https://",
            "https://help.example.com/",
            "https://help.example.com/x",
            "https://me@help.example.com",
            "https://help.example.com:x",
            "https://help.example.com:99999",
            "https://[::1",
            "https://a?b",
            "https://Help.example.com",
            "javascript://x",
            "wss://help.example.com",
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(NoOrigin), "{bad}");
        }
    }
}
