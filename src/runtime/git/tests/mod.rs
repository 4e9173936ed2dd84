//! On real repositories in a folder of the test's own.

mod home;
mod saved;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::domain::worktree::{FileChange, UseWorktree, WorktreeRule};

/// A repository with two commits, and a place for worktrees beside it.
struct Rig {
    root: TempDir,
    trees: Worktrees,
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    let output = command
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Test", "-c", "user.email=test@localhost"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn commit(folder: &Path, message: &str) {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-qm", message]);
}

fn at() -> Timestamp {
    "2026-03-01T09:00:00Z".parse().expect("a time")
}

impl Rig {
    fn new() -> Self {
        Self::at(TempDir::new().expect("a folder"))
    }

    fn at(root: TempDir) -> Self {
        let repo = root.path().join("shop");
        fs::create_dir(&repo).expect("a folder");
        git(&repo, &["init", "-q", "-b", "main"]);
        git(&repo, &["config", "user.name", "Test"]);
        git(&repo, &["config", "user.email", "test@localhost"]);
        put(&repo, "a.txt", "one\ntwo\nthree\n");
        put(&repo, "src/lib.rs", "// code\n");
        put(&repo, ".gitignore", "target/\n.env\n");
        commit(&repo, "first");
        Self {
            root,
            trees: Worktrees::default(),
        }
    }

    fn repo(&self) -> PathBuf {
        self.root.path().join("shop")
    }

    fn rule() -> WorktreeRule {
        WorktreeRule {
            when: UseWorktree::Always,
            ..WorktreeRule::default()
        }
    }

    async fn settle(&self, name: &str, rule: &WorktreeRule) -> Result<Settled, GitError> {
        self.settle_at(&self.repo(), name, rule, None, &[]).await
    }

    async fn settle_at(
        &self,
        folder: &Path,
        name: &str,
        rule: &WorktreeRule,
        known: Option<&Worktree>,
        others: &[PathBuf],
    ) -> Result<Settled, GitError> {
        let place = self.root.path().join("trees").join(name);
        let wanted = Wanted {
            folder,
            place: &place,
            name,
            rule,
            team: false,
            known,
            others,
        };
        self.trees.settle(wanted).await
    }

    /// As long as it is held nobody makes a worktree.
    async fn somebody_makes_one(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.trees.lock(Path::new("")).await
    }

    async fn tree(&self, name: &str) -> Worktree {
        let settled = self.settle(name, &Self::rule()).await.expect("a worktree");
        settled.worktree.expect("one of its own")
    }
}

const ADA: ProcessId = ProcessId(1);

#[tokio::test]
async fn a_worktree_is_made_once_and_found_again() {
    let rig = Rig::new();
    let rule = WorktreeRule {
        setup: vec!["echo ready >> target-made".to_owned()],
        copy: vec![".env".into(), "missing".into(), "../outside".into()],
        ..Rig::rule()
    };
    put(&rig.repo(), ".env", "SECRET=1\n");
    let made = rig
        .settle_at(&rig.repo().join("src"), "Ada", &rule, None, &[])
        .await
        .expect("it is made");
    let tree = made.worktree.clone().expect("one of its own");
    assert_eq!(
        (tree.branch.as_str(), tree.base.as_str()),
        ("headcount/ada", "main")
    );
    assert_eq!(tree.folder, tree.top.join("src"));
    assert_eq!(
        git(&tree.top, &["branch", "--show-current"]),
        "headcount/ada"
    );
    let copied = fs::read_to_string(tree.top.join(".env")).expect("it is copied");
    assert_eq!(copied, "SECRET=1\n");
    assert_eq!(
        made.notes,
        [
            "missing is not there and was not copied",
            "../outside is not below the repository and was not copied"
        ]
    );
    let again = rig
        .settle_at(&rig.repo().join("src"), "Ada", &rule, None, &[])
        .await
        .expect("it is found");
    assert_eq!(
        again.worktree.as_ref(),
        Some(&tree),
        "though nobody recorded it"
    );
    let once = fs::read_to_string(tree.folder.join("target-made")).expect("it is set up");
    assert_eq!(once, "ready\n");
    let linus = rig.tree("Ada-2").await;
    assert_eq!(linus.branch, "headcount/ada-2");
}

