//! What the two ends of a session are told for their way to each other: the addresses of relays, and credentials of their
//! own.

use std::time::{Duration, SystemTime};

use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::IceServer;

use super::credentials::{Claim, Secret};
use crate::account::unix_seconds;
use crate::chair::Chair;

/// The list for everybody, but for the credentials.
pub struct IceServers {
    /// STUN needs no credentials.
    stun: Vec<String>,
    turn: Vec<String>,
    /// What the operator gave as it stands.
    fixed: Vec<IceServer>,
    secret: Secret,
    /// How long credentials are good: as long as a session may last.
    lifetime: Duration,
}

/// Where the built-in relay is found.
#[derive(Clone, Debug)]
pub struct Places {
    /// The relay's own port, by UDP and TCP: name or address as the ends reach it, and number.
    pub relay: Option<(String, u16)>,
    /// The server's port, and whether it speaks TLS.
    pub main: Option<(String, u16, bool)>,
}

impl Places {
    fn urls(&self) -> (Vec<String>, Vec<String>) {
        // An IPv6 address is written as in any other URL (RFC 7065, 3.1).
        let authority = |host: &str, port: u16| {
            let bare = host.contains(':') && !host.starts_with('[');
            if bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        let relay = self.relay.iter().map(|(host, port)| authority(host, *port));
        let stun = relay.clone().map(|at| format!("stun:{at}")).collect();
        let relay =
            relay.flat_map(|at| ["udp", "tcp"].map(|transport| format!("turn:{at}?transport={transport}")));
        let main = self.main.iter().map(|(host, port, tls)| {
            format!("{}:{}?transport=tcp", if *tls { "turns" } else { "turn" }, authority(host, *port))
        });
        (stun, relay.chain(main).collect())
    }
}

impl IceServers {
    /// The built-in relay's addresses, other servers that share the secret, and what is fixed.
    pub fn new(
        built_in: Option<&Places>,
        shared: &[String],
        fixed: Vec<IceServer>,
        secret: Secret,
        lifetime: Duration,
    ) -> Self {
        let (stun, mut turn) = built_in.map(Places::urls).unwrap_or_default();
        turn.extend_from_slice(shared);
        Self { stun, turn, fixed, secret, lifetime }
    }

    /// What this end of this session is told.
    pub fn of(&self, session: SessionId, chair: Chair, now: SystemTime) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer { urls: self.stun.clone(), username: None, credential: None });
        }
        if !self.turn.is_empty() {
            let claim = Claim { until: unix_seconds(now) + self.lifetime.as_secs(), session, chair };
            let username = claim.to_string();
            let credential = Some(self.secret.password(&username));
            servers.push(IceServer { urls: self.turn.clone(), username: Some(username), credential });
        }
        servers.extend_from_slice(&self.fixed);
        servers
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SESSION: SessionId = SessionId::new(Uuid::from_u128(7));

    fn servers(built_in: Option<&Places>, shared: &[&str]) -> Vec<IceServer> {
        let shared: Vec<_> = shared.iter().map(|url| (*url).to_owned()).collect();
        let fixed = IceServer { urls: vec!["stun:c.example".into()], username: None, credential: None };
        IceServers::new(built_in, &shared, vec![fixed], Secret::shared("north"), Duration::from_hours(24)).of(
            SESSION,
            Chair::Viewer,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000),
        )
    }

    #[test]
    fn each_end_is_told_every_way_with_its_own_credentials() {
        let places = Places {
            relay: Some(("relay.example.com".into(), 3478)),
            main: Some(("help.example.com".into(), 443, true)),
        };
        let [stun, turn, fixed] =
            servers(Some(&places), &["turns:b.example:443?transport=tcp"]).try_into().unwrap();
        assert_eq!(stun.urls, ["stun:relay.example.com:3478"]);
        assert_eq!(
            turn.urls,
            [
                "turn:relay.example.com:3478?transport=udp",
                "turn:relay.example.com:3478?transport=tcp",
                "turns:help.example.com:443?transport=tcp",
                "turns:b.example:443?transport=tcp",
            ]
        );
        let username = turn.username.unwrap();
        assert_eq!(username, "1900086400:00000000000000000000000000000007:viewer");
        assert_eq!(turn.credential.unwrap(), Secret::shared("north").password(&username));
        assert_eq!(fixed.urls, ["stun:c.example"]);
    }

    #[test]
    fn only_what_is_there_is_told() {
        assert_eq!(servers(None, &[]).len(), 1);
        let plain = Places { relay: None, main: Some(("::1".into(), 8080, false)) };
        let [turn, _] = servers(Some(&plain), &[]).try_into().unwrap();
        assert_eq!(turn.urls, ["turn:[::1]:8080?transport=tcp"]);
    }
}
