//! The thread that sends one file.

use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use bytes::Bytes;
use nearhand_protocol::channel::Channel;
use nearhand_protocol::file::{FileMessage, FileProblem, MAX_CHUNK, TransferId};
use nearhand_protocol::machine::transfer::{Sender as Machine, Status};
use nearhand_protocol::wire::encode;
use tokio::sync::mpsc::Sender;

use super::{Event, Input, Outcome};
use crate::rtc::{SendError, Transport};
use crate::session::LocalFile;

/// Bytes that may wait in the channel: enough for the line, little enough that a cancel is felt at once.
const AHEAD: usize = 256 * 1024;
/// While the channel is full, look again after this long; its word that there is room comes only when it was much fuller.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Runs until the file has arrived or the transfer is over.
pub(super) fn run(
    id: TransferId,
    file: &LocalFile,
    transport: &dyn Transport,
    inbox: &Receiver<Input>,
    events: &Sender<Event>,
) {
    let (mut machine, offer) = Machine::offer(id, file.name.clone(), file.size);
    send(events, Some(offer));
    let problem = match transfer(&mut machine, file, transport, inbox, events) {
        Ok(()) => match machine.status() {
            Status::Stopped(problem) => Some(problem),
            _ => None,
        },
        Err(problem) => {
            send(events, machine.stop(problem));
            Some(problem)
        }
    };
    let outcome = match problem {
        None => Outcome::Sent(file.name.clone()),
        Some(problem) => Outcome::Failed { name: file.name.clone(), problem },
    };
    let _ = events.blocking_send(Event::Over(id, outcome));
}

fn transfer(
    machine: &mut Machine,
    file: &LocalFile,
    transport: &dyn Transport,
    inbox: &Receiver<Input>,
    events: &Sender<Event>,
) -> Result<(), FileProblem> {
    let mut source = File::open(&file.path).map_err(|_| FileProblem::CannotRead)?;
    let mut buffer = vec![0; MAX_CHUNK];
    loop {
        // Everything that was said comes before more is sent.
        loop {
            match inbox.try_recv() {
                Ok(input) => take(machine, input, events)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(FileProblem::Cancelled),
            }
        }
        if machine.status().is_over() {
            return Ok(());
        }
        if transport.buffered(Channel::FileData) >= AHEAD {
            wait(machine, inbox, events, Some(LOOK_AGAIN))?;
        } else if let Some((_, len)) = machine.wants() {
            let read = source.read(&mut buffer[..len]).map_err(|_| FileProblem::CannotRead)?;
            let chunk = machine.chunk(&buffer[..read]).ok_or(FileProblem::CannotRead)?;
            let bytes = Bytes::from(encode(&chunk).map_err(|_| FileProblem::Protocol)?);
            // A chunk that was made must go: the machine counts it as sent.
            while let Err(error) = transport.send(Channel::FileData, bytes.clone()) {
                match error {
                    SendError::Full => wait(machine, inbox, events, Some(LOOK_AGAIN))?,
                    SendError::Closed => return Err(FileProblem::ConnectionLost),
                    SendError::TooLong => return Err(FileProblem::Protocol),
                }
                if machine.status().is_over() {
                    return Ok(());
                }
            }
        } else if let Some(complete) = machine.complete() {
            send(events, Some(complete));
        } else {
            wait(machine, inbox, events, None)?;
        }
    }
}

/// Waits for the other end's next word.
fn wait(
    machine: &mut Machine,
    inbox: &Receiver<Input>,
    events: &Sender<Event>,
    timeout: Option<Duration>,
) -> Result<(), FileProblem> {
    let input = match timeout {
        Some(timeout) => inbox.recv_timeout(timeout),
        None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match input {
        Ok(input) => take(machine, input, events),
        Err(RecvTimeoutError::Timeout) => Ok(()),
        Err(RecvTimeoutError::Disconnected) => Err(FileProblem::Cancelled),
    }
}

fn take(machine: &mut Machine, input: Input, events: &Sender<Event>) -> Result<(), FileProblem> {
    match input {
        Input::Message(message) => send(events, machine.receive(&message)),
        Input::Stop(problem) => return Err(problem),
        // Nobody sends contents to a sender.
        Input::Chunk(_) => return Err(FileProblem::Protocol),
        Input::Room => {}
    }
    Ok(())
}

fn send(events: &Sender<Event>, message: Option<FileMessage>) {
    if let Some(message) = message {
        let _ = events.blocking_send(Event::Send(message));
    }
}
