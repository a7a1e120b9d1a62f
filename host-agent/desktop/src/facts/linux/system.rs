//! Devices, routes, services and drivers, from `/sys`, `/proc` and `/etc`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use nearhand_protocol::facts::Column as C;

use super::{entries, name, text, word};
use crate::facts::Table;

pub(super) fn hardware(table: &mut Table, root: &Path) {
    let dmi = root.join("sys/class/dmi/id");
    let [vendor, version, date] =
        ["bios_vendor", "bios_version", "bios_date"].map(|file| word(dmi.join(file)));
    if !vendor.is_empty() || !version.is_empty() {
        let version = format!("{version} {date}");
        table.row(&[(C::Kind, &"firmware"), (C::Vendor, &vendor), (C::Version, &version)]);
    }
    for device in entries(root.join("sys/bus/pci/devices")) {
        // PCI class 3: what shows pictures.
        if !word(device.join("class")).starts_with("0x03") {
            continue;
        }
        let [vendor, product] = ["vendor", "device"].map(|file| word(device.join(file)));
        let driver = std::fs::read_link(device.join("driver")).map(|to| name(&to)).unwrap_or_default();
        table.row(&[(C::Kind, &"graphics"), (C::Vendor, &vendor), (C::Name, &product), (C::State, &driver)]);
    }
    for connector in entries(root.join("sys/class/drm")) {
        if word(connector.join("status")) == "connected" {
            table.row(&[(C::Kind, &"monitor"), (C::Name, &name(&connector)), (C::State, &"connected")]);
        }
    }
    for supply in entries(root.join("sys/class/power_supply")) {
        if word(supply.join("type")) != "Battery" {
            continue;
        }
        let [vendor, model, full, state] =
            ["manufacturer", "model_name", "capacity", "status"].map(|file| word(supply.join(file)));
        table.row(&[
            (C::Kind, &"battery"),
            (C::Vendor, &vendor),
            (C::Name, &model),
            (C::LoadPercent, &full),
            (C::State, &state.to_lowercase()),
        ]);
    }
}

pub(super) fn network(table: &mut Table, root: &Path) {
    for line in text(root.join("proc/net/route")).lines().skip(1) {
        if let Some((interface, gateway)) = default_route(line) {
            table.row(&[(C::Kind, &"route"), (C::Name, &interface), (C::Addresses, &gateway)]);
        }
    }
    for line in text(root.join("etc/resolv.conf")).lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(address) = words.next()
        {
            table.row(&[(C::Kind, &"name server"), (C::Addresses, &address)]);
        }
    }
}

/// Interface, destination and gateway in hexadecimal, in the byte order of the machine (proc_net(5)).
fn default_route(line: &str) -> Option<(&str, Ipv4Addr)> {
    let mut fields = line.split_whitespace();
    let (interface, destination, gateway) = (fields.next()?, fields.next()?, fields.next()?);
    let gateway = u32::from_str_radix(gateway, 16).ok()?;
    (destination == "00000000" && gateway != 0).then(|| (interface, Ipv4Addr::from(gateway.to_ne_bytes())))
}

pub(super) fn services(table: &mut Table, root: &Path) {
    let mut states: BTreeMap<String, (Vec<&str>, usize)> = BTreeMap::new();
    let ends = |path: &Path, end: &str| path.extension().is_some_and(|other| other == end);
    // With one hierarchy of control groups, and with several.
    for group in ["sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice"] {
        for path in entries(root.join(group)).into_iter().filter(|path| ends(path, "service")) {
            let running = text(path.join("cgroup.procs")).lines().count();
            let populated = text(path.join("cgroup.events")).lines().any(|line| line == "populated 1");
            if running > 0 || populated {
                states.insert(name(&path), (vec!["running"], running));
            }
        }
    }
    for wants in entries(root.join("etc/systemd/system")).into_iter().filter(|path| ends(path, "wants")) {
        for path in entries(wants).into_iter().filter(|path| ends(path, "service")) {
            let (state, _) = states.entry(name(&path)).or_default();
            if !state.contains(&"enabled") {
                state.push("enabled");
            }
        }
    }
    if states.is_empty() {
        let scripts = entries(root.join("etc/init.d"));
        states.extend(scripts.iter().map(|path| (name(path), (vec!["script"], 0))));
    }
    for (service, (state, running)) in states {
        let count = if running > 0 { running.to_string() } else { String::new() };
        if !table.row(&[(C::Name, &service), (C::State, &state.join(" ")), (C::Count, &count)]) {
            return;
        }
    }
}

