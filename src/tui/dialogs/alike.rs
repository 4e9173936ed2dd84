//! One answer to several requests that are alike: all of them are shown before it is given.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::{Command, UpdateWhen};
use crate::domain::id::RequestId;
use crate::domain::inbox::{Ask, Item, Request};
use crate::domain::snapshot::Snapshot;
use crate::tui::dialogs::line::LineDialog;
use crate::tui::dialogs::{Dialog, Heard, Order};
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::request;

/// How many are shown; the rest is counted.
const SHOWN: usize = 8;

/// The requests as they were when the dialog was opened: what comes later is not answered by it.
#[derive(Debug)]
pub(crate) struct AlikeDialog {
    title: String,
    // Who asks, and for what.
    rows: Vec<(String, String)>,
    answers: Answers,
    // What `y` and `d` do, in a word or two; `d` may do nothing.
    yes: &'static str,
    no: Option<&'static str>,
}

/// What is answered, and how.
#[derive(Debug)]
enum Answers {
    /// Requests: allowed, or refused with a reason.
    Requests(Vec<RequestId>),
    /// The rest: what `y` and what `d` does.
    Orders(Vec<Order>, Vec<Order>),
}

impl AlikeDialog {
    pub(crate) fn new(one: &Request, alike: &[&Request], snapshot: &Snapshot) -> Self {
        let rule = match &one.ask {
            Ask::Permission { rule, .. } => rule.as_str(),
            Ask::Question { .. } => "",
        };
        let row = |found: &&Request| {
            let who = snapshot.process(found.process);
            let who = who.map_or_else(|| found.process.to_string(), |one| one.name.clone());
            (who, request::line(found))
        };
        Self {
            title: format!("{} requests wait for {rule}", alike.len()),
            rows: alike.iter().map(row).collect(),
            answers: Answers::Requests(alike.iter().map(|found| found.id).collect()),
            yes: "allow all",
            no: Some("deny all"),
        }
    }

    /// One for tasks that failed, or for employees with updates.
    pub(crate) fn of(items: &[Item], snapshot: &Snapshot) -> Self {
        let (mut rows, mut yes, mut no) = (Vec::new(), Vec::new(), Vec::new());
        let mut title = String::new();
        let mut words = ("", None);
        for item in items {
            match *item {
                Item::Failed(id) => {
                    let found = snapshot.task(id);
                    let what = found.map_or("", |task| task.title()).to_owned();
                    rows.push((id.to_string(), what));
                    yes.push(Order::new(format!("retry {id}"), Command::RetryTask(id)));
                    no.push(Order::new(format!("let {id} be"), Command::DismissTask(id)));
                    title = format!("{} tasks failed: y retries, d lets them be", items.len());
                    words = ("retry all", Some("let all be"));
                }
                Item::Alert(id) => {
                    let Some(found) = snapshot.alert(id) else {
                        continue;
                    };
                    let who = found.name.as_deref().unwrap_or("headcount");
                    rows.push((who.to_owned(), found.text.clone()));
                    let seen = Order::new("acknowledge the alert", Command::Acknowledge(id));
                    yes.push(seen);
                    title = format!("{} alerts: y says that they are seen", items.len());
                    words = ("all seen", None);
                }
                Item::Updates(process) => {
                    let found = snapshot.process(process);
                    let name = found.map_or_else(|| process.to_string(), |one| one.name.clone());
                    rows.push((name.clone(), "runs on what is no longer on disk".to_owned()));
                    let order = |when| {
                        let what = format!("update {name}");
                        Order::new(what, Command::Update { process, when })
                    };
                    yes.push(order(UpdateWhen::Now));
                    no.push(order(UpdateWhen::NotNow));
                    title = format!("{} have updates: y restarts, d not now", items.len());
                    words = ("restart all", Some("not now"));
                }
                Item::Request(_) | Item::Stuck(_) => {}
            }
        }
        Self {
            title,
            rows,
            answers: Answers::Orders(yes, no),
            yes: words.0,
            no: words.1,
        }
    }

    /// What a key of it does here; `None` if it does nothing.
    pub(crate) const fn label(&self, verb: Verb, label: &'static str) -> Option<&'static str> {
        match verb {
            Verb::Yes => Some(self.yes),
            Verb::Deny => self.no,
            _ => Some(label),
        }
    }

    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        match (verb, &self.answers) {
            (Some(Verb::Back), _) => Heard::Closed,
            (Some(Verb::Yes), Answers::Requests(ids)) => {
                let order = |id: &RequestId| Order::new("allow it", Command::Approve(*id));
                Heard::Orders(ids.iter().map(order).collect())
            }
            (Some(Verb::Deny), Answers::Requests(ids)) => {
                let who = format!("all {}", ids.len());
                let dialog = LineDialog::deny(ids.clone(), &who, &self.title);
                Heard::Opened(Box::new(Dialog::Line(Box::new(dialog))))
            }
            (Some(Verb::Yes), Answers::Orders(yes, _)) => Heard::Orders(yes.clone()),
            (Some(Verb::Deny), Answers::Orders(_, no)) if self.no.is_some() => {
                Heard::Orders(no.clone())
            }
            _ => Heard::Kept,
        }
    }

    pub(crate) fn height(&self) -> u16 {
        let more = usize::from(self.rows.len() > SHOWN);
        u16::try_from(self.rows.len().min(SHOWN) + more + 2).unwrap_or(4)
    }

    pub(crate) fn draw(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        pen.title(0, &text::clean(&self.title), "", palette);
        for (at, (who, what)) in self.rows.iter().take(SHOWN).enumerate() {
            pen.put(at + 1, 3, 10, &text::clean(who), palette.strong);
            let room = width.saturating_sub(15);
            pen.put(at + 1, 14, room, &text::clean(what), palette.plain);
        }
        let mut row = self.rows.len().min(SHOWN) + 1;
        let more = self.rows.len().saturating_sub(SHOWN);
        if more > 0 {
            pen.put(row, 3, width, &format!("and {more} more"), palette.dim);
            row += 1;
        }
        let line = match &self.answers {
            Answers::Requests(ids) => format!("y allows all {} once, d denies them.", ids.len()),
            Answers::Orders(..) => format!("One answer for all {}; Esc for none.", self.rows.len()),
        };
        pen.put(row, 2, width.saturating_sub(3), &line, palette.warn);
    }
}
