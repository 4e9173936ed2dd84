//! Whether the roles of a workspace are fit for work, as an instance that is started here would find them.

use std::path::Path;
use std::sync::Arc;

use crate::config::Source;
use crate::domain::fitness::Finding;
use crate::domain::role::Catalogue;
use crate::runtime::fitness::{Company, fitness};

pub use crate::runtime::fitness::Fitness;

/// Looks, with the environment of this program.
pub async fn look(source: &Source, catalogue: &Catalogue, state: &Path, demo: bool) -> Fitness {
    let company = Company {
        source: source.clone(),
        catalogue: Arc::new(catalogue.clone()),
        demo,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        state: state.to_owned(),
    };
    // Nothing is kept of a look that failed inside: its panic was reported.
    tokio::task::spawn_blocking(move || fitness(&company))
        .await
        .unwrap_or_default()
}

/// The version of the kernel's Landlock, which holds sandboxes; 0 for none.
#[must_use]
pub fn kernel_sandbox() -> u32 {
    crate::runtime::fitness::kernel_sandbox()
}

/// What is to be said of the room that a state folder has left.
#[must_use]
pub fn room(state: &Path) -> Option<Finding> {
    crate::runtime::fitness::room(state)
}
