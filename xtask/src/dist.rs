//! `cargo xtask dist`: the programs as they are shipped, and the session tab as static files, with their sums.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::elsewhere::{self, sha256};
use crate::programs::{self, Profile, Programs};
use crate::workspace::Workspace;
use crate::{needs, viewer};

pub(crate) fn run(workspace: &Workspace, viewer_server: Option<&str>) -> Result<()> {
    needs::provide(needs::BUILD)?;
    viewer::build(workspace)?;
    // Cargo's own folder of the profile is target/dist.
    let Programs { server, host } = programs::build(workspace, Profile::Dist)?;
    let folder = workspace.target.join("dist");
    let mut sums = String::new();
    for program in [&server, &host] {
        let content = std::fs::read(program).with_context(|| format!("reading {}", program.display()))?;
        println!("{:>9} bytes  {}", content.len(), program.display());
        sums.push_str(&sum_line(&content, &name(program)));
    }
    sums.push_str(&static_viewer(workspace, &folder, viewer_server)?);
    let file = folder.join("SHA256SUMS");
    std::fs::write(&file, sums).with_context(|| format!("writing {}", file.display()))?;
    println!("sums in {}; check with: sha256sum --check SHA256SUMS", file.display());
    Ok(())
}

/// The session tab for another origin, as a folder and packed; the lines for them.
fn static_viewer(workspace: &Workspace, dist: &Path, server: Option<&str>) -> Result<String> {
    let built = elsewhere::build(workspace, server)?;
    let versioned = format!("nearhand-viewer-{}", env!("CARGO_PKG_VERSION"));
    let folder = dist.join(&versioned);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    std::fs::rename(&built, &folder).with_context(|| format!("creating {}", folder.display()))?;
    let archive = dist.join(format!("{versioned}.tar.gz"));
    elsewhere::pack(&folder, &versioned, &archive)?;
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    let packed = read(&archive)?;
    println!("{:>9} bytes  {}", packed.len(), archive.display());
    let all = read(&folder.join(elsewhere::SUMS))?;
    println!("session tab as static files: {}", folder.display());
    println!("SHA-256 over all of them: {}", sha256(&all));
    let all = sum_line(&all, &format!("{versioned}/{}", elsewhere::SUMS));
    Ok(sum_line(&packed, &name(&archive)) + &all)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A line as sha256sum writes it.
fn sum_line(content: &[u8], name: &str) -> String {
    format!("{}  {name}\n", sha256(content))
}

#[cfg(test)]
mod tests {
    use super::sum_line;

    #[test]
    fn writes_what_sha256sum_reads() {
        // FIPS 180-2, B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  nearhand\n";
        assert_eq!(sum_line(b"abc", "nearhand"), expected);
    }
}
