//! How actions and screens are called by those who look for them: a short name, then other words for the same.

use crate::tui::chrome::Tab;
use crate::tui::keys::{Place, Verb};

/// The name of a verb in a place, and its synonyms; nothing for what nobody looks for by name.
pub(super) const fn names(verb: Verb, place: Place) -> &'static [&'static str] {
    match (verb, place) {
        (Verb::Yes, _) => &["allow", "approve", "accept", "permit", "yes", "ok"],
        (Verb::Always, _) => &["always allow", "allow always", "approve always"],
        (Verb::Deny, _) => &["deny", "refuse", "reject", "no"],
        (Verb::Answer, Place::Tasks | Place::Task) => &["follow up", "answer", "reply", "continue"],
        (Verb::Answer, _) => &["answer", "reply"],
        (Verb::Alike, _) => &["all like it", "answer all", "bulk"],
        (Verb::Later, _) => &["later", "snooze", "put off"],
        (Verb::Acknowledge, _) => &["seen", "acknowledge", "ack", "let be"],
        (Verb::Back, _) => &["back", "undo", "close"],
        (Verb::Left, Place::Processes) => &["fold", "collapse"],
        (Verb::Right, Place::Processes) => &["unfold", "expand"],
        (Verb::Left, Place::Diff) => &["file before", "previous file"],
        (Verb::Right, Place::Diff) => &["next file"],
        (Verb::Left, Place::Details) => &["section before", "previous section"],
        (Verb::Right, Place::Details) => &["next section"],
        (Verb::Left, _) => &["to the left"],
        (Verb::Right, _) => &["to the right"],
        (Verb::HandBack, _) => &["hand back", "conflicts"],
        (Verb::Bring, _) => &["merge", "bring home", "rebase", "squash"],
        (Verb::Discard, _) => &["discard", "throw away", "rm", "delete"],
        (Verb::Patch, _) => &["patch", "export"],
        (Verb::NextHit, _) => &["next hit"],
        (Verb::PreviousHit, _) => &["hit before", "previous hit"],
        (Verb::Follow, _) => &["follow", "tail"],
        (Verb::Filter, Place::Logs) => &["search", "find", "grep"],
        (Verb::Filter, _) => &["filter", "search", "find", "grep", "only"],
        (Verb::Kinds, _) => &["kinds", "filter kinds"],
        (Verb::Wrap, _) => &["wrap", "long lines"],
        (Verb::Copy, _) => &["copy", "yank", "clipboard"],
        (Verb::Raw, _) => &["raw", "protocol"],
        (Verb::Mark, _) => &["mark", "select"],
        (Verb::MarkRange, _) => &["mark range", "mark to here"],
        (Verb::Demo, _) => &["demo", "simulation", "try"],
        (Verb::Start, _) => &["start", "run", "up"],
        (Verb::Stop, _) => &["stop", "interrupt"],
        (Verb::Log, _) => &["log", "logs", "output"],
        (Verb::Open, Place::Processes) => &["details", "open", "describe", "info"],
        (Verb::Open, Place::Roles) => &["hire"],
        (Verb::Open, _) => &["whole", "open", "details", "show"],
        (Verb::Diff, _) => &["diff", "worktree", "git"],
        (Verb::Kill, _) => &["kill", "force stop"],
        (Verb::Restart, _) => &["restart", "reload"],
        (Verb::Cancel, _) => &["cancel", "take back", "abort"],
        (Verb::Retry, _) => &["retry", "requeue", "again"],
        (Verb::Release, _) => &["release", "hold"],
        (Verb::Edit, _) => &["edit", "change"],
        (Verb::Around, _) => &["around", "depends", "dependencies", "waits for"],
        (Verb::Hire, _) => &["hire", "new employee", "add employee", "recruit"],
        (Verb::AddTask, _) => &["new task", "task", "add task", "write task"],
        (Verb::Message, _) => &["message", "say", "tell"],
        (Verb::Why, _) => &["why", "history", "last exit", "explain"],
        (Verb::Updates, _) => &["updates", "prompt", "settings", "what changed"],
        (Verb::Away, _) => &["digest", "away", "summary", "what happened"],
        (Verb::NextWaiting, _) => &["next waiting", "waiting"],
        (Verb::Sort, _) => &["sort", "order"],
        (Verb::Reverse, _) => &["reverse"],
        (Verb::More, Place::Tasks | Place::Task) => &["more urgent", "urgent", "priority"],
        (Verb::Fewer, Place::Tasks | Place::Task) => &["less urgent", "lower priority"],
        (Verb::More, _) => &["scale", "scale up", "size", "more"],
        (Verb::Fewer, _) => &["scale down", "fewer"],
        (Verb::InTurn, _) => &["rolling restart", "restart one by one"],
        (Verb::Teams, _) => &["clusters", "by cluster", "departments", "teams"],
        (Verb::Remove, Place::Tasks | Place::Task) => &["delete", "rm", "remove"],
        (Verb::Remove, _) => &["remove", "rm", "delete", "fire"],
        (Verb::Sooner, _) => &["sooner", "move up"],
        (Verb::Behind, _) => &["behind", "move down"],
        (Verb::Mistakes, _) => &["what is wrong", "mistakes", "errors", "config"],
        (Verb::First, _) => &["beginning", "top"],
        (Verb::Last, _) => &["end", "bottom"],
        (Verb::Next, _) => &["next screen"],
        (Verb::Previous, _) => &["screen before", "previous screen"],
        (Verb::Help, _) => &["help", "keys", "?"],
        (Verb::Detach, _) => &["detach", "quit", "q", "exit", "leave", "wq"],
        _ => &[],
    }
}

/// The name of a screen, and its synonyms.
pub(super) const fn screen(tab: Tab) -> &'static [&'static str] {
    match tab {
        Tab::Processes => &["processes", "employees", "staff", "ps"],
        Tab::Tasks => &["tasks", "queue", "jobs"],
        Tab::Inbox => &["inbox", "alerts", "requests", "questions", "failures"],
        Tab::Roles => &["roles", "catalogue"],
    }
}

/// What is on a screen.
pub(super) const fn about(tab: Tab) -> &'static str {
    match tab {
        Tab::Processes => "Processes: every employee",
        Tab::Tasks => "Tasks: the queue, and what is done",
        Tab::Inbox => "Inbox: what waits for you",
        Tab::Roles => "Roles: whom you can hire",
    }
}

/// Whether an action ends work, or cannot be taken back: nobody is to do it by a find of chance.
pub(super) const fn is_grave(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Yes
            | Verb::Deny
            | Verb::Acknowledge
            | Verb::Stop
            | Verb::Kill
            | Verb::Restart
            | Verb::InTurn
            | Verb::Remove
            | Verb::Cancel
            | Verb::Discard
            | Verb::HandBack
            | Verb::Demo
    )
}
