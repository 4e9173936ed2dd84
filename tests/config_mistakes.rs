//! Whole error reports of `roles.toml`, as people and programs see them.

use std::path::Path;
use std::time::Duration;

use headcount::config::{self, Mistakes, Source, UserFolders};
use headcount::domain::restart::{AutoRestart, Backoff, Window};
use headcount::domain::role::WhenChanged;

/// The company of these tests: no file on disk, so paths in messages are the same everywhere.
fn source() -> Source {
    let user = UserFolders {
        config: "/nonexistent/config".into(),
        workspace: "/nonexistent/workspace".into(),
    };
    config::find_with(Path::new("/nonexistent"), None, Some(&user)).expect("an embedded source")
}

fn load(text: &str) -> Result<config::Loaded, Mistakes> {
    config::load_text(&source(), Path::new("roles.toml"), text, &|_| None)
}

fn plain(text: &str) -> String {
    load(text).expect_err("mistakes").plain()
}

/// Two departments and a role: what each table below needs around it.
const BASE: &str = r#"
[departments.development]
[departments.support]
"#;

const MANY: &str = r#"
[defaults]
tools = ["Bash", "Git"]
ask = ["Bash(git push *)", "Write(*.md)"]
stop = { finish_task = "10", terminate = "-10s" }
colour = "red"

[departments.development]
cpu = { min = 1.0, max = 4.0 }
memory = { min = "512", max = "2GB" }

[roles.senior_developer]
title = "Senior Developer"
department = "developement"
prompt = "corporate-prompts/development/senior-develoer.md"
tols = ["Bash"]
max_turns = "twenty"

[roles.sre]
department = "development"
prompt = "corporate-prompts/operations/sre.md"
cpu = { min = 6.0 }
schedule = "0 25 * * *"
agent = "cloud"
tools = ["Bash", "Kubernets"]
environment = { "1ST" = "x", LOGS = "${LOGS" }

[roles.sre]
department = "development"

[tools]
Kubernetes = ["Bash(kubectl *)"]

[clusters.front]
load_balancing = "fairest"
processes = [{ role = "senior_developr", instances = 0 }]

[automation]
auto_start = { enabled = "yes" }
"#;

#[test]
fn many_mistakes_are_reported_at_once() {
    insta::assert_snapshot!(plain(MANY));
}

#[test]
fn many_mistakes_are_drawn_for_a_terminal() {
    insta::assert_snapshot!(load(MANY).unwrap_err().fancy(false, 100));
}

#[test]
fn mistakes_are_data_for_programs() {
    let text = format!("{BASE}[roles.a]\ndepartment = 'support'\n\tprompt = 7\n");
    insta::assert_json_snapshot!(load(&text).unwrap_err().list());
}

#[test]
fn syntax_errors_come_alone() {
    insta::assert_snapshot!(plain(
        "[roles.a]\ntitle = \ndepartment = 'nowhere'\n[roles.b\ntols = 1\n"
    ));
}

#[test]
fn colours_are_used_where_they_are_wanted() {
    let mistakes = load("x = 1").unwrap_err();
    assert!(mistakes.fancy(true, 80).contains('\u{1b}'));
    assert!(!mistakes.fancy(false, 80).contains('\u{1b}'));
}

#[test]
fn escapes_in_the_file_do_not_reach_the_terminal() {
    let raw = "# \u{1b}[2J\nx = 1\n";
    let escaped = concat!(
        "\"a\\u001b[2J\" = 1\n[roles.\"\\u001b\"]\nkind = 1\ntitle = \"\\u001b\"\nprompt = \"\\u001b\"\n",
        "env_file = \"\\u001b\"\ntools = [\"\\u001b\", \"B(\\u001b)\"]\nagent = \"\\u001b\"\n",
        "environment = { \"\\u001b\" = \"x\", A = \"${\" }\n[agents.\"\\u001b\"]\n[tools]\n\"\\u001b\" = [\"LS\"]\n",
    );
    for text in [raw, escaped] {
        let mistakes = load(text).unwrap_err();
        for report in [mistakes.plain(), mistakes.fancy(false, 80)] {
            assert!(!report.contains('\u{1b}'), "{report:?}");
        }
        let said = |text: &str| assert!(!text.contains('\u{1b}'), "{text:?}");
        for entry in mistakes.list() {
            said(&entry.message);
            said(entry.help.as_deref().unwrap_or_default());
        }
    }
}

