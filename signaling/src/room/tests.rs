use proptest::prelude::*;

use super::*;
use nearhand_protocol::grant::Right;
use nearhand_protocol::id::{Epoch, GuestId};
use nearhand_protocol::invitation::InvitationId;
use nearhand_protocol::proof::{SHARE_LEN, Share};
use nearhand_protocol::signal::{Candidate, Entry, Negotiate, Sdp};
use nearhand_protocol::version::{Capabilities, Version};
use uuid::Uuid;

const TERMS: Terms = Terms {
    code_lifetime: Duration::from_mins(10),
    grace: Duration::from_mins(1),
    longest: Duration::from_hours(24),
};
const CLOCK: u32 = 1_000;

/// A room and its time.
struct Stage {
    room: Room,
    start: Instant,
    now: Instant,
}

impl Stage {
    fn open() -> Self {
        let now = Instant::now();
        Self { room: Room::open(subject(), TERMS, now), start: now, now }
    }

    fn recovered() -> Self {
        let now = Instant::now();
        Self { room: Room::recovered(subject(), TERMS, Duration::ZERO, now), start: now, now }
    }

    /// With the viewer on connection 1 and the host on connection 2.
    fn paired() -> Self {
        let mut stage = Self::open();
        stage.viewer(1);
        stage.host(2, Ticket::Code);
        stage
    }

    fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = self.start + Duration::from_secs(seconds);
        self
    }

    fn does(&mut self, event: Event) -> Vec<Effect> {
        self.room.handle(event, self.now)
    }

    fn viewer(&mut self, connection: u64) -> Vec<Effect> {
        let resume = ResumeToken::new("v".into());
        self.does(Event::ViewerEnters {
            connection: ConnectionId(connection),
            resume,
            clock: CLOCK,
            ice_servers: Vec::new(),
        })
    }

    fn host(&mut self, connection: u64, ticket: Ticket) -> Vec<Effect> {
        let connection = ConnectionId(connection);
        self.does(Event::HostEnters {
            connection,
            ticket,
            info: info(),
            resume: ResumeToken::new("h".into()),
            ice_servers: Vec::new(),
        })
    }

    fn guest(&mut self, connection: u64, guest: u32) -> Vec<Effect> {
        self.does(guest_enters(ConnectionId(connection), guest))
    }

    fn guest_says(&mut self, connection: u64, message: ViewerToServer) -> Vec<Effect> {
        self.does(Event::ViewerSays { connection: ConnectionId(connection), message })
    }

    fn host_says(&mut self, message: HostToServer) -> Vec<Effect> {
        self.does(Event::HostSays { connection: ConnectionId(2), message })
    }

    fn viewer_says(&mut self, message: ViewerToServer) -> Vec<Effect> {
        self.does(Event::ViewerSays { connection: ConnectionId(1), message })
    }

    fn left(&mut self, connection: u64) -> Vec<Effect> {
        self.does(Event::Left { connection: ConnectionId(connection) })
    }

    fn state(&self) -> RoomState {
        self.room.summary().state
    }
}

fn guest_enters(connection: ConnectionId, guest: u32) -> Event {
    Event::GuestEnters {
        connection,
        invited: Invited { guest: GuestId(guest), invitation: InvitationId(70 + guest) },
        technician: Technician { name: "Bo".into(), organisation: "Example".into() },
        resume: ResumeToken::new("g".into()),
        clock: CLOCK,
        ice_servers: Vec::new(),
    }
}

fn guest_arrived(guest: u32) -> ServerToHost {
    ServerToHost::GuestArrived {
        guest: GuestId(guest),
        invitation: InvitationId(70 + guest),
        technician: Technician { name: "Bo".into(), organisation: "Example".into() },
    }
}

fn subject() -> Subject {
    Subject {
        session: SessionId::new(Uuid::from_u128(1)),
        nameplate: Nameplate::from_number(482_913).unwrap(),
        technician: Technician { name: "Ada".into(), organisation: "Example".into() },
    }
}

fn info() -> HostInfo {
    HostInfo { system: "Linux".into(), machine: "desk".into(), headless: false }
}

fn offer() -> Negotiate {
    Negotiate::Offer { epoch: Epoch(CLOCK), sdp: Sdp("o".into()) }
}

fn answer() -> Negotiate {
    Negotiate::Answer { epoch: Epoch(CLOCK), sdp: Sdp("a".into()) }
}

