//! Files, either way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::story;
use crate::host;
use crate::meeting::{Meeting, names};
use crate::runner::Story;
use crate::stage::Stage;
use crate::wait;

pub(super) fn stories() -> Vec<Story> {
    vec![
        story!("twenty_megabytes_reach_the_customer_whole_and_overwrite_nothing", 90, to_customer),
        story!("twenty_megabytes_reach_the_technician_whole", 90, to_technician),
        story!("the_customer_refuses_a_file", 40, refused),
        story!("a_dangerous_name_stays_in_the_folder", 40, dangerous_name),
    ]
}

const LENGTH: usize = 20_000_000;
const LIMIT: Duration = Duration::from_secs(40);

/// A file of random bytes.
pub(crate) fn random_file(folder: &Path, name: &str, length: usize) -> Result<PathBuf> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes[..]);
    let path = folder.join(name);
    std::fs::write(&path, bytes).with_context(|| format!("writing {name}"))?;
    Ok(path)
}

/// Its SHA-256, in hexadecimal digits.
pub(crate) fn hash(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// Waits for a whole file, and compares it.
pub(super) async fn arrives(path: &Path, sent: &Path) -> Result<()> {
    let length = std::fs::metadata(sent)?.len();
    wait::until(LIMIT, &format!("{}", path.display()), || {
        Ok(std::fs::metadata(path).is_ok_and(|data| data.len() == length))
    })
    .await
    .with_context(|| format!("the folder holds {:?}", path.parent().map(names_in)))?;
    ensure!(hash(path)? == hash(sent)?, "another file arrived");
    Ok(())
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Opens the files and gives one to the page.
pub(crate) async fn send(meeting: &Meeting, path: &Path) -> Result<()> {
    let tab = &meeting.viewer.tab;
    meeting.viewer.open_panel().await?;
    tab.choose_file(names::FILE_INPUT, path).await
}

async fn to_customer(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let file = random_file(&stage.folder("sent")?, "driver ü.bin", LENGTH)?;
    let there = meeting.host.downloads.join("driver ü.bin");
    std::fs::write(&there, "was here before")?;
    send(&meeting, &file).await?;
    meeting.host.asked(host::FILES_IN, true).await?;
    let second = meeting.host.downloads.join("driver ü (1).bin");
    arrives(&second, &file).await?;
    ensure!(std::fs::read_to_string(&there)? == "was here before", "a file was overwritten");
    // The second one needs no question.
    let small = random_file(&stage.folder("sent")?, "small.bin", 1000)?;
    send(&meeting, &small).await?;
    arrives(&meeting.host.downloads.join("small.bin"), &small).await?;
    ensure!(
        names_in(&meeting.host.downloads).len() == 3,
        "the folder holds {:?}",
        names_in(&meeting.host.downloads)
    );
    Ok(())
}

async fn to_technician(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let file = random_file(&stage.folder("sent")?, "log of today.bin", LENGTH)?;
    meeting.host.types(&format!("/send {}", file.display()))?;
    meeting.host.asked(host::FILES_OUT, true).await?;
    let tab = &meeting.viewer.tab;
    meeting.viewer.open_panel().await?;
    tab.reads_within(LIMIT, names::TRANSFERS, "log of today.bin").await?;
    tab.click(names::SAVE).await?;
    arrives(&tab.downloads.join("log of today.bin"), &file).await
}

async fn refused(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let file = random_file(&stage.folder("sent")?, "unwanted.bin", 1000)?;
    send(&meeting, &file).await?;
    meeting.host.asked(host::FILES_IN, false).await?;
    meeting.viewer.tab.reads(names::TRANSFERS, "said no").await?;
    ensure!(
        names_in(&meeting.host.downloads).is_empty(),
        "something was written: {:?}",
        names_in(&meeting.host.downloads)
    );
    Ok(())
}

async fn dangerous_name(stage: &Stage) -> Result<()> {
    let mut meeting = Meeting::begin(stage).await?;
    let tab = &meeting.viewer.tab;
    meeting.viewer.open_panel().await?;
    // A browser gives names without folders only; a script is not so polite.
    let drop = "const data = new DataTransfer();
        data.items.add(new File(['x'], '../../.bash\\u202Erc '));
        const input = document.querySelector(arguments[0]);
        input.files = data.files;
        input.dispatchEvent(new Event('change', { bubbles: true }));";
    tab.js::<Option<bool>>(drop, &[names::FILE_INPUT.into()]).await?;
    meeting.host.asked(host::FILES_IN, true).await?;
    // Until then its part lies there under a name of the program's own.
    meeting.host.says("FILE SAVED: ").await?;
    let found = names_in(&meeting.host.downloads);
    let [name] = &found[..] else { bail!("the folder holds {found:?}") };
    ensure!(std::fs::read(meeting.host.downloads.join(name))? == b"x", "another file arrived");
    ensure!(!name.contains('\u{202e}') && !name.starts_with('.'), "it is called {name:?}");
    Ok(())
}
