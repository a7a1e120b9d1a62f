//! What happens to a network in the middle of a session, and what the technician sees of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::super::story;
use crate::ends::{Ends, Path};
use crate::lab::{Conditions, Firewall, Plan};
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("the_customers_interface_is_replaced_and_the_picture_comes_back", 60, interface_replaced),
        story!("udp_is_blocked_for_a_while_and_the_best_path_is_taken_again", 180, udp_blocked),
        story!("the_customers_cable_is_pulled_for_ten_seconds", 90, cable_pulled),
        story!("the_customers_line_is_cut_for_ten_seconds", 90, line_cut),
        story!("the_server_is_away_for_half_a_minute_and_the_picture_never_stops", 120, server_away),
        story!("they_meet_over_a_slow_and_lossy_line", 60, bad_line),
    ]
}

/// A longer stop is one that a person sees.
const STOP: Duration = Duration::from_millis(1500);

async fn interface_replaced(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    ends.lab.customer.replace_interface()?;
    met.picture_gone_and_back(Duration::from_secs(20)).await.map(|stop| {
        println!("        without a picture for {:.2} s", stop.as_secs_f32());
    })?;
    met.travels(Path::Direct).await
}

async fn udp_blocked(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    let router = &ends.lab.customer.router;
    router.set_firewall(Firewall::NoUdp)?;
    let stop = met.picture_gone_and_back(Duration::from_secs(30)).await?;
    println!("        blocked: without a picture for {:.2} s", stop.as_secs_f32());
    met.travels(Path::Relayed).await?;
    router.set_firewall(Firewall::Open)?;
    let begin = Instant::now();
    met.longest_stop().await?;
    met.travels_within(Path::Direct, Duration::from_secs(100)).await?;
    let (took, stop) = (begin.elapsed(), met.longest_stop().await?);
    println!(
        "        unblocked: direct again after {:.1} s, without a picture for {:.2} s",
        took.as_secs_f32(),
        stop.as_secs_f32()
    );
    ensure!(stop < STOP, "the picture stopped for {stop:?} for a better path");
    Ok(())
}

/// How long something is away.
const AWAY: Duration = Duration::from_secs(10);

async fn cable_pulled(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    ends.lab.customer.set_cable(false)?;
    tokio::time::sleep(AWAY).await;
    ends.lab.customer.set_cable(true)?;
    back_after_away(&met).await
}

async fn line_cut(stage: &Stage) -> Result<()> {
    let plan = Plan { line: Some(Conditions::PERFECT), ..Plan::V4 };
    let mut ends = Ends::new(stage, plan, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    let lab = ends.lab.clone();
    let line = lab.customer.line.as_ref().context("there is no line")?;
    line.set_up(false);
    tokio::time::sleep(AWAY).await;
    line.set_up(true);
    back_after_away(&met).await
}

async fn back_after_away(met: &crate::ends::Met) -> Result<()> {
    let stop = met.picture_back(Duration::from_secs(40)).await?;
    ensure!(stop > AWAY / 2, "the picture stopped for {stop:?} only: nothing was away");
    let late = stop.saturating_sub(AWAY);
    println!("        the picture is back {:.2} s after the network", late.as_secs_f32());
    met.travels_within(Path::Direct, Duration::from_secs(40)).await
}

async fn server_away(stage: &Stage) -> Result<()> {
    let mut ends = Ends::new(stage, Plan::V4, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    ends.server.kill();
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let stop = met.longest_stop().await?;
        ensure!(stop < STOP, "no frame for {stop:?} without the server");
    }
    ends.server.start_again(stage).await?;
    let server = &ends.server;
    wait::find(Duration::from_secs(40), "both ends to be back at the server", || async {
        let sessions = server.sessions().await?;
        let back = sessions.iter().any(|session| session["state"] == "active" && !session["host"].is_null());
        Ok(back.then_some(()))
    })
    .await?;
    let stop = met.longest_stop().await?;
    ensure!(stop < STOP, "no frame for {stop:?} when the server came back");
    // Through the new server a new connection can be made.
    met.viewer.tab.reload().await?;
    met.viewer.phase("viewing").await?;
    met.viewer.picture_there().await?;
    met.travels(Path::Direct).await
}

async fn bad_line(stage: &Stage) -> Result<()> {
    let line = Conditions {
        delay: Duration::from_millis(60),
        jitter: Duration::from_millis(15),
        loss: 0.02,
        burst: 2.0,
        rate: Some(3_000_000),
        queue: 60_000,
    };
    let plan = Plan { line: Some(line), ..Plan::V4 };
    let mut ends = Ends::new(stage, plan, Plan::V4).await?;
    let met = ends.meet(stage).await?;
    println!("        first frame after {:.2} s", met.seconds);
    met.travels(Path::Direct).await?;
    met.watch_frames().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stop = met.longest_stop().await?;
    println!("        longest stop {:.2} s", stop.as_secs_f32());
    ensure!(stop < Duration::from_secs(4), "the picture stopped for {stop:?}");
    Ok(())
}
