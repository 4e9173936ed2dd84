//! The roles by department, and how many of each.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::role::{Catalogue, Role};
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::pen::{Pen, more, rows_beside_sign};

/// More of one role than this at once is a slip of the finger.
const MOST: u32 = 20;

/// Which roles, how many, and the one under the cursor.
#[derive(Debug)]
pub(super) struct RoleList {
    cursor: Cursor<usize>,
    keys: Vec<usize>,
    // How many of each role, by its key; none of a role is not kept.
    counts: BTreeMap<String, u32>,
}

impl RoleList {
    /// The cursor on a role; `keys` are the catalogue's roles in the order of the list.
    pub(super) fn new(keys: Vec<usize>, role: Option<usize>) -> Self {
        let mut cursor = Cursor::default();
        cursor.settle(&keys);
        if let Some(role) = role {
            cursor.select(&keys, role);
        }
        Self {
            cursor,
            keys,
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn under_cursor<'a>(&self, catalogue: &'a Catalogue) -> Option<&'a Role> {
        catalogue.roles.get(self.cursor.selected(&self.keys)?)
    }

    /// The role whose fields and program are shown: the one under the cursor, if it would be hired; else the first
    /// of those that would be.
    pub(super) fn shown<'a>(&self, catalogue: &'a Catalogue) -> Option<&'a Role> {
        let chosen = self.chosen(catalogue);
        let here = self.under_cursor(catalogue);
        let here = here.filter(|here| chosen.iter().any(|(role, _)| role.key == here.key));
        here.or(chosen.first().map(|(role, _)| *role))
    }

    /// The roles that would be hired: those that are counted, else the one under the cursor.
    pub(super) fn chosen<'a>(&self, catalogue: &'a Catalogue) -> Vec<(&'a Role, u32)> {
        if self.counts.is_empty() {
            let one = self.under_cursor(catalogue).map(|role| (role, 1));
            return one.into_iter().collect();
        }
        let listed = self.keys.iter().filter_map(|at| catalogue.roles.get(*at));
        listed
            .filter_map(|role| Some((role, *self.counts.get(&role.key)?)))
            .collect()
    }

    pub(super) fn total(&self, catalogue: &Catalogue) -> u32 {
        self.chosen(catalogue).iter().map(|(_, count)| count).sum()
    }

    pub(super) fn step(&mut self, by: isize) {
        self.cursor.step(&self.keys, by);
    }

    /// Changes how many of the role under the cursor.
    pub(super) fn count(&mut self, catalogue: &Catalogue, change: impl Fn(u32) -> u32) {
        if let Some(role) = self.under_cursor(catalogue) {
            let count = change(self.counts.get(&role.key).copied().unwrap_or(0));
            self.set(&role.key, count);
        }
    }

    /// One of each role of the department under the cursor; none if all of them are counted.
    pub(super) fn take_department(&mut self, catalogue: &Catalogue) {
        let Some(here) = self.under_cursor(catalogue) else {
            return;
        };
        let of_it = catalogue
            .roles
            .iter()
            .filter(|role| role.department == here.department);
        let keys: Vec<&str> = of_it.map(|role| role.key.as_str()).collect();
        let all = keys.iter().all(|key| self.counts.contains_key(*key));
        for key in keys {
            let count = self.counts.get(key).copied().unwrap_or(1);
            self.set(key, if all { 0 } else { count });
        }
    }

    fn set(&mut self, key: &str, count: u32) {
        if count == 0 {
            self.counts.remove(key);
        } else {
            self.counts.insert(key.to_owned(), count.min(MOST));
        }
    }

    pub(super) fn draw(&mut self, scene: Scene<'_>, focus: bool, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let catalogue = &scene.snapshot.catalogue;
        let width = usize::from(area.width);
        let selected = self.cursor.selected(&self.keys);
        if self.keys.is_empty() {
            let mut pen = Pen::new(buffer, area);
            pen.put(
                1,
                2,
                width,
                "No role is defined in roles.toml.",
                palette.dim,
            );
            return;
        }
        let mut rows: Vec<Result<usize, &str>> = Vec::new();
        let mut last = None;
        for key in &self.keys {
            let role = catalogue.roles.get(*key);
            let department = role.map(|role| role.department.as_str());
            if department != last {
                let found = department.and_then(|key| catalogue.department(key));
                rows.push(Err(found.map_or("", |department| department.title.as_str())));
                last = department;
            }
            rows.push(Ok(*key));
        }
        let row = rows
            .iter()
            .position(|row| row.ok() == selected && row.is_ok());
        let whole = usize::from(area.height);
        let height = rows_beside_sign(rows.len(), whole);
        let offset = self.cursor.scroll(row.unwrap_or(0), 1, rows.len(), height);
        if height < whole {
            let line = more(offset, rows.len().saturating_sub(offset + height));
            let mut pen = Pen::new(buffer, area);
            pen.put(height, 1, width, &line, palette.dim);
        }
        for (at, row) in rows.iter().skip(offset).take(height).enumerate() {
            let mut pen = Pen::new(buffer, area);
            let role = match row {
                Err(title) => {
                    pen.put(at, 1, width, &text::clean(title), palette.strong);
                    continue;
                }
                Ok(key) => catalogue.roles.get(*key).map(|role| (*key, role)),
            };
            let Some((key, role)) = role else { continue };
            let (shown, style) = match self.counts.get(&role.key) {
                Some(count) => (count.to_string(), palette.accent),
                None => ("·".to_owned(), palette.dim),
            };
            pen.right(at, 1, 3, &shown, style);
            let title = text::clean(&role.title);
            pen.put(at, 6, width.saturating_sub(8), &title, palette.plain);
            if Some(key) == selected {
                pen.put(at, 0, 1, "▌", palette.accent);
                if focus {
                    let width = area.width.saturating_sub(1);
                    Pen::new(buffer, Rect { width, ..area }).shade(at, palette.selected);
                }
            }
        }
    }
}