pub(super) fn drivers(table: &mut Table, root: &Path) {
    // Name, size, how often used, by whom, state, address (proc_modules(5)).
    for line in text(root.join("proc/modules")).lines() {
        let mut fields = line.split_whitespace();
        let (Some(module), Some(size)) = (fields.next(), fields.next()) else { continue };
        let used_by = fields.nth(1).filter(|used_by| *used_by != "-").unwrap_or_default();
        let used_by = used_by.trim_end_matches(',').replace(',', " ");
        // A name from a file is no path.
        let version = if module.contains(['/', '.']) {
            String::new()
        } else {
            word(root.join("sys/module").join(module).join("version"))
        };
        let row = [
            (C::Name, &module as &dyn std::fmt::Display),
            (C::Version, &version),
            (C::MemoryBytes, &size),
            (C::UsedBy, &used_by),
        ];
        if !table.row(&row) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};
    use std::sync::atomic::AtomicBool;

    use nearhand_protocol::facts::Topic;
    use tempfile::TempDir;

    use super::*;

    fn root(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = root.path().join(path);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, contents).unwrap();
        }
        root
    }

    /// The rows, their cells with a bar between them.
    fn rows(topic: Topic, files: &[(&str, &str)]) -> Vec<String> {
        let (root, go_on) = (root(files), AtomicBool::new(false));
        let mut table = Table::new(topic, &go_on);
        super::super::add(&mut table, root.path());
        table.sheet.rows().iter().map(|row| row.join("|")).collect()
    }

    #[test]
    fn devices() {
        let found = rows(
            Topic::Hardware,
            &[
                ("sys/class/dmi/id/bios_vendor", "SeaBIOS\n"),
                ("sys/class/dmi/id/bios_version", "1.16\n"),
                ("sys/class/dmi/id/bios_date", "04/01/2014\n"),
                ("sys/class/dmi/id/product_serial", "SECRET"),
                ("sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n"),
                ("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n"),
                ("sys/bus/pci/devices/0000:00:02.0/device", "0x9a49\n"),
                ("sys/bus/pci/devices/0000:00:1f.0/class", "0x060100\n"),
                ("sys/class/drm/card0-HDMI-A-1/status", "connected\n"),
                ("sys/class/drm/card0-DP-1/status", "disconnected\n"),
                ("sys/class/power_supply/AC/type", "Mains\n"),
                ("sys/class/power_supply/BAT0/type", "Battery\n"),
                ("sys/class/power_supply/BAT0/capacity", "87\n"),
                ("sys/class/power_supply/BAT0/status", "Discharging\n"),
                ("sys/class/power_supply/BAT0/serial_number", "SECRET"),
            ],
        );
        let expected = [
            "firmware|SeaBIOS||1.16 04/01/2014||||",
            "graphics|0x8086|0x9a49|||||",
            "monitor||card0-HDMI-A-1|||||connected",
            "battery|||||87||discharging",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn routes_and_name_servers() {
        let gateway = u32::from_ne_bytes([192, 0, 2, 1]);
        let route = format!(
            "Iface\tDestination\tGateway\nlo\t00000000\t00000000\nbroken\neth0\t00000000\t{gateway:08X}\t0003\neth0\t000200C0\t00000000\n"
        );
        let found = rows(
            Topic::Network,
            &[
                ("proc/net/route", &route),
                ("etc/resolv.conf", "# nameserver 9.9.9.9\nnameserver 192.0.2.53\nsearch x\nnameserver\n"),
            ],
        );
        assert_eq!(found, ["route|eth0|192.0.2.1||||||", "name server||192.0.2.53||||||"]);
    }

    #[test]
    fn services_of_both_kinds() {
        let found = rows(
            Topic::Services,
            &[
                ("sys/fs/cgroup/system.slice/ssh.service/cgroup.procs", "1\n2\n"),
                ("sys/fs/cgroup/system.slice/dead.service/cgroup.procs", ""),
                ("sys/fs/cgroup/system.slice/deep.service/cgroup.events", "populated 1\nfrozen 0\n"),
                ("sys/fs/cgroup/system.slice/home.mount/cgroup.procs", "3\n"),
                ("etc/systemd/system/multi-user.target.wants/ssh.service", ""),
                ("etc/systemd/system/multi-user.target.wants/cron.service", ""),
                ("etc/systemd/system/other.service", ""),
                ("etc/init.d/old", ""),
            ],
        );
        let expected = ["cron.service|enabled|", "deep.service|running|", "ssh.service|running enabled|2"];
        assert_eq!(found, expected);
        assert_eq!(rows(Topic::Services, &[("etc/init.d/cron", "")]), ["cron|script|"]);
    }

    #[test]
    fn modules() {
        let modules =
            "nf_nat 40960 2 nft_nat,nft_masq, Live 0x0\nsnd 12 0 - Live 0x0\n../x 1 0 - Live\nshort\n";
        let found = rows(
            Topic::Drivers,
            &[("proc/modules", modules), ("sys/module/snd/version", "1.2\n"), ("sys/x/version", "no")],
        );
        assert_eq!(found, ["nf_nat||40960|nft_nat nft_masq", "snd|1.2|12|", "../x||1|"]);
    }
}
