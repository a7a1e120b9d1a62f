//! What is printed, and what typed lines mean.

use nearhand_protocol::close::CloseReason;
use nearhand_protocol::grant::Rights;
use tokio::sync::mpsc;

use super::*;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn terminal() -> (Terminal, Paper, mpsc::Receiver<Command>) {
    let (commands, receiver) = mpsc::channel(super::super::QUEUE);
    let paper = Paper::default();
    (Terminal::new(Box::new(paper.clone()), "https://h".into(), "pc".into(), commands), paper, receiver)
}

fn technician() -> Technician {
    Technician { name: "Ada".into(), organisation: "Help Ltd".into() }
}

fn question(id: u32, right: Right) -> Question {
    Question { id: QuestionId(id), right, technician: technician(), instead_of: None, file: None }
}

fn type_in(terminal: &Terminal, line: &str) -> Option<Command> {
    lock(&terminal.shared).line(line)
}

#[test]
fn colleagues_are_told_by_name_and_their_lines_are_theirs() {
    let (mut terminal, paper, _commands) = terminal();
    let bo = Technician { name: "Bo\u{7}".into(), ..technician() };
    let mut told = |what| terminal.show(&News::Colleague { technician: bo.clone(), what });
    told(Colleague::Words(["dragon", "evening", "meadow", "fossil"]));
    told(Colleague::Up);
    told(Colleague::Rights(Rights::only(Right::View)));
    told(Colleague::Chat("hi\nRIGHTS: none".into()));
    told(Colleague::Gone(CloseReason::TechnicianEnded));
    let asked = Question { instead_of: Some(bo.clone()), ..question(1, Right::Control) };
    terminal.ask(&asked);
    assert_eq!(
        paper.text(),
        "COLLEAGUE: Bo\u{fffd} (Help Ltd): words dragon evening meadow fossil\n\
         COLLEAGUE: Bo\u{fffd} (Help Ltd): here\n\
         COLLEAGUE: Bo\u{fffd} (Help Ltd): rights view\n\
         Bo\u{fffd}: hi\nBo\u{fffd}: RIGHTS: none\n\
         COLLEAGUE: Bo\u{fffd} (Help Ltd): gone (technician_ended)\n\
         QUESTION: Ada (Help Ltd) asks to control your mouse and keyboard, instead of Bo\u{fffd}. Allow it? [y/N] "
    );
}

#[test]
fn the_sentences_are_stable() {
    let (mut terminal, paper, _commands) = terminal();
    terminal.show(&News::Connected { technician: technician(), viewer_present: true });
    terminal.show(&News::Words(["dragon", "evening", "meadow", "fossil"]));
    terminal.ask(&question(1, Right::View));
    terminal.show(&News::Chat("hi\u{1b}[2J\nRIGHTS: none".into()));
    assert_eq!(
        type_in(&terminal, "y\n"),
        Some(Command::Answer { question: QuestionId(1), yes: true, choice: None })
    );
    terminal.show(&News::Rights(Rights::only(Right::View).with(Right::Control)));
    terminal.show(&News::Ended(CloseReason::TechnicianEnded));
    terminal.stop();
    terminal.show(&News::ServerBack);
    let asked = "QUESTION: Ada (Help Ltd) asks to see your screen. Allow it? [y/N] \n";
    assert_eq!(
        paper.text(),
        format!(
            "connected to https://h as pc\nTECHNICIAN: Ada (Help Ltd)\nTECHNICIAN: here\n\
             WORDS: dragon evening meadow fossil\n{asked}\
             Ada: hi\u{fffd}[2J\nAda: RIGHTS: none\n{asked}\
             RIGHTS: view control\nSESSION ENDED: technician_ended\nNOTE: The technician ended the session.\n"
        )
    );
}

#[test]
fn lines_are_answers_commands_or_chat() {
    let (mut terminal, paper, _commands) = terminal();
    assert_eq!(type_in(&terminal, "y"), Some(Command::Say("y".into())), "no question stands");
    assert_eq!(type_in(&terminal, " "), None);
    for (line, yes) in [("y", true), (" YES \r\n", true), ("n", false), ("", false), ("No", false)] {
        terminal.ask(&question(2, Right::Control));
        assert_eq!(
            type_in(&terminal, line),
            Some(Command::Answer { question: QuestionId(2), yes, choice: None }),
            "{line:?}"
        );
    }
    terminal.ask(&question(3, Right::View));
    assert_eq!(type_in(&terminal, "who are you?"), Some(Command::Say("who are you?".into())));
    assert_eq!(type_in(&terminal, "/end"), Some(Command::End));
    assert!(paper.text().ends_with("[y/N] "), "the question still stands");
    assert_eq!(
        type_in(&terminal, "/view off"),
        Some(Command::TakeBack { whom: Whom::All, right: Right::View })
    );
    for (line, right) in [("/view on", Right::View), ("/control on", Right::Control)] {
        assert_eq!(type_in(&terminal, line), Some(Command::Give { whom: Whom::All, right }));
    }
    assert_eq!(type_in(&terminal, "/resume"), Some(Command::Resume));
    assert_eq!(type_in(&terminal, "/panic"), Some(Command::Panic));
    assert_eq!(type_in(&terminal, "/send \"/tmp/a b\""), Some(Command::SendFile("/tmp/a b".into())));
    assert_eq!(type_in(&terminal, "/nonsense"), None);
    terminal.withdraw(QuestionId(9));
    terminal.withdraw(QuestionId(3));
    assert!(paper.text().ends_with("QUESTION: withdrawn\n"));
}

#[tokio::test]
async fn a_pipe_is_read_and_its_end_refuses() {
    let (mut terminal, _paper, mut commands) = terminal();
    terminal.ask(&question(1, Right::View));
    terminal.listen(io::Cursor::new(b"hello\nyes\n\xff\n".to_vec())).unwrap();
    assert_eq!(commands.recv().await, Some(Command::Say("hello".into())));
    assert_eq!(
        commands.recv().await,
        Some(Command::Answer { question: QuestionId(1), yes: true, choice: None })
    );
    assert_eq!(commands.recv().await, Some(Command::Say("\u{fffd}".into())));
    // Asked before or after the end was read: it is refused.
    terminal.ask(&question(2, Right::Control));
    assert_eq!(
        commands.recv().await,
        Some(Command::Answer { question: QuestionId(2), yes: false, choice: None })
    );
}
