//! The tools that read and write files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{pattern::matches_path, rules::target, tools::Outcome};

/// How many files a search looks at, at most.
const SEARCHED: usize = 20_000;

/// Runs a tool, or says that there is none of this name.
pub(super) fn run(tool: &str, input: &Value, cwd: &Path) -> Option<Outcome> {
    let path = target(input, cwd).unwrap_or_else(|| cwd.to_owned());
    let text = |field: &str| input[field].as_str().unwrap_or_default();
    let done = match tool {
        "Read" => read(&path),
        "Write" => write(&path, text("content")),
        "Edit" => edit(&path, text("old_string"), text("new_string")),
        "LS" => list(&path),
        "Glob" => Ok(glob(&path, text("pattern"))),
        "Grep" => Ok(grep(&path, text("pattern"))),
        _ => return None,
    };
    Some(done.unwrap_or_else(|error| Outcome::error(&format!("{}: {error}", path.display()))))
}

fn read(path: &Path) -> io::Result<Outcome> {
    let text = fs::read_to_string(path)?;
    let lines: Vec<String> = text
        .split('\n')
        .enumerate()
        .map(|(number, line)| format!("{}\t{line}", number + 1))
        .collect();
    Ok(Outcome {
        content: lines.join("\n"),
        is_error: false,
        twin: json!({"type": "text", "file": {
            "filePath": path, "content": text, "numLines": lines.len(), "startLine": 1, "totalLines": lines.len(),
        }}),
    })
}

fn write(path: &Path, content: &str) -> io::Result<Outcome> {
    let before = fs::read_to_string(path).ok();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)?;
    let (kind, patch, said) = match &before {
        Some(before) => (
            "update",
            patch(before, content),
            "The file has been updated:",
        ),
        None => ("create", json!([]), "File created successfully at:"),
    };
    Ok(Outcome {
        content: format!("{said} {}", path.display()),
        is_error: false,
        twin: json!({
            "type": kind, "filePath": path, "content": content, "structuredPatch": patch, "originalFile": before,
            "userModified": false,
        }),
    })
}

fn edit(path: &Path, old: &str, new: &str) -> io::Result<Outcome> {
    let before = fs::read_to_string(path)?;
    let found = if old.is_empty() {
        0
    } else {
        before.matches(old).count()
    };
    if found != 1 {
        let said = if found == 0 {
            "is not in the file"
        } else {
            "is in the file more than once"
        };
        return Ok(Outcome::error(&format!(
            "String to replace {said}.\nString: {old}"
        )));
    }
    let after = before.replace(old, new);
    fs::write(path, &after)?;
    Ok(Outcome {
        content: format!("The file {} has been updated successfully.", path.display()),
        is_error: false,
        twin: json!({
            "filePath": path, "oldString": old, "newString": new, "structuredPatch": patch(&before, &after),
            "originalFile": before, "userModified": false, "replaceAll": false,
        }),
    })
}

/// Returns the one block of lines in which two texts differ, without context.
fn patch(before: &str, after: &str) -> Value {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let room = old.len().min(new.len()) - same;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(room)
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[same..old.len() - tail], &new[same..new.len() - tail]);
    let lines: Vec<String> = old
        .iter()
        .map(|line| format!("-{line}"))
        .chain(new.iter().map(|line| format!("+{line}")))
        .collect();
    if lines.is_empty() {
        return json!([]);
    }
    json!([{
        "oldStart": same + 1, "oldLines": old.len(), "newStart": same + 1, "newLines": new.len(), "lines": lines,
    }])
}

fn list(path: &Path) -> io::Result<Outcome> {
    let mut names = vec![];
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort_unstable();
    Ok(Outcome {
        content: names.join("\n"),
        is_error: false,
        twin: json!({"filenames": names}),
    })
}

fn glob(root: &Path, pattern: &str) -> Outcome {
    let found: Vec<String> = walk(root)
        .iter()
        .filter(|path| {
            path.strip_prefix(root)
                .is_ok_and(|inner| matches_path(pattern, &inner.to_string_lossy()))
        })
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    found_files(&found, &found.join("\n"))
}

fn grep(root: &Path, text: &str) -> Outcome {
    let mut found = vec![];
    let mut lines = vec![];
    for path in walk(root) {
        let content = fs::read_to_string(&path).unwrap_or_default();
        let hits = content
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(text));
        let before = lines.len();
        lines
            .extend(hits.map(|(number, line)| format!("{}:{}:{line}", path.display(), number + 1)));
        if lines.len() > before {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found_files(&found, &lines.join("\n"))
}

fn found_files(files: &[String], content: &str) -> Outcome {
    let content = if files.is_empty() {
        "No files found"
    } else {
        content
    };
    Outcome {
        content: content.to_owned(),
        is_error: false,
        twin: json!({"filenames": files, "numFiles": files.len(), "truncated": false}),
    }
}

/// Returns the files below a folder, sorted, without those in hidden folders.
fn walk(root: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_hidden => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && files.len() < SEARCHED => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort_unstable();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_changed_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let run = |tool: &str, input: Value| run(tool, &input, folder.path()).unwrap();
        let made = run(
            "Write",
            json!({"file_path": "a/b.txt", "content": "hello old world\n"}),
        );
        assert_eq!(made.twin["type"], "create");
        let edited = run(
            "Edit",
            json!({"file_path": "a/b.txt", "old_string": "old", "new_string": "new"}),
        );
        let lines = json!(["-hello old world", "+hello new world"]);
        assert_eq!(edited.twin["structuredPatch"][0]["lines"], lines);
        let read = run("Read", json!({"file_path": "a/b.txt"}));
        assert_eq!(read.content, "1\thello new world\n2\t");
        assert!(
            run(
                "Edit",
                json!({"file_path": "a/b.txt", "old_string": "old", "new_string": ""})
            )
            .is_error
        );
        assert!(run("Read", json!({"file_path": "none"})).is_error);
        assert_eq!(run("LS", json!({"path": "."})).content, "a/");
        assert!(
            run("Glob", json!({"pattern": "**/*.txt"}))
                .content
                .ends_with("a/b.txt")
        );
        assert!(
            run("Grep", json!({"pattern": "new w"}))
                .content
                .ends_with("a/b.txt:1:hello new world")
        );
    }

    #[test]
    fn a_patch_holds_only_what_changed() {
        let hunk = patch("a\nb\nc\n", "a\nx\ny\nc\n");
        assert_eq!(hunk[0]["lines"], json!(["-b", "+x", "+y"]));
        assert_eq!(
            (&hunk[0]["oldStart"], &hunk[0]["newLines"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(patch("a\n", "a\n"), json!([]));
    }
}
