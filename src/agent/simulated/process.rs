//! The process from its start to its end.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use nix::unistd::Uid;
use uuid::Uuid;

use super::{
    bash,
    environment::{Environment, Start},
    flags::Flags,
    intake, result,
    session::Session,
    signals,
    state::{Ending, Shared},
    work,
};

/// How long the end waits for a reader to take what was said.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the simulated agent if the command line (program name first) is for it.
///
/// `headcount __agent` takes the flags of `claude`. Returns when the agent has ended.
pub fn entry(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != super::COMMAND {
        return None;
    }
    let args: Vec<OsString> = args.collect();
    if let Some(code) = bash::become_child(&args) {
        return Some(code);
    }
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    Some(ExitCode::from(run(&args)))
}

fn run(args: &[String]) -> u8 {
    let environment = Environment::read();
    let flags = match Flags::parse(args) {
        Ok(flags) => flags,
        Err(error) => return refuse(&error.to_string()),
    };
    if flags.version {
        // There is nobody else to tell if stdout is closed.
        let _ = writeln!(io::stdout(), "{}", environment.version());
        return 0;
    }
    if let Start::Exit(code) = environment.start {
        refuse("Error: simulated failure at start");
        return code;
    }
    if !flags.print || !flags.stream_json {
        return refuse("Error: the simulated agent needs -p --input-format stream-json");
    }
    let as_root = Uid::effective().is_root() && std::env::var("IS_SANDBOX").as_deref() != Ok("1");
    if flags.mode.as_deref() == Some("bypassPermissions") && as_root {
        return refuse("--dangerously-skip-permissions cannot be used with root/sudo privileges");
    }
    match open_session(&flags, &environment) {
        Ok(session) => live(flags, environment, session),
        Err(code) => code,
    }
}

fn open_session(flags: &Flags, environment: &Environment) -> Result<Session, u8> {
    if let Some(id) = flags.resume.as_deref().filter(|id| !id.is_empty()) {
        return Session::resume(id, environment).ok_or_else(|| {
            let said = format!("No conversation found with session ID: {id}");
            let _ = writeln!(io::stdout(), "{}", result::never_started(id, &said));
            refuse(&said)
        });
    }
    let id = flags
        .session_id
        .clone()
        .unwrap_or_else(|| Uuid::new_v4().to_string());
    if Uuid::try_parse(&id).is_err() {
        return Err(refuse("Error: Invalid session ID. Must be a valid UUID."));
    }
    if Session::exists(&id, environment) {
        return Err(refuse(&format!(
            "Error: Session ID {id} is already in use."
        )));
    }
    Ok(Session::fresh(id, environment))
}

fn live(flags: Flags, environment: Environment, session: Session) -> u8 {
    // Before any other thread exists, so that all of them inherit the mask.
    signals::block();
    let (endings, ended) = mpsc::channel();
    let system = system_prompt(&flags, &session);
    let shared = Arc::new(Shared::new(flags, environment, session, system, endings));
    for job in [signals::listen, intake::read, work::work] {
        let shared = Arc::clone(&shared);
        thread::spawn(move || job(&shared));
    }
    let ending = ended.recv().unwrap_or(Ending {
        code: 1,
        sudden: true,
    });
    if !ending.sudden {
        let mut state = shared.lock();
        state.kill_tool();
        let totals = state.totals;
        state.session.record_totals(totals);
    }
    shared.output.close();
    shared.output.drain(DRAIN);
    ending.code
}

/// Returns the system prompt in force: the one recorded with the conversation, unless it is switched off.
fn system_prompt(flags: &Flags, session: &Session) -> String {
    if let Some(recorded) = session.system.clone().filter(|_| !flags.snapshot_off) {
        return recorded;
    }
    let own = flags
        .system
        .as_deref()
        .unwrap_or("You are a simulated agent.");
    match &flags.append_system {
        Some(more) => format!("{own}\n\n{more}"),
        None => own.to_owned(),
    }
}

/// Says on stderr why the process does not start.
fn refuse(why: &str) -> u8 {
    // Whoever started us has the exit code as well.
    let _ = writeln!(io::stderr(), "{why}");
    1
}
