//! What there is to see of processes: the list, and everything about one.

use jiff::Timestamp;

use crate::cli::args::JsonArg;
use crate::cli::error::CliError;
use crate::cli::fields::Fields;
use crate::cli::format::{age, bytes, dollars, limit, moment, or_dash, since};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::table::{Align, Table};
use crate::domain::snapshot::{Activity, Status};
use crate::serve::wire::{ExitDoc, ProcessDoc};

/// Lists the processes.
pub(super) async fn ps(json: JsonArg, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let processes: Vec<ProcessDoc> = place.client().await.get("/api/processes").await?;
    if json.json {
        return output.json(&processes);
    }
    if processes.is_empty() {
        output.note("no processes; hire one with `headcount create ROLE`");
        return Ok(());
    }
    output.table(&list(&processes))
}

fn list(processes: &[ProcessDoc]) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("EMPLOYEE", Align::Left),
        ("ROLE", Align::Left),
        ("STATUS", Align::Left),
        ("HEALTH", Align::Left),
        ("PID", Align::Right),
        ("CPU", Align::Right),
        ("MEM", Align::Right),
        ("UP", Align::Right),
        ("DONE", Align::Right),
        ("COST", Align::Right),
        ("NOW", Align::Left),
    ]);
    for process in processes {
        table.row([
            process.id.to_string(),
            process.name.clone(),
            process.role.clone(),
            status(process).to_owned(),
            process.health.as_str().to_owned(),
            or_dash(process.pid),
            or_dash(process.cpu_percent.map(|cpu| format!("{cpu:.0}%"))),
            or_dash(process.memory_bytes.map(bytes)),
            or_dash(process.uptime_seconds.map(age)),
            process.tasks_completed.to_string(),
            dollars(process.cost_usd),
            process.now.clone(),
        ]);
    }
    table
}

/// A running one is told by what it does.
pub(super) fn status(process: &ProcessDoc) -> &'static str {
    match (process.status, process.activity) {
        (Status::Running, Activity::Idle | Activity::Busy) => process.activity.as_str(),
        (status, _) => status.as_str(),
    }
}

/// Shows everything about one.
pub(super) async fn inspect(
    process: &str,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    let process = one(process, &processes)?;
    if json.json {
        return output.json(process);
    }
    output.text(&details(process, Timestamp::now()).draw())
}

fn details(process: &ProcessDoc, now: Timestamp) -> Fields {
    let mut fields = Fields::default();
    fields.add("process", process.id);
    fields.add(
        "employee",
        format!("{} ({})", process.name, process.employee),
    );
    fields.add(
        "role",
        format!(
            "{} ({}, {})",
            process.role_title, process.role, process.department
        ),
    );
    fields.add(
        "status",
        format!(
            "{}, {}, for {}; by {}",
            process.status.as_str(),
            process.activity.as_str(),
            since(process.since, now),
            process.evidence.source
        ),
    );
    let condition = &process.condition;
    fields.add(
        "health",
        format!(
            "{} for {}: {}",
            process.health.as_str(),
            since(condition.since, now),
            condition.why
        ),
    );
    fields.maybe("now", Some(&process.now).filter(|now| !now.is_empty()));
    fields.maybe("until", process.until.map(|at| moment(at, now)));
    fields.maybe(
        "fault",
        process
            .fault
            .as_ref()
            .map(|fault| format!("{} ({})\ntry: {}", fault.cause, fault.code, fault.remedy)),
    );
    fields.add("pid", or_dash(process.pid));
    fields.maybe("started", process.started_at.map(|at| moment(at, now)));
    fields.maybe("up", process.uptime_seconds.map(age));
    fields.maybe(
        "cpu",
        process
            .cpu_percent
            .map(|cpu| format!("{cpu:.1}% of a core")),
    );
    fields.maybe("memory", process.memory_bytes.map(bytes));
    fields.maybe("threads", process.threads);
    fields.maybe("files", process.file_descriptors);
    fields.add(
        "limits",
        format!(
            "cpu {} to {} cores, memory {} to {}; {}",
            process.limits.cpu.min,
            process.limits.cpu.max,
            limit(process.limits.memory.min),
            limit(process.limits.memory.max),
            process
                .limits
                .enforced_by
                .as_deref()
                .unwrap_or("not enforced")
        ),
    );
    let is_held = process.sandbox.enforced || process.sandbox.level == "off";
    let held = match (is_held, process.status) {
        (true, _) => "",
        // Nothing is there to be held.
        (false, Status::Stopped) => "",
        (false, _) => " (not enforced by this kernel)",
    };
    fields.add("sandbox", format!("{}{held}", process.sandbox.level));
    for gap in &process.sandbox.gaps {
        fields.add("not held", gap);
    }
    if !process.sandbox.write.is_empty() {
        fields.add("writes in", process.sandbox.write.join(" "));
    }
    fields.add(
        "tasks",
        format!(
            "{} assigned, {} completed, {} failed",
            process.tasks_assigned, process.tasks_completed, process.tasks_failed
        ),
    );
    fields.maybe("current task", process.current_task);
    fields.add(
        "cost",
        format!(
            "{}, {} tokens in, {} out",
            dollars(process.cost_usd),
            process.usage.input_tokens,
            process.usage.output_tokens
        ),
    );
    fields.add("restarts", process.restarts);
    fields.add(
        "updates",
        if process.updates_available {
            "available"
        } else {
            "none"
        },
    );
    fields.maybe("session", process.session_id);
    let version = process.agent_version.as_deref();
    fields.add(
        "agent",
        format!(
            "{} ({})",
            process.agent,
            version.unwrap_or("version unknown")
        ),
    );
    if process.simulated {
        fields.add("simulated", "yes");
    }
    fields.maybe("model", process.model.as_ref());
    fields.maybe("max turns", process.max_turns);
    fields.maybe(
        "prompt",
        process.prompt_file.as_ref().map(|path| path.display()),
    );
    fields.add("tools", process.allowed_tools.join(" "));
    fields.maybe("asks for", joined(&process.ask_rules));
    fields.maybe("allowed", joined(&process.allowed_rules));
    fields.add("folder", process.working_directory.display());
    fields.maybe(
        "worktree",
        process.worktree.as_ref().map(|worktree| {
            let (branch, base) = (&worktree.branch, &worktree.base);
            format!(
                "branch {branch}, from {base} of {}",
                worktree.repository.display()
            )
        }),
    );
    let variables = process.environment.iter();
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    fields.maybe(
        "environment",
        (!variables.is_empty()).then(|| variables.join("\n")),
    );
    fields.maybe("command", process.command.as_ref());
    fields.maybe("last exit", process.last_exit.as_ref().map(exit));
    fields
}

fn joined(rules: &[String]) -> Option<String> {
    (!rules.is_empty()).then(|| rules.join(" "))
}

fn exit(exit: &ExitDoc) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unseen".to_owned(),
    };
    format!(
        "{how} at {}, {} ended, {} left",
        exit.at,
        exit.ended,
        exit.left.len()
    )
}