#[tokio::test]
async fn a_second_one_in_a_repository_gets_its_own_and_the_first_does_not() {
    let rig = Rig::new();
    let auto = WorktreeRule::default();
    let alone = rig.settle("Ada", &auto).await.expect("an answer");
    assert_eq!(alone, Settled::default());
    let elsewhere = TempDir::new().expect("a folder");
    let others = [elsewhere.path().to_owned(), rig.root.path().join("gone")];
    let alone = rig
        .settle_at(&rig.repo(), "Ada", &auto, None, &others)
        .await;
    assert_eq!(alone.expect("an answer"), Settled::default());
    let others = [rig.repo().join("src")];
    let second = rig
        .settle_at(&rig.repo(), "Linus", &auto, None, &others)
        .await;
    assert!(second.expect("an answer").worktree.is_some());
    let never = WorktreeRule {
        when: UseWorktree::Never,
        ..auto
    };
    let shared = rig
        .settle_at(&rig.repo(), "Grace", &never, None, &others)
        .await;
    let shared = shared.expect("an answer");
    assert_eq!(shared.worktree, None);
    let said = shared.notes.join("\n");
    assert!(
        said.contains("shares") && said.contains("switched off"),
        "{said}"
    );
    let alone = rig.settle_at(&rig.repo(), "Grace", &never, None, &[]).await;
    assert_eq!(alone.expect("an answer"), Settled::default());
}

#[tokio::test]
async fn what_cannot_work_is_said_in_plain_words() {
    let rig = Rig::new();
    let nowhere = TempDir::new().expect("a folder");
    let bare = rig.root.path().join("bare.git");
    git(rig.root.path(), &["init", "-q", "--bare", "bare.git"]);
    let fresh = rig.root.path().join("fresh");
    git(rig.root.path(), &["init", "-q", "fresh"]);
    let missing = WorktreeRule {
        base: Some("v9".to_owned()),
        ..Rig::rule()
    };
    let failing = WorktreeRule {
        setup: vec!["echo no disk >&2; exit 7".to_owned()],
        ..Rig::rule()
    };
    let rule = Rig::rule();
    let cases = [
        (nowhere.path(), &rule, "is in no git repository"),
        (bare.as_path(), &rule, "is a bare repository"),
        (fresh.as_path(), &rule, "has no commit yet"),
        (&rig.repo(), &missing, "has no `v9` to begin from"),
        (
            &rig.repo(),
            &failing,
            "the set-up command `echo no disk >&2; exit 7` failed: exit status: 7: no disk",
        ),
    ];
    for (n, (folder, rule, words)) in cases.into_iter().enumerate() {
        let result = rig
            .settle_at(folder, &format!("e{n}"), rule, None, &[])
            .await;
        let error = result.expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.remedy().is_some(), "{error}");
    }
    // A set-up that failed is run again.
    let mended = WorktreeRule {
        setup: vec!["touch ready".to_owned()],
        ..Rig::rule()
    };
    let tree = rig.settle("e4", &mended).await.expect("it is mended");
    assert!(tree.worktree.expect("one").folder.join("ready").exists());
}

#[tokio::test]
async fn a_dirty_or_headless_base_is_told() {
    let rig = Rig::new();
    put(&rig.repo(), "a.txt", "changed\n");
    put(&rig.repo(), "new.txt", "new\n");
    git(&rig.repo(), &["checkout", "-q", "--detach"]);
    let settled = rig.settle("Ada", &Rig::rule()).await.expect("a worktree");
    let text = settled.notes.join("\n");
    assert!(text.contains("2 files in"), "{text}");
    assert!(text.contains("no branch is checked out"), "{text}");
    let tree = settled.worktree.expect("one of its own");
    put(&tree.top, "b.txt", "b\n");
    commit(&tree.top, "b");
    let home = rig.trees.bring(&tree, MergeMode::Merge, "b", None).await;
    assert!(matches!(home, Err(GitError::NoHome { .. })), "{home:?}");
}

