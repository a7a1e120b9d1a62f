//! Every message to its bytes. A change here is a change of the protocol: old programs are out there.
//!
//! `NEARHAND_BLESS=1 cargo test -p nearhand-protocol --test golden` writes the files anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use nearhand_protocol::channel::Channel;
use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::clipboard::{ClipboardMessage, ClipboardProblem, Format, Formats};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::control::{
    Arrival, Figures, Hello, InputProblem, Notice, Quality, Rest, Shared, SpecialKeys, ToHost, ToViewer,
    Watch, What,
};
use nearhand_protocol::cursor::{CursorMessage, CursorShape};
use nearhand_protocol::display::{Layout, Monitor};
use nearhand_protocol::facts::{Column, FactsMessage, SheetPart, Topic, Topics};
use nearhand_protocol::file::{FileChunk, FileMessage, FileProblem, Sha256, TransferId};
use nearhand_protocol::frame::FrameChunk;
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::id::{Epoch, GuestId, ResumeToken, Seat, SessionId, Ticket};
use nearhand_protocol::input::{Button, InputEvent, KeyCode, PointerMove};
use nearhand_protocol::invitation::{Invitation, InvitationId, InvitationSecret};
use nearhand_protocol::picture::{Area, Cells, Painted, Step, Update, View};
use nearhand_protocol::proof::{Proof, Share};
use nearhand_protocol::signal::{
    Candidate, Entry, HostInfo, HostToServer, IceServer, Negotiate, Sdp, ServerToHost, ServerToViewer,
    Technician, ViewerToServer, parse, to_text,
};
use nearhand_protocol::version::{Capabilities, Version};
use nearhand_protocol::wire::{Message, decode, decode_borrowed, encode};

/// Compares with the file, or writes it when asked to.
fn golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("NEARHAND_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(expected, found, "{name}");
    }
    assert_eq!(expected, found, "{name}");
}

/// Lines of `channel message: bytes in hexadecimal`, each also decoded again.
struct Table(String);

impl Table {
    fn add<M>(&mut self, channel: Channel, message: &M)
    where
        M: Message + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let bytes = encode(message).unwrap();
        assert!(bytes.len() <= M::MAX && M::MAX <= Channel::MAX_MESSAGE);
        assert_eq!(decode::<M>(&bytes).as_ref(), Ok(message));
        self.line(channel, &format!("{message:?}"), &bytes);
    }

    fn line(&mut self, channel: Channel, message: &str, bytes: &[u8]) {
        let hex = data_encoding::HEXLOWER.encode(bytes);
        writeln!(self.0, "{} {message}: {hex}", channel.label()).unwrap();
    }
}

#[test]
fn data_channels() {
    let mut table = Table(String::new());
    control(&mut table);
    input(&mut table);
    cursor_and_chat(&mut table);
    files(&mut table);
    picture(&mut table);
    rights_and_scope(&mut table);
    clipboard(&mut table);
    facts(&mut table);
    golden("data-channels.txt", &table.0);
}

