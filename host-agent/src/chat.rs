//! The rules of chat: numbers our lines, repeats those that were not seen, recognises the ones that come twice.

use std::collections::VecDeque;

use nearhand_protocol::chat::{ChatMessage, MAX_TEXT};

/// Our lines that are kept for repetition; older ones are given up.
const KEPT: usize = 64;
/// Lines of the peer that are remembered, to recognise them when they come again.
const REMEMBERED: usize = 256;

/// Both directions of one session's chat.
#[derive(Debug, Default)]
pub struct Chat {
    said: u32,
    unseen: VecDeque<ChatMessage>,
    /// Number and time of the peer's lines. The number alone would not do: a reloaded tab may count from 1 again.
    heard: VecDeque<(u32, u64)>,
}

/// What a message of the peer means.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A new line: show it, and send the answer.
    Line {
        /// As typed.
        text: String,
        /// Says that it was seen.
        answer: ChatMessage,
    },
    /// A line that was shown before: only the answer is sent again.
    Again(ChatMessage),
    /// Nothing to do.
    Nothing,
}

impl Chat {
    /// A line of this end, as messages; `None` for one without text. Longer ones than the protocol allows become several.
    pub fn say(&mut self, text: &str, written_at_ms: u64) -> Vec<ChatMessage> {
        let mut lines = Vec::new();
        let mut rest = text.trim_end();
        while !rest.is_empty() {
            let mut end = rest.len().min(MAX_TEXT);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (text, later) = rest.split_at(end);
            rest = later;
            self.said = self.said.wrapping_add(1);
            let line = ChatMessage::Line { number: self.said, written_at_ms, text: text.to_owned() };
            if self.unseen.len() == KEPT {
                self.unseen.pop_front();
            }
            self.unseen.push_back(line.clone());
            lines.push(line);
        }
        lines
    }

    /// What the peer has not confirmed: sent again on a new connection.
    pub fn unseen(&self) -> impl Iterator<Item = &ChatMessage> {
        self.unseen.iter()
    }

    /// A message of the peer.
    pub fn hear(&mut self, message: ChatMessage) -> Heard {
        match message {
            ChatMessage::Seen { number } => {
                self.unseen
                    .retain(|line| !matches!(line, ChatMessage::Line { number: n, .. } if *n <= number));
                Heard::Nothing
            }
            ChatMessage::Line { number, written_at_ms, text } => {
                let answer = ChatMessage::Seen { number };
                if self.heard.contains(&(number, written_at_ms)) {
                    return Heard::Again(answer);
                }
                if self.heard.len() == REMEMBERED {
                    self.heard.pop_front();
                }
                self.heard.push_back((number, written_at_ms));
                Heard::Line { text, answer }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32, written_at_ms: u64, text: &str) -> ChatMessage {
        ChatMessage::Line { number, written_at_ms, text: text.into() }
    }

    #[test]
    fn lines_wait_until_they_are_seen() {
        let mut chat = Chat::default();
        assert_eq!(chat.say("one\n", 7), [line(1, 7, "one")]);
        assert_eq!(chat.say("two", 8), [line(2, 8, "two")]);
        assert_eq!(chat.say("  \n", 8), []);
        assert_eq!(chat.hear(ChatMessage::Seen { number: 1 }), Heard::Nothing);
        assert_eq!(chat.unseen().collect::<Vec<_>>(), [&line(2, 8, "two")]);
        assert_eq!(chat.hear(ChatMessage::Seen { number: u32::MAX }), Heard::Nothing);
        assert_eq!(chat.unseen().count(), 0);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let text = "é".repeat(MAX_TEXT);
        let lines = Chat::default().say(&text, 0);
        assert_eq!(lines.len(), 2);
        for line in &lines {
            assert!(nearhand_protocol::wire::encode(line).is_ok());
        }
    }

    #[test]
    fn a_line_is_shown_once_and_a_reloaded_tab_counts_anew() {
        let mut chat = Chat::default();
        let answer = ChatMessage::Seen { number: 1 };
        assert_eq!(chat.hear(line(1, 5, "a")), Heard::Line { text: "a".into(), answer: answer.clone() });
        assert_eq!(chat.hear(line(1, 5, "a")), Heard::Again(answer.clone()));
        assert_eq!(chat.hear(line(1, 9, "b")), Heard::Line { text: "b".into(), answer });
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut chat = Chat::default();
        for n in 0..1000 {
            chat.say("x", n);
            chat.hear(line(n as u32, n, "y"));
        }
        assert_eq!((chat.unseen.len(), chat.heard.len()), (KEPT, REMEMBERED));
    }
}
