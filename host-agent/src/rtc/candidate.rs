//! Candidate lines (RFC 8839, 5.1): what is told of ours, and what the browser's say.

use super::anchor::Anchors;
use super::config::Bind;
use super::relay;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What a line of the browser names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remote {
    /// The end of candidates.
    End,
    /// An address, or something that the stack will refuse.
    Address,
    /// A multicast DNS name, which hides the browser's address (RFC 8839 bis, mDNS ICE candidates).
    Name(String),
    /// An address that means something else here.
    Impossible,
}

/// Looks at a line of the browser.
pub(super) fn remote(line: &str) -> Remote {
    if line.is_empty() {
        return Remote::End;
    }
    let address = line.split(' ').nth(4).unwrap_or_default();
    if address.rsplit_once('.').is_some_and(|(_, top)| top.eq_ignore_ascii_case("local")) {
        return Remote::Name(address.to_owned());
    }
    match address.parse::<IpAddr>() {
        Ok(ip) if relay::is_virtual(ip) => Remote::Impossible,
        _ => Remote::Address,
    }
}

/// The address of a relayed candidate of the browser.
pub(super) fn relayed(line: &str) -> Option<SocketAddr> {
    let words = Words::split(line)?;
    let address = SocketAddr::new(words.0[4].parse().ok()?, words.0[5].parse().ok()?);
    (words.0[7] == "relay").then_some(address)
}

/// Puts our lines the way the browser is told.
pub(super) struct Teller {
    pub(super) anchors: Arc<Anchors>,
    pub(super) bind: Bind,
}

impl Teller {
    /// The lines to tell instead of this one of the stack. A host candidate of an anchor stands for one of each
    /// address of this moment. The base of a relayed or reflexive candidate serves diagnosis alone and may be private,
    /// so it is left out (RFC 8839, 5.1: 0.0.0.0 and port 9).
    pub(super) fn lines(&self, line: &str) -> Vec<String> {
        let Some(mut words) = Words::split(line) else { return vec![line.to_owned()] };
        if let Some(port) = words.address().and_then(|anchor| self.anchors.port(anchor)) {
            return self.spread(&words, port);
        }
        words.hide_base();
        vec![words.join()]
    }

    fn spread(&self, words: &Words<'_>, port: u16) -> Vec<String> {
        let v4 = words.address().is_some_and(|anchor| anchor.is_ipv4());
        let offered = self.bind.offered().into_iter().filter(|ip| ip.is_ipv4() == v4);
        let line = |(rank, ip): (usize, IpAddr)| {
            // The local preference tells them apart (RFC 8445, 5.1.2.1), and so must the foundation (5.1.1.3).
            let priority = words.priority().saturating_sub(u32::try_from(rank).unwrap_or(0) << 8);
            let foundation = if v4 { 1000 + rank } else { 2000 + rank };
            let (component, transport) = (words.0[1], words.0[2]);
            let rest = words.0[6..].join(" ");
            format!("candidate:{foundation} {component} {transport} {priority} {ip} {port} {rest}")
        };
        offered.enumerate().map(line).collect()
    }

    /// The same for the candidates in an answer.
    pub(super) fn answer(&self, sdp: &str) -> String {
        let mut told = String::with_capacity(sdp.len());
        for line in sdp.split_inclusive('\n') {
            let text = line.trim_end();
            match text.strip_prefix("a=").filter(|text| text.starts_with("candidate:")) {
                Some(candidate) => {
                    for candidate in self.lines(candidate) {
                        told.push_str("a=");
                        told.push_str(&candidate);
                        told.push_str(&line[text.len()..]);
                    }
                }
                None => told.push_str(line),
            }
        }
        told
    }
}

/// The words of a candidate line, at least as far as its type.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn split(line: &'a str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        (words.len() >= 8).then_some(Self(words))
    }

    /// Of a host candidate.
    fn address(&self) -> Option<SocketAddr> {
        let ip = self.0[4].parse().ok()?;
        (self.0[7] == "host").then_some(SocketAddr::new(ip, self.0[5].parse().ok()?))
    }

    fn priority(&self) -> u32 {
        self.0[3].parse().unwrap_or(0)
    }

    fn hide_base(&mut self) {
        for index in 8..self.0.len().saturating_sub(1) {
            match self.0[index] {
                "raddr" => self.0[index + 1] = if self.0[index + 1].contains(':') { "::" } else { "0.0.0.0" },
                "rport" => self.0[index + 1] = "9",
                _ => {}
            }
        }
    }

    fn join(&self) -> String {
        self.0.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAYED: &str =
        "candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 192.168.1.5 rport 40000 generation 0";

    #[test]
    fn tells_names_from_addresses() {
        let line = |address: &str| format!("candidate:1 1 udp 2113937151 {address} 50000 typ host");
        assert_eq!(remote(""), Remote::End);
        assert_eq!(remote("nonsense"), Remote::Address);
        for address in ["192.0.2.1", "2001:db8::1", "host.example", "local"] {
            assert_eq!(remote(&line(address)), Remote::Address, "{address}");
        }
        for name in ["0a1b2c3d-0000-4000-8000-000000000000.local", "a.LOCAL"] {
            assert_eq!(remote(&line(name)), Remote::Name(name.into()));
        }
        for address in ["240.0.0.1", "100::1", "255.255.255.255"] {
            assert_eq!(remote(&line(address)), Remote::Impossible, "{address}");
        }
    }

    #[test]
    fn relayed_addresses_are_known() {
        assert_eq!(relayed(RELAYED), Some("203.0.113.5:50000".parse().unwrap()));
        assert_eq!(relayed(&RELAYED.replace("relay", "srflx")), None);
        assert_eq!(relayed("candidate:1 1 udp 1 name.local 1 typ relay"), None);
    }

    fn teller() -> Teller {
        Teller { anchors: Arc::default(), bind: Bind::Interfaces { loopback: true } }
    }

    #[test]
    fn no_base_is_told() {
        let hidden =
            "candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 0.0.0.0 rport 9 generation 0";
        assert_eq!(teller().lines(RELAYED), [hidden]);
        let answer = format!("v=0\r\na={RELAYED}\r\na=mid:0\r\n");
        assert_eq!(teller().answer(&answer), format!("v=0\r\na={hidden}\r\na=mid:0\r\n"));
        for odd in
            ["", "raddr", "candidate:1 1 udp 1 h 1 typ host", "candidate:1 1 udp 1 h 1 typ relay raddr"]
        {
            assert_eq!(teller().lines(odd), [odd]);
        }
    }

    #[test]
    fn an_anchor_stands_for_every_address_of_its_family() {
        let teller = teller();
        let _socket = teller.anchors.spread("127.0.0.1:40000".parse().unwrap()).unwrap();
        let port = teller.anchors.port("127.0.0.1:40000".parse().unwrap()).unwrap();
        let lines = teller.lines("candidate:7 1 udp 2130706431 127.0.0.1 40000 typ host ufrag abc");
        let offered: Vec<_> = teller.bind.offered().into_iter().filter(IpAddr::is_ipv4).collect();
        assert_eq!(lines.len(), offered.len());
        for (rank, (line, ip)) in lines.iter().zip(offered).enumerate() {
            let (foundation, priority) = (1000 + rank, 2_130_706_431 - rank * 256);
            assert_eq!(
                *line,
                format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ host ufrag abc")
            );
        }
        let other = "candidate:7 1 udp 2130706431 127.0.0.1 40001 typ host";
        assert_eq!(teller.lines(other), [other], "no anchor");
    }
}
