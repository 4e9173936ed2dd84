//! The periodic review: who else may read or change what the company runs on, secrets that lie
//! open, and settings that take the brakes off. Names and places are told, never a secret.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::agent::find::find;
use crate::app::fitness::kernel_sandbox;
use crate::cli::doctor::check::{Check, Verdict};
use crate::config::{Source, environment};
use crate::domain::role::{Agent, Catalogue, Protocol};
use crate::domain::sandbox::SandboxLevel;

/// Flags of the agent that let it do everything unasked.
const BYPASS: [&str; 3] = [
    "--dangerously-skip-permissions",
    "--allow-dangerously-skip-permissions",
    "bypassPermissions",
];
/// Variables that take a protection away when they have this value.
const UNSAFE: [(&str, &str); 4] = [
    ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
    ("GIT_SSL_NO_VERIFY", "1"),
    ("GIT_SSL_NO_VERIFY", "true"),
    ("PYTHONHTTPSVERIFY", "0"),
];
/// How well-known keys begin, whatever the variable that holds them is called.
const KEYS: [&str; 8] = [
    "sk-ant-",
    "sk-",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "AKIA",
];
/// Bits by which others may write.
const WRITE: u32 = 0o022;
/// Bits by which others may read.
const READ: u32 = 0o044;
/// Bits by which others may do anything.
const ANY: u32 = 0o077;

/// Looks at everything.
pub(super) fn check(source: &Source, catalogue: Option<&Catalogue>, state: &Path) -> Vec<Check> {
    let mut checks = vec![user(geteuid().is_root())];
    checks.extend(state_folder(state));
    checks.extend(definitions(source, catalogue));
    if let Some(catalogue) = catalogue {
        checks.push(secrets(source, catalogue));
        checks.extend(env_files(source, catalogue));
        checks.push(flags(catalogue));
        checks.extend(programs(source, catalogue));
    }
    let home = std::env::home_dir();
    let own = std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    if let Some(folder) = own.or_else(|| home.map(|home| home.join(".claude"))) {
        checks.extend(agent_folder(&folder));
    }
    checks.extend(catalogue.map(|catalogue| sandbox(catalogue, kernel_sandbox())));
    checks
}

/// Who is held in by what. `version` is that of the kernel's Landlock, 0 for none.
fn sandbox(catalogue: &Catalogue, version: u32) -> Check {
    const NAME: &str = "sandbox";
    let of = |wanted: SandboxLevel| -> Vec<&str> {
        let roles = catalogue.roles.iter();
        let roles = roles.filter(|role| role.sandbox.level == wanted);
        roles.map(|role| role.key.as_str()).collect()
    };
    let off = of(SandboxLevel::Off);
    if off.len() == catalogue.roles.len() {
        return Check::warn(
            NAME,
            "off for every role: an employee may read and write what you may",
            "set `sandbox = { level = \"workspace\" }` in [defaults] of roles.toml",
        );
    }
    if version == 0 {
        return Check::warn(
            NAME,
            "not held: the kernel has no Landlock, or it is switched off",
            "use a kernel from 5.13 on, with `landlock` in /sys/kernel/security/lsm; or run headcount as a \
             user of its own, or in a container",
        );
    }
    if !off.is_empty() {
        return Check::warn(
            NAME,
            format!(
                "off for {}: they may read and write what you may",
                off.join(", ")
            ),
            "set `sandbox = { level = \"workspace\" }` there, unless they need sudo or the whole machine",
        );
    }
    Check::ok(NAME, format!("held by the kernel, Landlock {version}"))
}

fn user(is_root: bool) -> Check {
    if is_root {
        Check::warn(
            "user",
            "headcount runs as root, and so does every employee",
            "run it as a user of its own",
        )
    } else {
        Check::ok("user", "not root")
    }
}

/// What others may do with a file or folder that is to be ours: `None` if it is as it should be.
fn open_to(path: &Path, data: &Metadata, bits: u32) -> Option<String> {
    let uid = geteuid().as_raw();
    if data.uid() != uid && data.uid() != 0 {
        return Some(format!("{} belongs to user {}", path.display(), data.uid()));
    }
    let open = data.mode() & bits;
    let what = match (open & WRITE != 0, open & READ != 0) {
        (true, _) => "written",
        (false, true) => "read",
        (false, false) if open != 0 => "entered",
        (false, false) => return None,
    };
    let mode = data.mode() & 0o777;
    Some(format!(
        "{} can be {what} by others (mode {mode:o})",
        path.display()
    ))
}

