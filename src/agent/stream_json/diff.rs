//! The change that a writing tool would make, as far as its input tells.

use serde_json::Value;

use crate::agent::stream_json::text::exact;
use crate::agent::stream_json::value::{is, list, text};

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// Above this many pairs of lines, the whole middle is shown as taken out and put in.
const MOST_PAIRS: usize = 250_000;

/// A longer change is cut, and says so: it must still fit into a screen's memory.
const MOST_LINES: usize = 4000;

/// The change as lines of a unified diff, without line numbers: the input does not have them.
pub(super) fn of(tool: &str, input: &Value) -> Option<String> {
    let path = path(tool, input)?;
    let mut lines = Vec::new();
    for (old, new, everywhere) in changes(tool, input) {
        lines.push(
            if everywhere {
                "@@ wherever it stands @@"
            } else {
                "@@"
            }
            .to_owned(),
        );
        compare(&lines_of(old), &lines_of(new), &mut lines);
    }
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("… {more} more lines, not shown"));
    }
    let path = exact(path);
    Some(exact(&format!(
        "--- {path}\n+++ {path}\n{}",
        lines.join("\n")
    )))
}

/// Lines put in and taken out, for one line of the log.
pub(super) fn counts(tool: &str, input: &Value) -> Option<(usize, usize)> {
    path(tool, input)?;
    let mut lines = Vec::new();
    for (old, new, _) in changes(tool, input) {
        compare(&lines_of(old), &lines_of(new), &mut lines);
    }
    let starting = |mark| lines.iter().filter(|line| line.starts_with(mark)).count();
    Some((starting('+'), starting('-')))
}

fn path<'a>(tool: &str, input: &'a Value) -> Option<&'a str> {
    let key = match tool {
        "Edit" | "MultiEdit" | "Write" => "file_path",
        "NotebookEdit" => "notebook_path",
        _ => return None,
    };
    input.get(key)?.as_str()
}

/// Old text, new text, and whether every place is meant.
fn changes<'a>(tool: &str, input: &'a Value) -> Vec<(&'a str, &'a str, bool)> {
    let edit = |edit: &'a Value| {
        let (old, new) = (text(edit, "old_string"), text(edit, "new_string"));
        (old, new, is(edit, "replace_all"))
    };
    match tool {
        "Write" => vec![("", text(input, "content"), false)],
        "NotebookEdit" => vec![("", text(input, "new_source"), false)],
        "MultiEdit" => list(input, "edits").iter().map(edit).collect(),
        _ => vec![edit(input)],
    }
}

fn lines_of(text: &str) -> Vec<&str> {
    text.split_terminator('\n').collect()
}

fn compare(old: &[&str], new: &[&str], out: &mut Vec<String>) {
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| -> usize {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let head = same(&mut old.iter().zip(new));
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = same(&mut old_rest.iter().rev().zip(new_rest.iter().rev()));
    let (old_end, new_end) = (old_rest.len() - tail, new_rest.len() - tail);
    let context = |lines: &[&str], out: &mut Vec<String>| {
        out.extend(lines.iter().map(|line| format!(" {line}")));
    };
    context(&old[head.saturating_sub(CONTEXT)..head], out);
    middle(&old_rest[..old_end], &new_rest[..new_end], out);
    context(
        &old_rest[old_end..(old_end + CONTEXT).min(old_rest.len())],
        out,
    );
}

/// Takes out and puts in as little as possible, by the longest common subsequence.
fn middle(old: &[&str], new: &[&str], out: &mut Vec<String>) {
    let mut taken = |mark: char, line: &str| out.push(format!("{mark}{line}"));
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        old.iter().for_each(|line| taken('-', line));
        new.iter().for_each(|line| taken('+', line));
        return;
    }
    let width = new.len() + 1;
    // Length of the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            taken(' ', old[i]);
            (i, j) = (i + 1, j + 1);
        } else if i < old.len()
            && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            taken('-', old[i]);
            i += 1;
        } else {
            taken('+', new[j]);
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_edit_shows_what_goes_and_what_comes_with_a_little_around_it() {
        let input = json!({
            "file_path": "/srv/a.rs",
            "old_string": "1\n2\n3\n4\nfive\nsix\nseven\n8\n",
            "new_string": "1\n2\n3\n4\n5\nsix\n7\n7b\n8\n",
        });
        assert_eq!(
            of("Edit", &input).unwrap(),
            "--- /srv/a.rs\n+++ /srv/a.rs\n@@\n 2\n 3\n 4\n-five\n+5\n six\n-seven\n+7\n+7b\n 8"
        );
        assert_eq!(counts("Edit", &input), Some((3, 2)));
    }

    #[test]
    fn a_write_is_all_new_and_other_tools_change_nothing() {
        let input = json!({"file_path": "a", "content": "x\n\u{1b}[2Jy"});
        assert_eq!(
            of("Write", &input).unwrap(),
            "--- a\n+++ a\n@@\n+x\n+\u{fffd}[2Jy"
        );
        assert_eq!(of("Bash", &json!({"command": "ls"})), None);
    }

    #[test]
    fn a_change_without_end_is_cut_and_says_so() {
        let input = json!({"file_path": "a", "content": "x\n".repeat(5000)});
        let diff = of("Write", &input).unwrap();
        assert!(
            diff.ends_with("\n… 1001 more lines, not shown"),
            "{}",
            &diff[diff.len() - 60..]
        );
    }
}
