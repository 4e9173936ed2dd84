//! Everything about one process, on one page that scrolls.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::id::ProcessId;
use crate::domain::role::{PromptMode, Range};
use crate::domain::snapshot::{ProcessView, Usage};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::{Scroll, Sheet};
use crate::tui::widgets::sparkline::sparkline;
use crate::tui::widgets::status;

/// From this width on, facts and figures stand side by side.
const TWO_COLUMNS: u16 = 110;

/// Which process, and how far it is scrolled.
#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) process: ProcessId,
    pub(crate) scroll: Scroll,
}

impl Details {
    pub(crate) fn new(process: ProcessId) -> Self {
        Self {
            process,
            scroll: Scroll::default(),
        }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let Some(process) = scene.snapshot.process(self.process) else {
            let mut pen = Pen::new(buffer, area);
            let line = format!("{} was removed. Esc goes back.", self.process);
            pen.put(1, 2, usize::from(area.width), &line, scene.palette().plain);
            return;
        };
        let page = Paper { process, scene };
        page.title(area, buffer);
        let body = Rect {
            x: area.x + 1.min(area.width),
            y: area.y + 2.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        };
        let lines = page.lines(usize::from(body.width), area.width >= TWO_COLUMNS);
        self.scroll.draw(lines, body, buffer, scene.palette());
    }
}

