//! What is known of the customer's computer: tables that the customer sees first, and that are sent after a yes.
//!
//! One kind of table for all topics. Its columns have stable names, which each reader translates; its cells are plain
//! text, numbers in digits, sizes in bytes, times in seconds.

use serde::{Deserialize, Serialize};

use crate::wire::{Message, WireError, bounds};

/// Most columns of a table.
pub const MAX_COLUMNS: usize = 12;
/// Most rows of a table.
pub const MAX_ROWS: usize = 10_000;
/// Longest cell, in bytes of UTF-8.
pub const MAX_CELL: usize = 512;
/// Most bytes of cells in one answer, over all its tables.
pub const MAX_BYTES: usize = 4 << 20;
/// Most bytes of cells in one part; with what stands around them it stays below [`crate::channel::Channel::MAX_MESSAGE`].
pub const MAX_PART: usize = 48 * 1024;
/// Most rows in one part.
const MAX_PART_ROWS: usize = 1024;
/// Most parts of a table.
pub const MAX_PARTS: u16 = 128;

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// The operating system: its name and version, since when it runs, language, time zone, desktop. One row.
    System,
    /// Processor, board, graphics, monitors, battery.
    Hardware,
    /// Mounted file systems.
    Disks,
    /// Memory and swap. One row.
    Memory,
    /// Interfaces, addresses, routes and name servers.
    Network,
    /// Running programs; never their arguments or environment.
    Processes,
    /// Installed software.
    Software,
    /// Services of the system.
    Services,
    /// Drivers that are loaded.
    Drivers,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 9] = [
        Self::System,
        Self::Hardware,
        Self::Disks,
        Self::Memory,
        Self::Network,
        Self::Processes,
        Self::Software,
        Self::Services,
        Self::Drivers,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The stable name: in exported files, and of the words in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Hardware => "hardware",
            Self::Disks => "disks",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Processes => "processes",
            Self::Software => "software",
            Self::Services => "services",
            Self::Drivers => "drivers",
        }
    }
}

/// A set of topics. Bits that this version does not know are dropped on receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub struct Topics(u16);

impl Topics {
    /// No topic.
    pub const NONE: Self = Self(0);

    /// The set with this one topic.
    pub const fn only(topic: Topic) -> Self {
        Self(topic.bit())
    }

    /// This set and `topic`.
    #[must_use]
    pub const fn with(self, topic: Topic) -> Self {
        Self(self.0 | topic.bit())
    }

    /// This set but `topic`.
    #[must_use]
    pub const fn without(self, topic: Topic) -> Self {
        Self(self.0 & !topic.bit())
    }

    /// Whether `topic` is in the set.
    pub const fn has(self, topic: Topic) -> bool {
        self.0 & topic.bit() != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The topics in the set.
    pub fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.into_iter().filter(move |topic| self.has(*topic))
    }
}

impl From<u16> for Topics {
    fn from(bits: u16) -> Self {
        Self(Topic::ALL.into_iter().fold(0, |known, topic| known | (bits & topic.bit())))
    }
}

impl From<Topics> for u16 {
    fn from(topics: Topics) -> Self {
        topics.0
    }
}

