//! The diff of an employee: what it shows, and the way home from there.

use std::sync::Arc;

use crate::domain::command::{Command, Outcome};
use crate::domain::diff::{DiffLine, Sign};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::{ProcessView, Status};
use crate::domain::task::TaskState;
use crate::domain::work::FileChange;
use crate::domain::worktree::{MergeMode, Merged, WorkDone, WorkOf, WorkOrder, conflict_task};
use crate::tui::Action;
use crate::tui::tests::fixture::{self, Screen, ago, apart, company, work};

const LINUS: ProcessId = ProcessId(2);

fn screen() -> Screen {
    Screen::new(apart(), 80, 24)
}

fn orders(actions: Vec<Action>) -> Vec<Command> {
    let order = |action| match action {
        Action::Order { command, .. } => Some(command),
        _ => None,
    };
    actions.into_iter().filter_map(order).collect()
}

fn bring(of: WorkOf, mode: MergeMode, commit: Option<&str>) -> Command {
    let commit = commit.map(str::to_owned);
    Command::Work {
        of,
        order: WorkOrder::Bring { mode, commit },
    }
}

#[test]
fn the_diff_at_every_size() {
    for (width, height) in [(80, 24), (120, 40), (200, 50), (50, 20)] {
        let mut screen = Screen::new(apart(), width, height);
        screen.keys("jp<right>");
        insta::assert_snapshot!(format!("diff_{width}x{height}"), screen.text());
    }
}

#[test]
fn the_dialogs_of_the_diff() {
    for (name, keys) in [
        ("diff_first_file", "jp"),
        ("diff_bring", "jpm<down>"),
        ("diff_discard", "jp<del>"),
        ("diff_patch", "jpP"),
        ("details_of_a_worktree", "j<enter>"),
    ] {
        let mut screen = screen();
        screen.keys(keys);
        insta::assert_snapshot!(name, screen.text());
    }
    let mut down = apart();
    let linus = down.processes[1].as_ref().clone();
    down.processes[1] = Arc::new(ProcessView {
        task: None,
        ..fixture::down(linus, Status::Stopped)
    });
    let mut screen = Screen::new(down, 80, 24);
    screen.keys("j<del>");
    insta::assert_snapshot!("remove_with_a_worktree", screen.text());
}

#[test]
fn a_diff_is_told_by_its_signs_and_not_by_colour_alone() {
    let mut screen = screen();
    screen.keys("jp<right>");
    let lines = work().files[1].lines.clone();
    let palette = screen.view.look.palette;
    let text = screen.text();
    let rows: Vec<&str> = text.lines().collect();
    for (sign, style) in [(Sign::Added, palette.good), (Sign::Removed, palette.bad)] {
        // The second one of each: the first ones begin with the same words.
        let of_sign = |line: &&DiffLine| line.sign == sign;
        let line = lines.iter().filter(of_sign).nth(1).expect("two of them");
        let start = line.text.trim_start().get(..30).expect("a long line");
        let (row, at) = rows
            .iter()
            .enumerate()
            .find_map(|(row, shown)| Some((row, shown.find(start)?)))
            .expect("it is shown");
        let before = rows[row].get(..at).expect("a border").trim_end();
        assert!(before.ends_with(sign.letter()), "{}", rows[row]);
        let buffer = screen.draw();
        let column = u16::try_from(at).expect("a column");
        let cell = buffer.cell((column, u16::try_from(row).expect("a row")));
        assert_eq!(Some(cell.expect("a cell").fg), style.fg, "{sign:?}");
    }
}

#[test]
fn keys_go_through_the_files_and_the_lines() {
    let mut screen = screen();
    screen.keys("jp");
    assert!(screen.text().contains("1 of 3"), "{}", screen.text());
    screen.keys("<left>");
    assert!(screen.text().contains("1 of 3"));
    screen.keys("<right><right><right>");
    assert!(screen.text().contains("3 of 3"));
    assert!(screen.text().contains("+#[test]"));
    screen.keys("<left>");
    screen.draw();
    screen.keys("G");
    assert!(
        screen.text().contains("self.open.retain"),
        "{}",
        screen.text()
    );
    screen.keys("g");
    assert!(screen.text().contains("@@ -12,10 +12,16 @@"));
    // What is read again later leaves a person where they are.
    screen.keys("<right>");
    screen.draw();
    assert!(screen.text().contains("3 of 3"));
    let copied = screen.keys("C");
    assert!(
        matches!(&copied[..], [Action::Copy(text)] if text.contains("+#[test]")),
        "{copied:?}"
    );
    screen.keys("<esc>");
    assert!(!screen.text().contains("Diff ·"));
}