/// One process, to be written down.
struct Paper<'a> {
    process: &'a ProcessView,
    scene: Scene<'a>,
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

    fn lines(&self, width: usize, two: bool) -> Vec<Line<'static>> {
        let mut top = Sheet::new(width, *self.scene.palette());
        self.fault(&mut top);
        let mut lines = top.into_lines();
        if two {
            let left = width * 11 / 20;
            let (facts, figures) = (self.facts(left - 2), self.figures(width - left));
            for row in 0..facts.len().max(figures.len()) {
                let mut line = facts.get(row).cloned().unwrap_or_default();
                if let Some(figure) = figures.get(row) {
                    let gap = left.saturating_sub(line.width());
                    line.spans.push(Span::raw(" ".repeat(gap)));
                    line.spans.extend(figure.spans.iter().cloned());
                }
                lines.push(line);
            }
        } else {
            lines.extend(self.facts(width));
            lines.push(Line::default());
            lines.extend(self.figures(width));
        }
        let mut below = Sheet::new(width, *self.scene.palette());
        below.line(Line::default());
        self.settings(&mut below);
        self.work(&mut below);
        self.exit(&mut below);
        lines.extend(below.into_lines());
        lines
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
        let mut life = Vec::new();
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
        if life.is_empty() {
            life.push("down".to_owned());
        }
        sheet.field("Process", &life.join(" · "), palette.plain);
        let mut status = status::word(process, now);
        if !process.now.is_empty() {
            status = format!("{status}: {}", process.now);
        }
        if let Some(stage) = &process.stopping {
            status = format!("{status}, {stage}");
        }
        if let Some(until) = process.until {
            status = format!("{status}, until {}", now.clock(until));
        }
        let evidence = &process.evidence;
        status = format!(
            "{status} (from {}, {})",
            evidence.source,
            now.clock(evidence.at)
        );
        sheet.field("Status", &status, status::now_style(process, palette));
        sheet.field("Agent", &self.agent(), palette.plain);
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
        sheet.into_lines()
    }

    fn agent(&self) -> String {
        let process = self.process;
        let version = process
            .agent_version
            .as_deref()
            .unwrap_or("version unknown");
        let simulated = if process.simulated { ", simulated" } else { "" };
        format!("{} {version}{simulated}", process.agent)
    }

    fn prompt(&self) -> String {
        let process = self.process;
        let Some(file) = &process.prompt_file else {
            return "none".to_owned();
        };
        let mut line = self.scene.path(file);
        if let Some(hash) = &process.prompt_hash {
            line.push_str(&format!("  {hash}"));
        }
        line.push_str(match process.prompt_mode {
            PromptMode::Append => ", added to the agent's own",
            PromptMode::Replace => ", in place of the agent's own",
        });
        if process.updates_available {
            line.push_str("  ▲ changed on disk; r restarts with it");
        }
        line
    }

    fn figures(&self, width: usize) -> Vec<Line<'static>> {
        let (process, palette) = (self.process, self.scene.palette());
        let mut sheet = Sheet::new(width, *palette);
        let usage = process.usage.filter(|_| process.is_up());
        let curve = width.saturating_sub(12 + 7).min(24);
        let cpu = usage.map_or("-".to_owned(), |u| format::percent(u.cpu_percent));
        let values = process.cpu_history.iter().map(|v| f64::from(*v));
        let drawn = sparkline(values, curve, 100.0);
        sheet.field("CPU", &format!("{cpu:>5}  {drawn}"), palette.plain);
        let limit = limits(process.cpu, |value| format!("{value:.1}"));
        sheet.field("", &limit, palette.dim);
        let memory = usage.map_or("-".to_owned(), |u| format::bytes(u.memory_bytes));
        #[expect(clippy::cast_precision_loss, reason = "a curve of eight steps")]
        let values = process.memory_history.iter().map(|v| *v as f64);
        #[expect(clippy::cast_precision_loss, reason = "a curve of eight steps")]
        let drawn = sparkline(values, curve, process.memory.min as f64);
        sheet.field("Memory", &format!("{memory:>5}  {drawn}"), palette.plain);
        let limit = limits(process.memory, |value| format::bytes(*value));
        sheet.field("", &limit, palette.dim);
        if let Some(usage) = usage {
            self.tree(&mut sheet, &usage);
        }
        let tasks = format!(
            "{} assigned, {} done, {} failed{}",
            process.tasks_assigned,
            process.tasks_completed,
            process.tasks_failed,
            match process.tasks_completed {
                0 => String::new(),
                done => format!(", {} each", format::took(process.busy / done)),
            }
        );
        sheet.field("Tasks", &tasks, palette.plain);
        let cost = format!(
            "{}, tokens {}",
            format::money(process.cost_usd),
            format::tokens(process.tokens)
        );
        sheet.field("Cost", &cost, palette.plain);
        sheet.into_lines()
    }

    fn tree(&self, sheet: &mut Sheet, usage: &Usage) {
        let palette = self.scene.palette();
        let tree = format!(
            "{}, {} threads, {} files open",
            format::plural(usage.processes as usize, "process", "processes"),
            usage.threads,
            usage.files
        );
        sheet.field("Tree", &tree, palette.plain);
        let disk = format!(
            "{} read, {} written",
            format::bytes(usage.disk_read_bytes),
            format::bytes(usage.disk_written_bytes)
        );
        sheet.field("Disk", &disk, palette.plain);
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
        if let Some(command) = &process.command {
            sheet.field("Command", command, palette.dim);
        }
    }

    fn work(&self, sheet: &mut Sheet) {
        let (process, palette) = (self.process, self.scene.palette());
        let snapshot = self.scene.snapshot;
        if process.task.is_none() && process.last_tasks.is_empty() {
            return;
        }
        sheet.heading("Recent work");
        for id in process.task.iter().chain(&process.last_tasks) {
            let Some(task) = snapshot.task(*id) else {
                continue;
            };
            let (shape, style) = status::task_shape(task.state, palette);
            let end = match &task.result {
                Some(result) => format!(
                    ", {}, {}",
                    format::took(result.duration),
                    format::money(result.cost_usd)
                ),
                None => String::new(),
            };
            let line = format!(
                "{} {}: {}{end}",
                id,
                status::task_word(task.state),
                text::clean(task.title())
            );
            sheet.line(Line::from(vec![
                Span::styled(format!("{shape} "), style),
                Span::raw(text::fit(&line, 200).into_owned()),
            ]));
            // What came of it, in its first line; the whole stands with the task.
            let said = match &task.result {
                Some(result) => result.text.lines().find(|line| !line.trim().is_empty()),
                None => task.error.as_deref().and_then(|error| error.lines().next()),
            };
            if let Some(said) = said {
                let said = text::clean(said.trim());
                sheet.line(Line::styled(
                    format!("  {}", text::fit(&said, 200)),
                    palette.dim,
                ));
            }
        }
    }

    fn exit(&self, sheet: &mut Sheet) {
        let palette = self.scene.palette();
        let Some(exit) = &self.process.last_exit else {
            return;
        };
        sheet.heading("Last exit");
        let line = format!("{}, {}", exit.status, self.scene.now.clock(exit.at));
        sheet.field("Ended", &line, palette.plain);
        let mut proof = exit.proof();
        if exit.shim_lost {
            proof.push_str("; put together from what was found, nobody saw it end");
        }
        if exit.abandoned {
            proof.push_str("; it ended itself, as no instance came back");
        }
        sheet.field("Proof", &proof, palette.plain);
        if !exit.leaked.is_empty() {
            let names: Vec<&str> = exit.leaked.iter().map(|one| one.name.as_str()).collect();
            sheet.field("Left behind", &names.join(", "), palette.warn);
        }
        if !exit.stderr_tail.trim().is_empty() {
            sheet.field("Last words", exit.stderr_tail.trim_end(), palette.dim);
        }
    }
}

/// What is promised and allowed. Neither is enforced yet, and that is said.
fn limits<T>(range: Range<T>, show: impl Fn(&T) -> String) -> String {
    format!(
        "{} promised, {} allowed; not enforced",
        show(&range.min),
        show(&range.max)
    )
}

fn allowed(rules: &[String]) -> Vec<String> {
    if rules.is_empty() {
        return vec!["nothing beyond its tools".to_owned()];
    }
    let said = std::iter::once("always, by you:".to_owned());
    said.chain(rules.iter().cloned()).collect()
}
