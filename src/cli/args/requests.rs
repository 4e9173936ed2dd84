//! Arguments of the commands that answer what waits for a person.

use clap::Args;

use crate::cli::args::JsonArg;

/// Which alerts were seen.
#[derive(Debug, Clone, Args)]
pub struct AckArgs {
    /// Which alerts, for example alert_0001.
    #[arg(value_name = "ID", required = true)]
    pub alerts: Vec<String>,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What is allowed.
#[derive(Debug, Clone, Args)]
pub struct ApproveArgs {
    /// Which request, for example req_0001.
    #[arg(value_name = "ID")]
    pub request: String,
    /// Allow everything that fits its rule, for this process.
    #[arg(long)]
    pub always: bool,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What is refused.
#[derive(Debug, Clone, Args)]
pub struct DenyArgs {
    /// Which request, for example req_0001.
    #[arg(value_name = "ID")]
    pub request: String,
    /// Why; the employee reads it.
    #[arg(long, value_name = "T")]
    pub reason: Option<String>,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What is answered.
#[derive(Debug, Clone, Args)]
pub struct AnswerArgs {
    /// Which request, for example req_0001.
    #[arg(value_name = "ID")]
    pub request: String,
    /// One answer a question.
    #[arg(value_name = "TEXT", required = true)]
    pub answers: Vec<String>,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}
