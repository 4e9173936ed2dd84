//! From arguments to exit code.

use std::ffi::OsString;
use std::io;
use std::pin::pin;
use std::process::ExitCode;

use crate::cli::args::{Cli, ProcArgs, RestartArgs, Verb};
use crate::cli::error::CliError;
use crate::cli::exit::Code;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::{
    alerts, cluster, doctor, events, inbox, init, instance, logs, manual, process, ps, roles,
    service, task, upgrade, why, work,
};

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::read(&words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help for a reader that has gone is help that nobody needs.
            drop(error.print());
            let is_wrong = error.use_stderr();
            return if is_wrong { Code::Usage } else { Code::Done }.into();
        }
    };
    let mut output = Output::standard();
    let done = run(cli, &mut output).and_then(|()| output.flush());
    match done {
        Ok(()) => Code::Done.into(),
        // The reader has seen enough, as `head` has.
        Err(CliError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Code::Done.into()
        }
        Err(CliError::Said(code)) => code.into(),
        Err(error) => {
            output.error(&error);
            error.code().into()
        }
    }
}

fn run(cli: Cli, output: &mut Output) -> Result<(), CliError> {
    let Some(verb) = cli.verb else {
        return instance::screen(&cli.base.place, cli.base.foreground);
    };
    if cli.base.foreground {
        return Err(CliError::Usage(
            "--foreground is for the screen, without a command".to_owned(),
        ));
    }
    match &verb {
        // It makes what the others need.
        Verb::Init(args) => return init::run(&args.folder, output),
        // They are about no company.
        Verb::Completions(args) => return manual::completions(args.shell, output),
        Verb::Man(args) => return manual::man(args.folder.as_deref(), output),
        _ => {}
    }
    let place = Place::find(&cli.base.place)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Screen(error.into()))?;
    // Where it stands: it is large, and `block_on` would move it.
    let work = pin!(carry_out(verb, &place, output));
    let done = runtime.block_on(work);
    // The program ends here: there is nothing in it that would have to be taken down in order.
    std::mem::forget(runtime);
    done
}

pub(super) async fn carry_out(
    verb: Verb,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    match verb {
        Verb::Up => instance::up(place, output).await,
        Verb::Down(args) => instance::down(&args, place, output).await,
        Verb::Upgrade => upgrade::run(place, output).await,
        Verb::Status(json) => instance::status(*json, place, output).await,
        Verb::Init(args) => init::run(&args.folder, output),
        Verb::Install(args) => service::install(&args, place, output).await,
        Verb::Uninstall => service::uninstall(place, output).await,
        Verb::Doctor(args) => doctor::run(*args, place, output).await,
        Verb::Roles(json) => roles::run(*json, place, output),
        Verb::Ps(json) => ps::ps(*json, place, output).await,
        Verb::Inspect(args) => ps::inspect(&args.process, args.json, place, output).await,
        Verb::Why(args) => why::run(&args, place, output).await,
        Verb::Create(args) => process::create(&args, place, output).await,
        Verb::Start(args) => process::act(process::Act::Start, &args, place, output).await,
        Verb::Stop(args) => process::act(process::Act::Stop, &args, place, output).await,
        Verb::Kill(args) => process::act(process::Act::Kill, &args, place, output).await,
        Verb::Restart(args) => restart(args.0, place, output).await,
        Verb::Rm(args) => process::act(process::Act::Remove, &args, place, output).await,
        Verb::Events(args) => events::events(&args, place, output).await,
        Verb::Digest(args) => events::digest(&args, place, output).await,
        Verb::Logs(args) => logs::run(&args, place, output).await,
        Verb::Diff(args) => work::diff(&args, place, output).await,
        Verb::Merge(args) => work::merge(&args, place, output).await,
        Verb::Discard(args) => work::discard(&args.process, args.json, place, output).await,
        Verb::Export(args) => {
            work::export(&args.process, args.output.as_deref(), place, output).await
        }
        Verb::Restore(args) => work::restore(&args, place, output).await,
        Verb::Cluster(verb) => cluster::run(verb.0, place, output).await,
        Verb::Task(verb) => task::run(verb.0, place, output).await,
        Verb::Send(args) => process::send(&args, place, output).await,
        Verb::Inbox(json) => inbox::list(*json, place, output).await,
        Verb::Health(args) => alerts::health(&args, place, output).await,
        Verb::Alerts(json) => alerts::list(*json, place, output).await,
        Verb::Ack(args) => alerts::acknowledge(&args.alerts, args.json, place, output).await,
        Verb::Approve(args) => inbox::approve(&args, place, output).await,
        Verb::Deny(args) => inbox::deny(args.0, place, output).await,
        Verb::Answer(args) => inbox::answer(args.0, place, output).await,
        Verb::Completions(args) => manual::completions(args.shell, output),
        Verb::Man(args) => manual::man(args.folder.as_deref(), output),
    }
}