fn candidate() -> Negotiate {
    let candidate = Candidate { candidate: "c".into(), sdp_mid: None, sdp_m_line_index: None };
    Negotiate::Candidate { epoch: Epoch(CLOCK), candidate }
}

fn to_host(message: ServerToHost) -> Effect {
    Effect::ToHost(ConnectionId(2), message)
}

fn to_viewer(message: ServerToViewer) -> Effect {
    Effect::ToViewer(ConnectionId(1), message)
}

fn closed(connection: u64, reason: CloseReason) -> Effect {
    Effect::Close(ConnectionId(connection), reason)
}

fn welcome_epoch(effects: &[Effect]) -> u32 {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::ToViewer(_, ServerToViewer::Welcome { epoch, .. }) => Some(epoch.0),
            _ => None,
        })
        .unwrap()
}

#[test]
fn the_viewer_waits_and_the_host_comes() {
    let mut stage = Stage::open();
    let welcome = stage.at(100).viewer(1);
    let [Effect::ToViewer(_, ServerToViewer::Welcome { code_valid_s: 500, host: None, .. }), Effect::Changed] =
        &welcome[..]
    else {
        panic!("{welcome:?}")
    };
    assert_eq!(stage.state(), RoomState::Waiting);
    let arrival = stage.host(2, Ticket::Code);
    assert_eq!(arrival[0], Effect::CodeSpent);
    assert!(matches!(
        arrival[1],
        Effect::ToHost(ConnectionId(2), ServerToHost::Welcome { viewer_present: true, .. })
    ));
    assert_eq!(arrival[2..], [to_viewer(ServerToViewer::HostArrived { host: info() }), Effect::Changed]);
    assert_eq!(stage.state(), RoomState::Connecting);
}

#[test]
fn a_code_works_once_and_in_time() {
    let mut stage = Stage::paired();
    assert_eq!(stage.host(3, Ticket::Code), [closed(3, CloseReason::UnknownCode)]);
    assert_eq!(stage.host_says(HostToServer::Negotiate(answer())).len(), 1, "the first host is undisturbed");

    let mut stage = Stage::open();
    stage.at(599).viewer(1);
    let late = stage.at(600).host(2, Ticket::Code);
    assert_eq!(
        late,
        [
            Effect::CodeSpent,
            closed(1, CloseReason::CodeExpired),
            Effect::Over(CloseReason::CodeExpired),
            closed(2, CloseReason::UnknownCode)
        ]
    );
}

#[test]
fn each_end_says_what_is_its_own_to_say() {
    let mut stage = Stage::paired();
    for message in [answer(), candidate()] {
        assert_eq!(
            stage.host_says(HostToServer::Negotiate(message.clone())),
            [to_viewer(ServerToViewer::Negotiate(message))]
        );
    }
    for message in [offer(), candidate()] {
        assert_eq!(
            stage.viewer_says(ViewerToServer::Negotiate(message.clone())),
            [to_host(ServerToHost::Negotiate(message))]
        );
    }
    let share = Share::from_bytes([7; SHARE_LEN]);
    assert_eq!(stage.host_says(HostToServer::Share { share }), [to_viewer(ServerToViewer::Share { share })]);
    assert_eq!(stage.viewer_says(ViewerToServer::Share { share }), [to_host(ServerToHost::Share { share })]);
    let hello = HostToServer::Hello {
        version: Version::CURRENT,
        capabilities: Capabilities::NONE,
        entry: Entry::Nameplate { nameplate: subject().nameplate },
        info: info(),
    };
    for wrong in [
        hello,
        HostToServer::Negotiate(offer()),
        HostToServer::End { reason: CloseReason::TechnicianEnded },
        HostToServer::End { reason: CloseReason::ServerShutdown },
    ] {
        let mut stage = Stage::paired();
        assert_eq!(
            stage.host_says(wrong),
            [
                closed(2, CloseReason::BadMessage),
                to_viewer(ServerToViewer::HostDropped { grace_s: 60 }),
                Effect::Changed
            ]
        );
        assert_eq!(stage.host_says(HostToServer::Negotiate(answer())), [], "it has no seat any more");
    }
    for wrong in [
        ViewerToServer::Negotiate(answer()),
        ViewerToServer::Negotiate(Negotiate::RestartWanted { epoch: Epoch(CLOCK), anew: false }),
        ViewerToServer::End { reason: CloseReason::CustomerEnded },
        ViewerToServer::End { reason: CloseReason::TooLong },
    ] {
        assert_eq!(
            Stage::paired().viewer_says(wrong),
            [
                closed(1, CloseReason::BadMessage),
                to_host(ServerToHost::ViewerDropped { grace_s: 60 }),
                Effect::Changed
            ]
        );
    }
}

