//! How many of each role a cluster is to have.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::cluster::{ClusterOrder, ClusterView, MOST, MemberView, ToCluster};
use crate::domain::command::Command;
use crate::tui::dialogs::{Heard, Order};
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;

/// More roles than these are not shown at once.
const SHOWN: usize = 8;

/// Sizes in the making.
#[derive(Debug)]
pub(crate) struct SizesDialog {
    cluster: String,
    roles: Vec<Size>,
    cursor: usize,
}

/// How many of one role.
#[derive(Debug)]
struct Size {
    member: MemberView,
    before: u32,
    count: u32,
}

impl SizesDialog {
    /// Opens with what is wanted now; `first` is the change that its key means already.
    pub(crate) fn new(cluster: &ClusterView, first: i64) -> Self {
        let size = |member: &MemberView| {
            let now = member.wanted.max(member.hired + member.extra);
            Size {
                member: member.clone(),
                before: now,
                count: now,
            }
        };
        let mut dialog = Self {
            cluster: cluster.key.clone(),
            roles: cluster.members.iter().map(size).collect(),
            cursor: 0,
        };
        dialog.change(first);
        dialog
    }

    fn change(&mut self, by: i64) {
        if let Some(size) = self.roles.get_mut(self.cursor) {
            let changed = (i64::from(size.count) + by).clamp(0, i64::from(MOST));
            size.count = u32::try_from(changed).unwrap_or(size.count);
        }
    }

    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        let last = self.roles.len().saturating_sub(1);
        match verb {
            Some(Verb::Back) => return Heard::Closed,
            Some(Verb::Down) => self.cursor = (self.cursor + 1).min(last),
            Some(Verb::Up) => self.cursor = self.cursor.saturating_sub(1),
            Some(Verb::First) => self.cursor = 0,
            Some(Verb::Last) => self.cursor = last,
            Some(Verb::More | Verb::Right) => self.change(1),
            Some(Verb::Fewer | Verb::Left) => self.change(-1),
            Some(Verb::Send) => return self.send(),
            _ => {}
        }
        Heard::Kept
    }

    fn changed(&self) -> impl Iterator<Item = &Size> {
        self.roles.iter().filter(|size| size.count != size.before)
    }

    fn send(&self) -> Heard {
        let sizes: Vec<(String, u32)> = self
            .changed()
            .map(|size| (size.member.role.clone(), size.count))
            .collect();
        if sizes.is_empty() {
            return Heard::Closed;
        }
        let to = ToCluster {
            cluster: self.cluster.clone(),
            order: ClusterOrder::Scale(sizes),
            folder: None,
        };
        let what = format!("scale {}", self.cluster);
        Heard::Orders(vec![Order::new(what, Command::Cluster(to))])
    }

    pub(crate) fn height(&self) -> u16 {
        u16::try_from(self.roles.len().clamp(1, SHOWN) + 2).unwrap_or(3)
    }

    pub(crate) fn draw(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let title = format!("How many in {}", text::clean(&self.cluster));
        pen.title(0, &title, "+ and - change, Enter scales", palette);
        let from = (self.cursor + 1).saturating_sub(SHOWN);
        let shown = self.roles.iter().enumerate().skip(from).take(SHOWN);
        for (at, Size { member, count, .. }) in shown {
            let row = 1 + at - from;
            let chosen = at == self.cursor;
            let style = if chosen {
                palette.accent
            } else {
                palette.plain
            };
            let lead = if chosen { "›" } else { " " };
            pen.put(row, 2, 1, lead, palette.accent);
            pen.put(row, 4, 24, &text::clean(&member.title), style);
            pen.right(row, 28, 5, &count.to_string(), style);
            let there = member.hired + member.extra;
            let facts = format!(
                "{there} hired, {} up, {} declared",
                member.up, member.declared
            );
            pen.put(row, 36, width.saturating_sub(37), &facts, palette.dim);
        }
        let row = pen.height().saturating_sub(1);
        let line = self.consequence();
        pen.put(row, 2, width.saturating_sub(3), &line, palette.dim);
    }

    /// What a yes does.
    fn consequence(&self) -> String {
        let (mut back, mut hired, mut gone) = (0, 0, 0);
        for Size { member, count, .. } in self.changed() {
            let there = member.hired + member.extra;
            let more = count.saturating_sub(there);
            back += more.min(member.spare);
            hired += more.saturating_sub(member.spare);
            gone += there.saturating_sub(*count);
        }
        let part = |count: u32, one: &str, more: &str| {
            (count > 0).then(|| format::plural(count as usize, one, more))
        };
        let parts: Vec<String> = [
            part(back, "comes back", "come back"),
            part(hired, "is hired", "are hired"),
            part(gone, "stops, idle first", "stop, idle ones first"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() {
            "Nothing changes.".to_owned()
        } else {
            let stays = if gone > 0 {
                " Whoever stops stays on the staff."
            } else {
                ""
            };
            format!("{}.{stays}", parts.join(", "))
        }
    }
}