/// The folder of the state keeps everybody out; then its files need no look. Its sockets are looked
/// at wherever they are.
fn state_folder(folder: &Path) -> Vec<Check> {
    const NAME: &str = "state folder";
    let Ok(data) = fs::metadata(folder) else {
        return vec![Check::ok(
            NAME,
            format!("{}, not made yet", folder.display()),
        )];
    };
    let mut checks = vec![match open_to(folder, &data, ANY) {
        None => Check::ok(NAME, format!("{}, yours alone", folder.display())),
        Some(found) => Check::fail(
            NAME,
            format!("{found}: it has what employees said, and the sockets that give orders"),
            format!("chmod 700 {}", folder.display()),
        ),
    }];
    for name in ["api.sock", "attach.sock"] {
        let path = folder.join(name);
        // A path that is too long for a socket is a link to where it is.
        let Ok(data) = fs::metadata(&path) else {
            continue;
        };
        if !data.file_type().is_socket() {
            continue;
        }
        checks.push(match open_to(&path, &data, ANY) {
            None => Check::ok("socket", format!("{name}, yours alone")),
            Some(found) => Check::fail(
                "socket",
                format!("{found}: who can open it gives orders in your name"),
                format!("chmod 600 {}", path.display()),
            ),
        });
    }
    checks
}

/// What says who is run and what they are told: others must not write it.
fn definitions(source: &Source, catalogue: Option<&Catalogue>) -> Vec<Check> {
    let Some(file) = source.file() else {
        return vec![Check::ok("roles", "built in: nobody can change them")];
    };
    let folder = source.folder();
    let mut paths = vec![folder.to_owned(), file.to_owned()];
    let roles = catalogue.map(|catalogue| catalogue.roles.as_slice());
    for prompt in roles
        .unwrap_or_default()
        .iter()
        .filter_map(|role| role.prompt.as_ref())
    {
        let path = folder.join(prompt);
        paths.extend(path.parent().map(Path::to_owned));
        paths.push(path);
    }
    paths.sort();
    paths.dedup();
    let open: Vec<String> = paths
        .iter()
        .filter_map(|path| open_to(path, &fs::metadata(path).ok()?, WRITE))
        .collect();
    if open.is_empty() {
        let detail = format!(
            "{} and its prompts can be changed by you alone",
            file.display()
        );
        return vec![Check::ok("roles", detail)];
    }
    let check = Check::warn(
        "roles",
        format!(
            "who can write these decides what employees do:\n{}",
            open.join("\n")
        ),
        "chmod go-w them, and make them yours",
    );
    // A group is often one's own alone; everybody never is.
    let anybody = |path: &PathBuf| {
        let data = fs::metadata(path).ok()?;
        open_to(path, &data, 0o002)
    };
    let verdict = match paths.iter().find_map(anybody) {
        Some(_) => Verdict::Fail,
        None => Verdict::Warn,
    };
    vec![Check { verdict, ..check }]
}

/// Whether a value is a secret that stands there itself: not a reference to a variable.
fn is_literal_secret(name: &str, value: &str) -> bool {
    let value = value.trim();
    let long = value.len() >= 16;
    let known = long && KEYS.iter().any(|key| value.starts_with(key));
    let named = environment::is_secret(name) && !value.is_empty() && !value.contains("${");
    known || named
}

/// Secrets that are written into roles.toml.
fn secrets(source: &Source, catalogue: &Catalogue) -> Check {
    const NAME: &str = "secrets";
    let Some(file) = source.file() else {
        return Check::ok(NAME, "none in the built-in roles");
    };
    let roles = catalogue
        .roles
        .iter()
        .map(|role| (format!("roles.{}", role.key), &role.environment));
    let agents = catalogue
        .agents
        .values()
        .map(|agent| (format!("agents.{}", agent.name), &agent.environment));
    let mut found: Vec<String> = Vec::new();
    for (of, variables) in roles.chain(agents) {
        let names = variables
            .iter()
            .filter(|(name, value)| is_literal_secret(name, value))
            .map(|(name, _)| format!("{name} in {of}"));
        found.extend(names);
    }
    if found.is_empty() {
        return Check::ok(NAME, format!("none in {}", file.display()));
    }
    let readable = fs::metadata(&file).is_ok_and(|data| data.mode() & READ != 0);
    let detail = format!(
        "{} holds secrets itself: {}",
        file.display(),
        found.join(", ")
    );
    let cure = "move each into the env file (mode 600, outside version control), and write NAME = \"${NAME}\"; \
                a secret that others could read is to be replaced";
    if readable {
        Check::fail(NAME, format!("{detail}; others can read it"), cure)
    } else {
        Check::warn(NAME, detail, cure)
    }
}

