//! Writes a task, or changes one: its text in a small editor, from a template perhaps, for whom, how urgent.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;
use ratatui_textarea::{TextArea, WrapMode};

use crate::domain::command::Command;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::role::{Protocol, Role, Template};
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{NewTask, Priority, Target, Task, TaskChange};
use crate::tui::dialogs::{Heard, Order};
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::task_facts;

/// Rows that the text keeps at least.
const TEXT_ROWS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Text,
    Template,
    Target,
    Branch,
    Priority,
    After,
}

/// A task in the making.
#[derive(Debug)]
pub(crate) struct TaskDialog {
    area: TextArea<'static>,
    focus: Focus,
    targets: Vec<Target>,
    target: usize,
    /// Whether it is to be done on a branch of its own; `None` where nobody could.
    own_branch: Option<bool>,
    priority: Priority,
    /// Which tasks it waits for, as they are typed.
    after: Field,
    /// The task whose result this one answers.
    continues: Option<TaskId>,
    /// The task that is changed, and what it waited for before.
    edits: Option<(TaskId, Vec<String>)>,
    templates: Vec<Template>,
    /// Which of them it was begun with.
    template: Option<usize>,
    /// The order that is on its way, or the request for the person's editor.
    pub(crate) ticket: Option<u64>,
    error: Option<String>,
    leaving: bool,
}

impl TaskDialog {
    /// Opens for a process, where one is given that takes tasks, else for anyone.
    pub(crate) fn new(process: Option<ProcessId>, snapshot: &Snapshot) -> Self {
        let targets = targets(process, snapshot);
        Self {
            area: editor(Vec::new()),
            focus: Focus::Text,
            targets,
            target: 0,
            own_branch: has_worktrees(snapshot).then_some(false),
            priority: Priority::Normal,
            after: Field::new(""),
            continues: None,
            edits: None,
            templates: snapshot.catalogue.templates.clone(),
            template: None,
            ticket: None,
            error: None,
            leaving: false,
        }
    }

    /// Opens for anyone of a cluster.
    pub(crate) fn for_team(team: String, snapshot: &Snapshot) -> Self {
        let mut dialog = Self::new(None, snapshot);
        let of_it = |target: &Target| target.cluster.as_ref() == Some(&team);
        dialog.target = dialog.targets.iter().position(of_it).unwrap_or(0);
        dialog
    }

    /// Opens for an answer to what a task brought: it goes to who has that conversation.
    pub(crate) fn follow_up(task: &Task) -> Self {
        let owner = task.conversation().map(|(process, _)| process);
        Self {
            area: editor(Vec::new()),
            focus: Focus::Text,
            targets: vec![Target {
                process: owner,
                ..Target::default()
            }],
            target: 0,
            own_branch: None,
            priority: task.priority,
            after: Field::new(""),
            continues: Some(task.id),
            edits: None,
            templates: Vec::new(),
            template: None,
            ticket: None,
            error: None,
            leaving: false,
        }
    }

    /// Opens for a task that waits, as it is.
    pub(crate) fn edit(task: &Task, snapshot: &Snapshot) -> Self {
        let mut targets = targets(None, snapshot);
        let own_branch = task.target.own_branch;
        let present = Target {
            own_branch: false,
            ..task.target.clone()
        };
        let target = targets.iter().position(|one| *one == present);
        if target.is_none() {
            targets.insert(0, present);
        }
        let lines = text::clean_lines(&task.text).map(std::borrow::Cow::into_owned);
        Self {
            area: editor(lines.collect()),
            focus: Focus::Text,
            targets,
            target: target.unwrap_or(0),
            own_branch: (own_branch || has_worktrees(snapshot)).then_some(own_branch),
            priority: task.priority,
            after: Field::new(&listed(&task.after)),
            continues: None,
            edits: Some((task.id, task.after.iter().map(TaskId::to_string).collect())),
            templates: Vec::new(),
            template: None,
            ticket: None,
            error: None,
            leaving: false,
        }
    }

    /// The text as it stands.
    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Takes the text that came back from the person's editor.
    pub(crate) fn edited(&mut self, text: Option<&str>) {
        self.ticket = None;
        match text {
            Some(text) => {
                let lines = text::clean_lines(text).map(std::borrow::Cow::into_owned);
                self.area = editor(lines.collect());
            }
            None => {
                self.error = Some("the editor was left without a text; nothing changed".to_owned())
            }
        }
    }

