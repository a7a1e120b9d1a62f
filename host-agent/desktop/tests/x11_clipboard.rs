//! The clipboard, both ways, with owners and readers of all kinds, the hostile ones among them.
#![cfg(target_os = "linux")]

mod xvfb;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nearhand_desktop::{Clipboard, ClipboardError, Contents, Format, Formats, open, uri};
use nearhand_protocol::grant::{Consent, Right};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use xvfb::{Xvfb, eventually, grants};

/// A client of the server with a window of its own.
struct Client {
    conn: RustConnection,
    window: Window,
}

impl Client {
    fn on(server: &Xvfb) -> Self {
        let (conn, root) = server.connect();
        let window = conn.generate_id().unwrap();
        let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        conn.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux).unwrap();
        conn.sync().unwrap();
        Self { conn, window }
    }

    fn atom(&self, name: &str) -> Atom {
        self.conn.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }

    fn own(&self) {
        let clipboard = self.atom("CLIPBOARD");
        self.conn.set_selection_owner(self.window, clipboard, x11rb::CURRENT_TIME).unwrap();
        self.conn.sync().unwrap();
    }

    fn owner(&self) -> Window {
        let clipboard = self.atom("CLIPBOARD");
        self.conn.get_selection_owner(clipboard).unwrap().reply().unwrap().owner
    }

    /// What a program gets that pastes `target`; none where it is refused.
    fn paste(&self, target: &str) -> Option<Vec<u8>> {
        let (target, property) = (self.atom(target), self.atom("PASTED"));
        let clipboard = self.atom("CLIPBOARD");
        self.conn.convert_selection(self.window, clipboard, target, property, x11rb::CURRENT_TIME).unwrap();
        self.conn.flush().unwrap();
        loop {
            if let Event::SelectionNotify(event) = self.conn.wait_for_event().unwrap() {
                if event.property == x11rb::NONE {
                    return None;
                }
                break;
            }
        }
        let take = || {
            let reply = self.conn.get_property(true, self.window, property, AtomEnum::ANY, 0, u32::MAX / 4);
            let reply = reply.unwrap().reply().unwrap();
            self.conn.flush().unwrap();
            reply
        };
        let first = take();
        if first.type_ != self.atom("INCR") {
            return Some(first.value);
        }
        let mut whole = Vec::new();
        loop {
            let Event::PropertyNotify(event) = self.conn.wait_for_event().unwrap() else { continue };
            if event.atom == property && event.state == Property::NEW_VALUE {
                let piece = take();
                if piece.value.is_empty() {
                    return Some(whole);
                }
                whole.extend(piece.value);
            }
        }
    }
}

