//! Keeps the state of a worktree in a ref before the worktree goes, and brings it back byte for byte.
//!
//! A kept state is a commit: its tree is what was in the folder, files that git does not track included, written past all
//! filters; its parents are the commit that was checked out and, where it could be read, the index. What a tree cannot say
//! (permission bits, empty folders) and what was left out stands in its message.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::changes::ScratchIndex;
use super::command::Git;
use super::error::GitError;
use super::repository;
use super::tree::{self, Entry, Tree};
use crate::domain::id::ProcessId;
use crate::domain::worktree::SavedWork;

/// Where they are.
const PREFIX: &str = "refs/headcount/saved/";
/// What git ignores is kept as well, but not more than this at one place: those are caches and builds.
const IGNORED: u64 = 16 * 1024 * 1024;
/// Contents that are read at once while a state is brought back.
const AT_ONCE: usize = 64;

/// What a tree cannot say.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    process: String,
    branch: String,
    at: Timestamp,
    files: u32,
    /// By path; those that a tree cannot tell apart.
    #[serde(default)]
    modes: BTreeMap<String, u32>,
    #[serde(default)]
    empty: BTreeMap<String, u32>,
    #[serde(default)]
    left_out: Vec<String>,
}

/// Keeps all that a worktree holds.
///
/// # Errors
/// Something in it cannot be read or kept; then nothing may be thrown away.
pub(super) async fn save(
    git: &Git,
    process: ProcessId,
    at: Timestamp,
) -> Result<SavedWork, GitError> {
    let top = git.folder().to_owned();
    let big = big_ignored(git, &top).await?;
    let found = tree::walk(&top, &big)?;
    let branch = repository::branch(git).await?.unwrap_or_default();
    let left_out = big.iter().chain(&found.special);
    let mut note = Note {
        process: process.to_string(),
        branch,
        at,
        files: u32::try_from(found.tree.len()).unwrap_or(u32::MAX),
        left_out: left_out.map(|path| escaped(path.as_os_str())).collect(),
        ..Note::default()
    };
    let listed = listed(git, &top, &found.tree, &mut note).await?;
    let (_scratch, scratch) = ScratchIndex::of(git).await?;
    // The index as it is: what was staged. One with conflicts in it makes no tree.
    let staged = scratch.line(&["write-tree"]).await.ok();
    scratch.run(&["read-tree", "--empty"]).await?;
    scratch
        .feed(&["update-index", "-z", "--index-info"], &listed)
        .await?;
    let kept = scratch.line(&["write-tree"]).await?;
    let us = git.as_headcount();
    let mut parents = vec!["-p".to_owned(), "HEAD".to_owned()];
    if let Some(staged) = staged {
        let args = ["commit-tree", &staged, "-p", "HEAD", "-m", "index"];
        parents.extend(["-p".to_owned(), us.line(&args).await?]);
    }
    let note_json = serde_json::to_string(&note).unwrap_or_default();
    let message = format!(
        "headcount: what {process} had in its worktree on {}\n\n{note_json}\n",
        note.branch
    );
    let mut args = vec!["commit-tree".to_owned(), kept];
    args.extend(parents);
    let commit = us.feed(&args, message.as_bytes()).await?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let name = free_name(git, process, at).await?;
    git.run(&["update-ref", &name, &commit]).await?;
    Ok(saved_work(name, commit, process, note))
}

fn saved_work(name: String, commit: String, process: ProcessId, note: Note) -> SavedWork {
    SavedWork {
        name,
        commit,
        at: note.at,
        process,
        branch: note.branch,
        files: note.files,
        left_out: note.left_out,
    }
}

async fn free_name(git: &Git, process: ProcessId, at: Timestamp) -> Result<String, GitError> {
    let stamp = at.strftime("%Y%m%d-%H%M%S");
    let mut name = format!("{PREFIX}{process}/{stamp}");
    for n in 2.. {
        if git.commit(&name).await?.is_none() {
            break;
        }
        name = format!("{PREFIX}{process}/{stamp}-{n}");
    }
    Ok(name)
}

/// Places that git ignores and that hold more than is kept of such.
async fn big_ignored(git: &Git, top: &Path) -> Result<Vec<PathBuf>, GitError> {
    let args = [
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
        "-z",
    ];
    let places = git.fields(&args).await?;
    let path = |place: Vec<u8>| {
        let place = place.strip_suffix(b"/").unwrap_or(&place).to_vec();
        PathBuf::from(OsString::from_vec(place))
    };
    Ok(places
        .into_iter()
        .map(path)
        .filter(|path| tree::size(&top.join(path)) > IGNORED)
        .collect())
}

