//! Every sentence that the viewer says. The words themselves are those of `static/languages/`, in the page's language: the
//! server writes those that begin with `tab.` into the page.

pub mod picture;

use std::sync::OnceLock;

use nearhand_protocol::catalogue::{Catalogue, Value};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{InputProblem, Notice};
use nearhand_protocol::file::FileProblem;
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::transfer::Status;

use crate::state::{Announcement, Phase};

/// The page's words. The page is in one language for as long as it lives.
static WORDS: OnceLock<Catalogue> = OnceLock::new();

/// Takes these words; the first ones count.
pub fn take(catalogue: Catalogue) {
    let _ = WORDS.set(catalogue);
}

/// The page's words.
pub fn catalogue() -> &'static Catalogue {
    WORDS.get_or_init(before_any)
}

/// A page without words would show keys; `start` refuses it before.
#[cfg(not(test))]
fn before_any() -> Catalogue {
    Catalogue::default()
}

#[cfg(test)]
fn before_any() -> Catalogue {
    Catalogue::built_in(["en"])
}

/// The text with this key, with these values in their places.
fn text(key: &str, values: &[(&str, Value<'_>)]) -> String {
    catalogue().text(key, values)
}

/// The text with this key.
pub fn plain(key: &str) -> String {
    catalogue().plain(key)
}

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
pub fn status(phase: Phase) -> String {
    plain(&format!("tab.status.{}", phase.as_str()))
}

/// The heading over the stage, where there is no picture.
pub fn heading(phase: Phase) -> String {
    match phase {
        Phase::Viewing | Phase::Controlling => String::new(),
        Phase::Ended(reason) => ended(reason).0,
        phase => plain(&format!("tab.heading.{}", phase.as_str())),
    }
}

/// What it means, and what can be done, under the heading.
pub fn explanation(phase: Phase) -> String {
    match phase {
        Phase::Viewing | Phase::Controlling => String::new(),
        Phase::Ended(reason) => ended(reason).1,
        phase => plain(&format!("tab.explanation.{}", phase.as_str())),
    }
}

/// Why it ended: a heading, and what can be done.
pub fn ended(reason: CloseReason) -> (String, String) {
    let name = match reason {
        CloseReason::BadMessage | CloseReason::TooLarge => "faulty",
        reason => reason.as_str(),
    };
    let explained = match reason {
        CloseReason::CustomerRefused
        | CloseReason::CodeExpired
        | CloseReason::HostLost
        | CloseReason::ViewerLost
        | CloseReason::BadResume
        | CloseReason::BadMessage
        | CloseReason::TooLarge
        | CloseReason::TooLong => plain("tab.ended.anew"),
        _ => plain(&format!("tab.ended.{name}.text")),
    };
    (plain(&format!("tab.ended.{name}.heading")), explained)
}

/// The question whether an invited technician leaves, for everybody else the session goes on; what follows from a yes; the
/// yes.
pub fn leave() -> [String; 3] {
    ["tab.leave.heading", "tab.leave.text", "tab.leave.yes"].map(plain)
}

/// Something that happened, for a toast; and whether it is bad news.
pub fn announcement(announcement: Announcement) -> (String, bool) {
    let of = |begin: &str, right: Right| plain(&format!("{begin}{}", right.as_str().replace('-', "_")));
    match announcement {
        Announcement::Refused(right) => (of("tab.refused.", right), true),
        Announcement::Given(right) => (of("tab.given.", right), false),
        Announcement::Taken(right) => (of("tab.taken.", right), matches!(right, Right::View | Right::Record)),
        Announcement::Notice(notice) => {
            let (name, bad) = match notice {
                Notice::Headless => ("headless", false),
                Notice::ScreenUnavailable => ("screen_unavailable", true),
                Notice::NotAsked => ("not_asked", true),
                Notice::ScreenAvailable => ("screen_available", false),
                Notice::ScopeClosed => ("scope_closed", true),
                Notice::WindowHidden => ("window_hidden", true),
                Notice::WindowBack => ("window_back", false),
                Notice::Covered => ("covered", true),
                Notice::OwnWindowHidden => ("own_window_hidden", false),
            };
            (plain(&format!("tab.notice.{name}")), bad)
        }
        Announcement::InputIgnored(problem) => {
            let name = match problem {
                InputProblem::NoControl => "no_control",
                InputProblem::Unsupported => "unsupported",
                InputProblem::Failed => "failed",
                InputProblem::Outside => "outside",
                InputProblem::Ours => "ours",
                InputProblem::CustomerActs => "customer_acts",
            };
            (plain(&format!("tab.ignored.{name}")), true)
        }
    }
}

/// What the button for control says.
pub fn control_button(held: bool, asked: bool) -> String {
    plain(match (held, asked) {
        (true, _) => "tab.control.give_back",
        (false, true) => "tab.control.asking",
        (false, false) => "tab.control.request",
    })
}

/// While the server can't be reached.
pub fn server_lost(connected: bool) -> String {
    plain(if connected { "tab.server.lost" } else { "tab.server.lost_both" })
}

/// What is wrong with the last three digits, as they were typed.
pub fn bad_secret() -> String {
    plain("tab.bad_secret")
}

/// How the bytes travel.
pub fn path(path: Path) -> (String, String) {
    let name = format!("tab.path.{}", path.as_str());
    (plain(&name), plain(&format!("{name}_meaning")))
}

/// The heading where the picture would be, in a browser that can't show it.
pub fn no_picture() -> String {
    plain("tab.heading.no_picture")
}

/// What this browser lacks.
pub fn lack(lack: Lack) -> String {
    plain(match lack {
        Lack::WebRtc => "tab.lack.webrtc",
        Lack::H264 => "tab.lack.h264",
    })
}

/// How a file stands.
pub fn file(status: Status, sender: Seat, done: u64, size: u64) -> String {
    let whole = bytes(size);
    let sized = |key| text(key, &[("size", Value::Text(&whole))]);
    match (status, sender) {
        (Status::Offered, Seat::Viewer) => plain("tab.file.asking"),
        (Status::Offered, Seat::Host) => plain("tab.file.offered"),
        (Status::Running, _) => {
            text("tab.file.running", &[("done", Value::Text(&bytes(done))), ("size", Value::Text(&whole))])
        }
        (Status::Checking, _) => plain("tab.file.checking"),
        (Status::Done, Seat::Viewer) => sized("tab.file.sent"),
        (Status::Done, Seat::Host) => sized("tab.file.received"),
        (Status::Stopped(problem), _) => plain(&format!("tab.file.problem.{}", problem_name(problem))),
    }
}

/// The stable name of what went wrong with a file, as in the page's `data-problem`.
pub const fn problem_name(problem: FileProblem) -> &'static str {
    match problem {
        FileProblem::Refused => "refused",
        FileProblem::Cancelled => "cancelled",
        FileProblem::BadName => "bad_name",
        FileProblem::TooLarge => "too_large",
        FileProblem::TooMany => "too_many",
        FileProblem::CannotRead => "cannot_read",
        FileProblem::CannotWrite => "cannot_write",
        FileProblem::DiskFull => "disk_full",
        FileProblem::HashMismatch => "hash_mismatch",
        FileProblem::Protocol => "protocol",
        FileProblem::ConnectionLost => "connection_lost",
    }
}

/// What a file's button does, and the same with the file's name.
pub fn file_button(again: bool, name: &str) -> (String, String) {
    let (short, long) = if again {
        ("tab.file.again", "tab.file.again_named")
    } else {
        ("tab.file.cancel", "tab.file.cancel_named")
    };
    (plain(short), text(long, &[("name", Value::Text(name))]))
}

/// What the link says that saves a received file.
pub fn file_save(name: &str) -> String {
    text("tab.file.save_named", &[("name", Value::Text(name))])
}

/// A number of bytes, in decimal units as file managers show them.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return catalogue().apart(&format!("{bytes} B"));
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    catalogue().apart(&format!("{} {}", picture::number(value), UNITS[unit]))
}

