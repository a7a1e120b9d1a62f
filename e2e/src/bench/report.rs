//! The table of the measurements and its JSON.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The row of the table of goals.
    pub(crate) id: &'static str,
    pub(crate) metric: String,
    /// One for each time that the row was measured.
    values: Vec<f64>,
    pub(crate) unit: &'static str,
    /// How many measurements are behind it, over all times.
    pub(crate) runs: usize,
    pub(crate) goal: Option<Goal>,
}

impl Figure {
    /// The middle one of its values; of an even number the mean of the two in the middle.
    fn value(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    fn lowest(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn highest(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn row(&self) -> Row<'_> {
        let value = self.value();
        Row {
            id: self.id,
            metric: &self.metric,
            value,
            unit: self.unit,
            runs: self.runs,
            rounds: self.values.len(),
            low: self.lowest(),
            high: self.highest(),
            met: self.goal.map(|goal| goal.met(value)),
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(goal) => value <= goal,
            Self::AtLeast(goal) => value >= goal,
        }
    }
}

/// All figures of a run.
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    left_out: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Json<'a> {
    machine: &'a Machine,
    rows: Vec<Row<'a>>,
}

/// A figure in JSON.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    metric: &'a str,
    /// Of several rounds the median.
    value: f64,
    unit: &'a str,
    runs: usize,
    rounds: usize,
    low: f64,
    high: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
}

#[derive(Serialize)]
struct Machine {
    cores: usize,
    processor: String,
    memory_mb: u64,
    system: String,
    /// Over one minute, before the run: what else the machine did.
    load: String,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { machine: Machine::this(), figures: Vec::new(), left_out: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        id: &'static str,
        metric: &str,
        value: f64,
        unit: &'static str,
        runs: usize,
        goal: Option<Goal>,
    ) {
        let value = (value * 1000.0).round() / 1000.0;
        let now = Figure { id, metric: metric.to_owned(), values: vec![value], unit, runs, goal };
        println!("{}", line(&now));
        match self.figures.iter_mut().find(|figure| figure.id == id && figure.metric == metric) {
            Some(figure) => {
                figure.values.push(value);
                figure.runs += runs;
                // A peer of the same run sets some goals: the last one stands.
                figure.goal = goal;
            }
            None => self.figures.push(now),
        }
    }

    pub(crate) fn leave_out(&mut self, id: &str, why: &str) {
        println!("{id:<18} not measured: {}", why.replace('\n', " "));
        self.left_out.push((id.to_owned(), why.to_owned()));
    }

    pub(crate) fn print(&self) {
        println!(
            "\n{:<18} {:<28} {:>10} {:<8} {:>6}  {:<19} goal",
            "figure", "metric", "value", "unit", "runs", "low … high"
        );
        for figure in &self.figures {
            println!("{}", line(figure));
        }
        for (id, why) in &self.left_out {
            println!("{id:<18} not measured: {}", why.lines().next().unwrap_or_default());
        }
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&Json { machine: &self.machine, rows: self.rows() })?;
        std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }
}

impl Report {
    fn rows(&self) -> Vec<Row<'_>> {
        self.figures.iter().map(Figure::row).collect()
    }
}

fn line(figure: &Figure) -> String {
    let Figure { id, metric, values, unit, runs, goal } = figure;
    let value = figure.value();
    let goal = goal.map_or_else(String::new, |goal| {
        let (sign, number) = match goal {
            Goal::AtMost(number) => ('≤', number),
            Goal::AtLeast(number) => ('≥', number),
        };
        format!("{sign} {number}{}", if goal.met(value) { "" } else { "  missed" })
    });
    let spread = if values.len() > 1 {
        format!("{} … {}", number(figure.lowest()), number(figure.highest()))
    } else {
        String::new()
    };
    let text =
        format!("{id:<18} {metric:<28} {:>10} {unit:<8} {runs:>6}  {spread:<19} {goal}", number(value));
    text.trim_end().to_owned()
}

/// Three digits that count.
fn number(value: f64) -> String {
    let decimals = usize::from(value.abs() < 100.0) + usize::from(value.abs() < 10.0);
    format!("{value:.decimals$}")
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            memory_mb: memory.split(' ').next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024,
            system: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// The value below which this part of the sorted values lies; nearest rank.
pub(crate) fn percentile(values: &mut [f64], part: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let rank = (part * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_rounds_give_their_median() {
        let mut report = Report::new();
        for value in [9.0, 1.0, 5.0, 100.0] {
            report.add("idle", "rate", value, "B/s", 2, Some(Goal::AtMost(6.0)));
        }
        let rows = report.rows();
        assert_eq!(rows.len(), 1);
        let Row { value, low, high, runs, rounds, met, .. } = rows[0];
        assert_eq!((value, low, high, runs, rounds, met), (7.0, 1.0, 100.0, 8, 4, Some(false)));
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((percentile(&mut values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&mut values, 0.95) - 95.0).abs() < f64::EPSILON);
        assert!((percentile(&mut [7.0], 0.95) - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&mut [], 0.5).is_nan());
    }
}
