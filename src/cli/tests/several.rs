//! Commands about several things, and names that fit nothing.

use std::sync::Arc;

use crate::cli::tests::{Desk, never};
use crate::domain::cluster::{ClusterView, MemberView};
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::role::LoadBalancing;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::TaskState;
use crate::serve::fixture::{company, task};

fn takes(command: &Command, snapshot: &mut Snapshot) -> Option<Result<Outcome, Refusal>> {
    Some(match command {
        Command::Stop(id) => Ok(Outcome::Stopped(*id, None)),
        Command::Check(id) => Ok(Outcome::Checked(*id)),
        Command::CancelTask(id) => {
            snapshot
                .tasks
                .put(Arc::new(task(id.0, TaskState::Cancelled)));
            Ok(Outcome::Done)
        }
        Command::Acknowledge(_) => Ok(Outcome::Done),
        _ => panic!("{command:?}"),
    })
}

#[tokio::test]
async fn all_that_are_known_are_done_and_the_others_told() {
    let desk = Desk::open(company(), takes);
    insta::assert_snapshot!(desk.run("stop nope ken").await, @r"
    error: there is no process `nope`
    try: list the processes with `headcount ps`
    Ken was not running
    [exit 4]
    ");
    let json = desk.run("stop nope ken --json").await;
    assert!(json.contains("\n[\n  {\n    \"proof\": null,"), "{json}");
    insta::assert_snapshot!(desk.run("stop nope").await, @r"
    error: there is no process `nope`
    try: list the processes with `headcount ps`
    [exit 4]
    ");
    insta::assert_snapshot!(desk.run("task cancel nope task_0002").await, @r"
    error: there is no task `nope`
    try: list the tasks with `headcount task ls`
    task_0002 cancelled
    [exit 4]
    ");
    insta::assert_snapshot!(desk.run("task wait nope task_0003").await, @r"
    error: there is no task `nope`
    try: list the tasks with `headcount task ls`
    task_0003:
    Fixed: the clock was not stopped.
    [exit 4]
    ");
    insta::assert_snapshot!(desk.run("ack nope alert_0001").await, @r"
    error: there is no alert `nope`
    try: list the alerts with `headcount alerts`
    alert_0001 acknowledged: it does not respond
    [exit 4]
    ");
    let health = desk.run("health nope ada").await;
    assert!(
        health.contains("no process `nope`") && health.contains("proc_001  Ada"),
        "{health}"
    );
    assert!(health.ends_with("[exit 4]"), "{health}");
    let orders = desk.served.orders.lock().unwrap();
    let last = orders.last().map(|(_, command)| command.clone());
    assert_eq!(last, Some(Command::Check(ProcessId(1))));
    let cancelled = orders
        .iter()
        .any(|(_, command)| *command == Command::CancelTask(TaskId(2)));
    assert!(cancelled);
}

#[tokio::test]
async fn what_fits_nothing_is_looked_for_in_the_right_list() {
    let mut snapshot = company();
    let member = MemberView {
        role: "qa_engineer".to_owned(),
        ..MemberView::default()
    };
    snapshot.clusters.push(Arc::new(ClusterView {
        key: "development".to_owned(),
        declared: true,
        load_balancing: LoadBalancing::default(),
        health: None,
        members: vec![member],
        notes: Vec::new(),
    }));
    let desk = Desk::open(snapshot, never);
    for (line, words) in [
        ("ack nope", "list the alerts with `headcount alerts`"),
        (
            "cluster start nope",
            "list the clusters with `headcount cluster ls`",
        ),
        ("cluster start develpment", "the nearest is `development`"),
        (
            "task add x --cluster nope",
            "list the clusters with `headcount cluster ls`",
        ),
        (
            "create --department nope",
            "list the roles and their departments with `headcount roles`",
        ),
        (
            "cluster scale development nope=1",
            "its roles are qa_engineer",
        ),
        (
            "cluster scale development nope=1",
            "the cluster development has no role `nope`",
        ),
        (
            "cluster scale development qa_enginer=1",
            "the nearest is `qa_engineer`",
        ),
    ] {
        let said = desk.run(line).await;
        assert!(said.contains(words), "{line}: {said}");
        assert!(said.ends_with("[exit 4]"), "{line}: {said}");
    }
}
