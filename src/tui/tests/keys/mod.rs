//! What keys do: which orders they give, what they show, what they refuse.

mod answers;
mod hiring;
mod work;

use std::sync::Arc;

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::domain::command::{Command, NewProcess, Refusal, UpdateWhen};
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::snapshot::{Level, Snapshot, Status};
use crate::tui::Action;
use crate::tui::look::{Capabilities, ColourDepth};
use crate::tui::tests::fixture::{Screen, caps, company, crowd, digest, edit, empty, message, now};

fn screen() -> Screen {
    Screen::new(company(), 80, 24)
}

/// The orders among actions.
fn orders(actions: Vec<Action>) -> Vec<Command> {
    actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Order { command, .. } => Some(command),
            _ => None,
        })
        .collect()
}

/// After these keys, exactly these orders were given.
fn check(keys: &str, expected: &[Command]) {
    assert_eq!(orders(screen().keys(keys)), expected, "{keys}");
}

fn new(role: &str) -> NewProcess {
    NewProcess {
        role: role.to_owned(),
        working_directory: Some("/home/me/src/shop".into()),
        ..NewProcess::default()
    }
}

fn create(new: NewProcess) -> Command {
    Command::Create(Box::new(new))
}

const LINUS: ProcessId = ProcessId(2);
const GRACE: ProcessId = ProcessId(3);
const MARGARET: ProcessId = ProcessId(6);

#[test]
fn control_keys_order_for_the_selected_process() {
    check("jx", &[Command::Stop(LINUS)]);
    check("jr", &[Command::Restart(LINUS)]);
    check("Gs", &[Command::Start(MARGARET)]);
    // An idle one has nothing to lose: nothing is asked.
    check("jjX", &[Command::Kill(GRACE)]);
}

#[test]
fn what_cannot_be_taken_back_asks_first() {
    check("jX", &[]);
    check("jX<esc>", &[]);
    check("jXy", &[Command::Kill(LINUS)]);
    check("G<del>", &[]);
    check("G<del>y", &[Command::Remove(MARGARET)]);
    check("2c", &[]);
    check("2cy", &[Command::CancelTask(TaskId(30))]);
}

#[test]
fn a_key_that_cannot_act_says_why() {
    for (keys, hint) in [
        ("s", "Ada is up already"),
        ("Gx", "Margaret is down already"),
        ("Gr", "Margaret is down: s starts"),
        ("<del>", "Ada is up: x stops it first"),
        ("jy", "Nothing is asked here"),
        ("2R", "task_0030 is waiting"),
        ("2h", "only what waits is held or released"),
        ("<c-c>", "q leaves the screen"),
    ] {
        let mut screen = screen();
        assert_eq!(orders(screen.keys(keys)), [], "{keys}");
        let text = screen.text();
        assert!(text.contains(hint), "{keys}\n{text}");
    }
}

#[test]
fn each_press_of_stop_says_what_the_next_one_does() {
    let mut screen = screen();
    screen.keys("jx");
    assert!(
        screen
            .text()
            .contains("x again interrupts the task, a third x kills")
    );
    let linus = Arc::make_mut(&mut screen.snapshot.processes[1]);
    linus.status = Status::Stopping;
    screen.view.observe(&screen.snapshot);
    assert!(screen.text().contains("x interrupt"));
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    let text = screen.text();
    assert!(text.contains("x again kills"), "{text}");
    assert!(text.contains("x kill"), "{text}");
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    assert!(screen.text().contains("killing the whole tree"));
}

#[test]
fn marked_processes_are_acted_on_together() {
    check("j  r", &[]);
    check("j  ry", &[Command::Restart(LINUS), Command::Restart(GRACE)]);
    // A range goes from the last mark to the row, in either direction.
    let three = [
        Command::Stop(ProcessId(1)),
        Command::Stop(LINUS),
        Command::Stop(GRACE),
    ];
    check(" jVxy", &three);
    check("jj kkkVxy", &three);
    check("VVx", &[Command::Stop(ProcessId(1))]);
    // Esc takes the marks back.
    check("j  <esc>kkr", &[Command::Restart(LINUS)]);
}

