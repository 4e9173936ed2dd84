//! A diff as git prints it, one file after the other.

use crate::domain::worktree::FileChange;

/// What is different in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Its path, as git prints it.
    pub path: String,
    /// The path that it had before, where that is another.
    pub before: Option<String>,
    /// What happened.
    pub change: FileChange,
    /// Lines added; `None` for a binary file.
    pub added: Option<u32>,
    /// Lines removed; `None` for a binary file.
    pub removed: Option<u32>,
    /// What git says of it besides, for example a new mode.
    pub notes: Vec<String>,
    /// Its hunks: what stays, goes and comes, each line with its sign.
    pub lines: Vec<DiffLine>,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// What it is.
    pub sign: Sign,
    /// Its number in the file as it is now; in the file as it was where it goes; 0 for what has none.
    pub number: u32,
    /// The line without its sign.
    pub text: String,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It stays.
    Same,
    /// It comes.
    Added,
    /// It goes.
    Removed,
    /// The beginning of a hunk.
    Hunk,
    /// What git says about the line before.
    Note,
}

impl Sign {
    /// As it stands before the line.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Added => '+',
            Self::Removed => '-',
            Self::Hunk => '@',
            Self::Note => '\\',
        }
    }
}

/// Takes a diff apart. What is no diff gives no files.
#[must_use]
pub fn files(patch: &str) -> Vec<FileDiff> {
    let mut files: Vec<FileDiff> = Vec::new();
    // How much of the hunk is still to come, of the file before and of the file after.
    let (mut old_left, mut new_left) = (0u32, 0u32);
    let (mut old, mut new) = (0u32, 0u32);
    for line in patch.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let in_hunk = old_left > 0 || new_left > 0;
        if !in_hunk && let Some(names) = line.strip_prefix("diff --git ") {
            files.push(begun(names));
            continue;
        }
        let Some(file) = files.last_mut() else {
            continue;
        };
        if let Some(text) = line.strip_prefix('\\') {
            let text = text.trim_start().to_owned();
            file.lines.push(DiffLine {
                sign: Sign::Note,
                number: 0,
                text,
            });
        } else if in_hunk {
            let (sign, text) = match line.as_bytes().first() {
                Some(b'+') => (Sign::Added, &line[1..]),
                Some(b'-') => (Sign::Removed, &line[1..]),
                Some(b' ') => (Sign::Same, &line[1..]),
                _ => (Sign::Same, line),
            };
            let number = match sign {
                Sign::Removed => old,
                _ => new,
            };
            if sign != Sign::Added {
                old += 1;
                old_left = old_left.saturating_sub(1);
            }
            if sign != Sign::Removed {
                new += 1;
                new_left = new_left.saturating_sub(1);
            }
            match sign {
                Sign::Added => file.added = file.added.map(|n| n.saturating_add(1)),
                Sign::Removed => file.removed = file.removed.map(|n| n.saturating_add(1)),
                _ => {}
            }
            file.lines.push(DiffLine {
                sign,
                number,
                text: text.to_owned(),
            });
        } else if let Some((before, after)) = hunk(line) {
            ((old, old_left), (new, new_left)) = (before, after);
            file.lines.push(DiffLine {
                sign: Sign::Hunk,
                number: 0,
                text: line.to_owned(),
            });
        } else {
            header(file, line);
        }
    }
    files
}

/// Reads `a/name b/name`: exact where both are the same, which is where nothing else names the file.
fn begun(names: &str) -> FileDiff {
    let half = names.len() / 2;
    let same = names
        .get(..half)
        .zip(names.get(half + 1..))
        .filter(|(a, b)| a.get(2..) == b.get(2..));
    let path = match same {
        Some((_, b)) => side(b),
        None => side(names.rsplit(" b/").next().unwrap_or(names)),
    };
    FileDiff {
        path,
        before: None,
        change: FileChange::Modified,
        added: Some(0),
        removed: Some(0),
        notes: Vec::new(),
        lines: Vec::new(),
    }
}

/// A name without the letter of its side.
fn side(name: &str) -> String {
    let name = name.strip_suffix('\t').unwrap_or(name);
    if let Some(quoted) = name.strip_prefix('"') {
        let inner = quoted.strip_suffix('"').unwrap_or(quoted);
        return inner.get(2..).unwrap_or(inner).to_owned();
    }
    let plain = name.strip_prefix("a/").or_else(|| name.strip_prefix("b/"));
    plain.unwrap_or(name).to_owned()
}