    /// The order was refused: the text stays, with the reason.
    pub(crate) fn refused(&mut self, why: String) {
        self.ticket = None;
        self.error = Some(why);
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        let lines: Vec<String> = text::clean_lines(pasted)
            .map(std::borrow::Cow::into_owned)
            .collect();
        if self.focus == Focus::After {
            self.after.paste(&lines.join(" "));
            return;
        }
        self.focus = Focus::Text;
        self.area.insert_str(lines.join("\n"));
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, can_edit: bool) -> Heard {
        self.error = None;
        let leaving = std::mem::take(&mut self.leaving);
        if self.ticket.is_some() && verb != Some(Verb::Back) {
            return Heard::Kept;
        }
        match verb {
            // A second Esc throws the text away.
            Some(Verb::Back) if leaving || self.text().trim().is_empty() => return Heard::Closed,
            Some(Verb::Back) => {
                self.leaving = true;
                return Heard::Kept;
            }
            Some(Verb::Send) => return self.send(),
            Some(Verb::Editor) if can_edit => return Heard::Edit(self.text()),
            Some(Verb::Editor) => {
                self.error = Some("this terminal cannot open an editor".to_owned());
                return Heard::Kept;
            }
            Some(Verb::Next) => self.focus = self.turn(true),
            Some(Verb::Previous) => self.focus = self.turn(false),
            _ if self.focus == Focus::Text => {
                self.area.input(key);
            }
            _ if self.focus == Focus::After => self.after.key(key),
            Some(Verb::Left) => self.choose(-1),
            Some(Verb::Right) => self.choose(1),
            _ => {}
        }
        Heard::Kept
    }

    /// The fields below the text, in their order.
    fn fields(&self) -> Vec<Focus> {
        let mut fields = vec![
            Focus::Template,
            Focus::Target,
            Focus::Branch,
            Focus::Priority,
            Focus::After,
        ];
        fields.retain(|field| match field {
            Focus::Template => !self.templates.is_empty(),
            Focus::Branch => self.own_branch.is_some(),
            Focus::Text | Focus::Target | Focus::Priority | Focus::After => true,
        });
        fields
    }

    fn turn(&self, forward: bool) -> Focus {
        let fields = self.fields();
        let at = fields.iter().position(|focus| *focus == self.focus);
        let next = match (at, forward) {
            (None, true) => Some(0),
            (None, false) => Some(fields.len() - 1),
            (Some(at), true) => Some(at + 1),
            (Some(at), false) => at.checked_sub(1),
        };
        next.and_then(|at| fields.get(at))
            .copied()
            .unwrap_or(Focus::Text)
    }

    /// Begins anew with a template, or with nothing: also for whom it is and how urgent.
    fn take_template(&mut self, which: Option<usize>) {
        let before = self.present().map(|template| template.text.clone());
        if !self.text().trim().is_empty() && before.as_deref() != Some(self.text().as_str()) {
            self.error = Some("there is a text already: take it out first".to_owned());
            return;
        }
        self.template = which;
        let Some(template) = self.present().cloned() else {
            self.area = editor(Vec::new());
            return;
        };
        self.area = editor(template.text.lines().map(str::to_owned).collect());
        self.priority = template.priority;
        let target = Target {
            role: template.role,
            skills: template.skills,
            ..Target::default()
        };
        if target != Target::default() {
            let known = self.targets.iter().position(|one| *one == target);
            self.target = known.unwrap_or(self.targets.len());
            if known.is_none() {
                self.targets.push(target);
            }
        }
    }

    fn present(&self) -> Option<&Template> {
        self.templates.get(self.template?)
    }

    fn choose(&mut self, by: isize) {
        let turn = |at: usize, count: usize| {
            let count = isize::try_from(count).unwrap_or(isize::MAX).max(1);
            let at = isize::try_from(at).unwrap_or(0);
            usize::try_from((at + by).rem_euclid(count)).unwrap_or(0)
        };
        match self.focus {
            Focus::Text | Focus::After => {}
            Focus::Template => {
                // None of them stands before the first.
                let at = self.template.map_or(0, |at| at + 1);
                let at = turn(at, self.templates.len() + 1);
                self.take_template(at.checked_sub(1));
            }
            Focus::Target => self.target = turn(self.target, self.targets.len()),
            Focus::Branch => self.own_branch = self.own_branch.map(|own| !own),
            Focus::Priority => {
                let at = Priority::ALL.iter().position(|one| *one == self.priority);
                let at = turn(at.unwrap_or(0), Priority::ALL.len());
                self.priority = Priority::ALL[at];
            }
        }
    }

