//! Commands, each in a session of its own, so that ending the agent's process group does not end them.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::unix::{
        fs::FileExt,
        process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::{Pid, setsid},
};
use serde_json::{Value, json};

use super::{
    clock,
    output::new_id,
    shell, signals,
    state::{Interrupted, Shared},
    tools::Outcome,
};

/// A command that runs for longer is announced as a task.
const TASK_AFTER: Duration = Duration::from_secs(2);

/// Where a child belongs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group {
    Ours,
    /// A session of its own, and so a process group of its own.
    Own,
}

/// Returns a command that runs `words`; it starts as this program, which becomes the other one.
///
/// This way round needs no code between fork and exec: the child lets the signals through that we hold
/// back, and leaves our session, in a program of its own.
pub(super) fn command(words: &[&str], group: Group) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(super::COMMAND).arg(match group {
        Group::Ours => "@child",
        Group::Own => "@session",
    });
    command.args(words);
    command
}

/// Becomes the program in `args` if they come from [`command`]; returns only if that fails.
pub(super) fn become_child(args: &[OsString]) -> Option<ExitCode> {
    let [how, program, rest @ ..] = args else {
        return None;
    };
    match how.to_str()? {
        "@session" => {
            // It fails only for the leader of a group, which is what is wanted.
            let _ = setsid();
        }
        "@child" => {}
        _ => return None,
    }
    signals::unblock();
    let error = Command::new(program).args(rest).exec();
    let _ = writeln!(io::stderr(), "{}: {error}", program.to_string_lossy());
    Some(ExitCode::from(127))
}

/// Runs a Bash call to its end, or until it is interrupted.
pub(super) fn run(
    shared: &Shared,
    input: &Value,
    tool_use_id: &str,
) -> Result<Outcome, Interrupted> {
    let line = input["command"].as_str().unwrap_or_default();
    let started = start(shared, line);
    let (mut child, stdout, stderr) = match started {
        Ok(started) => started,
        Err(error) => return Ok(Outcome::error(&format!("cannot run the command: {error}"))),
    };
    shared.lock().tool = i32::try_from(child.id()).ok().map(Pid::from_raw);
    let status = wait(shared, &mut child, input, tool_use_id);
    shared.lock().tool = None;
    let Some(status) = status else {
        return Err(Interrupted);
    };
    let texts = [read(&stdout), read(&stderr)];
    Ok(outcome(line, status, texts))
}

fn start(shared: &Shared, line: &str) -> io::Result<(Child, File, File)> {
    // Files and not pipes: what the command leaves behind may hold them open for as long as it likes.
    let stdout = File::from(memfd_create("stdout", MFdFlags::MFD_CLOEXEC)?);
    let stderr = File::from(memfd_create("stderr", MFdFlags::MFD_CLOEXEC)?);
    let child = command(&["/bin/sh", "-c", line], Group::Own)
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .current_dir(&shared.environment.cwd)
        .env("CLAUDECODE", "1")
        .env("CLAUDE_CODE_SESSION_ID", shared.output.session_id())
        .env("CLAUDE_PID", std::process::id().to_string())
        .env("GIT_EDITOR", "true")
        .spawn()?;
    Ok((child, stdout, stderr))
}

/// Returns how the command ended, or none if it was interrupted and killed.
fn wait(
    shared: &Shared,
    child: &mut Child,
    input: &Value,
    tool_use_id: &str,
) -> Option<ExitStatus> {
    let begun = clock::now();
    let mut task = None;
    loop {
        let interrupted = shared.pause(Duration::from_millis(3)).is_err();
        if interrupted {
            shared.lock().kill_tool();
        }
        let status = if interrupted {
            child.wait().ok()
        } else {
            child.try_wait().unwrap_or(None)
        };
        if let Some(status) = status {
            if let Some(task) = task.filter(|_| !interrupted) {
                shared.output.say(json!({
                    "type": "system", "subtype": "task_notification", "task_id": task, "tool_use_id": tool_use_id,
                    "status": "completed", "output_file": "", "summary": input["description"],
                }));
            }
            return (!interrupted).then_some(status);
        }
        if task.is_none() && clock::now().saturating_duration_since(begun) > TASK_AFTER {
            let id = new_id();
            shared.output.say(json!({
                "type": "system", "subtype": "task_started", "task_id": id, "tool_use_id": tool_use_id,
                "description": input["description"], "is_backgrounded": false, "task_type": "local_bash",
            }));
            task = Some(id);
        }
    }
}

fn read(file: &File) -> String {
    let size = file.metadata().map_or(0, |data| data.len());
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
        Err(error) => format!("cannot read the output: {error}"),
    }
}

fn outcome(line: &str, status: ExitStatus, [stdout, stderr]: [String; 2]) -> Outcome {
    let joined: Vec<&str> = [stdout.as_str(), stderr.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let said = joined.join("\n");
    if !status.success() {
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(1);
        return Outcome::error(format!("Exit code {code}\n{said}").trim_end());
    }
    let none_expected = said.is_empty() && !shell::parts(line).iter().all(shell::only_reads);
    Outcome {
        content: if said.is_empty() {
            "(Bash completed with no output)".to_owned()
        } else {
            said
        },
        is_error: false,
        twin: json!({
            "stdout": stdout, "stderr": stderr, "interrupted": false, "isImage": false,
            "noOutputExpected": none_expected,
        }),
    }
}
