//! What is known of this computer, as tables; for the customer first, who sees what would be sent.
//!
//! No program is started and nothing is written. Never read: arguments, environment and folders of processes, where passwords stand;
//! serial numbers.

#[cfg(target_os = "linux")]
mod linux;
mod machine;

use std::sync::atomic::{AtomicBool, Ordering};

use nearhand_protocol::facts::{Column, Sheet, Topic};

/// Finds out what is known of the topic. It takes a second at most on most computers, and ends soon when `stop` becomes true: the table
/// has what was found so far. What can't be read is left out.
pub fn collect(topic: Topic, stop: &AtomicBool) -> Sheet {
    let mut table = Table::new(topic, stop);
    match topic {
        Topic::System => machine::system(&mut table),
        Topic::Hardware => machine::hardware(&mut table),
        Topic::Disks => machine::disks(&mut table),
        Topic::Memory => machine::memory(&mut table),
        Topic::Network => machine::network(&mut table),
        Topic::Processes => machine::processes(&mut table),
        Topic::Software | Topic::Services | Topic::Drivers => {}
    }
    #[cfg(target_os = "linux")]
    linux::add(&mut table, std::path::Path::new("/"));
    table.sheet
}

/// The columns of a topic's table. Only these are ever filled.
fn columns(topic: Topic) -> &'static [Column] {
    use Column as C;
    match topic {
        Topic::System => &[
            C::Name,
            C::Version,
            C::Kernel,
            C::Machine,
            C::UptimeSeconds,
            C::Since,
            C::Language,
            C::TimeZone,
            C::Desktop,
        ],
        Topic::Hardware => {
            &[C::Kind, C::Vendor, C::Name, C::Version, C::Count, C::LoadPercent, C::Celsius, C::State]
        }
        Topic::Disks => &[
            C::Name,
            C::MountPoint,
            C::FileSystem,
            C::Kind,
            C::TotalBytes,
            C::FreeBytes,
            C::Removable,
            C::ReadOnly,
        ],
        Topic::Memory => &[C::TotalBytes, C::UsedBytes, C::FreeBytes, C::SwapTotalBytes, C::SwapUsedBytes],
        Topic::Network => &[
            C::Kind,
            C::Name,
            C::Addresses,
            C::HardwareAddress,
            C::Mtu,
            C::State,
            C::MegabitsPerSecond,
            C::ReceivedBytes,
            C::SentBytes,
        ],
        Topic::Processes => &[C::ProcessId, C::Name, C::User, C::CpuPercent, C::MemoryBytes, C::Since],
        Topic::Software => &[C::Name, C::Version, C::Source],
        Topic::Services => &[C::Name, C::State, C::Count],
        Topic::Drivers => &[C::Name, C::Version, C::MemoryBytes, C::UsedBy],
    }
}

/// A table that is being filled.
struct Table<'a> {
    sheet: Sheet,
    topic: Topic,
    stop: &'a AtomicBool,
}

impl<'a> Table<'a> {
    fn new(topic: Topic, stop: &'a AtomicBool) -> Self {
        Self { sheet: Sheet::new(topic, columns(topic)), topic, stop }
    }

    /// Adds a row with these cells, in whatever order; the others stay empty. False: it is full, or to stop.
    fn row(&mut self, cells: &[(Column, &dyn std::fmt::Display)]) -> bool {
        if self.is_stopped() {
            return false;
        }
        let row = columns(self.topic).iter().map(|column| {
            let cell = cells.iter().find(|(other, _)| other == column);
            cell.map_or_else(String::new, |(_, value)| plain(&value.to_string()))
        });
        self.sheet.push(row)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A stranger's text on one line, without control characters.
fn plain(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Sheet> {
        let go_on = AtomicBool::new(false);
        Topic::ALL.into_iter().map(move |topic| collect(topic, &go_on))
    }

    #[test]
    fn every_topic_has_its_columns_and_plain_cells() {
        for sheet in all() {
            assert_eq!(sheet.columns(), columns(sheet.topic()), "all of them fit");
            for row in sheet.rows() {
                assert_eq!(row.len(), sheet.columns().len());
                assert!(row.iter().any(|cell| !cell.is_empty()), "{:?}", sheet.topic());
                assert!(row.iter().all(|cell| !cell.contains(char::is_control)), "{row:?}");
            }
        }
    }

    #[test]
    fn this_computer_has_memory_and_this_program_runs() {
        let cell = |sheet: &Sheet, row: &[String], column| {
            let at = sheet.columns().iter().position(|other| *other == column).unwrap();
            row[at].clone()
        };
        let go_on = AtomicBool::new(false);
        let memory = collect(Topic::Memory, &go_on);
        assert_eq!(memory.rows().len(), 1);
        assert!(cell(&memory, &memory.rows()[0], Column::TotalBytes).parse::<u64>().unwrap() > 1 << 20);
        let processes = collect(Topic::Processes, &go_on);
        let own = std::process::id().to_string();
        let rows = processes.rows();
        let row = rows.iter().find(|row| cell(&processes, row, Column::ProcessId) == own);
        assert!(row.is_some(), "among {} processes", rows.len());
    }

    #[cfg(unix)]
    #[test]
    fn secrets_of_processes_are_in_no_table() {
        struct Sleeper(std::process::Child);
        impl Drop for Sleeper {
            fn drop(&mut self) {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
        }
        let (argument, variable) = ("77.314159265358979", "hunter2-of-the-environment");
        let mut command = std::process::Command::new("sleep");
        let sleeper = Sleeper(command.arg(argument).env("PASSWORD", variable).spawn().unwrap());
        let id = sleeper.0.id().to_string();
        let mut there = false;
        for sheet in all() {
            for cell in sheet.rows().iter().flatten() {
                there |= sheet.topic() == Topic::Processes && *cell == id;
                assert!(!cell.contains(argument) && !cell.contains(variable), "{cell}");
            }
        }
        assert!(there, "the program itself is listed");
    }

    #[test]
    fn stops_when_told() {
        let stop = AtomicBool::new(true);
        for topic in Topic::ALL {
            assert!(collect(topic, &stop).rows().is_empty(), "{topic:?}");
        }
    }

    #[test]
    fn cells_are_plain() {
        assert_eq!(plain(" a\tb\n\u{7}c\u{9b} "), "a b  c");
    }
}
