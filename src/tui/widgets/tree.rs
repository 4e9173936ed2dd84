//! The processes of a tree, drawn as one.

use std::collections::HashSet;

use crate::domain::snapshot::Member;

/// Deeper ones are moved in no further: nothing would be left of their names.
const DEEPEST: usize = 8;

/// Each process with what stands before its name, parents before children.
pub(crate) fn rows(members: &[Member]) -> Vec<(String, &Member)> {
    let pids: HashSet<u32> = members.iter().map(|member| member.pid).collect();
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    // Those whose parent is not of the tree: the agent, and who was orphaned.
    let mut roots: Vec<&Member> = members
        .iter()
        .filter(|member| !pids.contains(&member.parent) || member.parent == member.pid)
        .collect();
    roots.sort_by_key(|member| member.pid);
    for root in roots {
        seen.insert(root.pid);
        rows.push((String::new(), root));
        below(root, "", members, &mut seen, &mut rows);
    }
    rows
}

fn below<'a>(
    parent: &Member,
    before: &str,
    members: &'a [Member],
    seen: &mut HashSet<u32>,
    rows: &mut Vec<(String, &'a Member)>,
) {
    let mut children: Vec<&Member> = members
        .iter()
        .filter(|member| member.parent == parent.pid && !seen.contains(&member.pid))
        .collect();
    children.sort_by_key(|member| member.pid);
    // A sample is not of one moment: numbers that were used again could make a circle.
    seen.extend(children.iter().map(|member| member.pid));
    let count = children.len();
    for (at, child) in children.into_iter().enumerate() {
        let (branch, further) = if at + 1 == count {
            ("└ ", "  ")
        } else {
            ("├ ", "│ ")
        };
        rows.push((format!("{before}{branch}"), child));
        let further = if before.chars().count() < 2 * DEEPEST {
            format!("{before}{further}")
        } else {
            before.to_owned()
        };
        below(child, &further, members, seen, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tree: &[(u32, u32)], expected: &[&str]) {
        let members: Vec<Member> = tree
            .iter()
            .map(|(pid, parent)| Member {
                pid: *pid,
                parent: *parent,
                ..Member::default()
            })
            .collect();
        let drawn: Vec<String> = rows(&members)
            .iter()
            .map(|(before, member)| format!("{before}{}", member.pid))
            .collect();
        assert_eq!(drawn, expected);
    }

    #[test]
    fn children_stand_below_their_parents() {
        let tree = [(9, 2), (2, 1), (4, 2), (5, 4), (6, 4), (20, 1)];
        let drawn = ["2", "├ 4", "│ ├ 5", "│ └ 6", "└ 9", "20"];
        check(&tree, &drawn);
        check(&[], &[]);
    }

    #[test]
    fn numbers_that_were_used_again_make_no_circle() {
        check(&[(2, 1), (3, 2), (2, 3)], &["2", "└ 3"]);
        check(&[(3, 3)], &["3"]);
    }
}
