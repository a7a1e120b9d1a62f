//! Two ends in all kinds of networks meet: whether, how, and how soon.

use anyhow::{Context as _, Result, ensure};

use super::super::story;
use super::table::{self, Network, OTHERS};
use crate::ends::{Ends, Path};
use crate::lab::{Firewall, Nat, Plan, Side, proxy};
use crate::runner::{Skipped, Story};
use crate::stage::Stage;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("they_meet_through_any_two_nats", 240, nats),
        story!("they_meet_where_udp_is_blocked_or_only_443_is_open", 120, firewalls),
        story!("they_meet_through_an_http_proxy", 120, http_proxy),
        story!("they_meet_through_a_socks_proxy", 120, socks_proxy),
        story!("they_meet_over_ipv6_and_across_versions", 180, version_6),
    ]
}

/// A machine that plays stories in parallel to building is slow; the figure that counts is printed.
const LIMIT: f64 = 10.0;

/// Meetings until the best path must have been found: the host keeps to the first pair that the browser nominates, and on
/// a busy machine that is a relay now and then.
const MEETINGS: usize = 6;

/// How packets can travel at best: a hole is made where at least one router lets in whom the other's packets really come
/// from.
fn expected(customer: Nat, technician: Nat) -> Path {
    match (customer, technician) {
        (Nat::Symmetric, Nat::Symmetric | Nat::PortRestricted) | (Nat::PortRestricted, Nat::Symmetric) => {
            Path::Relayed
        }
        _ => Path::Direct,
    }
}

async fn nats(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    let mut cases = Vec::new();
    for customer in Nat::ALL {
        for technician in Nat::ALL {
            cases.push((Network::Nat(customer), Network::Nat(technician), expected(customer, technician)));
        }
    }
    play(stage, &mut ends, cases).await
}

async fn firewalls(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    play(stage, &mut ends, others(&[Network::NoUdp, Network::Only443])).await
}

async fn http_proxy(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    play(stage, &mut ends, others(&[Network::HttpProxy])).await
}

async fn socks_proxy(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    play(stage, &mut ends, others(&[Network::Socks])).await
}

async fn version_6(stage: &Stage) -> Result<()> {
    for case in others(&[Network::OnlyV6]) {
        let plan = |network| if network == Network::OnlyV6 { Plan::V6 } else { Plan::V4 };
        let mut ends = Ends::new(stage, plan(case.0), plan(case.1)).await?;
        play(stage, &mut ends, vec![case]).await?;
        // The next lab has the same names.
        drop(ends);
        stage.clear();
    }
    Ok(())
}

type Case = (Network, Network, Path);

/// The cases of the table in which one of these plays a part.
fn others(networks: &[Network]) -> Vec<Case> {
    let plays = |network| networks.contains(&network);
    OTHERS.into_iter().filter(|(customer, technician, _)| plays(*customer) || plays(*technician)).collect()
}

/// Plays each case, also after one that failed.
async fn play(stage: &Stage, ends: &mut Ends, cases: Vec<Case>) -> Result<()> {
    let mut failed = Vec::new();
    for case in cases {
        let (customer, technician, _) = case;
        let name = format!("{} × {}", customer.name(), technician.name());
        match one(stage, ends, case).await {
            Ok((path, seconds)) => {
                println!("        {name}: {}, {seconds:.2} s", path.name());
                table::note(customer, technician, Some((path, seconds)));
            }
            Err(error) if error.is::<Skipped>() => return Err(error),
            Err(error) => {
                println!("        {name}: {error:#}");
                table::note(customer, technician, None);
                failed.push(name);
            }
        }
    }
    ensure!(failed.is_empty(), "not as expected: {}", failed.join(", "));
    Ok(())
}

async fn one(stage: &Stage, ends: &mut Ends, case: Case) -> Result<(Path, f64)> {
    let (customer, technician, path) = case;
    let lab = ends.lab.clone();
    let of_customer = arrange(stage, &lab.customer, customer).await.context("the customer's network")?;
    let of_technician =
        arrange(stage, &lab.technician, technician).await.context("the technician's network")?;
    ends.set_hosts_proxy(of_customer);
    ends.set_browsers_proxy(stage, of_technician);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let met = ends.meet(stage).await?;
        ensure!(met.seconds < LIMIT, "the first frame came after {:.1} s", met.seconds);
        let travels = met.travels(path).await;
        met.host.kill();
        match travels {
            Ok(()) => return Ok((path, met.seconds)),
            Err(error) if attempts == MEETINGS => return Err(error),
            Err(_) => println!("        (a relay was quicker)"),
        }
    }
}

type Way = Option<(&'static str, std::net::SocketAddr)>;

/// Makes an end's network as the case wants it; returns the proxy that the end is told of.
async fn arrange(stage: &Stage, side: &Side, network: Network) -> Result<Way> {
    let nat = if let Network::Nat(nat) = network { nat } else { Nat::PortRestricted };
    let firewall = match network {
        Network::Nat(_) | Network::OnlyV6 => Firewall::Open,
        Network::NoUdp => Firewall::NoUdp,
        Network::Only443 => Firewall::Only443,
        Network::HttpProxy | Network::Socks => Firewall::Closed,
    };
    side.router.set_nat(nat)?;
    side.router.set_firewall(firewall)?;
    let way = match network {
        Network::HttpProxy => Some(("http", proxy::squid(stage, side).await?)),
        Network::Socks => Some(("socks5", proxy::microsocks(stage, side).await?)),
        _ => None,
    };
    // Where there is a proxy, only the proxy knows names.
    side.know_the_server(way.is_none())?;
    Ok(way)
}
