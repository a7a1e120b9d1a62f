//! Whom a client may reach through the relay: one pure function over an address, and the reasons for a no.
//!
//! A relay that sends anywhere is a door into its operator's network. So there are two questions. Is the address one of
//! those that nobody outside may be sent to ([`forbidden`])? And is it somebody of this session at all?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why an address is never reached through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// 0.0.0.0/8, `::`.
    Unspecified,
    /// 127.0.0.0/8, `::1`.
    Loopback,
    /// RFC 1918, fc00::/7, fec0::/10.
    Private,
    /// 100.64.0.0/10: a provider's own network (RFC 6598).
    Shared,
    /// 169.254.0.0/16, fe80::/10; clouds keep their metadata there.
    LinkLocal,
    /// 224.0.0.0/4, ff00::/8.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// 240.0.0.0/4, 192.0.0.0/24.
    Reserved,
    /// Of this machine.
    Own,
    /// Not an end of this session, nor a relayed address of it.
    Stranger,
}

/// Whether nobody may be sent to this address, whoever asks. `allowed` are the ranges for which the operator lifts that.
pub fn forbidden(address: IpAddr, allowed: &[IpNet]) -> Option<Forbidden> {
    let address = address.to_canonical();
    if allowed.iter().any(|range| range.contains(&address)) {
        return None;
    }
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address, allowed),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<Forbidden> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => Forbidden::Unspecified,
        (127, ..) => Forbidden::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Forbidden::Private,
        (100, 64..=127, _) => Forbidden::Shared,
        (169, 254, _) => Forbidden::LinkLocal,
        (224..=239, ..) => Forbidden::Multicast,
        (255, 255, 255) if address.is_broadcast() => Forbidden::Broadcast,
        (240.., ..) | (192, 0, 0) => Forbidden::Reserved,
        _ => return None,
    })
}

fn forbidden_v6(address: Ipv6Addr, allowed: &[IpNet]) -> Option<Forbidden> {
    let segments = address.segments();
    let plain = match segments[0] {
        _ if address.is_unspecified() => Some(Forbidden::Unspecified),
        _ if address.is_loopback() => Some(Forbidden::Loopback),
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Some(Forbidden::Private),
        0xfe80..=0xfebf => Some(Forbidden::LinkLocal),
        0xff00.. => Some(Forbidden::Multicast),
        // Local-use NAT64 (RFC 8215): what lies behind it is known to its network only.
        0x64 if segments[1] == 0xff9b && segments[2] == 1 => Some(Forbidden::Private),
        _ => None,
    };
    plain.or_else(|| {
        let mut embedded = embedded(address).into_iter().flatten().map(IpAddr::V4);
        embedded.find_map(|address| forbidden(address, allowed))
    })
}

