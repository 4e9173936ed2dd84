//! Finds any action, employee, role or task by some of its letters.

use crossterm::event::KeyEvent;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::Snapshot;
use crate::tui::dialogs::Heard;
use crate::tui::keys::{self, Place, Verb};
use crate::tui::order::Column;
use crate::tui::scene::Scene;
use crate::tui::screens::processes::team;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

/// How many are offered at once.
const SHOWN: usize = 8;
/// How many are found at most: nobody goes further down.
const FOUND: usize = 100;

/// What a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Do it.
    Act(Verb),
    /// Sort the process list.
    Sort(Column),
    /// Go to the head of a cluster, by its key's [`team`] number.
    Cluster(u64),
    /// Go to an employee.
    Process(ProcessId),
    /// Go to a role, by its place in the catalogue.
    Role(usize),
    /// Go to a task.
    Task(TaskId),
}

impl Choice {
    /// Of two that fit as well, what there is less of stands first.
    const fn weight(self) -> u32 {
        match self {
            Self::Act(_) => 20,
            Self::Process(_) | Self::Sort(_) | Self::Cluster(_) => 15,
            Self::Role(_) => 10,
            Self::Task(_) => 0,
        }
    }
}

/// One row.
#[derive(Debug)]
struct Item {
    choice: Choice,
    /// Its key, or what it is.
    lead: String,
    line: String,
}

/// What can be done and gone to, and the letters that are typed.
#[derive(Debug)]
pub(crate) struct PaletteDialog {
    place: Place,
    words: Field,
    found: Vec<Item>,
    cursor: usize,
}

impl PaletteDialog {
    pub(crate) fn new(place: Place, snapshot: &Snapshot) -> Self {
        let mut palette = Self {
            place,
            words: Field::new(""),
            found: Vec::new(),
            cursor: 0,
        };
        palette.find(snapshot);
        palette
    }

    /// Finds anew. Without letters there are the actions alone.
    fn find(&mut self, snapshot: &Snapshot) {
        self.cursor = 0;
        let typed = self.words.text().trim();
        let pattern = Pattern::new(
            typed,
            CaseMatching::Ignore,
            Normalization::Smart,
            AtomKind::Fuzzy,
        );
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut letters = Vec::new();
        let mut scored: Vec<(u32, Item)> = Vec::new();
        let mut offer = |choice: Choice, named: &str, item: &dyn Fn() -> Item| {
            let text = Utf32Str::new(named, &mut letters);
            if let Some(score) = pattern.score(text, &mut matcher) {
                scored.push((score + choice.weight(), item()));
            }
        };
        for binding in keys::bindings(self.place) {
            if matches!(binding.verb, Verb::Palette | Verb::Leave | Verb::Number) {
                continue;
            }
            let choice = Choice::Act(binding.verb);
            let named = format!("{} {}", binding.label, binding.help);
            offer(choice, &named, &|| Item {
                choice,
                lead: binding
                    .keys
                    .first()
                    .map_or_else(String::new, ToString::to_string),
                line: binding.help.to_owned(),
            });
        }
        if !typed.is_empty() {
            for column in Column::ALL {
                let named = format!("sort by {}", column.as_str());
                let choice = Choice::Sort(column);
                offer(choice, &named, &|| Item {
                    choice,
                    lead: "list".to_owned(),
                    line: named.clone(),
                });
            }
            for cluster in &snapshot.clusters {
                let named = format!("cluster {}", cluster.key);
                let choice = Choice::Cluster(team(&cluster.key));
                let sum = cluster.sum();
                offer(choice, &named, &|| Item {
                    choice,
                    lead: "cluster".to_owned(),
                    line: format!("{} · {} of {} up", cluster.key, sum.up, sum.wanted),
                });
            }
            for process in &snapshot.processes {
                let named = format!("{} {} {}", process.name, process.role_title, process.id);
                let choice = Choice::Process(process.id);
                offer(choice, &named, &|| Item {
                    choice,
                    lead: "employee".to_owned(),
                    line: format!("{} · {} · {}", process.name, process.role_title, process.id),
                });
            }
            for (at, role) in snapshot.catalogue.roles.iter().enumerate() {
                let choice = Choice::Role(at);
                offer(choice, &format!("{} {}", role.title, role.key), &|| Item {
                    choice,
                    lead: "role".to_owned(),
                    line: role.title.clone(),
                });
            }
            for task in &snapshot.tasks {
                let named = format!("{} {}", task.id, task.title());
                let choice = Choice::Task(task.id);
                offer(choice, &named, &|| Item {
                    choice,
                    lead: "task".to_owned(),
                    line: named.clone(),
                });
            }
        }
        if !typed.is_empty() {
            scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
            // Letters that stand far apart are a chance, not a find.
            let best = scored.first().map_or(0, |(score, _)| *score);
            scored.retain(|(score, _)| *score * 3 >= best * 2);
        }
        scored.truncate(FOUND);
        self.found = scored.into_iter().map(|(_, item)| item).collect();
    }

    pub(crate) fn paste(&mut self, pasted: &str, snapshot: &Snapshot) {
        self.words.paste(pasted);
        self.find(snapshot);
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, snapshot: &Snapshot) -> Heard {
        let last = self.found.len().saturating_sub(1);
        match verb {
            Some(Verb::Back) => return Heard::Closed,
            Some(Verb::Send) => {
                return match self.found.get(self.cursor) {
                    Some(item) => Heard::Chosen(item.choice),
                    None => Heard::Kept,
                };
            }
            Some(Verb::Down) => self.cursor = (self.cursor + 1).min(last),
            Some(Verb::Up) => self.cursor = self.cursor.saturating_sub(1),
            _ => {
                self.words.key(key);
                self.find(snapshot);
            }
        }
        Heard::Kept
    }

    pub(crate) fn height(&self) -> u16 {
        u16::try_from(self.found.len().clamp(1, SHOWN) + 2).unwrap_or(3)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let what = "an action, an employee, a role, a task";
        pen.title(0, "Command", what, palette);
        pen.put(1, 1, 1, ":", palette.accent);
        let from = self.cursor.saturating_sub(SHOWN - 1);
        let shown = self.found.iter().enumerate().skip(from).take(SHOWN);
        for (at, item) in shown {
            let row = 2 + at - from;
            let style = match item.choice {
                Choice::Act(_) => palette.accent,
                _ => palette.dim,
            };
            pen.put(row, 3, 10, &item.lead, style);
            let line = text::clean(&item.line);
            pen.put(row, 14, width.saturating_sub(15), &line, palette.plain);
            if at == self.cursor {
                pen.put(row, 0, 1, "▌", palette.accent);
                pen.shade(row, palette.selected);
            }
        }
        if self.found.is_empty() {
            pen.put(2, 3, width, "nothing is called so", palette.dim);
        }
        let cell = Rect {
            x: area.x.saturating_add(3),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(4),
            height: 1,
        };
        self.words
            .draw(cell.intersection(area), buffer, true, palette);
    }
}