    fn send(&mut self) -> Heard {
        let text = self.text().trim().to_owned();
        if text.is_empty() {
            self.error = Some("a task needs a text".to_owned());
            return Heard::Kept;
        }
        let target = Target {
            own_branch: self.own_branch == Some(true),
            ..self.targets.get(self.target).cloned().unwrap_or_default()
        };
        let after = self.after.text().split([',', ' ']);
        let after: Vec<String> = after
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some((task, before)) = &self.edits {
            let task = *task;
            // Left as it was it follows the text, which may ask for other results.
            let after = (after != *before).then_some(after);
            let change = Box::new(TaskChange {
                text: Some(text),
                priority: Some(self.priority),
                target: Some(target),
                after,
                ..TaskChange::default()
            });
            let command = Command::EditTask { task, change };
            return Heard::Submitted(Order::new(format!("change {task}"), command));
        }
        let template = self.present();
        if let Some(template) = template {
            let written = Template {
                text: text.clone(),
                ..template.clone()
            };
            // What is in braces still and was in the template is to be filled in.
            let names = template.variables();
            let open = written
                .variables()
                .into_iter()
                .filter(|name| names.contains(name));
            let open: Vec<String> = open.map(|name| format!("{{{{{name}}}}}")).collect();
            if !open.is_empty() {
                self.error = Some(format!(
                    "write something in the place of {}",
                    open.join(", ")
                ));
                return Heard::Kept;
            }
        }
        let new = NewTask {
            text,
            priority: self.priority,
            target,
            timeout: template.and_then(|template| template.timeout),
            retries: template.and_then(|template| template.retries),
            continues: self.continues,
            after,
            ..NewTask::default()
        };
        Heard::Submitted(Order::new("add the task", Command::AddTask(Box::new(new))))
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = *scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let height = pen.height();
        let state = if self.ticket.is_some() {
            "sending…"
        } else {
            "Ctrl-S sends"
        };
        let title = match (self.continues, &self.edits) {
            (Some(task), _) => format!("Answer to {task}"),
            (None, Some((task, _))) => format!("Change {task}"),
            (None, None) => "New task".to_owned(),
        };
        let fields = self.fields();
        // Where there is little room the text keeps two rows, and the field in hand one.
        let room = height.saturating_sub(2 + TEXT_ROWS).max(1);
        let at = fields.iter().position(|field| *field == self.focus);
        let first = at.map_or(0, |at| (at + 1).saturating_sub(room));
        let fields: Vec<Focus> = fields.into_iter().skip(first).take(room).collect();
        let base = height.saturating_sub(fields.len() + 1);
        let rows = u16::try_from(base.saturating_sub(2).max(1)).unwrap_or(1);
        pen.title(0, &title, state, &palette);
        let editor = Rect {
            x: area.x + 2.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(4),
            height: rows.min(area.height.saturating_sub(1)),
        };
        let target = self.targets.get(self.target);
        let target = target.map_or_else(String::new, |target| named(target, scene.snapshot));
        let template = self.present();
        let template = template.map_or("none", |template| template.key.as_str());
        let mut typed = None;
        for (row, which) in fields.iter().enumerate() {
            let (label, value) = match which {
                Focus::Text => continue,
                Focus::Template => ("Template", template),
                Focus::Target => ("For", target.as_str()),
                Focus::Branch if self.own_branch == Some(true) => {
                    ("Branch", "one of its own, in a git worktree")
                }
                Focus::Branch => ("Branch", "that of who does it"),
                Focus::Priority => ("Priority", self.priority.as_str()),
                Focus::After if self.after.text().is_empty() => ("After", "no other task"),
                Focus::After => ("After", self.after.text()),
            };
            let focused = self.focus == *which;
            let style = if focused {
                palette.accent
            } else {
                palette.plain
            };
            pen.put(base + row, 2, 9, label, palette.dim);
            if focused && *which == Focus::After {
                let cell = Rect {
                    x: area.x + 12,
                    y: area.y + u16::try_from(base + row).unwrap_or(0),
                    width: area.width.saturating_sub(14),
                    height: 1,
                };
                typed = Some(cell.intersection(area));
                continue;
            }
            let shown = if focused {
                format!("‹ {value} ›")
            } else {
                format!("  {value}")
            };
            pen.put(base + row, 12, width.saturating_sub(13), &shown, style);
        }
        let (line, style) = match (&self.error, self.leaving) {
            (Some(error), _) => (error.clone(), palette.bad),
            (None, true) => (
                "Esc again throws this text away; any other key keeps it.".to_owned(),
                palette.warn,
            ),
            (None, false) => (self.promise(scene.snapshot), palette.dim),
        };
        pen.put(
            base + fields.len(),
            2,
            width.saturating_sub(3),
            &text::clean(&line),
            style,
        );
        if let Some(cell) = typed {
            self.after.draw(cell, buffer, true, &palette);
        }
        if editor.width > 0 && editor.height > 0 {
            let focused = self.focus == Focus::Text;
            let cursor = Style::new();
            self.area.set_cursor_style(if focused {
                cursor.add_modifier(Modifier::REVERSED)
            } else {
                cursor
            });
            self.area.set_placeholder_text(match self.continues {
                Some(_) => "What do you say to that? It knows the conversation.",
                None => "What is to be done?",
            });
            self.area.set_placeholder_style(palette.dim);
            (&self.area).render(editor, buffer);
        }
    }

