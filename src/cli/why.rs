//! Why a process is as it is, and why it died.

use jiff::Timestamp;

use crate::cli::args::WhyArgs;
use crate::cli::error::CliError;
use crate::cli::fields::Fields;
use crate::cli::format::{bytes, moment, safe, since};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::table::{Align, Table};
use crate::domain::snapshot::{Activity, Status};
use crate::serve::wire::{ChangeDoc, ExitNoteDoc, FaultDoc, FlightDoc, ProcessDoc, WhyDoc};

/// Shows what a status is known from and how it came to that, or the last minute before an exit.
pub(super) async fn run(
    args: &WhyArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    let id = one(&args.process, &processes)?.id;
    let now = Timestamp::now();
    match &args.exit {
        Some(number) => {
            let path = format!("/api/processes/{id}/exits/{number}");
            let flight: FlightDoc = client.get(&path).await?;
            if args.json {
                return output.json(&flight);
            }
            output.text(&exit(&flight, now).draw())?;
            output.text("\n")?;
            output.table(&changes(&flight.changes, now))?;
            for line in &flight.lines {
                output.text(&format!("{}\n", safe(line)))?;
            }
            Ok(())
        }
        None => {
            let why: WhyDoc = client.get(&format!("/api/processes/{id}/why")).await?;
            if args.json {
                return output.json(&why);
            }
            output.text(&reason(&why, now).draw())?;
            output.text("\n")?;
            output.table(&changes(&why.history, now))?;
            if !why.exits.is_empty() {
                output.text("\n")?;
                output.table(&exits(&why.exits, now))?;
                output.note(format_args!(
                    "`headcount why {id} --exit N` shows the last minute before one"
                ));
            }
            Ok(())
        }
    }
}

fn fault(fields: &mut Fields, fault: Option<&FaultDoc>) {
    if let Some(fault) = fault {
        fields.add("fault", format!("{} ({})", fault.cause, fault.code));
        fields.add("try", &fault.remedy);
    }
}

fn reason(why: &WhyDoc, now: Timestamp) -> Fields {
    let mut fields = Fields::default();
    fields.add("process", format!("{} ({})", why.name, why.process));
    let status = word(why.status, why.activity);
    let for_so_long = since(why.since, now);
    fields.add("status", format!("{status}, for {for_so_long}"));
    fields.add(
        "known from",
        format!("{}, {}", why.evidence.source, moment(why.evidence.at, now)),
    );
    fields.add("phase", &why.phase);
    fields.add(
        "health",
        format!("{}: {}", why.health.as_str(), why.condition.why),
    );
    fields.maybe("now", Some(&why.now).filter(|now| !now.is_empty()));
    fault(&mut fields, why.fault.as_ref());
    if why.tries > 0 {
        fields.add(
            "failures",
            format!(
                "{} in a row; {} are followed by a restart",
                why.tries, why.max_retries
            ),
        );
    }
    let sessions = why.sessions.iter().map(|session| {
        let unused = if session.used {
            ""
        } else {
            ", nothing was said in it"
        };
        format!(
            "{}, begun {}{unused}",
            session.id,
            moment(session.begun_at, now)
        )
    });
    let sessions: Vec<String> = sessions.collect();
    fields.maybe(
        "conversations",
        (!sessions.is_empty()).then(|| sessions.join("\n")),
    );
    fields.maybe("until", why.until.map(|at| moment(at, now)));
    fields.maybe("tried again", why.look_at.map(|at| moment(at, now)));
    fields
}

/// A running one is told by what it does.
const fn word(status: Status, activity: Activity) -> &'static str {
    match (status, activity) {
        (Status::Running, Activity::Idle | Activity::Busy) => activity.as_str(),
        (status, _) => status.as_str(),
    }
}

fn changes(history: &[ChangeDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("AT", Align::Left),
        ("STATUS", Align::Left),
        ("KNOWN FROM", Align::Left),
        ("WHAT", Align::Left),
    ]);
    for change in history {
        table.row([
            moment(change.at, now),
            word(change.status, change.activity).to_owned(),
            change.source.clone(),
            change.text.clone(),
        ]);
    }
    table
}

fn exits(exits: &[ExitNoteDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("EXIT", Align::Right),
        ("AT", Align::Left),
        ("HOW", Align::Left),
        ("FAULT", Align::Left),
        ("THEN", Align::Left),
    ]);
    for exit in exits {
        table.row([
            exit.number.to_string(),
            moment(exit.at, now),
            how(exit.code, exit.signal),
            exit.fault.map_or("-".to_owned(), |fault| fault.to_string()),
            exit.then.as_str().to_owned(),
        ]);
    }
    table
}

fn how(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unseen".to_owned(),
    }
}

fn exit(flight: &FlightDoc, now: Timestamp) -> Fields {
    let mut fields = Fields::default();
    fields.add(
        "exit",
        format!("{} of {}, {}", flight.number, flight.process, flight.run),
    );
    let how = how(flight.exit.code, flight.exit.signal);
    fields.add("ended", format!("{how}, {}", moment(flight.exit.at, now)));
    fields.add("started", moment(flight.started_at, now));
    fields.add("proof", &flight.proof);
    fault(&mut fields, flight.fault.as_ref());
    if let Some(memory) = &flight.exit.memory {
        let who = memory.culprit.as_ref().map_or_else(
            || "something of it".to_owned(),
            |who| format!("{} (PID {})", who.name, who.pid),
        );
        let text = format!("{who} was killed for lack of it; says {}", memory.source);
        fields.add("memory", text);
    }
    let then = flight.then.as_str();
    fields.add(
        "then",
        match flight.reason.as_str() {
            "" => then.to_owned(),
            reason => format!("{then}: {reason}"),
        },
    );
    let lines = |lines: Vec<String>| (!lines.is_empty()).then(|| lines.join("\n"));
    let sent = flight.sent.iter();
    fields.maybe(
        "done to it",
        lines(
            sent.map(|sent| format!("{} {}", moment(sent.at, now), sent.what))
                .collect(),
        ),
    );
    let figures = flight.figures.iter().map(|figure| {
        let (cpu, memory) = (figure.cpu_percent, bytes(figure.memory_bytes));
        format!("{} {cpu:>5.0}% {memory:>6}", moment(figure.at, now))
    });
    fields.maybe("cpu, memory", lines(figures.collect()));
    fields
}
