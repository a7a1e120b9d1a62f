//! `cargo xtask dist`: the programs as they are shipped, with their sums.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::programs::{self, Profile, Programs};
use crate::workspace::Workspace;
use crate::{needs, viewer};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    needs::provide(needs::BUILD)?;
    viewer::build(workspace)?;
    // Cargo's own folder of the profile is target/dist.
    let Programs { server, host } = programs::build(workspace, Profile::Dist)?;
    let mut sums = String::new();
    for program in [&server, &host] {
        let content = std::fs::read(program).with_context(|| format!("reading {}", program.display()))?;
        println!("{:>9} bytes  {}", content.len(), program.display());
        sums.push_str(&sum_line(&content, program));
    }
    let file = workspace.target.join("dist/SHA256SUMS");
    std::fs::write(&file, sums).with_context(|| format!("writing {}", file.display()))?;
    println!("sums in {}; check with: sha256sum --check SHA256SUMS", file.display());
    Ok(())
}

/// A line as sha256sum writes it.
fn sum_line(content: &[u8], path: &Path) -> String {
    let mut line = String::new();
    for byte in Sha256::digest(content) {
        // Writing to a string can't fail.
        let _ = write!(line, "{byte:02x}");
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let _ = writeln!(line, "  {name}");
    line
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::sum_line;

    #[test]
    fn writes_what_sha256sum_reads() {
        // FIPS 180-2, B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  nearhand\n";
        assert_eq!(sum_line(b"abc", Path::new("/t/dist/nearhand")), expected);
    }
}