#[test]
fn nothing_is_kept_for_who_is_away() {
    let mut stage = Stage::open();
    stage.viewer(1);
    assert_eq!(stage.viewer_says(ViewerToServer::Negotiate(offer())), []);
    let mut stage = Stage::paired();
    stage.left(1);
    assert_eq!(stage.host_says(HostToServer::Negotiate(answer())), []);
}

#[test]
fn rights_are_for_the_desk() {
    let mut stage = Stage::paired();
    let held = Rights::only(Right::View);
    assert_eq!(stage.host_says(HostToServer::Rights { held }), [Effect::Changed]);
    assert_eq!(stage.state(), RoomState::Active);
    assert_eq!(stage.host_says(HostToServer::Rights { held }), [], "said again, it changes nothing");
}

#[test]
fn either_end_ends_it() {
    for reason in [CloseReason::CustomerEnded, CloseReason::CustomerRefused] {
        assert_eq!(
            Stage::paired().host_says(HostToServer::End { reason }),
            [closed(2, reason), closed(1, reason), Effect::Over(reason)]
        );
    }
    let reason = CloseReason::NotProven;
    let all = [closed(2, reason), closed(1, reason), Effect::Over(reason)];
    assert_eq!(Stage::paired().viewer_says(ViewerToServer::End { reason }), all);
    let reason = CloseReason::TechnicianEnded;
    let all = [closed(2, reason), closed(1, reason), Effect::Over(reason)];
    assert_eq!(Stage::paired().viewer_says(ViewerToServer::End { reason }), all);
    assert_eq!(Stage::paired().does(Event::Deleted), all);

    let mut stage = Stage::paired();
    stage.does(Event::Deleted);
    assert_eq!(stage.host(3, Ticket::Resume), [closed(3, reason)]);
    assert_eq!(stage.viewer(4), [closed(4, reason)]);
    assert_eq!(stage.host(5, Ticket::Code), [closed(5, CloseReason::UnknownCode)]);
    assert_eq!(stage.does(Event::Deleted), []);
    assert_eq!(stage.room.deadline(), None);
}

#[test]
fn who_drops_out_has_a_minute() {
    let mut stage = Stage::paired();
    assert_eq!(
        stage.at(100).left(2),
        [to_viewer(ServerToViewer::HostDropped { grace_s: 60 }), Effect::Changed]
    );
    assert_eq!(stage.state(), RoomState::Interrupted);
    assert_eq!(stage.room.deadline(), Some(stage.start + Duration::from_secs(160)));
    assert_eq!(stage.at(159).does(Event::Tick), []);
    assert_eq!(stage.host(2, Ticket::Resume).len(), 3);
    assert_eq!(stage.at(1000).does(Event::Tick), [], "it is back");

    stage.at(2000).left(1);
    let over = [closed(2, CloseReason::ViewerLost), Effect::Over(CloseReason::ViewerLost)];
    assert_eq!(stage.at(2060).does(Event::Tick), over);

    let mut stage = Stage::paired();
    stage.at(10).left(2);
    stage.at(20).left(1);
    assert_eq!(
        stage.at(500).does(Event::Tick),
        [Effect::Over(CloseReason::HostLost)],
        "the first deadline counts"
    );
}

#[test]
fn before_the_host_came_only_the_code_runs() {
    let mut stage = Stage::open();
    stage.viewer(1);
    stage.at(10).left(1);
    assert_eq!(stage.at(500).does(Event::Tick), []);
    assert_eq!(stage.state(), RoomState::Waiting);
    assert!(matches!(
        stage.at(590).host(2, Ticket::Code)[1],
        Effect::ToHost(_, ServerToHost::Welcome { viewer_present: false, .. })
    ));
    assert_eq!(stage.at(649).does(Event::Tick), []);
    assert_eq!(stage.at(650).does(Event::Tick)[1], Effect::Over(CloseReason::ViewerLost));

    let mut stage = Stage::open();
    stage.at(10).host(2, Ticket::Code);
    assert_eq!(stage.state(), RoomState::Connecting, "the technician never was here");
    assert_eq!(stage.at(599).does(Event::Tick), [], "and has as long as the code would have had");
}

