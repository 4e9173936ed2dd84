//! The roles that can be hired, by department.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::role::{Catalogue, Role};
use crate::domain::snapshot::Snapshot;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::pen::{Pen, more, rows_beside_sign};

/// Which role is selected; roles are counted in the catalogue's order.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    pub(crate) cursor: Cursor<usize>,
    drawn: Vec<(u16, usize)>,
}

impl Roles {
    /// The rows, by department: each stands for a role's place in the catalogue.
    pub(crate) fn keys(catalogue: &Catalogue) -> Vec<usize> {
        let mut keys = Vec::with_capacity(catalogue.roles.len());
        for department in &catalogue.departments {
            let roles = catalogue.roles.iter().enumerate();
            keys.extend(
                roles
                    .filter(|(_, role)| role.department == department.key)
                    .map(|(at, _)| at),
            );
        }
        keys
    }

    /// The selected role.
    pub(crate) fn selected<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Role> {
        let at = self.cursor.selected(&Self::keys(&snapshot.catalogue))?;
        snapshot.catalogue.roles.get(at)
    }

    /// The role in a row of the screen.
    pub(crate) fn at(&self, y: u16) -> Option<usize> {
        let found = self.drawn.iter().find(|(row, _)| *row == y)?;
        Some(found.1)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        self.drawn.clear();
        let palette = scene.palette();
        let catalogue = &scene.snapshot.catalogue;
        let keys = Self::keys(catalogue);
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let Some(selected) = self.cursor.selected(&keys) else {
            let line = "No role is defined. `headcount init` writes the shipped ones out.";
            pen.put(1, 2, width, line, palette.plain);
            return;
        };
        let columns = Columns::choose(width);
        columns.head(&mut pen, scene);
        // A head for each department before its first role.
        let mut rows: Vec<Result<usize, &str>> = Vec::new();
        let mut last = None;
        for key in &keys {
            let department = catalogue
                .roles
                .get(*key)
                .map(|role| role.department.as_str());
            if department != last {
                let found = department.and_then(|key| catalogue.department(key));
                rows.push(Err(found.map_or("", |department| department.title.as_str())));
                last = department;
            }
            rows.push(Ok(*key));
        }
        let whole = pen.height().saturating_sub(1);
        let height = rows_beside_sign(rows.len(), whole);
        let row = rows
            .iter()
            .position(|row| *row == Ok(selected))
            .unwrap_or(0);
        let above = usize::from(matches!(rows.get(row.wrapping_sub(1)), Some(Err(_))));
        let offset = self.cursor.scroll(row, above, rows.len(), height);
        if height < whole {
            let line = more(offset, rows.len().saturating_sub(offset + height));
            pen.put(1 + height, 1, width, &line, palette.dim);
        }
        for (at, row) in rows.iter().skip(offset).take(height).enumerate() {
            let at = at + 1;
            match row {
                Err(title) => {
                    pen.put(at, 1, width, &text::clean(title), palette.strong);
                }
                Ok(key) => {
                    let Some(role) = catalogue.roles.get(*key) else {
                        continue;
                    };
                    columns.row(&mut pen, at, role, scene);
                    if *key == selected {
                        pen.put(at, 0, 1, "▌", palette.accent);
                        pen.shade(at, palette.selected);
                    }
                    if let Ok(at) = u16::try_from(at) {
                        self.drawn.push((area.y + at, *key));
                    }
                }
            }
        }
    }
}

/// How many hold a role.
pub(crate) fn hired(snapshot: &Snapshot, role: &str) -> usize {
    let all = snapshot.processes.iter();
    all.filter(|process| process.role == role).count()
}

#[derive(Debug)]
struct Columns {
    title: usize,
    key: usize,
    agent: usize,
    prompt: usize,
}

impl Columns {
    const LEAD: usize = 3;
    const HIRED: usize = 6;

    fn choose(width: usize) -> Self {
        Self {
            title: 19,
            key: if width >= 80 { 20 } else { 0 },
            agent: if width >= 100 { 10 } else { 0 },
            prompt: if width >= 150 { 50 } else { 0 },
        }
    }

    fn head(&self, pen: &mut Pen<'_>, scene: Scene<'_>) {
        let style = scene.palette().dim;
        let mut at = Self::LEAD;
        pen.put(0, at, self.title, "ROLE", style);
        at += self.title;
        pen.right(0, at, Self::HIRED, "HIRED", style);
        at += Self::HIRED + 2;
        for (name, columns) in [
            ("KEY", self.key),
            ("AGENT", self.agent),
            ("PROMPT", self.prompt),
        ] {
            if columns > 0 {
                pen.put(0, at, columns, name, style);
                at += columns;
            }
        }
        pen.put(0, at, 20, "TOOLS", style);
    }

    fn row(&self, pen: &mut Pen<'_>, row: usize, role: &Role, scene: Scene<'_>) {
        let palette = scene.palette();
        let mut at = Self::LEAD;
        pen.put(
            row,
            at,
            self.title - 1,
            &text::clean(&role.title),
            palette.plain,
        );
        at += self.title;
        let hired = match hired(scene.snapshot, &role.key) {
            0 => "-".to_owned(),
            count => count.to_string(),
        };
        pen.right(row, at, Self::HIRED, &hired, palette.plain);
        at += Self::HIRED + 2;
        let prompt = role.prompt.as_ref().map_or_else(
            || "none".to_owned(),
            |prompt| scene.path(prompt).replace("corporate-prompts/", ""),
        );
        for (what, columns) in [
            (text::clean(&role.key).as_ref(), self.key),
            (text::clean(&role.agent).as_ref(), self.agent),
            (prompt.as_str(), self.prompt),
        ] {
            if columns > 0 {
                pen.put(row, at, columns - 2, what, palette.dim);
                at += columns;
            }
        }
        let tools = role.tools.join(" ");
        let room = pen.width().saturating_sub(at + 1);
        pen.put(row, at, room, &text::clean(&tools), palette.dim);
    }
}
