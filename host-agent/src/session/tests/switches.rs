//! The customer's own switches, their hand, what they share, and tabs that flood.

use nearhand_protocol::control::{Shared, What};

use super::*;

const WINDOW: Scope = Scope::Window(WindowId(7));

fn window() -> Choice {
    Choice { scope: WINDOW, name: "Invoice.pdf".into() }
}

impl Run {
    /// Proven, by a tab that knows of shared parts and resting control.
    fn modern() -> Self {
        let mut run = Self::open();
        let hello = Hello { version: Version::CURRENT, capabilities: Capabilities::SCOPE };
        run.does(Event::Control(ToHost::Hello(hello)));
        run.does(proof());
        run
    }

    /// And with sight and control.
    fn controlled(mut self) -> Self {
        self.does(Event::Give(Right::View));
        self.does(Event::Give(Right::Control));
        assert!(self.session.rights().has(Right::Control));
        self
    }

    fn wheel(&mut self) -> Vec<Effect> {
        self.does(Event::Input(InputEvent::Wheel { dx: 0, dy: 120 }))
    }
}

fn injected(effects: &[Effect]) -> bool {
    has(effects, |e| matches!(e, Effect::Inject(_, grant) if grant.check().is_ok()))
}

fn ignored(effects: &[Effect]) -> Option<InputProblem> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(ToViewer::InputIgnored(problem)) => Some(*problem),
        _ => None,
    })
}

#[allow(clippy::option_option, reason = "whether it is said, and what")]
fn rest(effects: &[Effect]) -> Option<Option<Rest>> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(ToViewer::Rests(rest)) => Some(*rest),
        _ => None,
    })
}

fn shared(effects: &[Effect]) -> Option<&Shared> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(ToViewer::Shared(shared)) => Some(shared),
        _ => None,
    })
}

fn problem(effects: &[Effect]) -> bool {
    matches!(effects, [Effect::Tell(News::Problem(_))])
}

#[test]
fn a_switch_gives_without_a_question_and_answers_the_one_that_stands() {
    let mut run = Run::proven();
    assert!(problem(&run.does(Event::Give(Right::Control))), "nobody controls what they can't see");
    let asked = run.does(ask(&[Right::View, Right::Control]));
    assert_eq!(question(&asked).unwrap().right, Right::View);
    let given = run.does(Event::Give(Right::View));
    assert!(has(&given, |e| matches!(e, Effect::StartVideo(_))));
    assert!(has(&given, |e| matches!(e, Effect::Unask(_))));
    assert_eq!(question(&given).unwrap().right, Right::Control, "the next one");
    let both = Rights::only(Right::View).with(Right::Control);
    let given = run.does(Event::Give(Right::Control));
    assert_eq!(rights(&given), Some((both, Rights::NONE)));
    assert!(has(&given, |e| matches!(e, Effect::Signal(HostToServer::Rights { held }) if *held == both)));
    assert!(run.does(Event::Give(Right::Control)).is_empty(), "it holds");
    run.does(Event::TakeBack(Right::View));
    assert_eq!(run.session.rights(), Rights::NONE);
    let asked = run.does(ask(&[Right::View]));
    run.answer(&asked, false);
    assert_eq!(run.session.ended(), None, "it was no first question");
}

#[test]
fn nothing_is_given_to_somebody_who_is_not_there() {
    for mut run in [Run::new(), Run::open()] {
        assert!(problem(&run.does(Event::Give(Right::View))));
    }
    let mut run = Run::with(&[Right::View]);
    run.does(Event::PeerLost);
    assert!(problem(&run.does(Event::Give(Right::Control))));
    run.does(Event::PeerConnected);
    assert!(!problem(&run.does(Event::Give(Right::Control))));
    // What this program can do nothing with yet.
    for right in [Right::ClipboardIn, Right::ClipboardOut, Right::Facts, Right::Record] {
        assert!(problem(&run.does(Event::Give(right))));
        assert!(question(&run.does(ask(&[right]))).is_none());
    }
}

#[test]
fn the_customers_hand_suspends_control_and_a_click_resumes_it() {
    for modern in [true, false] {
        let mut run = if modern { Run::modern() } else { Run::proven() }.controlled();
        assert!(injected(&run.wheel()));
        let touched = run.does(Event::Touched);
        assert!(has(&touched, |e| matches!(e, Effect::ReleaseAll)));
        assert!(has(&touched, |e| matches!(e, Effect::Tell(News::Yielded(true)))));
        assert_eq!(rights(&touched), Some((Rights::only(Right::View), Rights::NONE)));
        let acts = Rest::CustomerActs { back_after_s: 0 };
        assert_eq!(rest(&touched), modern.then_some(Some(acts)));
        assert!(run.does(Event::Touched).is_empty(), "it rests already");
        let told = if modern { InputProblem::CustomerActs } else { InputProblem::NoControl };
        assert_eq!(ignored(&run.wheel()), Some(told));
        assert!(run.wheel().is_empty(), "said once");
        // Asking asks nobody: it is given, and rests.
        assert!(question(&run.does(ask(&[Right::Control]))).is_none());
        run.now += Duration::from_hours(1);
        assert!(run.does(Event::Tick).is_empty());
        let resumed = run.does(Event::Resume);
        assert!(has(&resumed, |e| matches!(e, Effect::Controlled(true))));
        assert!(has(&resumed, |e| matches!(e, Effect::Tell(News::Yielded(false)))));
        assert_eq!(rest(&resumed), modern.then_some(None));
        assert!(injected(&run.wheel()));
        assert!(run.does(Event::Resume).is_empty());
    }
}

