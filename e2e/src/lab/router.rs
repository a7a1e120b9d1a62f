//! A customer's or technician's router: which kind of NAT it is, and what it lets out.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::addresses::Addresses;
use crate::namespace::Namespace;

/// How a router maps a UDP socket of its LAN to a port of its own, and whom it lets send to that port; named as people
/// do, described by RFC 4787.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Mapping and filtering are endpoint-independent: once the socket has sent, anybody reaches it.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    AddressRestricted,
    /// Endpoint-independent mapping, address- and port-dependent filtering.
    PortRestricted,
    /// Mapping and filtering are address- and port-dependent: another port for each destination.
    Symmetric,
}

impl Nat {
    pub(crate) const ALL: [Self; 4] =
        [Self::FullCone, Self::AddressRestricted, Self::PortRestricted, Self::Symmetric];
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FullCone => "full cone",
            Self::AddressRestricted => "address-restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
        })
    }
}

/// What a router lets out of its LAN. Nothing that was not asked for comes in, except as the NAT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firewall {
    /// Everything.
    Open,
    /// Everything but UDP, which is dropped without a word.
    NoUdp,
    /// TCP to port 443 and nothing else.
    Only443,
    /// Nothing: only what runs on the router itself gets out.
    Closed,
}

/// A router's namespace, and what it does just now.
pub(crate) struct Router {
    pub(crate) namespace: Namespace,
    addresses: &'static Addresses,
    now: Mutex<(Nat, Firewall)>,
}

impl Router {
    /// Makes an open router with a port-restricted NAT out of a namespace, which is the commonest one.
    pub(super) fn new(namespace: Namespace, addresses: &'static Addresses) -> Result<Self> {
        let now = (Nat::PortRestricted, Firewall::Open);
        let router = Self { namespace, addresses, now: Mutex::new(now) };
        router.set(now.0, now.1)?;
        Ok(router)
    }

    /// Makes it another kind of NAT, at once and for new flows.
    pub(crate) fn set_nat(&self, nat: Nat) -> Result<()> {
        let firewall = self.now.lock().unwrap_or_else(PoisonError::into_inner).1;
        self.set(nat, firewall)
    }

    /// Changes what it lets out, at once and also for what flows already.
    pub(crate) fn set_firewall(&self, firewall: Firewall) -> Result<()> {
        let nat = self.now.lock().unwrap_or_else(PoisonError::into_inner).0;
        self.set(nat, firewall)
    }

    fn set(&self, nat: Nat, firewall: Firewall) -> Result<()> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.namespace.nft(&rules(self.addresses, nat, firewall))?;
        *now = (nat, firewall);
        Ok(())
    }
}

/// The kernel keeps the port of a source where it can, and lets in only what answers: port-restricted. The kinder NATs
/// remember who has sent to whom and hand the matching packets to the one computer of the LAN; the unkind one takes a
/// random port for each flow.
fn rules(addresses: &Addresses, nat: Nat, firewall: Firewall) -> String {
    let client: Ipv4Addr = addresses.end_v4;
    let out = r#"iifname "lan*" oifname "wan" meta nfproto ipv4 meta l4proto udp"#;
    let (kind, remember, hand_in) = match nat {
        Nat::FullCone => (
            "inet_service",
            format!("{out} update @seen {{ udp sport }}"),
            format!(r#"iifname "wan" meta nfproto ipv4 udp dport @seen dnat ip to {client}"#),
        ),
        Nat::AddressRestricted => (
            "inet_service . ipv4_addr",
            format!("{out} update @seen {{ udp sport . ip daddr }}"),
            format!(r#"iifname "wan" meta nfproto ipv4 udp dport . ip saddr @seen dnat ip to {client}"#),
        ),
        Nat::PortRestricted | Nat::Symmetric => ("inet_service", String::new(), String::new()),
    };
    let ports = if nat == Nat::Symmetric { "random,fully-random" } else { "" };
    let block = match firewall {
        Firewall::Open => "",
        Firewall::NoUdp => "meta l4proto udp drop",
        Firewall::Only443 => r#"meta l4proto != tcp drop; iifname "lan*" tcp dport != 443 drop"#,
        Firewall::Closed => "drop",
    };
    let (second_lan, second_wan) = (addresses.second_lan_v4(), addresses.second_wan_v4);
    format!(
        r#"
table inet lab {{}}
delete table inet lab
table inet lab {{
    set seen {{ type {kind}; flags dynamic,timeout; timeout 2m; size 65535; }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        {hand_in}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan" ip saddr {second_lan} snat ip to {second_wan} {ports}
        oifname "wan" meta nfproto ipv4 masquerade {ports}
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        {block}
        {remember}
        iifname "lan*" oifname "wan" accept
        ct state established,related accept
        ct status dnat accept
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        meta l4proto {{ icmp, ipv6-icmp }} accept
        iifname "wan" ct state new drop
    }}
}}
"#
    )
}
