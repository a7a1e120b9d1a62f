//! Since when the picture stands still because nothing comes any more, and the technician is told so: pure.
//!
//! A still screen sends no picture either, but it answers pings: only where those stay away the line is silent.

/// Shorter silences are not worth a word, in milliseconds.
pub const WORTH_A_WORD_MS: u64 = 1_000;

/// What the picture may do at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// None is shown, or something else says why.
    None,
    /// It should change when the screen does; pings have gone unanswered for so long, if at all, in milliseconds.
    Live(Option<u64>),
    /// The last one stands, and the connection is being mended.
    Last,
}

/// How long it has been silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence {
    since_ms: Option<u64>,
    painted_ms: u64,
}

impl Silence {
    /// Looks anew; the answer is for how long the picture has stood still, in milliseconds, where that is worth a word.
    pub fn look(&mut self, now_ms: u64, picture: Picture) -> Option<u64> {
        self.since_ms = match picture {
            Picture::None | Picture::Live(None) => None,
            Picture::Live(Some(silent_ms)) => {
                let since_ms = now_ms.saturating_sub(silent_ms).max(self.painted_ms);
                Some(self.since_ms.map_or(since_ms, |begun_ms| begun_ms.min(since_ms)))
            }
            Picture::Last => Some(self.since_ms.unwrap_or(now_ms)),
        };
        let mended = matches!(picture, Picture::Last);
        self.since_ms
            .map(|since_ms| now_ms.saturating_sub(since_ms))
            .filter(|silent_ms| mended || *silent_ms >= WORTH_A_WORD_MS)
    }

    /// Something was painted: whatever was silent speaks again. Answers whether it was.
    pub fn painted(&mut self, now_ms: u64) -> bool {
        self.painted_ms = now_ms;
        self.since_ms.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_after_a_second_and_counts_on_while_the_line_is_mended() {
        let mut silence = Silence::default();
        assert_eq!(silence.look(10_000, Picture::Live(None)), None);
        assert_eq!(silence.look(10_900, Picture::Live(Some(900))), None);
        assert_eq!(silence.look(11_100, Picture::Live(Some(1_100))), Some(1_100));
        assert_eq!(silence.look(13_000, Picture::Last), Some(3_000), "it began before the mending");
        assert_eq!(
            silence.look(14_000, Picture::Live(Some(0))),
            Some(4_000),
            "a new connection, no picture yet"
        );
        assert_eq!(silence.look(14_100, Picture::Live(None)), None, "it answers");
        assert_eq!(silence.look(20_000, Picture::Last), Some(0), "a link that failed is told at once");
        assert_eq!(silence.look(20_500, Picture::None), None);
    }

    #[test]
    fn the_first_paint_ends_it_though_no_ping_was_answered() {
        let mut silence = Silence::default();
        assert_eq!(silence.look(5_000, Picture::Live(Some(2_000))), Some(2_000));
        assert!(silence.painted(5_010) && !silence.painted(5_010));
        assert_eq!(silence.look(5_250, Picture::Live(Some(2_250))), None);
        assert_eq!(
            silence.look(6_100, Picture::Live(Some(3_100))),
            Some(1_090),
            "but only for what it proves"
        );
    }
}