/// Env files: for nobody else to read if they hold a secret, for nobody else to write in any case.
fn env_files(source: &Source, catalogue: &Catalogue) -> Vec<Check> {
    let mut files: BTreeMap<PathBuf, ()> = BTreeMap::new();
    for file in catalogue
        .roles
        .iter()
        .filter_map(|role| role.env_file.as_ref())
    {
        files.insert(source.folder().join(file), ());
    }
    files
        .into_keys()
        .filter_map(|path| {
            let data = fs::metadata(&path).ok()?;
            let names = fs::read_to_string(&path).unwrap_or_default();
            let holds = names.lines().any(|line| {
                let line = line.trim().trim_start_matches("export ");
                line.split_once('=').is_some_and(|(name, value)| {
                    !line.starts_with('#') && is_literal_secret(name.trim(), value)
                })
            });
            let bits = if holds { ANY } else { WRITE };
            Some(match open_to(&path, &data, bits) {
                None => Check::ok("env file", format!("{}, closed to others", path.display())),
                Some(found) if holds => Check::fail(
                    "env file",
                    format!("{found}, and holds secrets"),
                    format!(
                        "chmod 600 {}, and replace the secrets that others could read",
                        path.display()
                    ),
                ),
                Some(found) => {
                    Check::warn("env file", found, format!("chmod go-w {}", path.display()))
                }
            })
        })
        .collect()
}

/// Flags and settings that take the brakes off.
fn flags(catalogue: &Catalogue) -> Check {
    const NAME: &str = "dangerous flags";
    let mut found = Vec::new();
    for agent in catalogue.agents.values() {
        for arg in &agent.args {
            if BYPASS.iter().any(|flag| arg.contains(flag)) {
                found.push(format!(
                    "agents.{}: `{arg}` asks nobody for anything",
                    agent.name
                ));
            }
        }
    }
    let agents = catalogue
        .agents
        .values()
        .map(|agent| (format!("agents.{}", agent.name), &agent.environment));
    let roles = catalogue
        .roles
        .iter()
        .map(|role| (format!("roles.{}", role.key), &role.environment));
    for (of, variables) in agents.chain(roles) {
        for (name, value) in UNSAFE {
            if variables.get(name).is_some_and(|set| set == value) {
                found.push(format!("{of}: {name}={value} takes a protection away"));
            }
        }
    }
    for role in &catalogue.roles {
        let all = |tool: &String| matches!(tool.as_str(), "Bash" | "Bash(*)");
        // A plain command has no tools that could ask.
        let agent = catalogue.agents.get(&role.agent);
        let is_plain = agent.is_some_and(|agent| agent.protocol == Protocol::Plain);
        if !is_plain && role.tools.iter().any(all) && role.ask.is_empty() && role.deny.is_empty() {
            found.push(format!(
                "roles.{}: every command runs unasked: `ask` and `deny` are empty",
                role.key
            ));
        }
    }
    if found.is_empty() {
        return Check::ok(NAME, "none in roles and agents");
    }
    Check::fail(
        NAME,
        found.join("\n"),
        "take them out; let `ask` of the role name what is to wait for you",
    )
}

/// Programs of agents that somebody else could replace.
fn programs(source: &Source, catalogue: &Catalogue) -> Vec<Check> {
    let replaceable = |agent: &Agent| {
        let path = Path::new(&agent.command);
        let path = if agent.command.contains('/') {
            source.folder().join(path)
        } else {
            find(&agent.command, &std::env::var_os("PATH")?).ok()?
        };
        let path = path.canonicalize().ok()?;
        let folder = path.parent()?.to_owned();
        let of_file = open_to(&path, &fs::metadata(&path).ok()?, WRITE);
        // In a folder with the sticky bit nobody replaces what is not theirs.
        let data = fs::metadata(&folder).ok()?;
        let of_folder = open_to(&folder, &data, WRITE).filter(|_| data.mode() & 0o1000 == 0);
        of_file.or(of_folder)
    };
    let mut found: Vec<String> = catalogue.agents.values().filter_map(replaceable).collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        return vec![Check::ok(
            "programs",
            "those of agents can be replaced by nobody else",
        )];
    }
    vec![Check::fail(
        "programs",
        format!(
            "who can write these decides what runs as you:\n{}",
            found.join("\n")
        ),
        "chmod go-w them, and make them yours",
    )]
}