/// How long the code can still be used.
pub fn code_validity(left_ms: u64) -> String {
    match left_ms.div_ceil(60_000) {
        0 => plain("tab.code.expired"),
        minutes => text("tab.code.valid", &[("count", Value::Count(minutes))]),
    }
}

/// How long the session still waits for the customer's program.
pub fn grace(left_ms: u64) -> String {
    match left_ms.div_ceil(1000) {
        0 => plain("tab.grace.over"),
        seconds => text("tab.grace.seconds", &[("count", Value::Count(seconds))]),
    }
}

/// The tab's title.
pub fn title(phase: Phase, machine: Option<&str>, unread: usize) -> String {
    let count = if unread > 0 { format!("({unread}) ") } else { String::new() };
    match machine {
        Some(machine) => format!("{count}{} – {} – Nearhand", status(phase), catalogue().apart(machine)),
        None => format!("{count}{} – Nearhand", status(phase)),
    }
}

/// What a screen reader says about unread lines.
pub fn unread(count: usize) -> String {
    match count {
        0 => plain("tab.chat.title"),
        _ => text("tab.chat.unread", &[("count", Value::Count(count as u64))]),
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
            let phase = Phase::Ended(reason);
            assert_eq!((status(phase).as_str(), super::heading(phase)), ("Session ended", heading));
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
        assert_eq!(grace(500), "The session waits one more second.");
    }

    #[test]
    fn the_title_counts_what_was_not_read() {
        assert_eq!(title(Phase::Viewing, Some("desk-4"), 2), "(2) Viewing – desk-4 – Nearhand");
        assert_eq!(title(Phase::Waiting, None, 0), "Waiting for the customer – Nearhand");
    }
    /// A key that there is not would come back as it is (and stops a debug build).
    #[test]
    fn everything_that_can_happen_has_words() {
        let mut said = Vec::new();
        for phase in [
            Phase::Opening,
            Phase::Waiting,
            Phase::Connecting,
            Phase::Unreached,
            Phase::Locked,
            Phase::Proving,
            Phase::Stranded,
            Phase::Asking,
            Phase::Declined,
            Phase::Interrupted,
            Phase::Reconnecting,
        ] {
            said.extend([status(phase), heading(phase), explanation(phase)]);
        }
        said.extend([Phase::Viewing, Phase::Controlling].map(status));
        for right in Right::ALL {
            said.extend(
                [Announcement::Refused, Announcement::Given, Announcement::Taken]
                    .map(|of| announcement(of(right)).0),
            );
        }
        for problem in [
            FileProblem::Refused,
            FileProblem::Cancelled,
            FileProblem::BadName,
            FileProblem::TooLarge,
            FileProblem::TooMany,
            FileProblem::CannotRead,
            FileProblem::CannotWrite,
            FileProblem::DiskFull,
            FileProblem::HashMismatch,
            FileProblem::Protocol,
            FileProblem::ConnectionLost,
        ] {
            said.push(file(Status::Stopped(problem), Seat::Viewer, 0, 0));
        }
        for sender in [Seat::Viewer, Seat::Host] {
            said.extend(
                [Status::Offered, Status::Running, Status::Checking, Status::Done]
                    .map(|status| file(status, sender, 1, 2)),
            );
        }
        for of in [Path::Direct, Path::Relayed] {
            let (name, meaning) = path(of);
            said.extend([name, meaning]);
        }
        said.extend(leave());
        for words in said {
            assert!(words.contains(|c: char| c.is_uppercase() || c == ' '), "{words}");
        }
    }
}