fn control(table: &mut Table) {
    let hello = Hello {
        version: Version(1),
        capabilities: Capabilities::H264_TRACK.with(Capabilities::CURSOR).with(Capabilities::FILES),
    };
    let rights = Rights::only(Right::View).with(Right::FilesOut);
    for message in [
        ToHost::Hello(hello),
        ToHost::Ask(Rights::only(Right::Control)),
        ToHost::GiveBack(rights),
        ToHost::Ping { nonce: 300 },
        ToHost::Arrival(Arrival {
            frames_decoded: 60,
            frames_dropped: 1,
            packets_lost: 2,
            jitter_buffer_ms: 17,
        }),
        ToHost::Press(SpecialKeys::CtrlAltDel),
        ToHost::Press(SpecialKeys::AltTab),
        ToHost::Press(SpecialKeys::AltF4),
        ToHost::Press(SpecialKeys::Meta),
        ToHost::Press(SpecialKeys::CtrlShiftEscape),
        ToHost::Press(SpecialKeys::PrintScreen),
        ToHost::End,
        ToHost::Prove(Proof([0xcd; 32])),
        ToHost::Watch(Watch::default()),
        ToHost::Watch(Watch { monitor: Some(1), quality: Quality::Sharp, paused: true, figures: true }),
        ToHost::Watch(Watch { quality: Quality::Smooth, ..Watch::default() }),
        ToHost::Watch(Watch { quality: Quality::SaveData, ..Watch::default() }),
        ToHost::Invite(Invitation {
            id: InvitationId(4_000_000_000),
            secret: InvitationSecret::from_random([0xcd; 16]),
        }),
        ToHost::Refresh,
    ] {
        table.add(Channel::Control, &message);
    }
    let monitor = Monitor {
        id: 0,
        name: "HDMI-1".into(),
        x: 0,
        y: 0,
        width: 1920,
        height: 1080,
        scale_percent: 150,
        primary: true,
    };
    let layout = Layout { width: 1920, height: 1080, monitors: vec![monitor] };
    for message in [
        ToViewer::Hello(hello),
        ToViewer::Rights { held: rights, asked: Rights::only(Right::Control) },
        ToViewer::Refused(Right::FilesIn),
        ToViewer::Layout(layout),
        ToViewer::Notice(Notice::Headless),
        ToViewer::Notice(Notice::ScreenUnavailable),
        ToViewer::Notice(Notice::ScreenAvailable),
        ToViewer::Notice(Notice::NotAsked),
        ToViewer::Pong { nonce: 300 },
        ToViewer::InputIgnored(InputProblem::NoControl),
        ToViewer::InputIgnored(InputProblem::Unsupported),
        ToViewer::InputIgnored(InputProblem::Failed),
        ToViewer::Prove(Proof([0xcd; 32])),
        ToViewer::View(View { number: 0, monitor: None, area: Area::new(0, 0, 3200, 1080) }),
        ToViewer::View(View { number: 1, monitor: Some(1), area: Area::new(1920, 0, 1280, 1024) }),
        ToViewer::Figures(Figures {
            frames: 29,
            tiles: 3,
            moved_kilopixels: 1440,
            video_bytes: 48_000,
            tile_bytes: 900,
            capture_us: 400,
            encode_us: 6100,
            bitrate: 6_000_000,
            loss_permille: 12,
            queue_ms: 3,
            frame_width: 960,
            frame_height: 540,
            exact_percent: 97,
        }),
    ] {
        table.add(Channel::Control, &message);
    }
    for reason in CloseReason::ALL {
        table.add(Channel::Control, &ToViewer::End(reason));
    }
}

fn input(table: &mut Table) {
    let far = PointerMove { sequence: u32::MAX, x: 16_383, y: 16_383 };
    assert!(encode(&far).unwrap().len() <= 16, "a pointer move fits into 16 bytes");
    table.add(Channel::Pointer, &PointerMove { sequence: 7, x: 640, y: 360 });
    table.add(Channel::Pointer, &far);
    for button in [Button::Primary, Button::Middle, Button::Secondary, Button::Back, Button::Forward] {
        table.add(Channel::Input, &InputEvent::Button { button, pressed: true, x: 640, y: 360 });
    }
    table.add(Channel::Input, &InputEvent::Wheel { dx: 0, dy: -120 });
    table.add(Channel::Input, &InputEvent::Key { code: KeyCode::KeyQ, key: Some('@'), pressed: true });
    table.add(Channel::Input, &InputEvent::Key { code: KeyCode::ShiftLeft, key: None, pressed: false });
    table.add(Channel::Input, &InputEvent::Text("ß€я😀".into()));
    table.add(Channel::Input, &InputEvent::ReleaseAll);
    for code in KeyCode::ALL {
        table.add(Channel::Input, &InputEvent::Key { code: *code, key: None, pressed: true });
    }
}

