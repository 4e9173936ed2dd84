//! Which places a run may write to and read, from what its role says and from where it works.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::domain::fault::{Fault, FaultCode};
use crate::domain::sandbox::{Sandbox, SandboxLevel, SandboxRule};
use crate::os::sandbox::{self, Readable, Walls};

/// What a home folder keeps secret, below it.
const SECRETS: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".pki",
    ".password-store",
    ".aws",
    ".azure",
    ".config/gcloud",
    ".config/gh",
    ".config/hub",
    ".config/op",
    ".kube",
    ".docker",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".config/git/credentials",
    ".local/share/keyrings",
    ".mozilla",
    ".thunderbird",
    ".config/google-chrome",
    ".config/chromium",
    ".config/BraveSoftware",
    ".config/microsoft-edge",
    ".config/vivaldi",
];
/// Where everybody may write.
const COMMON: &[&str] = &["/dev", "/tmp", "/var/tmp"];
/// Variables that name the agent's own places.
const STATE: &[&str] = &["CLAUDE_CONFIG_DIR", "TMPDIR", "CLAUDE_CODE_TMPDIR"];
/// Where the model's API is, unless it is said.
const HTTPS: u16 = 443;

/// Where a run is to be held in.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// What its role says.
    pub(crate) rule: &'a SandboxRule,
    /// Where it works.
    pub(crate) folder: &'a Path,
    /// Its own git worktree, where it has one.
    pub(crate) worktree: Option<&'a Path>,
    /// What it must read besides: the folder of its run.
    pub(crate) run_folder: &'a Path,
    /// The program.
    pub(crate) program: &'a Path,
    /// Its whole environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
}

/// What the kernel of this machine does not hold of a rule; `None` if it holds all of it. It is an
/// obstacle where the role does not say `best_effort`.
pub(crate) fn weakness(rule: &SandboxRule) -> Option<Fault> {
    weakness_of(rule, sandbox::version())
}

fn weakness_of(rule: &SandboxRule, version: u32) -> Option<Fault> {
    if rule.level == SandboxLevel::Off {
        return None;
    }
    let walls = Walls {
        ports: (rule.level == SandboxLevel::Strict).then(Vec::new),
        ..Walls::default()
    };
    let gaps = sandbox::gaps(&walls, version);
    (!gaps.is_empty()).then(|| {
        Fault::new(
            FaultCode::EnvironmentSetupFailed,
            format!(
                "this kernel cannot hold its sandbox ({}): not {}",
                rule.level.as_str(),
                gaps.join(", not ")
            ),
            "use a newer kernel with `landlock` among its security modules (`cat /sys/kernel/security/lsm`), \
             or set `best_effort = true` or `level = \"off\"` in the role's `sandbox`",
        )
    })
}

/// The walls of a run, `None` without a sandbox; and what is told of it.
pub(crate) fn walls(setting: &Setting<'_>) -> (Option<Walls>, Sandbox) {
    let rule = setting.rule;
    if rule.level == SandboxLevel::Off {
        return (None, Sandbox::default());
    }
    let write = writable(setting);
    let strict = rule.level == SandboxLevel::Strict;
    let walls = Walls {
        write: write.iter().map(OsString::from).collect(),
        read: strict.then(|| Readable(readable(setting))),
        ports: strict.then(|| ports(setting)),
        best_effort: rule.best_effort,
    };
    let version = sandbox::version();
    let gaps = sandbox::gaps(&walls, version);
    let told = Sandbox {
        level: rule.level,
        enforced: version > 0,
        gaps: gaps.into_iter().map(str::to_owned).collect(),
        write: write
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect(),
    };
    ((version > 0).then_some(walls), told)
}

