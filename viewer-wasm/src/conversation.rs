//! The chat as it stands: numbered lines, none twice and none lost, over reconnections and reloads; pure.

use std::collections::VecDeque;

use nearhand_protocol::chat::{ChatMessage, MAX_TEXT};
use nearhand_protocol::id::Seat;
use serde::{Deserialize, Serialize};

/// Most lines that are kept; older ones are forgotten.
pub const MOST_LINES: usize = 300;
/// Most of our lines that wait for the other end; more are refused until it is back.
pub const MOST_WAITING: usize = 100;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Who wrote it.
    pub from: Seat,
    /// Counts that end's lines.
    pub number: u32,
    /// When, in milliseconds since the Unix epoch, by the writer's clock.
    pub written_at_ms: u64,
    /// What.
    pub text: String,
}

/// Both ends' lines.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    lines: VecDeque<Line>,
    written: u32,
    confirmed: u32,
    heard: u32,
    seen: u32,
}

impl Conversation {
    /// Nobody has said anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// How many of their lines were not shown yet.
    pub fn unread(&self) -> usize {
        self.lines.iter().filter(|line| line.from == Seat::Host && line.number > self.seen).count()
    }

    /// The technician wrote a line. `None` where nothing remains of it, or too many wait already.
    pub fn write(&mut self, text: &str, now_ms: u64) -> Option<ChatMessage> {
        let text = text.trim();
        let text = &text[..text.floor_char_boundary(MAX_TEXT)];
        if text.is_empty() || self.waiting().count() >= MOST_WAITING {
            return None;
        }
        self.written = self.written.checked_add(1)?;
        let line =
            Line { from: Seat::Viewer, number: self.written, written_at_ms: now_ms, text: text.to_owned() };
        let message = message(&line);
        self.keep(line);
        Some(message)
    }

    /// Something arrived on the chat channel. The answer is whether it is a line that was not there before.
    pub fn receive(&mut self, message: ChatMessage) -> bool {
        match message {
            ChatMessage::Line { number, written_at_ms, text } => {
                if number <= self.heard {
                    return false;
                }
                self.heard = number;
                self.keep(Line { from: Seat::Host, number, written_at_ms, text });
                true
            }
            ChatMessage::Seen { number } => {
                self.confirmed = self.confirmed.max(number.min(self.written));
                false
            }
        }
    }

    /// The lines are in front of the technician's eyes; what to tell the other end, if that is news.
    pub fn show(&mut self) -> Option<ChatMessage> {
        if self.seen >= self.heard {
            return None;
        }
        self.seen = self.heard;
        Some(ChatMessage::Seen { number: self.seen })
    }

    /// The channel is there, perhaps again: the lines that the other end has not confirmed. It drops doubles.
    pub fn waiting(&self) -> impl Iterator<Item = ChatMessage> {
        self.lines
            .iter()
            .filter(|line| line.from == Seat::Viewer && line.number > self.confirmed)
            .map(message)
    }

    fn keep(&mut self, line: Line) {
        self.lines.push_back(line);
        while self.lines.len() > MOST_LINES {
            self.lines.pop_front();
        }
    }
}

fn message(line: &Line) -> ChatMessage {
    ChatMessage::Line { number: line.number, written_at_ms: line.written_at_ms, text: line.text.clone() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(number: u32) -> ChatMessage {
        ChatMessage::Line { number, written_at_ms: 0, text: format!("line {number}") }
    }

    #[test]
    fn repeated_lines_are_shown_once_and_counted_until_seen() {
        let mut chat = Conversation::new();
        assert!(chat.receive(line(1)) && chat.receive(line(2)));
        assert!(!chat.receive(line(1)) && !chat.receive(line(2)));
        assert_eq!(chat.unread(), 2);
        assert_eq!(chat.show(), Some(ChatMessage::Seen { number: 2 }));
        assert_eq!((chat.show(), chat.unread()), (None, 0));
    }

    #[test]
    fn unconfirmed_lines_are_sent_again() {
        let mut chat = Conversation::new();
        for text in ["a", "b", "c"] {
            chat.write(text, 5).unwrap();
        }
        chat.receive(ChatMessage::Seen { number: 2 });
        let waiting: Vec<_> = chat.waiting().collect();
        assert_eq!(waiting, [ChatMessage::Line { number: 3, written_at_ms: 5, text: "c".into() }]);
        chat.receive(ChatMessage::Seen { number: 900 });
        assert_eq!(chat.waiting().count(), 0);
        assert!(chat.write("d", 6).is_some());
        assert_eq!(chat.waiting().count(), 1, "what was not written can't have been seen");
    }

    #[test]
    fn nothing_is_no_line_and_long_text_is_cut() {
        let mut chat = Conversation::new();
        assert_eq!(chat.write("  \n ", 0), None);
        let Some(ChatMessage::Line { text, .. }) = chat.write(&"ß".repeat(MAX_TEXT), 0) else { panic!() };
        assert_eq!(text.len(), MAX_TEXT);
    }

    #[test]
    fn a_reloaded_tab_goes_on_where_it_was() {
        let mut chat = Conversation::new();
        chat.write("a", 0);
        chat.receive(line(1));
        let stored = serde_json::to_string(&chat).unwrap();
        let mut chat: Conversation = serde_json::from_str(&stored).unwrap();
        assert!(!chat.receive(line(1)));
        let Some(ChatMessage::Line { number, .. }) = chat.write("b", 0) else { panic!() };
        assert_eq!(number, 2);
    }

    proptest! {
        /// Whatever arrives: memory stays bounded, and their lines stand in rising order.
        #[test]
        fn any_order_is_survived(steps in prop::collection::vec((0..4_u8, any::<u32>()), 0..900)) {
            let mut chat = Conversation::new();
            for (kind, number) in steps {
                match kind {
                    0 => { chat.receive(line(number)); }
                    1 => { chat.receive(ChatMessage::Seen { number }); }
                    2 => { chat.write("x", 0); }
                    _ => { chat.show(); }
                }
            }
            prop_assert!(chat.lines().count() <= MOST_LINES);
            let theirs: Vec<_> = chat.lines().filter(|line| line.from == Seat::Host).map(|line| line.number).collect();
            prop_assert!(theirs.is_sorted());
        }
    }
}
