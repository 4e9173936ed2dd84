//! Work that comes home to the branch it left.

use std::fs;
use std::path::PathBuf;

use crate::runtime::git::tests::{Rig, commit, git, put};
use crate::runtime::git::*;

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
