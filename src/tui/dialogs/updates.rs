//! What changed on disk since an employee started, and what a restart would change: now, when it is
//! idle, or not now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::{Command, UpdateWhen};
use crate::domain::id::ProcessId;
use crate::domain::snapshot::{ProcessView, Snapshot};
use crate::tui::dialogs::{Heard, Order};
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::look::Palette;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::{Scroll, Sheet};

/// One employee's updates; Tab turns to the next employee that has some.
#[derive(Debug)]
pub(crate) struct UpdatesDialog {
    process: ProcessId,
    scroll: Scroll,
}

/// Those that run on something old and were not put off.
fn outdated(snapshot: &Snapshot) -> Vec<&ProcessView> {
    let processes = snapshot.processes.iter().map(AsRef::as_ref);
    processes
        .filter(|process: &&ProcessView| process.updates_available)
        .collect()
}

impl UpdatesDialog {
    /// Begins with the employee that is selected, if it has updates, else with the first that has;
    /// `None` if nobody has.
    pub(crate) fn new(selected: Option<ProcessId>, snapshot: &Snapshot) -> Option<Self> {
        let outdated = outdated(snapshot);
        let chosen = outdated.iter().find(|process| Some(process.id) == selected);
        let process = chosen.or(outdated.first())?.id;
        Some(Self {
            process,
            scroll: Scroll::default(),
        })
    }

    pub(crate) fn key(&mut self, verb: Option<Verb>, scene: Scene<'_>) -> Heard {
        let order = |when| {
            let process = self.process;
            let name = scene
                .snapshot
                .process(process)
                .map_or("it", |view| view.name.as_str());
            let what = format!("update {name}");
            Heard::Orders(vec![Order::new(what, Command::Update { process, when })])
        };
        match verb {
            Some(Verb::Open) => return order(UpdateWhen::Now),
            Some(Verb::WhenIdle) => return order(UpdateWhen::Idle),
            Some(Verb::InTurn) => return order(UpdateWhen::Rolling),
            Some(Verb::Deny) => return order(UpdateWhen::NotNow),
            Some(Verb::Back | Verb::Updates) => return Heard::Closed,
            Some(Verb::Next) => self.turn(scene.snapshot, 1),
            Some(Verb::Previous) => self.turn(scene.snapshot, -1),
            Some(Verb::Down) => self.scroll.step(1),
            Some(Verb::Up) => self.scroll.step(-1),
            Some(Verb::PageDown) => self.scroll.page(1),
            Some(Verb::PageUp) => self.scroll.page(-1),
            Some(Verb::First) => self.scroll.step(-isize::MAX),
            Some(Verb::Last) => self.scroll.step(isize::MAX),
            _ => {}
        }
        Heard::Kept
    }

    fn turn(&mut self, snapshot: &Snapshot, by: isize) {
        let outdated = outdated(snapshot);
        let Ok(count) = isize::try_from(outdated.len()) else {
            return;
        };
        let at = outdated
            .iter()
            .position(|process| process.id == self.process)
            .unwrap_or(0);
        let next = (isize::try_from(at).unwrap_or(0) + by).rem_euclid(count.max(1));
        if let Some(process) = usize::try_from(next)
            .ok()
            .and_then(|next| outdated.get(next))
        {
            self.process = process.id;
            self.scroll = Scroll::default();
        }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let body = Rect {
            x: area.x + 2.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(1),
        };
        let outdated = outdated(scene.snapshot);
        let at = outdated
            .iter()
            .position(|process| process.id == self.process);
        let right = match at {
            Some(at) if outdated.len() > 1 => {
                format!("{} of {}  Tab next", at + 1, outdated.len())
            }
            _ => String::new(),
        };
        let mut sheet = Sheet::new(usize::from(body.width), *palette);
        let title = match scene.snapshot.process(self.process) {
            Some(process) => {
                write(&mut sheet, process, palette);
                format!(
                    "Updates · {} · {}",
                    text::clean(&process.name),
                    text::clean(&process.role_title)
                )
            }
            None => {
                sheet.text("It is gone.", 0, palette.dim);
                "Updates".to_owned()
            }
        };
        Pen::new(buffer, area).title(0, &title, &right, palette);
        self.scroll.draw(sheet.into_lines(), body, buffer, palette);
    }
}

fn write(sheet: &mut Sheet, process: &ProcessView, palette: &Palette) {
    let Some(updates) = &process.updates else {
        sheet.text("Nothing: it runs on what is on disk.", 0, palette.plain);
        return;
    };
    if let Some(fault) = &updates.obstacle {
        sheet.text(
            &format!("It cannot be started with what is on disk: {fault}"),
            0,
            palette.bad,
        );
        sheet.text(&format!("try: {}", fault.remedy), 0, palette.plain);
        sheet.gap();
    }
    for change in &updates.changes {
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
        let line = format!("{} → {}", side(&change.before), side(&change.after));
        sheet.field(&change.setting, &line, palette.strong);
    }
    sheet.gap();
    let busy = match process.task {
        Some(_) => "A restart lets the current task finish first. It keeps",
        None => "A restart keeps",
    };
    let cost = process
        .conversation_tokens
        .map(|tokens| format!(" (about {} tokens)", format::count(tokens)))
        .unwrap_or_default();
    let words = format!(
        "{busy} the conversation, which the model reads anew{cost}, and takes a few seconds."
    );
    sheet.text(&words, 0, palette.dim);
    if process.restart_when_idle {
        sheet.text("It restarts when it is idle.", 0, palette.plain);
    }
    if process.restart_in_turn {
        sheet.text(
            "It restarts when those of its role before it are up again.",
            0,
            palette.plain,
        );
    }
    for diff in updates
        .changes
        .iter()
        .filter_map(|change| change.diff.as_deref())
    {
        sheet.gap();
        for line in diff.lines() {
            let style = match line.as_bytes().first() {
                Some(b'+') => palette.good,
                Some(b'-') => palette.bad,
                Some(b'@') => palette.dim,
                _ => palette.plain,
            };
            sheet.text(line, 0, style);
        }
    }
}
