//! On real repositories in a folder of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
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

    async fn tree(&self, name: &str) -> Worktree {
        let settled = self.settle(name, &Self::rule()).await.expect("a worktree");
        settled.worktree.expect("one of its own")
    }
}

const ADA: ProcessId = ProcessId(1);

/// Everything below a folder but git's own: path, kind and mode, contents.
fn contents(top: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    fn read(top: &Path, below: &Path, all: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
        for entry in fs::read_dir(top.join(below)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = below.join(entry.file_name());
            if path == Path::new(".git") {
                continue;
            }
            let meta = fs::symlink_metadata(top.join(&path)).expect("it is there");
            let bytes = if meta.is_symlink() {
                let to = fs::read_link(top.join(&path)).expect("a link");
                to.into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                read(top, &path, all);
                b"folder".to_vec()
            } else {
                fs::read(top.join(&path)).expect("a file")
            };
            all.insert(path, (meta.permissions().mode(), bytes));
        }
    }
    let mut all = BTreeMap::new();
    read(top, Path::new(""), &mut all);
    all
}

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
async fn work_comes_home_by_merge_rebase_and_squash() {
    for mode in [MergeMode::Merge, MergeMode::Rebase, MergeMode::Squash] {
        let rig = Rig::new();
        let tree = rig.tree("Ada").await;
        let nothing = rig
            .trees
            .bring(&tree, mode, "m", None)
            .await
            .expect("an answer");
        assert_eq!(nothing, Merged::Nothing);
        for n in 0..2 {
            put(&tree.top, &format!("n{n}.txt"), "n\n");
            commit(&tree.top, &format!("n{n}"));
        }
        put(&rig.repo(), "base.txt", "base\n");
        commit(&rig.repo(), "base");
        put(
            &rig.repo(),
            "open.txt",
            "not committed, and not in the way\n",
        );
        put(&tree.top, "rest.txt", "rest\n");
        let open = rig.trees.bring(&tree, mode, "m", None).await;
        assert!(
            matches!(open, Err(GitError::Uncommitted { .. })),
            "{open:?}"
        );
        let home = rig
            .trees
            .bring(&tree, mode, "Ada's work", Some("the rest"))
            .await;
        let Ok(Merged::Done { commits: 3, commit }) = home else {
            panic!("{mode:?}: {home:?}");
        };
        assert_eq!(git(&rig.repo(), &["rev-parse", "main"]), commit);
        assert_eq!(git(&tree.top, &["rev-parse", "HEAD"]), commit);
        for name in ["n0.txt", "n1.txt", "base.txt", "open.txt", "rest.txt"] {
            assert!(rig.repo().join(name).exists(), "{mode:?} {name}");
        }
        let parents = git(&rig.repo(), &["log", "-1", "--format=%P", "main"]);
        let titles = git(
            &rig.repo(),
            &["log", "--format=%s", "--first-parent", "main"],
        );
        let expected = match mode {
            MergeMode::Merge => (2, "Ada's work\nbase\nfirst"),
            MergeMode::Squash => (1, "Ada's work\nbase\nfirst"),
            MergeMode::Rebase => (1, "the rest\nn1\nn0\nbase\nfirst"),
        };
        assert_eq!(
            (parents.split(' ').count(), titles.as_str()),
            expected,
            "{mode:?}"
        );
        let changes = rig.trees.changes(&tree).await.expect("changes");
        assert_eq!(
            (changes.ahead, changes.behind, changes.files.len()),
            (0, 0, 0)
        );
    }
}

#[tokio::test]
async fn a_conflict_changes_nothing_and_names_the_files() {
    for mode in [MergeMode::Merge, MergeMode::Rebase, MergeMode::Squash] {
        let rig = Rig::new();
        let tree = rig.tree("Ada").await;
        put(&tree.top, "a.txt", "ada\n");
        commit(&tree.top, "ada");
        put(&rig.repo(), "a.txt", "grace\n");
        commit(&rig.repo(), "grace");
        let before = (
            git(&rig.repo(), &["rev-parse", "main"]),
            git(&tree.top, &["rev-parse", "HEAD"]),
        );
        let home = rig
            .trees
            .bring(&tree, mode, "m", None)
            .await
            .expect("an answer");
        let files = vec!["a.txt".to_owned()];
        assert_eq!(home, Merged::Conflicts { files });
        let after = (
            git(&rig.repo(), &["rev-parse", "main"]),
            git(&tree.top, &["rev-parse", "HEAD"]),
        );
        assert_eq!(before, after);
        assert_eq!(git(&tree.top, &["status", "--porcelain"]), "");
        assert_eq!(git(&rig.repo(), &["status", "--porcelain"]), "");
    }
}

