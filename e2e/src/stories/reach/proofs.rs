//! That the lab does to packets what it says, before anything is believed that was seen in it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::super::story;
use crate::lab::probe::{Behaviour, Dependence, behaviour, tcp_passes, udp_passes};
use crate::lab::{Conditions, Family, Firewall, Lab, Nat, Plan, SERVER_V4, SERVER_V6};
use crate::runner::Story;
use crate::stage::Stage;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_labs_routers_are_the_nats_they_are_called", 30, nats),
        story!("the_labs_firewalls_let_out_what_they_say", 30, firewalls),
        story!("the_labs_lines_delay_lose_and_slow_down_as_told", 30, lines),
    ]
}

async fn nats(stage: &Stage) -> Result<()> {
    let lab = Lab::build(stage, Plan::V4, Plan::V4).await?;
    for side in [&lab.customer, &lab.technician] {
        for nat in Nat::ALL.into_iter().chain(Nat::ALL) {
            side.router.set_nat(nat)?;
            let expected = match nat {
                Nat::FullCone => (Dependence::Endpoint, Dependence::Endpoint),
                Nat::AddressRestricted => (Dependence::Endpoint, Dependence::Address),
                Nat::PortRestricted => (Dependence::Endpoint, Dependence::AddressAndPort),
                Nat::Symmetric => (Dependence::AddressAndPort, Dependence::AddressAndPort),
            };
            let expected = Behaviour { mapping: expected.0, filtering: expected.1 };
            let found = behaviour(&lab, side).await.with_context(|| format!("probing a {nat} NAT"))?;
            ensure!(found == expected, "a {nat} NAT does {found:?}");
        }
    }
    Ok(())
}

async fn firewalls(stage: &Stage) -> Result<()> {
    let both = Plan { family: Family::Both, ..Plan::V4 };
    let lab = Lab::build(stage, Plan { family: Family::V6, ..both }, both).await?;
    let (v4, v6) = (SERVER_V4.into(), SERVER_V6.into());
    let side = &lab.technician;
    for firewall in [Firewall::Open, Firewall::NoUdp, Firewall::Only443, Firewall::Closed, Firewall::Open] {
        side.router.set_firewall(firewall)?;
        for address in [v4, v6] {
            let at = |port| SocketAddr::new(address, port);
            let found = (
                udp_passes(&lab, side, at(3478)).await?,
                udp_passes(&lab, side, at(443)).await?,
                tcp_passes(&lab, side, at(3478)).await?,
                tcp_passes(&lab, side, at(443)).await?,
            );
            let expected = match firewall {
                Firewall::Open => (true, true, true, true),
                Firewall::NoUdp => (false, false, true, true),
                Firewall::Only443 => (false, false, false, true),
                Firewall::Closed => (false, false, false, false),
            };
            ensure!(found == expected, "{firewall:?} lets pass {found:?} to {address}");
        }
    }
    let side = &lab.customer;
    ensure!(udp_passes(&lab, side, SocketAddr::new(v6, 3478)).await?, "version 6 does not pass");
    ensure!(!udp_passes(&lab, side, SocketAddr::new(v4, 3478)).await?, "version 4 passes a side without it");
    Ok(())
}

/// What a run of packets met on its way to the server and back.
struct Met {
    round_trips: Vec<Duration>,
    lost: f64,
}

impl Met {
    fn share(&self, share: f64) -> Duration {
        self.round_trips[((self.round_trips.len() - 1) as f64 * share) as usize]
    }
}

