//! What goes is kept: nothing is lost by removing, discarding, switching, or a full disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::runtime::git::tests::{ADA, Rig, at, commit, git, put};
use crate::runtime::git::*;

/// A small file system that goes with the test.
struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is still in use goes when it is not any more.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

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
