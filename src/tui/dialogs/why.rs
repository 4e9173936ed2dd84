//! Why a process is as it is: what said so, how it came to that, and the last minute before its end.

use ratatui::text::Line;

use crate::domain::flight::{Change, Flight};
use crate::domain::id::ProcessId;
use crate::domain::snapshot::{Activity, ProcessView, Status};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::sheet::Sheet;
use crate::tui::widgets::sparkline::sparkline;
use crate::tui::widgets::status;

/// Columns of a curve.
const CURVE: usize = 30;

/// The page, and its title.
pub(super) fn page(id: ProcessId, width: usize, scene: Scene<'_>) -> (String, Vec<Line<'static>>) {
    let palette = scene.palette();
    let mut sheet = Sheet::new(width, *palette);
    let Some(process) = scene.snapshot.process(id) else {
        sheet.text("It was removed.", 0, palette.dim);
        return (id.to_string(), sheet.into_lines());
    };
    now(process, &mut sheet, scene);
    sheet.heading("How it came to that");
    changes(&process.history, &mut sheet, scene);
    if !process.exits.is_empty() {
        exits(process, &mut sheet, scene);
    }
    if let Some(flight) = &process.flight {
        last_minute(flight, &mut sheet, scene);
    }
    let title = format!(
        "Why {} is {}",
        text::clean(&process.name),
        status::word(process, scene.now)
    );
    (title, sheet.into_lines())
}

fn now(process: &ProcessView, sheet: &mut Sheet, scene: Scene<'_>) {
    let palette = scene.palette();
    let clock = |at| scene.now.clock_to_the_second(at);
    let evidence = &process.evidence;
    let status = format!(
        "{}, since {}",
        status::word(process, scene.now),
        clock(process.since)
    );
    sheet.field("Status", &status, palette.plain);
    let source = format!("{}, {}", evidence.source, clock(evidence.at));
    sheet.field("Known from", &source, palette.plain);
    sheet.field("Phase", &process.phase, palette.plain);
    let condition = &process.condition;
    if !condition.why.is_empty() {
        let health = format!("{}: {}", process.health.as_str(), condition.why);
        sheet.field("Health", &health, palette.plain);
    }
    let fault = process.fault.as_ref().map(ToString::to_string);
    // What the fault says is said once.
    let is_said = fault.is_some_and(|fault| process.now.starts_with(&fault));
    if !process.now.is_empty() && !is_said {
        sheet.field("Now", &process.now, status::now_style(process, palette));
    }
    if let Some(fault) = &process.fault {
        sheet.field("Fault", &fault.to_string(), palette.bad);
        sheet.field("Remedy", &fault.remedy, palette.plain);
    }
    let (tries, most) = process.tries;
    if tries > 0 {
        let line = format!("{tries} in a row; {most} are followed by a restart");
        sheet.field("Failures", &line, palette.plain);
    }
    if let Some(until) = process.until {
        sheet.field("Until", &clock(until), palette.plain);
    }
    if let Some(look) = process.look {
        sheet.field("Tried again", &clock(look), palette.plain);
    }
}

fn changes<'a>(changes: impl IntoIterator<Item = &'a Change>, sheet: &mut Sheet, scene: Scene<'_>) {
    let palette = scene.palette();
    for change in changes {
        let word = match (change.status, change.activity) {
            (Status::Running, Activity::Idle | Activity::Busy) => change.activity.as_str(),
            (status, _) => status.as_str(),
        };
        let mut line = format!("{}, by {}", word, change.source);
        if !change.text.is_empty() {
            line = format!("{line}: {}", change.text);
        }
        sheet.field(
            &scene.now.clock_to_the_second(change.at),
            &line,
            palette.plain,
        );
    }
}

fn exits(process: &ProcessView, sheet: &mut Sheet, scene: Scene<'_>) {
    let palette = scene.palette();
    sheet.heading("Last exits");
    for exit in &process.exits {
        let fault = exit
            .code
            .map_or_else(String::new, |code| format!(" ({code})"));
        let line = format!(
            "{}, {}{fault}, then {}",
            exit.number,
            exit.status,
            exit.then.as_str()
        );
        let style = if exit.code.is_some() {
            palette.bad
        } else {
            palette.plain
        };
        sheet.field(&scene.now.clock_to_the_second(exit.at), &line, style);
    }
    let line = format!("`headcount why {} --exit N` shows any of them.", process.id);
    sheet.text(&line, 0, palette.dim);
}

fn last_minute(flight: &Flight, sheet: &mut Sheet, scene: Scene<'_>) {
    let palette = scene.palette();
    let clock = |at| scene.now.clock_to_the_second(at);
    sheet.heading(&format!("The last minute before exit {}", flight.number));
    let ended = format!(
        "{}, {}; {}",
        flight.exit.status,
        clock(flight.exit.at),
        flight.exit.proof()
    );
    sheet.field("Ended", &ended, palette.plain);
    if let Some(fault) = &flight.fault {
        sheet.field("Fault", &fault.to_string(), palette.bad);
    }
    if let Some(memory) = &flight.exit.memory {
        let who = memory
            .culprit
            .as_ref()
            .map_or("something of it", |who| who.name.as_str());
        let line = format!("{who} was killed for lack of it; says {}", memory.source);
        sheet.field("Memory", &line, palette.bad);
    }
    for (number, sent) in flight.sent.iter().enumerate() {
        let label = if number == 0 { "Done to it" } else { "" };
        sheet.field(
            label,
            &format!("{} {}", clock(sent.at), sent.what),
            palette.plain,
        );
    }
    if let Some(last) = flight.figures.last() {
        let cpu = flight
            .figures
            .iter()
            .map(|figure| f64::from(figure.cpu_percent));
        let line = format!(
            "{:>5}  {}",
            format::percent(f64::from(last.cpu_percent)),
            sparkline(cpu, CURVE, 100.0)
        );
        sheet.field("CPU", &line, palette.plain);
        #[expect(clippy::cast_precision_loss, reason = "a curve of eight steps")]
        let memory = flight
            .figures
            .iter()
            .map(|figure| figure.memory_bytes as f64);
        let drawn = sparkline(memory, CURVE, 1.0);
        let line = format!("{:>5}  {drawn}", format::bytes(last.memory_bytes));
        sheet.field("Memory", &line, palette.plain);
    }
    for change in &flight.changes {
        changes([change], sheet, scene);
    }
    sheet.gap();
    for line in &flight.lines {
        sheet.text(line, 0, palette.dim);
    }
}