#[test]
fn a_newer_connection_takes_the_seat() {
    let mut stage = Stage::paired();
    let effects = stage.viewer(5);
    assert_eq!(effects[0], closed(1, CloseReason::Replaced));
    assert!(matches!(
        effects[1],
        Effect::ToViewer(ConnectionId(5), ServerToViewer::Welcome { host: Some(_), code_valid_s: 0, .. })
    ));
    assert_eq!(effects[2..], [to_host(ServerToHost::ViewerArrived), Effect::Changed]);
    assert_eq!(stage.left(1), [], "the old one's end means nothing");
    let end = ViewerToServer::End { reason: CloseReason::TechnicianEnded };
    assert_eq!(stage.viewer_says(end), [], "nor its words");

    let effects = stage.host(6, Ticket::Resume);
    assert_eq!(effects[0], closed(2, CloseReason::Replaced));
    assert_eq!(effects[2], Effect::ToViewer(ConnectionId(5), ServerToViewer::HostArrived { host: info() }));
}

#[test]
fn epochs_only_rise() {
    let mut stage = Stage::open();
    assert_eq!(welcome_epoch(&stage.viewer(1)), CLOCK);
    assert_eq!(welcome_epoch(&stage.viewer(1)), CLOCK + 1);
    let offer = Negotiate::Offer { epoch: Epoch(CLOCK + 70), sdp: Sdp("o".into()) };
    stage.viewer_says(ViewerToServer::Negotiate(offer));
    assert_eq!(welcome_epoch(&stage.viewer(1)), CLOCK + 71);
    let last = Negotiate::Offer { epoch: Epoch(u32::MAX), sdp: Sdp("o".into()) };
    stage.viewer_says(ViewerToServer::Negotiate(last));
    assert_eq!(welcome_epoch(&stage.viewer(1)), u32::MAX, "a tab that burns its numbers harms itself only");
}

#[test]
fn no_session_lasts_for_ever() {
    let mut stage = Stage::paired();
    assert_eq!(stage.at(86_399).does(Event::Tick), []);
    assert_eq!(stage.at(86_400).does(Event::Tick)[2], Effect::Over(CloseReason::TooLong));
}

#[test]
fn a_shutdown_is_no_end() {
    let mut stage = Stage::paired();
    let reason = CloseReason::ServerShutdown;
    assert_eq!(stage.does(Event::Shutdown), [closed(2, reason), closed(1, reason)]);
    assert_eq!(stage.viewer(3), [closed(3, reason)]);
}

#[test]
fn after_a_restart_both_ends_come_back_but_no_code_works() {
    let mut stage = Stage::recovered();
    assert_eq!(stage.host(9, Ticket::Code), [closed(9, CloseReason::UnknownCode)]);
    let welcome = stage.viewer(1);
    assert!(matches!(
        welcome[0],
        Effect::ToViewer(_, ServerToViewer::Welcome { code_valid_s: 0, host: None, .. })
    ));
    assert_eq!(stage.state(), RoomState::Interrupted);
    assert_eq!(stage.host(2, Ticket::Resume).len(), 3);
    assert_eq!(stage.viewer_says(ViewerToServer::Negotiate(offer())).len(), 1);
    assert_eq!(stage.state(), RoomState::Connecting);

    let mut stage = Stage::recovered();
    stage.viewer(1);
    assert_eq!(stage.at(60).does(Event::Tick)[1], Effect::Over(CloseReason::HostLost));
}

