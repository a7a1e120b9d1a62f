//! Programs of the system that builds, screens and browsers need, and how Debian calls them.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Something that a package brings.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// Its name in Debian.
    package: &'static str,
    /// A program on the PATH, or an absolute path, by which it is known to be there.
    witness: &'static str,
}

const fn need(package: &'static str, witness: &'static str) -> Need {
    Need { package, witness }
}

/// openh264 is C++ with assembly. Without NASM it builds all the same and encodes two to three times slower.
pub(crate) const BUILD: &[Need] = &[need("g++", "g++"), need("nasm", "nasm")];

/// A virtual screen with something to see and click.
pub(crate) const SCREEN: &[Need] = &[
    need("xvfb", "Xvfb"),
    need("xauth", "xauth"),
    need("xkb-data", "/usr/share/X11/xkb/rules"),
    need("x11-xkb-utils", "xkbcomp"),
    need("fonts-dejavu", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    need("openbox", "openbox"),
    need("xterm", "xterm"),
    need("x11-apps", "xclock"),
    need("x11-utils", "xwininfo"),
    need("x11-xserver-utils", "xrandr"),
    // The X server whose outputs can be plugged and unplugged; Xvfb has one that stays.
    need("xserver-xorg-core", "Xorg"),
    need("xserver-xorg-video-dummy", "/usr/lib/xorg/modules/drivers/dummy_drv.so"),
];

/// Browsers and the programs that drive them; geckodriver is not in Debian.
pub(crate) const BROWSERS: &[Need] = &[
    need("chromium", "chromium"),
    need("chromium-driver", "chromedriver"),
    need("firefox-esr", "firefox-esr"),
    // Firefox decodes H.264 with it.
    need("libavcodec59", "/usr/share/doc/libavcodec59"),
];

/// Networks with everything in them that stands between two ends: routers, proxies, relays.
const LAB: &[Need] = &[
    need("iproute2", "ip"),
    need("nftables", "nft"),
    need("squid", "squid"),
    need("microsocks", "microsocks"),
    need("dante-server", "danted"),
    need("coturn", "turnserver"),
    need("haproxy", "haproxy"),
    need("nginx-light", "nginx"),
    need("tshark", "tshark"),
    need("libnss3-tools", "certutil"),
];

/// What the network lab needs; nothing where there can be no lab, which the stories say.
pub(crate) fn lab() -> &'static [Need] {
    if nix::unistd::geteuid().is_root() { LAB } else { &[] }
}

/// Runs the tests of the pages' scripts, and brings wasm-opt.
pub(crate) const NODE: &[Need] = &[need("nodejs", "node"), need("npm", "npm")];

/// Gives certificates by ACME to the tests of the server.
pub(crate) const AUTHORITY: &[Need] = &[need("pebble", "pebble")];

/// Debian's second Rust compiler, for where rustup's server does not answer.
pub(crate) const DEBIAN_RUST: &[Need] = &[
    need("rustc-web", "/usr/bin/rustc"),
    need("cargo-web", "/usr/bin/cargo"),
    need("rust-web-src", "/usr/share/doc/rust-web-src"),
    need("lld-19", "wasm-ld-19"),
];

/// Installs what is missing of `needs`, or fails with the command to type.
pub(crate) fn provide(needs: &[Need]) -> Result<()> {
    let missing = missing(needs, is_present);
    if missing.is_empty() {
        return Ok(());
    }
    if !can_install() {
        bail!("missing: {}\ninstall with: sudo {}", missing.join(", "), install_line(&missing));
    }
    eprintln!("missing, installing: {}", missing.join(", "));
    // A container's package lists are often empty; old ones mostly still do.
    let mut updated = false;
    if !has_package_lists() {
        update()?;
        updated = true;
    }
    let mut installed = install(&missing);
    if installed.is_err() && !updated && !process::was_interrupted() {
        update()?;
        installed = install(&missing);
    }
    installed
}

fn missing(needs: &[Need], is_present: impl Fn(&str) -> bool) -> Vec<&'static str> {
    needs.iter().filter(|need| !is_present(need.witness)).map(|need| need.package).collect()
}

fn is_present(witness: &str) -> bool {
    if witness.starts_with('/') { Path::new(witness).exists() } else { process::find(witness).is_some() }
}

fn can_install() -> bool {
    nix::unistd::geteuid().is_root()
        && Path::new("/etc/debian_version").exists()
        && process::find("apt-get").is_some()
}

fn has_package_lists() -> bool {
    std::fs::read_dir("/var/lib/apt/lists").is_ok_and(|lists| {
        lists.flatten().any(|list| list.file_name().to_string_lossy().contains("_Packages"))
    })
}

fn install_line(packages: &[&str]) -> String {
    format!("apt-get install -y --no-install-recommends {}", packages.join(" "))
}

fn install(packages: &[&str]) -> Result<()> {
    let _no_services = NoServices::begin();
    let mut command = apt_get();
    process::run(command.args(["install", "-y", "-q", "--no-install-recommends"]).args(packages))
}

fn update() -> Result<()> {
    process::run(apt_get().args(["update", "-q"]))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another installation may run: wait for it.
    command.args(["-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Where Debian's packages ask whether their services may be started (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it lives, the services of new packages are not started: a proxy or relay on this machine is nobody's wish.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Self {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = std::fs::OpenOptions::new();
        // Somebody else's policy stands.
        let made = options.write(true).create_new(true).mode(0o755).open(POLICY);
        let ours = made.and_then(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n")).is_ok();
        Self { ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BROWSERS, BUILD, DEBIAN_RUST, LAB, SCREEN, install_line, missing};

    #[test]
    fn only_what_is_absent_is_installed() {
        assert_eq!(missing(BUILD, |witness| witness == "g++"), ["nasm"]);
        assert!(missing(SCREEN, |_| true).is_empty());
    }

    #[test]
    fn the_line_to_type_names_every_package() {
        let all = [BUILD, SCREEN, BROWSERS, LAB, DEBIAN_RUST].concat();
        let line = install_line(&missing(&all, |_| false));
        for need in all {
            assert!(line.split(' ').any(|word| word == need.package), "{line}");
        }
    }
}