#[test]
fn a_hand_or_a_click_without_control_is_nothing() {
    let mut run = Run::with(&[Right::View]);
    assert!(run.does(Event::Touched).is_empty() && run.does(Event::Resume).is_empty());
    // Taken back while it rested, it does not resume.
    let mut run = Run::modern().controlled();
    run.does(Event::Touched);
    let taken = run.does(Event::TakeBack(Right::Control));
    assert_eq!(rest(&taken), Some(None));
    assert!(run.does(Event::Resume).is_empty());
    assert_eq!(ignored(&run.wheel()), Some(InputProblem::NoControl));
}

#[test]
fn control_comes_back_by_itself_after_the_pause_that_the_customer_chose() {
    let mut run = Run::modern().controlled();
    run.does(Event::ComesBack(Some(Duration::from_secs(5))));
    assert_eq!(run.session.deadline(), None);
    run.now += Duration::from_secs(100);
    let touched = run.does(Event::Touched);
    assert_eq!(rest(&touched), Some(Some(Rest::CustomerActs { back_after_s: 5 })));
    assert_eq!(run.session.deadline(), Some(run.now + Duration::from_secs(5)));
    run.now += Duration::from_secs(4);
    run.does(Event::Touched);
    assert_eq!(run.session.deadline(), Some(run.now + Duration::from_secs(5)));
    run.now += Duration::from_millis(4999);
    assert!(run.does(Event::Tick).is_empty());
    run.now += Duration::from_millis(1);
    assert_eq!(rest(&run.does(Event::Tick)), Some(None));
    assert!(injected(&run.wheel()));
    // Another wish while it rests.
    run.does(Event::Touched);
    let never = run.does(Event::ComesBack(None));
    assert_eq!(rest(&never), Some(Some(Rest::CustomerActs { back_after_s: 0 })));
    assert_eq!(run.session.deadline(), None);
}

#[test]
fn a_reloaded_tab_hears_that_control_rests() {
    let mut run = Run::modern().controlled();
    run.does(Event::Touched);
    for event in [Event::NewPeer, Event::PeerConnected, Event::ControlOpen] {
        run.does(event);
    }
    let hello = Hello { version: Version::CURRENT, capabilities: Capabilities::SCOPE };
    run.does(Event::Control(ToHost::Hello(hello)));
    let back = run.does(proof());
    assert_eq!(rest(&back), Some(Some(Rest::CustomerActs { back_after_s: 0 })));
    assert_eq!(shared(&back).map(|shared| shared.what), Some(What::Everything));
    assert_eq!(rights(&back), Some((Rights::only(Right::View), Rights::NONE)));
}

