//! Tasks that wait for others: who waits for whom, what lets them go, and results that flow on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::fleet::Fleet;
use crate::domain::id::TaskId;
use crate::domain::mention;
use crate::domain::task::{Task, TaskState};

/// More of one result does not go into another task's text.
const MOST_RESULT: usize = 256 * 1024;

/// Which tasks wait for which; an index over the fleet's tasks.
#[derive(Debug, Default)]
pub(super) struct Graph {
    // Who waits for a task. No set is empty.
    children: HashMap<TaskId, BTreeSet<TaskId>>,
    // Of the call in hand: tasks whose children may go, or may not any more.
    turned: BTreeSet<TaskId>,
    // Of the call in hand: tasks that may have to wait for others.
    unsettled: BTreeSet<TaskId>,
}

impl Graph {
    /// Takes a task in, with those it waits for.
    pub(super) fn link(&mut self, task: &Task) {
        for parent in &task.after {
            self.children.entry(*parent).or_default().insert(task.id);
        }
        // Also one that waits for nothing: it may have waited until now.
        self.unsettled.insert(task.id);
    }

    /// Takes a task out; those that wait for it look again.
    pub(super) fn unlink(&mut self, task: &Task) {
        for parent in &task.after {
            if let Some(children) = self.children.get_mut(parent) {
                children.remove(&task.id);
                if children.is_empty() {
                    self.children.remove(parent);
                }
            }
        }
        self.turned.insert(task.id);
    }

    /// Takes note of a task that has come to another state.
    pub(super) fn turned(&mut self, task: &Task, before: TaskState) {
        let done = TaskState::Succeeded;
        if (task.state == done) != (before == done) {
            self.turned.insert(task.id);
        }
        if task.state == TaskState::Queued && !task.after.is_empty() {
            self.unsettled.insert(task.id);
        }
    }

    /// Who waits for a task.
    pub(super) fn children(&self, of: TaskId) -> Vec<TaskId> {
        let children = self.children.get(&of);
        children.map_or_else(Vec::new, |children| children.iter().copied().collect())
    }
}

/// A task to wait for that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoParent {
    /// What it was called.
    pub(super) name: String,
    /// Whether the text mentions it; else it stands under `after`.
    pub(super) mentioned: bool,
}

impl NoParent {
    pub(super) fn text(&self) -> String {
        format!("there is no task `{}` to wait for", self.name)
    }
}

impl Fleet {
    /// Lets go what waited for tasks that have succeeded, and holds back what may not go yet.
    pub(super) fn settle_dependents(&mut self) {
        let mut looked_at = std::mem::take(&mut self.graph.unsettled);
        for parent in std::mem::take(&mut self.graph.turned) {
            looked_at.extend(self.graph.children(parent));
        }
        for id in looked_at {
            let Some(task) = self.tasks.get(&id) else {
                continue;
            };
            let state = match (task.state, self.obstacle(task)) {
                (TaskState::Blocked, None) => TaskState::Queued,
                (TaskState::Queued, Some(_)) => TaskState::Blocked,
                _ => continue,
            };
            self.with_task(id, |task| task.state = state);
        }
        // What was let go is where it belongs.
        self.graph.unsettled.clear();
    }

    /// The first of those that a task waits for which has not succeeded.
    fn obstacle(&self, task: &Task) -> Option<TaskId> {
        let succeeded = |id: &TaskId| {
            let parent = self.tasks.get(id);
            parent.is_some_and(|parent| parent.state == TaskState::Succeeded)
        };
        task.after.iter().copied().find(|id| !succeeded(id))
    }

    /// The task that somebody means: by its name in the list in hand, by its id, or by its key.
    pub(super) fn referred(
        &self,
        reference: &str,
        names: &HashMap<&str, TaskId>,
    ) -> Option<TaskId> {
        let reference = reference.trim();
        if let Some(id) = names.get(reference) {
            return Some(*id);
        }
        let by_id = reference.parse::<TaskId>().ok();
        if let Some(id) = by_id.filter(|id| self.tasks.contains_key(id)) {
            return Some(id);
        }
        self.keys.get(reference).copied()
    }

