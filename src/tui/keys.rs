//! The one table of keys. A key means one thing everywhere, or is free; the footer and the help are
//! made from this table.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where a key is pressed: what is on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The process list.
    Processes,
    /// The queue.
    Tasks,
    /// What waits on a person.
    Inbox,
    /// The roles.
    Roles,
    /// Everything about one process.
    Details,
    /// The log of a process.
    Logs,
    /// Everything about one task.
    Task,
    /// A dialog that hires.
    Hire,
    /// A dialog with a text of several lines.
    Editor,
    /// A dialog with one line to type.
    Line,
    /// A dialog with choices.
    Choices,
    /// A dialog that asks yes or no.
    Confirm,
    /// A text to read.
    Reader,
    /// A dialog that answers several requests.
    Alike,
    /// A dialog that finds an action.
    Finder,
    /// What changed on disk for one employee.
    Updates,
    /// What a process or a task changed.
    Diff,
    /// A dialog that brings work home.
    Bring,
    /// What happened while nobody looked.
    Away,
    /// A dialog with the sizes of a cluster.
    Sizes,
}

/// What a key does. One key, one verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
    Next,
    Previous,
    Number,
    Open,
    Back,
    Start,
    Stop,
    Kill,
    Restart,
    Remove,
    Hire,
    AddTask,
    Log,
    Why,
    NextWaiting,
    Yes,
    Always,
    Deny,
    Answer,
    Alike,
    Later,
    Acknowledge,
    Mark,
    MarkRange,
    Sort,
    Reverse,
    Filter,
    Message,
    Follow,
    Raw,
    Kinds,
    Wrap,
    Copy,
    NextHit,
    PreviousHit,
    Cancel,
    Retry,
    Release,
    Edit,
    Around,
    Sooner,
    Behind,
    More,
    Fewer,
    Send,
    Editor,
    Whole,
    Demo,
    Mistakes,
    Updates,
    Away,
    WhenIdle,
    Diff,
    Bring,
    Discard,
    Patch,
    HandBack,
    InTurn,
    Teams,
    Palette,
    Help,
    Leave,
    Detach,
}

/// A key with its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    code: KeyCode,
    ctrl: bool,
}

const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const fn letter(c: char) -> Key {
    key(KeyCode::Char(c))
}

const fn ctrl(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        ctrl: true,
    }
}

