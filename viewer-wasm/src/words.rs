//! Every sentence that the viewer says, in plain English: the one place that a translation replaces.

pub mod picture;

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{InputProblem, Notice};
use nearhand_protocol::file::FileProblem;
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::transfer::Status;

use crate::state::{Announcement, Phase};

/// How the bytes travel between the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From end to end.
    Direct,
    /// By way of a relay, which sees nothing but encrypted bytes.
    Relayed,
}

impl Path {
    /// The stable name, as in the page's `data-path`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relayed => "relayed",
        }
    }
}

/// What this browser lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// WebRTC, or a part of it without which there is no session.
    WebRtc,
    /// The video format of the picture.
    H264,
}

/// The state of the session, for the header.
pub const fn status(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "Opening the session…",
        Phase::Waiting => "Waiting for the customer",
        Phase::Connecting => "Connecting to the customer…",
        Phase::Unreached => "No connection yet",
        Phase::Locked => "Digits needed",
        Phase::Proving => "Checking the connection…",
        Phase::Stranded => "Can’t go on in this tab",
        Phase::Asking => "The customer is being asked",
        Phase::Declined => "Not allowed to view",
        Phase::Viewing => "Viewing",
        Phase::Controlling => "Controlling",
        Phase::Interrupted => "Customer disconnected",
        Phase::Reconnecting => "Reconnecting…",
        Phase::Ended(_) => "Session ended",
    }
}

/// The heading over the stage, where there is no picture.
pub const fn heading(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "Opening the session",
        Phase::Waiting => "Waiting for the customer",
        Phase::Connecting => "The customer is here",
        Phase::Unreached => "No connection to the customer yet",
        Phase::Locked => "Enter the last three digits of the code",
        Phase::Proving => "Checking that nobody stands between",
        Phase::Stranded => "This session belongs to another tab",
        Phase::Asking => "Waiting for the customer’s yes",
        Phase::Declined => "The customer does not share the screen",
        Phase::Viewing | Phase::Controlling => "",
        Phase::Interrupted => "The customer’s program is not connected",
        Phase::Reconnecting => "Reconnecting",
        Phase::Ended(reason) => ended(reason).0,
    }
}

/// What it means, and what can be done, under the heading.
pub const fn explanation(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "One moment.",
        Phase::Waiting => "Read these nine digits to the customer, or send the link.",
        Phase::Connecting => "A direct, encrypted connection to their computer is being made.",
        Phase::Unreached => {
            "Either the two networks do not let each other through, or somebody changes what the server passes \
             on. Nothing was shown. This tab keeps trying; if it stays like this, end the session and start a new one."
        }
        Phase::Locked => {
            "This tab does not know them, and they prove that nobody stands between you and the customer. \
             There is one try: three wrong digits end the session."
        }
        Phase::Proving => "The two ends prove to each other that they know the same code.",
        Phase::Stranded => {
            "The customer’s program already agreed on a key with the tab in which this session began. \
             Reload that tab to go on there, or end this session and start a new one."
        }
        Phase::Asking => {
            "A question is on their screen: may you see it? You can write to them in the meantime, in the chat."
        }
        Phase::Declined => "They said no, or stopped sharing. Write to them in the chat, or ask once more.",
        Phase::Viewing | Phase::Controlling => "",
        Phase::Interrupted => {
            "It closed, or their computer is offline. As soon as it is back, the session goes on by itself."
        }
        Phase::Reconnecting => {
            "The connection was interrupted. Nothing needs to be done; what was pressed is released."
        }
        Phase::Ended(reason) => ended(reason).1,
    }
}