fn cursor_and_chat(table: &mut Table) {
    let shape = CursorShape {
        serial: 1,
        width: 1,
        height: 2,
        hot_x: 0,
        hot_y: 1,
        rgba: vec![255, 0, 0, 255, 0, 0, 0, 0],
    };
    table.add(Channel::Cursor, &CursorMessage::Shape(shape));
    table.add(Channel::Cursor, &CursorMessage::Again { serial: 1 });
    table.add(Channel::Cursor, &CursorMessage::Hidden);
    table.add(Channel::Cursor, &CursorMessage::At { x: 640, y: 360 });
    let line = ChatMessage::Line { number: 1, written_at_ms: 1_800_000_000_000, text: "Grüß Gott".into() };
    table.add(Channel::Chat, &line);
    table.add(Channel::Chat, &ChatMessage::Seen { number: 1 });
}

fn files(table: &mut Table) {
    let id = TransferId { sender: Seat::Host, number: 2 };
    table.add(Channel::Files, &FileMessage::Offer { id, name: "Übersicht.pdf".into(), size: 20_000_000 });
    table.add(Channel::Files, &FileMessage::Accept { id, offset: 0 });
    table.add(Channel::Files, &FileMessage::Progress { id, received: 262_144 });
    table.add(Channel::Files, &FileMessage::Complete { id, sha256: Sha256([0xab; 32]) });
    table.add(Channel::Files, &FileMessage::Saved { id, name: "Übersicht (1).pdf".into() });
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
        table.add(Channel::Files, &FileMessage::Stop { id, problem });
    }
    table.add(Channel::Files, &FileMessage::Wanted);
    let chunk =
        FileChunk { id: TransferId { sender: Seat::Viewer, number: 1 }, offset: 61_440, data: &[1, 2, 3] };
    let bytes = encode(&chunk).unwrap();
    assert_eq!(decode_borrowed::<FileChunk<'_>>(&bytes), Ok(chunk));
    table.line(Channel::FileData, "FileChunk with the data 01 02 03", &bytes);
}

