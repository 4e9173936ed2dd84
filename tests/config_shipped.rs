//! The company that ships: it loads, it is complete, and its prompts are as they should be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headcount::config::{self, Loaded, Source, UserFolders, environment, prompt, tools};
use headcount::domain::automation::{Autostart, IdleStop};
use headcount::domain::fault::{Fault, FaultCode};
use headcount::domain::role::{Kind, Role, WhenCut};
use proptest::prelude::*;

fn none(_: &str) -> Option<String> {
    None
}

/// The project's own folder: `roles.toml` lies at its top.
fn on_disk() -> Source {
    config::find(Path::new(env!("CARGO_MANIFEST_DIR")), None).expect("the shipped roles.toml")
}

fn embedded() -> Source {
    let user = UserFolders {
        config: "/nonexistent/config".into(),
        workspace: "/nonexistent/workspace".into(),
    };
    config::find_with(Path::new("/nonexistent"), None, Some(&user)).expect("the embedded copy")
}

fn load(source: &Source) -> Loaded {
    config::load(source, &none).unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()))
}

fn role(key: &str) -> Role {
    load(&embedded())
        .catalogue
        .role(key)
        .expect("a shipped role")
        .clone()
}

#[test]
fn the_copy_in_the_binary_is_the_one_on_disk() {
    assert_eq!(load(&embedded()).catalogue, load(&on_disk()).catalogue);
    let listed: Vec<String> = prompt::list(&on_disk());
    assert_eq!(prompt::list(&embedded()), listed);
}

#[test]
fn fourteen_roles_in_four_departments_with_their_limits() {
    let catalogue = load(&embedded()).catalogue;
    let company: Vec<(String, Vec<String>)> = catalogue
        .departments
        .iter()
        .map(|department| {
            let roles = catalogue
                .roles
                .iter()
                .filter(|role| role.department == department.key);
            let limits = format!(
                "{} {}-{} cores {}-{} MB",
                department.key,
                department.cpu.min,
                department.cpu.max,
                department.memory.min / 1_000_000,
                department.memory.max / 1_000_000
            );
            (limits, roles.map(|role| role.key.clone()).collect())
        })
        .collect();
    insta::assert_json_snapshot!(company);
}

#[test]
fn the_roles_have_the_tools_environment_and_policies_of_their_trade() {
    let senior = role("senior_developer");
    assert_eq!(
        senior.tools,
        ["Bash", "Edit", "Write", "Read", "Grep", "Glob", "LS", "Git"]
    );
    assert_eq!(senior.environment["GIT_AUTHOR_EMAIL"], "senior@company.com");
    assert_eq!(senior.environment["NODE_ENV"], "development");
    assert_eq!((senior.when_cut, senior.task_retries), (WhenCut::Retry, 2));
    assert_eq!(senior.task_timeout, Duration::from_secs(3600));
    assert_eq!(
        role("qa_engineer").tools,
        ["Bash", "Read", "Write", "Test", "Grep", "Glob", "LS"]
    );
    assert_eq!(
        role("technical_writer").tools,
        ["Read", "Write", "Edit", "Markdown", "Documentation"]
    );
    let devops = role("devops_engineer");
    assert_eq!(
        devops.tools,
        ["Bash", "Edit", "Write", "Read", "Docker", "Kubernetes"]
    );
    assert_eq!(
        devops.environment["DOCKER_HOST"],
        "unix:///var/run/docker.sock"
    );
    assert_eq!(devops.when_cut, WhenCut::Ask);
    assert_eq!(role("utility_worker").kind, Kind::Utility);
    for role in load(&embedded()).catalogue.roles {
        for rule in [
            "Bash(git push *)",
            "Bash(sudo *)",
            "Bash(npm publish *)",
            "Bash(kubectl apply *)",
        ] {
            assert!(
                role.ask.iter().any(|ask| ask == rule),
                "{} {rule}",
                role.key
            );
        }
    }
}