#[test]
fn it_is_reached_from_the_list_the_details_and_a_task() {
    for keys in ["jp", "j<enter>p", "jlp", "2jp", "2j<enter>p"] {
        let mut screen = screen();
        screen.keys(keys);
        assert!(
            screen.text().contains("Diff · Linus"),
            "{keys}: {}",
            screen.text()
        );
    }
    // Who works in the folder itself has none, and the reason is said.
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("jp");
    assert!(
        screen.text().contains("without a git worktree"),
        "{}",
        screen.text()
    );
    assert!(!screen.text().contains("p diff"));
}

#[test]
fn work_is_brought_home_as_chosen() {
    let of = WorkOf::Process(LINUS);
    for (keys, mode) in [
        ("jpm<enter>", MergeMode::Merge),
        ("jpm<down><enter>", MergeMode::Rebase),
        ("jpm<up><enter>", MergeMode::Squash),
    ] {
        let given = orders(screen().keys(keys));
        assert_eq!(given, [bring(of, mode, Some("Work of Linus"))], "{keys}");
    }
    let empty = format!("jpm{}<enter>", "<backspace>".repeat(20));
    let mut waits = screen();
    assert_eq!(orders(waits.keys(&empty)), []);
    assert!(waits.text().contains("a commit needs a message"));
    // All is committed: no message is asked for, and letters mean nothing.
    let mut clean = screen();
    let mut text = work();
    text.changes.uncommitted = 0;
    clean.work = Ok(Box::new(text));
    let given = orders(clean.keys("jpmxyz<enter>"));
    assert_eq!(given, [bring(of, MergeMode::Merge, None)]);
    assert_eq!(orders(screen().keys("jpm<esc>")), []);
}

#[test]
fn what_is_thrown_away_asks_first_and_a_patch_asks_where() {
    let work = |order| Command::Work {
        of: WorkOf::Process(LINUS),
        order,
    };
    assert_eq!(orders(screen().keys("jp<del>")), []);
    assert_eq!(orders(screen().keys("jp<del><esc>")), []);
    assert_eq!(
        orders(screen().keys("jp<del>y")),
        [work(WorkOrder::Discard)]
    );
    let place = "/home/me/src/shop/headcount-linus.patch".into();
    assert_eq!(
        orders(screen().keys("jpP<enter>")),
        [work(WorkOrder::Export(place))]
    );
}

#[test]
fn conflicts_are_handed_back_by_one_key() {
    let files = ["src/login.rs".to_owned()];
    let task = conflict_task(LINUS, "headcount/linus", "main", &files);
    let hand_back = Command::AddTask(Box::new(task));
    assert_eq!(
        orders(screen().keys("jpH")),
        std::slice::from_ref(&hand_back)
    );
    // Without one there is nothing to hand back.
    let mut none = screen();
    let mut text = work();
    text.changes.conflicts.clear();
    none.work = Ok(Box::new(text));
    assert_eq!(orders(none.keys("jpH")), []);
    assert!(
        none.text().contains("is in no conflict with main"),
        "{}",
        none.text()
    );
    // One that a merge met is offered at once.
    let mut met = screen();
    met.keys("jpm<enter>");
    let merged = Merged::Conflicts {
        files: files.to_vec(),
    };
    met.view.answered(1, Ok(worked(WorkDone::Brought(merged))));
    let text = met.text();
    assert!(
        text.contains("Hand it back as a task?") && text.contains("src/login.rs"),
        "{text}"
    );
    assert_eq!(orders(met.keys("y")), [hand_back]);
}

fn worked(done: WorkDone) -> Outcome {
    Outcome::Worked {
        process: LINUS,
        branch: "headcount/linus".to_owned(),
        base: "main".to_owned(),
        done: Box::new(done),
    }
}