/// Each mistake alone: the file, and the beginning of its report.
#[test]
fn each_mistake_is_named_with_its_place_and_its_cure() {
    let role = |line: &str| {
        format!(
            "{BASE}[roles.a]\ndepartment = \"support\"\nprompt = \"corporate-prompts/operations/sre.md\"\n{line}\n"
        )
    };
    let cases: Vec<(String, &str, &str)> = vec![
        (
            role("kind = \"robot\""),
            "7:8: `roles.a.kind` cannot be `robot`",
            "write `interactive`, `batch`, `monitoring` or `utility`",
        ),
        (
            role("tools = \"Bash\""),
            "7:9: `roles.a.tools` must be a list in square brackets",
            "",
        ),
        (
            role("tools = [\"Bash\", 1]"),
            "7:18: `roles.a.tools` must be text in quotes",
            "",
        ),
        (
            role("tools = [\"Bsh\"]"),
            "7:10: unknown tool `Bsh`",
            "write `Bash`, or define the name in [tools]",
        ),
        (
            role("deny = [\"Bash(rm\"]"),
            "7:9: `Bash(rm` is not a permission rule",
            "write `Tool` or `Tool(pattern)`, for example `Bash(git push *)`",
        ),
        (
            role("model = \"\""),
            "7:9: `roles.a.model` is empty",
            "write something, or leave the key out",
        ),
        (
            role("max_turns = 0"),
            "7:13: `roles.a.max_turns` is out of range",
            "write a whole number from 1 up",
        ),
        (
            role("budget = { usd = -1 }"),
            "7:18: `roles.a.budget.usd` is out of range",
            "write a number above 0, at most 1000000000",
        ),
        (
            role("cpu = { max = inf }"),
            "7:15: `roles.a.cpu.max` is out of range",
            "write a number above 0, at most 65536",
        ),
        (
            role("memory = { max = 512 }"),
            "7:18: `roles.a.memory.max` must be a size such as \"512MB\"",
            "write \"512MB\", or \"512B\" if bytes are meant",
        ),
        (
            role("memory = { min = \"2GB\", max = \"1GB\" }"),
            "7:31: the minimum of `memory` is above its maximum",
            "lower the minimum or raise the maximum",
        ),
        (
            role("task = { timeout = \"0s\" }"),
            "7:20: `roles.a.task.timeout` is zero",
            "write for example \"30s\"",
        ),
        (
            role("run = \"look\""),
            "7:7: `run` is for the kinds `monitoring` and `utility`",
            "add `kind = \"monitoring\"` or `kind = \"utility\"`, or take `run` out",
        ),
        (
            role(
                "kind = \"utility\"\nrun = \"look\"\nagent = \"sh\"\n[agents.sh]\ncommand = \"sh\"\nprotocol = \"plain\"",
            ),
            "8:7: `run` is a text for an agent; `sh` is a command",
            "put what it is to do into `args` of [agents.sh]",
        ),
        (
            role("stop = { idle = \"0s\" }"),
            "7:17: `roles.a.stop.idle` is zero",
            "write for example \"30s\"",
        ),
        (
            role("restart = { after_tasks = 0 }"),
            "7:27: `roles.a.restart.after_tasks` is out of range",
            "write a whole number from 1 to 1000000",
        ),
        (
            role("restart = { when = \"0 4 * * *\" }"),
            "7:13: unknown key `when` in `roles.a.restart`",
            "the keys here are `after`, `after_tasks` or `schedule`",
        ),
        (
            role("autostart = \"always\""),
            "7:13: `roles.a.autostart` cannot be `always`",
            "write `boot`, `demand` or `never`",
        ),
        (
            role("[automation.auto_stop]\nidle_timeout = \"0s\""),
            "8:16: `automation.auto_stop.idle_timeout` is zero",
            "write for example \"30s\"",
        ),
        (
            role("schedule = \"0 0 31 2 *\""),
            "7:12: `roles.a.schedule` must be a schedule such as \"every 30m\"",
            "no month has that day; write one that there is",
        ),
        (
            role("schedule = \"every -5m\""),
            "7:12: `roles.a.schedule` must be a schedule such as \"every 30m\"",
            "leave the minus sign out",
        ),
        (
            role("sandbox = { levl = \"off\" }"),
            "7:13: unknown key `levl` in `roles.a.sandbox`",
            "did you mean `level`?",
        ),
        (
            role("sandbox = { ports = [70000] }"),
            "7:22: `roles.a.sandbox.ports` is out of range",
            "write a whole number from 1 to 65535",
        ),
        (
            role("env_file = \"prod.env\""),
            "7:12: the env file `prod.env` is not there",
            "create /nonexistent/workspace/prod.env, or take the key out",
        ),
        (
            role("[tools]\nBash = [\"Read\"]"),
            "8:1: `Bash` is a tool of the agent and cannot mean something else",
            "choose another name for the alias",
        ),
        (
            role("[tools]\nOne = [\"LS\"]"),
            "8:8: `LS` is an alias, which means nothing to the agent here",
            "write the rule itself: `Bash(ls *)`",
        ),
        (
            role("[agents.other]\nprotocol = \"plain\""),
            "7:9: the agent `other` has no command",
            "add `command = \"…\"`, a program on the PATH or a path",
        ),
        (
            role("[alerts]\ncpu_percent = 120"),
            "8:15: `alerts.cpu_percent` is out of range",
            "write a whole number from 1 to 100",
        ),
        (
            role("[api]\nlisten = \"8080\""),
            "8:10: `api.listen` is not an address to listen on",
            "write for example \"127.0.0.1:8080\"",
        ),
        (
            role("[clusters.c]\nprocesses = [{ instances = 1 }]"),
            "8:14: `clusters.c.processes` names no role",
            "write for example { role = \"sre\", instances = 2 }",
        ),
        (
            role("[clusters.c]\nload_balancing = \"fastest\""),
            "7:11: the cluster `c` has no processes",
            "add for example `processes = [{ role = \"sre\", instances = 2 }]`",
        ),
        (
            role("[clusters.c]\nprocesses = []"),
            "7:11: the cluster `c` has no processes",
            "add for example `processes = [{ role = \"sre\", instances = 2 }]`",
        ),
        (
            role("[clusters.c]\nprocesses = [{ role = \"a\" }, { role = \"a\", instances = 2 }]"),
            "8:39: the cluster `c` has the role `a` twice",
            "keep one of them, with `instances` for how many",
        ),
        (
            role("[clusters.c]\nprocesses = [{ role = \"a\", instances = 0 }]"),
            "8:40: `clusters.c.processes.instances` is out of range",
            "write a whole number from 1 to 1000",
        ),
        (
            role(
                "[clusters.c]\nprocesses = [{ role = \"a\", memory = { min = \"3GB\", max = \"1GB\" } }]",
            ),
            "8:58: the minimum of `memory` is above its maximum",
            "lower the minimum or raise the maximum",
        ),
        (
            role("[automation.auto_start]\nsustained = \"0s\""),
            "8:13: `automation.auto_start.sustained` is zero",
            "write for example \"30s\"",
        ),
        (
            role("[automation.auto_start]\ntriggers = [\"noon\"]"),
            "8:13: `automation.auto_start.triggers` cannot be `noon`",
            "write `high_task_queue` or `employee_availability`",
        ),
        (
            role("auto_restart = { backoff = \"linear\" }"),
            "7:28: `roles.a.auto_restart.backoff` cannot be `linear`",
            "write `constant` or `exponential`",
        ),
        (
            role("[automation.auto_restart.window]\nfailures = 0"),
            "8:12: `automation.auto_restart.window.failures` is out of range",
            "write a whole number from 1 to 10000",
        ),
        (
            format!("{BASE}[roles.a]\nprompt = \"corporate-prompts/operations/sre.md\"\n"),
            "4:8: the role `a` has no department",
            "add `department = \"…\"`: `development` or `support`",
        ),
        (
            format!("{BASE}[roles.a]\ndepartment = \"support\"\n"),
            "4:8: the role `a` has no prompt",
            "add `prompt = \"corporate-prompts/…/a.md\"`",
        ),
        (
            format!(
                "{BASE}[roles.a-b]\ndepartment = \"support\"\nagent = \"x\"\n[agents.x]\ncommand = \"x\"\nprotocol = \"plain\"\n"
            ),
            "4:8: `a-b` cannot be a name here",
            "write `a_b`",
        ),
        (
            format!(
                "{BASE}[roles.a]\ndepartment = \"support\"\nprompt = \"corporate-prompts/support/sre.md\"\n"
            ),
            "6:10: the prompt file corporate-prompts/support/sre.md is not there",
            "the nearest is corporate-prompts/operations/sre.md: use that, or create the file",
        ),
        (
            "rolls = 1".to_owned(),
            "1:1: unknown key `rolls` at the top of the file",
            "did you mean `roles`?",
        ),
        ("roles = 1".to_owned(), "1:9: `roles` must be a table", ""),
    ];
    for (text, begins, help) in cases {
        let mistakes = load(&text).unwrap_err();
        let report = mistakes.plain();
        assert_eq!(mistakes.len(), 1, "{text}\n{report}");
        assert!(
            report.starts_with(&format!("roles.toml:{begins}\n")),
            "{report}"
        );
        let list = mistakes.list();
        assert_eq!(
            list[0].help.as_deref().unwrap_or_default(),
            help,
            "{report}"
        );
    }
}

