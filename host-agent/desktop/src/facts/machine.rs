//! What is asked of every system in the same way.

use std::collections::BTreeMap;
use std::thread::sleep;

use nearhand_protocol::facts::Column as C;
use sysinfo::{
    Components, CpuRefreshKind, DiskKind, Disks, InterfaceOperationalState, MINIMUM_CPU_UPDATE_INTERVAL,
    Motherboard, Networks, Process, ProcessRefreshKind, ProcessesToUpdate, Product, System, UpdateKind,
};

use super::Table;

pub(super) fn system(table: &mut Table) {
    let language = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    table.row(&[
        (C::Name, &System::name().unwrap_or_default()),
        (C::Version, &System::os_version().unwrap_or_default()),
        (C::Kernel, &System::kernel_long_version().unwrap_or_default()),
        (C::Machine, &System::host_name().unwrap_or_default()),
        (C::UptimeSeconds, &number(System::uptime().ok())),
        (C::Since, &number(System::boot_time().ok())),
        (C::Language, &language.map(|language| tag(&language)).unwrap_or_default()),
        (C::TimeZone, &time_zone().unwrap_or_default()),
        (C::Desktop, &set("XDG_CURRENT_DESKTOP").unwrap_or_default()),
    ]);
}

pub(super) fn hardware(table: &mut Table) {
    if table.is_stopped() {
        return;
    }
    if let Ok(mut system) = System::new() {
        // Load is the difference of two looks.
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        sleep(MINIMUM_CPU_UPDATE_INTERVAL);
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        if let Some(first) = system.cpus().first() {
            table.row(&[
                (C::Kind, &"processor"),
                (C::Vendor, &first.vendor_id()),
                (C::Name, &first.brand()),
                (C::Count, &system.cpus().len()),
                (C::LoadPercent, &format!("{:.0}", system.global_cpu_usage())),
            ]);
        }
    }
    let product = [Product::vendor_name().ok(), Product::name().ok(), Product::version().ok()];
    part(table, "computer", product.map(Option::unwrap_or_default));
    if let Ok(board) = Motherboard::new() {
        let told = [board.vendor_name(), board.name(), board.version()];
        part(table, "board", told.map(Option::unwrap_or_default));
    }
    if let Ok(components) = Components::new_with_refreshed_list() {
        for component in &components {
            let Some(celsius) = component.temperature().filter(|celsius| celsius.is_finite()) else {
                continue;
            };
            table.row(&[
                (C::Kind, &"sensor"),
                (C::Name, &component.label()),
                (C::Celsius, &format!("{celsius:.0}")),
            ]);
        }
    }
}

fn part(table: &mut Table, kind: &str, [vendor, name, version]: [String; 3]) {
    if !vendor.trim().is_empty() || !name.trim().is_empty() {
        table.row(&[(C::Kind, &kind), (C::Vendor, &vendor), (C::Name, &name), (C::Version, &version)]);
    }
}

pub(super) fn disks(table: &mut Table) {
    let Ok(disks) = Disks::new_with_refreshed_list() else { return };
    for disk in &disks {
        let kind = match disk.kind() {
            DiskKind::HDD => "hdd",
            DiskKind::SSD => "ssd",
            DiskKind::Unknown(_) => "",
        };
        table.row(&[
            (C::Name, &disk.name().to_string_lossy()),
            (C::MountPoint, &disk.mount_point().display()),
            (C::FileSystem, &disk.file_system().to_string_lossy()),
            (C::Kind, &kind),
            (C::TotalBytes, &disk.total_space()),
            (C::FreeBytes, &disk.available_space()),
            (C::Removable, &yes(disk.is_removable())),
            (C::ReadOnly, &yes(disk.is_read_only())),
        ]);
    }
}

pub(super) fn memory(table: &mut Table) {
    let Ok(mut system) = System::new() else { return };
    system.refresh_memory();
    table.row(&[
        (C::TotalBytes, &system.total_memory()),
        (C::UsedBytes, &system.used_memory()),
        (C::FreeBytes, &system.available_memory()),
        (C::SwapTotalBytes, &system.total_swap()),
        (C::SwapUsedBytes, &system.used_swap()),
    ]);
}

