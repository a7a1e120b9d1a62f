//! The proxies that the settings of real desktops name: KDE's files, and GNOME's through GLib itself.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use nearhand_desktop::proxy::{Problem, Settings};

/// What the settings in this folder say about a target, asked by a process of its own: its environment names the desktop.
fn ask(config: &Path, desktop: &str, target: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "asked", "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", config)
        .env("XDG_CONFIG_HOME", config)
        .env("XDG_CONFIG_DIRS", config)
        .env("XDG_CURRENT_DESKTOP", desktop)
        .env("GSETTINGS_BACKEND", "keyfile")
        .env("KDE_SESSION_VERSION", "5")
        .env("TARGET", target)
        .output()
        .expect("a start");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.split_once("WAYS ").map(|(_, ways)| ways.to_owned()));
    line.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
#[ignore = "is run by the other tests, in a process of its own"]
fn asked() {
    let target = std::env::var("TARGET").expect("a target");
    let ways = match Settings::of_system() {
        Ok(Some(settings)) => match settings.steps(&target, 443) {
            Ok(steps) => format!("{steps:?}"),
            Err(Problem::Script) => "a script".into(),
            Err(problem) => problem.to_string(),
        },
        Ok(None) => "no settings".into(),
        Err(problem) => problem.to_string(),
    };
    println!("WAYS {ways}");
}

#[test]
fn kde_names_its_proxy_in_a_file() {
    let config = tempfile::tempdir().expect("a folder");
    let set = |lines: &str| {
        fs::write(config.path().join("kioslaverc"), format!("[Proxy Settings]\n{lines}\n")).expect("a file");
    };
    set("ProxyType=1\nhttpsProxy=http://proxy.example 3128\nNoProxyFor=.corp.example");
    assert_eq!(ask(config.path(), "KDE", "h.example"), "[Proxy(Proxy(http://proxy.example:3128))]");
    assert_eq!(ask(config.path(), "KDE", "a.corp.example"), "[Direct]");
    set("ProxyType=1\nsocksProxy=socks://proxy.example 1080");
    assert_eq!(ask(config.path(), "KDE", "h.example"), "[Proxy(Proxy(socks5://proxy.example:1080))]");
    set("ProxyType=0");
    assert_eq!(ask(config.path(), "KDE", "h.example"), "[Direct]");
    set("ProxyType=2\nProxy Config Script=http://wpad.example/proxy.pac");
    assert_eq!(ask(config.path(), "KDE", "h.example"), "a script");
}

#[test]
fn gnome_names_its_proxy_through_glib() {
    let schema = Path::new("/usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml");
    if !schema.exists() {
        eprintln!(
            "SKIPPED: gsettings-desktop-schemas is not installed, nothing was tested with GNOME's settings"
        );
        return;
    }
    let config = tempfile::tempdir().expect("a folder");
    let folder = config.path().join("glib-2.0/settings");
    fs::create_dir_all(&folder).expect("a folder");
    let set = |lines: &str| fs::write(folder.join("keyfile"), lines).expect("a file");
    set("[system/proxy]\nmode='manual'\nignore-hosts=['*.corp.example']\n\
         [system/proxy/https]\nhost='proxy.example'\nport=3128\n");
    assert_eq!(ask(config.path(), "GNOME", "h.example"), "[Proxy(Proxy(http://proxy.example:3128))]");
    assert_eq!(ask(config.path(), "GNOME", "a.corp.example"), "[Direct]");
    set("[system/proxy]\nmode='none'\n");
    assert_eq!(ask(config.path(), "GNOME", "h.example"), "[Direct]");
    set("[system/proxy]\nmode='auto'\nautoconfig-url='http://wpad.example/proxy.pac'\n");
    assert_eq!(ask(config.path(), "GNOME", "h.example"), "a script");
}