impl FromIterator<Topic> for Topics {
    fn from_iter<I: IntoIterator<Item = Topic>>(topics: I) -> Self {
        topics.into_iter().fold(Self::NONE, Self::with)
    }
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What the cells of a column say. New ones are added at the end, and only for new topics: who knows a topic
        /// knows its columns.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Column {
            $($(#[$doc])* $name,)*
        }

        impl Column {
            /// Every column.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name: in exported files, and of the words in every language.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

columns! {
    /// A name.
    Name = "name",
    /// A kind: of hardware, of a disk, of an address. One of few words.
    Kind = "kind",
    /// A version.
    Version = "version",
    /// Who makes it.
    Vendor = "vendor",
    /// A further word about it.
    Detail = "detail",
    /// The kernel's name and version.
    Kernel = "kernel",
    /// What the computer is called.
    Machine = "machine",
    /// For how long it runs, in seconds.
    UptimeSeconds = "uptime_seconds",
    /// When it began, in seconds since the Unix epoch.
    Since = "since",
    /// A language, as in BCP 47.
    Language = "language",
    /// A time zone, as in the tz database.
    TimeZone = "time_zone",
    /// The desktop environment.
    Desktop = "desktop",
    /// What draws the screen: the X server's vendor and release.
    DisplayServer = "display_server",
    /// How many.
    Count = "count",
    /// How busy, in percent.
    LoadPercent = "load_percent",
    /// How warm, in degrees Celsius.
    Celsius = "celsius",
    /// Where it is mounted.
    MountPoint = "mount_point",
    /// The file system's name.
    FileSystem = "file_system",
    /// The size of the whole, in bytes.
    TotalBytes = "total_bytes",
    /// Of which used.
    UsedBytes = "used_bytes",
    /// Of which free.
    FreeBytes = "free_bytes",
    /// Swap, in bytes.
    SwapTotalBytes = "swap_total_bytes",
    /// Swap that is used, in bytes.
    SwapUsedBytes = "swap_used_bytes",
    /// `yes` or `no`.
    Removable = "removable",
    /// `yes` or `no`.
    ReadOnly = "read_only",
    /// An address, or several with spaces between them.
    Addresses = "addresses",
    /// A hardware address.
    HardwareAddress = "hardware_address",
    /// The largest packet, in bytes.
    Mtu = "mtu",
    /// Whether it is up, runs, is enabled: one of few words.
    State = "state",
    /// Megabits in a second.
    MegabitsPerSecond = "megabits_per_second",
    /// Bytes received.
    ReceivedBytes = "received_bytes",
    /// Bytes sent.
    SentBytes = "sent_bytes",
    /// The number of a process.
    ProcessId = "process_id",
    /// As whom it runs.
    User = "user",
    /// Of one processor core, in percent.
    CpuPercent = "cpu_percent",
    /// Memory that it takes, in bytes.
    MemoryBytes = "memory_bytes",
    /// Where it comes from: the package manager.
    Source = "source",
    /// Who uses it, with spaces between them.
    UsedBy = "used_by",
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    topic: Topic,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    bytes: usize,
    cut: bool,
}

impl Sheet {
    /// An empty table. Columns past [`MAX_COLUMNS`] are left out.
    pub fn new(topic: Topic, columns: &[Column]) -> Self {
        let columns = columns.iter().copied().take(MAX_COLUMNS).collect();
        Self { topic, columns, rows: Vec::new(), bytes: 0, cut: false }
    }

    /// Another row: missing cells are empty, those too many are left out, long ones are cut at a character's border.
    /// False, and the table is cut here: it is full.
    pub fn push<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) -> bool {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).take(self.columns.len()).collect();
        cells.resize(self.columns.len(), String::new());
        for cell in &mut cells {
            let mut end = cell.len().min(MAX_CELL);
            while !cell.is_char_boundary(end) {
                end -= 1;
            }
            cell.truncate(end);
        }
        let bytes = weight(&cells);
        if self.cut || self.rows.len() == MAX_ROWS || self.bytes + bytes > MAX_BYTES {
            self.cut = true;
            return false;
        }
        self.bytes += bytes;
        self.rows.push(cells);
        true
    }

    /// What it is about.
    pub const fn topic(&self) -> Topic {
        self.topic
    }

    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its rows, each with a cell for each column.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Bytes that it counts for [`MAX_BYTES`].
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there was more than it holds.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The table in parts that each fit into a message; at least one.
    pub fn parts(&self) -> Vec<FactsMessage> {
        let mut pieces: Vec<Vec<Vec<String>>> = vec![Vec::new()];
        let mut filled = 0;
        for row in &self.rows {
            let bytes = weight(row);
            let last = pieces.len() - 1;
            if filled + bytes > MAX_PART || pieces[last].len() == MAX_PART_ROWS {
                pieces.push(vec![row.clone()]);
                filled = bytes;
            } else {
                pieces[last].push(row.clone());
                filled += bytes;
            }
        }
        let count = pieces.len();
        let part = |(index, rows): (usize, Vec<Vec<String>>)| {
            FactsMessage::Sheet(SheetPart {
                topic: self.topic,
                part: index as u16,
                last: index + 1 == count,
                cut: self.cut,
                columns: self.columns.clone(),
                rows,
            })
        };
        pieces.into_iter().enumerate().map(part).collect()
    }
}

/// What a row counts for: its cells and what the encoding puts around them.
fn weight(cells: &[String]) -> usize {
    cells.iter().map(|cell| cell.len() + 2).sum::<usize>() + 1
}

/// A part of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetPart {
    /// Of which.
    pub topic: Topic,
    /// Counts the parts of this table, from 0.
    pub part: u16,
    /// No part follows.
    pub last: bool,
    /// There was more than the table holds.
    pub cut: bool,
    /// The columns; the same in each part of a table.
    pub columns: Vec<Column>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// What goes over the facts channel, from the host to the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FactsMessage {
    /// A part of a table.
    Sheet(SheetPart),
    /// Everything that the customer agreed to has been sent.
    Done {
        /// The tables that were sent.
        topics: Topics,
    },
    /// The customer said no, or took the yes back: what came of this answer is void.
    Refused,
}

