//! Where `roles.toml` and its prompts come from, and which folder is the workspace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that makes a folder a workspace.
pub const ROLES_FILE: &str = "roles.toml";

/// Where a configuration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The `roles.toml` of a workspace: named, or found in a folder or one of its parents.
    Workspace,
    /// The user's config folder.
    User,
    /// The copy in the binary.
    Embedded,
}

/// A configuration that was found, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    origin: Origin,
    workspace: PathBuf,
    folder: PathBuf,
    passed_over: Vec<PathBuf>,
}

impl Source {
    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The workspace: absolute, the same from every folder below it. It need not exist yet where the
    /// configuration is the user's or the embedded one.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The folder that relative paths in `roles.toml` begin from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The `roles.toml` on disk; `None` for the embedded copy.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        (self.origin != Origin::Embedded).then(|| self.folder.join(ROLES_FILE))
    }

    /// Each `roles.toml` of a parent folder that belongs to another user. It names commands to run, so it
    /// counts only where the user asks for it: as `--workspace`, or by being in that folder.
    #[must_use]
    pub fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    fn new(origin: Origin, workspace: &Path, folder: &Path) -> Self {
        Self {
            origin,
            workspace: workspace.to_owned(),
            folder: folder.to_owned(),
            passed_over: Vec::new(),
        }
    }
}

/// The folders that belong to the user and not to a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFolders {
    /// Where the user's own `roles.toml` may lie.
    pub config: PathBuf,
    /// The workspace of whoever has no other.
    pub workspace: PathBuf,
}

impl UserFolders {
    /// Returns the user's folders by the conventions of the system; `None` if there is no home.
    #[must_use]
    pub fn of_the_user() -> Option<Self> {
        let folders = directories::ProjectDirs::from("", "", "headcount")?;
        Some(Self {
            config: folders.config_dir().to_owned(),
            workspace: folders.data_dir().join("workspace"),
        })
    }
}

/// Why no configuration could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The folder that was named is not there, or cannot be entered.
    #[error("cannot open the workspace {}", path.display())]
    Workspace {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no home, so no default workspace either.
    #[error(
        "there is no roles.toml here, and no home folder for a default workspace; name one with --workspace"
    )]
    NoHome,
}

/// Finds the configuration to use, from the folder `start`: the named workspace, the nearest folder upwards
/// that has a `roles.toml`, the user's config folder, the copy in the binary.
///
/// A named workspace without a `roles.toml` stays the workspace; its roles then come from further down the list.
///
/// # Errors
/// [`FindError::Workspace`] if the named folder is none, [`FindError::NoHome`] if all depends on a home.
pub fn find(start: &Path, explicit: Option<&Path>) -> Result<Source, FindError> {
    find_with(start, explicit, UserFolders::of_the_user().as_ref())
}

/// As [`find`], with the user's folders given.
///
/// # Errors
/// As [`find`].
pub fn find_with(
    start: &Path,
    explicit: Option<&Path>,
    user: Option<&UserFolders>,
) -> Result<Source, FindError> {
    let mut passed_over = Vec::new();
    let named = explicit.map(named_workspace).transpose()?;
    match &named {
        Some(folder) if has_roles(folder) => {
            return Ok(Source::new(Origin::Workspace, folder, folder));
        }
        Some(_) => {}
        None => {
            // A start that is gone has no parents to look at, but the user's folders are still there.
            let start = fs::canonicalize(start).unwrap_or_else(|_| start.to_owned());
            for folder in start.ancestors().filter(|folder| has_roles(folder)) {
                if folder == start || is_trusted(&folder.join(ROLES_FILE)) {
                    let found = Source::new(Origin::Workspace, folder, folder);
                    return Ok(Source {
                        passed_over,
                        ..found
                    });
                }
                passed_over.push(folder.join(ROLES_FILE));
            }
        }
    }

    let default = user.map(|user| user.workspace.clone());
    let workspace = named.or(default).ok_or(FindError::NoHome)?;
    let found = match user {
        Some(user) if has_roles(&user.config) => {
            Source::new(Origin::User, &workspace, &user.config)
        }
        _ => Source::new(Origin::Embedded, &workspace, &workspace),
    };
    Ok(Source {
        passed_over,
        ..found
    })
}