#[test]
fn every_tool_list_means_something_to_the_agent() {
    let catalogue = load(&embedded()).catalogue;
    let writer = tools::for_agent(
        &catalogue,
        &catalogue.role("technical_writer").unwrap().tools,
    )
    .unwrap();
    assert_eq!(writer.exist, ["Read", "Write", "Edit"]);
    let devops = tools::for_agent(
        &catalogue,
        &catalogue.role("devops_engineer").unwrap().tools,
    )
    .unwrap();
    assert_eq!(devops.exist, ["Bash", "Edit", "Write", "Read"]);
    assert!(devops.allowed.contains(&"Bash(kubectl *)".to_owned()));
    for role in &catalogue.roles {
        assert!(
            !tools::for_agent(&catalogue, &role.tools)
                .unwrap()
                .exist
                .is_empty()
        );
    }
}

#[test]
fn every_prompt_is_complete_and_of_a_readable_length() {
    let source = embedded();
    let mut openings = BTreeSet::new();
    for role in load(&source).catalogue.roles {
        let prompt = prompt::load(&source, &role).unwrap();
        assert_eq!(config::lint(&role, &prompt.text), [], "{}", role.key);
        let expected = format!(
            "corporate-prompts/{}/{}.md",
            role.department,
            role.key.replace('_', "-")
        );
        assert_eq!(prompt.path, PathBuf::from(expected));
        let lines = prompt.text.lines().count();
        assert!(
            (60..=150).contains(&lines),
            "{} has {lines} lines",
            role.key
        );
        assert!(openings.insert(prompt.sha256));
    }
}

/// A line of some length stands in one prompt only: each was written for its role.
#[test]
fn prompts_do_not_repeat_each_other() {
    let mut seen = BTreeSet::new();
    for (path, text) in config::PROMPTS {
        for line in text.lines().filter(|line| line.len() > 60) {
            assert!(seen.insert(line), "{path}: {line}");
        }
    }
}

#[test]
fn a_prompt_that_lacks_everything_is_told_all_of_it() {
    let text = "# SRE\n\nYou look after {{system}}.\n\n## Core Responsibilities\n\n## Success Behaviors\n- Calm.\n";
    let found: Vec<String> = config::lint(&role("sre"), text)
        .into_iter()
        .map(|finding| format!("{:?} {}; {}", finding.line, finding.message, finding.help))
        .collect();
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_prompt_that_cannot_be_used_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    config::init(folder.path()).unwrap();
    let source = config::find(folder.path(), None).unwrap();
    let mut role = role("sre");
    let path = folder.path().join(role.prompt.clone().unwrap());
    let mut fault = |content: Option<&[u8]>| {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => role.prompt = Some("corporate-prompts/operations/srre.md".into()),
        }
        Fault::from(&prompt::load(&source, &role).unwrap_err())
    };
    let too_long = vec![b'x'; 1_000_001];
    for (content, cause) in [
        (
            Some(&b"a\0b"[..]),
            "the prompt file corporate-prompts/operations/sre.md holds a NUL character",
        ),
        (
            Some(b"\xff"),
            "the prompt file corporate-prompts/operations/sre.md is not UTF-8",
        ),
        (
            Some(b" \n"),
            "the prompt file corporate-prompts/operations/sre.md is empty",
        ),
        (
            Some(&too_long),
            "the prompt file corporate-prompts/operations/sre.md is larger than 1 MB",
        ),
        (
            None,
            "the prompt file corporate-prompts/operations/srre.md is not there",
        ),
    ] {
        let fault = fault(content);
        assert_eq!(
            (fault.code, fault.cause.as_str()),
            (FaultCode::PromptNotFound, cause)
        );
    }
    let missing = fault(None);
    assert_eq!(
        missing.remedy,
        "the nearest is corporate-prompts/operations/sre.md: use that, or create the file"
    );
}