#[test]
fn left_and_right_go_by_sections_of_the_details() {
    let mut screen = screen();
    let first = |screen: &mut Screen| {
        let text = screen.text();
        text.lines().nth(5).unwrap_or_default().trim().to_owned()
    };
    screen.keys("<enter>");
    assert_eq!(first(&mut screen), "Overview");
    assert_eq!(screen.view.looks_at(), Some(ProcessId(1)));
    screen.keys("<right>");
    assert_eq!(first(&mut screen), "Resources");
    screen.keys("<right>");
    assert_eq!(first(&mut screen), "Activity");
    screen.keys("<left><left>");
    assert_eq!(first(&mut screen), "Overview");
    screen.keys("<esc>");
    assert_eq!(screen.view.looks_at(), None);
}

#[test]
fn a_refused_order_is_shown_with_its_remedy() {
    let mut screen = screen();
    let actions = screen.keys("jr");
    let [Action::Order { ticket, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    let refusal = Refusal::NotStored("no space left".to_owned());
    screen.view.answered(*ticket, Err(refusal));
    let text = screen.text();
    assert!(
        text.contains("cannot restart Linus: cannot write"),
        "{text}"
    );
}

#[test]
fn the_selection_is_kept_by_id_while_rows_come_and_go() {
    let mut screen = screen();
    screen.keys("j");
    screen.snapshot.processes.remove(0);
    screen.view.observe(&screen.snapshot);
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    screen.snapshot.processes.remove(0);
    screen.view.observe(&screen.snapshot);
    assert_eq!(orders(screen.keys("x")), [Command::Stop(GRACE)]);
}

#[test]
fn a_filter_shows_only_what_holds_its_words() {
    let mut screen = screen();
    screen.keys("/qa<enter>");
    let text = screen.text();
    assert!(text.contains("Grace") && !text.contains("Linus"), "{text}");
    screen.keys("<esc>");
    assert!(screen.text().contains("Linus"));
}

#[test]
fn one_key_goes_to_what_waits() {
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("2w");
    assert_eq!(orders(screen.keys("y")), [Command::Approve(RequestId(1))]);
    let mut quiet = Screen::new(crowd(3), 80, 24);
    quiet.keys("w");
    assert!(quiet.text().contains("Nobody waits for you"));
}

#[test]
fn why_names_the_evidence() {
    let mut screen = screen();
    screen.keys("W");
    let text = screen.text();
    assert!(
        text.contains("Known from  the agent's own event, 10:41"),
        "{text}"
    );
    // The same key goes back.
    screen.keys("W");
    assert!(!screen.text().contains("Known from"));
}

#[test]
fn only_what_is_said_after_attaching_is_shown_and_rung() {
    let mut screen = screen();
    screen.snapshot.messages = vec![message(1, Level::Info, "old news")];
    let mut view = crate::tui::View::new(caps());
    let actions = view.observe(&screen.snapshot);
    assert_eq!(actions, [Action::Title("(1) headcount shop".to_owned())]);
    screen.view = view;
    assert!(!screen.text().contains("old news"));
    let proof = "Linus stopped: 7 processes ended, 0 left";
    screen
        .snapshot
        .messages
        .push(message(2, Level::Info, proof));
    assert_eq!(screen.view.observe(&screen.snapshot), []);
    assert!(screen.text().contains(proof));
    screen.snapshot.requests.insert(1, Arc::new(edit(2, 2)));
    let actions = screen.view.observe(&screen.snapshot);
    assert!(
        matches!(actions.as_slice(), [Action::Call(text)] if text.starts_with("Linus asks: ")),
        "{actions:?}"
    );
    assert_eq!(screen.view.observe(&screen.snapshot), []);
}

#[test]
fn news_leave_after_a_while_and_errors_with_the_next_key() {
    let mut screen = screen();
    screen.snapshot.messages = vec![message(1, Level::Info, "good news")];
    screen.view.observe(&Snapshot::default());
    screen.view.observe(&screen.snapshot);
    assert!(screen.text().contains("good news"));
    // A key right after it appeared was not pressed because of it.
    screen.keys("j");
    assert!(screen.text().contains("good news"));
    screen.now.wall += jiff::SignedDuration::from_secs(31);
    assert!(!screen.text().contains("good news"));
}

#[test]
fn clicks_select_rows_and_screens_and_the_wheel_scrolls() {
    let mut screen = screen();
    screen.draw();
    let mouse = |kind, column, row| {
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    screen
        .view
        .event(&mouse(click, 10, 6), &screen.snapshot, &screen.now);
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    let wheel = mouse(MouseEventKind::ScrollDown, 10, 6);
    screen.view.event(&wheel, &screen.snapshot, &screen.now);
    assert_eq!(orders(screen.keys("<up>x")), [Command::Stop(ProcessId(4))]);
    screen
        .view
        .event(&mouse(click, 18, 1), &screen.snapshot, &screen.now);
    assert!(screen.text().contains("PRIORITY"));
}

#[test]
fn what_needs_a_person_is_coloured_as_well_as_marked() {
    let mut screen = screen();
    let warn = crate::tui::look::Look::new(caps()).palette.warn.fg;
    let cell = screen.draw().cell((1, 5)).expect("a cell").clone();
    assert_eq!(cell.symbol(), "!");
    assert_eq!(Some(cell.fg), warn);
}

#[test]
fn without_colours_the_selected_row_is_reversed() {
    let plain = Capabilities {
        colour: ColourDepth::None,
        ..caps()
    };
    let mut screen = Screen::with(plain, company(), 80, 24);
    let cell = screen.draw().cell((8, 5)).expect("a cell").clone();
    assert!(cell.modifier.contains(ratatui::style::Modifier::REVERSED));
}

#[test]
fn the_picture_changes_by_time_when_a_minute_is_full_or_a_countdown_runs() {
    let screen = screen();
    let next = screen
        .view
        .next_change(&screen.snapshot, &screen.now)
        .expect("a countdown runs");
    assert_eq!(next.duration_since(screen.now.wall).as_secs(), 1);
    // Up for 2h 14m: the list shows hours, the details minutes too.
    for (keys, seconds) in [("", 46 * 60), ("<enter>", 60)] {
        let mut quiet = Screen::new(crowd(3), 80, 24);
        quiet.keys(keys);
        let next = quiet
            .view
            .next_change(&quiet.snapshot, &quiet.now)
            .expect("times are shown");
        assert_eq!(next.duration_since(quiet.now.wall).as_secs(), seconds);
    }
    let nobody = Screen::new(empty(), 80, 24);
    assert_eq!(nobody.view.next_change(&nobody.snapshot, &nobody.now), None);
}

#[test]
fn the_demo_is_offered_while_there_is_no_agent_and_nobody() {
    let mut snapshot = empty();
    assert_eq!(Screen::new(snapshot.clone(), 80, 24).keys("D"), []);
    snapshot.agent_missing = Some(crate::domain::fault::Fault::new(
        crate::domain::fault::FaultCode::FailedToStart,
        "no `claude` on the PATH",
        "install it",
    ));
    let mut screen = Screen::new(snapshot, 80, 24);
    assert_eq!(screen.keys("D"), [Action::Demo]);
    assert!(screen.text().contains("D demo"));
}

#[test]
fn of_many_messages_the_worst_is_shown() {
    let mut screen = screen();
    screen.snapshot.messages = vec![
        message(1, Level::Error, "it broke"),
        message(2, Level::Info, "all is well"),
    ];
    screen.view.observe(&Snapshot::default());
    screen.view.observe(&screen.snapshot);
    assert!(screen.text().contains("it broke"));
}

#[test]
fn q_detaches_and_stops_nothing() {
    assert_eq!(screen().keys("q"), [Action::Detach]);
    assert_eq!(screen().keys("lq"), [Action::Detach]);
    // In a text it is a letter.
    assert_eq!(screen().keys("tq"), []);
}

#[test]
fn updates_are_taken_now_when_idle_or_not_now() {
    let update = |when| Command::Update {
        process: LINUS,
        when,
    };
    check("u<enter>", &[update(UpdateWhen::Now)]);
    check("ui", &[update(UpdateWhen::Idle)]);
    check("uO", &[update(UpdateWhen::Rolling)]);
    check("ud", &[update(UpdateWhen::NotNow)]);
    check("u<esc>", &[]);
    // Nobody runs on anything old: the key says so and opens nothing.
    let mut screen = Screen::new(crowd(1), 80, 24);
    assert!(orders(screen.keys("u<enter>")).is_empty());
}

#[test]
fn one_question_names_how_many_are_meant() {
    let mut screen = screen();
    screen.keys(" GVX");
    let text = screen.text();
    assert!(
        text.contains("Kill 4 employees: Ada and 3 others? (2 more marked"),
        "{text}"
    );
    assert!(text.contains("2 pieces of work are cut off."), "{text}");
    screen.keys("<esc>x");
    let text = screen.text();
    assert!(text.contains("Stop 5 employees"), "{text}");
    assert!(
        text.contains("They stop after their current tasks."),
        "{text}"
    );
    assert_eq!(orders(screen.keys("y")).len(), 5);
    // The marks stay, so that the next press means the same ones.
    screen.keys("x");
    assert!(
        screen.text().contains("They interrupt their tasks."),
        "{}",
        screen.text()
    );
}

/// The names in the rows, from the top.
fn names(screen: &mut Screen) -> Vec<String> {
    let text = screen.text();
    let known = ["Ada", "Linus", "Grace", "Ken", "Radia", "Margaret"];
    let name = |line: &str| {
        let found = known
            .iter()
            .find(|name| line.contains(&format!(" {name} ")));
        found.map(|name| (*name).to_owned())
    };
    let rows = text
        .lines()
        .skip(4)
        .take_while(|line| !line.starts_with(" ·"));
    rows.filter_map(name).collect()
}

#[test]
fn a_sorted_list_keeps_the_order_of_the_moment_it_was_sorted() {
    let mut screen = Screen::new(company(), 120, 24);
    // Name, role, status, health, CPU.
    screen.keys("S");
    let by_name = ["Ada", "Grace", "Ken", "Linus", "Margaret", "Radia"];
    assert_eq!(names(&mut screen), by_name);
    screen.keys("o");
    assert!(screen.text().contains("EMPLOYEE↓"), "{}", screen.text());
    assert_eq!(
        names(&mut screen),
        by_name.iter().rev().copied().collect::<Vec<_>>()
    );
    screen.keys("SSSS");
    let by_cpu = ["Linus", "Ada", "Grace", "Radia", "Ken", "Margaret"];
    assert_eq!(names(&mut screen), by_cpu);
    assert!(screen.text().contains("by CPU at 10:44, Esc undoes"));
    // Figures change: the rows stay, until the key is pressed again.
    let ada = Arc::make_mut(&mut screen.snapshot.processes[0]);
    ada.usage = ada.usage.map(|usage| crate::domain::snapshot::Usage {
        cpu_percent: 99.0,
        ..usage
    });
    screen.view.observe(&screen.snapshot);
    assert_eq!(names(&mut screen), by_cpu);
    screen.keys("oo");
    assert_eq!(names(&mut screen)[..2], ["Ada", "Linus"]);
    // Who is hired later stands at the end.
    screen.snapshot.processes.insert(
        0,
        Arc::new(crate::tui::tests::fixture::process(
            9,
            "Barbara",
            &screen.snapshot.catalogue.roles[0],
        )),
    );
    screen.view.observe(&screen.snapshot);
    let text = screen.text();
    assert!(text.find("Barbara") > text.find("Margaret"), "{text}");
    screen.keys("<esc>");
    assert!(screen.text().contains("▾ Development"));
}

#[test]
fn a_folded_department_is_one_row_that_says_who_needs_a_person() {
    let mut screen = screen();
    screen.keys("j<left>");
    let text = screen.text();
    assert!(
        text.contains("▸ Development  4, 3 up, 2 busy, 1 needs you"),
        "{text}"
    );
    assert_eq!(names(&mut screen), ["Radia", "Margaret"]);
    // Nobody is selected: nothing is done to anybody.
    assert_eq!(orders(screen.keys("xXrsy")), []);
    assert_eq!(orders(screen.keys("jx")), [Command::Stop(ProcessId(5))]);
    // A filter finds in folded departments too.
    screen.keys("/linus<enter>");
    assert_eq!(names(&mut screen), ["Linus"]);
    screen.keys("<esc>");
    // What waits is unfolded by the key that goes to it.
    assert_eq!(orders(screen.keys("wy")), [Command::Approve(RequestId(1))]);
    assert!(screen.text().contains("▾ Development"));
    screen.keys("<left><enter>");
    assert!(screen.text().contains("▾ Development"));
    screen.keys("S<left>");
    assert!(
        screen
            .text()
            .contains("Only the usual list has departments to fold")
    );
}

#[test]
fn the_palette_finds_actions_and_goes_to_what_is_found() {
    // By letters in their order, wherever they stand.
    assert_eq!(screen().keys(":dtch<enter>"), [Action::Detach]);
    check("2:linus<enter>x", &[Command::Stop(LINUS)]);
    check(":proc_003<enter>x", &[Command::Stop(GRACE)]);
    // It is found behind a filter and in a folded department as well.
    check("/margaret<enter>:linus<enter>x", &[Command::Stop(LINUS)]);
    check("<left>:linus<enter>x", &[Command::Stop(LINUS)]);
    check(":load tests<enter>R", &[Command::RetryTask(TaskId(29))]);
    check(":sre<esc>", &[]);
    check(
        ":qadirector<enter><enter><enter>",
        &[create(new("qa_director"))],
    );
    let mut screen = screen();
    screen.keys(":sortcost<enter>");
    assert!(screen.text().contains("by cost at 10:44"));
    screen.keys(":zzzz<enter>");
    assert!(screen.text().contains("nothing is called so"));
}

#[test]
fn what_happened_comes_up_once_and_any_key_closes_it() {
    let told = |screen: &mut Screen| screen.text().contains("While you were away");
    for key in ["<esc>", "q", " ", "y", "<enter>", "x"] {
        let mut screen = Screen::new(company(), 80, 24);
        let since = now().wall;
        let asked = screen.view.comes_back(since);
        assert_eq!(asked, [Action::Digest { since: Some(since) }]);
        screen.view.away(Some(Arc::new(digest(true))));
        assert!(told(&mut screen), "{}", screen.text());
        assert_eq!(screen.keys(key), []);
        assert!(!told(&mut screen), "{key}");
        // A key asks for it again, with the same beginning.
        assert_eq!(screen.keys("B"), [Action::Digest { since: Some(since) }]);
        screen.view.away(Some(Arc::new(digest(false))));
        assert!(
            screen.text().contains("Nothing happened"),
            "{}",
            screen.text()
        );
    }
}

#[test]
fn nothing_comes_up_where_nothing_happened_or_somebody_is_at_work_already() {
    let mut screen = Screen::new(company(), 80, 24);
    screen.view.comes_back(now().wall);
    screen.view.away(Some(Arc::new(digest(false))));
    assert!(screen.text().contains("EMPLOYEE"));
    let mut screen = Screen::new(company(), 80, 24);
    screen.view.comes_back(now().wall);
    screen.keys("t");
    screen.view.away(Some(Arc::new(digest(true))));
    assert!(!screen.text().contains("While you were away:"));
    assert!(screen.text().contains("B shows them"), "{}", screen.text());
    // What cannot be read is said.
    screen.view.away(None);
    assert!(
        screen.text().contains("cannot be read"),
        "{}",
        screen.text()
    );
}

#[test]
fn new_updates_call_a_person() {
    let mut screen = Screen::new(company(), 80, 24);
    let grace = Arc::make_mut(&mut screen.snapshot.processes[2]);
    grace.updates_available = true;
    let call = Action::Call("updates for Linus, Grace".to_owned());
    assert_eq!(screen.view.observe(&screen.snapshot), [call]);
    assert_eq!(screen.view.observe(&screen.snapshot), []);
}
