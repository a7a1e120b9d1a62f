//! What may happen next in a session: idle → offered → awaiting consent → active → interrupted → ending. Pure: events
//! and the time go in, effects come out.
//!
//! It holds the session's [`Grants`], and nobody else can make one: whatever shows pixels or injects input gets its
//! proof from an effect of this machine.

mod company;
mod consent;
mod event;
mod files;
mod flood;
mod mending;
mod precedence;
mod proof;
mod scope;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Code;
use nearhand_protocol::control::{Hello, InputProblem, Notice, Rest, ToHost, ToViewer};
use nearhand_protocol::display::Layout;
use nearhand_protocol::grant::{Brake, Consent, ControlGrant, Deed, Grants, Right, Rights};
use nearhand_protocol::id::Seat;
use nearhand_protocol::machine::handshake::{Key, SEED_LEN};
use nearhand_protocol::signal::{HostToServer, Technician};
use nearhand_protocol::version::{Capabilities, Version};

use crate::chat::{Chat, Heard};
pub use company::{Company, GUESTS, INVITATIONS, INVITED_FOR, OWNER, Wanted};
use consent::Questions;
pub use consent::{NO_SPAN, NOS};
pub use event::{
    Choice, Colleague, Effect, Event, FileOffer, LocalFile, Looker, News, Question, QuestionId, ViewerId,
    Whom,
};
use files::Waiting;
use flood::Bucket;
use mending::Mending;
pub use mending::{LONGEST_WAIT, OFFER_WAIT};
use proof::Handshake;
pub use proof::PROOF_WAIT;

/// How long rights outlive the peer connection.
pub const INTERRUPTION: Duration = Duration::from_mins(1);
/// Messages that can't be understood before the technician's end is taken for broken or hostile.
const GARBAGE: u32 = 100;

/// Lines of chat that are shown at once; more of them are merged into one sentence.
const LINES: u32 = 20;
/// And one more so often.
const LINE_EVERY: Duration = Duration::from_millis(250);
/// Requests for rights that are answered at once, and one more so often; beyond that they are garbage.
const ASKS: u32 = 10;
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What this program can do.
pub const CAPABILITIES: Capabilities = Capabilities::H264_TRACK
    .with(Capabilities::H264_CHANNEL)
    .with(Capabilities::PICTURE)
    .with(Capabilities::CURSOR)
    .with(Capabilities::FILES)
    .with(Capabilities::SCOPE);

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The server has not let us in.
    Idle,
    /// Waiting for the technician.
    Offered,
    /// The customer is being asked, and nothing is given.
    AwaitingConsent,
    /// Connected; the rights say what is allowed.
    Active,
    /// The peer connection broke less than [`INTERRUPTION`] ago.
    Interrupted,
    /// Over.
    Ending,
}