#[test]
fn a_role_that_is_there_twice_points_at_both() {
    let text = format!(
        "{BASE}[roles.a]\ndepartment = \"support\"\nprompt = \"corporate-prompts/operations/sre.md\"\n[roles.a]\ntitle = \"Again\"\n"
    );
    insta::assert_snapshot!(plain(&text));
}

#[test]
fn deep_nesting_is_a_syntax_error_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("x = {}{}", open.repeat(50_000), close.repeat(50_000));
        assert!(load(&text).is_err());
        assert!(load(&format!("x = {}", open.repeat(50_000))).is_err());
    }
    assert!(load(&format!("[{}a]", "a.".repeat(50_000))).is_err());
}

#[test]
fn what_a_role_does_not_say_of_restarts_its_department_and_the_automation_say() {
    let text = r#"
        [automation.auto_restart]
        retry_delay = "5s"
        backoff = "exponential"
        window = { within = "1h" }
        [departments.support]
        auto_restart = { max_retries = 20, stable_after = "1m" }
        [roles.a]
        department = "support"
        agent = "x"
        auto_restart = { enabled = false, max_delay = "1m" }
        [agents.x]
        command = "x"
        protocol = "plain"
    "#;
    let catalogue = load(text).unwrap().catalogue;
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let expected = AutoRestart {
        enabled: false,
        max_retries: 20,
        retry_delay: Duration::from_secs(5),
        backoff: Backoff::Exponential,
        max_delay: minutes(1),
        stable_after: minutes(1),
        window: Window {
            failures: 21,
            within: minutes(60),
        },
    };
    assert_eq!(catalogue.roles[0].auto_restart, expected);
    assert!(catalogue.auto_restart.enabled);
}