impl Message for FactsMessage {
    const MAX: usize = MAX_PART + 4 * 1024;

    fn check(&self) -> Result<(), WireError> {
        let Self::Sheet(SheetPart { part, columns, rows, .. }) = self else { return Ok(()) };
        bounds(*part < MAX_PARTS, "number of parts")?;
        bounds(!columns.is_empty() && columns.len() <= MAX_COLUMNS, "number of columns")?;
        bounds(rows.len() <= MAX_PART_ROWS, "number of rows")?;
        bounds(rows.iter().all(|row| row.len() == columns.len()), "row length")?;
        bounds(rows.iter().flatten().all(|cell| cell.len() <= MAX_CELL), "cell length")
    }
}

/// Tables on their way in, bounded whatever the sender says.
#[derive(Debug, Default)]
pub struct Gathering {
    sheets: Vec<Sheet>,
    /// How many parts of the newest table have come, while more of it are to come.
    open: Option<u16>,
    bytes: usize,
}

/// A part that can't follow what came before, or is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part of a table that does not fit what came before")]
pub struct OutOfTurn;

impl Gathering {
    /// The next part. One that does not follow what came before, or is too much, voids everything.
    pub fn take(&mut self, part: SheetPart) -> Result<(), OutOfTurn> {
        let taken = self.add(part);
        if taken.is_none() {
            *self = Self::default();
        }
        taken.ok_or(OutOfTurn)
    }

    fn add(&mut self, part: SheetPart) -> Option<()> {
        let SheetPart { topic, part: number, last, cut, columns, rows } = part;
        match self.open.take() {
            None => {
                let new = number == 0 && self.sheets.iter().all(|sheet| sheet.topic != topic);
                new.then(|| self.sheets.push(Sheet::new(topic, &columns)))?;
            }
            Some(next) => {
                let open = self.sheets.last()?;
                (open.topic == topic && next == number && open.columns == columns).then_some(())?;
            }
        }
        let sheet = self.sheets.last_mut()?;
        for row in rows {
            let before = sheet.bytes;
            sheet.push(row).then_some(())?;
            self.bytes += sheet.bytes - before;
        }
        (self.bytes <= MAX_BYTES).then_some(())?;
        if last {
            sheet.cut = cut;
        } else {
            self.open = Some(number.checked_add(1)?);
        }
        Some(())
    }

