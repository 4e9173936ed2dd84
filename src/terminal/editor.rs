//! Lets the person edit a text in the editor of the environment.

use std::fs;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

/// A text that is being edited. The file goes when this does.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    before: String,
}

impl Draft {
    /// Writes the text to a file that only this user can read.
    pub(crate) fn write(text: &str, suffix: &str) -> io::Result<Self> {
        // The suffix comes over a socket: it must not lead out of the folder.
        let suffix: String = suffix
            .chars()
            .filter(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_'))
            .take(32)
            .collect();
        let name = format!("headcount-{}{suffix}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let draft = Self {
            path,
            before: text.to_owned(),
        };
        file.write_all(text.as_bytes())?;
        Ok(draft)
    }

    /// Starts the editor on it, with the terminal as its own. `editor` is a shell command, as
    /// `git` takes it; `vi` where it is empty.
    pub(crate) fn open(
        &self,
        editor: &str,
        input: BorrowedFd<'_>,
        output: BorrowedFd<'_>,
    ) -> io::Result<Child> {
        let editor = if editor.trim().is_empty() {
            "vi"
        } else {
            editor
        };
        Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{editor} \"$1\""))
            .arg("sh")
            .arg(&self.path)
            .stdin(Stdio::from(input.try_clone_to_owned()?))
            .stdout(Stdio::from(output.try_clone_to_owned()?))
            .stderr(Stdio::from(output.try_clone_to_owned()?))
            .spawn()
    }

    /// The text as it is now; `None` if it was not changed or cannot be read.
    pub(crate) fn changed(&self) -> Option<String> {
        let text = fs::read(&self.path).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        (text != self.before).then_some(text)
    }

    #[cfg(test)]
    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    // It may be gone already; nobody could do more about it.
    drop(fs::remove_file(path));
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn edit(editor: &str) -> (Option<String>, PathBuf) {
        let draft = Draft::write("first\n", ".md/../x").unwrap();
        let path = draft.path().to_owned();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let null = fs::File::open("/dev/null").unwrap();
        let mut child = draft.open(editor, null.as_fd(), null.as_fd()).unwrap();
        child.wait().await.unwrap();
        (draft.changed(), path)
    }

    #[tokio::test]
    async fn the_text_comes_back_changed_and_the_file_goes() {
        let (text, path) = edit("sh -c 'echo second >> \"$1\"' x").await;
        assert_eq!(text.as_deref(), Some("first\nsecond\n"));
        assert!(!path.exists());
        assert!(path.to_string_lossy().ends_with(".md..x"));
    }

    #[tokio::test]
    async fn an_unchanged_text_is_none() {
        assert_eq!(edit("true").await.0, None);
        assert_eq!(edit("/nonexistent/editor").await.0, None);
    }
}