/// Why it ended: a heading, and what can be done.
pub const fn ended(reason: CloseReason) -> (&'static str, &'static str) {
    const ANEW: &str = "Start a new session at your desk and give the customer the new code.";
    match reason {
        CloseReason::CustomerEnded => ("The customer ended the session", "Nothing is shared any more."),
        CloseReason::TechnicianEnded => ("The session was ended", "Nothing is shared any more."),
        CloseReason::CustomerRefused => ("The customer said no", ANEW),
        CloseReason::UnknownCode => (
            "This invitation is not good",
            "It works once and for ten minutes. Ask your colleague for a new one.",
        ),
        CloseReason::CodeExpired => ("The code has expired", ANEW),
        CloseReason::HostLost => ("The customer’s program did not come back", ANEW),
        CloseReason::ViewerLost => ("This tab was away for too long", ANEW),
        CloseReason::Replaced => (
            "The session goes on in another tab",
            "It was opened there last. Only one tab at a time can hold it.",
        ),
        CloseReason::BadResume => ("This session is over", ANEW),
        CloseReason::NotSignedIn => (
            "You are not signed in",
            "Sign in again, or ask for a session of your own: this may be another’s.",
        ),
        CloseReason::TooManyAttempts => ("Too many attempts", "Wait a minute, then open this page again."),
        CloseReason::VersionMismatch => (
            "The versions do not fit together",
            "Reload this page. If that does not help, the customer needs the current program from this server.",
        ),
        CloseReason::BadMessage | CloseReason::TooLarge => {
            ("The session was closed because of a faulty message", ANEW)
        }
        CloseReason::TooSlow => ("This connection is too slow", "Open this page again on a better line."),
        CloseReason::TooLong => ("The session reached its longest duration", ANEW),
        CloseReason::NotProven => (
            "The connection could not be verified",
            "The code was wrong, or somebody tried to stand between you and the customer. Nothing was shown. \
             Start a new session at your desk and give the customer the new code.",
        ),
        CloseReason::ServerShutdown => ("The server was stopped", "Open this page again when it is back."),
        CloseReason::ServerError => {
            ("The server failed", "Open this page again. The operator finds the reason in the server’s log.")
        }
    }
}

/// The question whether an invited technician leaves: for everybody else the session goes on.
pub const LEAVE: &str = "Leave this session?";
/// What follows from a yes.
pub const LEAVE_TEXT: &str = "The session goes on without you. To come back you need a new invitation.";
/// The yes.
pub const LEAVE_YES: &str = "Leave";

/// Something that happened, for a toast; and whether it is bad news.
pub const fn announcement(announcement: Announcement) -> (&'static str, bool) {
    match announcement {
        Announcement::Refused(right) => (refused(right), true),
        Announcement::Given(Right::View) => ("The customer shares the screen.", false),
        Announcement::Given(Right::Control) => {
            ("You have control. Ctrl+Alt+Shift leads back to the toolbar.", false)
        }
        Announcement::Given(Right::FilesIn) => ("The customer accepts files.", false),
        Announcement::Given(Right::FilesOut) => ("The customer lets you receive files.", false),
        Announcement::Given(Right::ClipboardIn) => {
            ("You may put something into the customer’s clipboard.", false)
        }
        Announcement::Given(Right::ClipboardOut) => ("You may fetch what the customer copies.", false),
        Announcement::Given(Right::Facts) => ("The customer sends what is known of the computer.", false),
        Announcement::Given(Right::Record) => ("You may keep a recording.", false),
        Announcement::Taken(Right::View) => ("The customer stopped sharing the screen.", true),
        Announcement::Taken(Right::Control) => ("You no longer have control.", false),
        Announcement::Taken(Right::FilesIn | Right::FilesOut) => ("Files are not allowed any more.", false),
        Announcement::Taken(Right::ClipboardIn | Right::ClipboardOut) => {
            ("The customer’s clipboard is not shared any more.", false)
        }
        Announcement::Taken(Right::Facts) => ("Facts about the computer have to be asked for anew.", false),
        Announcement::Taken(Right::Record) => ("Recording is not allowed any more.", true),
        Announcement::Notice(Notice::Headless) => {
            ("This customer program runs unattended, for tests.", false)
        }
        Announcement::Notice(Notice::ScreenUnavailable) => {
            ("The customer’s screen can’t be seen just now: locked, off, or another user’s.", true)
        }
        Announcement::Notice(Notice::NotAsked) => {
            ("The customer said no three times, and is not asked any more for some minutes.", true)
        }
        Announcement::Notice(Notice::ScreenAvailable) => ("The customer’s screen is visible again.", false),
        Announcement::Notice(Notice::ScopeClosed) => {
            ("What the customer shared was closed. They can share something else.", true)
        }
        Announcement::Notice(Notice::WindowHidden) => {
            ("The customer has minimised the shared window; its last picture stays.", true)
        }
        Announcement::Notice(Notice::WindowBack) => ("The shared window is there again.", false),
        Announcement::Notice(Notice::Covered) => {
            ("A program on the customer’s screen covers the bar that shows that you look.", true)
        }
        Announcement::Notice(Notice::OwnWindowHidden) => {
            ("The grey box is the customer’s own Nearhand window, which is not shown.", false)
        }
        Announcement::InputIgnored(InputProblem::NoControl) => {
            ("That was not carried out: the customer has not given you control.", true)
        }
        Announcement::InputIgnored(InputProblem::Unsupported) => {
            ("The customer’s system has no such key, or can’t type this text.", true)
        }
        Announcement::InputIgnored(InputProblem::Failed) => {
            ("The customer’s system refused the input.", true)
        }
        Announcement::InputIgnored(InputProblem::Outside) => {
            ("That was not carried out: it lies outside of what is shared, or is covered.", true)
        }
        Announcement::InputIgnored(InputProblem::Ours) => {
            ("That was not carried out: questions and switches are the customer’s alone.", true)
        }
        Announcement::InputIgnored(InputProblem::CustomerActs) => {
            ("That was not carried out: the customer is using mouse or keyboard.", true)
        }
    }
}

