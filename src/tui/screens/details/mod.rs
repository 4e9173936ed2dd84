//! Everything about one process, in sections on one page that scrolls.

mod work;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::automation::{Autostart, Rest};
use crate::domain::id::ProcessId;
use crate::domain::role::{PromptMode, Range};
use crate::domain::sandbox::SandboxLevel;
use crate::domain::snapshot::{ProcessView, Usage};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::{Scroll, Sheet};
use crate::tui::widgets::sparkline::sparkline;
use crate::tui::widgets::status;

/// From these widths on, sections stand side by side.
const TWO_COLUMNS: u16 = 110;
const THREE_COLUMNS: u16 = 170;
/// Columns between two of them.
const GAP: usize = 3;

/// Which process, and how far it is scrolled.
#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) process: ProcessId,
    pub(crate) scroll: Scroll,
    /// It stops to be started anew.
    pub(crate) starts_again: bool,
    // Where sections begin, as drawn last.
    starts: Vec<usize>,
}

impl Details {
    pub(crate) fn new(process: ProcessId) -> Self {
        Self {
            process,
            scroll: Scroll::default(),
            starts_again: false,
            starts: Vec::new(),
        }
    }

    /// To the next section, or the one before; by a page beyond the last.
    pub(crate) fn jump(&mut self, forward: bool) {
        let top = self.scroll.top();
        let to = if forward {
            self.starts.iter().find(|start| **start > top)
        } else {
            self.starts.iter().rev().find(|start| **start < top)
        };
        match to {
            Some(to) => self.scroll.go_to(*to),
            None if forward => self.scroll.page(1),
            None => self.scroll.page(-1),
        }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let Some(process) = scene.snapshot.process(self.process) else {
            let mut pen = Pen::new(buffer, area);
            let line = format!("{} was removed. Esc goes back.", self.process);
            pen.put(1, 2, usize::from(area.width), &line, scene.palette().plain);
            return;
        };
        let page = Paper {
            process,
            scene,
            starts_again: self.starts_again,
        };
        page.title(area, buffer);
        let body = Rect {
            x: area.x + 1.min(area.width),
            y: area.y + 2.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        };
        let lines;
        (lines, self.starts) = page.lines(usize::from(body.width), area.width);
        self.scroll.draw(lines, body, buffer, scene.palette());
    }
}

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Process,
    Resources,
    Activity,
    Configuration,
    Tree,
    Exit,
}

impl Section {
    /// In the order in which they stand below each other.
    const ALL: [Self; 6] = [
        Self::Process,
        Self::Resources,
        Self::Activity,
        Self::Configuration,
        Self::Tree,
        Self::Exit,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Process => "Overview",
            Self::Resources => "Resources",
            Self::Activity => "Activity",
            Self::Configuration => "Configuration",
            Self::Tree => "Tree",
            Self::Exit => "Last exit",
        }
    }
}

/// One process, to be written down.
struct Paper<'a> {
    process: &'a ProcessView,
    scene: Scene<'a>,
    starts_again: bool,
}

