//! Reads the configuration anew when something on disk has changed, and compares what runs with it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use similar::TextDiff;
use tokio::sync::{Notify, watch};

use crate::config::{self, Loaded};
use crate::domain::command::PromptOverride;
use crate::domain::effect::LaunchPlan;
use crate::domain::event::Event;
use crate::domain::updates::{Fingerprint, Updates};
use crate::runtime::context::Context;
use crate::runtime::prepare;
use crate::watch::Watch;

/// Lines of a diff that are shown; a prompt that is new from end to end says enough with these.
const DIFF_LINES: usize = 400;

/// A live run, as it would be launched now, and what it runs with.
pub(crate) type Compared = (LaunchPlan, Fingerprint);

/// Looks whenever the watcher says so, and once at the beginning: what changed while no instance was
/// there has changed as well.
pub(crate) async fn look(context: Arc<Context>, mut questions: watch::Receiver<Vec<Compared>>) {
    let changed = Arc::new(Notify::new());
    let tell = Arc::clone(&changed);
    let mut watching = match Watch::begin(move || tell.notify_one()) {
        Ok(watching) => Some(watching),
        Err(error) => {
            trouble(&context, &error).await;
            None
        }
    };
    let mut configured = Vec::new();
    changed.notify_one();
    loop {
        tokio::select! {
            () = changed.notified() => {
                // With mistakes in it, the files of the last good one are watched on.
                if let Some(files) = read(&context).await {
                    configured = files;
                }
            }
            asked = questions.changed() => {
                if asked.is_err() {
                    return;
                }
            }
        }
        let runs = questions.borrow_and_update().clone();
        let own = runs.iter().filter_map(|(plan, _)| match &plan.spec.prompt {
            Some(PromptOverride::File(path)) => Some(path.clone()),
            _ => None,
        });
        // Before the contents are read: what changes after that is told. What changed before a
        // folder was watched was not, so then it is looked once more.
        if let Some(watching) = &mut watching {
            match watching.set(configured.iter().cloned().chain(own)) {
                Ok(true) => changed.notify_one(),
                Ok(false) => {}
                Err(error) => trouble(&context, &error).await,
            }
        }
        compare(&context, runs).await;
    }
}

async fn trouble(context: &Context, error: &crate::watch::WatchError) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let text = format!("{error}{}", cause.unwrap_or_default());
    tracing::error!(%text, "cannot watch");
    context
        .tell(Event::Trouble {
            process: None,
            text,
        })
        .await;
}

/// Reads the configuration; returns the files that it depends on.
async fn read(context: &Arc<Context>) -> Option<Vec<PathBuf>> {
    let own = Arc::clone(context);
    let loaded = tokio::task::spawn_blocking(move || {
        let parent = |name: &str| own.environment.get(name).cloned();
        config::load(&own.source, &parent).map_err(|mistakes| mistakes.plain())
    })
    .await
    .ok()?;
    match loaded {
        Ok(Loaded {
            catalogue,
            mut files,
        }) => {
            let catalogue = Arc::new(catalogue);
            context.configure(Arc::clone(&catalogue));
            context.tell(Event::Configured { catalogue }).await;
            files.extend(context.source.file());
            Some(files)
        }
        Err(report) => {
            // The files of the last good one are watched on.
            context
                .tell(Event::Misconfigured {
                    report: report.into(),
                })
                .await;
            None
        }
    }
}

async fn compare(context: &Arc<Context>, runs: Vec<Compared>) {
    for (plan, before) in runs {
        let run = plan.run;
        let own = Arc::clone(context);
        let updates = tokio::task::spawn_blocking(move || difference(&own, &plan, &before)).await;
        if let Ok(updates) = updates {
            let updates = updates.map(Arc::new);
            context.tell(Event::Compared { run, updates }).await;
        }
    }
}

/// What a restart of this run would change.
fn difference(context: &Context, plan: &LaunchPlan, before: &Fingerprint) -> Option<Updates> {
    // A run of a build that kept none is not judged.
    if before.0.is_empty() {
        return None;
    }
    let gathered = match prepare::gather(context, plan) {
        Ok(gathered) => gathered,
        Err(fault) => {
            let mut now = before.clone();
            now.set("cannot be started", fault.to_string());
            let changes = before.changes(&now);
            return Some(Updates {
                now,
                changes,
                obstacle: Some(fault),
            });
        }
    };
    let now = prepare::fingerprint(context, plan, &gathered);
    let mut changes = before.changes(&now);
    for change in changes
        .iter_mut()
        .filter(|change| change.setting == "prompt")
    {
        let path = context
            .folders
            .runs
            .join(plan.run.to_string())
            .join("prompt.md");
        let text = fs::read_to_string(path).unwrap_or_default();
        change.diff = Some(diff(&text, gathered.prompt().unwrap_or_default()));
    }
    (!changes.is_empty()).then_some(Updates {
        now,
        changes,
        obstacle: None,
    })
}

fn diff(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let text = diff.unified_diff().context_radius(2).to_string();
    let mut lines: Vec<&str> = text.lines().take(DIFF_LINES).collect();
    let more = format!(
        "… {} more lines",
        text.lines().count().saturating_sub(DIFF_LINES)
    );
    if text.lines().count() > DIFF_LINES {
        lines.push(&more);
    }
    lines.join("\n")
}