/// One session of the customer.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts about both ends; the rights are in `grants`"
)]
pub struct Session {
    consent: Consent,
    /// The tab came by an invitation: it gets no files, and invites nobody.
    guest: bool,
    handshake: Handshake,
    brake: Brake,
    grants: Grants,
    ever_seen: bool,
    /// Files were allowed in one direction, once.
    had_files: bool,
    /// What is shared is called so.
    shared_name: String,
    /// What the technician's end was told about control that rests, over this connection.
    rest_told: Option<Rest>,
    /// Time is told to `grants` up to here.
    waited_until: Option<Instant>,
    questions: Questions,
    waiting: Waiting,
    chat: Chat,
    lines: Bucket,
    /// Lines that were too many to be shown.
    merged: u32,
    asks: Bucket,
    technician: Option<Technician>,
    /// The peer connection carries data.
    connected: bool,
    /// The peer of this connection said its hello, and we can talk with it.
    greeted: bool,
    /// What it can do beyond the version's own.
    theirs: Capabilities,
    /// The peer of this connection proved that it knows the code.
    proven: bool,
    /// The words to compare, once they were told.
    words: Option<[&'static str; 4]>,
    /// When it was proven for the first time.
    since: Option<Instant>,
    /// The customer was told that the server is away.
    server_lost: bool,
    /// The control channel is open.
    control_open: bool,
    /// The peer could prove itself since.
    awaited: Option<Instant>,
    mending: Mending,
    chat_open: bool,
    interrupted: Option<Instant>,
    sharing: bool,
    layout: Option<Layout>,
    input_problem: Option<InputProblem>,
    garbage: u32,
    /// Peer connections in a row that have carried no data so far.
    unreached: u8,
    ended: Option<CloseReason>,
}

/// After so many peer connections in a row that never carried data, the customer is told.
const TELL_UNREACHED: u8 = 2;

impl Session {
    /// A session in which nothing is allowed. `consent` is what a yes counts as: the customer's, or that of the command
    /// line, which is announced to the technician. `code` is what the peer has to prove; `seed` is fresh from the system's
    /// random source. Who holds the brake can stop everything at any moment, without asking here.
    pub fn new(consent: Consent, code: Code, seed: [u8; SEED_LEN], brake: Brake) -> Self {
        Self::by(consent, Handshake::Waiting { code, seed }, brake)
    }

    fn by(consent: Consent, handshake: Handshake, brake: Brake) -> Self {
        let mut grants = Grants::under(brake.clone());
        grants.rule(&Deed::Interrupted, consent);
        Self {
            consent,
            guest: false,
            handshake,
            brake,
            grants,
            ever_seen: false,
            had_files: false,
            shared_name: String::new(),
            rest_told: None,
            waited_until: None,
            questions: Questions::default(),
            waiting: Waiting::default(),
            chat: Chat::default(),
            lines: Bucket::new(LINES, LINE_EVERY),
            merged: 0,
            asks: Bucket::new(ASKS, ASK_EVERY),
            technician: None,
            connected: false,
            greeted: false,
            theirs: Capabilities::NONE,
            proven: false,
            words: None,
            since: None,
            server_lost: false,
            control_open: false,
            awaited: None,
            mending: Mending::new(),
            chat_open: false,
            interrupted: None,
            sharing: false,
            layout: None,
            input_problem: None,
            garbage: 0,
            unreached: 0,
            ended: None,
        }
    }

    /// The same for a technician who was invited, and has this key with us if they are who was meant.
    fn guest(consent: Consent, technician: Technician, key: Key, brake: Brake) -> Self {
        let technician = Some(technician);
        Self { guest: true, technician, ..Self::by(consent, Handshake::Invited { key }, brake) }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        if self.ended.is_some() {
            Phase::Ending
        } else if self.interrupted.is_some() {
            Phase::Interrupted
        } else if self.technician.is_none() && !self.connected {
            Phase::Idle
        } else if self.grants.rights().is_empty() && self.questions.any() {
            Phase::AwaitingConsent
        } else if self.trusts() {
            Phase::Active
        } else {
            Phase::Offered
        }
    }

    /// The rights that hold.
    pub fn rights(&self) -> Rights {
        self.grants.rights()
    }

    /// The rights that were given and not taken since: those that hold, and control that rests.
    pub fn kept(&self) -> Rights {
        self.grants.kept()
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let merged = (self.merged > 0).then(|| self.lines.free_at()).flatten();
        let deadlines =
            [self.rights_until(), self.proof_until(), self.mending.deadline(), self.goes_on_at(), merged];
        deadlines.into_iter().flatten().min()
    }

    /// When everything is taken back, unless the peer connection is back by then.
    fn rights_until(&self) -> Option<Instant> {
        self.interrupted.map(|since| since + INTERRUPTION)
    }

    /// Why it ended, once it has.
    pub const fn ended(&self) -> Option<CloseReason> {
        self.ended
    }