    /// Everything that came, where this is everything that was meant to; the gathering is empty afterwards.
    pub fn finish(&mut self, topics: Topics) -> Result<Vec<Sheet>, OutOfTurn> {
        let Self { sheets, open, .. } = core::mem::take(self);
        let came: Topics = sheets.iter().map(Sheet::topic).collect();
        if open.is_none() && came == topics { Ok(sheets) } else { Err(OutOfTurn) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{decode, encode};

    fn part(message: &FactsMessage) -> SheetPart {
        let bytes = encode(message).unwrap();
        let FactsMessage::Sheet(part) = decode(&bytes).unwrap() else { panic!("no table") };
        part
    }

    #[test]
    fn names_and_bits_are_no_two_the_same() {
        let mut names: Vec<_> = Column::ALL.iter().map(|column| column.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Column::ALL.len());
        assert_eq!(Topics::from(u16::MAX).iter().count(), Topic::ALL.len());
        assert_eq!(Topics::from(0xfe00), Topics::NONE);
        let mut names: Vec<_> = Topic::ALL.iter().map(|topic| topic.as_str()).collect();
        names.dedup();
        assert_eq!(names.len(), Topic::ALL.len());
    }

    #[test]
    fn rows_fit_their_columns_and_a_full_table_is_cut() {
        let mut sheet = Sheet::new(Topic::Disks, &[Column::Name, Column::FreeBytes]);
        assert!(sheet.push(["/", "1", "too many"]) && sheet.push(["only one"]));
        assert!(sheet.push(["ä".repeat(MAX_CELL)]));
        assert_eq!(sheet.rows()[1], ["only one", ""]);
        assert_eq!(sheet.rows()[2][0].len(), MAX_CELL);
        while sheet.push(["x"]) {}
        assert_eq!((sheet.rows().len(), sheet.is_cut()), (MAX_ROWS, true));
        assert!(!sheet.push(["x"]));
        let mut wide = Sheet::new(Topic::Software, &[Column::Name; 99]);
        assert_eq!(wide.columns().len(), MAX_COLUMNS);
        while wide.push(vec!["y".repeat(MAX_CELL); MAX_COLUMNS]) {}
        assert!(wide.is_cut() && wide.bytes() <= MAX_BYTES);
        assert!(wide.parts().len() <= MAX_PARTS.into(), "{}", wide.parts().len());
    }

    #[test]
    fn parts_out_of_turn_void_everything() {
        let mut sheet = Sheet::new(Topic::Processes, &[Column::Name]);
        while sheet.rows().len() < 5000 {
            sheet.push(["a process"]);
        }
        let parts: Vec<_> = sheet.parts().iter().map(part).collect();
        assert!(parts.len() > 2);
        let other = SheetPart { topic: Topic::Drivers, part: 0, ..parts[0].clone() };
        let renamed = SheetPart { columns: vec![Column::User], ..parts[1].clone() };
        for wrong in [&parts[0], &parts[2], &other, &renamed] {
            let mut gathering = Gathering::default();
            assert_eq!(gathering.take(parts[0].clone()), Ok(()));
            assert_eq!(gathering.take(wrong.clone()), Err(OutOfTurn));
            assert_eq!(gathering.finish(Topics::NONE), Ok(Vec::new()));
        }
        let mut gathering = Gathering::default();
        assert_eq!(gathering.take(parts[0].clone()), Ok(()));
        assert_eq!(gathering.finish(Topics::only(Topic::Processes)), Err(OutOfTurn), "half of it");
    }

    #[test]
    fn a_sender_without_end_is_stopped() {
        let mut sheet = Sheet::new(Topic::Software, &[Column::Name; MAX_COLUMNS]);
        while sheet.push(vec!["y".repeat(MAX_CELL); MAX_COLUMNS]) {}
        let mut gathering = Gathering::default();
        for message in sheet.parts() {
            gathering.take(part(&message)).unwrap();
        }
        // Each table is within its bounds; all of them together are not.
        let more = sheet.parts().iter().map(part).find_map(|part| {
            let part = SheetPart { topic: Topic::Services, ..part };
            gathering.take(part).err()
        });
        assert_eq!(more, Some(OutOfTurn));
    }

    proptest! {
        /// Whatever the cells: what is sent in parts arrives as it was.
        #[test]
        fn tables_arrive_whole(rows in prop::collection::vec(prop::collection::vec(".{0,300}", 0..4), 0..60), columns in 1..4_usize) {
            let mut sheet = Sheet::new(Topic::Network, &Column::ALL[..columns]);
            for row in rows {
                sheet.push(row);
            }
            let mut gathering = Gathering::default();
            for message in sheet.parts() {
                gathering.take(part(&message)).unwrap();
            }
            prop_assert_eq!(gathering.finish(Topics::only(Topic::Network)), Ok(vec![sheet]));
        }
    }
}
