//! The inbox: what waits for a person, and the answers.

use jiff::Timestamp;

use crate::cli::args::{AnswerArgs, ApproveArgs, DenyArgs, JsonArg};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::format::{or_dash, since};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::table::{Align, Table};
use crate::domain::id::RequestId;
use crate::domain::inbox::Answer;
use crate::serve::wire::{AnswerRequest, ApprovalDoc, ApproveRequest, DenyRequest, WaitingDoc};

/// Lists what waits, the most urgent first.
pub(super) async fn list(
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let waiting: Vec<WaitingDoc> = place.client().await.get("/api/inbox").await?;
    if json.json {
        return output.json(&waiting);
    }
    if waiting.is_empty() {
        output.note("nothing waits for you");
        return Ok(());
    }
    output.table(&table(&waiting, Timestamp::now()))
}

fn table(waiting: &[WaitingDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("WHAT", Align::Left),
        ("EMPLOYEE", Align::Left),
        ("FOR", Align::Right),
        ("COMMAND", Align::Left),
        ("ABOUT", Align::Left),
    ]);
    for one in waiting {
        let (id, kind, name) = one.what.heading();
        table.row([
            id,
            kind.to_owned(),
            or_dash(name),
            since(one.since, now),
            one.command.clone(),
            one.text.clone(),
        ]);
    }
    table
}

/// Allows.
pub(super) async fn approve(
    args: &ApproveArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let body = ApproveRequest {
        always: args.always,
        rule: None,
    };
    settle(&args.request, "approve", &body, args.json, place, output).await
}

/// Refuses.
pub(super) async fn deny(
    args: DenyArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let body = DenyRequest {
        reason: args.reason,
    };
    settle(&args.request, "deny", &body, args.json, place, output).await
}

/// Answers a question.
pub(super) async fn answer(
    args: AnswerArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let body = AnswerRequest {
        answers: args.answers,
    };
    settle(&args.request, "answer", &body, args.json, place, output).await
}

async fn settle(
    request: &str,
    verb: &str,
    body: &impl serde::Serialize,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let id = request_id(request, &client).await?;
    let path = format!("/api/approvals/{id}/{verb}");
    let request: ApprovalDoc = client.post(&path, body).await?;
    if json.json {
        return output.json(&request);
    }
    let word = match &request.answer {
        Some(Answer::Once) => "allowed".to_owned(),
        Some(Answer::Always { rule }) => format!("allowed, and {rule} from now on"),
        Some(Answer::Denied { .. }) => "denied".to_owned(),
        Some(Answer::Answered { .. }) => "answered".to_owned(),
        Some(Answer::Withdrawn) => "withdrawn".to_owned(),
        None => "taken".to_owned(),
    };
    output.line(format_args!("{id} {word}"))
}

/// The request that is meant: its id or the beginning of one. A name is not enough: what the
/// employee asks may have changed since it was read.
async fn request_id(text: &str, client: &Client) -> Result<RequestId, CliError> {
    if let Ok(id) = text.parse::<RequestId>()
        && id.to_string() == text
    {
        return Ok(id);
    }
    let requests: Vec<ApprovalDoc> = client.get("/api/approvals").await?;
    let candidates: Vec<Candidate> = requests.iter().map(|request| bare(request.id)).collect();
    let id = &resolve("request", text, &candidates)?.id;
    id.parse().map_err(|_| CliError::Unknown {
        what: "request",
        text: text.to_owned(),
        near: Vec::new(),
    })
}
