//! Which layer of `roles.toml` set what.

use std::collections::BTreeMap;

use crate::domain::role as domain;

use super::layer::{Bounds, Layer};

/// A key, and whether a layer sets it.
type Key = (&'static str, fn(&Layer) -> bool);

const KEYS: &[Key] = &[
    ("agent", |layer| layer.agent.is_some()),
    ("kind", |layer| layer.kind.is_some()),
    ("prompt_mode", |layer| layer.prompt_mode.is_some()),
    ("skills", |layer| layer.skills.is_some()),
    ("tools", |layer| layer.tools.is_some()),
    ("ask", |layer| layer.ask.is_some()),
    ("deny", |layer| layer.deny.is_some()),
    ("env_file", |layer| layer.env_file.is_some()),
    ("model", |layer| layer.model.is_some()),
    ("max_turns", |layer| layer.max_turns.is_some()),
    ("budget", |layer| layer.budget_usd.is_some()),
    ("cpu", |layer| is_set(&layer.cpu)),
    ("memory", |layer| is_set(&layer.memory)),
    ("sandbox", |layer| layer.sandbox.level.is_some()),
    ("worktree", |layer| layer.worktree.when.is_some()),
];

fn is_set<T>(bounds: &Bounds<T>) -> bool {
    bounds.min.is_some() || bounds.max.is_some()
}

/// The innermost layer that sets each key. A range of which two layers set an end each is the inner
/// one's.
pub(super) fn of(
    [cluster, role]: [Option<&Layer>; 2],
    department: Option<&Layer>,
    defaults: &Layer,
) -> BTreeMap<String, domain::Layer> {
    let layers = [
        (Some(defaults), domain::Layer::Defaults),
        (department, domain::Layer::Department),
        (role, domain::Layer::Role),
        (cluster, domain::Layer::Cluster),
    ];
    let mut origins = BTreeMap::new();
    for (layer, origin) in layers {
        let Some(layer) = layer else { continue };
        for (key, sets) in KEYS {
            if sets(layer) {
                origins.insert((*key).to_owned(), origin);
            }
        }
        for name in layer.environment.keys() {
            origins.insert(format!("environment {name}"), origin);
        }
    }
    // A prompt is the role's alone.
    origins.insert("prompt".to_owned(), domain::Layer::Role);
    origins
}
