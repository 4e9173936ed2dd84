//! A cluster in one line, and below the list: its roles, how it differs, what scaling does.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::cluster::ClusterView;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;

/// How many are up of how many are wanted, and what is not as declared.
pub(crate) fn counts(cluster: &ClusterView) -> String {
    let sum = cluster.sum();
    let mut line = format!("{} of {} up", sum.up, sum.wanted);
    for (count, word) in [
        (sum.busy, "busy"),
        (sum.extra, "extra"),
        (sum.spare, "left out"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {word}"));
        }
    }
    if !cluster.declared {
        line.push_str(", not declared any more");
    } else if sum.wanted != sum.declared {
        line.push_str(&format!(", {} declared", sum.declared));
    }
    line
}

/// Its roles and what is to be known of it.
pub(crate) fn draw(cluster: &ClusterView, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let palette = scene.palette();
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let health = cluster.health.map_or_else(
        || "health by role".to_owned(),
        |(interval, timeout)| {
            format!(
                "health every {} s, {} s",
                interval.as_secs(),
                timeout.as_secs()
            )
        },
    );
    let rule = cluster.load_balancing.as_str().replace('_', " ");
    let facts = format!("{rule} · {health}");
    pen.title(0, &text::clean(&cluster.key), &facts, palette);
    let mut row = 1;
    let of_it = |one: &&std::sync::Arc<crate::domain::scale::ScalingView>| {
        one.cluster.as_deref() == Some(cluster.key.as_str()) && one.is_news(scene.now.wall)
    };
    let scaling = scene.snapshot.scaling.iter().filter(of_it);
    let notes = scaling
        .map(|one| format!("{}: {}", one.role, one.text))
        .chain(cluster.notes.iter().cloned());
    for note in notes {
        for part in text::wrap(&text::clean(&note), width.saturating_sub(4)) {
            pen.put(row, 2, width.saturating_sub(3), part, palette.warn);
            row += 1;
        }
    }
    for member in &cluster.members {
        let mut line = format!("{} of {} up", member.up, member.wanted);
        if member.busy > 0 {
            line.push_str(&format!(", {} busy", member.busy));
        }
        let missing = member.wanted.saturating_sub(member.hired);
        if missing > 0 {
            line.push_str(&format!(", {missing} to be hired"));
        }
        if member.extra > 0 {
            line.push_str(&format!(", {} hired for the queue", member.extra));
        }
        if member.spare > 0 {
            line.push_str(&format!(", {} left out", member.spare));
        }
        pen.put(row, 2, 24, &text::clean(&member.title), palette.plain);
        pen.put(row, 27, width.saturating_sub(28), &line, palette.dim);
        row += 1;
    }
}