#[test]
fn a_prompt_that_was_named_freely_has_a_cure_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    config::init(folder.path()).unwrap();
    let source = config::find(folder.path(), None).unwrap();
    let long = folder.path().join("long.md");
    fs::write(&long, vec![b'x'; 1_000_001]).unwrap();
    for (path, cure) in [
        (folder.path(), "name a file with the text of the prompt"),
        (
            Path::new("/zzz/qqq.md"),
            "create /zzz/qqq.md, or name a file that is there",
        ),
        (
            long.as_path(),
            "shorten it; what an agent seldom needs may stand in files that the prompt names",
        ),
    ] {
        let error = prompt::read(&source, path).unwrap_err();
        assert_eq!(error.remedy(), cure, "{}", path.display());
    }
}

#[test]
fn prompts_are_found_by_the_names_that_people_use() {
    let expected = Path::new("corporate-prompts/development/senior-developer.md");
    for source in [embedded(), on_disk()] {
        for name in [
            "senior-developer",
            "senior_developer",
            "senior_developer.md",
            "development/senior-developer",
        ] {
            assert_eq!(prompt::find(&source, name).unwrap(), expected, "{name}");
        }
        assert!(prompt::find(&source, "plumber").is_err());
    }
}

#[test]
fn the_environment_of_a_role_is_made_of_all_its_layers() {
    let folder = tempfile::tempdir().unwrap();
    config::init(folder.path()).unwrap();
    fs::write(folder.path().join(".env"), "EDITOR=vim\nDATABASE=local\n").unwrap();
    let source = config::find(folder.path(), None).unwrap();
    let catalogue = load(&source).catalogue;
    let parent = |name: &str| match name {
        "HOME" => Some("/home/dev".to_owned()),
        "ANTHROPIC_API_KEY" => Some("sk-test".to_owned()),
        "AWS_PROFILE" => Some("not listed".to_owned()),
        _ => None,
    };
    let process = [(
        "DEPARTMENT".to_owned(),
        "${DATABASE}-development".to_owned(),
    )]
    .into();
    let role = catalogue.role("senior_developer").unwrap();
    let resolved = environment::for_role(
        &source,
        &catalogue,
        role,
        &process,
        environment::Facts::default(),
        &parent,
    )
    .unwrap();
    insta::assert_json_snapshot!(resolved);
}

#[test]
fn the_command_of_claude_can_be_overridden() {
    let parent = |name: &str| (name == config::COMMAND_OVERRIDE).then(|| "/opt/claude".to_owned());
    let catalogue = config::load(&embedded(), &parent).unwrap().catalogue;
    assert_eq!(catalogue.agents["claude"].command, "/opt/claude");
}

#[test]
fn the_files_to_watch_are_the_roles_their_prompts_and_their_env_files() {
    let folder = tempfile::tempdir().unwrap();
    config::init(folder.path()).unwrap();
    let source = config::find(folder.path(), None).unwrap();
    assert_eq!(load(&source).files.len(), 16);
}

#[test]
fn a_roles_toml_that_cannot_be_read_is_one_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roles.toml");
    fs::write(&file, "").unwrap();
    let source = config::find(folder.path(), None).unwrap();
    for (content, message) in [
        (&b"# fine\n\xff"[..], "is not UTF-8 in line 2"),
        (&[b'#'; (1 << 20) + 1], "is larger than 1 MiB"),
    ] {
        fs::write(&file, content).unwrap();
        let mistakes = config::load(&source, &none).unwrap_err();
        assert_eq!(mistakes.list()[0].message, message);
        assert!(mistakes.fancy(false, 80).contains(message));
    }
    fs::remove_file(&file).unwrap();
    assert!(
        config::load(&source, &none)
            .unwrap_err()
            .plain()
            .contains("cannot be read")
    );
}