const fn refused(right: Right) -> &'static str {
    match right {
        Right::View => "The customer does not want to share the screen.",
        Right::Control => "The customer does not want to give you control.",
        Right::FilesIn => "The customer does not want to receive files.",
        Right::FilesOut => "The customer does not want to send files.",
        Right::ClipboardIn => "The customer does not want anything in their clipboard.",
        Right::ClipboardOut => "The customer does not want to share what they copy.",
        Right::Facts => "The customer does not want to tell about the computer.",
        Right::Record => "The customer does not want to be recorded.",
    }
}

/// What the button for control says.
pub const fn control_button(held: bool, asked: bool) -> &'static str {
    match (held, asked) {
        (true, _) => "Give back control",
        (false, true) => "Asking the customer…",
        (false, false) => "Request control",
    }
}

/// While the server can't be reached.
pub const fn server_lost(connected: bool) -> &'static str {
    if connected {
        "The server can’t be reached just now. The session goes on; reconnecting in the background."
    } else {
        "Neither the customer nor the server can be reached just now. Both are tried again; check this computer’s network."
    }
}

/// What is wrong with the last three digits, as they were typed.
pub const BAD_SECRET: &str = "Type exactly three digits: the last group of the code.";

/// How the bytes travel.
pub const fn path(path: Path) -> (&'static str, &'static str) {
    match path {
        Path::Direct => ("Direct connection", "from your computer to theirs"),
        Path::Relayed => ("Over the relay", "which can’t read it"),
    }
}

/// The heading where the picture would be, in a browser that can't show it.
pub const NO_PICTURE: &str = "No picture in this browser";

/// What this browser lacks.
pub const fn lack(lack: Lack) -> &'static str {
    match lack {
        Lack::WebRtc => {
            "This browser can’t make the encrypted connection (WebRTC is missing or switched off). \
             Open this page in Chromium, Chrome or Edge."
        }
        Lack::H264 => {
            "This browser lacks H.264: the picture is exact, but what moves comes slowly. \
             For smooth motion open this page in Chromium, Chrome or Edge."
        }
    }
}

