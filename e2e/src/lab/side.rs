//! One end's network: a computer in a LAN behind a router.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::addresses::{Addresses, NAME, SERVER_V4, SERVER_V6, v4, v6};
use super::line::{Conditions, Line};
use super::router::Router;
use crate::namespace::Namespace;
use crate::wait;

/// Which version of the internet protocol the computer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
    Both,
}

impl Family {
    pub(crate) fn v4(self) -> bool {
        self != Self::V6
    }

    pub(crate) fn v6(self) -> bool {
        self != Self::V4
    }
}

/// What one end's network is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) family: Family,
    /// What its line to the internet does to packets; `None`: the line is perfect.
    pub(crate) line: Option<Conditions>,
}

impl Plan {
    pub(crate) const V4: Self = Self { family: Family::V4, line: None };
    pub(crate) const V6: Self = Self { family: Family::V6, line: None };
}

/// One end's network.
pub(crate) struct Side {
    pub(crate) router: Router,
    /// The computer.
    pub(crate) end: Namespace,
    /// Its line, where it is not a perfect one.
    pub(crate) line: Option<Line>,
    family: Family,
    addresses: &'static Addresses,
    /// The name of the computer's interface.
    interface: Mutex<&'static str>,
}

impl Side {
    pub(super) fn build(
        number: u32,
        internet: &Namespace,
        plan: Plan,
        addresses: &'static Addresses,
    ) -> Result<Self> {
        let router = Namespace::new(number, &format!("{}-router", addresses.role))?;
        let end = Namespace::new(number, addresses.role)?;
        let Addresses { role, .. } = addresses;
        let (wan, provider) = (addresses.wan_v4, addresses.provider_v4);
        let (wan_v6, provider_v6) = (v6(addresses.transit_v6, 2), v6(addresses.transit_v6, 1));
        quick_v6(&router, true)?;
        quick_v6(&end, plan.family.v6())?;
        router.sysctl("net/ipv4/ip_forward", "1")?;
        router.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let line = match plan.line {
            None => {
                internet.ip(&format!("link add {role} type veth peer name wan netns {}", router.name()))?;
                None
            }
            Some(conditions) => Some(Line::lay((internet, role), (&router, "wan"), conditions)?),
        };
        internet.ip(&format!(
            "address add {provider}/25 dev {role}\n\
             address add {provider_v6}/64 dev {role}\n\
             link set {role} up\n\
             route add {}/64 via {wan_v6} dev {role}\n\
             route add {}/64 via {wan_v6} dev {role}\n",
            addresses.lan_v6, addresses.second_lan_v6,
        ))?;
        router.ip(&format!(
            "address add {wan}/25 dev wan\n\
             address add {}/25 dev wan\n\
             address add {wan_v6}/64 dev wan\n\
             link set wan up\n\
             route add default via {provider}\n\
             route add default via {provider_v6}\n",
            addresses.second_wan_v4,
        ))?;
        let side = Self {
            router: Router::new(router, addresses)?,
            end,
            line,
            family: plan.family,
            addresses,
            interface: Mutex::new("eth0"),
        };
        side.plug_in("eth0", "lan", addresses.end_v4, addresses.lan_v6)?;
        // Whatever runs on the router reaches the server both ways.
        side.router.namespace.set_names(&[(SERVER_V4.into(), NAME), (SERVER_V6.into(), NAME)])?;
        side.know_the_server(true)?;
        Ok(side)
    }

