//! Which rooms there are: from a code to its room, from a session to its room.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nearhand_protocol::code::Nameplate;
use nearhand_protocol::id::{Seat, SessionId};
use nearhand_protocol::signal::Technician;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, info, info_span};

use crate::account::{PersonId, unix_seconds};
use crate::attendant::{Attendant, COMMANDS, Command, Ledger};
use crate::chair::Invited;
use crate::resume::{Claim, Seating};
use crate::room::{ConnectionId, Room, Subject, Summary, Terms};
use crate::turn::Sessions;

/// Most rooms at a time: a hundredth of the nameplates, so that guessing one stays hard.
pub const MAX_ROOMS: usize = 10_000;
/// How long a nameplate rests after its session: a customer who is late must not end up with somebody else.
const REST: Duration = Duration::from_hours(1);
/// Most nameplates that rest; beyond it the longest rested is free again.
const MAX_RESTING: usize = 500_000;

/// No session can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// There are too many.
    #[error("there are {MAX_ROOMS} sessions already; end some of them")]
    Full,
    /// The server is about to stop.
    #[error("the server is shutting down")]
    Stopping,
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    Random,
}

/// What all sessions have in common.
#[derive(Clone, Debug)]
pub struct House {
    /// Times.
    pub terms: Terms,
    /// Who helps.
    pub technician: Technician,
}

/// The way to one room.
#[derive(Clone, Debug)]
pub struct Handle {
    /// What its task is told. Closed once the session is over.
    pub commands: mpsc::Sender<Command>,
    /// What is signed into the tokens of its ends.
    session: SessionId,
    nameplate: Nameplate,
    owner: PersonId,
    began: u64,
    summary: watch::Receiver<Summary>,
}

impl Handle {
    /// The session.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The server's part of the session's code.
    pub const fn nameplate(&self) -> Nameplate {
        self.nameplate
    }

    /// Whose session it is.
    pub const fn owner(&self) -> PersonId {
        self.owner
    }

    /// What a resume token of this seat vouches for.
    pub const fn seating(&self, seat: Seat, invited: Option<Invited>) -> Seating {
        Seating {
            session: self.session,
            seat,
            nameplate: self.nameplate,
            owner: self.owner,
            began: self.began,
            invited,
        }
    }
}

/// All rooms of this process.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    rooms: Mutex<Rooms>,
    /// Counts changes of what the desk shows.
    revision: watch::Sender<u64>,
    connections: AtomicU64,
    house: House,
    /// What the relay is told of the sessions.
    relayed: Sessions,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Rooms {
    by_session: HashMap<SessionId, Handle>,
    /// Codes that work.
    by_nameplate: HashMap<Nameplate, SessionId>,
    /// Nameplates of sessions, and those that rest.
    taken: HashSet<Nameplate>,
    resting: VecDeque<(Instant, Nameplate)>,
    /// Sessions of an earlier process that ended in this one: their tokens open nothing any more. There can be no more
    /// of them than ran when that process ended.
    ended: HashSet<SessionId>,
}

impl Registry {
    /// An empty house. Rooms run as tasks of `tasks` until `stop`.
    pub fn new(house: House, relayed: Sessions, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self(Arc::new(Shared {
            rooms: Mutex::default(),
            revision: watch::Sender::new(0),
            connections: AtomicU64::new(0),
            house,
            relayed,
            stop,
            tasks,
        }))
    }

    /// Who helps.
    pub fn technician(&self) -> &Technician {
        &self.0.house.technician
    }

    /// A number for a new connection.
    pub fn connection(&self) -> ConnectionId {
        ConnectionId(self.0.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// A new session with a new code.
    pub fn create(&self, owner: PersonId) -> Result<Handle, CreateError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| CreateError::Random)?;
        let session = SessionId::new(uuid::Builder::from_random_bytes(id).into_uuid());
        let now = Instant::now();
        let mut rooms = self.0.lock();
        self.0.check_space(&rooms)?;
        let nameplate = rooms.draw(now)?;
        rooms.by_nameplate.insert(nameplate, session);
        let room = Room::open(self.subject(session, nameplate), self.0.house.terms, now);
        let began = unix_seconds(SystemTime::now());
        let seating = Seating { session, seat: Seat::Viewer, nameplate, owner, began, invited: None };
        let handle = self.start(&mut rooms, room, seating, false);
        drop(rooms);
        self.0.changed();
        Ok(handle)
    }

    /// The room that this code opens, as far as is known; the room itself decides.
    pub fn by_nameplate(&self, nameplate: Nameplate) -> Option<Handle> {
        let rooms = self.0.lock();
        rooms.by_nameplate.get(&nameplate).and_then(|session| rooms.by_session.get(session)).cloned()
    }

    /// The room of this session.
    pub fn by_session(&self, session: SessionId) -> Option<Handle> {
        self.0.lock().by_session.get(&session).cloned()
    }