    /// Those that a task waits for, the ones included whose result its text mentions, and its text
    /// with each of these mentioned by its id.
    pub(super) fn parents(
        &self,
        after: &[String],
        text: &str,
        names: &HashMap<&str, TaskId>,
    ) -> Result<(Vec<TaskId>, String), Vec<NoParent>> {
        let mut missing: Vec<NoParent> = Vec::new();
        let mut parents = Vec::new();
        let listed = after.iter().map(|name| (name.as_str(), false));
        let mentioned = mention::mentioned(text).map(|name| (name, true));
        for (reference, mentioned) in listed.chain(mentioned) {
            let name = reference.trim();
            match self.referred(name, names) {
                Some(id) if !parents.contains(&id) => parents.push(id),
                Some(_) => {}
                None if missing.iter().any(|known| known.name == name) => {}
                None => missing.push(NoParent {
                    name: name.to_owned(),
                    mentioned,
                }),
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let text = mention::replaced(text, |name| {
            let id = self.referred(name, names)?;
            Some(mention::mention(&id.to_string()))
        });
        Ok((parents, text))
    }

    /// The way from a task over those it waits for back to itself, if there is one.
    pub(super) fn circle(&self, id: TaskId, after: &[TaskId]) -> Option<Vec<TaskId>> {
        circle(id, after, |one| {
            self.tasks
                .get(&one)
                .map_or(&[][..], |task| task.after.as_slice())
        })
    }

    /// The text of a task with the results that it mentions in their places.
    pub(super) fn filled(&self, task: &Task) -> String {
        mention::replaced(&task.text, |name| {
            let id = name.parse::<TaskId>().ok()?;
            let result = self.tasks.get(&id)?.result.as_ref()?;
            Some(short(&result.text))
        })
    }

    /// Before a task is deleted: who waits for it and needs nothing of it is let go.
    pub(super) fn release_children(&mut self, of: TaskId) {
        let done = |task: &Arc<Task>| task.state == TaskState::Succeeded;
        if !self.tasks.get(&of).is_some_and(done) {
            return;
        }
        let name = of.to_string();
        for child in self.graph.children(of) {
            let needs = self.tasks.get(&child).is_none_or(|child| {
                child.state.is_final() || mention::mentioned(&child.text).any(|one| one == name)
            });
            if needs {
                continue;
            }
            if let Some(child) = self.tasks.get(&child) {
                self.graph.unlink(child);
            }
            self.with_task(child, |child| child.after.retain(|one| *one != of));
            if let Some(child) = self.tasks.get(&child) {
                self.graph.link(child);
            }
        }
    }
}

/// The way from a task back to itself; `after` says what one waits for.
pub(super) fn circle<'a>(
    id: TaskId,
    first: &'a [TaskId],
    after: impl Fn(TaskId) -> &'a [TaskId],
) -> Option<Vec<TaskId>> {
    // Depth first, each task once: what was seen and left leads nowhere.
    let mut seen = BTreeSet::new();
    let mut way = vec![(id, first)];
    while let Some((_, rest)) = way.last_mut() {
        let Some((next, others)) = rest.split_first() else {
            way.pop();
            continue;
        };
        *rest = others;
        if *next == id {
            return Some(way.iter().map(|(id, _)| *id).chain([id]).collect());
        }
        if seen.insert(*next) {
            way.push((*next, after(*next)));
        }
    }
    None
}

/// Those that stand on circles or between two; there are none in a list as it should be, and that is
/// told in one walk over it.
pub(super) fn knotted(after: &HashMap<TaskId, &[TaskId]>) -> BTreeSet<TaskId> {
    let mut children: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
    for (id, parents) in after {
        for parent in *parents {
            children.entry(*parent).or_default().push(*id);
        }
    }
    let children_of = |id: TaskId| children.get(&id).map_or(&[][..], Vec::as_slice);
    let parents_of = |id: TaskId| after.get(&id).copied().unwrap_or_default();
    let all = after.keys().copied().collect();
    let behind = unravelled(all, parents_of, children_of);
    unravelled(behind, children_of, parents_of)
}

/// What is left when whoever has nobody before it goes, again and again.
fn unravelled<'a>(
    of: BTreeSet<TaskId>,
    before: impl Fn(TaskId) -> &'a [TaskId],
    behind: impl Fn(TaskId) -> &'a [TaskId],
) -> BTreeSet<TaskId> {
    let mut left = of;
    let mut counts: HashMap<TaskId, usize> = left
        .iter()
        .map(|id| {
            (
                *id,
                before(*id).iter().filter(|one| left.contains(one)).count(),
            )
        })
        .collect();
    let mut free: Vec<TaskId> = left
        .iter()
        .copied()
        .filter(|id| counts.get(id) == Some(&0))
        .collect();
    while let Some(id) = free.pop() {
        left.remove(&id);
        for next in behind(id) {
            if let Some(count) = counts.get_mut(next).filter(|count| **count > 0) {
                *count -= 1;
                if *count == 0 {
                    free.push(*next);
                }
            }
        }
    }
    left
}