#[tokio::test]
async fn changes_count_what_is_committed_and_what_is_not() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    put(&tree.top, "a.txt", "one\nTWO\nthree\nfour\n");
    commit(&tree.top, "a");
    put(&tree.top, "neü file", "x\ny\n");
    fs::write(tree.top.join("raw.bin"), [0u8, 1, 2, 255]).expect("a file");
    fs::remove_file(tree.top.join("src/lib.rs")).expect("it was there");
    put(&rig.repo(), "other.txt", "other\n");
    commit(&rig.repo(), "other");
    let changes = rig.trees.changes(&tree).await.expect("changes");
    assert_eq!(
        (changes.ahead, changes.behind, changes.uncommitted),
        (1, 1, 3)
    );
    let files: Vec<_> = changes
        .files
        .iter()
        .map(|file| {
            (
                file.path.as_str(),
                file.change,
                file.added,
                file.removed,
                file.uncommitted,
            )
        })
        .collect();
    assert_eq!(
        files,
        [
            ("a.txt", FileChange::Modified, Some(2), Some(1), false),
            ("neü file", FileChange::Added, Some(2), Some(0), true),
            ("raw.bin", FileChange::Added, None, None, true),
            ("src/lib.rs", FileChange::Deleted, Some(0), Some(1), true),
        ]
    );
    let patch = rig.trees.patch(&tree, true).await.expect("a patch");
    let text = String::from_utf8_lossy(&patch).into_owned();
    assert!(
        text.contains("+TWO")
            && text.contains("+++ b/neü file")
            && text.contains("GIT binary patch"),
        "{text}"
    );
    assert_eq!(
        git(&tree.top, &["status", "--porcelain"]).lines().count(),
        3,
        "the index is left alone"
    );
    // It can be applied elsewhere.
    git(
        &rig.repo(),
        &["checkout", "-q", "-b", "elsewhere", &tree.begun],
    );
    let file = rig.root.path().join("work.patch");
    fs::write(&file, patch).expect("a file");
    git(&rig.repo(), &["apply", file.to_str().expect("a path")]);
    assert_eq!(
        fs::read(rig.repo().join("raw.bin")).expect("it is there"),
        [0u8, 1, 2, 255]
    );
}

#[tokio::test]
async fn a_change_of_the_same_size_in_the_second_of_the_checkout_is_seen() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    // What a checkout and a quick edit leave, without the luck of the clock: same size, same time as the index.
    git(&rig.repo(), &["config", "core.trustctime", "false"]);
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let old = |path: &Path| {
        let file = fs::File::options().write(true).open(path);
        let set = file.and_then(|file| file.set_modified(then));
        set.expect("a time is set");
    };
    let path = tree.top.join("a.txt");
    old(&path);
    git(&tree.top, &["update-index", "--refresh"]);
    put(&tree.top, "a.txt", "one\nTWO\nthree\n");
    old(&path);
    let index = ["rev-parse", "--path-format=absolute", "--git-path", "index"];
    old(Path::new(&git(&tree.top, &index)));
    let changes = rig.trees.changes(&tree).await.expect("changes");
    let files = changes.files.iter().map(|file| file.path.as_str());
    assert_eq!(files.collect::<Vec<_>>(), ["a.txt"]);
    let patch = rig.trees.patch(&tree, false).await.expect("a patch");
    assert!(String::from_utf8_lossy(&patch).contains("+TWO"));
}

#[tokio::test]
async fn a_task_has_changes_of_its_own() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    put(&tree.top, "before.txt", "before\n");
    let task = TaskId(7);
    assert_eq!(
        rig.trees
            .task_patch(&tree, task, false)
            .await
            .expect("an answer"),
        None
    );
    rig.trees
        .mark(&tree, task, false)
        .await
        .expect("it is marked");
    put(&tree.top, "mine.txt", "mine\n");
    let open = rig
        .trees
        .task_patch(&tree, task, false)
        .await
        .expect("an answer");
    let open = String::from_utf8(open.expect("it is marked")).expect("text");
    assert!(open.contains("+mine") && !open.contains("before"), "{open}");
    commit(&tree.top, "both");
    rig.trees
        .mark(&tree, task, true)
        .await
        .expect("it is marked");
    put(&tree.top, "later.txt", "later\n");
    let files = rig.trees.task_files(&tree, task).await.expect("files");
    assert_eq!(files, Some(vec!["mine.txt".to_owned()]));
    let closed = rig
        .trees
        .task_patch(&tree, task, false)
        .await
        .expect("an answer");
    assert_eq!(
        String::from_utf8(closed.expect("it is marked")).expect("text"),
        open
    );
}