    /// Waits until packets of each version come through: with version 6 the first question for a neighbour may get lost
    /// while an interface wakes up.
    pub(super) async fn reach_the_server(&self) -> Result<()> {
        let both: [(bool, IpAddr); 2] =
            [(self.family.v4(), SERVER_V4.into()), (self.family.v6(), SERVER_V6.into())];
        for (_, address) in both.into_iter().filter(|(has, _)| *has) {
            // Nobody listens there: the refusal is the answer.
            let to = SocketAddr::new(address, 9);
            let try_once = move || TcpStream::connect_timeout(&to, Duration::from_millis(200));
            wait::until(Duration::from_secs(5), "the lab's network to come up", || {
                let tried = self.end.enter(try_once)?;
                Ok(tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
            })
            .await?;
        }
        Ok(())
    }

    /// Whether the computer has an address for the server's name; where there is only a proxy it has none.
    pub(crate) fn know_the_server(&self, known: bool) -> Result<()> {
        let both: [(IpAddr, &str); 2] = [(SERVER_V4.into(), NAME), (SERVER_V6.into(), NAME)];
        let has = |address: &IpAddr| if address.is_ipv4() { self.family.v4() } else { self.family.v6() };
        let names: Vec<_> = both.into_iter().filter(|(address, _)| known && has(address)).collect();
        self.end.set_names(&names)
    }

    /// The router's address in the LAN.
    pub(crate) fn gateway(&self) -> IpAddr {
        if self.family.v4() {
            v4(self.addresses.end_v4, 1).into()
        } else {
            v6(self.addresses.lan_v6, 1).into()
        }
    }

    /// The address that others see of it: the router's, or the computer's own.
    pub(crate) fn public(&self) -> IpAddr {
        if self.family.v4() { self.addresses.wan_v4.into() } else { v6(self.addresses.lan_v6, 2).into() }
    }

    /// Takes the computer's interface away and gives it another one, with another address in another LAN, as somebody
    /// does who pulls the cable and goes on over Wi-Fi.
    pub(crate) fn replace_interface(&self) -> Result<()> {
        let mut interface = self.interface.lock().unwrap_or_else(PoisonError::into_inner);
        self.end.ip(&format!("link delete {}", *interface))?;
        *interface = "wlan0";
        self.plug_in("wlan0", "lan2", self.addresses.second_end_v4, self.addresses.second_lan_v6)
    }

    /// Pulls the cable between the computer and its router, or puts it in again: the interface stays, without carrier.
    pub(crate) fn set_cable(&self, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        self.router.namespace.ip(&format!("link set lan {state}"))
    }

    fn plug_in(&self, interface: &str, port: &str, end_v4: Ipv4Addr, lan_v6: Ipv6Addr) -> Result<()> {
        let router = &self.router.namespace;
        router.ip(&format!(
            "link add {port} type veth peer name {interface} netns {}\n\
             address add {}/24 dev {port}\n\
             address add {}/64 dev {port}\n\
             link set {port} up\n",
            self.end.name(),
            v4(end_v4, 1),
            v6(lan_v6, 1),
        ))?;
        // Writing into a text never fails.
        let mut batch = format!("link set {interface} up\n");
        if self.family.v4() {
            let gateway = v4(end_v4, 1);
            let _ = writeln!(batch, "address add {end_v4}/24 dev {interface}");
            let _ = writeln!(batch, "route add default via {gateway}");
        }
        if self.family.v6() {
            let (own, gateway) = (v6(lan_v6, 2), v6(lan_v6, 1));
            let _ = writeln!(batch, "address add {own}/64 dev {interface}");
            let _ = writeln!(batch, "route add default via {gateway}");
        }
        self.end.ip(&batch).with_context(|| format!("plugging {interface} in"))
    }
}

/// Version 6 without the second that an address is tried out, or not at all but on the loopback interface, which local
/// programs such as chromedriver need. For interfaces to come.
pub(super) fn quick_v6(namespace: &Namespace, on: bool) -> Result<()> {
    namespace.sysctl("net/ipv6/conf/default/disable_ipv6", if on { "0" } else { "1" })?;
    for scope in ["all", "default"] {
        namespace.sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0")?;
        // They outlive a pulled cable, as those of version 4 do.
        namespace.sysctl(&format!("net/ipv6/conf/{scope}/keep_addr_on_down"), "1")?;
    }
    Ok(())
}