    /// What will happen to it.
    fn promise(&self, snapshot: &Snapshot) -> String {
        if self.focus == Focus::After {
            return "Tasks that are to succeed before it is begun, for example task_0012."
                .to_owned();
        }
        if self.edits.is_some() {
            return "It keeps its place; another priority gives it another.".to_owned();
        }
        let Some(target) = self.targets.get(self.target) else {
            return String::new();
        };
        let fits = |process: &crate::domain::snapshot::ProcessView| {
            process.protocol == Protocol::ClaudeStreamJson
                && process.is_up()
                && target.process.is_none_or(|id| id == process.id)
                && (target.cluster.is_none() || target.cluster == process.cluster)
                && target
                    .role
                    .as_ref()
                    .is_none_or(|role| *role == process.role)
        };
        let mut fitting: Vec<_> = snapshot.processes.iter().filter(|p| fits(p)).collect();
        let someone = !fitting.is_empty();
        if self.own_branch == Some(true) {
            fitting.retain(|process| process.worktree.is_some());
        }
        let free = fitting
            .iter()
            .filter(|process| process.task.is_none())
            .count();
        match (fitting.len(), free) {
            (0, _) if someone => "Nobody who fits has a git worktree: it waits.".to_owned(),
            (0, _) => "Nobody who fits is up: it waits in the queue.".to_owned(),
            (1, 0) => "Busy: it is next when the present task is done.".to_owned(),
            (_, 0) => "All who fit are busy: it waits in the queue.".to_owned(),
            _ => "It is begun at once.".to_owned(),
        }
    }
}

fn editor(lines: Vec<String>) -> TextArea<'static> {
    let mut area = TextArea::new(lines);
    area.set_cursor_line_style(Style::new());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.move_cursor(ratatui_textarea::CursorMove::Bottom);
    area.move_cursor(ratatui_textarea::CursorMove::End);
    area
}

/// Whether anybody has a git worktree, and so could do a task on a branch of its own.
fn has_worktrees(snapshot: &Snapshot) -> bool {
    let mut processes = snapshot.processes.iter();
    processes.any(|process| process.worktree.is_some())
}

/// Who may be asked: the process, its role, anyone, then every cluster, every other role and process, and the
/// roles that nobody holds.
fn targets(process: Option<ProcessId>, snapshot: &Snapshot) -> Vec<Target> {
    let takes = |id: &ProcessId| {
        let found = snapshot.process(*id);
        found.is_some_and(|process| process.protocol == Protocol::ClaudeStreamJson)
    };
    let of_process = |id| Target {
        process: Some(id),
        ..Target::default()
    };
    let of_role = |role: &str| Target {
        role: Some(role.to_owned()),
        ..Target::default()
    };
    let mut targets = Vec::new();
    if let Some(id) = process.filter(takes) {
        targets.push(of_process(id));
        targets.extend(snapshot.process(id).map(|found| of_role(&found.role)));
    }
    targets.push(Target::default());
    targets.extend(snapshot.clusters.iter().map(|cluster| Target {
        cluster: Some(cluster.key.clone()),
        ..Target::default()
    }));
    for found in &snapshot.processes {
        let target = of_role(&found.role);
        if takes(&found.id) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    let takes_tasks = |role: &Role| {
        let agent = snapshot.catalogue.agents.get(&role.agent);
        snapshot.demo || agent.is_none_or(|agent| agent.protocol == Protocol::ClaudeStreamJson)
    };
    for found in &snapshot.processes {
        let target = of_process(found.id);
        if takes(&found.id) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    // Those whom nobody holds stand last: a task for them waits until somebody is hired.
    for role in snapshot
        .catalogue
        .roles
        .iter()
        .filter(|role| takes_tasks(role))
    {
        let target = of_role(&role.key);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

fn listed(tasks: &[TaskId]) -> String {
    let all: Vec<String> = tasks.iter().map(TaskId::to_string).collect();
    all.join(", ")
}

fn named(target: &Target, snapshot: &Snapshot) -> String {
    let name = task_facts::target(target, snapshot);
    match target.process.and_then(|id| snapshot.process(id)) {
        Some(process) => format!(
            "{name} ({}, {})",
            text::clean(&process.role_title),
            process.id
        ),
        None => name,
    }
}
