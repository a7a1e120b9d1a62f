//! Who has which address in the lab.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What everybody calls the server.
pub(crate) const NAME: &str = "help.example";
pub(crate) const SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// Nobody's but the probes'.
pub(crate) const SECOND_SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
pub(crate) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10);

/// One side's.
///
/// Fixed: all of them are for documentation (RFC 5737, RFC 3849) or private, and they exist in our namespaces alone.
pub(super) struct Addresses {
    /// For the namespaces' names.
    pub(super) role: &'static str,
    /// The router's own, and the second one, behind which its second LAN is.
    pub(super) wan_v4: Ipv4Addr,
    pub(super) second_wan_v4: Ipv4Addr,
    /// The internet's end of the line.
    pub(super) provider_v4: Ipv4Addr,
    /// The computer in the first LAN and in the second, each in a /24 whose router is `.1`.
    pub(super) end_v4: Ipv4Addr,
    pub(super) second_end_v4: Ipv4Addr,
    /// `::1` of the /64 is the provider, `::2` the router.
    pub(super) transit_v6: Ipv6Addr,
    /// The /64 of each LAN; `::1` is the router, `::2` the computer.
    pub(super) lan_v6: Ipv6Addr,
    pub(super) second_lan_v6: Ipv6Addr,
}

pub(super) const CUSTOMER: Addresses = Addresses {
    role: "customer",
    wan_v4: Ipv4Addr::new(203, 0, 113, 2),
    second_wan_v4: Ipv4Addr::new(203, 0, 113, 3),
    provider_v4: Ipv4Addr::new(203, 0, 113, 1),
    end_v4: Ipv4Addr::new(10, 1, 0, 2),
    second_end_v4: Ipv4Addr::new(10, 2, 0, 2),
    transit_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0),
    lan_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xc1, 0, 0, 0, 0, 0),
    second_lan_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xc2, 0, 0, 0, 0, 0),
};

pub(super) const TECHNICIAN: Addresses = Addresses {
    role: "technician",
    wan_v4: Ipv4Addr::new(203, 0, 113, 130),
    second_wan_v4: Ipv4Addr::new(203, 0, 113, 131),
    provider_v4: Ipv4Addr::new(203, 0, 113, 129),
    end_v4: Ipv4Addr::new(10, 3, 0, 2),
    second_end_v4: Ipv4Addr::new(10, 4, 0, 2),
    transit_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 0),
    lan_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xd1, 0, 0, 0, 0, 0),
    second_lan_v6: Ipv6Addr::new(0x2001, 0xdb8, 0xd2, 0, 0, 0, 0, 0),
};

impl Addresses {
    /// The second LAN in nftables' words.
    pub(super) fn second_lan_v4(&self) -> String {
        format!("{}/24", self.second_end_v4)
    }
}

/// The address with another last part.
pub(super) fn v4(address: Ipv4Addr, last: u8) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, last)
}

pub(super) fn v6(prefix: Ipv6Addr, last: u16) -> Ipv6Addr {
    let mut segments = prefix.segments();
    segments[7] = last;
    segments.into()
}
