//! The last minute of one figure, and its graph: pure.

use core::fmt::Write as _;
use std::collections::VecDeque;

/// How many values are kept: one each second.
const KEPT: usize = 60;
/// The graph's width and height, in units of its own: as in the page's `viewBox`.
pub(crate) const GRAPH: (f64, f64) = (118.0, 24.0);
/// No figure has more digits.
const MOST_DIGITS: usize = 12;
/// From one value to the next, in the same units: the oldest of all lies at the left edge, the newest at the right.
const STEP: f64 = GRAPH.0 / (KEPT - 1) as f64;

/// The values of the last minute, oldest first; `None` where there was none.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(VecDeque<Option<f64>>);

/// A graph as two paths of SVG: the line, and the ground below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) line: String,
    pub(crate) ground: String,
}

impl History {
    /// The value of the next second; the oldest goes.
    pub(crate) fn push(&mut self, value: Option<f64>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value.filter(|value| value.is_finite() && *value >= 0.0));
    }

    /// Nothing is known any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The upper end of the graph: the next round number, at least this one.
    pub(crate) fn ceiling(&self, least: f64) -> f64 {
        round_up(self.0.iter().flatten().fold(least, |most, value| most.max(*value)))
    }

    /// The graph, up to this value.
    pub(crate) fn graph(&self, ceiling: f64) -> Graph {
        let (width, height) = GRAPH;
        let mut graph = Graph::default();
        // Where the piece of line that is being drawn began and got to.
        let mut piece: Option<(f64, f64)> = None;
        let close = |ground: &mut String, (from, to): (f64, f64)| {
            let _ = write!(ground, "L{to:.0} {height:.0}L{from:.0} {height:.0}Z");
        };
        let oldest = width - STEP * (self.0.len() as f64 - 1.0);
        for (index, value) in self.0.iter().enumerate() {
            let across = oldest + STEP * index as f64;
            let Some(value) = value else {
                if let Some(piece) = piece.take() {
                    close(&mut graph.ground, piece);
                }
                continue;
            };
            let down = height - height * (value / ceiling).min(1.0);
            let begins = if piece.is_some() { 'L' } else { 'M' };
            let _ = write!(graph.line, "{begins}{across:.0} {down:.1}");
            let _ = write!(graph.ground, "{begins}{across:.0} {down:.1}");
            piece = Some((piece.map_or(across, |(from, _)| from), across));
        }
        if let Some(piece) = piece {
            close(&mut graph.ground, piece);
        }
        graph
    }
}

/// The next number of the row 1, 2, 5, 10, 20, 50, …
fn round_up(value: f64) -> f64 {
    let decades = core::iter::successors(Some(1.0), |decade| Some(decade * 10.0)).take(MOST_DIGITS);
    decades
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * decade))
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_is_a_round_number_that_nothing_exceeds() {
        for (value, ceiling) in
            [(0.0, 100.0), (99.0, 100.0), (100.0, 100.0), (101.0, 200.0), (430.0, 500.0), (501.0, 1000.0)]
        {
            let mut history = History::default();
            history.push(Some(value));
            assert!((history.ceiling(100.0) - ceiling).abs() < 1e-6, "{value}: {}", history.ceiling(100.0));
        }
        assert!((History::default().ceiling(0.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_newest_value_lies_at_the_right_edge_and_gaps_stay_gaps() {
        let mut history = History::default();
        for value in [Some(0.0), Some(5.0), None, Some(f64::NAN), Some(20.0)] {
            history.push(value);
        }
        let graph = history.graph(10.0);
        assert_eq!(graph.line, "M110 24.0L112 12.0M118 0.0");
        assert_eq!(graph.ground, "M110 24.0L112 12.0L112 24L110 24ZM118 0.0L118 24L118 24Z");
    }

    #[test]
    fn a_minute_is_kept() {
        let mut history = History::default();
        for second in 0..1000 {
            history.push(Some(f64::from(second)));
        }
        assert_eq!(history.0.len(), KEPT);
        assert!(history.graph(1000.0).line.starts_with("M0 "));
        history.clear();
        assert_eq!(history.graph(1.0), Graph::default());
    }
}
