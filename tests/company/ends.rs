//! Ends: of agents that will not, of agents that leave others behind, of shims, and many at once.

use std::fs;
use std::time::Duration;

use headcount::config;
use headcount::domain::command::{Command, Origin, Outcome, Refusal};
use headcount::domain::exit::ExitStatus;
use headcount::domain::fault::FaultCode;
use headcount::domain::id::ProcessId;
use headcount::domain::snapshot::{Activity, Status};
use headcount::domain::task::{AttemptEnd, TaskState};
use headcount::os::link::Link;
use headcount::os::run_folder::RunFolder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Done;
use crate::company::{Company, Setup, leftovers};
use crate::scripted;

/// A company on the simulated agent whose failures are over soon.
fn impatient() -> Company {
    let roles = config::ROLES
        .replace("retry_delay = \"30s\"", "retry_delay = \"10ms\"")
        .replace("terminate = \"10s\"", "terminate = \"1s\"");
    Company::with(Setup {
        roles,
        ..Setup::default()
    })
}

fn exit_of(answer: Result<Outcome, Refusal>) -> headcount::domain::exit::Exit {
    match answer {
        Ok(Outcome::Stopped(_, Some(exit))) => *exit,
        other => panic!("{other:?}"),
    }
}

/// How many ends of runs a log tells of.
async fn ends(company: &Company, process: ProcessId) -> usize {
    let log = company.logged(process, " ended, 0 left").await;
    log.iter()
        .filter(|line| line.starts_with("ended with "))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_an_agent_that_never_exits_has_done_its_task_and_is_killed() -> Done {
    let company = scripted::open();
    scripted::put(
        company.folder.path(),
        "trap '' TERM",
        "exec sleep 600 # it ignores TERM still",
    );
    let ada = company.hire("worker").await;
    let task = company.add("anything", ada).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    let asked = Instant::now();
    let exit = exit_of(company.order(Command::Stop(ada)).await);
    // Two seconds for the end of its input, one for TERM.
    assert!(asked.elapsed() < Duration::from_secs(6));
    assert_eq!((exit.status, exit.left.len()), (ExitStatus::Signal(9), 0));
    assert_eq!(
        exit.proof(),
        "1 process ended, 0 left (1 had to be killed: sleep)"
    );
    assert_eq!(company.view(ada).status, Status::Stopped);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_what_an_agent_leaves_behind_is_swept_and_named() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    // It goes on when each of them is what it is to be.
    let leave = "for n in 1 2; do (setsid sleep 600 > /dev/null 2>&1 & echo $! > pid); \
                 until [ \"$(cat /proc/$(cat pid)/comm)\" = sleep ]; do :; done; done";
    let text = format!("TOOL Bash {leave} ;; SAY done ;; EXIT 0");
    let task = company.add(&text, ada).await;
    let view = company.until(ada, Status::Backoff).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    // Nobody asked it to end: exit code 0 or not, that counts.
    assert_eq!(
        view.fault.as_ref().map(|fault| fault.code),
        Some(FaultCode::Crashed)
    );
    assert_eq!(view.tries.0, 1);
    let exit = view.last_exit.clone().expect("it ended");
    let leaked: Vec<&str> = exit.leaked.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(leaked, ["sleep", "sleep"]);
    assert_eq!((exit.status, exit.ended), (ExitStatus::Code(0), 3));
    company
        .logged(
            ada,
            "3 processes ended, 0 left (2 outlived it: sleep, sleep)",
        )
        .await;
    company.close().await;
    Ok(())
}

/// The process above, by /proc.
fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let behind = stat.rsplit_once(") ").expect("a name in brackets").1;
    let parent = behind.split(' ').nth(1).expect("a parent");
    parent.parse().expect("a PID")
}