fn picture(table: &mut Table) {
    let cells = Cells::from_flags((0..510).map(|cell| (40..44).contains(&cell) || cell == 70));
    let steps = [
        Step::Tile { area: Area::new(640, 360, 8, 16), coded: &[1, 255, 128, 0] },
        Step::Move { since: 299, from_x: 160, from_y: 132, to: Area::new(160, 90, 1600, 858) },
        Step::Frame { timestamp: 4_000_000_000, width: 1920, height: 1080, cells },
    ];
    for step in steps {
        let update = Update { view: 1, number: 300, steps: vec![step] };
        let bytes = encode(&update).unwrap();
        assert_eq!(decode_borrowed::<Update<'_>>(&bytes).as_ref(), Ok(&update));
        table.line(Channel::Picture, &format!("{update:?}"), &bytes);
    }
    table.add(Channel::Picture, &Painted { highest: 300, painted: u128::MAX - 2 });
    let chunk =
        FrameChunk { timestamp: 4_000_000_000, keyframe: true, index: 0, count: 2, bytes: &[0, 0, 1, 0x65] };
    let bytes = encode(&chunk).unwrap();
    assert_eq!(decode_borrowed::<FrameChunk<'_>>(&bytes), Ok(chunk));
    table.line(Channel::Frames, "FrameChunk with the bytes 00 00 01 65", &bytes);
}

fn rights_and_scope(table: &mut Table) {
    for right in Right::ALL {
        table.add(Channel::Control, &ToHost::Ask(Rights::only(right)));
        table.add(Channel::Control, &ToViewer::Refused(right));
    }
    table.add(Channel::Control, &ToHost::AskFacts(Topics::only(Topic::System).with(Topic::Drivers)));
    for what in [What::Everything, What::Monitor, What::Window, What::Application] {
        let name = if what == What::Window { "Übersicht.pdf".into() } else { String::new() };
        table.add(Channel::Control, &ToViewer::Shared(Shared { what, name }));
    }
    for rest in [None, Some(Rest::CustomerActs { back_after_s: 30 })] {
        table.add(Channel::Control, &ToViewer::Rests(rest));
    }
    for notice in [
        Notice::ScopeClosed,
        Notice::WindowHidden,
        Notice::WindowBack,
        Notice::Covered,
        Notice::OwnWindowHidden,
    ] {
        table.add(Channel::Control, &ToViewer::Notice(notice));
    }
    for problem in [InputProblem::Outside, InputProblem::Ours, InputProblem::CustomerActs] {
        table.add(Channel::Control, &ToViewer::InputIgnored(problem));
    }
    let ids = vec![
        TransferId { sender: Seat::Viewer, number: 1 },
        TransferId { sender: Seat::Viewer, number: 300 },
    ];
    table.add(Channel::Files, &FileMessage::Bundle { serial: 7, ids });
}

fn clipboard(table: &mut Table) {
    let formats = Formats::only(Format::Text).with(Format::Html);
    let mut messages = vec![
        ClipboardMessage::Holds { serial: 300, formats, bytes: 120, files: 0 },
        ClipboardMessage::Holds {
            serial: 1,
            formats: Formats::only(Format::Files),
            bytes: 2 << 30,
            files: 256,
        },
        ClipboardMessage::Taken { serial: 300 },
    ];
    messages.extend(Format::ALL.map(|format| ClipboardMessage::Want { serial: 300, format }));
    messages.extend(
        [
            ClipboardProblem::NoRight,
            ClipboardProblem::TooLarge,
            ClipboardProblem::Gone,
            ClipboardProblem::NotThere,
            ClipboardProblem::Secret,
            ClipboardProblem::Failed,
        ]
        .map(|problem| ClipboardMessage::Refused { serial: 300, problem }),
    );
    let (serial, format, data) = (300, Format::Png, &[1, 2, 3][..]);
    messages.push(ClipboardMessage::Part { serial, format, offset: 61_440, total: 70_000, data });
    for message in messages {
        let bytes = encode(&message).unwrap();
        assert_eq!(decode_borrowed::<ClipboardMessage<'_>>(&bytes), Ok(message));
        table.line(Channel::Clipboard, &format!("{message:?}"), &bytes);
    }
}

fn facts(table: &mut Table) {
    for topic in Topic::ALL {
        let part = SheetPart {
            topic,
            part: 0,
            last: true,
            cut: false,
            columns: vec![Column::Name],
            rows: vec![vec!["ä".into()]],
        };
        table.add(Channel::Facts, &FactsMessage::Sheet(part));
    }
    for column in Column::ALL {
        let part = SheetPart {
            topic: Topic::Software,
            part: 79,
            last: false,
            cut: true,
            columns: vec![*column],
            rows: Vec::new(),
        };
        table.add(Channel::Facts, &FactsMessage::Sheet(part));
    }
    table.add(Channel::Facts, &FactsMessage::Done { topics: Topics::only(Topic::Disks) });
    table.add(Channel::Facts, &FactsMessage::Refused);
}

#[test]
fn signaling() {
    let mut text = String::new();
    let session: SessionId = "6ba7b8109dad41d180b400c04fd430c8".parse().unwrap();
    let version = Version(1);
    let capabilities = Capabilities::H264_TRACK;
    let nameplate: nearhand_protocol::code::Nameplate = "482913".parse().unwrap();
    let token = ResumeToken::new("token".into());
    let candidate =
        Candidate { candidate: "candidate:…".into(), sdp_mid: Some("0".into()), sdp_m_line_index: Some(0) };
    let epoch = Epoch(7);
    let negotiate = [
        Negotiate::Offer { epoch, sdp: Sdp("v=0…".into()) },
        Negotiate::Answer { epoch, sdp: Sdp("v=0…".into()) },
        Negotiate::Candidate { epoch, candidate },
        Negotiate::RestartWanted { epoch, anew: false },
        Negotiate::RestartWanted { epoch, anew: true },
    ];
    let info = HostInfo { system: "Debian 12".into(), machine: "reception".into(), headless: false };
    let technician = Technician { name: "Ada".into(), organisation: "Example Ltd".into() };
    let ice_servers = vec![IceServer {
        urls: vec!["turn:turn.example.com:3478".into()],
        username: Some("user".into()),
        credential: Some("password".into()),
    }];
    let reason = CloseReason::CustomerEnded;
    let share = Share::from_bytes([0x42; 33]);

    let hello = |entry| HostToServer::Hello { version, capabilities, entry, info: info.clone() };
    let mut host = vec![
        hello(Entry::Nameplate { nameplate }),
        hello(Entry::Resume { token: token.clone() }),
        HostToServer::Rights { held: Rights::only(Right::View) },
        HostToServer::End { reason },
        HostToServer::Share { share },
    ];
    host.extend(negotiate.iter().cloned().map(HostToServer::Negotiate));
    let guest = GuestId(9);
    let for_guest = |message| HostToServer::GuestNegotiate { guest, message };
    host.extend(negotiate.iter().cloned().map(for_guest));
    host.push(HostToServer::GuestEnd { guest, reason: CloseReason::UnknownCode });
    add(&mut text, "host to server", &host);

    let mut to_host = vec![
        ServerToHost::Welcome {
            version,
            session,
            resume: token.clone(),
            technician: technician.clone(),
            ice_servers: ice_servers.clone(),
            viewer_present: true,
        },
        ServerToHost::ViewerArrived,
        ServerToHost::ViewerDropped { grace_s: 60 },
        ServerToHost::End { reason },
        ServerToHost::Share { share },
    ];
    to_host.extend(negotiate.iter().cloned().map(ServerToHost::Negotiate));
    let invitation = InvitationId(4_000_000_000);
    to_host.extend([
        ServerToHost::GuestArrived { guest, invitation, technician },
        ServerToHost::GuestDropped { guest, grace_s: 60 },
        ServerToHost::GuestLeft { guest, reason: CloseReason::TechnicianEnded },
    ]);
    let of_guest = |message| ServerToHost::GuestNegotiate { guest, message };
    to_host.extend(negotiate.iter().cloned().map(of_guest));
    add(&mut text, "server to host", &to_host);

    let mut viewer = vec![
        ViewerToServer::Hello { version, capabilities, entry: Entry::SignedIn { session } },
        ViewerToServer::Hello {
            version,
            capabilities,
            entry: Entry::Ticket { session, ticket: Ticket::new("0a1b2c".into()) },
        },
        ViewerToServer::Hello { version, capabilities, entry: Entry::Invited { session, invitation } },
        ViewerToServer::End { reason: CloseReason::TechnicianEnded },
        ViewerToServer::End { reason: CloseReason::NotProven },
        ViewerToServer::Share { share },
    ];
    viewer.extend(negotiate.iter().cloned().map(ViewerToServer::Negotiate));
    add(&mut text, "viewer to server", &viewer);

    let mut to_viewer = vec![
        ServerToViewer::Welcome {
            version,
            session,
            resume: token,
            nameplate,
            code_valid_s: 600,
            epoch,
            ice_servers,
            host: None,
        },
        ServerToViewer::HostArrived { host: info },
        ServerToViewer::HostDropped { grace_s: 60 },
        ServerToViewer::End { reason },
        ServerToViewer::Share { share },
    ];
    to_viewer.extend(negotiate.into_iter().map(ServerToViewer::Negotiate));
    add(&mut text, "server to viewer", &to_viewer);
    golden("signaling.txt", &text);
    // As tabs of earlier versions say it.
    let bare = parse(r#"{"type":"end"}"#);
    assert_eq!(bare, Ok(ViewerToServer::End { reason: CloseReason::TechnicianEnded }));
}

fn add<M>(text: &mut String, direction: &str, messages: &[M])
where
    M: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    for message in messages {
        let json = to_text(message).unwrap();
        assert_eq!(parse::<M>(&json).as_ref(), Ok(message));
        writeln!(text, "{direction}: {json}").unwrap();
    }
}