/// Writes all contents, and returns the lines of an index with them.
async fn listed(git: &Git, top: &Path, tree: &Tree, note: &mut Note) -> Result<Vec<u8>, GitError> {
    let mut plain: Vec<&Path> = Vec::new();
    let mut lines = Vec::new();
    for (path, entry) in tree {
        match entry {
            Entry::File(mode) => {
                if *mode != 0o644 && *mode != 0o755 {
                    note.modes.insert(escaped(path.as_os_str()), *mode);
                }
                if path.as_os_str().as_bytes().contains(&b'\n') {
                    let args = ["hash-object", "-w", "--no-filters", "--stdin"];
                    let full = top.join(path);
                    let bytes = fs::read(&full).map_err(|source| GitError::File {
                        act: "read",
                        path: full,
                        source,
                    })?;
                    let id = git.feed(&args, &bytes).await?;
                    line(&mut lines, *mode, &String::from_utf8_lossy(&id), path);
                } else {
                    plain.push(path);
                }
            }
            Entry::Link(to) => {
                let args = ["hash-object", "-w", "--no-filters", "--stdin"];
                let id = git.feed(&args, to.as_os_str().as_bytes()).await?;
                let id = String::from_utf8_lossy(&id);
                lines.extend(format!("120000 {}\t", id.trim()).into_bytes());
                lines.extend(path.as_os_str().as_bytes());
                lines.push(0);
            }
            Entry::Empty(mode) => {
                note.empty.insert(escaped(path.as_os_str()), *mode);
            }
        }
    }
    let mut names = Vec::new();
    for path in &plain {
        names.extend(path.as_os_str().as_bytes());
        names.push(b'\n');
    }
    let args = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
    let ids = git.feed(&args, &names).await?;
    let ids = String::from_utf8_lossy(&ids).into_owned();
    for (path, id) in plain.into_iter().zip(ids.lines()) {
        if let Some(Entry::File(mode)) = tree.get(path) {
            line(&mut lines, *mode, id, path);
        }
    }
    Ok(lines)
}

fn line(lines: &mut Vec<u8>, mode: u32, id: &str, path: &Path) {
    let kind = if mode & 0o100 == 0 {
        "100644"
    } else {
        "100755"
    };
    lines.extend(format!("{kind} {}\t", id.trim()).into_bytes());
    lines.extend(path.as_os_str().as_bytes());
    lines.push(0);
}

/// All that is kept in a repository, newest first.
pub(super) async fn list(git: &Git) -> Result<Vec<SavedWork>, GitError> {
    let printed = git
        .run(&[
            "for-each-ref",
            "--format=%(refname)%00%(objectname)%00%(contents:body)%00%01",
            PREFIX,
        ])
        .await?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let one = |record: &str| {
        let mut fields = record.trim_start_matches('\n').split('\0');
        let (name, commit) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        let note: Note = serde_json::from_str(fields.next()?.trim()).ok()?;
        let process: ProcessId = note.process.parse().ok()?;
        Some(saved_work(name, commit, process, note))
    };
    let mut all: Vec<SavedWork> = printed.split('\u{1}').filter_map(one).collect();
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| b.name.cmp(&a.name)));
    Ok(all)
}

/// Finds a kept state by its ref, its end, or a process: then the newest of it.
pub(super) async fn find(git: &Git, name: &str) -> Result<SavedWork, GitError> {
    let all = list(git).await?;
    let fits = |saved: &&SavedWork| {
        saved.name == name
            || saved.name.strip_prefix(PREFIX) == Some(name)
            || saved.process.to_string() == name
            || (name.len() >= 7 && saved.commit.starts_with(name))
    };
    all.iter()
        .find(fits)
        .cloned()
        .ok_or_else(|| GitError::NotSaved {
            name: name.to_owned(),
        })
}

