//! What will run, and what it comes to: read before anything is started.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::fault::Fault;
use crate::domain::preview::Preview;
use crate::domain::role::{Catalogue, Protocol, Role};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::Sheet;

/// What was found out about a hire.
#[derive(Debug, Default)]
pub(super) enum Look {
    /// Nothing yet.
    #[default]
    Awaited,
    /// What each role would run with.
    Seen(Vec<Preview>),
    /// It would be refused.
    Refused(String),
}

impl Look {
    pub(super) fn of(&self, role: &str) -> Option<&Preview> {
        match self {
            Self::Seen(seen) => seen.iter().find(|preview| preview.role == role),
            Self::Awaited | Self::Refused(_) => None,
        }
    }

    /// What keeps them from starting: whom, and the fault.
    fn faults(&self, catalogue: &Catalogue) -> Vec<(String, Fault)> {
        self.told(catalogue, |preview| &preview.faults)
    }

    /// What is told of them. What all share is said once.
    fn told(
        &self,
        catalogue: &Catalogue,
        which: impl Fn(&Preview) -> &Vec<Fault>,
    ) -> Vec<(String, Fault)> {
        let Self::Seen(seen) = self else {
            return Vec::new();
        };
        let mut found: Vec<(Vec<String>, Fault)> = Vec::new();
        for preview in seen {
            let title = catalogue
                .role(&preview.role)
                .map_or(&preview.role, |role| &role.title);
            for fault in which(preview) {
                match found.iter_mut().find(|(_, other)| other == fault) {
                    Some((titles, _)) => titles.push(title.clone()),
                    None => found.push((vec![title.clone()], fault.clone())),
                }
            }
        }
        let whom = |titles: Vec<String>| match titles.as_slice() {
            [one] => one.clone(),
            all if all.len() == seen.len() => "all of them".to_owned(),
            some => some.join(", "),
        };
        found
            .into_iter()
            .map(|(titles, fault)| (whom(titles), fault))
            .collect()
    }

    /// Why hiring them now would come to nothing.
    pub(super) fn obstacle(&self, catalogue: &Catalogue) -> Option<String> {
        match self {
            Self::Awaited => None,
            Self::Refused(why) => Some(why.clone()),
            Self::Seen(_) => {
                let faults = self.faults(catalogue);
                let (who, fault) = faults.first()?;
                let more = match faults.len() {
                    1 => String::new(),
                    count => format!(" (and {} more)", count - 1),
                };
                Some(format!("{who}: {}{more}", fault.cause))
            }
        }
    }

    /// The lines that say so, with whether they are bad news.
    pub(super) fn lines(&self, catalogue: &Catalogue) -> (Vec<String>, bool) {
        match self {
            Self::Awaited => (
                vec!["looking at what they would run with…".to_owned()],
                false,
            ),
            Self::Refused(why) => (vec![why.clone()], true),
            Self::Seen(seen) => {
                let mut faults = self.faults(catalogue);
                faults.extend(self.told(catalogue, |preview| &preview.warnings));
                if faults.is_empty() && !seen.is_empty() {
                    let line = "Agent, prompt, tools, folder and environment are there.";
                    return (vec![line.to_owned()], false);
                }
                let line = |(who, fault): (String, Fault)| {
                    format!("{who}: {fault}; try: {}", fault.remedy)
                };
                (faults.into_iter().map(line).collect(), true)
            }
        }
    }
}

/// What a role runs: as it was read, else as roles.toml says.
pub(super) fn describe(
    role: &Role,
    seen: Option<&Preview>,
    scene: Scene<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let palette = *scene.palette();
    let mut sheet = Sheet::new(usize::from(area.width), palette);
    sheet.heading(&format!("{} runs", role.title));
    let agent = scene.snapshot.catalogue.agents.get(&role.agent);
    let takes = match agent.map(|agent| agent.protocol) {
        _ if scene.snapshot.demo => "takes tasks, SIMULATED",
        Some(Protocol::ClaudeStreamJson) | None => "takes tasks",
        Some(Protocol::Terminal | Protocol::Plain) => "takes no tasks",
    };
    let runs = match seen.and_then(|seen| seen.program.as_ref()) {
        _ if scene.snapshot.demo => role.agent.clone(),
        Some(program) => scene.path(program),
        None => agent.map_or_else(|| role.agent.clone(), |agent| agent.command.clone()),
    };
    sheet.field("Agent", &format!("{runs}, {takes}"), palette.plain);
    if let Some(prompt) = seen.and_then(|seen| seen.prompt.as_ref()) {
        let from = scene.path(std::path::Path::new(&prompt.from));
        let lines = format::plural(prompt.text.lines().count(), "line", "lines");
        let line = format!("{from}  {}, {lines}", prompt.hash);
        sheet.field("Prompt", &line, palette.plain);
    }
    let tools = seen
        .map(|seen| seen.tools.as_slice())
        .filter(|tools| !tools.is_empty());
    sheet.list("Allowed", tools.unwrap_or(&role.tools), palette.plain);
    for (label, rules) in [("Asks for", &role.ask), ("Refuses", &role.deny)] {
        if !rules.is_empty() {
            sheet.list(label, rules, palette.plain);
        }
    }
    if !role.skills.is_empty() {
        sheet.list("Skills", &role.skills, palette.plain);
    }
    let environment = seen.map(|seen| seen.environment.as_slice());
    for (at, (name, value)) in environment.unwrap_or_default().iter().enumerate() {
        let label = if at == 0 { "Environment" } else { "" };
        sheet.field(label, &format!("{name}={value}"), palette.plain);
    }
    let lines = sheet.into_lines();
    let room = usize::from(area.height);
    let hidden = lines.len().saturating_sub(room);
    for (row, line) in (area.y..area.bottom()).zip(lines) {
        let cell = Rect::new(area.x, row, area.width, 1);
        ratatui::widgets::Widget::render(line, cell, buffer);
    }
    if hidden > 0 && room > 0 {
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let line = text::pad(
            &format!(
                "… {}",
                format::plural(hidden + 1, "more line", "more lines")
            ),
            width,
        );
        pen.put(room - 1, 0, width, &line, palette.dim);
    }
}

/// How many, and what they promise of what is free; and whether that is more than there is.
pub(super) fn promise(
    chosen: &[(&Role, u32)],
    limits: (Option<f64>, Option<u64>),
    scene: Scene<'_>,
    width: usize,
) -> (String, bool) {
    let machine = &scene.snapshot.machine;
    let total: u32 = chosen.iter().map(|(_, count)| count).sum();
    let memory: u64 = chosen
        .iter()
        .map(|(role, count)| limits.1.unwrap_or(role.memory.min) * u64::from(*count))
        .sum();
    let cores: f64 = chosen
        .iter()
        .map(|(role, count)| limits.0.unwrap_or(role.cpu.min) * f64::from(*count))
        .sum();
    let free = machine.memory_total.saturating_sub(machine.memory_used);
    let who = format::plural(total as usize, "process promises", "processes promise");
    let whole = format!(
        "{who} {} of {} free and {} of {}; not enforced yet",
        format::sum_of_limits(memory),
        format::bytes(free),
        format::cores(cores),
        format::plural(machine.cores as usize, "core", "cores"),
    );
    let too_much = memory > free || cores > f64::from(machine.cores);
    if text::width(&whole) <= width {
        return (whole, too_much);
    }
    let (memory, cores) = (format::sum_of_limits(memory), format::cores(cores));
    let short = format!("{memory} and {cores} cores promised, not enforced");
    (short, too_much)
}
