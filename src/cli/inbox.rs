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
use crate::serve::wire::{AnswerRequest, ApprovalDoc, ApproveRequest, DenyRequest};

/// Lists what waits, longest first.
pub(super) async fn list(
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let requests: Vec<ApprovalDoc> = place.client().await.get("/api/approvals").await?;
    if json.json {
        return output.json(&requests);
    }
    if requests.is_empty() {
        output.note("nothing waits for you");
        return Ok(());
    }
    output.table(&table(&requests, Timestamp::now()))
}

fn table(requests: &[ApprovalDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("EMPLOYEE", Align::Left),
        ("FOR", Align::Right),
        ("TASK", Align::Left),
        ("ASKS", Align::Left),
    ]);
    for request in requests {
        table.row([
            request.id.to_string(),
            or_dash(request.name.as_ref()),
            since(request.asked_at, now),
            or_dash(request.task),
            request.line.clone(),
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