pub(super) fn network(table: &mut Table) {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return };
    let interfaces: BTreeMap<_, _> = networks.iter().collect();
    for (name, told) in interfaces {
        let mut addresses: Vec<String> =
            told.ip_networks().iter().map(|net| format!("{}/{}", net.addr, net.prefix)).collect();
        addresses.sort_unstable();
        let state = match told.operational_state() {
            InterfaceOperationalState::Up => "up",
            InterfaceOperationalState::Down => "down",
            _ => "",
        };
        let hardware = told.mac_address();
        let hardware = if hardware.0 == [0; 6] { String::new() } else { hardware.to_string() };
        table.row(&[
            (C::Kind, &"interface"),
            (C::Name, &name.to_string_lossy()),
            (C::Addresses, &addresses.join(" ")),
            (C::HardwareAddress, &hardware),
            (C::Mtu, &told.mtu()),
            (C::State, &state),
            (C::MegabitsPerSecond, &number(told.transmit_link_speed().map(|bits| bits / 1_000_000))),
            (C::ReceivedBytes, &told.total_received()),
            (C::SentBytes, &told.total_transmitted()),
        ]);
    }
}

pub(super) fn processes(table: &mut Table) {
    if table.is_stopped() {
        return;
    }
    let Ok(mut system) = System::new() else { return };
    // Neither arguments nor environment are asked for: what is not read can't be sent.
    let what = ProcessRefreshKind::nothing()
        .with_cpu()
        .with_memory()
        .with_user(UpdateKind::OnlyIfNotSet)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    sleep(MINIMUM_CPU_UPDATE_INTERVAL);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let users = users();
    let processes: BTreeMap<_, _> = system.processes().iter().collect();
    for (id, process) in processes {
        let user = account_of(process);
        let user = users.get(&user).unwrap_or(&user);
        let more = table.row(&[
            (C::ProcessId, id),
            (C::Name, &process.name().to_string_lossy()),
            (C::User, user),
            (C::CpuPercent, &format!("{:.1}", process.cpu_usage())),
            (C::MemoryBytes, &process.memory()),
            (C::Since, &process.start_time()),
        ]);
        if !more {
            return;
        }
    }
}

/// The number of the account that it runs as.
#[cfg(unix)]
fn account_of(process: &Process) -> String {
    process.user_id().map(|user| u32::to_string(user)).unwrap_or_default()
}

#[cfg(not(unix))]
fn account_of(_: &Process) -> String {
    String::new()
}

/// The names of those who have accounts here, by their numbers.
fn users() -> BTreeMap<String, String> {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    accounts.lines().filter_map(account).collect()
}

/// `name:password:number:…` (passwd(5)).
fn account(line: &str) -> Option<(String, String)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((fields.nth(1)?.to_owned(), name.to_owned()))
}

/// Where `/etc/localtime` leads to.
fn time_zone() -> Option<String> {
    let told = std::fs::read_link("/etc/localtime").ok()?;
    let (_, zone) = told.to_str()?.split_once("zoneinfo/")?;
    Some(zone.to_owned())
}

/// `de_AT.UTF-8` as BCP 47 has it: `de-AT`.
fn tag(locale: &str) -> String {
    let name = locale.split(['.', '@']).next().unwrap_or_default();
    if name == "C" || name == "POSIX" { "en".to_owned() } else { name.replace('_', "-") }
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_and_accounts() {
        for (locale, expected) in
            [("de_AT.UTF-8", "de-AT"), ("sr_RS@latin", "sr-RS"), ("C.UTF-8", "en"), ("ar", "ar")]
        {
            assert_eq!(tag(locale), expected);
        }
        let account = |line| account(line).map(|(number, name)| format!("{number} {name}"));
        assert_eq!(account("root:x:0:0:root:/root:/bin/sh").as_deref(), Some("0 root"));
        assert_eq!(account("broken:x"), None);
        assert_eq!(account(""), None);
    }
}
