//! Finds any action, screen, employee, role or task by its name or some of its letters.

mod fit;
mod names;

use std::cmp::Reverse;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::Snapshot;
use crate::tui::chrome::Tab;
use crate::tui::dialogs::Heard;
use crate::tui::keys::{self, Place, Verb};
use crate::tui::order::Column;
use crate::tui::scene::Scene;
use crate::tui::screens::processes::team;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

use self::fit::{Fit, Query};
use self::names::{about, is_grave, names, screen};

/// How many are offered at once.
const SHOWN: usize = 8;
/// How many are found at most: nobody goes further down.
const FOUND: usize = 100;

/// What a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Do it.
    Act(Verb),
    /// Go to a screen.
    Screen(Tab),
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
    const fn weight(self) -> u8 {
        match self {
            Self::Act(_) | Self::Screen(_) => 3,
            Self::Process(_) | Self::Sort(_) | Self::Cluster(_) => 2,
            Self::Role(_) => 1,
            Self::Task(_) => 0,
        }
    }

    /// Whether it is found by a beginning of its name alone, and after what else has one.
    const fn is_grave(self) -> bool {
        matches!(self, Self::Act(verb) if is_grave(verb))
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

    /// Finds anew. Without letters there are the screens and the actions alone.
    fn find(&mut self, snapshot: &Snapshot) {
        self.cursor = 0;
        let mut found = Found {
            query: Query::new(self.words.text()),
            all: Vec::new(),
        };
        for tab in Tab::ALL {
            let item = || ("screen".to_owned(), about(tab).to_owned());
            found.offer(Choice::Screen(tab), screen(tab), "", item);
        }
        for binding in keys::bindings(self.place) {
            let names = names(binding.verb, self.place);
            let Some(name) = names.first().filter(|_| is_looked_for(binding.verb)) else {
                continue;
            };
            let help = binding.help;
            let item = || {
                let key = binding.keys.first();
                let key = key.map_or_else(String::new, ToString::to_string);
                // Many begin with their name.
                let line = match help.starts_with(name) {
                    true => help.to_owned(),
                    false => format!("{name}: {help}"),
                };
                (key, line)
            };
            found.offer(Choice::Act(binding.verb), names, help, item);
        }
        if !found.query.is_empty() {
            found.offer_things(snapshot);
        }
        self.found = found.sorted();
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
        let what = "action, screen, employee, role, task";
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

/// Whether an action is worth a row: not what moves the cursor, nor this dialog itself.
const fn is_looked_for(verb: Verb) -> bool {
    !matches!(
        verb,
        Verb::Palette
            | Verb::Leave
            | Verb::Number
            | Verb::Up
            | Verb::Down
            | Verb::PageUp
            | Verb::PageDown
    )
}

/// By what a find is sorted: how it fits, that it does no harm, by its first name, how rare it is.
type Rank = (Fit, bool, bool, u8);

/// What is found so far.
struct Found {
    query: Query,
    all: Vec<(Rank, Item)>,
}

impl Found {
    /// Offers what has these names, the first of which is its own, and what is said about it.
    fn offer(
        &mut self,
        choice: Choice,
        names: &[&str],
        help: &str,
        item: impl FnOnce() -> (String, String),
    ) {
        let grave = choice.is_grave();
        let query = &mut self.query;
        let mut best: Option<(Fit, bool)> = None;
        for (at, name) in names.iter().enumerate() {
            // A title is a sentence: letters that stand apart in it are a chance.
            let fit = match choice {
                Choice::Task(_) => query.fit(name),
                _ => query.fit_letters(name),
            };
            best = best.max(fit.map(|fit| (fit, at == 0)));
        }
        if best.is_none_or(|(fit, _)| fit < Fit::Said) && query.is_said(help) {
            best = Some((Fit::Said, true));
        }
        let Some((fit, own)) = best else { return };
        if grave && fit < Fit::Word {
            return;
        }
        let (lead, line) = item();
        let rank = (fit, !grave, own, choice.weight());
        self.all.push((rank, Item { choice, lead, line }));
    }

    /// Offers what can be gone to by name.
    fn offer_things(&mut self, snapshot: &Snapshot) {
        for column in Column::ALL {
            let word = column.as_str();
            let named = format!("sort by {word}");
            let short = format!("sort {word}");
            let item = || ("list".to_owned(), named.clone());
            self.offer(Choice::Sort(column), &[&named, &short], "", item);
        }
        for cluster in &snapshot.clusters {
            let choice = Choice::Cluster(team(&cluster.key));
            let named = format!("cluster {}", cluster.key);
            let sum = cluster.sum();
            let line = || format!("{} · {} of {} up", cluster.key, sum.up, sum.wanted);
            let item = || ("cluster".to_owned(), line());
            self.offer(choice, &[&cluster.key, &named], "", item);
        }
        for process in &snapshot.processes {
            let (name, title, id) = (&process.name, &process.role_title, process.id.to_string());
            let named = format!("{name} {title}");
            let line = || format!("{name} · {title} · {id}");
            let item = || ("employee".to_owned(), line());
            self.offer(Choice::Process(process.id), &[name, &id, &named], "", item);
        }
        for (at, role) in snapshot.catalogue.roles.iter().enumerate() {
            let item = || ("role".to_owned(), role.title.clone());
            self.offer(Choice::Role(at), &[&role.title, &role.key], "", item);
        }
        for task in &snapshot.tasks {
            let (id, title) = (task.id.to_string(), task.title());
            let item = || ("task".to_owned(), format!("{id} {title}"));
            self.offer(Choice::Task(task.id), &[title, &id], "", item);
        }
    }

    /// The best first; of equals, as they were offered.
    fn sorted(mut self) -> Vec<Item> {
        if !self.query.is_empty() {
            self.all.sort_by_key(|(rank, _)| Reverse(*rank));
            // Beside what has the name itself, letters that stand apart are a chance.
            let best = self.all.first().map_or(Fit::Scattered, |(rank, _)| rank.0);
            if best > Fit::Said {
                self.all.retain(|(rank, _)| rank.0 > Fit::Scattered);
            }
        }
        self.all.truncate(FOUND);
        self.all.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture::company;

    fn first(place: Place, typed: &str) -> Option<Choice> {
        let snapshot = company();
        let mut palette = PaletteDialog::new(place, &snapshot);
        palette.paste(typed, &snapshot);
        palette.found.first().map(|item| item.choice)
    }

    #[test]
    fn a_name_finds_what_is_called_so() {
        use Choice::{Act, Process, Role, Screen, Sort, Task};
        for (typed, found) in [
            ("digest", Act(Verb::Away)),
            ("away", Act(Verb::Away)),
            ("prompt", Act(Verb::Updates)),
            ("hist", Act(Verb::Why)),
            ("kill", Act(Verb::Kill)),
            ("force-stop", Act(Verb::Kill)),
            ("stop", Act(Verb::Stop)),
            ("inbox", Screen(Tab::Inbox)),
            ("alerts", Screen(Tab::Inbox)),
            ("tasks", Screen(Tab::Tasks)),
            ("queue", Screen(Tab::Tasks)),
            ("employees", Screen(Tab::Processes)),
            ("roles", Screen(Tab::Roles)),
            ("task", Act(Verb::AddTask)),
            ("quit", Act(Verb::Detach)),
            ("q", Act(Verb::Detach)),
            ("detach", Act(Verb::Detach)),
            ("dtch", Act(Verb::Detach)),
            ("rm", Act(Verb::Remove)),
            ("delete", Act(Verb::Remove)),
            ("approve", Act(Verb::Yes)),
            ("allow", Act(Verb::Yes)),
            ("deny", Act(Verb::Deny)),
            ("restart", Act(Verb::Restart)),
            ("rest", Act(Verb::Restart)),
            ("st", Act(Verb::Start)),
            ("help", Act(Verb::Help)),
            ("config", Act(Verb::Mistakes)),
            ("logs", Act(Verb::Log)),
            ("worktree", Act(Verb::Diff)),
            ("while you were", Act(Verb::Away)),
            ("sort by cost", Sort(Column::Cost)),
            ("sortcost", Sort(Column::Cost)),
            ("ada", Process(ProcessId(1))),
            ("proc_003", Process(ProcessId(3))),
            ("qadirector", Role(2)),
            ("load tests", Task(TaskId(29))),
            ("task_0031", Task(TaskId(31))),
        ] {
            assert_eq!(first(Place::Processes, typed), Some(found), "{typed}");
        }
        assert_eq!(first(Place::Processes, "zzzz"), None);
        assert_eq!(first(Place::Tasks, "rm"), Some(Act(Verb::Remove)));
        assert_eq!(first(Place::Tasks, "cancel"), Some(Act(Verb::Cancel)));
        assert_eq!(first(Place::Roles, "hire"), Some(Act(Verb::Open)));
    }

    #[test]
    fn what_does_harm_is_found_by_the_beginning_of_its_name_alone() {
        let snapshot = company();
        let places = [
            Place::Processes,
            Place::Tasks,
            Place::Inbox,
            Place::Details,
            Place::Logs,
            Place::Task,
            Place::Diff,
        ];
        for place in places {
            // Each word that is said about anything, and each beginning of one.
            for binding in keys::TABLE {
                for word in binding.help.split([' ', ',', ';', ':']) {
                    for (end, c) in word.char_indices() {
                        let typed = word.get(..end + c.len_utf8()).unwrap_or(word);
                        let Some(Choice::Act(verb)) = first(place, typed) else {
                            continue;
                        };
                        let named = names(verb, place).iter().any(|name| {
                            name.split(' ')
                                .any(|one| one.starts_with(&typed.to_lowercase()))
                        });
                        assert!(named || !is_grave(verb), "{typed} in {place:?}: {verb:?}");
                    }
                }
            }
            // Nor is it first where nothing is typed.
            let palette = PaletteDialog::new(place, &snapshot);
            let first = palette.found.first().map(|item| item.choice);
            assert_eq!(first, Some(Choice::Screen(Tab::Processes)));
        }
    }

    #[test]
    fn whatever_has_a_key_has_a_name() {
        for binding in keys::TABLE {
            for place in binding.places {
                let dialog = !keys::bindings(*place).any(|one| one.verb == Verb::Palette);
                let named = !names(binding.verb, *place).is_empty();
                let says = binding.help;
                assert!(
                    dialog || named || !is_looked_for(binding.verb),
                    "{place:?}: {says}"
                );
            }
        }
    }
}
