//! The thread that receives one file.

use std::io;
use std::path::Path;
use std::sync::mpsc::Receiver;

use nearhand_protocol::file::{FileChunk, FileMessage, FileProblem, TransferId};
use nearhand_protocol::machine::transfer::{Effect, Receiver as Machine, Status};
use nearhand_protocol::wire::decode_borrowed;
use tokio::sync::mpsc::Sender;

use super::folder::{Part, problem};
use super::{Event, Input, Outcome};

/// Runs until the file is there or the transfer is over. `name` is safe already.
pub(super) fn run(
    id: TransferId,
    name: &str,
    size: u64,
    folder: &Path,
    inbox: &Receiver<Input>,
    events: &Sender<Event>,
) {
    let mut machine = Machine::offered(id, size);
    let outcome = match receive(&mut machine, name, folder, inbox, events) {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::debug!(%error, "a received file can't be written");
            stop(&mut machine, problem(&error), name, events)
        }
    };
    // Where the driver is gone there is nobody to tell.
    let _ = events.blocking_send(Event::Over(id, outcome));
}

fn receive(
    machine: &mut Machine,
    name: &str,
    folder: &Path,
    inbox: &Receiver<Input>,
    events: &Sender<Event>,
) -> io::Result<Outcome> {
    let mut part = Part::create(folder)?;
    send(events, machine.accept());
    loop {
        let input = inbox.recv().unwrap_or(Input::Stop(FileProblem::Cancelled));
        let (effects, bytes) = match input {
            Input::Room => continue,
            Input::Stop(problem) => return Ok(stop(machine, problem, name, events)),
            Input::Message(message) => (machine.receive(&message), None),
            Input::Chunk(bytes) => {
                let effects = match decode_borrowed::<FileChunk<'_>>(&bytes) {
                    Ok(chunk) => machine.chunk(&chunk),
                    Err(_) => return Ok(stop(machine, FileProblem::Protocol, name, events)),
                };
                (effects, Some(bytes))
            }
        };
        let mut keep = false;
        for effect in effects {
            match effect {
                // Written before it is reported: the report opens the sender's window, so a slow disk slows the sender.
                Effect::Write => {
                    if let Some(Ok(chunk)) = bytes.as_deref().map(decode_borrowed::<FileChunk<'_>>) {
                        part.write(chunk.data)?;
                    }
                }
                Effect::Send(message) => send(events, Some(message)),
                Effect::Keep => keep = true,
                Effect::Discard(_) => {}
            }
        }
        if keep {
            let path = part.keep(name)?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            send(events, machine.saved(name));
            return Ok(Outcome::Saved(path));
        }
        if let Status::Stopped(problem) = machine.status() {
            return Ok(Outcome::Failed { name: name.to_owned(), problem });
        }
    }
}

fn stop(machine: &mut Machine, problem: FileProblem, name: &str, events: &Sender<Event>) -> Outcome {
    send(events, machine.stop(problem));
    Outcome::Failed { name: name.to_owned(), problem }
}

fn send(events: &Sender<Event>, message: Option<FileMessage>) {
    if let Some(message) = message {
        let _ = events.blocking_send(Event::Send(message));
    }
}