/// The agent's own folder: its login closed, its settings with the brakes on. What stands in the
/// settings counts for every employee.
fn agent_folder(folder: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let login = folder.join(".credentials.json");
    if let Ok(data) = fs::metadata(&login) {
        checks.push(match open_to(&login, &data, ANY) {
            None => Check::ok("login", format!("{}, yours alone", login.display())),
            Some(found) => Check::fail(
                "login",
                found,
                format!("chmod 600 {}, and log in anew", login.display()),
            ),
        });
    }
    let settings = folder.join("settings.json");
    if let Ok(text) = fs::read_to_string(&settings) {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let mode = &value["permissions"]["defaultMode"];
        checks.push(if mode == "bypassPermissions" {
            Check::fail(
                "agent settings",
                format!(
                    "{} lets the agent do everything unasked",
                    settings.display()
                ),
                "take `defaultMode` out of `permissions` there",
            )
        } else {
            Check::ok(
                "agent settings",
                format!("{}, no bypass", settings.display()),
            )
        });
    }
    checks
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config;

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new(roles: &str) -> Self {
            let place = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            place.put("prompt.md", "You are careful.", 0o644);
            place.put("roles.toml", roles, 0o600);
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn put(&self, name: &str, text: &str, mode: u32) {
            fs::write(self.path(name), text).unwrap();
            self.mode(name, mode);
        }

        fn mode(&self, name: &str, mode: u32) {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.path(name), mode).unwrap();
        }

        /// The verdict on one thing, with all that was said of it.
        fn verdict(&self, name: &str) -> (Verdict, String) {
            let source = config::find(self.folder.path(), None).unwrap();
            let loaded = config::load(&source, &|_| None)
                .unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()));
            let state = self.path("state");
            let checks = check(&source, Some(&loaded.catalogue), &state);
            let of_name: Vec<&Check> = checks.iter().filter(|one| one.name == name).collect();
            let worst = of_name
                .iter()
                .max_by_key(|one| one.verdict as u8)
                .unwrap_or_else(|| panic!("nothing on `{name}`: {checks:?}"));
            assert_eq!(worst.verdict == Verdict::Ok, worst.cure.is_none());
            let said: Vec<&str> = of_name.iter().map(|one| one.detail.as_str()).collect();
            (worst.verdict, said.join("\n"))
        }
    }

    fn roles(rest: &str) -> String {
        format!(
            "[departments.a]\n[roles.one]\ndepartment = \"a\"\nprompt = \"prompt.md\"\n\
             ask = [\"Bash(git push *)\"]\n{rest}"
        )
    }

    #[test]
    fn a_place_that_is_closed_has_nothing_to_mend() {
        let place = Place::new(&roles("environment = { API_KEY = \"${API_KEY}\" }"));
        fs::create_dir(place.path("state")).unwrap();
        place.mode("state", 0o700);
        place.put(".env", "API_KEY=abc\n", 0o600);
        for name in [
            "state folder",
            "roles",
            "secrets",
            "dangerous flags",
            "programs",
        ] {
            assert_eq!(
                place.verdict(name).0,
                Verdict::Ok,
                "{:?}",
                place.verdict(name)
            );
        }
    }

    #[test]
    fn who_may_write_what_decides_is_told() {
        let place = Place::new(&roles(""));
        place.mode("prompt.md", 0o666);
        let (verdict, said) = place.verdict("roles");
        assert_eq!(verdict, Verdict::Fail);
        assert!(
            said.contains("prompt.md can be written by others (mode 666)"),
            "{said}"
        );
        place.mode("prompt.md", 0o644);
        place.mode("roles.toml", 0o620);
        assert_eq!(place.verdict("roles").0, Verdict::Warn);
    }

    #[test]
    fn a_state_folder_and_a_socket_that_others_can_enter_are_told() {
        let place = Place::new(&roles(""));
        fs::create_dir(place.path("state")).unwrap();
        place.mode("state", 0o711);
        assert_eq!(place.verdict("state folder").0, Verdict::Fail);
        place.mode("state", 0o700);
        let socket = place.path("state/api.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        place.mode("state/api.sock", 0o666);
        assert_eq!(place.verdict("socket").0, Verdict::Fail);
        place.mode("state/api.sock", 0o600);
        assert_eq!(place.verdict("socket").0, Verdict::Ok);
    }

    #[test]
    fn secrets_in_the_open_are_told_by_name_and_never_shown() {
        let secret = "sk-ant-0123456789abcdef";
        for (variable, found) in [("API_TOKEN", "hunter2"), ("HARMLESS", secret)] {
            let text = roles(&format!("environment = {{ {variable} = \"{found}\" }}"));
            let place = Place::new(&text);
            let (verdict, said) = place.verdict("secrets");
            assert_eq!(verdict, Verdict::Warn);
            assert!(said.contains(variable) && !said.contains(found), "{said}");
            place.mode("roles.toml", 0o644);
            assert_eq!(place.verdict("secrets").0, Verdict::Fail);
        }
    }

    #[test]
    fn an_env_file_with_secrets_is_for_nobody_else() {
        let place = Place::new(&roles("env_file = \".env\""));
        place.put(".env", "# comment\nexport DB_PASSWORD=hunter2\n", 0o640);
        let (verdict, said) = place.verdict("env file");
        assert_eq!(verdict, Verdict::Fail);
        assert!(!said.contains("hunter2"));
        place.mode(".env", 0o600);
        assert_eq!(place.verdict("env file").0, Verdict::Ok);
        place.put(".env", "COLOUR=red\n", 0o644);
        assert_eq!(place.verdict("env file").0, Verdict::Ok);
        place.mode(".env", 0o666);
        assert_eq!(place.verdict("env file").0, Verdict::Warn);
    }

    #[test]
    fn settings_that_take_the_brakes_off_are_told() {
        for (rest, words) in [
            (
                "[agents.claude]\nargs = [\"--dangerously-skip-permissions\"]",
                "asks nobody",
            ),
            (
                "environment = { NODE_TLS_REJECT_UNAUTHORIZED = \"0\" }",
                "takes a protection away",
            ),
            (
                "[roles.two]\ndepartment = \"a\"\nprompt = \"prompt.md\"\ntools = [\"Bash\"]",
                "roles.two: every command runs unasked",
            ),
        ] {
            let (verdict, said) = Place::new(&roles(rest)).verdict("dangerous flags");
            assert_eq!(verdict, Verdict::Fail, "{rest}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_plain_command_has_no_tools_that_could_ask() {
        let rest = "[agents.sh]\ncommand = \"sh\"\nprotocol = \"plain\"\n\
            [roles.two]\ndepartment = \"a\"\nagent = \"sh\"\ntools = [\"Bash\"]";
        let (verdict, said) = Place::new(&roles(rest)).verdict("dangerous flags");
        assert_eq!(verdict, Verdict::Ok, "{said}");
    }

    #[test]
    fn a_program_that_others_can_replace_is_told() {
        let rest = "[agents.job]\ncommand = \"./job\"\nprotocol = \"plain\"";
        let place = Place::new(&roles(rest));
        place.put("job", "#!/bin/sh\n", 0o757);
        let (verdict, said) = place.verdict("programs");
        assert_eq!(verdict, Verdict::Fail);
        assert!(said.contains("/job can be written by others"), "{said}");
        place.mode("job", 0o755);
        assert_eq!(place.verdict("programs").0, Verdict::Ok);
    }

    #[test]
    fn the_agents_own_settings_and_login_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { folder };
        place.put(
            "settings.json",
            r#"{"permissions": {"defaultMode": "bypassPermissions"}}"#,
            0o600,
        );
        place.put(".credentials.json", "{}", 0o644);
        let checks = agent_folder(place.folder.path());
        assert!(
            checks.iter().all(|one| one.verdict == Verdict::Fail),
            "{checks:?}"
        );
        place.put("settings.json", "{}", 0o600);
        place.mode(".credentials.json", 0o600);
        let checks = agent_folder(place.folder.path());
        assert!(
            checks.iter().all(|one| one.verdict == Verdict::Ok),
            "{checks:?}"
        );
        assert!(agent_folder(&place.path("nowhere")).is_empty());
    }
}
