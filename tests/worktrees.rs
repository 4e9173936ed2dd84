//! Employees who share a repository: each in a worktree of its own, the way home, conflicts, and nothing lost.

#![expect(
    clippy::unwrap_used,
    reason = "a failure of a helper is a failure of the test"
)]

#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod instance;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use instance::Instance;

/// A company beside a repository with one commit.
struct Shop {
    company: Instance,
    repository: PathBuf,
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Shop {
    fn open() -> Self {
        let company = Instance::demo();
        let repository = company.workspace().join("shop");
        fs::create_dir(&repository).unwrap();
        git(&repository, &["init", "-q", "-b", "main"]);
        git(&repository, &["config", "user.name", "Test"]);
        git(&repository, &["config", "user.email", "test@localhost"]);
        fs::write(repository.join("a.txt"), "one\n").unwrap();
        git(&repository, &["add", "-A"]);
        git(&repository, &["commit", "-qm", "first"]);
        Self {
            company,
            repository,
        }
    }

    fn hire(&self, name: &str, more: &[&str]) -> serde_json::Value {
        let folder = self.repository.to_str().unwrap();
        let words = [
            "create",
            "senior_developer",
            "--name",
            name,
            "--cwd",
            folder,
        ];
        self.company.json(&[&words, more].concat())
    }

    /// Has an employee do something, to its end.
    fn work(&self, who: &str, command: &str) -> String {
        let text = format!("TOOL Bash {command} ;; SAY done");
        let task = self.company.ok(&["task", "add", &text, "--process", who]);
        self.company.ok(&["task", "wait", task.trim()]);
        task.trim().to_owned()
    }

    fn refused(&self, words: &[&str]) -> String {
        let output = self.company.run(words);
        assert!(!output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
fn the_second_in_a_repository_works_apart_and_brings_its_work_home() {
    let shop = Shop::open();
    let ada = shop.hire("Ada", &[]);
    assert_eq!(
        ada["worktree"],
        serde_json::Value::Null,
        "the first works in the folder itself"
    );
    let linus = shop.hire("Linus", &[]);
    assert_eq!(linus["worktree"]["branch"], "headcount/linus");
    assert_eq!(linus["worktree"]["base"], "main");
    assert_ne!(linus["working_directory"], ada["working_directory"]);

    let task = shop.work(
        "linus",
        "echo linus > b.txt && git add b.txt && git commit -qm b; echo open > c.txt",
    );
    assert!(
        !shop.repository.join("b.txt").exists(),
        "it is not in Ada's way"
    );
    let files = shop.company.ok(&["diff", "linus", "--files"]);
    assert!(
        files.contains("headcount/linus from main: 1 commit ahead, 0 behind, 1 file not committed"),
        "{files}"
    );
    assert!(files.contains("c.txt (not committed)"), "{files}");
    let diff = shop.company.ok(&["diff", "linus"]);
    assert!(diff.contains("+linus") && diff.contains("+open"), "{diff}");
    assert_eq!(
        shop.company.ok(&["diff", &task, "--files"]),
        "b.txt (by git alone)\nc.txt (by git alone)\n"
    );
    let second = shop.work("linus", "echo more >> b.txt");
    let diff = shop.company.ok(&["diff", &second]);
    assert!(diff.contains("+more") && !diff.contains("+linus"), "{diff}");
    let none = shop.refused(&["diff", "ada"]);
    assert!(none.contains("without a git worktree of its own"), "{none}");

    let open = shop.refused(&["merge", "linus"]);
    assert!(
        open.contains("has 2 files that are not committed: b.txt, c.txt"),
        "{open}"
    );
    let home = shop.company.ok(&["merge", "linus", "--commit", "the rest"]);
    assert!(home.starts_with("2 commits brought home"), "{home}");
    assert_eq!(
        fs::read_to_string(shop.repository.join("b.txt")).unwrap(),
        "linus\nmore\n"
    );
    assert_eq!(
        shop.company.ok(&["merge", "linus"]),
        "nothing to bring home\n"
    );
    shop.company.close();
}

#[test]
fn a_conflict_is_handed_back_and_resolved() {
    let shop = Shop::open();
    shop.hire("Ada", &["--worktree", "always"]);
    shop.hire("Linus", &["--worktree", "always"]);
    for who in ["ada", "linus"] {
        shop.work(who, &format!("echo {who} > a.txt && git commit -qam {who}"));
    }
    shop.company.ok(&["merge", "ada"]);
    let output = shop
        .company
        .run(&["merge", "linus", "--hand-back", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let merged: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&merged["outcome"], &merged["files"][0]),
        (&"conflicts".into(), &"a.txt".into())
    );
    let task = merged["task"].as_str().expect("a task");
    shop.company.ok(&["task", "wait", task]);
    let text = shop.company.json(&["task", "show", task])["text"].to_string();
    assert!(
        text.contains("git merge main") && text.contains("a.txt"),
        "{text}"
    );
    // What such a task asks for; the simulated employee has to be told each step.
    shop.work(
        "linus",
        "git merge main; printf 'ada\\nlinus\\n' > a.txt && git commit -qam both",
    );
    shop.company.ok(&["merge", "linus", "--squash"]);
    assert_eq!(
        fs::read_to_string(shop.repository.join("a.txt")).unwrap(),
        "ada\nlinus\n"
    );
    shop.company.close();
}

#[test]
fn removing_a_process_keeps_what_its_worktree_held() {
    let shop = Shop::open();
    let ada = shop.hire("Ada", &["--worktree", "always"]);
    let top = PathBuf::from(ada["worktree"]["folder"].as_str().unwrap());
    shop.work("ada", "echo unfinished > draft.txt");
    let up = shop.refused(&["rm", "ada"]);
    assert!(up.contains("stop it first") && top.exists(), "{up}");
    shop.company.ok(&["stop", "ada"]);
    shop.company.ok(&["rm", "ada"]);
    assert!(!top.exists());
    let folder = shop.repository.to_str().unwrap();
    let listed = shop.company.json(&["restore", "--repository", folder]);
    assert_eq!(
        (&listed[0]["process"], &listed[0]["files"]),
        (&ada["id"], &2.into())
    );
    let back = shop.company.workspace().join("back");
    let to = back.to_str().unwrap();
    shop.company
        .ok(&["restore", "proc_001", "--repository", folder, "--to", to]);
    assert_eq!(
        fs::read_to_string(back.join("draft.txt")).unwrap(),
        "unfinished\n"
    );
    let taken = shop.refused(&["restore", "proc_001", "--repository", folder, "--to", to]);
    assert!(
        taken.contains("is there already and is not empty"),
        "{taken}"
    );
    shop.company.close();
}

#[test]
fn what_cannot_be_kept_is_not_removed() {
    let shop = Shop::open();
    let ada = shop.hire("Ada", &["--worktree", "always"]);
    let top = PathBuf::from(ada["worktree"]["folder"].as_str().unwrap());
    shop.work("ada", "git init -q inner && echo x > inner/file");
    shop.company.ok(&["stop", "ada"]);
    let kept = shop.refused(&["rm", "ada"]);
    assert!(
        kept.contains("is a repository of its own") && kept.contains("nothing was removed"),
        "{kept}"
    );
    assert!(top.join("inner/file").exists());
    assert_eq!(shop.company.json(&["inspect", "ada"])["name"], "Ada");
    shop.company.close();
}

#[test]
fn without_a_repository_a_worktree_is_refused_in_plain_words() {
    let company = Instance::demo();
    let output = company.run(&["create", "senior_developer", "--worktree", "always"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("is in no git repository") && said.contains("git init"),
        "{said}"
    );
    company.close();
}

#[test]
fn a_stop_and_a_removal_say_what_is_not_committed() {
    let shop = Shop::open();
    shop.hire("Ada", &["--worktree", "always"]);
    shop.work("ada", "echo ada > a.txt; echo two > draft.txt");
    let stopped = shop.company.ok(&["stop", "ada"]);
    assert!(
        stopped.contains("2 files are not committed: a.txt, draft.txt"),
        "{stopped}"
    );
    let shown = shop.company.json(&["inspect", "ada"]);
    assert_eq!(shown["worktree"]["branch"], "headcount/ada", "{shown:#}");
    let removed = shop.company.json(&["rm", "ada"]);
    assert_eq!(removed["left"]["uncommitted"], 2, "{removed:#}");
    assert!(removed["saved"]["ref"].is_string(), "{removed:#}");
    shop.hire("Linus", &["--worktree", "always"]);
    shop.work("linus", "echo three > a.txt");
    shop.company.ok(&["stop", "linus"]);
    let removed = shop.company.ok(&["rm", "linus"]);
    assert!(
        removed.contains("1 file is not committed: a.txt")
            && removed.contains("`headcount restore proc_002` brings it back"),
        "{removed}"
    );
    shop.hire("Grace", &["--worktree", "always"]);
    shop.work("grace", "echo four > a.txt");
    let down = shop.company.run(&["down"]);
    let said = String::from_utf8_lossy(&down.stderr).into_owned();
    assert!(
        said.contains("Grace has 1 file not committed, in ") && down.status.success(),
        "{said}"
    );
    shop.company.ok(&["up"]);
    shop.company.close();
}

#[test]
fn a_task_on_a_branch_of_its_own_is_brought_home_alone() {
    let shop = Shop::open();
    shop.hire("Ada", &["--worktree", "always"]);
    shop.work("ada", "echo open > open.txt");
    let alone = |command: &str| {
        let text = format!("TOOL Bash {command} ;; SAY done");
        let words = ["task", "add", &text, "--process", "ada", "--own-branch"];
        let task = shop.company.ok(&words).trim().to_owned();
        let task = shop.company.json(&["task", "wait", &task]);
        assert_eq!(task["state"], "succeeded", "{task:#}");
        task
    };
    let first = alone("ls > seen.txt; git add -A; git commit -qm first");
    let id = first["id"].as_str().unwrap();
    assert_eq!(first["branch"], format!("headcount/{id}"), "{first:#}");
    let seen = shop.company.ok(&["diff", id]);
    assert!(
        seen.contains("+seen.txt") && !seen.contains("+open.txt"),
        "what another one left open is not there: {seen}"
    );
    let second = alone("echo second > second.txt; git add -A; git commit -qm second");
    shop.company.ok(&["merge", id]);
    assert!(shop.repository.join("seen.txt").exists());
    assert!(!shop.repository.join("second.txt").exists());
    assert!(!shop.repository.join("open.txt").exists());
    // A task that asks for nothing goes on where its process was, with all that was there.
    let back = shop.work("ada", "cat open.txt > copy.txt");
    assert!(shop.company.ok(&["diff", &back]).contains("+open"));
    let id = second["id"].as_str().unwrap();
    shop.company.ok(&["merge", id, "--rebase"]);
    assert!(shop.repository.join("second.txt").exists());
    let shared = shop.refused(&["merge", &back]);
    assert!(shared.contains("part of headcount/ada"), "{shared}");
    shop.company.close();
}

/// Locks of git that nobody holds any more, anywhere below a folder.
fn locks(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            locks(&path, found);
        } else if path.extension().is_some_and(|end| end == "lock") {
            found.push(path);
        }
    }
}

#[test]
fn seven_commit_a_hundred_tasks_while_the_instance_is_killed_fifty_times() {
    const TASKS: usize = 100;
    const KILLS: u32 = 50;
    let shop = Shop::open();
    for n in 0..7 {
        shop.hire(&format!("Worker {n}"), &["--worktree", "always"]);
    }
    let lines: Vec<String> = (0..TASKS)
        .map(|n| {
            let command = format!("echo {n} > f{n}.txt && git add -A && git commit -qm task-{n}");
            format!("TOOL Bash {command} ;; SLOW 0.2 text ;; SAY did {n}")
        })
        .collect();
    let file = shop.company.workspace().join("tasks.txt");
    fs::write(&file, lines.join("\n")).unwrap();
    let added = shop
        .company
        .ok(&["task", "add", "--file", file.to_str().unwrap()]);
    let tasks: Vec<&str> = added.lines().collect();
    assert_eq!(tasks.len(), TASKS);
    for round in 0..KILLS {
        // The moment itself is what is tried here: nothing is waited for.
        let moment = u64::from(round * 37 % 120);
        std::thread::sleep(std::time::Duration::from_millis(moment));
        shop.company.kill_instance();
        shop.company.ok(&["up"]);
    }
    for task in &tasks {
        let task = shop
            .company
            .json(&["task", "wait", task, "--timeout", "120s"]);
        assert_eq!(task["state"], "succeeded", "{task:#}");
    }
    let subjects = git(&shop.repository, &["log", "--all", "--format=%s"]);
    for n in 0..TASKS {
        let subject = format!("task-{n}");
        let count = subjects.lines().filter(|line| *line == subject).count();
        assert_eq!(count, 1, "{subject}");
    }
    let branches = git(&shop.repository, &["branch", "--list", "headcount/*"]);
    assert_eq!(branches.lines().count(), 7, "{branches}");
    shop.company.ok(&["stop", "--all"]);
    let mut left = Vec::new();
    locks(&shop.repository.join(".git"), &mut left);
    assert_eq!(left, Vec::<PathBuf>::new());
    git(&shop.repository, &["fsck", "--strict", "--no-dangling"]);
    shop.company.close();
}