    /// Something happened at `now`. After the end nothing follows any more.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.ended.is_some() {
            return out;
        }
        // Before anything else: no event may profit from rights that are over.
        self.expire(now, &mut out);
        if self.ended.is_some() {
            return out;
        }
        // Whoever pulled the brake was faster than the word of it.
        let event = if self.brake.is_pulled() { Event::Panic } else { event };
        match event {
            Event::Tick => {}
            Event::Welcome { session, technician, viewer_present } => {
                self.begin_exchange(session);
                self.welcome(technician, viewer_present, &mut out);
                self.mending.seated(viewer_present, now, &mut out);
            }
            Event::ServerLost(why) => {
                self.mending.unseated();
                // Once: each attempt in vain is told of here.
                if !std::mem::replace(&mut self.server_lost, true) {
                    let goes_on = self.connected && self.trusts();
                    out.push(Effect::Tell(News::ServerLost { why, goes_on }));
                }
            }
            Event::NetworkChanged => self.network_changed(now, &mut out),
            Event::ViewerArrived => {
                out.push(Effect::Tell(News::TechnicianArrived));
                self.mending.viewer(true, now, &mut out);
            }
            Event::ViewerDropped => {
                out.push(Effect::Tell(News::TechnicianDropped));
                self.mending.viewer(false, now, &mut out);
            }
            Event::Share(share) => self.share(share, now, &mut out),
            Event::ServerEnded(reason) => self.end(reason, &mut out),

            Event::NewPeer => {
                // Each new one counts as vain until data come over it.
                if self.unreached == TELL_UNREACHED {
                    out.push(Effect::Tell(News::Unreached));
                }
                self.unreached = self.unreached.saturating_add(1);
                self.interrupt(now, &mut out);
                self.greeted = false;
                self.theirs = Capabilities::NONE;
                self.rest_told = None;
                self.proven = false;
                self.control_open = false;
                self.chat_open = false;
                self.garbage = 0;
                self.input_problem = None;
                self.drop_offers();
                // A connection that recovers goes on with its transfers; a new one knows nothing of them.
                out.push(Effect::LoseFiles);
                out.push(Effect::ReleaseAll);
            }
            Event::Offered => self.mending.over(),
            Event::RestartDue => self.restart_due(now, &mut out),
            Event::PeerConnected => {
                self.connected = true;
                self.mending.over();
                self.awaited = self.control_open.then_some(now);
                self.is_back();
                if self.trusts() && self.interrupted.is_some() {
                    self.resume(&mut out);
                }
            }
            Event::PeerLost => self.interrupt(now, &mut out),
            Event::ControlOpen => {
                // Data flows, whatever the order in which the two were told.
                self.connected = true;
                self.control_open = true;
                self.awaited = Some(now);
                self.unreached = 0;
                self.is_back();
                let hello = Hello { version: Version::CURRENT, capabilities: CAPABILITIES };
                out.push(Effect::Send(ToViewer::Hello(hello)));
            }
            Event::Control(message) => self.control(message, now, &mut out),
            Event::Prove { proof, binding } => self.prove(&proof, binding, now, &mut out),
            Event::ChatOpen => {
                self.chat_open = true;
                self.send_unseen(&mut out);
            }
            // Nothing else of the peer counts before we know who it is.
            Event::Chat(_)
            | Event::Input(_)
            | Event::Pointer(_)
            | Event::Painted(_)
            | Event::FileOffered(_)
            | Event::FileWithdrawn(_)
            | Event::FileWanted
                if !self.trusts() =>
            {
                self.garbage(&mut out);
            }
            Event::Chat(message) => self.hear(message, now, &mut out),
            Event::Input(event) => {
                if matches!(event, nearhand_protocol::input::InputEvent::ReleaseAll) {
                    out.push(Effect::ReleaseAll);
                } else if let Some(grant) = self.control_grant(&mut out) {
                    out.push(Effect::Inject(event, grant));
                }
            }
            Event::Pointer(to) => {
                if let Some(grant) = self.control_grant(&mut out) {
                    out.push(Effect::Move(to, grant));
                }
            }
            Event::Painted(painted) => out.push(Effect::Painted(painted)),
            Event::FileOffered(offer) => self.file_offered(offer, now, &mut out),
            Event::FileWithdrawn(id) => self.file_withdrawn(id, &mut out),
            Event::FileWanted if self.guest => {}
            Event::FileWanted => out.push(Effect::Tell(News::FileWanted)),
            Event::Garbage => self.garbage(&mut out),

            Event::Answer { question, yes, choice } => self.answer(question, yes, choice, now, &mut out),
            Event::Say { text, written_at_ms } => {
                let lines = self.chat.say(&text, written_at_ms);
                if self.chat_open && self.trusts() {
                    out.extend(lines.into_iter().map(Effect::SendChat));
                } else if !lines.is_empty() {
                    out.push(Effect::Tell(News::Problem(
                        "the technician is not connected; your line is sent as soon as they are".into(),
                    )));
                }
            }
            Event::SendFile(file) => self.send_file(file, &mut out),
            Event::AskAgain => self.ask_again(),
            Event::Give(right) => self.give(right, &mut out),
            Event::TakeBack(right) => {
                self.take(&Deed::Switched { right, on: false }, Rights::only(right), &mut out);
            }
            Event::Narrow(choice) => self.narrow(choice, &mut out),
            Event::Touched => self.yields(&Deed::Touched, &mut out),
            Event::Resume => self.yields(&Deed::Resumed, &mut out),
            Event::ComesBack(after) => self.comes_back(after, &mut out),
            Event::Panic => self.panic(&mut out),
            Event::End => self.end(CloseReason::CustomerEnded, &mut out),

            Event::Layout(layout) => {
                self.layout = Some(layout);
                self.send_layout(&mut out);
            }
            // Told anew whenever showing begins, so nothing of it is kept here.
            Event::View(view) => {
                if self.trusts() && self.grants.has(Right::View) {
                    out.push(Effect::Send(ToViewer::View(view)));
                }
            }
            Event::Figures(figures) => {
                if self.trusts() && self.grants.has(Right::View) {
                    out.push(Effect::Send(ToViewer::Figures(figures)));
                }
            }
            Event::Screen { available } => {
                if self.trusts() && self.grants.has(Right::View) {
                    let notice = if available { Notice::ScreenAvailable } else { Notice::ScreenUnavailable };
                    out.push(Effect::Send(ToViewer::Notice(notice)));
                }
            }
            Event::ScopeClosed => self.scope_closed(&mut out),
            Event::ScopeHidden(hidden) => self.scope_hidden(hidden, &mut out),
            Event::InputProblem(problem) => self.input_ignored(problem, &mut out),
            Event::Broken(why) => {
                out.push(Effect::Tell(News::Problem(why)));
                self.end(CloseReason::CustomerEnded, &mut out);
            }
        }
        out
    }

    fn welcome(&mut self, technician: Technician, viewer_present: bool, out: &mut Vec<Effect>) {
        let first = self.technician.is_none();
        self.technician = Some(technician.clone());
        let lost = std::mem::take(&mut self.server_lost);
        if first {
            out.push(Effect::Tell(News::Connected { technician, viewer_present }));
        } else if lost {
            out.push(Effect::Tell(News::ServerBack));
        }
        if !self.grants.rights().is_empty() {
            // The server may be another one than before, and nothing is kept there.
            out.push(Effect::Signal(HostToServer::Rights { held: self.grants.rights() }));
        }
    }

    fn control(&mut self, message: ToHost, now: Instant, out: &mut Vec<Effect>) {
        match message {
            ToHost::Hello(hello) if !hello.version.speaks_with(Version::CURRENT) => {
                self.greeted = true;
                self.end(CloseReason::VersionMismatch, out);
            }
            ToHost::Hello(hello) => {
                self.theirs = hello.capabilities;
                if !std::mem::replace(&mut self.greeted, true) && self.proven {
                    self.trusted(now, out);
                }
            }
            ToHost::End => self.end(CloseReason::TechnicianEnded, out),
            // The driver hands it over with what our end knows; without that it proves nothing.
            ToHost::Prove(proof) => self.prove(&proof, None, now, out),
            // Nothing else counts before we know who it is, and that the two mean the same by it.
            _ if !self.trusts() => self.garbage(out),
            // Each is answered, and who asks without end would be answered without end.
            ToHost::Ask(_) if !self.asks.take(now) => self.garbage(out),
            ToHost::Ask(rights) => self.ask(rights, now, out),
            ToHost::GiveBack(rights) => self.take(&Deed::GivenBack(rights), rights, out),
            ToHost::Ping { nonce } => out.push(Effect::Send(ToViewer::Pong { nonce })),
            ToHost::Arrival(arrival) => out.push(Effect::Arrival(arrival)),
            ToHost::Watch(watch) => out.push(Effect::Watch(watch)),
            ToHost::Refresh => out.push(Effect::Refresh),
            ToHost::Invite(_) if self.guest => self.garbage(out),
            ToHost::Invite(invitation) => out.push(Effect::Invite(invitation)),
            // Not in our hello.
            ToHost::AskFacts(_) => self.garbage(out),
            ToHost::Press(keys) => {
                if let Some(grant) = self.control_grant(out) {
                    out.push(Effect::Press(keys, grant));
                }
            }
        }
    }

    fn garbage(&mut self, out: &mut Vec<Effect>) {
        self.garbage += 1;
        if self.garbage >= GARBAGE {
            self.end(CloseReason::BadMessage, out);
        }
    }

    /// Repeats what a former connection of the technician may not have got.
    fn send_unseen(&self, out: &mut Vec<Effect>) {
        if self.chat_open && self.trusts() {
            out.extend(self.chat.unseen().cloned().map(Effect::SendChat));
        }
    }

    fn hear(&mut self, message: ChatMessage, now: Instant, out: &mut Vec<Effect>) {
        match self.chat.hear(message) {
            Heard::Line { text, answer } => {
                if self.merged == 0 && self.lines.take(now) {
                    out.push(Effect::Tell(News::Chat(text)));
                } else {
                    // Nobody reads so fast. Their end is answered all the same, or it would send them again.
                    self.merged = self.merged.saturating_add(1);
                }
                out.push(Effect::SendChat(answer));
            }
            Heard::Again(answer) => out.push(Effect::SendChat(answer)),
            Heard::Nothing => {}
        }
    }

    /// The proof for input, where there is one; otherwise the technician is told.
    fn control_grant(&mut self, out: &mut Vec<Effect>) -> Option<ControlGrant> {
        if self.connected
            && self.trusts()
            && let Some(grant) = self.grants.control()
        {
            return Some(grant);
        }
        let rests = self.trusts() && self.grants.is_resting();
        self.input_ignored(if rests { InputProblem::CustomerActs } else { InputProblem::NoControl }, out);
        None
    }

    fn input_ignored(&mut self, problem: InputProblem, out: &mut Vec<Effect>) {
        let problem = self.known(problem);
        if self.input_problem != Some(problem) && self.trusts() {
            self.input_problem = Some(problem);
            out.push(Effect::Send(ToViewer::InputIgnored(problem)));
        }
    }

    /// The peer connection is gone, for now or for good.
    fn interrupt(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let was = std::mem::take(&mut self.connected);
        self.awaited = None;
        self.rule(&Deed::Interrupted);
        self.stop_video(out);
        if !was {
            return;
        }
        out.push(Effect::ReleaseAll);
        if self.trusts() {
            self.interrupted.get_or_insert(now);
            out.push(Effect::Tell(News::PeerLost));
        }
    }

    /// The peer of this connection has said hello and has proven the code: from here on it counts.
    fn trusted(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.since.get_or_insert(now);
        self.resume(out);
        self.send_unseen(out);
    }

    /// The peer is there, and is who it should be: the same one again, or a new one of the same technician.
    fn resume(&mut self, out: &mut Vec<Effect>) {
        // Data flows, whatever the order in which the two were told.
        self.connected = true;
        self.interrupted = None;
        self.is_back();
        out.push(Effect::Tell(News::PeerConnected));
        if self.consent == Consent::CommandLine {
            out.push(Effect::Send(ToViewer::Notice(Notice::Headless)));
        }
        // What was asked before and is still wanted.
        self.ask_next(out);
        self.send_rights(out);
        self.send_layout(out);
        self.send_shared(out);
        self.start_video(out);
    }

    /// Where data flow to and from somebody who has proven who they are, there are proofs of what they may do.
    fn is_back(&mut self) {
        if self.connected && self.trusts() {
            self.rule(&Deed::Proven);
        }
    }

    /// What time alone brings: a proof that never came ends it all, an interruption that lasts too long takes everything
    /// back, resting control goes on where the customer chose so, and lines that were too many are told of.
    fn expire(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.mending.tick(now, out);
        self.wait(now, out);
        if self.merged > 0 && self.lines.take(now) {
            out.push(Effect::Tell(News::ChatMerged(std::mem::take(&mut self.merged))));
        }
        if self.proof_until().is_some_and(|until| until <= now) {
            self.end(CloseReason::NotProven, out);
            return;
        }
        if self.rights_until().is_none_or(|until| now < until) {
            return;
        }
        self.interrupted = None;
        let had_any = !self.grants.kept().is_empty();
        self.take(&Deed::Expired, Right::ALL.into_iter().collect(), out);
        out.push(Effect::ReleaseAll);
        if had_any {
            out.push(Effect::Tell(News::RightsExpired));
        }
    }

    fn start_video(&mut self, out: &mut Vec<Effect>) {
        if self.connected
            && self.trusts()
            && !self.sharing
            && let Some(grant) = self.grants.view()
        {
            self.sharing = true;
            out.push(Effect::StartVideo(grant));
        }
    }

    fn stop_video(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.sharing) {
            out.push(Effect::StopVideo);
        }
    }

    fn send_layout(&self, out: &mut Vec<Effect>) {
        if self.trusts()
            && self.grants.has(Right::View)
            && let Some(layout) = &self.layout
        {
            out.push(Effect::Send(ToViewer::Layout(layout.clone())));
        }
    }

    fn send_rights(&mut self, out: &mut Vec<Effect>) {
        if self.trusts() {
            let (held, asked) = (self.grants.rights(), self.questions.rights());
            out.push(Effect::Send(ToViewer::Rights { held, asked }));
        }
        self.send_rests(out);
    }

    /// Ends the session; everything is taken back and let go, whoever ended it.
    fn end(&mut self, reason: CloseReason, out: &mut Vec<Effect>) {
        self.ended = Some(reason);
        self.rule(&Deed::Ended);
        out.push(Effect::ReleaseAll);
        out.push(Effect::StopVideo);
        out.extend(self.questions.clear().map(Effect::Unask));
        // Whoever could not prove the code is told so, and nothing else.
        if self.greeted || reason == CloseReason::NotProven {
            out.push(Effect::Send(ToViewer::End(reason)));
        }
        out.push(Effect::StopFiles(Seat::Host));
        out.push(Effect::StopFiles(Seat::Viewer));
        // What the server or the technician ended needs no word of ours to the server.
        let told = match reason {
            CloseReason::CustomerEnded | CloseReason::CustomerRefused | CloseReason::NotProven => {
                Some(reason)
            }
            CloseReason::VersionMismatch | CloseReason::BadMessage => Some(CloseReason::CustomerEnded),
            _ => None,
        };
        out.extend(told.map(|reason| Effect::Signal(HostToServer::End { reason })));
        out.push(Effect::Tell(News::Ended(reason)));
        out.push(Effect::End(reason));
    }
}