/// The IPv4 addresses that a gateway would read out of an IPv6 address. (A mapped one, `::ffff:0:0/96`, has become IPv4
/// before.)
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let segments = address.segments();
    let octets = address.octets();
    let at = |from: usize| Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3]);
    let by_prefix = match segments {
        // IPv4-compatible (RFC 4291, 2.5.5.1), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(at(12)), None],
        // 6to4 (RFC 3056).
        [0x2002, ..] => [Some(at(2)), None],
        // Teredo (RFC 4380): its server, and the client with every bit turned.
        [0x2001, 0, ..] => [Some(at(4)), Some(Ipv4Addr::from_bits(!at(12).to_bits()))],
        _ => [None, None],
    };
    // ISATAP (RFC 5214), behind any prefix.
    let isatap = matches!(segments[4..6], [0 | 0x0200, 0x5efe]).then(|| at(12));
    [by_prefix[0], by_prefix[1], isatap]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(address: &str, allowed: &[&str]) -> Option<Forbidden> {
        let allowed: Vec<IpNet> = allowed.iter().map(|range| range.parse().unwrap()).collect();
        forbidden(address.parse().unwrap(), &allowed)
    }

    #[test]
    fn every_class_is_forbidden_up_to_its_borders() {
        for (class, addresses) in [
            (Forbidden::Unspecified, &["0.0.0.0", "0.255.255.255", "::"][..]),
            (Forbidden::Loopback, &["127.0.0.1", "127.255.255.254", "::1"]),
            (
                Forbidden::Private,
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.0",
                    "172.31.255.255",
                    "192.168.0.1",
                    "192.168.255.255",
                    "fc00::",
                    "fd00:ec2::254",
                    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                    "fec0::1",
                    "64:ff9b:1::8.8.8.8",
                ],
            ),
            (Forbidden::Shared, &["100.64.0.0", "100.127.255.255"]),
            (Forbidden::LinkLocal, &["169.254.0.0", "169.254.169.254", "fe80::1", "febf::1"]),
            (Forbidden::Multicast, &["224.0.0.0", "239.255.255.255", "ff02::1", "ff0e::1"]),
            (Forbidden::Broadcast, &["255.255.255.255"]),
            (Forbidden::Reserved, &["240.0.0.0", "255.255.255.254", "192.0.0.170"]),
        ] {
            for address in addresses {
                assert_eq!(judge(address, &[]), Some(class), "{address}");
            }
        }
    }

    #[test]
    fn the_neighbours_of_each_class_are_not() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "203.0.113.9",
            "2001:db8::1",
            "2606:4700::1111",
            "fbff::1",
            "64:ff9b:2::1",
        ] {
            assert_eq!(judge(address, &[]), None, "{address}");
        }
    }

    /// Every way to write an IPv4 address into an IPv6 one, with every class of the former.
    #[test]
    fn what_is_wrapped_in_ipv6_is_unwrapped() {
        for (address, class) in [
            ("0.1.2.3", Forbidden::Unspecified),
            ("127.0.0.1", Forbidden::Loopback),
            ("10.1.2.3", Forbidden::Private),
            ("172.16.0.1", Forbidden::Private),
            ("192.168.1.1", Forbidden::Private),
            ("100.64.0.1", Forbidden::Shared),
            ("169.254.169.254", Forbidden::LinkLocal),
            ("224.0.0.251", Forbidden::Multicast),
            ("255.255.255.255", Forbidden::Broadcast),
            ("240.0.0.1", Forbidden::Reserved),
        ] {
            let bits = address.parse::<Ipv4Addr>().unwrap().to_bits();
            let hex = |bits: u32| format!("{:x}:{:x}", bits >> 16, bits & 0xffff);
            for wrapped in [
                format!("::ffff:{address}"),
                format!("::{address}"),
                format!("::ffff:0:{address}"),
                format!("64:ff9b::{address}"),
                format!("2002:{}::1", hex(bits)),
                // The Teredo client, and the Teredo server.
                format!("2001:0:cb00:7101:0:0:{}", hex(!bits)),
                format!("2001:0:{}::{}", hex(bits), hex(!0xcb00_7101)),
                format!("2001:db8::5efe:{address}"),
                format!("2001:db8::200:5efe:{address}"),
            ] {
                assert_eq!(judge(&wrapped, &[]), Some(class), "{wrapped}");
            }
        }
        for public in
            ["::ffff:203.0.113.9", "64:ff9b::203.0.113.9", "2002:cb00:7109::1", "2001:db8::5efe:cb00:7109"]
        {
            assert_eq!(judge(public, &[]), None, "{public}");
        }
    }

    #[test]
    fn the_operator_lifts_it_for_a_range_and_no_more() {
        assert_eq!(judge("10.1.2.3", &["10.1.0.0/16"]), None);
        assert_eq!(judge("10.2.2.3", &["10.1.0.0/16"]), Some(Forbidden::Private));
        assert_eq!(judge("::ffff:10.1.2.3", &["10.1.0.0/16"]), None);
        assert_eq!(judge("64:ff9b::10.1.2.3", &["10.1.0.0/16"]), None);
        assert_eq!(judge("64:ff9b::10.2.2.3", &["10.1.0.0/16"]), Some(Forbidden::Private));
        assert_eq!(judge("fd00::1", &["10.0.0.0/8", "fd00::/64"]), None);
        assert_eq!(judge("fd00:0:0:1::1", &["fd00::/64"]), Some(Forbidden::Private));
        assert_eq!(judge("127.0.0.1", &["0.0.0.0/0"]), None);
        assert_eq!(judge("::1", &["0.0.0.0/0"]), Some(Forbidden::Loopback));
    }
}
