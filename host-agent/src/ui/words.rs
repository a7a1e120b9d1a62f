//! Words for people, and what strangers wrote made harmless for a terminal.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::grant::{Right, Rights, Scope};
use nearhand_protocol::signal::Technician;

use crate::session::{Choice, Question};

/// Text of a stranger without anything that a terminal obeys or that turns the direction of what follows.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}') => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The technician's name alone.
pub(super) fn name(technician: &Technician) -> String {
    if technician.name.trim().is_empty() { "Technician".into() } else { harmless(technician.name.trim()) }
}

/// The technician with their organisation.
pub(super) fn who(technician: &Technician) -> String {
    match technician.organisation.trim() {
        "" => name(technician),
        organisation => format!("{} ({})", name(technician), harmless(organisation)),
    }
}

/// What the customer is asked.
pub(super) fn question(question: &Question) -> String {
    let who = who(&question.technician);
    let file = question.file.as_ref().map(|(name, bytes)| {
        let name: String = harmless(name).chars().take(80).collect();
        format!("\"{name}\" ({})", size(*bytes))
    });
    match (question.right, file) {
        (Right::View, _) => format!("{who} asks to see your screen. Allow it?"),
        (Right::Control, _) => {
            let holder = question.instead_of.as_ref();
            let instead = holder.map(|holder| format!(", instead of {}", name(holder)));
            format!("{who} asks to control your mouse and keyboard{}. Allow it?", instead.unwrap_or_default())
        }
        (Right::FilesIn, Some(file)) => {
            format!("{who} wants to send you the file {file}. Allow files from them in this session?")
        }
        (Right::FilesIn, None) => format!("{who} wants to send you files. Allow it?"),
        (Right::FilesOut, Some(file)) => format!("Send the file {file} to {who}?"),
        (Right::FilesOut, None) => format!("{who} wants to receive files that you send. Allow it?"),
        (Right::ClipboardIn, _) => {
            format!("{who} wants to put something into your clipboard. Allow it in this session?")
        }
        (Right::ClipboardOut, _) => {
            format!("{who} wants to fetch what you copy. Allow it in this session?")
        }
        (Right::Facts, _) => {
            format!("{who} would like to know what this computer consists of and what runs on it. Send it?")
        }
        (Right::Record, _) => format!("{who} wants to keep a recording of what is seen. Allow it?"),
    }
}

/// What is shared from here on.
pub(super) fn shares(choice: &Choice) -> String {
    let name: String = harmless(&choice.name).chars().take(80).collect();
    match choice.scope {
        Scope::Everything => "your whole screen is shared from now on".into(),
        Scope::Monitor(_) => format!("one monitor is shared from now on: {name}"),
        Scope::Window(_) => format!("one window is shared from now on: {name}"),
        Scope::Application(_) => format!("the windows of one program are shared from now on: {name}"),
    }
}

/// A size as people read it.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// The stable names of rights, separated by spaces; `none` for none.
pub(super) fn rights(rights: Rights) -> String {
    if rights.is_empty() {
        return "none".into();
    }
    rights.iter().map(Right::as_str).collect::<Vec<_>>().join(" ")
}

/// Why it is over.
pub(super) fn ended(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::CustomerEnded => "You ended the session.",
        CloseReason::TechnicianEnded => "The technician ended the session.",
        CloseReason::CustomerRefused => "You said no; nothing was shown.",
        CloseReason::ViewerLost => "The technician did not come back.",
        CloseReason::HostLost => "This computer was away for too long; ask the technician for a new code.",
        CloseReason::VersionMismatch => {
            "This program and the technician's page are of different versions: download the program again."
        }
        CloseReason::TooLong => "The longest duration of a session is over.",
        CloseReason::Replaced => "Another program has taken this one's place.",
        CloseReason::NotProven => {
            "The code was wrong, or somebody tried to stand between you and the technician. Nothing was shown to them. Ask the technician for a new code."
        }
        CloseReason::BadMessage => "The technician's end sent what this program does not understand.",
        _ => "The session is over; ask the technician for a new code.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{7}\u{202e}c\u{9b}é"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}é");
        let technician = Technician { name: " \u{1b}Ada".into(), organisation: String::new() };
        assert_eq!(who(&technician), "\u{fffd}Ada");
        assert_eq!(who(&Technician::default()), "Technician");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(
            [size(0), size(999), size(20_000), size(20_500_000)].join(", "),
            "0 bytes, 999 bytes, 20 kB, 20.5 MB"
        );
    }
}
