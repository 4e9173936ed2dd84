//! What a task waits for, and what waits for it: as far as that goes, each as a tree.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::text::{Line, Span};

use crate::domain::id::TaskId;
use crate::domain::snapshot::Snapshot;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::sheet::Sheet;
use crate::tui::widgets::status;

/// Deeper than this nobody reads.
const DEEPEST: usize = 12;

/// Title and lines of the page.
pub(super) fn page(id: TaskId, width: usize, scene: Scene<'_>) -> (String, Vec<Line<'static>>) {
    let palette = scene.palette();
    let mut tree = Tree {
        sheet: Sheet::new(width, *palette),
        seen: BTreeSet::new(),
        width,
        scene,
    };
    let after = |id: TaskId| {
        let task = scene.snapshot.task(id);
        task.map_or_else(Vec::new, |task| task.after.clone())
    };
    let children = children(scene.snapshot);
    let before = |id: TaskId| children.get(&id).cloned().unwrap_or_default();
    tree.sheet.heading("It waits for");
    tree.branch(id, 0, &after);
    tree.seen.clear();
    tree.sheet.heading("For it wait");
    tree.branch(id, 0, &before);
    let title = scene.snapshot.task(id).map_or_else(
        || format!("{id} (deleted)"),
        |task| format!("Around {id} · {}", text::clean(task.title())),
    );
    (title, tree.sheet.into_lines())
}

fn children(snapshot: &Snapshot) -> BTreeMap<TaskId, Vec<TaskId>> {
    let mut children: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    for task in &snapshot.tasks {
        for parent in &task.after {
            children.entry(*parent).or_default().push(task.id);
        }
    }
    children
}

struct Tree<'a> {
    sheet: Sheet,
    // What was written out above.
    seen: BTreeSet<TaskId>,
    width: usize,
    scene: Scene<'a>,
}

impl Tree<'_> {
    fn branch(&mut self, of: TaskId, depth: usize, next: &dyn Fn(TaskId) -> Vec<TaskId>) {
        let ids = next(of);
        let dim = self.scene.palette().dim;
        if ids.is_empty() && depth == 0 {
            self.sheet.text("nothing", 2, dim);
        }
        for id in ids {
            let known = !self.seen.insert(id);
            let more = known || depth + 1 == DEEPEST;
            let goes_on = more && !next(id).is_empty();
            self.line(
                id,
                depth,
                goes_on.then_some(if known { "see above" } else { "and so on" }),
            );
            if !more {
                self.branch(id, depth + 1, next);
            }
        }
    }

    fn line(&mut self, id: TaskId, depth: usize, note: Option<&str>) {
        let palette = self.scene.palette();
        let mut spans = vec![Span::raw(" ".repeat(2 + 3 * depth))];
        let mut words = match self.scene.snapshot.task(id) {
            Some(task) => {
                let (shape, style) = status::task_shape(task.state, palette);
                spans.push(Span::styled(format!("{shape} "), style));
                let state = status::task_word(task.state);
                format!("{id} {state} · {}", text::clean(task.title()))
            }
            None => format!("{id} was deleted"),
        };
        if let Some(note) = note {
            words = format!("{words} ({note})");
        }
        let room = self.width.saturating_sub(4 + 3 * depth);
        spans.push(Span::styled(
            text::fit(&words, room).into_owned(),
            palette.plain,
        ));
        self.sheet.line(Line::from(spans));
    }
}