#[test]
fn guests_talk_with_the_host_and_nobody_else_hears_it() {
    let mut stage = Stage::paired();
    let came = stage.guest(3, 1);
    assert_eq!(welcome_epoch(&came), CLOCK);
    assert_eq!(came[1..], [to_host(guest_arrived(1))]);
    stage.guest(4, 2);
    let of = |guest, message| ServerToHost::GuestNegotiate { guest: GuestId(guest), message };
    assert_eq!(stage.guest_says(3, ViewerToServer::Negotiate(offer())), [to_host(of(1, offer()))]);
    assert_eq!(stage.guest_says(4, ViewerToServer::Negotiate(candidate())), [to_host(of(2, candidate()))]);
    let to = |guest, message| HostToServer::GuestNegotiate { guest: GuestId(guest), message };
    assert_eq!(
        stage.host_says(to(2, answer())),
        [Effect::ToViewer(ConnectionId(4), ServerToViewer::Negotiate(answer()))]
    );
    assert_eq!(stage.host_says(to(9, answer())), [], "who was never here");
    // What only the other side may say, and what is the two ends' own.
    let dropped = |guest| ServerToHost::GuestDropped { guest: GuestId(guest), grace_s: 60 };
    for wrong in [
        ViewerToServer::Negotiate(answer()),
        ViewerToServer::Share { share: Share::from_bytes([7; SHARE_LEN]) },
        ViewerToServer::End { reason: CloseReason::CustomerEnded },
    ] {
        stage.guest(3, 1);
        let refused = [closed(3, CloseReason::BadMessage), to_host(dropped(1))];
        assert_eq!(stage.guest_says(3, wrong), refused);
    }
    let reason = CloseReason::TooLong;
    for wrong in [to(2, offer()), HostToServer::GuestEnd { guest: GuestId(2), reason }] {
        let mut stage = Stage::paired();
        stage.guest(4, 2);
        let refused = stage.host_says(wrong);
        assert_eq!(refused[0], closed(2, CloseReason::BadMessage));
        let away = ServerToViewer::HostDropped { grace_s: 60 };
        assert_eq!(refused[2], Effect::ToViewer(ConnectionId(4), away));
    }
}

#[test]
fn a_guests_end_is_its_own_and_the_sessions_end_is_everybodys() {
    let mut stage = Stage::paired();
    stage.guest(3, 1);
    stage.guest(4, 2);
    let reason = CloseReason::TechnicianEnded;
    let left = |guest, reason| to_host(ServerToHost::GuestLeft { guest: GuestId(guest), reason });
    assert_eq!(stage.guest_says(3, ViewerToServer::End { reason }), [closed(3, reason), left(1, reason)]);
    assert_eq!(stage.guest_says(3, ViewerToServer::End { reason }), [], "it has no seat any more");
    let reason = CloseReason::UnknownCode;
    assert_eq!(stage.host_says(HostToServer::GuestEnd { guest: GuestId(2), reason }), [closed(4, reason)]);
    stage.guest(5, 3);
    let reason = CloseReason::CustomerEnded;
    assert_eq!(
        stage.host_says(HostToServer::End { reason }),
        [closed(2, reason), closed(1, reason), closed(5, reason), Effect::Over(reason)]
    );
    assert_eq!(stage.guest(6, 4), [closed(6, reason)]);
}

#[test]
fn a_guest_who_drops_out_has_a_minute_and_ends_nothing() {
    let mut stage = Stage::paired();
    stage.guest(3, 1);
    let dropped = to_host(ServerToHost::GuestDropped { guest: GuestId(1), grace_s: 60 });
    assert_eq!(stage.at(100).left(3), [dropped]);
    assert_eq!(stage.room.deadline(), Some(stage.start + Duration::from_secs(160)));
    assert_eq!(stage.at(150).guest(4, 1)[1..], [to_host(guest_arrived(1))], "the same one again");
    assert_eq!(stage.at(1000).does(Event::Tick), []);
    assert_eq!(stage.guest(5, 1)[0], closed(4, CloseReason::Replaced));
    // Those who are there are told of a host that comes back, and it of them; of those who are away it is not.
    stage.left(5);
    stage.guest(6, 2);
    let back = stage.host(2, Ticket::Resume);
    let here = Effect::ToViewer(ConnectionId(6), ServerToViewer::HostArrived { host: info() });
    assert!(back.contains(&to_host(guest_arrived(2))) && back.contains(&here));
    assert!(!back.contains(&to_host(guest_arrived(1))));
    let reason = CloseReason::ViewerLost;
    let left = to_host(ServerToHost::GuestLeft { guest: GuestId(1), reason });
    assert_eq!(stage.at(1060).does(Event::Tick), [left]);
    assert_eq!(stage.host_says(HostToServer::Negotiate(answer())).len(), 1, "the session goes on");
}

#[test]
fn there_are_few_guests_and_none_before_the_host() {
    let mut stage = Stage::open();
    stage.viewer(1);
    assert_eq!(stage.guest(3, 1), [closed(3, CloseReason::UnknownCode)]);
    let mut stage = Stage::paired();
    for guest in 0..MAX_GUESTS as u32 {
        assert_eq!(stage.guest(10 + u64::from(guest), guest).len(), 2);
    }
    assert_eq!(stage.guest(99, 99), [closed(99, CloseReason::TooManyAttempts)]);
    assert_eq!(stage.guest(50, 0)[0], closed(10, CloseReason::Replaced), "who is in comes back");
}

