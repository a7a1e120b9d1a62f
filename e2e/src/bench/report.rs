//! The table of the measurements and its JSON.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// The row of the table of goals.
    pub(crate) id: &'static str,
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// How many measurements are behind it.
    pub(crate) runs: usize,
    #[serde(skip)]
    pub(crate) goal: Option<Goal>,
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
    rows: &'a [Figure],
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
        let figure = Figure {
            id,
            metric: metric.to_owned(),
            value: (value * 1000.0).round() / 1000.0,
            unit,
            runs,
            goal,
        };
        println!("{}", line(&figure));
        self.figures.push(figure);
    }

    pub(crate) fn leave_out(&mut self, id: &str, why: &str) {
        println!("{id:<18} not measured: {}", why.replace('\n', " "));
        self.left_out.push((id.to_owned(), why.to_owned()));
    }

    pub(crate) fn print(&self) {
        println!("\n{:<18} {:<26} {:>12} {:<8} {:>5}  goal", "figure", "metric", "value", "unit", "runs");
        for figure in &self.figures {
            println!("{}", line(figure));
        }
        for (id, why) in &self.left_out {
            println!("{id:<18} not measured: {}", why.lines().next().unwrap_or_default());
        }
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&Json { machine: &self.machine, rows: &self.figures })?;
        std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }
}

fn line(figure: &Figure) -> String {
    let Figure { id, metric, value, unit, runs, goal } = figure;
    let goal = goal.map_or_else(String::new, |goal| {
        let (sign, number) = match goal {
            Goal::AtMost(number) => ('≤', number),
            Goal::AtLeast(number) => ('≥', number),
        };
        format!("{sign} {number}{}", if goal.met(*value) { "" } else { "  missed" })
    });
    let decimals = usize::from(*value < 100.0) + usize::from(*value < 10.0);
    format!("{id:<18} {metric:<26} {value:>12.decimals$} {unit:<8} {runs:>5}  {goal}")
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
    fn percentiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert!((percentile(&mut values, 0.5) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&mut values, 0.95) - 95.0).abs() < f64::EPSILON);
        assert!((percentile(&mut [7.0], 0.95) - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&mut [], 0.5).is_nan());
    }
}
