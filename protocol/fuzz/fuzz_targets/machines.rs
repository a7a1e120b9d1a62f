//! Sequences of operations on the machines that two ends run: a hostile sender, a hostile receiver, and an honest pair.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use nearhand_protocol::file::{FileChunk, FileMessage, FileProblem, Sha256, TransferId};
use nearhand_protocol::id::{Epoch, Seat};
use nearhand_protocol::machine::negotiation::{MAX_WAITING, Negotiation};
use nearhand_protocol::machine::transfer::{Receiver, Sender, Status, WINDOW};
use nearhand_protocol::signal::{Candidate, Negotiate, Sdp};

#[derive(Arbitrary, Debug)]
enum Step {
    Accept(u64),
    Progress(u64),
    Complete([u8; 32]),
    Saved,
    Stop,
    Yes,
    Kept,
    Chunk { offset: u64, len: u16 },
    Send { len: u16 },
    Close,
    Cancel { sender: bool },
    Offer(u8),
    Answer(u8),
    Candidate(u8),
    RestartWanted(u8),
}

const ID: TransferId = TransferId { sender: Seat::Viewer, number: 1 };

fuzz_target!(|input: (u64, Vec<Step>)| {
    let (size, steps) = input;
    let size = size % (1 << 40);
    let (mut sender, _) = Sender::offer(ID, "name".into(), size);
    let mut receiver = Receiver::offered(ID, size);
    let mut negotiation = Negotiation::new();
    let mut sent = 0_u64;
    let mut waiting = 0;
    let zeros = vec![0; usize::from(u16::MAX)];
    for step in steps {
        let mut both = |message: FileMessage| {
            let _ = sender.receive(&message);
            let _ = receiver.receive(&message);
        };
        match step {
            Step::Accept(offset) => both(FileMessage::Accept { id: ID, offset }),
            Step::Progress(received) => both(FileMessage::Progress { id: ID, received }),
            Step::Complete(hash) => both(FileMessage::Complete { id: ID, sha256: Sha256(hash) }),
            Step::Saved => both(FileMessage::Saved { id: ID, name: "name".into() }),
            Step::Stop => both(FileMessage::Stop { id: ID, problem: FileProblem::Cancelled }),
            Step::Yes => drop(receiver.accept()),
            Step::Kept => drop(receiver.saved("name".into())),
            Step::Chunk { offset, len } => {
                drop(receiver.chunk(&FileChunk { id: ID, offset, data: &zeros[..usize::from(len)] }));
            }
            Step::Send { len } => {
                if let Some(chunk) = sender.chunk(&zeros[..usize::from(len)]) {
                    assert_eq!(chunk.offset, sent);
                    sent += chunk.data.len() as u64;
                    let _ = receiver.chunk(&chunk);
                }
            }
            Step::Close => {
                if let Some(message) = sender.complete() {
                    assert_eq!(sent, size);
                    let _ = receiver.receive(&message);
                }
            }
            Step::Cancel { sender: true } => drop(sender.stop(FileProblem::Cancelled)),
            Step::Cancel { sender: false } => drop(receiver.stop(FileProblem::Cancelled)),
            Step::Offer(epoch) => {
                let offer = Negotiate::Offer { epoch: Epoch(epoch.into()), sdp: Sdp(String::new()) };
                if !negotiation.receive(offer).is_empty() {
                    waiting = 0;
                }
            }
            Step::Answer(epoch) => {
                drop(
                    negotiation
                        .receive(Negotiate::Answer { epoch: Epoch(epoch.into()), sdp: Sdp(String::new()) }),
                );
            }
            Step::RestartWanted(epoch) => {
                assert!(
                    negotiation.receive(Negotiate::RestartWanted { epoch: Epoch(epoch.into()), anew: epoch % 2 == 0 }).len() <= 1
                );
            }
            Step::Candidate(epoch) => {
                let candidate = Candidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: None };
                let effects =
                    negotiation.receive(Negotiate::Candidate { epoch: Epoch(epoch.into()), candidate });
                waiting += usize::from(effects.is_empty());
                assert!(effects.len() <= 1 + waiting.min(MAX_WAITING));
            }
        }
        assert!(sent <= size && sent <= sender.confirmed() + WINDOW);
        assert!(receiver.received() <= size);
        if sender.status() == Status::Done {
            assert_eq!(sent, size);
        }
    }
});