fn short(text: &str) -> String {
    if text.len() <= MOST_RESULT {
        return text.to_owned();
    }
    let mut end = MOST_RESULT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!(
        "{}\n… cut here: the result is {} KiB long",
        &text[..end],
        text.len() / 1024
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_with_its_way_and_a_diamond_is_none() {
        let graph: HashMap<u64, Vec<TaskId>> = [
            (1, vec![2, 3]),
            (2, vec![4]),
            (3, vec![4]),
            (4, vec![]),
            (5, vec![6]),
            (6, vec![4, 5]),
        ]
        .into_iter()
        .map(|(id, after)| (id, after.into_iter().map(TaskId).collect()))
        .collect();
        let after = |id: TaskId| graph.get(&id.0).map_or(&[][..], Vec::as_slice);
        assert_eq!(circle(TaskId(1), after(TaskId(1)), after), None);
        let way = [5, 6, 5].map(TaskId).to_vec();
        assert_eq!(circle(TaskId(5), after(TaskId(5)), after), Some(way));
        assert_eq!(
            circle(TaskId(9), &[TaskId(9)], after),
            Some([9, 9].map(TaskId).to_vec())
        );
    }

    #[test]
    fn only_what_stands_on_circles_is_knotted() {
        let check = |edges: &[(u64, &[u64])], expected: &[u64]| {
            let graph: Vec<(TaskId, Vec<TaskId>)> = edges
                .iter()
                .map(|(id, after)| (TaskId(*id), after.iter().copied().map(TaskId).collect()))
                .collect();
            let after = graph.iter().map(|(id, after)| (*id, after.as_slice()));
            let expected = expected.iter().copied().map(TaskId).collect();
            assert_eq!(knotted(&after.collect()), expected, "{edges:?}");
        };
        check(&[(1, &[]), (2, &[1]), (3, &[1, 2]), (4, &[2, 3])], &[]);
        // One before, one behind, and one that waits for a task that is there already.
        check(&[(1, &[9]), (2, &[1, 3]), (3, &[2]), (4, &[3])], &[2, 3]);
        check(&[(1, &[1])], &[1]);
        // What lies between two circles may be on none.
        check(
            &[(1, &[2]), (2, &[1]), (3, &[2]), (4, &[3, 5]), (5, &[4])],
            &[1, 2, 3, 4, 5],
        );
    }

    #[test]
    fn a_long_result_is_cut_between_two_characters() {
        let short = short(&"ü".repeat(MOST_RESULT));
        assert!(short.len() < MOST_RESULT + 100 && short.contains("cut here"));
    }
}