    /// The room that a resume token leads to, made again if it was one of an earlier process.
    pub fn resume(&self, claim: Claim) -> Option<Handle> {
        let (Claim::Running(seating) | Claim::Earlier(seating)) = claim;
        let mut rooms = self.0.lock();
        if let Some(handle) = rooms.by_session.get(&seating.session) {
            return Some(handle.clone());
        }
        if !matches!(claim, Claim::Earlier(_))
            || rooms.ended.contains(&seating.session)
            || self.0.check_space(&rooms).is_err()
        {
            return None;
        }
        let age = unix_seconds(SystemTime::now()).saturating_sub(seating.began);
        let room = Room::recovered(
            self.subject(seating.session, seating.nameplate),
            self.0.house.terms,
            Duration::from_secs(age),
            Instant::now(),
        );
        rooms.taken.insert(seating.nameplate);
        let handle = self.start(&mut rooms, room, seating, true);
        drop(rooms);
        self.0.changed();
        Some(handle)
    }

    /// What the desk of this person shows, newest first.
    pub fn summaries(&self, owner: PersonId) -> Vec<Summary> {
        let rooms = self.0.lock();
        let own = rooms.by_session.values().filter(|handle| handle.owner == owner);
        let mut summaries: Vec<_> = own.map(|handle| handle.summary.borrow().clone()).collect();
        drop(rooms);
        summaries.sort_by_key(|summary| std::cmp::Reverse((summary.began, summary.session)));
        summaries
    }

    /// Rises whenever [`Self::summaries`] may have changed.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    fn subject(&self, session: SessionId, nameplate: Nameplate) -> Subject {
        Subject { session, nameplate, technician: self.0.house.technician.clone() }
    }

    fn start(&self, rooms: &mut Rooms, room: Room, seating: Seating, recovered: bool) -> Handle {
        let Seating { session, nameplate, owner, began, .. } = seating;
        let (commands, waiting) = mpsc::channel(COMMANDS);
        let (sender, summary) = watch::channel(room.summary());
        let handle = Handle { commands, session, nameplate, owner, began, summary };
        rooms.by_session.insert(session, handle.clone());
        self.0.relayed.begin(session);
        let ledger = Entry { shared: Arc::clone(&self.0), session, nameplate, recovered };
        let attendant = Attendant::new(room, sender, ledger);
        let span = info_span!(parent: None, "session", id = %session);
        span.in_scope(|| info!(recovered, "session begins"));
        self.0.tasks.spawn(attendant.run(waiting, self.0.stop.clone()).instrument(span));
        handle
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }

    fn check_space(&self, rooms: &Rooms) -> Result<(), CreateError> {
        if self.stop.is_cancelled() {
            Err(CreateError::Stopping)
        } else if rooms.by_session.len() >= MAX_ROOMS {
            Err(CreateError::Full)
        } else {
            Ok(())
        }
    }
}

impl Rooms {
    /// A nameplate at random among the free ones. At most half are taken, so that a few draws suffice.
    fn draw(&mut self, now: Instant) -> Result<Nameplate, CreateError> {
        while let Some((since, nameplate)) = self.resting.front().copied() {
            if now.saturating_duration_since(since) < REST && self.resting.len() <= MAX_RESTING {
                break;
            }
            self.resting.pop_front();
            self.taken.remove(&nameplate);
        }
        loop {
            // Twenty bits, of which a twentieth is thrown away: no number is likelier than another.
            let number = getrandom::u32().map_err(|_| CreateError::Random)? >> 12;
            if let Some(nameplate) = Nameplate::from_number(number)
                && self.taken.insert(nameplate)
            {
                return Ok(nameplate);
            }
        }
    }
}

/// What a room's task keeps up to date in the registry.
struct Entry {
    shared: Arc<Shared>,
    session: SessionId,
    nameplate: Nameplate,
    recovered: bool,
}

impl Ledger for Entry {
    fn code_spent(&mut self) {
        self.shared.lock().by_nameplate.remove(&self.nameplate);
    }

    fn changed(&mut self) {
        self.shared.changed();
    }

    fn over(&mut self, ended: bool) {
        let mut rooms = self.shared.lock();
        if ended && self.recovered {
            rooms.ended.insert(self.session);
        }
        rooms.remove(self.session, self.nameplate);
        drop(rooms);
        self.shared.relayed.end(self.session);
        self.shared.changed();
    }
}

impl Rooms {
    fn remove(&mut self, session: SessionId, nameplate: Nameplate) {
        if self.by_session.remove(&session).is_some() {
            if self.by_nameplate.get(&nameplate) == Some(&session) {
                self.by_nameplate.remove(&nameplate);
            }
            self.resting.push_back((Instant::now(), nameplate));
        }
    }
}

impl Drop for Entry {
    /// Also when the task panicked: a room that nobody attends must not be found.
    fn drop(&mut self) {
        self.shared.lock().remove(self.session, self.nameplate);
        self.shared.relayed.end(self.session);
    }
}
