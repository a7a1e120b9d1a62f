//! Candidate lines (RFC 8839, 5.1): what is told of ours, and what the browser's say.

use super::relay;
use std::net::IpAddr;

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

/// Our line as the browser is told. The base of a relayed or reflexive candidate serves diagnosis alone, so it is
/// left out where addresses are private (RFC 8839, 5.1: 0.0.0.0 and port 9).
pub(super) fn to_tell(line: &str, hide_base: bool) -> String {
    if !hide_base {
        return line.to_owned();
    }
    let mut words: Vec<&str> = line.split(' ').collect();
    for index in 0..words.len().saturating_sub(1) {
        match words[index] {
            "raddr" => words[index + 1] = if words[index + 1].contains(':') { "::" } else { "0.0.0.0" },
            "rport" => words[index + 1] = "9",
            _ => {}
        }
    }
    words.join(" ")
}

/// The same for the candidates in an answer.
pub(super) fn in_answer(sdp: &str, hide_base: bool) -> String {
    if !hide_base {
        return sdp.to_owned();
    }
    sdp.split_inclusive('\n')
        .map(|line| {
            let text = line.trim_end();
            if text.starts_with("a=candidate:") {
                to_tell(text, true) + &line[text.len()..]
            } else {
                line.to_owned()
            }
        })
        .collect()
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
    fn a_hidden_base_names_no_address() {
        let hidden = to_tell(RELAYED, true);
        assert_eq!(
            hidden,
            "candidate:1 1 udp 41885439 203.0.113.5 50000 typ relay raddr 0.0.0.0 rport 9 generation 0"
        );
        assert_eq!(to_tell(RELAYED, false), RELAYED);
        let answer = format!("v=0\r\na={RELAYED}\r\na=mid:0\r\n");
        assert_eq!(in_answer(&answer, true), format!("v=0\r\na={hidden}\r\na=mid:0\r\n"));
        assert_eq!(in_answer(&answer, false), answer);
        assert_eq!(to_tell("raddr", true), "raddr");
    }
}
