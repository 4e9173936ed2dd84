//! One task whole: what was asked, every attempt, what it brought.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::domain::id::TaskId;
use crate::domain::task::{Attempt, AttemptEnd, Task};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::{Scroll, Sheet};
use crate::tui::widgets::{status, task_facts};

/// Which task, and how far it is scrolled.
#[derive(Debug)]
pub(crate) struct TaskPage {
    pub(crate) task: TaskId,
    pub(crate) scroll: Scroll,
}

impl TaskPage {
    pub(crate) fn new(task: TaskId) -> Self {
        Self {
            task,
            scroll: Scroll::default(),
        }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let Some(task) = scene.snapshot.task(self.task) else {
            let line = format!("{} is no longer kept. Esc goes back.", self.task);
            pen.put(1, 2, usize::from(area.width), &line, palette.plain);
            return;
        };
        let (shape, _) = status::task_shape(task.state, palette);
        let state = format!("{shape} {}", status::task_word(task.state));
        let title = format!("{} · {}", task.id, text::clean(task.title()));
        pen.title(0, &title, &state, palette);
        let body = Rect {
            x: area.x + 1.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(1),
        };
        let lines = write(task, usize::from(body.width), scene);
        self.scroll.draw(lines, body, buffer, palette);
    }
}

fn write(task: &Task, width: usize, scene: Scene<'_>) -> Vec<Line<'static>> {
    let (palette, snapshot, now) = (scene.palette(), scene.snapshot, scene.now);
    let mut sheet = Sheet::new(width, *palette);
    let (_, style) = status::task_shape(task.state, palette);
    let style = if style == palette.good {
        palette.plain
    } else {
        style
    };
    let state = format!(
        "{} {}{}",
        status::task_word(task.state),
        format::long_age(now.since(task.since)),
        if task.cancelling {
            ", is being taken back"
        } else {
            ""
        }
    );
    sheet.field("State", &state, style);
    if let Some(why) = snapshot.why(task.id) {
        sheet.field("Waits", &why, palette.warn);
    }
    if let Some(error) = &task.error {
        sheet.field("Error", error, palette.bad);
    }
    sheet.field(
        "For",
        &task_facts::target(&task.target, snapshot),
        palette.plain,
    );
    if let Some(continued) = task.continues {
        let line = format!("the conversation of {}", continued.task);
        sheet.field("Goes on in", &line, palette.plain);
    }
    let asked = format!(
        "{} priority, since {}",
        task.priority.as_str(),
        now.clock(task.created)
    );
    sheet.field("Asked", &asked, palette.plain);
    if !task.after.is_empty() {
        let parent = |id: &TaskId| match snapshot.task(*id) {
            Some(parent) => format!("{id} ({})", status::task_word(parent.state)),
            None => format!("{id} (deleted)"),
        };
        let parents: Vec<String> = task.after.iter().map(parent).collect();
        sheet.field("After", &parents.join(", "), palette.plain);
    }
    let children = snapshot
        .tasks
        .iter()
        .filter(|other| other.after.contains(&task.id));
    let children: Vec<String> = children.map(|child| child.id.to_string()).collect();
    if !children.is_empty() {
        sheet.field("Before", &children.join(", "), palette.plain);
    }
    if let Some(progress) = task_facts::progress(task, snapshot) {
        sheet.field("Does", progress, palette.plain);
    }
    if let Some(worktree) = &task.worktree {
        let line = format!("{} of its own, from {}", worktree.branch, worktree.base);
        sheet.field("Branch", &line, palette.plain);
    }
    sheet.heading("Task");
    sheet.text(&task.text, 0, palette.plain);
    if !task.attempts.is_empty() {
        sheet.heading("Attempts");
        for (number, attempt) in task.attempts.iter().enumerate() {
            let (line, failed) = line(number + 1, attempt, scene);
            sheet.text(&line, 0, if failed { palette.warn } else { palette.plain });
            if let Some(conversation) = attempt.conversation {
                let line = format!("conversation {conversation}");
                sheet.text(&line, 3, palette.dim);
            }
            if !attempt.work.tools.is_empty() {
                let tools = attempt.work.tools.iter();
                let tools: Vec<String> = tools.map(|(tool, n)| format!("{tool} {n}")).collect();
                sheet.text(&format!("called {}", tools.join(", ")), 3, palette.dim);
            }
            for message in &attempt.messages {
                let at = scene.now.clock(message.at);
                let line = format!("{at} you: {}", text::clean(&message.text));
                sheet.text(&line, 3, palette.plain);
                sheet.text(message.state.words(), 6, palette.dim);
            }
            for file in &attempt.work.files {
                let line = format!("{}  +{} -{}", file.path, file.added, file.removed);
                sheet.text(&line, 3, palette.dim);
            }
            let process = snapshot.process(attempt.process);
            let worktree = process.and_then(|process| process.worktree.as_ref());
            let differ = worktree.and_then(|worktree| attempt.work.differences(worktree));
            let differ = differ.unwrap_or_default();
            for file in &differ.by_git {
                let line = format!("{file}  by git alone, as by a command");
                sheet.text(&line, 3, palette.dim);
            }
            for file in &differ.by_tools {
                let line = format!("{file}  by a tool alone, git sees no change");
                sheet.text(&line, 3, palette.dim);
            }
        }
    }
    sheet.heading("Result");
    match &task.result {
        Some(result) => {
            let figures = format!(
                "{}, {}, {}, tokens {}",
                format::took(result.duration),
                format::plural(result.turns as usize, "turn", "turns"),
                format::money(result.cost_usd),
                format::tokens(result.tokens)
            );
            sheet.text(&figures, 0, palette.dim);
            if !result.denials.is_empty() {
                let line = format!("refused while it ran: {}", result.denials.join(", "));
                sheet.text(&line, 0, palette.warn);
            }
            sheet.gap();
            sheet.text(&result.text, 0, palette.plain);
        }
        None => sheet.text(
            if task.state.is_final() {
                "none"
            } else {
                "not yet"
            },
            0,
            palette.dim,
        ),
    }
    sheet.into_lines()
}

fn line(number: usize, attempt: &Attempt, scene: Scene<'_>) -> (String, bool) {
    let who = match scene.snapshot.process(attempt.process) {
        Some(process) => text::clean(&process.name).into_owned(),
        None => attempt.process.to_string(),
    };
    let start = scene.now.clock(attempt.started);
    let took = attempt.ended.map_or_else(String::new, |ended| {
        let span = ended.duration_since(attempt.started);
        format!(", {}", format::took(span.try_into().unwrap_or_default()))
    });
    let (end, failed) = match attempt.end {
        None => ("at work", false),
        Some(AttemptEnd::Succeeded) => ("succeeded", false),
        Some(AttemptEnd::Failed) => ("failed", true),
        Some(AttemptEnd::Cut) => ("cut off", true),
        Some(AttemptEnd::TimedOut) => ("out of time", true),
        Some(AttemptEnd::Interrupted) => ("interrupted, no retry used", false),
        Some(AttemptEnd::Cancelled) => ("cancelled", false),
    };
    let reason = attempt
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    (
        format!("{number}  {start}  {who}  {end}{took}{reason}"),
        failed,
    )
}