fn header(file: &mut FileDiff, line: &str) {
    if line.starts_with("new file mode ") {
        file.change = FileChange::Added;
    } else if line.starts_with("deleted file mode ") {
        file.change = FileChange::Deleted;
    } else if let Some(name) = line.strip_prefix("rename from ") {
        file.change = FileChange::Renamed;
        file.before = Some(name.to_owned());
    } else if let Some(name) = line.strip_prefix("rename to ") {
        name.clone_into(&mut file.path);
    } else if let Some(name) = line.strip_prefix("+++ ") {
        if name != "/dev/null" {
            file.path = side(name);
        }
    } else if let Some(mode) = line.strip_prefix("old mode ") {
        file.notes.push(format!("mode was {mode}"));
    } else if let Some(mode) = line.strip_prefix("new mode ") {
        file.notes.push(format!("mode is {mode}"));
    } else if line.starts_with("Binary files ") || line == "GIT binary patch" {
        file.added = None;
        file.removed = None;
        file.notes.push("binary".to_owned());
    }
}

/// Reads `@@ -1,3 +1,4 @@`: the first line and how many, before and after.
fn hunk(line: &str) -> Option<((u32, u32), (u32, u32))> {
    let ranges = line.strip_prefix("@@ -")?;
    let (before, rest) = ranges.split_once(" +")?;
    let (after, _) = rest.split_once(" @@")?;
    let range = |text: &str| -> Option<(u32, u32)> {
        match text.split_once(',') {
            Some((first, count)) => Some((first.parse().ok()?, count.parse().ok()?)),
            None => Some((text.parse().ok()?, 1)),
        }
    };
    Some((range(before)?, range(after)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
diff --git a/src/lib.rs b/src/lib.rs
index 1..2 100644
--- a/src/lib.rs
+++ b/src/lib.rs
@@ -1,3 +1,4 @@ fn main() {
 one
-two
+TWO
+--- not a header
 three
@@ -9 +10 @@
-x
\\ No newline at end of file
+y
diff --git a/old name.txt b/new name.txt
similarity index 90%
rename from old name.txt
rename to new name.txt
diff --git a/raw.bin b/raw.bin
new file mode 100644
Binary files /dev/null and b/raw.bin differ
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-bye
diff --git a/run b/run
old mode 100644
new mode 100755
";

    #[test]
    fn a_diff_is_taken_apart() {
        let files = files(PATCH);
        let seen: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.change, file.added, file.removed))
            .collect();
        assert_eq!(
            seen,
            [
                ("src/lib.rs", FileChange::Modified, Some(3), Some(2)),
                ("new name.txt", FileChange::Renamed, Some(0), Some(0)),
                ("raw.bin", FileChange::Added, None, None),
                ("gone", FileChange::Deleted, Some(0), Some(1)),
                ("run", FileChange::Modified, Some(0), Some(0)),
            ]
        );
        assert_eq!(files[1].before.as_deref(), Some("old name.txt"));
        assert_eq!(files[4].notes, ["mode was 100644", "mode is 100755"]);
        let lines: Vec<_> = files[0]
            .lines
            .iter()
            .map(|line| (line.sign.letter(), line.number, line.text.as_str()))
            .collect();
        assert_eq!(
            lines[..6],
            [
                ('@', 0, "@@ -1,3 +1,4 @@ fn main() {"),
                (' ', 1, "one"),
                ('-', 2, "two"),
                ('+', 2, "TWO"),
                ('+', 3, "--- not a header"),
                (' ', 4, "three"),
            ]
        );
        assert_eq!(lines[8], ('\\', 0, "No newline at end of file"));
        assert_eq!(lines[9], ('+', 10, "y"));
    }

    #[test]
    fn what_is_no_diff_has_no_files() {
        for text in ["", "\n\n", "+++ b/x\n@@ -1 +1 @@\n", "@@ -1,99 +1,99 @@"] {
            assert!(files(text).is_empty(), "{text:?}");
        }
        // One that is cut in the middle of a hunk is read as far as it goes.
        let cut = &PATCH[..80];
        assert_eq!(files(cut).len(), 1);
    }
}