proptest! {
    #[test]
    fn garbage_never_panics(text in "\\PC{0,200}|[\\[\\]={}\"'a-z.\\n\\\\u0-9 -]{0,200}") {
        let source = embedded();
        if let Err(mistakes) = config::load_text(&source, Path::new("roles.toml"), &text, &none) {
            prop_assert!(mistakes.len() == mistakes.list().len() && !mistakes.plain().is_empty());
            prop_assert!(!mistakes.fancy(true, 80).is_empty());
        }
    }

    /// The shipped file with a piece cut out, doubled or replaced: near to what people do to it.
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..9000, length in 0usize..80, with in "[\\[\\]={}\"a-z\\n.é]{0,8}") {
        let mut text: Vec<char> = config::ROLES.chars().collect();
        let start = at.min(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, with.chars());
        let text: String = text.into_iter().collect();
        if let Err(mistakes) = config::load_text(&embedded(), Path::new("roles.toml"), &text, &none) {
            prop_assert!(!mistakes.plain().is_empty() && !mistakes.fancy(false, 80).is_empty());
        }
    }
}

/// The guide's examples are read as they stand, so that it cannot drift from the program.
#[test]
fn the_examples_of_the_guide_are_valid() {
    let guide = include_str!("../docs/guide/roles.md");
    let shipped = "[departments.support]\n[departments.development]\n";
    let mut examples = 0;
    for example in guide.split("```toml\n").skip(1) {
        let example = example.split("```").next().expect("the end of the example");
        let inside_a_layer = example.starts_with("ask");
        let text = match (
            inside_a_layer,
            example.contains("[departments.development]"),
        ) {
            (true, _) => format!("[defaults]\n{example}"),
            (false, true) => example.to_owned(),
            (false, false) => format!("{shipped}{example}"),
        };
        let text = text
            .replace("data-engineer.md", "senior-developer.md")
            .replace("\"Git\"]", "\"LS\"]");
        if let Err(mistakes) = config::load_text(&embedded(), Path::new("guide"), &text, &none) {
            panic!("{}", mistakes.plain());
        }
        examples += 1;
    }
    assert_eq!(examples, 6);
}

/// The file with its examples switched on.
fn with_examples() -> String {
    let mut text = String::new();
    let mut example = false;
    for line in config::ROLES.lines() {
        let bare = line.strip_prefix("# ").or_else(|| line.strip_prefix('#'));
        example = match bare {
            Some(bare) => example || bare.starts_with('['),
            None => false,
        };
        text.push_str(bare.filter(|_| example).unwrap_or(line));
        text.push('\n');
    }
    text
}

#[test]
fn the_examples_that_are_switched_off_work_when_they_are_switched_on() {
    let text = with_examples();
    let loaded = config::load_text(&on_disk(), Path::new("roles.toml"), &text, &none)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()));
    let catalogue = loaded.catalogue;
    assert_eq!(catalogue.roles.len(), 14 + 3);
    let watch = catalogue.role("machine_watch").expect("the watch");
    assert_eq!(watch.kind, Kind::Monitoring);
    let text = watch.automation.run.as_deref().expect("a standing text");
    assert!(text.starts_with("Look at this machine:"), "{text}");
    let schedule = |key: &str| {
        let role = catalogue.role(key).expect("a role");
        let schedule = role.automation.schedule.as_ref();
        schedule.map(|schedule| schedule.as_str().to_owned())
    };
    assert_eq!(schedule("machine_watch").as_deref(), Some("every 15m"));
    assert_eq!(schedule("security_review").as_deref(), Some("0 7 * * mon"));
    assert_eq!(
        catalogue.agents["security_review"].args,
        ["doctor", "--security"]
    );
    // As shipped, nothing runs by the clock.
    let shipped = load(&embedded()).catalogue;
    assert!(
        shipped
            .roles
            .iter()
            .all(|role| role.automation.schedule.is_none())
    );
}

#[test]
fn what_ships_of_automation_is_what_holds_without_it() {
    let shipped = load(&embedded()).catalogue;
    let bare = config::load_text(&embedded(), Path::new("roles.toml"), "", &none)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()))
        .catalogue;
    assert_eq!(shipped.auto_start, bare.auto_start);
    assert_eq!(shipped.auto_stop, bare.auto_stop);
    assert_eq!(shipped.auto_restart, bare.auto_restart);
}

