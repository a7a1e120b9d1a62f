//! A sender and a receiver, left and right, over a channel that this test plays.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::id::Seat;

const ID: TransferId = TransferId { sender: Seat::Viewer, number: 1 };

/// Carries one file across; `spoil` may change a chunk on its way.
fn carry(file: &[u8], mut spoil: impl FnMut(u64, &mut Vec<u8>)) -> (Sender, Receiver, Vec<u8>) {
    let (mut sender, offer) = Sender::offer(ID, "a.bin".into(), file.len() as u64);
    assert!(matches!(offer, FileMessage::Offer { .. }));
    let mut receiver = Receiver::offered(ID, file.len() as u64);
    let mut to_sender = VecDeque::from([receiver.accept().unwrap()]);
    let mut written = Vec::new();
    for _ in 0..10_000 {
        while let Some(message) = to_sender.pop_front() {
            assert_eq!(sender.receive(&message), None);
        }
        let effects = if let Some((offset, len)) = sender.wants() {
            let start = offset as usize;
            let chunk = sender.chunk(&file[start..start + len]).unwrap();
            let mut data = chunk.data.to_vec();
            spoil(offset, &mut data);
            let effects = receiver.chunk(&FileChunk { data: &data, ..chunk });
            if effects.first() == Some(&Effect::Write) {
                written.extend_from_slice(&data);
            }
            effects
        } else if let Some(complete) = sender.complete() {
            receiver.receive(&complete)
        } else {
            break;
        };
        for effect in effects {
            match effect {
                Effect::Write => {}
                Effect::Send(message) => to_sender.push_back(message),
                Effect::Keep => to_sender.extend(receiver.saved("a.bin".into())),
                Effect::Discard(_) => written.clear(),
            }
        }
    }
    (sender, receiver, written)
}

#[test]
fn files_of_all_sizes_arrive_whole() {
    for size in [0, 1, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, WINDOW as usize + 1, 3 * WINDOW as usize] {
        let file: Vec<u8> = (0..size).map(|index| (index * 31 % 251) as u8).collect();
        let (sender, receiver, written) = carry(&file, |_, _| {});
        assert_eq!((sender.status(), receiver.status()), (Status::Done, Status::Done), "{size} bytes");
        assert!(written == file, "{size} bytes");
    }
}

#[test]
fn a_closing_message_may_overtake_the_last_chunk() {
    let (mut sender, _) = Sender::offer(ID, "a".into(), 3);
    let mut receiver = Receiver::offered(ID, 3);
    sender.receive(&receiver.accept().unwrap());
    let chunk = sender.chunk(&[1, 2, 3]).unwrap();
    assert_eq!(receiver.receive(&sender.complete().unwrap()), []);
    assert_eq!(receiver.chunk(&chunk), [Effect::Write, Effect::Keep]);
}

#[test]
fn one_changed_byte_is_noticed_and_nothing_is_kept() {
    let file = vec![7; 2 * MAX_CHUNK];
    let (sender, receiver, written) = carry(&file, |offset, data| {
        if offset > 0 {
            data[5] ^= 1;
        }
    });
    let problem = Status::Stopped(FileProblem::HashMismatch);
    assert_eq!((sender.status(), receiver.status()), (problem, problem));
    assert!(written.is_empty());
}

#[test]
fn the_sender_never_runs_further_ahead_than_the_window() {
    let (mut sender, _) = Sender::offer(ID, "a".into(), 100 * WINDOW);
    assert_eq!(sender.wants(), None, "before the answer nothing is sent");
    sender.receive(&FileMessage::Accept { id: ID, offset: 0 });
    let mut sent = 0;
    while let Some((offset, len)) = sender.wants() {
        assert_eq!(offset, sent);
        sender.chunk(&vec![0; len]).unwrap();
        sent += len as u64;
    }
    assert_eq!(sent, WINDOW);
    sender.receive(&FileMessage::Progress { id: ID, received: 1000 });
    assert_eq!(sender.wants(), Some((WINDOW, 1000)));
}

#[test]
fn what_is_out_of_turn_stops_the_transfer_and_says_so() {
    let chunk = |offset, data| FileChunk { id: ID, offset, data };
    let stop = FileMessage::Stop { id: ID, problem: FileProblem::Protocol };
    let failed = [Effect::Discard(FileProblem::Protocol), Effect::Send(stop.clone())];

    let mut before_yes = Receiver::offered(ID, 10);
    assert_eq!(before_yes.chunk(&chunk(0, &[1])), failed);

    let mut gap = Receiver::offered(ID, 10);
    gap.accept();
    assert_eq!(gap.chunk(&chunk(1, &[1])), failed);
    assert_eq!(gap.chunk(&chunk(0, &[1])), [], "after the end silence");

    let mut too_much = Receiver::offered(ID, 2);
    too_much.accept();
    assert_eq!(too_much.chunk(&chunk(0, &[1, 2, 3])), failed);

    let (mut sender, _) = Sender::offer(ID, "a".into(), 10);
    assert_eq!(sender.receive(&FileMessage::Saved { id: ID, name: "a".into() }), Some(stop.clone()));
    let (mut sender, _) = Sender::offer(ID, "a".into(), 10);
    assert_eq!(sender.receive(&FileMessage::Accept { id: ID, offset: 5 }), Some(stop.clone()));
    let (mut sender, _) = Sender::offer(ID, "a".into(), 10);
    sender.receive(&FileMessage::Accept { id: ID, offset: 0 });
    assert_eq!(sender.receive(&FileMessage::Progress { id: ID, received: 11 }), Some(stop));
}

proptest! {
    /// Any messages in any order: no panic, and `Done` only by way of `Saved` after everything was sent.
    #[test]
    fn any_order_is_survived(steps in prop::collection::vec((0..7_u8, 0..200_u64), 0..100)) {
        let (mut sender, _) = Sender::offer(ID, "a".into(), 100);
        let mut receiver = Receiver::offered(ID, 100);
        for (kind, value) in steps {
            let message = match kind {
                0 => FileMessage::Accept { id: ID, offset: value % 2 },
                1 => FileMessage::Progress { id: ID, received: value },
                2 => FileMessage::Complete { id: ID, sha256: Sha256([0; 32]) },
                3 => FileMessage::Saved { id: ID, name: "a".into() },
                4 => FileMessage::Stop { id: ID, problem: FileProblem::Cancelled },
                5 => {
                    let len = sender.wants().map_or(0, |(_, len)| len.min(value as usize));
                    let _ = sender.chunk(&vec![0; len]);
                    continue;
                }
                _ => {
                    let _ = receiver.accept();
                    let data = vec![0; value as usize];
                    let _ = receiver.chunk(&FileChunk { id: ID, offset: receiver.received(), data: &data });
                    continue;
                }
            };
            let checked = sender.status() == Status::Checking && matches!(message, FileMessage::Saved { .. });
            let done_before = sender.status() == Status::Done;
            let _ = sender.receive(&message);
            let _ = receiver.receive(&message);
            let _ = sender.complete();
            prop_assert_eq!(sender.status() == Status::Done, done_before || checked);
            prop_assert!(receiver.status() != Status::Done);
            prop_assert!(receiver.received() <= receiver.size());
        }
    }
}