#[tokio::test]
async fn a_worktree_that_went_behind_our_back_is_made_anew_from_its_branch() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    put(&tree.top, "b.txt", "b\n");
    commit(&tree.top, "b");
    fs::remove_dir_all(&tree.top).expect("it was there");
    let gone = rig.trees.changes(&tree).await;
    assert!(matches!(gone, Err(GitError::Gone { .. })), "{gone:?}");
    let auto = WorktreeRule::default();
    let settled = rig
        .settle_at(&rig.repo(), "Ada", &auto, Some(&tree), &[])
        .await
        .expect("it is made anew");
    assert_eq!(settled.worktree.as_ref(), Some(&tree));
    assert!(
        settled.notes[0].contains("made anew from the branch headcount/ada"),
        "{:?}",
        settled.notes
    );
    assert!(tree.top.join("b.txt").exists());
    fs::remove_dir_all(&tree.top).expect("it was there");
    rig.trees
        .remove(&tree, ADA, at())
        .await
        .expect("git forgets it");
    // The branch as well.
    git(&rig.repo(), &["branch", "-D", "headcount/ada"]);
    let settled = rig
        .settle_at(&rig.repo(), "Ada", &auto, Some(&tree), &[])
        .await;
    let fresh = settled.expect("it begins anew").worktree.expect("one");
    assert_eq!(fresh.branch, "headcount/ada");
    assert!(!fresh.top.join("b.txt").exists());
}

#[tokio::test]
async fn many_at_once_do_not_trip_over_locks() {
    let rig = Rig::new();
    let names: Vec<String> = (0..7).map(|n| format!("e{n}")).collect();
    let rule = Rig::rule();
    let made = futures::future::join_all(names.iter().map(|name| rig.settle(name, &rule))).await;
    let trees: Vec<Worktree> = made
        .into_iter()
        .map(|made| made.expect("a worktree").worktree.expect("one"))
        .collect();
    for (n, tree) in trees.iter().enumerate() {
        put(&tree.top, &format!("own{n}.txt"), "x\n");
        commit(&tree.top, &format!("own{n}"));
    }
    let bring = |tree| rig.trees.bring(tree, MergeMode::Merge, "m", None);
    for home in futures::future::join_all(trees.iter().map(bring)).await {
        assert!(matches!(home, Ok(Merged::Done { .. })), "{home:?}");
    }
    for n in 0..7 {
        assert!(rig.repo().join(format!("own{n}.txt")).exists());
    }
    git(&rig.repo(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn submodules_lfs_and_nested_worktrees_are_told_in_plain_words() {
    let rig = Rig::new();
    put(
        &rig.repo(),
        ".gitmodules",
        "[submodule \"lib\"]\n\tpath = lib\n\turl = ../lib\n",
    );
    put(
        &rig.repo(),
        ".gitattributes",
        "*.bin filter=lfs diff=lfs merge=lfs\n",
    );
    commit(&rig.repo(), "pointers");
    let settled = rig.settle("Ada", &Rig::rule()).await.expect("a worktree");
    let text = settled.notes.join("\n");
    assert!(text.contains("git submodule update --init"), "{text}");
    let has_lfs = Command::new("git")
        .args(["lfs", "version"])
        .output()
        .is_ok_and(|output| output.status.success());
    assert_eq!(
        text.contains("git-lfs is not installed"),
        !has_lfs,
        "{text}"
    );
    // A worktree of a worktree is one of the same repository.
    let ada = settled.worktree.expect("one of its own");
    let inner = rig
        .settle_at(&ada.top, "Linus", &Rig::rule(), None, &[])
        .await
        .expect("one of its own");
    let inner = inner.worktree.expect("one of its own");
    assert_eq!(inner.base, "headcount/ada");
    assert_eq!(git(&rig.repo(), &["worktree", "list"]).lines().count(), 3);
}

#[tokio::test]
async fn without_git_a_worktree_is_refused_by_name() {
    let error = GitError::child(
        "rev-parse",
        crate::runtime::children::ChildError::Start {
            program: "git".to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::NotFound),
        },
    );
    assert_eq!(error.to_string(), "git is not on the PATH");
    assert_eq!(error.remedy().as_deref(), Some("install git"));
}

#[tokio::test]
async fn who_has_no_worktree_waits_for_nobody_elses() {
    let rig = Rig::new();
    let _making = rig.somebody_makes_one().await;
    let never = WorktreeRule {
        when: UseWorktree::Never,
        ..WorktreeRule::default()
    };
    let repo = rig.repo();
    let others = [repo.clone()];
    let settling = rig.settle_at(&repo, "ada", &never, None, &others);
    let settled = tokio::time::timeout(Duration::from_secs(60), settling).await;
    let settled = settled.expect("it waits for nothing").expect("it shares");
    assert_eq!(settled.worktree, None);
    assert!(settled.notes[0].contains("shares"), "{:?}", settled.notes);
}