impl Paper<'_> {
    fn title(&self, area: Rect, buffer: &mut Buffer) {
        let (process, palette) = (self.process, self.scene.palette());
        let now = self.scene.now;
        let mut pen = Pen::new(buffer, area);
        let name = format!(
            "{} · {} · {}",
            text::clean(&process.name),
            text::clean(&process.role_title),
            process.id
        );
        let width = pen.width();
        let (shape, style) = status::shape(process, palette);
        let mut parts: Vec<(String, Style)> = vec![
            (
                format!("{shape} {}", status::word(process, now)),
                if style == palette.good {
                    palette.plain
                } else {
                    style
                },
            ),
            (
                process.health.as_str().to_owned(),
                status::health_style(process, palette),
            ),
        ];
        if let Some(started) = process.started {
            let up = format!("up {}", format::long_age(now.since(started)));
            parts.push((up, palette.plain));
        }
        parts.push((format!("restarts {}", process.restarts), palette.plain));
        if process.simulated {
            parts.insert(0, ("SIMULATED".to_owned(), palette.warn));
        }
        let fits = |parts: &[(String, Style)]| {
            let length: usize = parts.iter().map(|(part, _)| text::width(part) + 3).sum();
            length + text::width(&name) + 4 <= width
        };
        while parts.len() > 1 && !fits(&parts) {
            parts.pop();
        }
        let length: usize = parts.iter().map(|(part, _)| text::width(part) + 3).sum();
        let end = pen.put(0, 1, width, &name, palette.strong);
        let mut at = (width + 2).saturating_sub(length).max(end + 2);
        for (number, (part, style)) in parts.iter().enumerate() {
            if number > 0 {
                at = pen.put(0, at, 3, " · ", palette.dim);
            }
            at = pen.put(0, at, width, part, *style);
        }
        pen.rule(1, 0, width, palette.rule);
    }

    /// All lines, and where the sections begin.
    fn lines(&self, width: usize, screen: u16) -> (Vec<Line<'static>>, Vec<usize>) {
        let mut top = Sheet::new(width, *self.scene.palette());
        self.fault(&mut top);
        let mut lines = top.into_lines();
        let columns: &[&[Section]] = match screen {
            THREE_COLUMNS.. => &[
                &[Section::Process, Section::Configuration],
                &[Section::Resources, Section::Tree],
                &[Section::Activity, Section::Exit],
            ],
            TWO_COLUMNS.. => &[
                &[Section::Process, Section::Configuration],
                &[
                    Section::Resources,
                    Section::Activity,
                    Section::Exit,
                    Section::Tree,
                ],
            ],
            _ => &[],
        };
        let mut starts = Vec::new();
        if !columns.is_empty() {
            let top = lines.len();
            let room = (width - GAP * (columns.len() - 1)) / columns.len();
            let drawn: Vec<_> = columns
                .iter()
                .map(|sections| {
                    let mut column = Vec::new();
                    for section in *sections {
                        let start = self.add(*section, room, &mut column);
                        starts.extend(start.map(|start| top + start));
                    }
                    column
                })
                .collect();
            lines.extend(beside(&drawn, room));
        }
        let placed: Vec<Section> = columns.iter().flat_map(|c| c.iter().copied()).collect();
        for section in Section::ALL {
            if placed.contains(&section) {
                continue;
            }
            let start = self.add(section, width, &mut lines);
            starts.extend(start);
        }
        starts.sort_unstable();
        starts.dedup();
        (lines, starts)
    }

    /// Adds a section where there is anything to say; returns where it begins.
    fn add(&self, section: Section, width: usize, lines: &mut Vec<Line<'static>>) -> Option<usize> {
        let palette = *self.scene.palette();
        let mut sheet = Sheet::new(width, palette);
        let body = match section {
            Section::Process => self.facts(width),
            Section::Resources => self.figures(width),
            Section::Activity => self.activity(width),
            Section::Configuration => self.configuration(width),
            Section::Tree => self.members(width),
            Section::Exit => {
                self.exit(&mut sheet);
                sheet.into_lines()
            }
        };
        if body.is_empty() {
            return None;
        }
        if lines.last().is_some_and(|line| line.width() > 0) {
            lines.push(Line::default());
        }
        let start = lines.len();
        lines.push(Line::styled(section.title(), palette.strong));
        lines.extend(body);
        Some(start)
    }

    /// What is wrong and what to do about it stands first.
    fn fault(&self, sheet: &mut Sheet) {
        let palette = self.scene.palette();
        if let Some(fault) = &self.process.fault {
            sheet.field("Fault", &fault.to_string(), palette.bad);
            sheet.field("Remedy", &fault.remedy, palette.plain);
            let (tries, most) = self.process.tries;
            if tries > 0 {
                let line = format!("{tries} of {most} used in a row");
                sheet.field("Tries", &line, palette.plain);
            }
            sheet.line(Line::default());
        }
    }

    fn facts(&self, width: usize) -> Vec<Line<'static>> {
        let (process, palette) = (self.process, self.scene.palette());
        let now = self.scene.now;
        let mut sheet = Sheet::new(width, *palette);
        let mut life = vec![process.employee.to_string()];
        if let Some(pid) = process.pid {
            life.push(format!("PID {pid}"));
        }
        if let Some(started) = process.started {
            life.push(format!("started {}", now.clock(started)));
        }
        if let Some(conversation) = process.conversation {
            let id = conversation.to_string();
            life.push(format!(
                "conversation {}, {} so far",
                id.get(..8).unwrap_or(&id),
                process.conversations
            ));
        }
        if process.started.is_none() && process.conversation.is_none() {
            life.push("down, and never started".to_owned());
        }
        sheet.field("Process", &life.join(" · "), palette.plain);
        let mut status = status::word(process, now);
        if !process.now.is_empty() {
            status = format!("{status}: {}", process.now);
        }
        if let Some(stage) = &process.stopping {
            status = format!("{status}, {stage}");
            if self.starts_again {
                status.push_str(", then it starts again");
            }
        }
        if let Some(until) = process.until {
            let until = format!("until {}", now.clock(until));
            if !status.contains(&until) {
                status = format!("{status}, {until}");
            }
        }
        let evidence = &process.evidence;
        status = format!(
            "{status} (from {}, {})",
            evidence.source,
            now.clock(evidence.at)
        );
        sheet.field("Status", &status, status::now_style(process, palette));
        if let Some(line) = self.by_itself() {
            sheet.field("By itself", &line, palette.plain);
        }
        let condition = &process.condition;
        let health = format!(
            "{} since {}: {}",
            process.health.as_str(),
            now.clock(condition.since),
            condition.why
        );
        sheet.field("Health", &health, status::health_style(process, palette));
        sheet.field("Agent", &self.agent(), palette.plain);
        self.branch(&mut sheet);
        sheet.into_lines()
    }

    /// The branch that it works on, and what is changed there.
    fn branch(&self, sheet: &mut Sheet) {
        let (process, palette) = (self.process, self.scene.palette());
        let Some(worktree) = &process.worktree else {
            return;
        };
        let Some(work) = &process.work else {
            let line = format!("{} from {}", worktree.branch, worktree.base);
            sheet.field("Branch", &line, palette.plain);
            return;
        };
        let line = format!(
            "{} from {}, {} ahead, {} behind",
            worktree.branch, worktree.base, work.ahead, work.behind
        );
        sheet.field("Branch", &line, palette.plain);
        let changed = format::plural(work.files as usize, "file", "files");
        match work.uncommitted() {
            Some(open) => {
                let line = format!("{changed}; {open} (p shows it)");
                sheet.field("Changed", &line, palette.warn);
            }
            None if work.files > 0 => {
                let line = format!("{changed}, all committed (p shows it)");
                sheet.field("Changed", &line, palette.plain);
            }
            None => sheet.field("Changed", "nothing", palette.dim),
        }
    }

    fn agent(&self) -> String {
        let process = self.process;
        let version = process
            .agent_version
            .as_deref()
            .unwrap_or("version unknown");
        // The simulated agent's version says so itself.
        let said = version.contains("simulated");
        let simulated = if process.simulated && !said {
            ", simulated"
        } else {
            ""
        };
        format!("{} {version}{simulated}", process.agent)
    }

    /// What is done with it without being asked; `None` if nothing is.
    fn by_itself(&self) -> Option<String> {
        let upkeep = &self.process.upkeep;
        let now = self.scene.now;
        if upkeep.rest == Some(Rest::Person) && !self.process.is_up() {
            return Some("nothing: you stopped it, so it stays down until you start it".to_owned());
        }
        let mut parts = Vec::new();
        if let Some(schedule) = &upkeep.schedule {
            parts.push(match upkeep.next_run {
                Some(next) => format!("starts {schedule}, next {}", now.clock(next)),
                None => format!("starts {schedule}, not while it is kept down"),
            });
        }
        match upkeep.autostart {
            Autostart::Boot if upkeep.on_demand => {
                parts.push("starts with headcount and when tasks wait".to_owned());
            }
            Autostart::Boot => parts.push("starts with headcount".to_owned()),
            _ if upkeep.on_demand => parts.push("starts when tasks wait".to_owned()),
            _ => {}
        }
        if let Some(time) = upkeep.idle_stop {
            parts.push(format!("stops when idle for {}", format::span(time)));
        }
        if let Some(next) = upkeep.next_restart {
            parts.push(format!("restarts {}", now.clock(next)));
        }
        (!parts.is_empty()).then(|| parts.join(" · "))
    }

    fn prompt(&self) -> String {
        let process = self.process;
        let mut line = match &process.prompt_file {
            _ if process.own_prompt => "a text of its own".to_owned(),
            None => return "none".to_owned(),
            Some(file) => self.scene.path(file),
        };
        let on_disk = process.updates.as_ref().map(|updates| &updates.now.0);
        let on_disk = on_disk.and_then(|now| now.get("prompt"));
        match (&process.prompt_hash, on_disk) {
            (Some(runs), Some(disk)) if runs != disk => {
                line.push_str(&format!("  {runs} runs, ▲ {disk} on disk"));
            }
            (Some(hash), _) => line.push_str(&format!("  {hash}")),
            (None, _) => {}
        }
        line.push_str(match process.prompt_mode {
            PromptMode::Append => ", added to the agent's own",
            PromptMode::Replace => ", in place of the agent's own",
        });
        if process.updates_available {
            line.push_str("; u shows what is new, r restarts with it");
        }
        line
    }

    fn figures(&self, width: usize) -> Vec<Line<'static>> {
        let (process, palette) = (self.process, self.scene.palette());
        let mut sheet = Sheet::new(width, *palette);
        let Some(usage) = process.usage.filter(|_| process.is_up()) else {
            let line = if process.is_up() {
                "measuring…"
            } else {
                "It is down: nothing is measured."
            };
            sheet.text(line, 0, palette.dim);
            self.limits(&mut sheet);
            return sheet.into_lines();
        };
        let curve = width.saturating_sub(12 + 7).min(24);
        let cpu = format::percent(usage.cpu_percent);
        let values = process.cpu_history.iter().map(|v| f64::from(*v));
        let drawn = sparkline(values, curve, 100.0);
        sheet.field("CPU", &format!("{cpu:>5}  {drawn}"), palette.plain);
        let memory = format::bytes(usage.memory_bytes);
        #[expect(clippy::cast_precision_loss, reason = "a curve of eight steps")]
        let values = process.memory_history.iter().map(|v| *v as f64);
        #[expect(clippy::cast_precision_loss, reason = "a curve of eight steps")]
        let drawn = sparkline(values, curve, process.memory.min as f64);
        sheet.field("Memory", &format!("{memory:>5}  {drawn}"), palette.plain);
        self.tree(&mut sheet, &usage);
        self.limits(&mut sheet);
        sheet.into_lines()
    }

    /// What is promised and allowed. Neither is enforced yet, and that is said.
    fn limits(&self, sheet: &mut Sheet) {
        let (process, palette) = (self.process, self.scene.palette());
        let cpu = limits(process.cpu, |value| format::cores(*value));
        let memory = limits(process.memory, |value| format::limit(*value));
        let line = format!("{cpu} cores, {memory} memory; not enforced");
        sheet.field("Limits", &line, palette.dim);
    }

    fn tree(&self, sheet: &mut Sheet, usage: &Usage) {
        let palette = self.scene.palette();
        let tree = format!(
            "{}, {} threads, {} files open",
            format::plural(usage.processes as usize, "process", "processes"),
            usage.threads,
            usage.files
        );
        sheet.field("In all", &tree, palette.plain);
        let (reading, writing) = usage.disk_rates.unwrap_or_default();
        let rate = |rate: u64| match rate {
            0 => String::new(),
            rate => format!(" ({}/s)", format::bytes(rate)),
        };
        let disk = format!(
            "{} read{}, {} written{}",
            format::bytes(usage.disk_read_bytes),
            rate(reading),
            format::bytes(usage.disk_written_bytes),
            rate(writing)
        );
        sheet.field("Disk", &disk, palette.plain);
    }

    fn configuration(&self, width: usize) -> Vec<Line<'static>> {
        let (process, palette) = (self.process, self.scene.palette());
        let mut sheet = Sheet::new(width, *palette);
        sheet.field("Prompt", &self.prompt(), palette.plain);
        sheet.field(
            "Folder",
            &self.scene.path(&process.working_directory),
            palette.plain,
        );
        let or = |value: Option<String>| value.unwrap_or_else(|| "the agent's own".to_owned());
        sheet.field("Model", &or(process.model.clone()), palette.plain);
        let turns = process
            .max_turns
            .map_or_else(|| "no limit".to_owned(), |turns| turns.to_string());
        sheet.field("Max turns", &turns, palette.plain);
        self.settings(&mut sheet);
        sheet.into_lines()
    }

    fn sandbox(&self, sheet: &mut Sheet) {
        let (process, palette) = (self.process, self.scene.palette());
        let sandbox = &process.sandbox;
        let level = sandbox.level.as_str();
        let (line, style) = match (sandbox.level, sandbox.enforced, process.is_up()) {
            (SandboxLevel::Off, ..) => ("off: it can do what you can do".to_owned(), palette.plain),
            (_, true, _) => (format!("{level}, held by the kernel"), palette.plain),
            (_, false, true) => (format!("{level}, not held by this kernel"), palette.warn),
            (_, false, false) => (level.to_owned(), palette.plain),
        };
        sheet.field("Sandbox", &line, style);
        for gap in &sandbox.gaps {
            sheet.field("", &format!("does not hold {gap}"), palette.warn);
        }
        if !sandbox.write.is_empty() {
            sheet.list("Writes in", &sandbox.write, palette.plain);
        }
    }

    fn settings(&self, sheet: &mut Sheet) {
        let (process, palette) = (self.process, self.scene.palette());
        let none = ["none".to_owned()];
        for (label, words) in [("Tools", &process.tools), ("Asks for", &process.ask)] {
            let words = if words.is_empty() { &none[..] } else { words };
            sheet.list(label, words, palette.plain);
        }
        sheet.list("Allowed", &allowed(&process.allowed), palette.plain);
        for (number, (name, value)) in process.environment.iter().enumerate() {
            let label = if number == 0 { "Environment" } else { "" };
            sheet.field(label, &format!("{name}={value}"), palette.plain);
        }
        self.sandbox(sheet);
        if let Some(command) = &process.command {
            sheet.field("Command", command, palette.dim);
        }
    }
}

/// What is promised, and what is allowed at most.
fn limits<T>(range: Range<T>, show: impl Fn(&T) -> String) -> String {
    format!("{} to {}", show(&range.min), show(&range.max))
}

/// Columns of the same width side by side.
fn beside(columns: &[Vec<Line<'static>>], width: usize) -> Vec<Line<'static>> {
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row = |row: usize| {
        let mut line = Line::default();
        for (at, column) in columns.iter().enumerate() {
            let cell = column.get(row).cloned().unwrap_or_default();
            let left = at * (width + GAP);
            line.spans
                .push(Span::raw(" ".repeat(left.saturating_sub(line.width()))));
            // The style of a line is that of its spans here.
            let style = cell.style;
            let spans = cell.spans.into_iter();
            line.spans.extend(spans.map(|span| {
                let style = style.patch(span.style);
                span.style(style)
            }));
        }
        line
    };
    (0..rows).map(row).collect()
}

fn allowed(rules: &[String]) -> Vec<String> {
    if rules.is_empty() {
        return vec!["nothing beyond its tools".to_owned()];
    }
    let said = std::iter::once("always, by you:".to_owned());
    said.chain(rules.iter().cloned()).collect()
}