/// Where it may write, without doubles, in the order in which a person looks for it.
fn writable(setting: &Setting<'_>) -> Vec<PathBuf> {
    let home = setting.environment.get("HOME").map(PathBuf::from);
    let mut places = vec![setting.folder.to_owned()];
    places.extend(setting.worktree.map(Path::to_owned));
    places.extend(git_folder(setting.folder));
    let state = STATE
        .iter()
        .filter_map(|name| setting.environment.get(*name));
    for folder in state.filter(|folder| !folder.is_empty()) {
        // What is not there cannot be granted, and nobody could make it later.
        if let Err(error) = fs::create_dir_all(folder) {
            tracing::warn!(folder, %error, "the agent's own folder cannot be made");
        }
        places.push(PathBuf::from(folder));
    }
    let listed = setting.rule.write.iter();
    places.extend(listed.filter_map(|text| place(text, setting.folder, home.as_deref())));
    places.extend(COMMON.iter().map(PathBuf::from));
    let mut seen = Vec::new();
    places.retain(|place| {
        let new = !seen.contains(place);
        seen.push(place.clone());
        new
    });
    places
}

/// A place as a role writes it.
fn place(text: &str, folder: &Path, home: Option<&Path>) -> Option<PathBuf> {
    match text.strip_prefix("~/") {
        Some(below) => Some(home?.join(below)),
        None if text == "~" => home.map(Path::to_owned),
        None => Some(folder.join(text)),
    }
}

/// The git folder of the repository that a folder is in: that of the main checkout, where this one is
/// a worktree of it. Read as git reads it (gitrepository-layout(5)), without running git.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let dot_git = folder
        .ancestors()
        .map(|folder| folder.join(".git"))
        .find(|path| path.exists())?;
    if dot_git.is_dir() {
        return Some(dot_git);
    }
    let text = fs::read_to_string(&dot_git).ok()?;
    let named = text.strip_prefix("gitdir:")?.trim();
    let own = dot_git.parent()?.join(named);
    match fs::read_to_string(own.join("commondir")) {
        Ok(common) => Some(tidy(&own.join(common.trim()))),
        Err(_) => Some(tidy(&own)),
    }
}

/// The path without `..`, for a person to read.
fn tidy(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// All that may be read: everything but the secrets of the home folder.
fn readable(setting: &Setting<'_>) -> Vec<OsString> {
    let mut places = vec![
        setting.run_folder.as_os_str().to_owned(),
        setting.program.as_os_str().to_owned(),
    ];
    // A link is followed to where the program is.
    places.extend(setting.program.canonicalize().ok().map(OsString::from));
    let home = setting.environment.get("HOME").map(PathBuf::from);
    let home = home.and_then(|home| home.canonicalize().ok());
    match home {
        Some(home) if home.parent().is_some() => {
            let secrets: Vec<PathBuf> = SECRETS.iter().map(|secret| home.join(secret)).collect();
            all_but(Path::new("/"), &secrets, &mut places);
        }
        _ => places.push("/".into()),
    }
    places
}

/// The largest places below a folder that hold none of the secrets.
fn all_but(folder: &Path, secrets: &[PathBuf], places: &mut Vec<OsString>) {
    if secrets.iter().any(|secret| secret == folder) {
        return;
    }
    if !secrets.iter().any(|secret| secret.starts_with(folder)) {
        places.push(folder.as_os_str().to_owned());
        return;
    }
    // What cannot be listed cannot be read either.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        // A link leads out of here; what it leads to is granted where it is, or is not.
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_symlink())
            || !leads_to_secret(&path, secrets)
        {
            all_but(&path, secrets, places);
        }
    }
}

fn leads_to_secret(link: &Path, secrets: &[PathBuf]) -> bool {
    let Ok(target) = link.canonicalize() else {
        return true;
    };
    secrets.iter().any(|secret| {
        let secret = secret.canonicalize().unwrap_or_else(|_| secret.clone());
        target.starts_with(&secret) || secret.starts_with(&target)
    })
}

/// The ports that it may connect to: those of its role, and that of its model's API.
fn ports(setting: &Setting<'_>) -> Vec<u16> {
    let mut ports = setting.rule.ports.clone();
    let url = setting.environment.get("ANTHROPIC_BASE_URL");
    let api = url.map_or(HTTPS, |url| port(url));
    if !ports.contains(&api) {
        ports.push(api);
    }
    ports
}

/// The port of a URL.
fn port(url: &str) -> u16 {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let said = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    said.unwrap_or(if scheme == "http" { 80 } else { HTTPS })
}