/// How a file stands.
pub fn file(status: Status, sender: Seat, done: u64, size: u64) -> String {
    match status {
        Status::Offered => match sender {
            Seat::Viewer => "The customer is being asked".into(),
            Seat::Host => "Offered".into(),
        },
        Status::Running => format!("{} of {}", bytes(done), bytes(size)),
        Status::Checking => "Checking".into(),
        Status::Done => match sender {
            Seat::Viewer => format!("Saved at the customer’s · {}", bytes(size)),
            Seat::Host => format!("Received · {}", bytes(size)),
        },
        Status::Stopped(problem) => file_problem(problem).into(),
    }
}

/// Why a file did not arrive.
pub const fn file_problem(problem: FileProblem) -> &'static str {
    match problem {
        FileProblem::Refused => "The customer said no",
        FileProblem::Cancelled => "Cancelled",
        FileProblem::BadName => "The file’s name can’t be used",
        FileProblem::TooLarge => "Too large for the receiver",
        FileProblem::TooMany => "Too many files at once; try again when the others are through",
        FileProblem::CannotRead => "Could not be read to its end",
        FileProblem::CannotWrite => "Could not be written at the customer’s",
        FileProblem::DiskFull => "The receiver’s disk is full",
        FileProblem::HashMismatch => "Arrived damaged and was thrown away; try again",
        FileProblem::Protocol => "Stopped because of a faulty message",
        FileProblem::ConnectionLost => "The connection broke",
    }
}

/// A number of bytes, in decimal units as file managers show them.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = UNITS[unit];
    if value < 9.95 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
}

/// How long the code can still be used.
pub fn code_validity(left_ms: u64) -> String {
    match left_ms.div_ceil(60_000) {
        0 => "The code has expired. Start a new session at your desk.".into(),
        1 => "It can be used for less than a minute, once.".into(),
        minutes => format!("It can be used for {minutes} minutes, once."),
    }
}

/// How long the session still waits for the customer's program.
pub fn grace(left_ms: u64) -> String {
    match left_ms.div_ceil(1000) {
        0 => "The session is about to end.".into(),
        1 => "The session waits one more second.".into(),
        seconds => format!("The session waits {seconds} more seconds."),
    }
}

/// The tab's title.
pub fn title(phase: Phase, machine: Option<&str>, unread: usize) -> String {
    let count = if unread > 0 { format!("({unread}) ") } else { String::new() };
    match machine {
        Some(machine) => format!("{count}{} – {machine} – Nearhand", status(phase)),
        None => format!("{count}{} – Nearhand", status(phase)),
    }
}

/// What a screen reader says about unread lines.
pub fn unread(count: usize) -> String {
    match count {
        0 => "Chat".into(),
        1 => "Chat, one unread line".into(),
        _ => format!("Chat, {count} unread lines"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_like_a_file_manager() {
        for (count, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (20_000_000, "20 MB"),
            (999_999, "1.0 MB"),
            (1 << 40, "1.1 TB"),
        ] {
            assert_eq!(bytes(count), words, "{count}");
        }
    }

    #[test]
    fn every_end_has_words_of_its_own_kind() {
        for reason in CloseReason::ALL {
            let (heading, explanation) = ended(reason);
            assert!(!heading.is_empty() && !heading.ends_with('.'), "{reason:?}");
            assert!(explanation.ends_with('.'), "{reason:?}");
        }
    }

    #[test]
    fn time_left_counts_down_in_words() {
        assert_eq!(code_validity(600_000), "It can be used for 10 minutes, once.");
        assert_eq!(code_validity(540_001), "It can be used for 10 minutes, once.");
        assert_eq!(code_validity(59_000), "It can be used for less than a minute, once.");
        assert!(code_validity(0).starts_with("The code has expired"));
        assert_eq!(grace(1500), "The session waits 2 more seconds.");
    }

    #[test]
    fn the_title_counts_what_was_not_read() {
        assert_eq!(title(Phase::Viewing, Some("desk-4"), 2), "(2) Viewing – desk-4 – Nearhand");
        assert_eq!(title(Phase::Waiting, None, 0), "Waiting for the customer – Nearhand");
    }
}