/// Sends numbered packets to an echo and back, some a millisecond.
async fn run_of_packets(
    end: &UdpSocket,
    echo: &UdpSocket,
    packets: usize,
    size: usize,
    at_once: usize,
) -> Result<Met> {
    let to = echo.local_addr()?;
    let (mut sent, mut round_trips) = (Vec::new(), Vec::new());
    let echoing = async {
        let mut buffer = [0; 2048];
        while let Ok((size, from)) = echo.recv_from(&mut buffer).await {
            echo.send_to(&buffer[..size], from).await?;
        }
        anyhow::Ok(())
    };
    let running = async {
        let mut buffer = [0; 2048];
        let mut receive = async |sent: &[Instant], limit: Duration| {
            while let Ok(received) = timeout(limit, end.recv_from(&mut buffer)).await {
                received?;
                let number = usize::from(buffer[0]) << 8 | usize::from(buffer[1]);
                round_trips.push(sent[number].elapsed());
            }
            anyhow::Ok(())
        };
        for number in 0..packets {
            let mut packet = vec![0; size];
            packet[..2].copy_from_slice(&(number as u16).to_be_bytes());
            sent.push(Instant::now());
            end.send_to(&packet, to).await?;
            if number % at_once == at_once - 1 {
                receive(&sent, Duration::from_millis(1)).await?;
            }
        }
        // The last ones are on their way: a pause longer than any round trip here.
        receive(&sent, Duration::from_millis(300)).await
    };
    tokio::select! {
        done = running => done?,
        done = echoing => done?,
    }
    round_trips.sort();
    let lost = 1.0 - round_trips.len() as f64 / packets as f64;
    ensure!(!round_trips.is_empty(), "nothing came back");
    Ok(Met { round_trips, lost })
}

async fn lines(stage: &Stage) -> Result<()> {
    let plan = Plan { line: Some(Conditions::PERFECT), ..Plan::V4 };
    let lab = Lab::build(stage, plan, Plan::V4).await?;
    let line = lab.customer.line.as_ref().context("there is no line")?;
    let echo = lab.server.udp(SocketAddr::from((SERVER_V4, 4000)))?;
    let end = lab.customer.end.udp(SocketAddr::from(([0, 0, 0, 0], 0)))?;
    let ms = Duration::from_millis;

    let met = run_of_packets(&end, &echo, 300, 100, 4).await?;
    ensure!(met.lost == 0.0, "a perfect line loses {}", met.lost);
    let own = met.share(0.5);
    ensure!(own < ms(10), "a perfect line takes {own:?}");

    line.set(Conditions { delay: ms(25), jitter: ms(20), ..Conditions::PERFECT });
    let met = run_of_packets(&end, &echo, 300, 100, 1).await?;
    let (least, middle, most) = (met.share(0.0), met.share(0.5), met.share(0.98));
    ensure!(met.lost == 0.0, "delay loses {}", met.lost);
    ensure!(least >= ms(50) && least < ms(75), "twice 25 to 45 ms are at least {least:?}");
    ensure!(middle >= ms(60) && most <= ms(90) + own + ms(30), "they are {middle:?}, at most {most:?}");

    line.set(Conditions { loss: 0.1, ..Conditions::PERFECT });
    let met = run_of_packets(&end, &echo, 3000, 100, 20).await?;
    // Twice 10 %, four standard deviations around it.
    ensure!((0.16..0.22).contains(&met.lost), "twice 10 % are {}", met.lost);
    line.set(Conditions { loss: 0.1, burst: 5.0, ..Conditions::PERFECT });
    let met = run_of_packets(&end, &echo, 3000, 100, 20).await?;
    ensure!((0.12..0.26).contains(&met.lost), "twice 10 % in bursts are {}", met.lost);

    // 100 packets of 1028 bytes with their headers take 0.41 s at 2 Mbit/s.
    line.set(Conditions { rate: Some(2_000_000), queue: 200_000, ..Conditions::PERFECT });
    let met = run_of_packets(&end, &echo, 100, 1000, 100).await?;
    ensure!(met.lost == 0.0, "a queue that is not full loses {}", met.lost);
    let last = met.share(1.0);
    ensure!(last > ms(405) && last < ms(480), "0.41 s are {last:?}");
    line.set(Conditions { rate: Some(2_000_000), queue: 51_400, ..Conditions::PERFECT });
    let met = run_of_packets(&end, &echo, 100, 1000, 100).await?;
    ensure!((0.45..0.55).contains(&met.lost), "a queue for half of them loses {}", met.lost);

    line.set(Conditions::PERFECT);
    line.set_up(false);
    ensure!(run_of_packets(&end, &echo, 10, 100, 1).await.is_err(), "something passes a line that is cut");
    line.set_up(true);
    ensure!(run_of_packets(&end, &echo, 10, 100, 1).await?.lost == 0.0, "the mended line loses");
    Ok(())
}
