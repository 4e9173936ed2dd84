//! The instance's life: one a workspace, started on demand, ended in order.

mod terminal_support;

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use terminal_support::Company;

fn up(company: &Company) -> u32 {
    let output = company.command(&["up"]).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    company.running().expect("the instance answers")
}

#[test]
fn d4_of_many_starters_one_starts_and_all_find_it() {
    let company = Company::new();
    let starters: Vec<_> = (0..5)
        .map(|_| {
            let mut command = company.command(&["up"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let said: Vec<String> = starters
        .into_iter()
        .map(|starter| {
            let output = starter.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    let pid = company.running().unwrap().to_string();
    assert!(said.iter().all(|said| said.contains(&pid)), "{said:?}");
}

#[test]
fn d4_a_second_instance_is_refused_with_the_pid_of_the_first() {
    let company = Company::new();
    let pid = up(&company);
    let place = company.place();
    let workspace = company.workspace();
    let second = |company: &Company| {
        let state = company.state();
        let arguments = [
            "__instance",
            "--workspace",
            workspace.to_str().unwrap(),
            "--state",
            state.to_str().unwrap(),
        ];
        company.command(&arguments).output().unwrap()
    };
    let refused = second(&company);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("process {pid}")), "{said}");

    for file in [place.attach_socket(), place.start_lock(), place.own_log()] {
        std::fs::remove_file(file).unwrap();
    }
    let refused = second(&company);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("process {pid}")), "{said}");
}

#[test]
fn d4_the_lock_goes_with_its_holder() {
    let company = Company::new();
    let first = up(&company);
    kill(Pid::from_raw(first as i32), Signal::SIGKILL).unwrap();
    company.wait_for_the_end();
    assert!(company.place().attach_socket().exists());
    let second = up(&company);
    assert_ne!(first, second);
}

#[test]
fn d5_a_socket_that_vanishes_is_bound_anew_and_waited_for() {
    let company = Company::new();
    let first = up(&company);
    std::fs::remove_file(company.place().attach_socket()).unwrap();
    std::fs::remove_file(company.place().api_socket()).unwrap();
    let screen = company.open();
    screen.wait_for_the_screen();
    assert_eq!(company.running(), Some(first));
}

#[test]
fn d6_a_hangup_signal_does_not_reach_the_instance() {
    let company = Company::new();
    let pid = up(&company);
    kill(Pid::from_raw(pid as i32), Signal::SIGHUP).unwrap();
    let status = company.command(&["status"]).output().unwrap();
    assert!(status.status.success());
    assert_eq!(company.running(), Some(pid));
}

#[test]
fn an_instance_ends_with_its_last_terminal_if_there_is_nothing_to_do() {
    let company = Company::new();
    let mut one = company.open();
    one.wait_for_the_screen();
    let mut two = company.open();
    two.wait_for_the_screen();
    let instance = company.running();
    one.keys(b"q");
    one.ended();
    assert_eq!(company.running(), instance);
    two.keys(b"q");
    two.ended();
    company.wait_for_the_end();
    assert_eq!(company.running(), None);
}

#[test]
fn an_instance_that_was_started_to_stay_stays() {
    let company = Company::new();
    let mut screen = company.open();
    screen.wait_for_the_screen();
    // Started by the screen, and told to stay later.
    let pid = up(&company);
    screen.keys(b"q");
    screen.ended();
    let status = company.command(&["status"]).output().unwrap();
    assert!(status.status.success());
    assert_eq!(company.running(), Some(pid));
}

#[test]
fn a_signal_ends_the_instance_in_order() {
    let company = Company::new();
    let pid = up(&company);
    let mut screen = company.open();
    screen.wait_for_the_screen();
    kill(Pid::from_raw(pid as i32), Signal::SIGTERM).unwrap();
    assert_eq!(screen.ended(), 0);
    screen.assert_restored();
    screen.wait_for("The instance ended.");
    company.wait_for_the_end();
    assert!(!company.place().attach_socket().exists());
    assert!(!company.place().api_socket().exists());
}

#[test]
fn an_instance_that_dies_restores_its_terminals_and_says_so() {
    let company = Company::new();
    let pid = up(&company);
    let mut screen = company.open();
    screen.wait_for_the_screen();
    kill(Pid::from_raw(pid as i32), Signal::SIGKILL).unwrap();
    assert_eq!(screen.ended(), 1);
    screen.assert_restored();
    screen.wait_for("the connection to the instance broke");
}

#[test]
fn instance_and_screen_in_one_process_end_together() {
    let company = Company::new();
    let mut screen = company.run(&[env!("CARGO_BIN_EXE_headcount"), "--foreground"], &[]);
    screen.wait_for_the_screen();
    let pid = company.running();
    assert_eq!(pid, screen.child.process_id());
    let mut second = company.open();
    second.wait_for_the_screen();
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    screen.assert_restored();
    second.ended();
    company.wait_for_the_end();
}

#[test]
fn what_keeps_an_instance_from_starting_is_said() {
    let company = Company::new();
    std::fs::create_dir_all(company.place().attach_socket()).unwrap();
    let output = company.command(&["up"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot bind the socket"), "{said}");
    assert!(said.contains("attach.sock"), "{said}");
}

#[test]
fn a_demo_never_meets_the_real_staff() {
    let company = Company::new();
    let real = up(&company);
    let mut demo = company.run(&[env!("CARGO_BIN_EXE_headcount"), "--demo"], &[]);
    demo.wait_for_the_screen();
    demo.keys(b"q");
    demo.ended();
    assert_eq!(company.running(), Some(real));
}

#[test]
fn a_screen_that_opens_while_the_last_one_closes_is_not_closed_with_it() {
    let company = Company::new();
    for _ in 0..10 {
        let mut screen = company.open();
        screen.wait_for_the_screen();
        screen.keys(b"q");
        assert_eq!(screen.ended(), 0);
        assert!(!screen.shown().contains("ended"));
    }
}
