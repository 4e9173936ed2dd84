//! Clusters on the screen: the list by cluster, and what keys do on a head.

use std::sync::Arc;

use crate::domain::cluster::{ClusterOrder, ClusterView, MemberView, ToCluster};
use crate::domain::command::Command;
use crate::domain::role::LoadBalancing;
use crate::domain::scale::ScalingView;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::Target;
use crate::tui::Action;
use crate::tui::tests::fixture::{Screen, ago, company};

fn member(role: &str, title: &str, wanted: u32, up: u32) -> MemberView {
    MemberView {
        role: role.to_owned(),
        title: title.to_owned(),
        declared: wanted,
        wanted,
        hired: up,
        up,
        ..MemberView::default()
    }
}

/// Ada, Linus and Grace are a team that lacks one; another one is declared and has nobody.
pub(super) fn teams() -> Snapshot {
    let mut company = company();
    for process in company.processes.iter_mut().take(3) {
        Arc::make_mut(process).cluster = Some("shop".to_owned());
    }
    let cluster = |key: &str, members: Vec<MemberView>| {
        let notes = members.iter().filter_map(|one| one.difference(key));
        Arc::new(ClusterView {
            key: key.to_owned(),
            declared: true,
            load_balancing: LoadBalancing::RoundRobin,
            health: None,
            notes: notes.collect(),
            members,
        })
    };
    let senior = MemberView {
        busy: 2,
        ..member("senior_developer", "Senior Developer", 2, 2)
    };
    let tester = MemberView {
        wanted: 2,
        declared: 2,
        ..member("qa_engineer", "QA Engineer", 2, 1)
    };
    company.clusters = vec![
        cluster("shop", vec![senior, tester]),
        cluster(
            "night",
            vec![member("sre", "Site Reliability Engineer", 2, 0)],
        ),
    ];
    company.scaling = vec![Arc::new(ScalingView {
        cluster: Some("shop".to_owned()),
        role: "qa_engineer".to_owned(),
        at: ago(2),
        holds: true,
        text: "holding at 1: memory 82 %".to_owned(),
    })];
    company
}

fn orders(actions: Vec<Action>) -> Vec<Command> {
    let order = |action| match action {
        Action::Order { command, .. } => Some(command),
        _ => None,
    };
    actions.into_iter().filter_map(order).collect()
}

fn to(cluster: &str, order: ClusterOrder) -> Command {
    Command::Cluster(ToCluster {
        cluster: cluster.to_owned(),
        order,
        folder: None,
    })
}

fn check(keys: &str, expected: &[Command]) {
    let given = orders(Screen::new(teams(), 80, 24).keys(keys));
    assert_eq!(given, expected, "{keys}");
}

#[test]
fn the_list_by_cluster() {
    for (width, height) in [(80, 24), (120, 40), (200, 50), (50, 20)] {
        for (name, keys) in [("rows", "T"), ("head", "Tg"), ("folded", "Tg<left>")] {
            let mut screen = Screen::new(teams(), width, height);
            screen.keys(keys);
            insta::assert_snapshot!(format!("teams_{name}_{width}x{height}"), screen.text());
        }
    }
}

#[test]
fn how_many_are_asked_for() {
    let mut screen = Screen::new(teams(), 80, 24);
    screen.keys("Tg+j++");
    insta::assert_snapshot!("teams_sizes", screen.text());
}

#[test]
fn scaling_says_so_over_the_tasks() {
    let mut screen = Screen::new(teams(), 80, 24);
    screen.keys("2");
    assert!(
        screen
            .text()
            .contains("Scaling of QA Engineer: holding at 1: memory 82 %")
    );
}

#[test]
fn keys_on_a_head_order_for_the_whole_team() {
    check("Tgs", &[to("shop", ClusterOrder::Start)]);
    check("Tgx", &[]);
    check("Tgx<esc>", &[]);
    check("Tgxy", &[to("shop", ClusterOrder::Stop)]);
    check("Tgry", &[to("shop", ClusterOrder::Restart)]);
    check("TgOy", &[to("shop", ClusterOrder::RestartRolling)]);
    // The one that has nobody stands behind the members of the first.
    check("Tgjjjjs", &[to("night", ClusterOrder::Start)]);
    check("Tgjjjjx", &[]);
    // On a member they mean that one.
    check("Tgjs", &[]);
    check("Tgjx", &[Command::Stop(crate::domain::id::ProcessId(1))]);
}

#[test]
fn sizes_are_set_by_plus_and_minus() {
    let sizes = |sizes: &[(&str, u32)]| {
        let sizes = sizes
            .iter()
            .map(|(role, count)| ((*role).to_owned(), *count));
        to("shop", ClusterOrder::Scale(sizes.collect()))
    };
    check("Tg+<enter>", &[sizes(&[("senior_developer", 3)])]);
    check(
        "Tg-j--<enter>",
        &[sizes(&[("senior_developer", 1), ("qa_engineer", 0)])],
    );
    check("Tg+<esc>", &[]);
    check("+", &[]);
    let mut screen = Screen::new(teams(), 80, 24);
    screen.keys("+");
    assert!(screen.text().contains("T shows the list by cluster"));
}

#[test]
fn a_task_is_written_for_the_whole_team() {
    let mut screen = Screen::new(teams(), 80, 24);
    screen.keys("Tgt");
    assert!(screen.text().contains("cluster shop"), "{}", screen.text());
    let given = orders(screen.keys("go<c-s>"));
    let Some(Command::AddTask(new)) = given.first() else {
        panic!("no task: {given:?}");
    };
    let target = Target {
        cluster: Some("shop".to_owned()),
        ..Target::default()
    };
    assert_eq!(new.target, target);
}

#[test]
fn a_cluster_is_found_by_its_name_and_why_tells_of_it() {
    let mut screen = Screen::new(teams(), 80, 24);
    screen.keys(":night<enter>");
    assert_eq!(orders(screen.keys("s")), [to("night", ClusterOrder::Start)]);
    let mut screen = Screen::new(teams(), 120, 24);
    screen.keys("TgW");
    assert!(screen.text().contains("holding at 1: memory 82 %"));
    // Without any, the key says how to have one.
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("T");
    assert!(screen.text().contains("[clusters.NAME]"));
}

#[test]
fn the_selected_row_stays_when_the_list_is_turned() {
    let mut screen = Screen::new(teams(), 80, 24);
    assert_eq!(
        orders(screen.keys("jTx")),
        [Command::Stop(crate::domain::id::ProcessId(2))]
    );
    let mut screen = Screen::new(teams(), 80, 24);
    assert_eq!(
        orders(screen.keys("TGTs")),
        [Command::Start(crate::domain::id::ProcessId(6))]
    );
}