/// Whether a folder holds the secrets that level `strict` is to keep: then it keeps none of them.
pub(crate) fn gives_secrets_away(setting: &Setting<'_>) -> Option<Fault> {
    if setting.rule.level != SandboxLevel::Strict {
        return None;
    }
    let home = setting.environment.get("HOME").map(PathBuf::from)?;
    let home = home.canonicalize().ok()?;
    let whole = writable(setting)
        .into_iter()
        .find(|place| is_at_or_above(place, &home))?;
    Some(Fault::new(
        FaultCode::EnvironmentSetupFailed,
        format!(
            "its sandbox (strict) keeps no secret: it may write, and so read, all of {}",
            whole.display()
        ),
        "hire it for a folder below the home folder, or take the folder off `write` in the role's `sandbox`",
    ))
}

fn is_at_or_above(place: &Path, home: &Path) -> bool {
    let place = tidy(place);
    place.components().all(|part| part != Component::ParentDir) && home.starts_with(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_cannot_hold_is_told_with_its_cure() {
        let rule = |level| SandboxRule {
            level,
            ..SandboxRule::default()
        };
        assert_eq!(weakness_of(&rule(SandboxLevel::Off), 0), None);
        assert_eq!(weakness_of(&rule(SandboxLevel::Workspace), 3), None);
        assert_eq!(weakness_of(&rule(SandboxLevel::Strict), 4), None);
        let fault = weakness_of(&rule(SandboxLevel::Strict), 3).unwrap();
        assert!(
            fault.cause.contains("not connecting to TCP ports"),
            "{fault}"
        );
        let fault = weakness_of(&rule(SandboxLevel::Workspace), 0).unwrap();
        assert!(fault.cause.contains("no Landlock"), "{fault}");
        assert!(fault.remedy.contains("best_effort"), "{}", fault.remedy);
    }

    #[test]
    fn a_place_is_absolute_below_the_home_folder_or_where_it_works() {
        let check = |text, expected| {
            let found = place(text, Path::new("/work"), Some(Path::new("/home/dev")));
            assert_eq!(found.unwrap(), Path::new(expected));
        };
        check("~/.npm", "/home/dev/.npm");
        check("~", "/home/dev");
        check("/srv/cache", "/srv/cache");
        check("../out", "/work/../out");
        assert_eq!(place("~/.npm", Path::new("/work"), None), None);
    }

    #[test]
    fn the_port_of_an_api_is_the_one_it_says_or_that_of_its_scheme() {
        let check = |url, expected| assert_eq!(port(url), expected, "{url}");
        check("https://api.example.com", 443);
        check("https://api.example.com:8443/v1", 8443);
        check("http://127.0.0.1:3000", 3000);
        check("http://gateway/v1?port=9", 80);
        check("nonsense", 443);
    }

    #[test]
    fn a_worktree_may_write_to_the_git_folder_of_its_repository() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let check = |at: &str, expected: &str| {
            assert_eq!(git_folder(&top.join(at)), Some(top.join(expected)));
        };
        fs::create_dir_all(top.join("shop/.git/worktrees/ada")).unwrap();
        fs::create_dir_all(top.join("shop/src")).unwrap();
        check("shop/src", "shop/.git");
        fs::create_dir_all(top.join("ada/src")).unwrap();
        let own = top.join("shop/.git/worktrees/ada");
        fs::write(top.join("ada/.git"), format!("gitdir: {}\n", own.display())).unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        check("ada/src", "shop/.git");
        fs::create_dir_all(top.join("shop/.git/modules/lib")).unwrap();
        fs::create_dir_all(top.join("shop/lib")).unwrap();
        fs::write(top.join("shop/lib/.git"), "gitdir: ../.git/modules/lib\n").unwrap();
        check("shop/lib", "shop/.git/modules/lib");
    }

    #[test]
    fn all_is_readable_but_the_secrets_and_what_leads_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        for name in [".ssh", ".config/gcloud", ".config/nvim", "src"] {
            fs::create_dir_all(home.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(home.join(".ssh"), home.join("keys")).unwrap();
        let secrets = [home.join(".ssh"), home.join(".config/gcloud")];
        let mut places = Vec::new();
        all_but(&home, &secrets, &mut places);
        places.sort();
        let expected = [home.join(".config/nvim"), home.join("src")];
        assert_eq!(places, expected.map(PathBuf::into_os_string));
    }
}
