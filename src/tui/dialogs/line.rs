//! Asks for one line: a reason, a rule, the words of a filter.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::Command;
use crate::domain::id::{ProcessId, RequestId};
use crate::domain::worktree::{WorkOf, WorkOrder};
use crate::tui::dialogs::{Heard, Order};
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

/// What the line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Deny(Vec<RequestId>),
    Rule(RequestId),
    Filter,
    Search,
    Patch(WorkOf),
    Say(ProcessId),
}

/// A line to type, and what becomes of it.
#[derive(Debug)]
pub(crate) struct LineDialog {
    purpose: Purpose,
    title: String,
    note: String,
    field: Field,
}

impl LineDialog {
    /// Asks why requests are refused.
    pub(crate) fn deny(requests: Vec<RequestId>, who: &str, asks: &str) -> Self {
        Self {
            purpose: Purpose::Deny(requests),
            title: format!("Deny {who}: {asks}"),
            note: "Why? The agent reads it. Nothing typed: denied without a reason.".to_owned(),
            field: Field::new(""),
        }
    }

    /// Shows the rule that 'always' makes, to be changed before it holds.
    pub(crate) fn rule(request: RequestId, who: &str, rule: &str) -> Self {
        Self {
            purpose: Purpose::Rule(request),
            title: format!("Always allow {who}"),
            note: format!("What fits this rule, {who} does without asking from now on."),
            field: Field::new(rule),
        }
    }

    /// Asks for the words that rows must hold.
    pub(crate) fn filter(words: &str) -> Self {
        Self {
            purpose: Purpose::Filter,
            title: "Show only rows with".to_owned(),
            note: "Several words: all of them. Nothing: every row.".to_owned(),
            field: Field::new(words),
        }
    }

    /// Asks for the words to look for in a log.
    pub(crate) fn search(words: &str) -> Self {
        Self {
            purpose: Purpose::Search,
            title: "Find in the whole log".to_owned(),
            note: "Small letters match capitals too. Nothing: the search ends.".to_owned(),
            field: Field::new(words),
        }
    }

    /// Asks for the file that a patch is written into.
    pub(crate) fn patch(of: WorkOf, whose: &str, file: &str) -> Self {
        Self {
            purpose: Purpose::Patch(of),
            title: format!("Write the work of {whose} into a patch file"),
            note: "One that is not there yet; `git apply` takes it anywhere.".to_owned(),
            field: Field::new(file),
        }
    }

    /// Asks for what is said to a running turn.
    pub(crate) fn say(process: ProcessId, who: &str) -> Self {
        Self {
            purpose: Purpose::Say(process),
            title: format!("A message to {who}'s running turn"),
            note:
                "Read after the step that runs now; if the turn is over by then, in one of its own."
                    .to_owned(),
            field: Field::new(""),
        }
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, scene: Scene<'_>) -> Heard {
        match verb {
            Some(Verb::Back) => Heard::Closed,
            Some(Verb::Send) => self.done(scene),
            _ => {
                self.field.key(key);
                Heard::Kept
            }
        }
    }

    fn done(&self, scene: Scene<'_>) -> Heard {
        let typed = self.field.text().trim();
        match &self.purpose {
            Purpose::Filter => Heard::Filtered(typed.to_owned()),
            // A space may be what is looked for.
            Purpose::Search => Heard::Filtered(self.field.text().to_owned()),
            Purpose::Deny(requests) => {
                let deny = |request: &RequestId| Command::Deny {
                    request: *request,
                    reason: (!typed.is_empty()).then(|| typed.to_owned()),
                };
                let orders = requests.iter().map(deny);
                Heard::Orders(orders.map(|deny| Order::new("deny it", deny)).collect())
            }
            // An empty rule would fit nothing; the person is still thinking.
            Purpose::Rule(_) if typed.is_empty() => Heard::Kept,
            Purpose::Patch(_) | Purpose::Say(_) if typed.is_empty() => Heard::Kept,
            Purpose::Say(process) => Heard::Orders(vec![Order::new(
                "send the message",
                Command::Say {
                    process: *process,
                    text: typed.to_owned(),
                },
            )]),
            Purpose::Patch(of) => Heard::Orders(vec![Order::new(
                "write the patch",
                Command::Work {
                    of: *of,
                    order: WorkOrder::Export(scene.absolute(typed)),
                },
            )]),
            Purpose::Rule(request) => Heard::Orders(vec![Order::new(
                "allow it",
                Command::ApproveAlways {
                    request: *request,
                    rule: Some(typed.to_owned()),
                },
            )]),
        }
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        self.field.paste(pasted);
    }

    pub(crate) fn height(&self, width: u16) -> u16 {
        let rows = text::wrap(&text::clean(&self.note), note_width(width)).len();
        u16::try_from(rows + 2).unwrap_or(3)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        pen.title(0, &text::clean(&self.title), "", palette);
        // The field stays where there is not room for all.
        let rows = pen.height().saturating_sub(2);
        let note = text::clean(&self.note);
        let wrapped = text::wrap(&note, note_width(area.width));
        for (row, line) in wrapped.iter().take(rows).enumerate() {
            pen.put(1 + row, 2, width.saturating_sub(3), line, palette.dim);
        }
        let below = 1 + wrapped.len().min(rows);
        pen.put(below, 2, 1, "›", palette.accent);
        let row = Rect {
            x: area.x.saturating_add(4),
            y: area.y.saturating_add(u16::try_from(below).unwrap_or(1)),
            width: area.width.saturating_sub(6),
            height: 1,
        };
        self.field
            .draw(row.intersection(area), buffer, true, palette);
    }
}

/// Columns of what is said above the field.
fn note_width(width: u16) -> usize {
    usize::from(width).saturating_sub(3).max(1)
}