#[tokio::test(flavor = "multi_thread")]
async fn d1c_nothing_starts_before_the_tree_of_a_killed_shim_is_ended() -> Done {
    let company = scripted::open();
    let root = company.folder.path().to_owned();
    // A child in a session of its own stands in the list of those that must be gone by then.
    let child = "mkfifo go.$$; setsid sh -c 'echo $$ >> begun; echo > go.'$$'; exec sleep 600' & \
                 read -r _ < go.$$";
    scripted::put(&root, "", "");
    let text = fs::read_to_string(root.join("agent"))?;
    let text = text.replace("while IFS=", &format!("{child}\nwhile IFS="));
    fs::write(root.join("agent"), text)?;
    let ada = company.hire("worker").await;
    let first = company.view(ada).pid.expect("it runs");
    kill(
        Pid::from_raw(i32::try_from(parent(first))?),
        Signal::SIGKILL,
    )?;
    company
        .wait("it is started again", |snapshot| {
            snapshot.process(ada).is_some_and(|view| {
                view.status == Status::Running && view.pid.is_some_and(|pid| pid != first)
            })
        })
        .await;
    assert_eq!(fs::read_to_string(root.join("begun"))?.lines().count(), 4);
    assert!(!root.join("twice").exists());
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_ends_a_run_whose_shim_is_stopped_and_holds_nobody_up() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let bob = company.hire("senior_developer").await;
    let leader = company.view(ada).pid.expect("it runs");
    kill(
        Pid::from_raw(i32::try_from(parent(leader))?),
        Signal::SIGSTOP,
    )?;
    let exit = exit_of(company.order(Command::Kill(ada)).await);
    assert!(exit.shim_lost);
    assert!(exit.left.is_empty(), "{exit:?}");
    assert_eq!(company.view(ada).status, Status::Stopped);
    let task = company.add("SAY alive", bob).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn d1c_a_run_whose_channel_breaks_is_ended_before_the_next_one_starts() -> Done {
    let company = scripted::open();
    let root = company.folder.path().to_owned();
    scripted::put(&root, "", "");
    let ada = company.hire("worker").await;
    let first = company.view(ada);
    let run = first.run.expect("it runs").to_string();
    // Its shim hangs up on the instance for somebody newer, and lives.
    let folder = RunFolder::open(root.join("state/runs").join(run))?;
    let newer = Link::connect(&folder, u64::MAX - 1).await?;
    company
        .wait("it is started again", |snapshot| {
            snapshot.process(ada).is_some_and(|view| {
                view.status == Status::Running && view.pid.is_some_and(|pid| Some(pid) != first.pid)
            })
        })
        .await;
    drop(newer);
    assert_eq!(fs::read_to_string(root.join("begun"))?.lines().count(), 2);
    assert!(!root.join("twice").exists());
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn d1c_a_task_whose_shim_was_killed_goes_back_as_cut() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company
        .add("FORK setsid 600 ;; FORK double 600 ;; HANG", ada)
        .await;
    company.until_task(task, TaskState::Running).await;
    let agent = company.view(ada).pid.expect("it runs");
    let shim = i32::try_from(parent(agent))?;
    let killed = Instant::now();
    kill(Pid::from_raw(shim), Signal::SIGKILL)?;
    let view = company.until(ada, Status::Backoff).await;
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(leftovers(company.folder.path()), Vec::<String>::new());
    let exit = view.last_exit.clone().expect("it is on record");
    assert!(exit.shim_lost);
    assert_eq!((exit.status, exit.left.len()), (ExitStatus::Unknown, 0));
    let snapshot = company.handle.snapshot();
    let task = snapshot.task(task).expect("is there");
    assert_eq!(
        (task.state, task.attempts[0].end, task.attempts.len()),
        (TaskState::Queued, Some(AttemptEnd::Cut), 1)
    );
    assert_eq!(ends(&company, ada).await, 1);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_a_task_that_kills_its_process_is_parked_and_others_go_on() -> Done {
    let company = impatient();
    let ada = company.hire("senior_developer").await;
    let poison = company.add("CRASH 3", ada).await;
    let mut others = Vec::new();
    for n in 0..3 {
        others.push(company.add(&format!("SAY number {n}"), ada).await);
    }
    let poison = company.done(poison).await;
    assert_eq!(poison.state, TaskState::Parked);
    let ends: Vec<_> = poison.attempts.iter().map(|attempt| attempt.end).collect();
    assert_eq!(ends, [Some(AttemptEnd::Cut); 3]);
    for task in others {
        let task = company.done(task).await;
        assert_eq!((task.state, task.attempts.len()), (TaskState::Succeeded, 1));
    }
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_the_first_stop_waits_the_second_interrupts_the_third_kills() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    // It ignores what a stop does before it kills.
    let task = company
        .add("FORK setsid 600 ;; IGNORE TERM ;; TOOL Bash trap '' INT TERM; while :; do sleep 600; done", ada)
        .await;
    company.until_task(task, TaskState::Running).await;
    let mut stops = JoinSet::new();
    let press = |stops: &mut JoinSet<_>| {
        let handle = company.handle.clone();
        stops.spawn(async move { handle.order(Origin::Cli, Command::Stop(ada)).await });
    };
    let stage = |words: &'static str| {
        company.wait(words, move |snapshot| {
            let view = snapshot.process(ada);
            view.is_some_and(|view| view.stopping.as_deref() == Some(words))
        })
    };
    press(&mut stops);
    stage("after the current task").await;
    press(&mut stops);
    stage("interrupting the task").await;
    press(&mut stops);
    while let Some(answer) = stops.join_next().await {
        let exit = exit_of(answer?);
        assert_eq!((exit.status, exit.left.len()), (ExitStatus::Signal(9), 0));
    }
    let snapshot = company.handle.snapshot();
    let task = snapshot.task(task).expect("is there");
    assert_eq!((task.state, task.tries()), (TaskState::Queued, 0));
    assert_eq!(ends(&company, ada).await, 1);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_a_force_stop_during_a_graceful_one_gives_one_exit_record() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    company
        .add("FORK double 600 ;; SAY forked ;; HANG", ada)
        .await;
    company.said(ada, "forked").await;
    let mut stops = JoinSet::new();
    let handle = company.handle.clone();
    stops.spawn(async move { handle.order(Origin::Cli, Command::Stop(ada)).await });
    company.until(ada, Status::Stopping).await;
    let run = company.view(ada).run;
    let killed = exit_of(company.order(Command::Kill(ada)).await);
    let stopped = exit_of(stops.join_next().await.expect("the first stop")?);
    assert_eq!(killed, stopped);
    // The one in the middle of the double fork may be there still, or be gone by itself.
    assert!(matches!(killed.ended, 2 | 3), "{killed:?}");
    assert!(killed.left.is_empty(), "{killed:?}");
    let view = company.view(ada);
    assert_eq!((view.run, view.last_run), (None, run));
    assert_eq!(ends(&company, ada).await, 1);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_twenty_orders_at_once_never_make_two_of_one_process() -> Done {
    let company = scripted::open();
    let root = company.folder.path().to_owned();
    scripted::put(&root, "", "");
    let ada = company.hire("worker").await;
    for _ in 0..3 {
        let mut orders = JoinSet::new();
        for n in 0..20 {
            let command = match n % 3 {
                0 => Command::Restart(ada),
                1 => Command::Stop(ada),
                _ => Command::Start(ada),
            };
            let handle = company.handle.clone();
            orders.spawn(async move { handle.order(Origin::Cli, command).await });
        }
        let all = async {
            while let Some(answer) = orders.join_next().await {
                match answer.expect("no panic") {
                    Ok(_) | Err(Refusal::State(_)) => {}
                    Err(refusal) => panic!("{refusal:?}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await?;
        let live = leftovers(&root);
        let agents = live.iter().filter(|line| line.contains("/agent ")).count();
        assert!(agents <= 1, "{live:?}");
    }
    company.order(Command::Start(ada)).await?;
    assert_eq!(company.view(ada).activity, Activity::Idle);
    assert!(!root.join("twice").exists());
    company.close().await;
    Ok(())
}
