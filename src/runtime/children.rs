//! Programs that the instance itself runs, such as git: started, waited for, bounded in time and in what is kept of what
//! they say, and known, so that nobody takes them for strays. What they leave behind is one: it is ended and reaped.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::os::orphans::Children;

/// No more than this is kept of either stream.
const MOST: usize = 256 << 20;

/// How long a program that has ended is listened to if somebody else holds its output, all that it said itself being
/// there by then; and how long the end of one that was killed is awaited.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a program said.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// On its standard output, from the beginning.
    pub(crate) stdout: Vec<u8>,
    /// On its standard error, from the beginning.
    pub(crate) stderr: Vec<u8>,
    /// Bytes of its standard output that were not kept.
    pub(crate) left_out: u64,
}

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
    /// It said more than is kept.
    #[error("`{program}` said {} MiB, and {} are read", said >> 20, MOST >> 20)]
    TooMuch {
        /// What was started.
        program: String,
        /// How much it said, in bytes.
        said: u64,
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
        .start_apart(&mut command)
        .map_err(|source| ChildError::Start {
            program: program.clone(),
            source,
        })?;
    let _known = Known(children, child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not want all of it closes its end: that is its business.
            drop(stdin.write_all(input).await);
        }
    };
    let (mut out, mut err) = (Kept::default(), Kept::default());
    let talk = async {
        let ((), out, err) = tokio::join!(feed, out.read(stdout), err.read(stderr));
        out.and(err)
    };
    let all = async {
        tokio::pin!(talk);
        tokio::select! {
            said = &mut talk => {
                said?;
                child.wait().await
            }
            status = child.wait() => {
                tokio::select! {
                    said = &mut talk => said?,
                    // What it started and left behind holds on to it.
                    () = sleep(LAST_WORDS) => {}
                }
                status
            }
        }
    };
    let ended = timeout(limit, all).await;
    let status = match ended {
        Ok(Ok(status)) => status,
        Ok(Err(source)) => return Err(ChildError::Read { program, source }),
        Err(_) => {
            // Here, and not when it is dropped: until it is reaped it is known. One that the kernel does not let go is
            // left to that.
            drop(timeout(LAST_WORDS, child.kill()).await);
            return Err(ChildError::Late { program, limit });
        }
    };
    Ok(Output {
        status,
        stdout: out.bytes,
        stderr: err.bytes,
        left_out: out.left_out,
    })
}

/// What was read of a stream.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    left_out: u64,
}

impl Kept {
    /// Reads to the end, and counts what is beyond what is kept.
    async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) -> io::Result<()> {
        let Some(mut stream) = stream else {
            return Ok(());
        };
        while self.bytes.len() < MOST {
            let room = (MOST - self.bytes.len()) as u64;
            if (&mut stream).take(room).read_buf(&mut self.bytes).await? == 0 {
                return Ok(());
            }
        }
        let mut beyond = vec![0; 64 << 10];
        loop {
            match stream.read(&mut beyond).await? {
                0 => return Ok(()),
                read => self.left_out += read as u64,
            }
        }
    }
}

impl Output {
    /// All that it said on its standard output, for those who cannot do with a part.
    ///
    /// # Errors
    /// There was more than is kept.
    pub(crate) fn whole(self, program: &str) -> Result<Self, ChildError> {
        if self.left_out == 0 {
            return Ok(self);
        }
        Err(ChildError::TooMuch {
            program: program.to_owned(),
            said: self.stdout.len() as u64 + self.left_out,
        })
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

    #[tokio::test]
    async fn one_that_leaves_something_behind_is_not_waited_for_and_that_is_not_ours() {
        let children = Children::default();
        // It holds on to the output until its own input ends.
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("until");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let script = format!("cat {} & echo $!; exit 4", fifo.display());
        let output = run(&children, shell(&script), b"", Duration::from_secs(600)).await;
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(4));
        let left = String::from_utf8_lossy(&output.stdout);
        let left: i32 = left.trim().parse().expect("a PID");
        let left = nix::unistd::Pid::from_raw(left);
        let session = nix::unistd::getsid(Some(left)).expect("it is there");
        assert_ne!(Ok(session), nix::unistd::getsid(None));
        std::fs::write(&fifo, "").expect("it reads");
    }

    #[tokio::test]
    async fn what_is_beyond_what_is_kept_is_counted() {
        let children = Children::default();
        let more = 12_345_u64;
        let script = format!("head -c {} /dev/zero", MOST as u64 + more);
        let output = run(&children, shell(&script), b"", Duration::from_secs(600)).await;
        let output = output.expect("it runs");
        assert_eq!((output.stdout.len(), output.left_out), (MOST, more));
        let error = output.whole("git").expect_err("it is not whole");
        assert_eq!(error.to_string(), "`git` said 256 MiB, and 256 are read");
    }
}
