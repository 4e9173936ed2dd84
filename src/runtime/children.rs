//! Programs that the instance itself runs, such as git: started, waited for, bounded in time, and known, so that
//! nobody takes them for strays.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::os::orphans::Children;

/// Why a program brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// It was not started.
    #[error("cannot start `{program}`")]
    Start {
        /// What was to be started.
        program: String,
        /// Why it was not.
        #[source]
        source: io::Error,
    },
    /// It took too long, and was killed.
    #[error("`{program}` did not end within {} s and was killed", limit.as_secs())]
    Late {
        /// What was started.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// What it said could not be read.
    #[error("cannot read what `{program}` says")]
    Read {
        /// What was started.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Takes the PID out again, however the wait ends.
struct Known<'a>(&'a Children, Option<u32>);

impl Drop for Known<'_> {
    fn drop(&mut self) {
        if let Some(pid) = self.1 {
            self.0.reaped(pid);
        }
    }
}

/// Runs a program to its end, with this on its standard input, and returns what it said.
///
/// A program that is late is killed; the caller's end kills it as well.
///
/// # Errors
/// It was not started, was late, or could not be read. An exit code is no error.
pub(crate) async fn run(
    children: &Children,
    mut command: Command,
    input: &[u8],
    limit: Duration,
) -> Result<Output, ChildError> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = children
        .start(|| {
            let child = command.spawn()?;
            let pid = child.id();
            Ok((child, pid))
        })
        .map_err(|source| ChildError::Start {
            program: program.clone(),
            source,
        })?;
    let _known = Known(children, child.id());
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not want all of it closes its end: that is its business.
            drop(stdin.write_all(input).await);
        }
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    match timeout(limit, both).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(source)) => Err(ChildError::Read { program, source }),
        Err(_) => Err(ChildError::Late { program, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        command
    }

    #[tokio::test]
    async fn a_program_reads_and_says_and_ends() {
        let children = Children::default();
        let limit = Duration::from_secs(30);
        let big = vec![b'x'; 1 << 20];
        let output = run(&children, shell("wc -c; exit 3"), &big, limit)
            .await
            .expect("it runs");
        assert_eq!(output.stdout.trim_ascii(), b"1048576");
        assert_eq!(output.status.code(), Some(3));
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_is_no_error() {
        let children = Children::default();
        let big = vec![b'x'; 1 << 20];
        let output = run(&children, shell("exit 0"), &big, Duration::from_secs(30))
            .await
            .expect("it runs");
        assert!(output.status.success());
    }

    #[tokio::test]
    async fn a_late_program_is_killed() {
        let children = Children::default();
        let limit = Duration::from_millis(20);
        let late = run(&children, shell("exec sleep 600"), b"", limit).await;
        assert!(matches!(late, Err(ChildError::Late { .. })), "{late:?}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let children = Children::default();
        let gone = Command::new("/nowhere/at-all");
        let error = run(&children, gone, b"", Duration::from_secs(1)).await;
        let error = error.expect_err("it is not there");
        assert_eq!(error.to_string(), "cannot start `/nowhere/at-all`");
    }
}
