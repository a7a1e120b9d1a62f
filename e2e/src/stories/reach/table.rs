//! The README's table of networks: collected while the cases are played, compared, and written when asked to.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

use super::super::story;
use crate::ends::Path;
use crate::lab::Nat;
use crate::runner::{Skipped, Story};
use crate::stage::Stage;

const BEGIN: &str = "<!-- Written by NEARHAND_BLESS=1 cargo xtask story reach -->";
const END: &str = "<!-- Until here -->";

pub(super) fn stories() -> Vec<Story> {
    vec![story!("the_readme_tells_what_was_found", 10, table)]
}

/// What an end's network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Nat(Nat),
    NoUdp,
    Only443,
    HttpProxy,
    Socks,
    OnlyV6,
}

impl Network {
    /// In the table's words.
    pub(super) fn name(self) -> String {
        match self {
            Self::Nat(nat) => format!("{nat} NAT"),
            Self::NoUdp => "UDP blocked".into(),
            Self::Only443 => "TCP to port 443 only".into(),
            Self::HttpProxy => "HTTP proxy only".into(),
            Self::Socks => "SOCKS5 proxy only".into(),
            Self::OnlyV6 => "IPv6 only".into(),
        }
    }

    /// In the table: a network that has nothing special is behind the commonest NAT.
    fn short(self) -> String {
        if self == Self::ORDINARY { "ordinary".into() } else { self.name() }
    }

    pub(super) const ORDINARY: Self = Self::Nat(Nat::PortRestricted);
}

/// A case that was played.
struct Row {
    customer: Network,
    technician: Network,
    /// Path and seconds to the first frame, if it connected.
    found: Option<(Path, f64)>,
}

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Takes a result in.
pub(super) fn note(customer: Network, technician: Network, found: Option<(Path, f64)>) {
    ROWS.lock().unwrap_or_else(PoisonError::into_inner).push(Row { customer, technician, found });
}

/// All cases but those of NAT and NAT, in the order in which they are shown.
pub(super) const OTHERS: [(Network, Network, Path); 15] = {
    use Network::{HttpProxy, NoUdp, Only443, OnlyV6, Socks};
    use Path::{Direct, Relayed};
    const PLAIN: Network = Network::ORDINARY;
    [
        (NoUdp, PLAIN, Relayed),
        (PLAIN, NoUdp, Relayed),
        (NoUdp, NoUdp, Relayed),
        (Only443, PLAIN, Relayed),
        (PLAIN, Only443, Relayed),
        (Only443, Only443, Relayed),
        (HttpProxy, PLAIN, Relayed),
        (PLAIN, HttpProxy, Relayed),
        (HttpProxy, HttpProxy, Relayed),
        (Socks, PLAIN, Relayed),
        (PLAIN, Socks, Relayed),
        (Socks, Socks, Relayed),
        (OnlyV6, OnlyV6, Direct),
        (OnlyV6, PLAIN, Relayed),
        (PLAIN, OnlyV6, Relayed),
    ]
};

fn render(rows: &[Row]) -> Option<String> {
    let find = |customer, technician| {
        rows.iter().rev().find(|row| row.customer == customer && row.technician == technician)
    };
    let mut text = "| customer's router ↓, technician's → |".to_owned();
    for nat in Nat::ALL {
        let _ = write!(text, " {nat} |");
    }
    text += "\n|---|---|---|---|---|\n";
    for customer in Nat::ALL {
        let _ = write!(text, "| {customer} |");
        for technician in Nat::ALL {
            let cell = match find(Network::Nat(customer), Network::Nat(technician))?.found {
                Some((path, seconds)) => format!("{}, {seconds:.1} s", path.name()),
                None => "not connected".into(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text += "\n| customer's network | technician's network | connected | path | first frame after |\n";
    text += "|---|---|---|---|---|\n";
    for (customer, technician, _) in OTHERS {
        let found = find(customer, technician)?.found;
        let (customer, technician) = (customer.short(), technician.short());
        let _ = match found {
            Some((path, seconds)) => {
                writeln!(text, "| {customer} | {technician} | yes | {} | {seconds:.1} s |", path.name())
            }
            None => writeln!(text, "| {customer} | {technician} | no | – | – |"),
        };
    }
    Some(text)
}

/// The text with all seconds alike: they differ from run to run.
fn without_seconds(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        words.push(if word.parse::<f64>().is_ok() { "n" } else { word });
    }
    words.join(" ")
}

async fn table(stage: &Stage) -> Result<()> {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(found) = render(&rows) else {
        return Err(Skipped("not all cases were played".into()).into());
    };
    println!("{found}");
    let path = &stage.places.readme;
    let readme = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let (before, rest) = readme.split_once(BEGIN).context("the README has no place for the table")?;
    let (written, after) = rest.split_once(END).context("the README's table has no end")?;
    if stage.places.bless {
        let text = format!("{before}{BEGIN}\n{found}{END}{after}");
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        return Ok(());
    }
    if without_seconds(written.trim()) == without_seconds(found.trim()) {
        return Ok(());
    }
    let differing = written.trim().lines().zip(found.trim().lines());
    let differing = differing.filter(|(old, new)| without_seconds(old) != without_seconds(new));
    let lines: Vec<String> = differing.map(|(old, new)| format!("- {old}\n+ {new}")).collect();
    ensure!(!lines.is_empty(), "the README's table has another number of lines: set NEARHAND_BLESS=1");
    bail!("the README says something else; NEARHAND_BLESS=1 writes it anew:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let nats = Nat::ALL.map(Network::Nat);
        let pairs = nats.into_iter().flat_map(|customer| nats.map(|technician| (customer, technician)));
        let others = OTHERS.into_iter().map(|(customer, technician, _)| (customer, technician));
        let row = |(customer, technician)| Row { customer, technician, found: Some((Path::Direct, 1.23)) };
        pairs.chain(others).map(row).collect()
    }

    #[test]
    fn only_a_whole_table_is_shown() {
        let mut rows = rows();
        assert!(render(&rows).is_some());
        rows.pop();
        assert!(render(&rows).is_none());
    }

    #[test]
    fn seconds_make_no_difference_but_all_else_does() {
        let mut rows = rows();
        let table = |rows: &[Row]| without_seconds(&render(rows).unwrap());
        let before = table(&rows);
        rows[3].found = Some((Path::Direct, 9.87));
        assert_eq!(table(&rows), before);
        rows[3].found = Some((Path::Relayed, 1.23));
        assert_ne!(table(&rows), before);
        rows[3].found = None;
        assert_ne!(table(&rows), before);
    }
}
