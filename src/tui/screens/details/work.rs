//! What a process does and did: its tree, its tasks, its last exit.

use ratatui::text::{Line, Span};

use super::Paper;
use crate::tui::format;
use crate::tui::text;
use crate::tui::widgets::sheet::Sheet;
use crate::tui::widgets::{status, tree};

/// Lines that are shown of the newest result; the whole stands with the task.
const NEWEST: usize = 4;

impl Paper<'_> {
    /// The processes of its tree. They are told one by one only while this is looked at.
    pub(super) fn members(&self, width: usize) -> Vec<Line<'static>> {
        let (process, palette) = (self.process, self.scene.palette());
        if !process.is_up() {
            return Vec::new();
        }
        if process.members.is_empty() {
            return vec![Line::styled("measuring…", palette.dim)];
        }
        let mut lines = vec![Line::styled(
            text::fit("    PID   CPU    MEM  NAME", width).into_owned(),
            palette.dim,
        )];
        lines.extend(
            tree::rows(&process.members)
                .into_iter()
                .map(|(before, one)| {
                    let figures = format!(
                        "{:>7} {:>5} {:>6}  ",
                        one.pid,
                        format::percent(one.cpu_percent),
                        format::bytes(one.memory_bytes)
                    );
                    let room = width.saturating_sub(text::width(&figures));
                    let name = format!("{before}{}", text::clean(&one.name));
                    Line::from(vec![
                        Span::styled(figures, palette.plain),
                        Span::styled(text::fit(&name, room).into_owned(), palette.plain),
                    ])
                }),
        );
        lines
    }

    pub(super) fn activity(&self, width: usize) -> Vec<Line<'static>> {
        let (process, palette) = (self.process, self.scene.palette());
        let mut sheet = Sheet::new(width, *palette);
        let tasks = format!(
            "{} assigned, {} done, {} failed",
            process.tasks_assigned, process.tasks_completed, process.tasks_failed,
        );
        sheet.field("Tasks", &tasks, palette.plain);
        if process.tasks_completed > 0 {
            let each = format::took(process.busy / process.tasks_completed);
            sheet.field("Response", &format!("{each} on average"), palette.plain);
        }
        let cost = format!(
            "{}, tokens {}",
            format::money(process.cost_usd),
            format::tokens(process.tokens)
        );
        sheet.field("Cost", &cost, palette.plain);
        self.work(&mut sheet);
        sheet.into_lines()
    }

    fn work(&self, sheet: &mut Sheet) {
        let (process, palette) = (self.process, self.scene.palette());
        let snapshot = self.scene.snapshot;
        if process.task.is_none() && process.last_tasks.is_empty() {
            if process.protocol.is_read() && process.tasks_assigned == 0 {
                sheet.text("No task yet: t gives it one.", 0, palette.dim);
            }
            return;
        }
        sheet.gap();
        let room = sheet.width();
        let mut shown = false;
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
                Span::raw(text::fit(&line, room.saturating_sub(2)).into_owned()),
            ]));
            // What came of it: the newest in some lines, the others in their first.
            let said = match &task.result {
                Some(result) => Some(result.text.as_str()),
                None => task.error.as_deref(),
            };
            let said = said.unwrap_or_default().lines();
            let said = said.map(str::trim).filter(|line| !line.is_empty());
            let most = if shown { 1 } else { NEWEST };
            for line in said.take(most) {
                shown = true;
                let line = text::clean(line);
                sheet.line(Line::styled(
                    format!("  {}", text::fit(&line, room.saturating_sub(2))),
                    palette.dim,
                ));
            }
        }
    }

    pub(super) fn exit(&self, sheet: &mut Sheet) {
        let palette = self.scene.palette();
        let Some(exit) = &self.process.last_exit else {
            return;
        };
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
