//! What a screen is drawn from.

use crate::domain::snapshot::Snapshot;
use crate::tui::format::Present;
use crate::tui::look::{Look, Palette};

/// The company, the time, and how to draw them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now: &'a Present,
    pub(crate) look: &'a Look,
}

impl Scene<'_> {
    pub(crate) fn palette(&self) -> &Palette {
        &self.look.palette
    }

    /// A typed path, from where the terminal was opened.
    pub(crate) fn absolute(&self, typed: &str) -> std::path::PathBuf {
        let caps = &self.look.caps;
        match (typed, typed.strip_prefix("~/"), &caps.home) {
            ("~", _, Some(home)) => home.clone(),
            (_, Some(rest), Some(home)) => home.join(rest),
            _ => caps.working_directory.join(typed),
        }
    }

    /// A path as this terminal's user writes it.
    pub(crate) fn path(&self, path: &std::path::Path) -> String {
        let shown = crate::tui::format::path(path, self.look.caps.home.as_deref());
        crate::tui::text::clean(&shown).into_owned()
    }
}
