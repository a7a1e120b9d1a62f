//! Counting passed and failed tests from what test runners print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and failed; prints as the line that every test command ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Tally {
    /// One failure that no test runner counted: a program that did not build, a runner that crashed.
    pub(crate) const FAILURE: Self = Self { passed: 0, failed: 1 };

    /// What a line of `cargo test` says: `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn of_cargo_test(line: &str) -> Option<Self> {
        let counts = line.trim().strip_prefix("test result: ")?;
        let counts = counts.split_once(". ")?.1;
        let mut parts = counts.split(';');
        Some(Self { passed: count(parts.next()?, "passed")?, failed: count(parts.next()?, "failed")? })
    }

    /// What a line of Node's test runner (in TAP) says: `# pass 12`, `# fail 0`.
    pub(crate) fn of_node_test(line: &str) -> Option<Self> {
        let number = |word| line.trim().strip_prefix(word)?.trim().parse().ok();
        match (number("# pass "), number("# fail ")) {
            (Some(passed), _) => Some(Self { passed, failed: 0 }),
            (_, Some(failed)) => Some(Self { passed: 0, failed }),
            (None, None) => None,
        }
    }

    /// What the last line of the story runner says: `3 passed, 0 failed`, and what was skipped, if anything was.
    pub(crate) fn of_stories(line: &str) -> Option<Self> {
        let mut parts = line.trim().split(',');
        let tally = Self { passed: count(parts.next()?, "passed")?, failed: count(parts.next()?, "failed")? };
        if let Some(skipped) = parts.next() {
            count(skipped, "skipped")?;
        }
        parts.next().is_none().then_some(tally)
    }
}

/// The number in `3 passed`.
fn count(text: &str, word: &str) -> Option<u32> {
    text.trim().strip_suffix(word)?.trim().parse().ok()
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn reads_cargo_test() {
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
                Some((12, 0)),
            ),
            ("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", Some((1, 2))),
            ("test results::parse ... ok", None),
            ("test result: ok. many passed; 0 failed", None),
            ("test result: ok.", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(passed, failed)| Tally { passed, failed });
            assert_eq!(Tally::of_cargo_test(line), expected, "{line}");
        }
    }

    #[test]
    fn reads_the_story_runner() {
        let cases = [
            ("9 passed, 0 failed", Some((9, 0))),
            ("  9 passed, 1 failed\n", Some((9, 1))),
            ("9 passed, 0 failed, 3 skipped", Some((9, 0))),
            ("9 passed, 0 failed, 3 others", None),
            ("main-job: 9 passed, 0 failed", None),
            ("-1 passed, 0 failed", None),
            ("passed, failed", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(passed, failed)| Tally { passed, failed });
            assert_eq!(Tally::of_stories(line), expected, "{line}");
        }
    }

    #[test]
    fn reads_node() {
        let tally = |passed, failed| Some(Tally { passed, failed });
        assert_eq!(Tally::of_node_test("# pass 12"), tally(12, 0));
        assert_eq!(Tally::of_node_test("# fail 2"), tally(0, 2));
        for line in ["# tests 14", "ok 1 - pass 3", "# pass", ""] {
            assert_eq!(Tally::of_node_test(line), None, "{line}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        let tally = Tally { passed: 7, failed: 2 };
        assert_eq!(Tally::of_stories(&tally.to_string()), Some(tally));
    }
}