/// Brings a kept state back into a new worktree at `to`, index and all.
///
/// # Errors
/// The place is taken, or git cannot make a worktree there.
pub(super) async fn restore(git: &Git, saved: &SavedWork, to: &Path) -> Result<(), GitError> {
    if to
        .read_dir()
        .is_ok_and(|mut inside| inside.next().is_some())
        || to.is_file()
    {
        return Err(GitError::Taken {
            folder: to.to_owned(),
        });
    }
    let head = format!("{}^1", saved.commit);
    let head = git.line(&["rev-parse", &head]).await?;
    let mut args = vec![
        OsStr::new("worktree"),
        OsStr::new("add"),
        OsStr::new("--quiet"),
    ];
    args.extend([OsStr::new("--force"), OsStr::new("--no-checkout")]);
    let branch = OsString::from(&saved.branch);
    let is_there = git
        .commit(&format!("refs/heads/{}", saved.branch))
        .await?
        .as_ref()
        == Some(&head);
    let is_free = repository::home_of(git, &saved.branch).await?.is_none();
    if !saved.branch.is_empty() && is_there && is_free {
        args.extend([to.as_os_str(), branch.as_os_str()]);
    } else if !saved.branch.is_empty()
        && is_free
        && git
            .commit(&format!("refs/heads/{}", saved.branch))
            .await?
            .is_none()
    {
        args.extend([
            OsStr::new("-b"),
            branch.as_os_str(),
            to.as_os_str(),
            OsStr::new(&head),
        ]);
    } else {
        args.extend([OsStr::new("--detach"), to.as_os_str(), OsStr::new(&head)]);
    }
    git.run(&args).await?;
    let there = git.elsewhere(to);
    let message = git
        .line(&["show", "--no-patch", "--format=%b", &saved.commit])
        .await?;
    let note: Note = serde_json::from_str(message.trim()).unwrap_or_default();
    write_all(git, &saved.commit, to, &note).await?;
    let staged = format!("{}^2^{{tree}}", saved.commit);
    if git
        .line(&["rev-parse", "--quiet", "--verify", &staged])
        .await
        .is_ok()
    {
        there.run(&["read-tree", &staged]).await?;
    } else {
        there.run(&["read-tree", "HEAD"]).await?;
    }
    Ok(())
}

async fn write_all(git: &Git, commit: &str, to: &Path, note: &Note) -> Result<(), GitError> {
    let fields = git
        .fields(&["ls-tree", "-r", "-z", "--full-tree", commit])
        .await?;
    let entry = |field: &Vec<u8>| {
        let tab = field.iter().position(|byte| *byte == b'\t')?;
        let head = String::from_utf8_lossy(&field[..tab]).into_owned();
        let mut words = head.split(' ');
        let (mode, id) = (words.next()?.to_owned(), words.nth(1)?.to_owned());
        let path = PathBuf::from(OsString::from_vec(field[tab + 1..].to_vec()));
        Some((mode, id, path))
    };
    let entries: Vec<(String, String, PathBuf)> = fields.iter().filter_map(entry).collect();
    for some in entries.chunks(AT_ONCE) {
        let ids: String = some.iter().map(|(_, id, _)| format!("{id}\n")).collect();
        let printed = git.feed(&["cat-file", "--batch"], ids.as_bytes()).await?;
        let mut rest = printed.as_slice();
        for (mode, _, path) in some {
            let bytes = next_object(&mut rest).ok_or_else(|| GitError::Failed {
                act: "cat-file".to_owned(),
                said: format!("the contents of {} are not there", path.display()),
            })?;
            let full = to.join(path);
            let permissions = note
                .modes
                .get(&escaped(path.as_os_str()))
                .copied()
                .unwrap_or(if mode == "100755" { 0o755 } else { 0o644 });
            write(&full, mode == "120000", bytes, permissions).map_err(|source| {
                GitError::File {
                    act: "write",
                    path: full,
                    source,
                }
            })?;
        }
    }
    for (path, mode) in &note.empty {
        let full = to.join(unescaped(path));
        let made = fs::create_dir_all(&full)
            .and_then(|()| fs::set_permissions(&full, fs::Permissions::from_mode(*mode)));
        made.map_err(|source| GitError::File {
            act: "make",
            path: full,
            source,
        })?;
    }
    Ok(())
}

/// Takes one object off what `cat-file --batch` printed: a line with its size, its bytes, a newline.
fn next_object<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&rest[..end]).ok()?;
    let size: usize = head.rsplit(' ').next()?.parse().ok()?;
    let bytes = rest.get(end + 1..end + 1 + size)?;
    *rest = rest.get(end + 1 + size + 1..)?;
    Some(bytes)
}

fn write(full: &Path, is_link: bool, bytes: &[u8], mode: u32) -> io::Result<()> {
    if let Some(parent) = full.parent() {
        fs::create_dir_all(parent)?;
    }
    if is_link {
        return std::os::unix::fs::symlink(OsStr::from_bytes(bytes), full);
    }
    fs::write(full, bytes)?;
    fs::set_permissions(full, fs::Permissions::from_mode(mode))
}

/// A path as text from which [`unescaped`] makes the same bytes again, also where they are no UTF-8.
fn escaped(path: &OsStr) -> String {
    let mut text = String::new();
    for chunk in path.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '%' {
                text.push_str("%25");
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text
}

fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}