#[test]
fn each_value_of_a_role_knows_the_layer_that_set_it() {
    use headcount::domain::role::Layer;
    let text = r#"
[defaults]
tools = ["Bash"]
model = "small"
environment = { A = "1", B = "1" }
[departments.development]
model = "middle"
cpu = { min = 1.0 }
environment = { B = "2" }
[roles.worker]
department = "development"
prompt = "corporate-prompts/development/senior-developer.md"
tools = ["Read"]
cpu = { max = 4.0 }
"#;
    let catalogue = load(text).expect("no mistakes").catalogue;
    let role = catalogue.role("worker").expect("the role");
    for (key, layer) in [
        ("tools", Layer::Role),
        ("model", Layer::Department),
        ("cpu", Layer::Role),
        ("prompt", Layer::Role),
        ("environment A", Layer::Defaults),
        ("environment B", Layer::Department),
        ("max_turns", Layer::BuiltIn),
    ] {
        assert_eq!(role.origin(key), layer, "{key}");
    }
}

#[test]
fn what_becomes_of_processes_at_a_change_is_the_innermost_word() {
    let text = r#"
[defaults]
updates = "when_idle"
[departments.development]
[roles.senior_developer]
department = "development"
prompt = "corporate-prompts/development/senior-developer.md"
[roles.junior_developer]
department = "development"
prompt = "corporate-prompts/development/junior-developer.md"
updates = "ask"
"#;
    let catalogue = load(text).expect("a good file").catalogue;
    let of = |role: &str| catalogue.role(role).expect("the role").when_changed;
    assert_eq!(
        (of("senior_developer"), of("junior_developer")),
        (WhenChanged::Idle, WhenChanged::Ask)
    );
    let report = plain("[defaults]\nupdates = \"always\"\n");
    assert!(report.contains("roles.toml:2:11"), "{report}");
    assert!(report.contains("when_idle"), "{report}");
}
