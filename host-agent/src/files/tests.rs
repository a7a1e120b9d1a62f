//! Real files through the real threads, with the other end played by the test.

use std::time::Duration;

use nearhand_protocol::channel::Channel;
use nearhand_protocol::file::Sha256;
use nearhand_protocol::machine::transfer::{Effect, Receiver as Machine, Sender};
use nearhand_protocol::wire::encode;
use tokio::time::timeout;

use super::*;
use crate::rtc::Event as PeerEvent;
use crate::rtc::fake::{FakeTransport, Recorded};

const PATIENCE: Duration = Duration::from_secs(20);

fn offer(number: u32, name: &str, size: u64) -> FileOffer {
    FileOffer { id: TransferId { sender: Seat::Viewer, number }, name: name.into(), size }
}

fn contents(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(PATIENCE, events.recv()).await.expect("in time").expect("an event")
}

/// Sends `data` into the files as a viewer would, and returns how it ended.
async fn upload(
    files: &mut Files,
    events: &mut mpsc::Receiver<Event>,
    offer: &FileOffer,
    data: &[u8],
) -> Outcome {
    let (mut sender, _) = Sender::offer(offer.id, offer.name.clone(), data.len() as u64);
    if let Some(FileMessage::Stop { problem, .. }) = files.receive(offer) {
        return Outcome::Failed { name: offer.name.clone(), problem };
    }
    loop {
        match next(events).await {
            Event::Send(message) => assert_eq!(sender.receive(&message), None),
            Event::Over(id, outcome) => {
                assert_eq!(id, offer.id);
                files.over(id);
                return outcome;
            }
        }
        while let Some((at, len)) = sender.wants() {
            let chunk = sender.chunk(&data[at as usize..at as usize + len]).unwrap();
            assert!(files.chunk(encode(&chunk).unwrap().into()));
        }
        if let Some(complete) = sender.complete() {
            files.message(offer.id, complete);
        }
    }
}

#[tokio::test]
async fn files_arrive_whole_and_under_a_free_name() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut events) = Files::new(folder.path().join("Nearhand"));
    for (number, len, name) in [(1, 0, "a.bin"), (2, 100, "a (1).bin"), (3, 9_000_000, "a (2).bin")] {
        let data = contents(len);
        let outcome = upload(&mut files, &mut events, &offer(number, "../a.bin", len as u64), &data).await;
        let Outcome::Saved(path) = outcome else { panic!("{outcome:?}") };
        assert_eq!(path, folder.path().join("Nearhand").join(name));
        assert!(std::fs::read(path).unwrap() == data);
    }
    assert_eq!(std::fs::read_dir(folder.path().join("Nearhand")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_cancelled_or_spoilt_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut events) = Files::new(folder.path().to_owned());
    for how in 0..4 {
        let offer = offer(how, "b", 10);
        assert_eq!(files.receive(&offer), None);
        assert!(matches!(next(&mut events).await, Event::Send(FileMessage::Accept { .. })));
        match how {
            0 => files.stop(None, FileProblem::ConnectionLost),
            1 => files.message(offer.id, FileMessage::Stop { id: offer.id, problem: FileProblem::Cancelled }),
            2 => {
                let chunk = FileChunk { id: offer.id, offset: 0, data: &[0; 10] };
                files.chunk(encode(&chunk).unwrap().into());
                files.message(offer.id, FileMessage::Complete { id: offer.id, sha256: Sha256([0; 32]) });
            }
            _ => {
                let chunk = FileChunk { id: offer.id, offset: 5, data: &[0; 5] };
                files.chunk(encode(&chunk).unwrap().into());
            }
        }
        loop {
            if let Event::Over(id, outcome) = next(&mut events).await {
                assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
                files.over(id);
                break;
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{how}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut events) = Files::new(folder.path().to_owned());
    let problem = |message: Option<FileMessage>| match message {
        Some(FileMessage::Stop { problem, .. }) => Some(problem),
        _ => None,
    };
    assert_eq!(problem(files.receive(&offer(1, "..", 1))), Some(FileProblem::BadName));
    for number in 2..6 {
        assert_eq!(files.receive(&offer(number, "c", 1)), None);
    }
    assert_eq!(problem(files.receive(&offer(2, "c", 1))), Some(FileProblem::Protocol));
    assert_eq!(problem(files.receive(&offer(7, "c", 1))), Some(FileProblem::TooMany));
    assert!(!files.chunk(Bytes::from_static(b"garbage")));
    drop(files);
    // Every thread says its last word and ends: then nobody holds the channel any more.
    while timeout(PATIENCE, events.recv()).await.expect("in time").is_some() {}

    let file = folder.path().join("not-a-folder");
    std::fs::write(&file, "x").unwrap();
    let (mut files, mut events) = Files::new(file);
    let outcome = upload(&mut files, &mut events, &offer(1, "d", 1), b"x").await;
    assert!(matches!(outcome, Outcome::Failed { problem: FileProblem::CannotWrite, .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_file_is_sent_within_the_window_and_over_a_full_channel() {
    let folder = tempfile::tempdir().unwrap();
    let data = contents(6_000_000);
    let path = folder.path().join("out.bin");
    std::fs::write(&path, &data).unwrap();
    let (mut files, mut events) = Files::new(folder.path().to_owned());
    let (transport, _peer) = FakeTransport::new();
    transport.emit(PeerEvent::ChannelOpen(Channel::FileData)).await;
    transport.fill(Channel::FileData);
    assert!(files.offer(look(&path).unwrap(), transport.clone()));
    let Event::Send(FileMessage::Offer { id, name, size }) = next(&mut events).await else {
        panic!("an offer")
    };
    assert_eq!((name.as_str(), size), ("out.bin", data.len() as u64));
    let mut machine = Machine::offered(id, size);
    files.message(id, machine.accept().unwrap());
    transport.emit(PeerEvent::BufferedLow(Channel::FileData)).await;
    files.room();

    let (mut read, mut received) = (0, Vec::new());
    let started = std::time::Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE);
        for recorded in transport.recorded().split_off(read) {
            read += 1;
            let Recorded::Message(Channel::FileData, bytes) = recorded else { continue };
            let chunk = decode_borrowed::<FileChunk<'_>>(&bytes).unwrap();
            for effect in machine.chunk(&chunk) {
                match effect {
                    Effect::Write => received.extend_from_slice(chunk.data),
                    Effect::Send(message) => files.message(id, message),
                    Effect::Keep => files.message(id, machine.saved("x".into()).unwrap()),
                    Effect::Discard(problem) => panic!("{problem:?}"),
                }
            }
        }
        match timeout(Duration::from_millis(1), events.recv()).await {
            Ok(Some(Event::Send(message))) => {
                // It may overtake the last chunks.
                let whole = machine.receive(&message).contains(&Effect::Keep);
                if whole {
                    files.message(id, machine.saved("x".into()).unwrap());
                }
            }
            Ok(Some(Event::Over(_, outcome))) => {
                assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
                break;
            }
            _ => {}
        }
    }
    assert!(received == data);
}

#[test]
fn what_cannot_be_sent_is_said() {
    let folder = tempfile::tempdir().unwrap();
    assert!(look(folder.path()).unwrap_err().contains("no file"));
    assert!(look(&folder.path().join("none")).is_err());
}