#[test]
fn what_came_of_it_is_said() {
    for (done, says) in [
        (
            WorkDone::Brought(Merged::Nothing),
            "headcount/linus has no commit that main does not have",
        ),
        (
            WorkDone::Exported {
                to: "/tmp/x.patch".into(),
                bytes: 12,
            },
            "Written: /tmp/x.patch, 12 bytes",
        ),
    ] {
        let mut screen = screen();
        screen.keys("jpm<enter>");
        screen.view.answered(1, Ok(worked(done)));
        assert!(screen.text().contains(says), "{}", screen.text());
    }
}

#[test]
fn a_task_has_a_diff_of_its_own_and_says_where_git_and_tools_differ() {
    let mut company = apart();
    let mut tasks = company.tasks.iter();
    let id = tasks
        .find(|task| task.process() == Some(LINUS) && !task.attempts.is_empty())
        .expect("a task of Linus")
        .id;
    company.tasks.change(id, |task| {
        let attempt = task.attempts.last_mut().expect("an attempt");
        attempt.work.files = vec![FileChange {
            path: "src/draft.rs".to_owned(),
            added: 1,
            removed: 0,
        }];
        attempt.work.by_git = Some(vec!["src/login.rs".to_owned()]);
    });
    let mut screen = Screen::new(company.clone(), 80, 24);
    screen.keys(&format!(":{id}<enter>p"));
    let text = screen.text();
    assert!(
        text.contains("By git alone, as by a command: src/login.rs")
            && text.contains("By its tools alone, git sees no change: src/draft.rs"),
        "{text}"
    );
    // It is a part of the branch: what is brought home is all of that.
    let given = orders(screen.keys("m<enter>"));
    assert!(
        matches!(
            &given[..],
            [Command::Work {
                of: WorkOf::Process(LINUS),
                ..
            }]
        ),
        "{given:?}"
    );
    // With a branch of its own it is brought home alone.
    let linus = company.processes[1].worktree.clone().expect("a worktree");
    company
        .tasks
        .change(id, |task| task.worktree = Some(Box::new(linus)));
    let mut screen = Screen::new(company, 80, 24);
    let given = orders(screen.keys(&format!(":{id}<enter>pm<enter>")));
    assert!(
        matches!(&given[..], [Command::Work { of: WorkOf::Task(task), .. }] if *task == id),
        "{given:?}"
    );
}

#[test]
fn every_state_of_a_diff_has_something_to_say() {
    let mut none = work();
    none.files.clear();
    none.changes.ahead = 0;
    for (read, says) in [
        (Ok(Box::new(none)), "Nothing differs from main."),
        (
            Err("the worktree /x is gone; try: restart the process".to_owned()),
            "try: restart the process",
        ),
    ] {
        let mut screen = screen();
        screen.work = read;
        screen.keys("jp");
        assert!(screen.text().contains(says), "{}", screen.text());
        // Keys that have nothing to act on do nothing.
        assert_eq!(orders(screen.keys("H<del>Pm<enter>y")).len(), 0);
    }
    let mut screen = screen();
    let mut queued = crate::tui::tests::fixture::task(99, "later", TaskState::Queued);
    queued.created = ago(1);
    screen.snapshot.tasks.put(Arc::new(queued));
    screen.keys(":task_0099<enter>p");
    assert!(
        screen.text().contains("task_0099 was not worked on yet"),
        "{}",
        screen.text()
    );
    assert_eq!(
        screen.snapshot.task(TaskId(99)).map(|task| task.id),
        Some(TaskId(99))
    );
}

#[test]
fn what_is_not_committed_stands_in_the_dialog_that_asks() {
    let mut screen = screen();
    screen.keys("jX");
    let text = screen.text();
    assert!(
        text.contains("Linus: 1 file is not committed: tests/login.rs"),
        "{text}"
    );
    let wanted = screen.view.surveys(&screen.snapshot);
    assert_eq!(
        wanted.iter().map(|query| query.of).collect::<Vec<_>>(),
        [WorkOf::Process(LINUS)]
    );
}
