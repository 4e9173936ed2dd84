//! Whose a process is: its parents, up to the first process.

use std::collections::HashSet;

use super::proc;

/// Returns the process and its parents, nearest first, up to the first process.
///
/// Ends early where a parent is gone meanwhile; empty if the process itself is.
pub fn parents(pid: u32) -> Vec<u32> {
    let mut line = Vec::new();
    let mut next = pid;
    // A number that passes on during the walk could close a circle.
    while next != 0 && !line.contains(&next) {
        let Some(parent) = proc::with_stat(next, |stat| stat.parent) else {
            break;
        };
        line.push(next);
        next = parent;
    }
    line
}

/// Returns which of `ancestors` is nearest above the process, or is the process itself.
pub fn descends_from(pid: u32, ancestors: &HashSet<u32>) -> Option<u32> {
    parents(pid)
        .into_iter()
        .find(|parent| ancestors.contains(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_descends_from_itself_and_its_parent() {
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        assert_eq!(parents(own).get(..2), Some(&[own, parent][..]));
        assert_eq!(descends_from(own, &HashSet::from([parent])), Some(parent));
        assert_eq!(descends_from(own, &HashSet::from([parent, own])), Some(own));
        assert_eq!(descends_from(own, &HashSet::new()), None);
    }
}