#[test]
fn a_role_takes_an_outer_schedule_away_with_never() {
    let text = r#"
[defaults]
schedule = "every 30m"
stop = { idle = "10m" }
restart = { after_tasks = 50, after = "12h", schedule = "0 4 * * *" }
[departments.support]
[roles.one]
department = "support"
agent = "sh"
[roles.two]
department = "support"
agent = "sh"
autostart = "boot"
schedule = "never"
stop = { idle = "never" }
restart = { schedule = "never" }
[agents.sh]
command = "sh"
protocol = "plain"
[automation]
auto_start = { triggers = ["high_task_queue"], max_processes = 3 }
"#;
    let loaded = config::load_text(&embedded(), Path::new("roles.toml"), text, &none)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()));
    let one = &loaded.catalogue.role("one").expect("one").automation;
    let two = &loaded.catalogue.role("two").expect("two").automation;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert!(one.schedule.is_some() && two.schedule.is_none());
    assert_eq!(
        (one.autostart, two.autostart),
        (Autostart::Demand, Autostart::Boot)
    );
    assert_eq!(one.idle, Some(IdleStop::After(minutes(10))));
    assert_eq!(two.idle, Some(IdleStop::Never));
    assert!(one.restart.schedule.is_some() && two.restart.schedule.is_none());
    for restart in [&one.restart, &two.restart] {
        assert_eq!(restart.after_tasks, Some(50));
        assert_eq!(restart.after, Some(minutes(720)));
    }
    let start = loaded.catalogue.auto_start;
    assert_eq!((start.on_demand, start.max_processes), (false, 3));
    assert!(start.long_queue);
}

#[test]
fn the_cluster_that_ships_is_a_development_team_of_seven() {
    let shipped = load(&embedded()).catalogue;
    let team = shipped.cluster("development").expect("it ships");
    assert_eq!(team.load_balancing.as_str(), "round_robin");
    let seconds = |seconds| Duration::from_secs(seconds);
    assert_eq!(team.health(), Some((seconds(30), seconds(5))));
    let members: Vec<(&str, u32)> = team
        .members
        .iter()
        .map(|member| (member.role.key.as_str(), member.instances))
        .collect();
    assert_eq!(
        members,
        [
            ("senior_developer", 2),
            ("junior_developer", 3),
            ("qa_engineer", 2)
        ]
    );
}

#[test]
fn what_a_member_says_stands_over_its_cluster_and_that_over_its_role() {
    let text = r#"
[departments.support]
[roles.one]
department = "support"
agent = "sh"
model = "of the role"
max_turns = 7
health = { interval = "10s", timeout = "4s", silence = "2m" }
[roles.two]
department = "support"
agent = "sh"
[agents.sh]
command = "sh"
protocol = "plain"
[clusters.team]
load_balancing = "fastest"
health = { interval = "20s" }
processes = [{ role = "one", instances = 3, model = "of the member" }, { role = "two", health = { interval = "40s" } }]
"#;
    let loaded = config::load_text(&embedded(), Path::new("roles.toml"), text, &none)
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()));
    let team = loaded.catalogue.cluster("team").expect("the team");
    let one = &team.member("one").expect("one").role;
    assert_eq!(one.model.as_deref(), Some("of the member"));
    assert_eq!(one.origin("model").as_str(), "cluster");
    assert_eq!(
        (one.max_turns, one.origin("max_turns").as_str()),
        (Some(7), "role")
    );
    let health = |role: &str| {
        let rule = team.member(role).expect("a member").role.health;
        (rule.interval.as_secs(), rule.timeout.as_secs())
    };
    assert_eq!((health("one"), health("two")), ((20, 4), (40, 5)));
    assert_eq!(team.health(), None);
    assert_eq!(team.member("two").expect("two").instances, 1);
    assert_eq!(team.load_balancing.as_str(), "fastest");
    // Outside of the cluster the role is as it was.
    let role = loaded.catalogue.role("one").expect("one");
    assert_eq!(role.model.as_deref(), Some("of the role"));
    assert_eq!(role.health.interval, Duration::from_secs(10));
}