/// What an owner does with a question for one target.
#[derive(Clone)]
enum Answer {
    Bytes(&'static str, Vec<u8>),
    /// In pieces of this many bytes, so many of them.
    Pieces(usize, usize),
    /// A piece is promised, and none comes.
    Promise,
    /// Nothing is said.
    Silence,
    /// The owner ends.
    Death,
}

/// A program that owns the clipboard, on a thread of its own.
struct Owner {
    asked: Arc<Mutex<Vec<Atom>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    fn on(server: &Xvfb, answers: &[(&'static str, Answer)]) -> Self {
        let client = Client::on(server);
        let answers: Vec<(Atom, Answer)> =
            answers.iter().map(|(name, answer)| (client.atom(name), answer.clone())).collect();
        client.own();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
            move || {
                let mut pieces = 0;
                while !stop.load(Ordering::Relaxed) {
                    let Some(event) = client.conn.poll_for_event().unwrap() else {
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    match event {
                        Event::SelectionRequest(request) => {
                            asked.lock().unwrap().push(request.target);
                            if !answer(&client, &answers, &request, &mut pieces) {
                                return;
                            }
                        }
                        Event::PropertyNotify(event) if event.state == Property::DELETE => {
                            let size = answers.iter().find_map(|(_, answer)| match answer {
                                Answer::Pieces(size, _) => Some(*size),
                                _ => None,
                            });
                            if let Some(size) = size {
                                let piece = vec![b'x'; if pieces == 0 { 0 } else { size }];
                                pieces = usize::saturating_sub(pieces, 1);
                                let kind = AtomEnum::STRING;
                                let _ = client
                                    .conn
                                    .change_property8(
                                        PropMode::REPLACE,
                                        event.window,
                                        event.atom,
                                        kind,
                                        &piece,
                                    )
                                    .unwrap()
                                    .check();
                            }
                        }
                        _ => {}
                    }
                }
            }
        });
        Self { asked, stop, thread: Some(thread) }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// False: the owner ends.
fn answer(
    client: &Client,
    answers: &[(Atom, Answer)],
    request: &SelectionRequestEvent,
    pieces: &mut usize,
) -> bool {
    let conn = &client.conn;
    let mut property = request.property;
    let replace = PropMode::REPLACE;
    if request.target == client.atom("TARGETS") {
        let targets: Vec<Atom> = answers.iter().map(|(target, _)| *target).collect();
        conn.change_property32(replace, request.requestor, property, AtomEnum::ATOM, &targets).unwrap();
    } else {
        match answers.iter().find(|(target, _)| *target == request.target).map(|(_, answer)| answer) {
            Some(Answer::Bytes(kind, bytes)) => {
                let kind = client.atom(kind);
                conn.change_property8(replace, request.requestor, property, kind, bytes).unwrap();
            }
            Some(Answer::Pieces(_, count)) => {
                *pieces = *count;
                incremental(client, request);
            }
            Some(Answer::Promise) => incremental(client, request),
            Some(Answer::Silence) => return true,
            Some(Answer::Death) => return false,
            None => property = x11rb::NONE,
        }
    }
    let event = SelectionNotifyEvent {
        response_type: SELECTION_NOTIFY_EVENT,
        sequence: 0,
        time: request.time,
        requestor: request.requestor,
        selection: request.selection,
        target: request.target,
        property,
    };
    conn.send_event(false, request.requestor, EventMask::NO_EVENT, event).unwrap();
    conn.flush().unwrap();
    true
}

fn incremental(client: &Client, request: &SelectionRequestEvent) {
    use x11rb::protocol::xproto::ChangeWindowAttributesAux;
    let aux = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
    client.conn.change_window_attributes(request.requestor, &aux).unwrap();
    let (kind, replace) = (client.atom("INCR"), PropMode::REPLACE);
    client.conn.change_property32(replace, request.requestor, request.property, kind, &[1]).unwrap();
}

fn clipboard(server: &Xvfb) -> Box<dyn Clipboard> {
    open(Some(&server.display)).unwrap().clipboard
}

fn text(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer::Bytes("UTF8_STRING", bytes.into())
}

const MAX: u64 = 1 << 22;

#[test]
fn what_was_copied_is_read_in_each_form() {
    let server = Xvfb::start("320x240x24");
    let mut board = clipboard(&server);
    let mut grants = grants();
    let grant = grants.clipboard_out().unwrap();
    assert_eq!(board.formats(&grant).unwrap(), Formats::NONE, "nobody owns it");
    assert!(matches!(board.read(&grant, Format::Text, MAX), Err(ClipboardError::NotThere)));

    let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
    let wide: Vec<u8> = "\u{feff}<b>é</b>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files = uri::list(&[PathBuf::from("/tmp/a b"), PathBuf::from("/x")]);
    let owner = Owner::on(
        &server,
        &[
            ("UTF8_STRING", text("Grüße\0")),
            ("text/html", Answer::Bytes("text/html", wide)),
            ("image/png", Answer::Bytes("image/png", png.clone())),
            ("text/uri-list", Answer::Bytes("text/uri-list", files.into_bytes())),
        ],
    );
    assert_eq!(board.formats(&grant).unwrap().iter().collect::<Vec<_>>(), Format::ALL);
    assert_eq!(board.read(&grant, Format::Text, MAX).unwrap(), "Grüße".as_bytes());
    assert_eq!(board.read(&grant, Format::Html, MAX).unwrap(), "<b>é</b>".as_bytes());
    assert_eq!(board.read(&grant, Format::Png, MAX).unwrap(), png);
    let list = String::from_utf8(board.read(&grant, Format::Files, MAX).unwrap()).unwrap();
    assert_eq!(uri::paths(&list, 9), [PathBuf::from("/tmp/a b"), PathBuf::from("/x")]);
    assert!(matches!(board.read(&grant, Format::Text, 3), Err(ClipboardError::TooLarge { limit: 3 })));

    // Taken back, nobody is even asked.
    let asked = owner.asked();
    grants.take(Right::ClipboardOut);
    assert!(matches!(board.formats(&grant), Err(ClipboardError::Revoked(_))));
    assert!(matches!(board.read(&grant, Format::Text, MAX), Err(ClipboardError::Revoked(_))));
    assert!(matches!(board.watch(&grant, Box::new(|| ())), Err(ClipboardError::Revoked(_))));
    assert_eq!(owner.asked(), asked);
    drop(owner);

    assert!(grants.give(Right::ClipboardOut, Consent::CommandLine));
    let grant = grants.clipboard_out().unwrap();
    let _latin = Owner::on(&server, &[("STRING", Answer::Bytes("STRING", b"M\xe4rz".to_vec()))]);
    assert_eq!(board.read(&grant, Format::Text, MAX).unwrap(), "März".as_bytes());
}

#[test]
fn what_comes_in_pieces_is_put_together_up_to_the_limit() {
    let server = Xvfb::start("320x240x24");
    let mut board = clipboard(&server);
    let grants = grants();
    let grant = grants.clipboard_out().unwrap();
    let owner = Owner::on(&server, &[("UTF8_STRING", Answer::Pieces(60_000, 50))]);
    assert_eq!(board.read(&grant, Format::Text, MAX).unwrap().len(), 3_000_000);
    drop(owner);
    // Two gigabytes are refused long before they have come.
    let _owner = Owner::on(&server, &[("UTF8_STRING", Answer::Pieces(60_000, 36_000))]);
    let began = Instant::now();
    assert!(matches!(board.read(&grant, Format::Text, MAX), Err(ClipboardError::TooLarge { .. })));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn owners_that_lie_die_or_say_nothing_cost_seconds_at_most() {
    let server = Xvfb::start("320x240x24");
    let mut board = clipboard(&server);
    let grants = grants();
    let grant = grants.clipboard_out().unwrap();
    let secret = || ("x-kde-passwordManagerHint", Answer::Bytes("STRING", b"secret".to_vec()));
    let lie = Answer::Bytes("image/png", b"MZ not a picture".to_vec());
    for (answers, format, expected) in [
        (vec![("UTF8_STRING", Answer::Silence)], Format::Text, "Gone"),
        (vec![("UTF8_STRING", Answer::Promise)], Format::Text, "Gone"),
        (vec![("UTF8_STRING", Answer::Death)], Format::Text, "Gone"),
        (vec![("image/png", lie)], Format::Png, "Lie"),
        (vec![("UTF8_STRING", text("hunter2")), secret()], Format::Text, "Secret"),
        (vec![("UTF8_STRING", text("x"))], Format::Html, "NotThere"),
    ] {
        let owner = Owner::on(&server, &answers);
        let began = Instant::now();
        let error = board.read(&grant, format, MAX).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{expected}, but {error:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{expected} took {:?}", began.elapsed());
        drop(owner);
    }
    let owner = Owner::on(&server, &[("UTF8_STRING", text("hunter2")), secret()]);
    assert!(matches!(board.formats(&grant), Err(ClipboardError::Secret)));
    let (client, wanted) = (Client::on(&server), "UTF8_STRING");
    assert!(
        !owner.asked.lock().unwrap().contains(&client.atom(wanted)),
        "the secret itself was not asked for"
    );
}

#[test]
fn what_the_technician_puts_there_is_pasted_by_programs() {
    let server = Xvfb::start("320x240x24");
    let mut board = clipboard(&server);
    let mut grants = grants();
    let grant = grants.clipboard_in().unwrap();
    let program = Client::on(&server);
    let names = |targets: Vec<u8>| -> Vec<String> {
        let atoms = targets.chunks_exact(4).map(|atom| Atom::from_ne_bytes(atom.try_into().unwrap()));
        let name = |atom| program.conn.get_atom_name(atom).unwrap().reply().unwrap().name;
        atoms.map(|atom| String::from_utf8(name(atom)).unwrap()).collect()
    };
    board.put(&grant, Contents::Text("Grüße".into())).unwrap();
    assert_eq!(program.paste("UTF8_STRING").unwrap(), "Grüße".as_bytes());
    assert_eq!(program.paste("STRING").unwrap(), b"Gr\xfc\xdfe");
    assert_eq!(program.paste("image/png"), None);
    assert_eq!(program.paste("SAVE_TARGETS"), None);
    assert_eq!(program.paste("x-kde-passwordManagerHint").unwrap(), b"secret");
    assert!(names(program.paste("TARGETS").unwrap()).contains(&"text/plain;charset=utf-8".to_owned()));

    board.put(&grant, Contents::Html { html: "<b>x</b>".into(), text: "x".into() }).unwrap();
    assert_eq!(program.paste("text/html").unwrap(), b"<b>x</b>");
    assert_eq!(program.paste("text/plain").unwrap(), b"x");

    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend((0..5_000_000_u32).map(|n| (n % 251) as u8));
    board.put(&grant, Contents::Png(png.clone())).unwrap();
    assert!(program.paste("image/png").unwrap() == png, "in pieces");

    board.put(&grant, Contents::Files(vec![PathBuf::from("/tmp/a b")])).unwrap();
    assert_eq!(program.paste("text/uri-list").unwrap(), b"file:///tmp/a%20b\r\n");
    assert_eq!(program.paste("x-special/gnome-copied-files").unwrap(), b"copy\nfile:///tmp/a%20b");

    grants.take(Right::ClipboardIn);
    assert!(matches!(board.put(&grant, Contents::Text("no".into())), Err(ClipboardError::Revoked(_))));
    assert!(program.paste("text/uri-list").is_some(), "what was there stays until it is let go");
    board.let_go();
    assert_eq!(program.owner(), x11rb::NONE);

    // What somebody copied meanwhile stays.
    assert!(grants.give(Right::ClipboardIn, Consent::CommandLine));
    let grant = grants.clipboard_in().unwrap();
    board.put(&grant, Contents::Text("ours".into())).unwrap();
    program.own();
    board.let_go();
    assert_eq!(program.owner(), program.window);
    board.put(&grant, Contents::Text("ours".into())).unwrap();
    drop(board);
    assert_eq!(program.owner(), x11rb::NONE, "nothing is left behind");
}

#[test]
fn several_at_once_and_a_reader_that_goes_away() {
    let server = Xvfb::start("320x240x24");
    let mut board = clipboard(&server);
    let (text, grants) = ("ä".repeat(1_000_000), grants());
    board.put(&grants.clipboard_in().unwrap(), Contents::Text(text.clone())).unwrap();
    // One takes the first piece and is gone.
    let gone = Client::on(&server);
    let (target, property, clipboard) =
        (gone.atom("UTF8_STRING"), gone.atom("PASTED"), gone.atom("CLIPBOARD"));
    gone.conn.convert_selection(gone.window, clipboard, target, property, x11rb::CURRENT_TIME).unwrap();
    gone.conn.flush().unwrap();
    eventually("the first piece", || {
        matches!(gone.conn.poll_for_event().unwrap(), Some(Event::SelectionNotify(_)))
    });
    drop(gone);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(Client::on(&server).paste("UTF8_STRING").unwrap() == text.as_bytes()));
        }
    });
    // Ours read back: the same way as from anybody.
    let secret = board.read(&grants.clipboard_out().unwrap(), Format::Text, MAX);
    assert!(
        matches!(secret, Err(ClipboardError::Secret)),
        "what the technician put there is not theirs to fetch"
    );
}

#[test]
fn changes_are_told_but_not_what_they_are_nor_too_often() {
    let server = Xvfb::start("320x240x24");
    let mut board = clipboard(&server);
    let grants = grants();
    let grant = grants.clipboard_out().unwrap();
    let told = Arc::new(AtomicU32::new(0));
    let (sender, heard) = channel();
    board
        .watch(&grant, {
            let told = Arc::clone(&told);
            Box::new(move || {
                told.fetch_add(1, Ordering::Relaxed);
                let _ = sender.send(());
            })
        })
        .unwrap();
    let owner = Owner::on(&server, &[("UTF8_STRING", text("x"))]);
    heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(owner.asked(), 0, "nobody was asked for anything");
    // Ours is no news.
    board.put(&grants.clipboard_in().unwrap(), Contents::Text("ours".into())).unwrap();

    let began = Instant::now();
    let client = Client::on(&server);
    for _ in 0..100 {
        client.own();
    }
    while heard.recv_timeout(Duration::from_millis(600)).is_ok() {}
    let most = 2 + (began.elapsed().as_millis() / 250) as u32;
    let count = told.load(Ordering::Relaxed);
    assert!((2..=most).contains(&count), "{count} times, at most {most}");

    board.unwatch();
    client.own();
    assert!(heard.recv_timeout(Duration::from_millis(400)).is_err(), "not watched any more");
    let told_before = told.load(Ordering::Relaxed);
    assert_eq!(told_before, count);
}