fn named_workspace(path: &Path) -> Result<PathBuf, FindError> {
    let error = |source| FindError::Workspace {
        path: path.to_owned(),
        source,
    };
    let full = fs::canonicalize(path).map_err(error)?;
    if full.is_dir() {
        return Ok(full);
    }
    match full.parent() {
        Some(parent) if full.ends_with(ROLES_FILE) => Ok(parent.to_owned()),
        _ => Err(error(io::ErrorKind::NotADirectory.into())),
    }
}

fn has_roles(folder: &Path) -> bool {
    folder.join(ROLES_FILE).is_file()
}

/// Whether a file belongs to the user or to root: anyone can put a `roles.toml` into a shared parent.
fn is_trusted(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(file).map(|file| file.uid());
    owner.is_ok_and(|owner| owner == 0 || owner == nix::unistd::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _temp: tempfile::TempDir,
        root: PathBuf,
        user: UserFolders,
    }

    fn place(with_roles: &[&str]) -> Place {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        for folder in ["project/src/deep", "other", "config"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for folder in with_roles {
            fs::write(root.join(folder).join(ROLES_FILE), "").unwrap();
        }
        let user = UserFolders {
            config: root.join("config"),
            workspace: root.join("data/workspace"),
        };
        Place {
            _temp: temp,
            root,
            user,
        }
    }

    /// Folders with a `roles.toml`, `--workspace`; then the origin, workspace and folder expected.
    type Case<'a> = (&'a [&'a str], &'a str, Origin, &'a str, &'a str);

    #[test]
    fn the_order_is_named_then_upwards_then_user_then_embedded() {
        let cases: &[Case] = &[
            // A named workspace goes before all others, and may be named by its file.
            (
                &["other", "project", "config"],
                "other",
                Origin::Workspace,
                "other",
                "other",
            ),
            (
                &["other"],
                "other/roles.toml",
                Origin::Workspace,
                "other",
                "other",
            ),
            // Then the nearest folder upwards.
            (
                &["project", "config"],
                "",
                Origin::Workspace,
                "project",
                "project",
            ),
            (
                &["project", "project/src"],
                "",
                Origin::Workspace,
                "project/src",
                "project/src",
            ),
            // Then the user's own, then the embedded copy; a named workspace stays the workspace.
            (&["config"], "", Origin::User, "data/workspace", "config"),
            (&["config"], "other", Origin::User, "other", "config"),
            (&[], "other", Origin::Embedded, "other", "other"),
            (
                &[],
                "",
                Origin::Embedded,
                "data/workspace",
                "data/workspace",
            ),
        ];
        for (roles, explicit, origin, workspace, folder) in cases {
            let place = place(roles);
            let explicit = (!explicit.is_empty()).then(|| place.root.join(explicit));
            let start = place.root.join("project/src/deep");
            let found = find_with(&start, explicit.as_deref(), Some(&place.user)).unwrap();
            assert_eq!(found.origin(), *origin, "{roles:?}");
            assert_eq!(found.workspace(), place.root.join(workspace), "{roles:?}");
            assert_eq!(found.folder(), place.root.join(folder), "{roles:?}");
            assert_eq!(found.file().is_some(), *origin != Origin::Embedded);
        }
    }

    #[test]
    fn a_start_that_is_gone_still_has_the_users_folders() {
        let place = place(&["config"]);
        let found = find_with(&place.root.join("gone"), None, Some(&place.user)).unwrap();
        assert_eq!(found.origin(), Origin::User);
    }

    #[test]
    fn a_parent_of_somebody_else_is_passed_over() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root can give a file away");
            return;
        }
        let place = place(&["project"]);
        let file = place.root.join("project").join(ROLES_FILE);
        std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
        let below = find_with(&place.root.join("project/src"), None, Some(&place.user)).unwrap();
        assert_eq!(below.origin(), Origin::Embedded);
        assert_eq!(below.passed_over(), [file]);
        let inside = find_with(&place.root.join("project"), None, Some(&place.user)).unwrap();
        assert_eq!(inside.origin(), Origin::Workspace);
    }

    #[test]
    fn a_named_workspace_that_is_no_folder_is_an_error() {
        let place = place(&[]);
        fs::write(place.root.join("file"), "").unwrap();
        for name in ["gone", "file"] {
            let error = find_with(&place.root, Some(&place.root.join(name)), Some(&place.user))
                .unwrap_err();
            assert!(matches!(error, FindError::Workspace { .. }), "{name}");
        }
        assert!(matches!(
            find_with(&place.root, None, None),
            Err(FindError::NoHome)
        ));
    }
}