#[tokio::test]
async fn what_is_open_in_the_base_is_not_overwritten() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    put(&tree.top, "a.txt", "ada\n");
    commit(&tree.top, "ada");
    put(&rig.repo(), "a.txt", "being edited\n");
    let home = rig.trees.bring(&tree, MergeMode::Merge, "m", None).await;
    let error = home.expect_err("it is in the way").to_string();
    assert!(error.contains("a.txt"), "{error}");
    let there = fs::read_to_string(rig.repo().join("a.txt")).expect("a file");
    assert_eq!(there, "being edited\n");
    assert_eq!(git(&tree.top, &["log", "-1", "--format=%s"]), "ada");
    // A base that is checked out nowhere moves all the same.
    git(&rig.repo(), &["checkout", "-q", "-f", "-b", "elsewhere"]);
    let home = rig.trees.bring(&tree, MergeMode::Merge, "m", None).await;
    assert!(matches!(home, Ok(Merged::Done { .. })), "{home:?}");
    assert_eq!(git(&rig.repo(), &["show", "main:a.txt"]), "ada");
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

fn make_a_mess(top: &Path) {
    put(top, "a.txt", "changed\r\nwith carriage returns\r\n");
    put(top, "staged.txt", "staged\n");
    git(top, &["add", "staged.txt"]);
    put(top, "staged.txt", "staged and changed again\n");
    put(top, "new/empty", "");
    put(top, "line\nbreak", "newline in the name\n");
    put(top, "per%cent", "percent\n");
    put(top, ".env", "SECRET=1\n");
    put(top, "target/small.o", "ignored but small\n");
    fs::remove_file(top.join("src/lib.rs")).expect("it was there");
    fs::write(top.join("run.sh"), "#!/bin/sh\n").expect("a file");
    for (name, mode) in [("run.sh", 0o755), (".env", 0o600), ("new/empty", 0o640)] {
        fs::set_permissions(top.join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    symlink("a.txt", top.join("link")).expect("a link");
    symlink("/nowhere/at all", top.join("dangling")).expect("a link");
    fs::create_dir_all(top.join("empty/inside")).expect("a folder");
}

#[tokio::test]
async fn what_was_removed_comes_back_byte_for_byte() {
    let rig = Rig::new();
    put(&rig.repo(), ".gitattributes", "*.txt text=auto eol=lf\n");
    commit(&rig.repo(), "filters");
    let tree = rig.tree("Ada").await;
    put(&tree.top, "committed.txt", "committed\n");
    commit(&tree.top, "kept in the branch");
    make_a_mess(&tree.top);
    fs::write(tree.top.join("target/huge.o"), vec![0u8; 17 << 20]).expect("a file");
    let before = contents(&tree.top);
    let index = git(&tree.top, &["diff", "--cached", "--name-status"]);
    let saved = rig
        .trees
        .remove(&tree, ADA, at())
        .await
        .expect("it goes")
        .expect("it is kept");
    assert!(!tree.top.exists());
    assert_eq!(saved.left_out, ["target"]);
    assert_eq!(git(&rig.repo(), &["worktree", "list"]).lines().count(), 1);
    let listed = rig.trees.saved(&rig.repo()).await.expect("a list");
    assert_eq!(listed, std::slice::from_ref(&saved));
    let to = rig.root.path().join("back");
    let back = rig
        .trees
        .restore(&rig.repo(), "proc_001", &to)
        .await
        .expect("it comes back");
    assert_eq!(back, saved);
    let mut after = contents(&to);
    let mut expected = before;
    expected.retain(|path, _| !path.starts_with("target"));
    // The folders' own modes go by the umask.
    for all in [&mut expected, &mut after] {
        all.retain(|_, (_, bytes)| bytes != b"folder");
    }
    assert_eq!(after, expected);
    assert!(to.join("empty/inside").is_dir());
    assert_eq!(git(&to, &["diff", "--cached", "--name-status"]), index);
    assert_eq!(git(&to, &["branch", "--show-current"]), "headcount/ada");
    git(&rig.repo(), &["fsck", "--strict"]);
    let taken = rig.trees.restore(&rig.repo(), "proc_001", &to).await;
    assert!(matches!(taken, Err(GitError::Taken { .. })), "{taken:?}");
    let unknown = rig.trees.restore(&rig.repo(), "proc_009", &to).await;
    assert!(
        matches!(unknown, Err(GitError::NotSaved { .. })),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_clean_worktree_whose_work_is_home_takes_its_branch_along() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    rig.trees.remove(&tree, ADA, at()).await.expect("it goes");
    assert_eq!(
        git(&rig.repo(), &["branch", "--format=%(refname:short)"]),
        "main"
    );
    let tree = rig.tree("Ada").await;
    put(&tree.top, "b.txt", "b\n");
    commit(&tree.top, "b");
    rig.trees.remove(&tree, ADA, at()).await.expect("it goes");
    assert_eq!(
        git(&rig.repo(), &["branch", "--format=%(refname:short)"]),
        "headcount/ada\nmain"
    );
    assert_eq!(rig.trees.saved(&rig.repo()).await.expect("a list").len(), 2);
}

#[tokio::test]
async fn a_repository_inside_keeps_the_worktree_where_it_is() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    git(&tree.top, &["init", "-q", "inner"]);
    put(&tree.top, "inner/file", "x\n");
    let kept = rig.trees.remove(&tree, ADA, at()).await;
    assert!(matches!(kept, Err(GitError::Nested { .. })), "{kept:?}");
    let kept = rig.trees.discard(&tree, ADA, at()).await;
    assert!(matches!(kept, Err(GitError::Nested { .. })), "{kept:?}");
    assert!(tree.top.join("inner/file").exists());
}

#[tokio::test]
async fn what_is_discarded_is_kept() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    make_a_mess(&tree.top);
    let before = contents(&tree.top);
    let saved = rig
        .trees
        .discard(&tree, ADA, at())
        .await
        .expect("it is discarded");
    let changes = rig.trees.changes(&tree).await.expect("changes");
    assert_eq!((changes.files.len(), changes.uncommitted), (0, 0));
    assert!(tree.top.join(".env").exists(), "what git ignores stays");
    let to = rig.root.path().join("back");
    rig.trees
        .restore(&rig.repo(), &saved.name, &to)
        .await
        .expect("it comes back");
    let (mut after, mut before) = (contents(&to), before);
    for all in [&mut after, &mut before] {
        all.retain(|_, (_, bytes)| bytes != b"folder");
    }
    assert_eq!(after, before);
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
async fn a_base_that_moved_or_is_gone_is_told() {
    let rig = Rig::new();
    git(&rig.repo(), &["checkout", "-q", "-b", "feature"]);
    let tree = rig.tree("Ada").await;
    assert_eq!(tree.base, "feature");
    put(&tree.top, "b.txt", "b\n");
    commit(&tree.top, "b");
    // Somebody began the base anew.
    put(&rig.repo(), "c.txt", "c\n");
    commit(&rig.repo(), "c");
    git(&rig.repo(), &["commit", "-q", "--amend", "-m", "another c"]);
    let changes = rig.trees.changes(&tree).await.expect("changes");
    assert_eq!((changes.ahead, changes.behind), (1, 1));
    assert_eq!(changes.files.len(), 1);
    let home = rig.trees.bring(&tree, MergeMode::Rebase, "m", None).await;
    assert!(
        matches!(home, Ok(Merged::Done { commits: 1, .. })),
        "{home:?}"
    );
    // And then deleted it.
    put(&tree.top, "d.txt", "d\n");
    commit(&tree.top, "d");
    git(&rig.repo(), &["checkout", "-q", "main"]);
    git(&rig.repo(), &["branch", "-q", "-D", "feature"]);
    let changes = rig.trees.changes(&tree).await.expect("changes");
    assert!(
        changes.files.iter().any(|file| file.path == "d.txt"),
        "{changes:?}"
    );
    let home = rig.trees.bring(&tree, MergeMode::Merge, "m", None).await;
    let error = home.expect_err("there is no base").to_string();
    assert!(error.contains("`feature` is no branch of"), "{error}");
}

#[tokio::test]
async fn conflicts_with_the_base_are_known_before_anything_is_tried() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    put(&tree.top, "a.txt", "ada\n");
    commit(&tree.top, "ada");
    let changes = rig.trees.changes(&tree).await.expect("changes");
    assert!(changes.conflicts.is_empty());
    put(&rig.repo(), "a.txt", "grace\n");
    commit(&rig.repo(), "grace");
    let changes = rig.trees.changes(&tree).await.expect("changes");
    assert_eq!(changes.conflicts, ["a.txt"]);
}

#[tokio::test]
async fn a_rebase_that_was_cut_is_in_nobodys_way() {
    let rig = Rig::new();
    let tree = rig.tree("Ada").await;
    put(&tree.top, "b.txt", "b\n");
    commit(&tree.top, "b");
    put(&rig.repo(), "c.txt", "c\n");
    commit(&rig.repo(), "c");
    // What a kill leaves: a checkout beside the worktree, or but a folder.
    let place = PathBuf::from(format!("{}.rebase", tree.top.display()));
    let path = place.to_str().expect("a path");
    git(&rig.repo(), &["worktree", "add", "-q", "--detach", path]);
    let home = rig.trees.bring(&tree, MergeMode::Rebase, "m", None).await;
    assert!(matches!(home, Ok(Merged::Done { .. })), "{home:?}");
    assert!(!place.exists());
    fs::create_dir(&place).expect("a folder");
    put(&tree.top, "d.txt", "d\n");
    commit(&tree.top, "d");
    let home = rig.trees.bring(&tree, MergeMode::Rebase, "m", None).await;
    assert!(matches!(home, Ok(Merged::Done { .. })), "{home:?}");
    assert_eq!(git(&rig.repo(), &["worktree", "list"]).lines().count(), 2);
}

#[tokio::test]
async fn a_branch_of_a_task_begins_clean_and_nothing_is_lost_on_the_way() {
    let rig = Rig::new();
    let own = rig.tree("Ada").await;
    put(&own.top, "open.txt", "open\n");
    let to = |n| Switch::Task {
        task: TaskId(n),
        known: None,
    };
    let first = rig
        .trees
        .switch(&own, &to(7), None, ADA)
        .await
        .expect("a branch");
    assert_eq!(first.branch, "headcount/task_0007");
    assert_eq!(git(&own.top, &["branch", "--show-current"]), first.branch);
    assert!(
        !own.top.join("open.txt").exists(),
        "it stays on the branch that is left"
    );
    assert_eq!(first.of_process(), own);
    // Asked for again, as after a kill, it is there already.
    let again = rig
        .trees
        .switch(&own, &to(7), None, ADA)
        .await
        .expect("a branch");
    assert_eq!(again, first);
    put(&own.top, "mine.txt", "mine\n");
    let second = rig
        .trees
        .switch(&first, &to(8), None, ADA)
        .await
        .expect("a branch");
    assert!(!own.top.join("mine.txt").exists());
    assert_eq!(second.of_process(), own);
    let back = rig
        .trees
        .switch(&second, &Switch::Back, None, ADA)
        .await
        .expect("back");
    assert_eq!(back, own);
    assert!(own.top.join("open.txt").exists());
    // The first one comes home while another branch is checked out.
    let home = rig
        .trees
        .bring(&first, MergeMode::Squash, "mine", None)
        .await;
    assert!(
        matches!(home, Ok(Merged::Done { commits: 1, .. })),
        "{home:?}"
    );
    assert!(rig.repo().join("mine.txt").exists());
    assert_eq!(git(&own.top, &["branch", "--show-current"]), own.branch);
    let gone = rig.trees.discard(&first, ADA, at()).await;
    assert!(
        matches!(gone, Err(GitError::NotCheckedOut { .. })),
        "{gone:?}"
    );
    git(&rig.repo(), &["branch", "-q", "-D", &first.branch]);
    let gone = rig.trees.bring(&first, MergeMode::Merge, "m", None).await;
    assert!(matches!(gone, Err(GitError::NoBranch { .. })), "{gone:?}");
}

/// A small file system that goes with the test.
struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is still in use goes when it is not any more.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_thrown_away() {
    let root = TempDir::new().expect("a folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(root.path())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("skipped: a small disk needs root");
        return;
    }
    let disk = SmallDisk(root.path().to_owned());
    let rig = Rig::at(root);
    let tree = rig.tree("Ada").await;
    // What cannot be compressed, so that keeping it takes as much room again.
    let noise: Vec<u8> = (0u32..(4 << 20) / 4)
        .flat_map(|n| {
            n.wrapping_mul(2_654_435_761)
                .rotate_left(n % 31)
                .to_le_bytes()
        })
        .collect();
    fs::write(tree.top.join("noise.bin"), &noise).expect("there is room");
    put(&tree.top, "draft.txt", "draft\n");
    let ballast = disk.0.join("ballast");
    let mut file = fs::File::create(&ballast).expect("a file");
    for block in [64 << 10, 4 << 10, 1] {
        while std::io::Write::write_all(&mut file, &vec![1; block]).is_ok() {}
    }
    drop(file);
    let before = contents(&tree.top);
    let kept = rig.trees.remove(&tree, ADA, at()).await;
    assert!(kept.is_err(), "{kept:?}");
    let kept = rig.trees.discard(&tree, ADA, at()).await;
    assert!(kept.is_err(), "{kept:?}");
    assert_eq!(contents(&tree.top), before);
    fs::remove_file(&ballast).expect("it was there");
    let saved = rig.trees.remove(&tree, ADA, at()).await.expect("it goes");
    assert_eq!(saved.expect("it is kept").files, 5);
    let to = rig.repo().with_file_name("back");
    rig.trees
        .restore(&rig.repo(), "proc_001", &to)
        .await
        .expect("it comes back");
    assert_eq!(fs::read(to.join("noise.bin")).expect("a file"), noise);
    git(&rig.repo(), &["fsck", "--strict", "--no-dangling"]);
}
