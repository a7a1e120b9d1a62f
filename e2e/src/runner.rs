//! Plays stories one after the other, each with a time limit, and looks behind them for what they left.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::places::Places;
use crate::stage::Stage;
use crate::{namespace, process, stories};

/// What a story does.
pub(crate) type Plot = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A story of a group.
pub(crate) struct Story {
    /// What it shows, as a sentence in the words of its group's file.
    pub(crate) name: &'static str,
    /// How long it may take.
    pub(crate) limit: Duration,
    pub(crate) plot: Plot,
}

/// Where a story can't be played on this machine: the reason.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skipped {}

/// Groups whose stories are played once more when they fail, and say so: in the network lab browser, host and kernel race
/// each other over real timers, and a busy machine loses such a race now and then.
const PLAYED_TWICE: [&str; 1] = ["reach"];

/// How a story ended.
enum End {
    Passed,
    Failed,
    Skipped,
    Interrupted,
}

/// Plays the stories of a group, or of all; `Ok(false)` when one failed or something was left behind.
pub async fn play(group: &str, only: Option<&str>) -> Result<bool> {
    let places = Places::find()?;
    let run = name_of_run();
    namespace::sweep_old();
    let chosen: Vec<(&str, Story)> = stories::groups()
        .into_iter()
        .filter(|(name, _)| group == "all" || group == *name)
        .flat_map(|(name, stories)| stories.into_iter().map(move |story| (name, story)))
        .filter(|(_, story)| only.is_none_or(|text| story.name.contains(text)))
        .collect();
    if chosen.is_empty() {
        bail!("no story is called so; `nearhand-e2e list` names them");
    }
    let folder =
        tempfile::Builder::new().prefix("nearhand-e2e-").tempdir().context("making a temporary folder")?;
    let (mut passed, mut failed, mut skipped, mut again) = (0, 0, 0, 0);
    for (group, story) in &chosen {
        let mut end = play_one(story, &run, &places, folder.path()).await;
        if matches!(end, End::Failed) && PLAYED_TWICE.contains(group) {
            println!("        once more:");
            again += 1;
            end = play_one(story, &run, &places, folder.path()).await;
        }
        match end {
            End::Passed => passed += 1,
            End::Failed => failed += 1,
            End::Skipped => skipped += 1,
            End::Interrupted => {
                failed += 1;
                break;
            }
        }
    }
    if let Err(left) = nothing_left(&run, folder.path()) {
        println!("FAILED  leaves nothing behind\n        {left:#}");
        failed += 1;
    }
    folder.close().context("removing the temporary folder")?;
    println!("pictures and logs: {}", places.shots.display());
    if skipped > 0 {
        println!("{skipped} skipped");
    }
    if again > 0 {
        println!("{again} played twice, since the first time failed");
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Prints what there is.
pub fn list() {
    for (group, stories) in stories::groups() {
        println!("{group}");
        for story in stories {
            println!("  {}", story.name);
        }
    }
    println!("bench");
    for (row, _) in crate::bench::rows() {
        println!("  {row}");
    }
}

async fn play_one(story: &Story, run: &str, places: &Places, folder: &Path) -> End {
    let begin = Instant::now();
    let stage = match Stage::new(story.name, run, places, folder) {
        Ok(stage) => stage,
        Err(error) => {
            println!("FAILED  {}\n        {error:#}", story.name);
            return End::Failed;
        }
    };
    let plot = AssertUnwindSafe((story.plot)(&stage)).catch_unwind();
    let told = tokio::select! {
        told = tokio::time::timeout(story.limit, plot) => told,
        // The guards of the story end what it started.
        _ = interrupted() => {
            println!("FAILED  {}\n        interrupted", story.name);
            return End::Interrupted;
        }
    };
    let reason = match told {
        Ok(Ok(Ok(()))) => {
            drop(stage);
            println!("ok      {} ({:.1} s)", story.name, begin.elapsed().as_secs_f32());
            return End::Passed;
        }
        Ok(Ok(Err(error))) => match error.downcast_ref::<Skipped>() {
            Some(skipped) => {
                println!("skipped {}\n        {}", story.name, skipped.0);
                return End::Skipped;
            }
            None => format!("{error:#}"),
        },
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            format!(
                "panicked: {}",
                text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
            )
        }
        Err(_) => format!("not over within {:?}", story.limit),
    };
    stage.keep_evidence(&reason).await;
    println!(
        "FAILED  {} ({:.1} s)\n        {}",
        story.name,
        begin.elapsed().as_secs_f32(),
        reason.replace('\n', "\n        ")
    );
    End::Failed
}

/// Ends what is left of a run; an error that names it if anything was.
pub(crate) fn nothing_left(run: &str, folder: &Path) -> Result<()> {
    let processes = process::sweep(run);
    let files: Vec<String> = std::fs::read_dir(folder)
        .context("looking for files that were left")?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let left: Vec<String> = [processes, namespace::sweep_own(), files].concat();
    if left.is_empty() {
        return Ok(());
    }
    bail!("left behind: {}", left.join(", "))
}

/// Ctrl+C, or the polite request to end.
pub(crate) async fn interrupted() -> Result<()> {
    let mut asked = signal(SignalKind::terminate()).context("listening for signals")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("listening for Ctrl+C"),
        _ = asked.recv() => Ok(()),
    }
}

/// Tells this run's processes from those of every other.
pub(crate) fn name_of_run() -> String {
    format!("{}-{:016x}", std::process::id(), rand::random::<u64>())
}
