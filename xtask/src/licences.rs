//! `cargo xtask licences`: what deny.toml allows, checked on every dependency.
//!
//! cargo-deny does it where it is installed. It takes minutes to build and is not in Debian, so otherwise its
//! rules for licences, sources and banned crates are applied to `cargo metadata` here; only advisories are left out.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use crate::process;
use crate::toolchain::cargo;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    if process::find("cargo-deny").is_some() {
        process::run(cargo(workspace).args(["deny", "check", "licenses", "bans", "sources"]))?;
        // The database of advisories is fetched: without a network that says nothing about the project.
        let fetched =
            process::run_within(cargo(workspace).args(["deny", "fetch", "db"]), Duration::from_mins(1));
        return match fetched {
            Ok(()) => process::run(cargo(workspace).args(["deny", "check", "advisories"])),
            Err(error) => {
                println!("advisories: not checked, their database could not be fetched: {error:#}");
                Ok(())
            }
        };
    }
    let path = workspace.root.join("deny.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let rules: Rules = toml::from_str(&text).with_context(|| format!("parsing {}", path.display()))?;
    let metadata =
        process::read(cargo(workspace).args(["metadata", "--format-version", "1", "--all-features"]))?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("parsing what cargo metadata says")?;

    let problems = rules.problems(&metadata.packages)?;
    for duplicate in duplicates(&metadata.packages) {
        println!("warning: several versions: {duplicate}");
    }
    println!(
        "{} packages: licences, sources and bans checked by xtask (cargo-deny is not installed); advisories not checked",
        metadata.packages.len()
    );
    if !problems.is_empty() {
        bail!("deny.toml does not allow:\n{}", problems.join("\n"));
    }
    Ok(())
}

/// The part of cargo-deny's configuration that is used here.
#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    #[serde(default)]
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Bans {
    #[serde(default)]
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

#[derive(Deserialize)]
struct Sources {
    #[serde(rename = "allow-registry")]
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// Nothing for packages of the workspace.
    source: Option<String>,
}

impl Rules {
    fn problems(&self, packages: &[Package]) -> Result<Vec<String>> {
        let everywhere = licensees(&self.licenses.allow)?;
        let mut problems = Vec::new();
        for package in packages {
            let name = format!("{} {}", package.name, package.version);
            let mut allowed = everywhere.clone();
            for exception in
                self.licenses.exceptions.iter().filter(|exception| exception.name == package.name)
            {
                allowed.extend(licensees(&exception.allow)?);
            }
            if let Some(problem) = licence_problem(package.license.as_deref(), &allowed) {
                problems.push(format!("{name}: {problem}"));
            }
            if self.bans.deny.iter().any(|banned| banned.name == package.name) {
                problems.push(format!("{name}: is banned"));
            }
            if let Some(source) = &package.source
                && !self
                    .sources
                    .allow_registry
                    .iter()
                    .any(|registry| source == &format!("registry+{registry}"))
            {
                problems.push(format!("{name}: comes from {source}"));
            }
        }
        Ok(problems)
    }
}

fn licensees(names: &[String]) -> Result<Vec<Licensee>> {
    names
        .iter()
        .map(|name| {
            Licensee::parse(name).with_context(|| format!("deny.toml allows the unknown licence {name}"))
        })
        .collect()
}

fn licence_problem(licence: Option<&str>, allowed: &[Licensee]) -> Option<String> {
    let Some(licence) = licence else { return Some("states no licence".to_owned()) };
    // Old crates write MIT/Apache-2.0.
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Err(error) => Some(format!("its licence {licence:?} is not understood: {}", error.reason)),
        Ok(expression) => {
            let allows =
                expression.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted)));
            (!allows).then(|| format!("is licensed under {licence}"))
        }
    }
}

/// Crates that are compiled in several versions, each with these.
fn duplicates(packages: &[Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| format!("{name} {}", versions.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Package, Rules, duplicates};

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]
        exceptions = [{ crate = "roots", allow = ["CDLA-Permissive-2.0"] }]
        [bans]
        deny = [{ crate = "openssl-sys" }]
        [sources]
        allow-registry = ["https://github.com/rust-lang/crates.io-index"]
    "#;

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn package(name: &str, licence: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: (!licence.is_empty()).then(|| licence.to_owned()),
            source: Some(CRATES_IO.to_owned()),
        }
    }

    fn problems(package: Package) -> Vec<String> {
        toml::from_str::<Rules>(RULES).unwrap().problems(&[package]).unwrap()
    }

    #[test]
    fn licences_are_allowed_or_refused() {
        let cases = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("MIT OR GPL-3.0-only", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-2.0", false),
            ("CDLA-Permissive-2.0", false),
            ("my own", false),
            ("", false),
        ];
        for (licence, allowed) in cases {
            let problems = problems(package("some", licence));
            assert_eq!(problems.is_empty(), allowed, "{licence}: {problems:?}");
        }
    }

    #[test]
    fn an_exception_is_for_one_crate() {
        assert!(problems(package("roots", "CDLA-Permissive-2.0")).is_empty());
        assert!(!problems(package("other", "CDLA-Permissive-2.0")).is_empty());
    }

    #[test]
    fn bans_and_foreign_sources_are_refused() {
        assert_eq!(problems(package("openssl-sys", "MIT")), ["openssl-sys 1.0.0: is banned"]);
        let mut foreign = package("some", "MIT");
        foreign.source = Some("git+https://example.org/some".to_owned());
        assert_eq!(problems(foreign).len(), 1);
        let mut own = package("own", "MIT");
        own.source = None;
        assert!(problems(own).is_empty());
    }

    #[test]
    fn several_versions_are_named() {
        let mut other = package("syn", "MIT");
        other.version = "2.0.0".to_owned();
        assert_eq!(duplicates(&[package("syn", "MIT"), other, package("one", "MIT")]), ["syn 1.0.0, 2.0.0"]);
    }

    #[test]
    fn the_projects_rules_can_be_read() {
        let rules: Rules = toml::from_str(include_str!("../../deny.toml")).unwrap();
        assert!(rules.problems(&[package("some", "MIT OR Apache-2.0")]).unwrap().is_empty());
        assert_eq!(rules.problems(&[package("some", "GPL-3.0-only")]).unwrap().len(), 1);
        assert_eq!(rules.problems(&[package("some", "AGPL-3.0-only")]).unwrap().len(), 1);
    }
}