async fn restart(args: RestartArgs, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let act = if args.updates {
        process::Act::Renew(args.when.into())
    } else {
        process::Act::Restart
    };
    let all = args.all || args.processes.is_empty();
    let which = ProcArgs {
        processes: args.processes,
        all,
        json: args.json,
    };
    process::act(act, &which, place, output).await
}

#[cfg(test)]
mod tests {
    use clap::{Command, Subcommand as _};

    use super::*;
    use crate::cli::args::{ClusterVerb, TaskVerb};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Cli::read(&words)
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contract_is_understood() {
        for line in [
            "headcount",
            "headcount --workspace /w --state /s --demo --foreground",
            "headcount up --demo",
            "headcount down --force --timeout 60s",
            "headcount upgrade",
            "headcount status --json",
            "headcount init /w",
            "headcount doctor --json",
            "headcount roles --json",
            "headcount ps --json --state /s",
            "headcount inspect ada --json",
            "headcount why ada --json",
            "headcount why ada --exit 7",
            "headcount why ada --exit last --json",
            "headcount create senior_developer qa_engineer --count 2 --kind batch --cwd /w --env A=1 \
             --env B=x=y --tools Bash,Read --prompt hi --max-turns 3 --model m --no-start --json",
            "headcount create sre --prompt-file /f --name Ada",
            "headcount start ada grace",
            "headcount stop --all --json",
            "headcount kill proc_001",
            "headcount restart proc_001",
            "headcount rm proc_001",
            "headcount logs ada -f -n 20 --raw",
            "headcount logs ada -n all",
            "headcount task add - --role sre --process p --skill a --skill b --priority urgent --timeout 5m \
             --retries 0 --key k --json",
            "headcount task add --file f",
            "headcount task add more --continue task_0001",
            "headcount task ls --json",
            "headcount task show task_0001 --json",
            "headcount task wait task_0001 --timeout 1s",
            "headcount task cancel task_0001",
            "headcount task retry task_0001",
            "headcount task release task_0001",
            "headcount cluster ls --json",
            "headcount cluster start development --json",
            "headcount cluster stop development",
            "headcount cluster restart development --rolling",
            "headcount cluster scale development senior_developer=3 qa_engineer=0",
            "headcount task add text --cluster development",
            "headcount inbox --json",
            "headcount health ada grace --json",
            "headcount health --all",
            "headcount alerts --json",
            "headcount ack alert_0001 2 --json",
            "headcount approve req_0001 --always",
            "headcount deny req_0001 --reason no",
            "headcount answer req_0001 blue red",
            "headcount completions bash",
            "headcount man",
            "headcount man /usr/share/man/man1",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn wrong_usage_is_told_apart_from_help() {
        for line in [
            "headcount nonsense",
            "headcount create",
            "headcount stop",
            "headcount stop ada --all",
            "headcount task add",
            "headcount task add text --file f",
            "headcount create sre --env NOVALUE",
            "headcount create sre --prompt a --prompt-file b",
            "headcount create sre --count 0",
            "headcount down --timeout 60",
            "headcount down --timeout=-5s",
            "headcount answer req_0001",
            "headcount cluster start",
            "headcount cluster scale development",
            "headcount cluster scale development senior_developer",
            "headcount cluster scale development senior_developer=-1",
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.use_stderr(), "{line}");
        }
        assert!(!parse("headcount --help").expect_err("help").use_stderr());
    }

    #[test]
    fn what_is_wrong_is_told_by_all_of_the_commands() {
        // `ps` alone is laid out for the first, and none for the last.
        for (line, says) in [
            ("headcount strat ps", "'start'"),
            ("headcount ps --help", "Usage: headcount ps"),
            ("headcount --help ps", "Work with the task queue"),
            ("headcount help ps", "Usage: headcount ps"),
            ("headcount task ad", "'add'"),
            ("headcount --nonsense", "--nonsense"),
        ] {
            let said = parse(line).expect_err(line).to_string();
            assert!(said.contains(says), "{line}: {said}");
        }
        let cli = parse("headcount send ada up --demo").expect("it is well formed");
        assert!(cli.base.place.demo && matches!(cli.verb, Some(Verb::Send(_))));
    }

    #[test]
    fn a_task_that_is_added_is_read_as_if_all_the_commands_were_laid_out() {
        for line in [
            "headcount task add text",
            "headcount --demo --workspace /w task add text --priority high --after task_0001,build --json",
            "headcount task add --template review --set pr=12 --state /s --hold",
            "headcount task add -",
            // Not what it looks like.
            "headcount send ada task add",
            "headcount task edit task_0001 --text task add",
            "headcount task add",
            "headcount task add --help",
            "headcount task add text --nonsense",
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let whole = Cli::by(Cli::command(), &words);
            let said = |read: Result<Cli, clap::Error>| match read {
                Ok(cli) => format!("{cli:?}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(said(Cli::read(&words)), said(whole), "{line}");
        }
    }

    #[test]
    fn the_help_of_each_command_begins_with_what_it_does() {
        let commands = |command: Command| -> Vec<(String, String)> {
            let entry = |one: &Command| {
                let about = one.get_about().map(ToString::to_string);
                (one.get_name().to_owned(), about.expect("words"))
            };
            command.get_subcommands().map(entry).collect()
        };
        let mut lines: Vec<(String, String)> = commands(Cli::command());
        assert!(lines.len() > 30);
        for (group, verbs) in [
            (
                "task",
                commands(TaskVerb::augment_subcommands(Command::new("task"))),
            ),
            (
                "cluster",
                commands(ClusterVerb::augment_subcommands(Command::new("cluster"))),
            ),
        ] {
            assert!(verbs.len() > 4);
            lines.extend(
                verbs
                    .into_iter()
                    .map(|(name, about)| (format!("{group} {name}"), about)),
            );
        }
        for (line, about) in lines {
            for ask in ["--help", "-h"] {
                let said = parse(&format!("headcount {line} {ask}"))
                    .expect_err(&line)
                    .to_string();
                assert!(said.starts_with(&about), "{line}: {said}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_told_with_all_that_would_do() {
        for (line, words) in [
            ("headcount start", "<PROC|--all>"),
            ("headcount create", "<ROLE|--department <D>>"),
            ("headcount restart", "--updates"),
            ("headcount task add", "<TEXT|--file <F>|--template <T>>"),
            ("headcount task move task_0001", "--before <TASK>"),
            (
                "headcount create sre --department development",
                "cannot be used with",
            ),
            ("headcount task add x --file f", "cannot be used with"),
            ("headcount restart ada --all", "cannot be used with"),
            (
                "headcount task move task_0001 --first --last",
                "cannot be used with",
            ),
        ] {
            let said = parse(line).expect_err(line).to_string();
            assert!(said.contains(words), "{line}: {said}");
            assert!(!said.contains("--workspace"), "{line}: {said}");
        }
        assert!(parse("headcount restart ada --updates").is_ok());
    }

    #[test]
    fn what_must_say_something_is_not_left_empty() {
        for words in [
            &["task", "add", "x", "--key", ""][..],
            &["task", "add", "x", "--key", "  "],
            &["task", "add", "x", "--skill", ""],
            &["create", "sre", "--tools", ""],
            &["create", "sre", "--tools", "Bash,"],
            &["create", "sre", "--model", ""],
            &["create", "sre", "--prompt", " "],
            &["create", "sre", "--env", "=x"],
            &["restore", "--to", "x"],
        ] {
            let words: Vec<OsString> = ["headcount"]
                .iter()
                .chain(words)
                .map(OsString::from)
                .collect();
            let error = Cli::read(&words).expect_err("nothing is said");
            assert!(error.use_stderr(), "{words:?}");
        }
    }

    #[test]
    fn help_is_a_contract_as_well() {
        let help = Cli::command().term_width(100).render_help().to_string();
        insta::assert_snapshot!(help);
    }
}