fn any_event() -> impl Strategy<Value = (u8, u64, u8)> {
    (0..21_u8, 0..5_u64, 0..90_u8)
}

proptest! {
    /// Whatever happens in whatever order: nothing panics, nobody is told what is another's, a closed connection hears
    /// nothing more, the code works at most once, and after the end there is silence.
    #[test]
    fn any_order_is_survived(recovered: bool, steps in prop::collection::vec(any_event(), 0..150)) {
        let mut stage = if recovered { Stage::recovered() } else { Stage::open() };
        let (mut codes, mut over) = (0, false);
        let (mut hosts, mut viewers, mut guests, mut closed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut fresh = 100;
        for (kind, connection, seconds) in steps {
            stage.now += Duration::from_secs(seconds.into());
            // Old numbers stand for late words of connections that may be gone.
            let connection = ConnectionId(if kind < 4 || kind == 16 { fresh += 1; fresh } else { fresh.saturating_sub(connection) });
            let (resume, clock) = (ResumeToken::new("t".into()), CLOCK);
            let host = |message| Event::HostSays { connection, message };
            let viewer = |message| Event::ViewerSays { connection, message };
            let event = match kind {
                0 | 1 => {
                    let ticket = if kind == 0 { Ticket::Code } else { Ticket::Resume };
                    hosts.push(connection);
                    Event::HostEnters { connection, ticket, info: info(), resume, ice_servers: Vec::new() }
                }
                2 | 3 => {
                    viewers.push(connection);
                    Event::ViewerEnters { connection, resume, clock, ice_servers: Vec::new() }
                }
                4 => host(HostToServer::Negotiate(answer())),
                5 => host(HostToServer::Negotiate(offer())),
                6 => host(HostToServer::Negotiate(candidate())),
                7 => host(HostToServer::Rights { held: Rights::only(Right::View) }),
                8 => viewer(ViewerToServer::Negotiate(offer())),
                9 => viewer(ViewerToServer::Negotiate(answer())),
                10 => viewer(ViewerToServer::Negotiate(candidate())),
                11..=13 => Event::Left { connection },
                16 => {
                    guests.push(connection);
                    guest_enters(connection, seconds.into())
                }
                17 => host(HostToServer::GuestNegotiate { guest: GuestId(seconds.into()), message: answer() }),
                18 => host(HostToServer::GuestEnd {
                    guest: GuestId(seconds.into()),
                    reason: CloseReason::NotProven,
                }),
                19 => viewer(ViewerToServer::Share { share: Share::from_bytes([7; SHARE_LEN]) }),
                14 if seconds == 0 => host(HostToServer::End { reason: CloseReason::CustomerEnded }),
                _ => Event::Tick,
            };
            let ticket = kind == 0;
            let (was_over, effects) = (over, stage.does(event));
            for effect in effects {
                match effect {
                    Effect::ToHost(to, message) => {
                        prop_assert!(hosts.contains(&to) && !closed.contains(&to) && !over);
                        if matches!(message, ServerToHost::Welcome { .. }) && ticket {
                            codes += 1;
                        }
                        if let ServerToHost::Negotiate(relayed) | ServerToHost::GuestNegotiate { message: relayed, .. } = message {
                            prop_assert!(relayed.allowed_from(Seat::Viewer));
                        } else if matches!(message, ServerToHost::Share { .. }) {
                            prop_assert!(viewers.contains(&connection), "a guest has no share");
                        }
                    }
                    Effect::ToViewer(to, message) => {
                        let guest = guests.contains(&to);
                        prop_assert!((guest || viewers.contains(&to)) && !closed.contains(&to) && !over);
                        let shared = matches!(message, ServerToViewer::Share { .. });
                        prop_assert!(!(guest && shared));
                        if let ServerToViewer::Negotiate(relayed) = message {
                            prop_assert!(relayed.allowed_from(Seat::Host));
                        }
                    }
                    Effect::Close(connection, _) => {
                        prop_assert!(!closed.contains(&connection));
                        closed.push(connection);
                    }
                    Effect::Over(_) => {
                        prop_assert!(!over);
                        over = true;
                    }
                    Effect::CodeSpent | Effect::Changed => prop_assert!(!was_over),
                }
            }
            prop_assert!(codes <= i32::from(!recovered));
            prop_assert!(stage.room.guests.connections().count() <= MAX_GUESTS);
            prop_assert_eq!(stage.room.deadline().is_none(), over);
        }
    }
}