const fn ctrl_enter() -> Key {
    Key {
        code: KeyCode::Enter,
        ctrl: true,
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ctrl {
            f.write_str("Ctrl-")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.ctrl => write!(f, "{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Up => f.write_str("Up"),
            KeyCode::Down => f.write_str("Down"),
            KeyCode::Left => f.write_str("Left"),
            KeyCode::Right => f.write_str("Right"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("Shift-Tab"),
            KeyCode::Delete => f.write_str("Del"),
            code => write!(f, "{code:?}"),
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    /// What it does.
    pub(crate) verb: Verb,
    /// By which keys; the first one is shown in the footer.
    pub(crate) keys: &'static [Key],
    /// Where.
    pub(crate) places: &'static [Place],
    /// The word in the footer; empty where it is not shown there.
    pub(crate) label: &'static str,
    /// The line in the help.
    pub(crate) help: &'static str,
}

use Place::{
    Alike, Away, Bring, Choices, Confirm, Details, Diff, Editor, Finder, Hire, Inbox, Line, Logs,
    Processes, Reader, Roles, Sizes, Task, Tasks, Updates,
};

const SCREENS: &[Place] = &[Processes, Tasks, Inbox, Roles, Details, Logs, Task, Diff];
const ROWS: &[Place] = &[Processes, Tasks, Inbox, Roles];
const ONE: &[Place] = &[Processes, Details, Logs];
const MOVES: &[Place] = &[
    Processes, Tasks, Inbox, Roles, Details, Logs, Task, Hire, Choices, Reader, Updates, Diff,
    Away, Sizes,
];

macro_rules! bindings {
    ($($verb:ident [$($key:expr),+] $places:expr, $label:literal, $help:literal;)+) => {
        &[$(Binding {
            verb: Verb::$verb,
            keys: &[$($key),+],
            places: $places,
            label: $label,
            help: $help,
        }),+]
    };
}

/// Every key of the program, the most important ones first.
pub(crate) const TABLE: &[Binding] = bindings! {
    Yes [letter('y')] &[Processes, Details, Logs, Inbox], "allow", "allow what is asked, this once";
    Always [letter('Y')] &[Processes, Details, Logs, Inbox], "always", "allow it, and what fits a rule that you see first";
    Deny [letter('d')] &[Processes, Details, Logs, Inbox], "deny", "refuse, with a reason that the agent reads";
    Answer [letter('A')] &[Processes, Details, Logs, Inbox], "answer", "answer a question";
    Alike [letter('b')] &[Inbox], "all like it", "one answer for all that wait for the same rule, that failed or that have updates";
    Later [letter('Z')] &[Inbox], "later", "put it behind the others that wait, on this terminal";
    Acknowledge [letter('K')] SCREENS, "seen", "the alert is seen, in the inbox the selected one; what failed is left at that";
    Back [key(KeyCode::Esc)] &[Details, Logs, Task, Reader, Diff], "back", "back";
    Right [key(KeyCode::Right)] &[Diff], "next file", "the next file";
    Left [key(KeyCode::Left)] &[Diff], "", "the file before";
    HandBack [letter('H')] &[Diff], "hand back", "hand conflicts with the base back to the employee, as a task";
    Bring [letter('m')] &[Diff], "merge", "bring it home to the branch that it began from: merge, rebase or squash";
    Discard [key(KeyCode::Delete)] &[Diff], "discard", "throw it away, all of it kept in a ref first";
    Patch [letter('P')] &[Diff], "patch", "write it into a patch file";
    NextHit [letter('n')] &[Logs], "next hit", "what is searched: the next one, further down";
    PreviousHit [letter('N')] &[Logs], "hit before", "what is searched: the one before, further up";
    Follow [letter('f')] &[Logs], "follow", "follow the end, or stay";
    Filter [letter('/')] &[Logs], "search", "find words in the whole log; Esc ends the search";
    Kinds [letter('F')] &[Logs], "kinds", "only one kind of lines: assistant, tools, results, errors, system; all";
    Wrap [letter('L')] &[Logs], "long lines", "wrap long lines, or cut them";
    Copy [letter('C')] &[Logs], "copy", "copy what is marked, else the line that was found, else the agent's last words";
    Raw [letter('v')] &[Logs], "raw", "the protocol lines as they came, and back";
    Mark [letter(' ')] &[Logs], "", "mark lines to copy: what moves then marks more; again or Esc: none";
    Demo [letter('D')] &[Processes], "demo", "try everything with simulated employees";
    Start [letter('s')] &[Processes, Details, Logs, Inbox], "start", "start";
    Stop [letter('x')] ONE, "stop", "stop after the current task; again: interrupt it; again: kill";
    Log [letter('l')] &[Processes, Tasks, Inbox, Details, Task, Diff], "log", "the log, as it is written";
    Open [key(KeyCode::Enter)] &[Processes], "details", "everything about the employee";
    Diff [letter('p')] &[Processes, Tasks, Details, Logs, Task], "diff", "what is different in its git worktree, and the way home";
    Diff [letter('p')] &[Diff], "", "back";
    Kill [letter('X')] ONE, "kill", "kill at once, with all it started";
    Restart [letter('r')] ONE, "restart", "stop, read prompt and settings anew, start";
    Cancel [letter('c')] &[Tasks, Task], "cancel", "take the task back";
    Retry [letter('R')] &[Tasks, Task, Inbox], "retry", "put a task that failed back into the queue";
    Release [letter('h')] &[Tasks, Task], "release", "release a held task, or hold one that waits";
    Answer [letter('A')] &[Tasks, Task], "answer", "answer its result: a task that goes on in its conversation";
    Edit [letter('e')] &[Tasks, Task], "edit", "change a task that waits: its text, for whom it is, how urgent";
    Around [letter('a')] &[Tasks, Task], "around", "what it waits for, and what waits for it";
    Around [letter('a')] &[Reader], "", "back";
    Open [key(KeyCode::Enter)] &[Tasks], "whole", "the whole task: text, attempts, result";
    Open [key(KeyCode::Enter)] &[Inbox], "whole", "the whole of it; where settings changed: what is to become of that";
    Open [key(KeyCode::Enter)] &[Roles], "hire", "hire for the role";
    Hire [letter('n')] &[Processes, Tasks, Inbox, Details], "hire", "hire employees";
    Hire [letter('n')] &[Roles], "", "hire employees";
    AddTask [letter('t')] SCREENS, "task", "write a task";
    Message [letter('M')] ONE, "message", "say something to its running turn";
    Why [letter('W')] &[Processes, Details, Logs, Inbox], "why", "why it is as it is, and what led to its last exit";
    Why [letter('W')] &[Reader], "", "back";
    Updates [letter('u')] SCREENS, "updates", "what changed on disk since somebody started; restart with it";
    Away [letter('B')] SCREENS, "", "what happened while you were away";
    NextWaiting [letter('w')] SCREENS, "next waiting", "to the next one that needs you";
    Copy [letter('C')] &[Task], "copy", "copy the result, else the text";
    Copy [letter('C')] &[Inbox], "copy", "copy what is asked for";
    Copy [letter('C')] &[Diff], "copy", "copy the diff of the file";
    Mark [letter(' ')] &[Processes], "mark", "mark several; s x X r and Del then act on all of them";
    MarkRange [letter('V')] &[Processes], "", "mark all from the last mark to here";
    Sort [letter('S')] &[Processes], "sort", "sort by the next column, as it is at this moment; Esc: as usual";
    Reverse [letter('o')] &[Processes], "reverse", "sort anew, the other way round";
    More [letter('+'), letter('=')] &[Processes], "scale", "on the head of a cluster: how many of each role, one more first";
    Fewer [letter('-')] &[Processes], "", "on the head of a cluster: how many of each role, one fewer first";
    InTurn [letter('O')] &[Processes], "", "on the head of a cluster: restart it, of each role one when the one before is up again";
    Teams [letter('T')] &[Processes], "clusters", "the list by cluster, or by department again";
    Remove [key(KeyCode::Delete)] &[Processes, Details], "remove", "remove a process that is down";
    Sort [letter('S')] &[Tasks], "sort", "sort by the next column, as it is at this moment; Esc: as usual";
    Reverse [letter('o')] &[Tasks], "reverse", "sort anew, the other way round";
    Sooner [letter('<')] &[Tasks, Task], "", "before the one that stands above it in the queue";
    Behind [letter('>')] &[Tasks, Task], "", "behind the one that stands below it in the queue";
    More [letter('+'), letter('=')] &[Tasks, Task], "", "more urgent";
    Fewer [letter('-')] &[Tasks, Task], "", "less urgent";
    Remove [key(KeyCode::Delete)] &[Tasks, Task], "", "delete a task that nobody works on";
    Filter [letter('/')] &[Processes, Tasks], "filter", "show only what holds these words";
    Mistakes [letter('E')] SCREENS, "what is wrong", "what is wrong in the configuration or with the agent";

    Send [ctrl('s')] &[Hire], "hire", "hire";
    Open [key(KeyCode::Enter)] &[Hire], "", "on the roles and the button: hire; in a field: to the next one";
    Help [letter('?')] &[Hire], "help", "these keys; in a field it is a letter";
    Send [ctrl('s'), ctrl('d'), ctrl_enter()] &[Editor], "send", "send";
    Send [key(KeyCode::Enter), ctrl('s')] &[Line, Sizes], "ok", "done";
    Send [key(KeyCode::Enter)] &[Finder, Bring], "do it", "do it";
    Editor [ctrl('e')] &[Editor], "$EDITOR", "write in your own editor";
    Editor [ctrl('e')] &[Hire], "prompt", "write a prompt text of this hire in your own editor";
    Open [key(KeyCode::Enter)] &[Updates], "restart now", "restart with what is on disk, after the current task";
    WhenIdle [letter('i')] &[Updates], "when idle", "restart when it has nothing to do, before its next task";
    InTurn [letter('O')] &[Updates], "one by one", "restart all of its role, each when the one before is up again";
    Deny [letter('d')] &[Updates], "not now", "leave it as it is, until something else changes";
    Open [key(KeyCode::Enter)] &[Choices], "choose", "take the choice under the cursor";
    Yes [letter('y'), key(KeyCode::Enter)] &[Confirm], "yes", "do it";
    Next [key(KeyCode::Tab)] &[Updates], "next", "the next employee with updates";
    Previous [key(KeyCode::BackTab)] &[Updates], "", "the employee before";
    Yes [letter('y')] &[Alike], "allow all", "allow all of them, this once; else what is offered: retry, restart, seen";
    Deny [letter('d')] &[Alike], "deny all", "refuse all of them, with a reason; else leave them as they are";
    Next [key(KeyCode::Tab)] &[Hire, Editor, Choices], "next field", "next field";
    Previous [key(KeyCode::BackTab)] &[Hire, Editor, Choices], "", "field before";
    Number [letter('1'), letter('2'), letter('3'), letter('4'), letter('5'), letter('6'), letter('7'), letter('8'), letter('9'), letter('0')]
        &[Hire], "", "hire that many";
    Number [letter('1'), letter('2'), letter('3'), letter('4'), letter('5'), letter('6'), letter('7'), letter('8'), letter('9')]
        &[Choices], "", "take that choice";
    More [letter('+'), letter('=')] &[Hire, Sizes], "", "one more";
    Fewer [letter('-')] &[Hire, Sizes], "", "one fewer";
    Right [key(KeyCode::Right)] &[Sizes], "", "one more";
    Left [key(KeyCode::Left)] &[Sizes], "", "one fewer";
    Mark [letter(' ')] &[Hire, Choices], "", "one, or none";
    Left [key(KeyCode::Left)] &[Processes], "", "fold the department or cluster";
    Right [key(KeyCode::Right)] &[Processes], "", "unfold it";
    Left [key(KeyCode::Left)] &[Details], "", "the section before";
    Right [key(KeyCode::Right)] &[Details], "", "the next section";
    Left [key(KeyCode::Left)] &[Logs], "", "lines that are cut: to their beginning";
    Right [key(KeyCode::Right)] &[Logs], "", "lines that are cut: what is right of the screen";
    Whole [letter('*')] &[Hire], "", "one of each role of the department, or none";
    Left [key(KeyCode::Left)] &[Editor, Hire], "", "choice before";
    Right [key(KeyCode::Right)] &[Editor, Hire], "", "next choice";

    Back [key(KeyCode::Esc)] &[Away], "close", "back to the screen; any other key does the same";
    Back [key(KeyCode::Esc)] ROWS, "", "one back: marks, then the filter, then the order";
    Back [key(KeyCode::Esc), ctrl('c')] &[Hire, Editor, Line, Choices, Confirm, Alike, Finder, Updates, Bring, Sizes], "leave", "leave, nothing is done";

    Down [key(KeyCode::Down)] &[Finder, Bring], "", "down";
    Up [key(KeyCode::Up)] &[Finder, Bring], "", "up";
    Down [letter('j'), key(KeyCode::Down)] MOVES, "", "down";
    Up [letter('k'), key(KeyCode::Up)] MOVES, "", "up";
    PageDown [key(KeyCode::PageDown)] MOVES, "", "a page down";
    PageUp [key(KeyCode::PageUp)] MOVES, "", "a page up";
    First [letter('g'), key(KeyCode::Home)] MOVES, "", "to the beginning";
    Last [letter('G'), key(KeyCode::End)] MOVES, "", "to the end";
    Number [letter('1'), letter('2'), letter('3'), letter('4')] SCREENS, "", "the screen of that number";
    Next [key(KeyCode::Tab), letter(']')] SCREENS, "", "next screen";
    Previous [key(KeyCode::BackTab), letter('[')] SCREENS, "", "screen before";
    Palette [letter(':')] SCREENS, "command", "find any action, screen, employee, role or task";
    Help [letter('?')] SCREENS, "help", "these keys";
    Detach [letter('q')] SCREENS, "detach", "leave the screen; everything runs on";
    Leave [ctrl('c')] SCREENS, "", "says how to leave";
};

/// The bindings of a place, the most important ones first.
pub(crate) fn bindings(place: Place) -> impl Iterator<Item = &'static Binding> {
    TABLE
        .iter()
        .filter(move |binding| binding.places.contains(&place))
}

/// The verb of a key in a place.
pub(crate) fn verb(place: Place, event: &KeyEvent) -> Option<Verb> {
    let pressed = Key {
        code: event.code,
        ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
    };
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    bindings(place)
        .find(|binding| binding.keys.contains(&pressed))
        .map(|binding| binding.verb)
}

/// The number of a digit key.
pub(crate) fn digit(event: &KeyEvent) -> Option<u32> {
    match event.code {
        KeyCode::Char(c) => c.to_digit(10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const PLACES: [Place; 20] = [
        Away, Sizes, Diff, Bring, Alike, Processes, Tasks, Inbox, Roles, Details, Logs, Task, Hire,
        Editor, Line, Choices, Confirm, Reader, Finder, Updates,
    ];

    #[test]
    fn no_key_has_two_meanings_in_one_place() {
        for place in PLACES {
            let mut seen = HashMap::new();
            for binding in bindings(place) {
                for key in binding.keys {
                    let before = seen.insert(*key, binding.verb);
                    assert_eq!(before, None, "{key} in {place:?}");
                }
            }
        }
    }

    #[test]
    fn a_letter_means_one_thing_everywhere() {
        let mut seen: HashMap<Key, Verb> = HashMap::new();
        for binding in TABLE {
            for key in binding.keys.iter().filter(|key| {
                // Enter takes what is offered, Ctrl-C leaves what is on top.
                matches!(key.code, KeyCode::Char(_)) && **key != ctrl('c')
            }) {
                // `n` goes on in a search, as everywhere else in the world.
                if binding.verb == Verb::NextHit {
                    continue;
                }
                let before = *seen.entry(*key).or_insert(binding.verb);
                assert_eq!(before, binding.verb, "{key}");
            }
        }
    }

    #[test]
    fn every_place_has_a_way_out() {
        for place in PLACES {
            assert!(
                bindings(place).any(|binding| matches!(binding.verb, Verb::Back | Verb::Detach)),
                "{place:?}"
            );
        }
    }
}