#[test]
fn what_is_shared_is_chosen_with_the_yes_and_changed_at_any_time() {
    let mut run = Run::modern();
    let asked = run.does(ask(&[Right::View]));
    let question = question(&asked).unwrap().id;
    let given = run.does(Event::Answer { question, yes: true, choice: Some(window()) });
    let seen = |scope| move |e: &Effect| matches!(e, Effect::StartVideo(grant) if grant.scope() == scope);
    assert!(has(&given, seen(WINDOW)) && has(&given, |e| matches!(e, Effect::Aim(aim) if *aim == window())));
    let told = Shared { what: What::Window, name: "Invoice.pdf".into() };
    assert_eq!(shared(&given), Some(&told));
    run.does(Event::Give(Right::Control));
    let control = run.session.grants.control().unwrap();
    let wider = run.does(Event::Narrow(Choice::default()));
    assert!(control.check().is_err() && has(&wider, |e| matches!(e, Effect::ReleaseAll)));
    let order: Vec<_> = wider
        .iter()
        .filter_map(|effect| match effect {
            Effect::StopVideo => Some("stop"),
            Effect::Aim(_) => Some("aim"),
            Effect::StartVideo(_) => Some("start"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["stop", "aim", "start"]);
    assert!(has(&wider, seen(Scope::Everything)) && injected(&run.wheel()));
    assert!(run.does(Event::Narrow(Choice::default())).is_empty(), "it is the same");
    // A no chooses nothing.
    run.does(Event::TakeBack(Right::View));
    let asked = run.does(ask(&[Right::View]));
    let question = super::question(&asked).unwrap().id;
    run.does(Event::Answer { question, yes: false, choice: Some(window()) });
    assert_eq!(run.session.grants.scope(), Some(Scope::Everything));
    let long = Choice { name: "ä".repeat(200), ..window() };
    run.does(Event::Give(Right::View));
    assert_eq!(shared(&run.does(Event::Narrow(long))).unwrap().name, "ä".repeat(64));
}

#[test]
fn what_closes_is_not_followed_by_more_than_the_customer_says() {
    let mut run = Run::modern().controlled();
    run.does(Event::Narrow(window()));
    assert!(has(&run.does(Event::ScopeHidden(true)), |e| matches!(
        e,
        Effect::Send(ToViewer::Notice(Notice::WindowHidden))
    )));
    let closed = run.does(Event::ScopeClosed);
    assert!(has(&closed, |e| matches!(e, Effect::Send(ToViewer::Notice(Notice::ScopeClosed)))));
    assert!(has(&closed, |e| matches!(e, Effect::StopVideo)));
    assert_eq!(rights(&closed), Some((Rights::NONE, Rights::NONE)));
    assert!(run.does(Event::ScopeClosed).is_empty());
    assert!(problem(&run.does(Event::Give(Right::View))), "a switch does not say what");
    // The question does: it is about the screen.
    let asked = run.does(ask(&[Right::View]));
    let given = run.yes(&asked);
    assert!(has(&given, |e| matches!(e, Effect::StartVideo(grant) if grant.scope() == Scope::Everything)));
    // An old tab hears of it by its rights alone.
    let mut run = Run::with(&[Right::View]);
    run.does(Event::Narrow(window()));
    let closed = run.does(Event::ScopeClosed);
    assert!(!has(&closed, |e| matches!(e, Effect::Send(ToViewer::Notice(_)))));
    assert_eq!(rights(&closed), Some((Rights::NONE, Rights::NONE)));
}

#[test]
fn panic_ends_it_by_word_and_by_the_brake_alone() {
    for by_word in [true, false] {
        let mut run = Run::modern().controlled();
        let asked = run.does(ask(&[Right::FilesIn]));
        let (view, brake) = (run.session.grants.view().unwrap(), run.session.brake.clone());
        let ended = if by_word {
            run.does(Event::Panic)
        } else {
            brake.pull();
            assert!(view.check().is_err(), "before anybody asked");
            // A yes that comes behind it is none.
            run.yes(&asked)
        };
        assert!(brake.is_pulled() && view.check().is_err());
        assert!(has(&ended, |e| matches!(e, Effect::ReleaseAll)));
        assert!(!has(&ended, |e| matches!(e, Effect::Receive(_) | Effect::StartVideo(_))));
        assert!(matches!(ended.last(), Some(Effect::End(CloseReason::CustomerEnded))));
        assert!(run.session.kept().is_empty());
    }
}

#[test]
fn ten_thousand_lines_of_chat_disturb_nobody() {
    let mut run = Run::proven();
    let mut told = Vec::new();
    let mut seen = 0;
    for number in 1..=10_000 {
        let line = ChatMessage::Line { number, written_at_ms: 1, text: "x".into() };
        for effect in run.does(Event::Chat(line)) {
            match effect {
                Effect::Tell(news) => told.push(news),
                Effect::SendChat(ChatMessage::Seen { .. }) => seen += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((told.len(), seen), (LINES as usize, 10_000), "each is answered, or it would come again");
    run.now = run.session.deadline().expect("the rest is told of");
    let merged = run.does(Event::Tick);
    assert!(matches!(merged[..], [Effect::Tell(News::ChatMerged(9_980))]), "{merged:?}");
    assert_eq!(run.session.deadline(), None);
    run.now += Duration::from_secs(1);
    let line = ChatMessage::Line { number: 10_001, written_at_ms: 1, text: "y".into() };
    let heard = run.does(Event::Chat(line));
    assert!(has(&heard, |e| matches!(e, Effect::Tell(News::Chat(text)) if text == "y")));
}

#[test]
fn who_asks_without_end_is_answered_for_a_while_and_then_not_any_more() {
    let mut run = Run::with(&[Right::View]);
    let mut answers = 0;
    let mut asked = 0;
    while run.session.ended().is_none() {
        asked += 1;
        answers += usize::from(rights(&run.does(ask(&[Right::View]))).is_some());
        assert!(asked <= ASKS + GARBAGE);
    }
    assert!(answers <= ASKS as usize && run.session.ended() == Some(CloseReason::BadMessage));
    // An honest one asks now and then.
    let mut run = Run::with(&[Right::View]);
    for _ in 0..1000 {
        run.now += ASK_EVERY;
        assert!(rights(&run.does(ask(&[Right::View]))).is_some());
    }
}
