//! Arguments of the commands that tell what happened.

use clap::Args;
use jiff::civil::DateTime;

use crate::cli::since;

/// What to tell of a process.
#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// Which one.
    #[arg(value_name = "PROC")]
    pub process: String,
    /// The last minute before this exit of it; `last` is the last one.
    #[arg(long, value_name = "N")]
    pub exit: Option<ExitArg>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitArg {
    /// The last one.
    Last,
    /// The one of this number.
    Number(u32),
}

impl std::str::FromStr for ExitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "last" => Ok(Self::Last),
            text => text
                .parse()
                .map(Self::Number)
                .map_err(|_| "a number, or `last`".to_owned()),
        }
    }
}

impl std::fmt::Display for ExitArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Which part of a log.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Whose.
    #[arg(value_name = "PROC")]
    pub process: String,
    /// Go on with what comes, until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// The last N lines, or `all` [default: 200; with --since all since then].
    #[arg(short = 'n', long, value_name = "N", value_parser = lines)]
    pub lines: Option<LineCount>,
    /// What was written since then: `10m`, `10:41`, `2026-11-23 10:41`.
    #[arg(long, value_name = "T", value_parser = since::parse, conflicts_with = "raw")]
    pub since: Option<DateTime>,
    /// The protocol lines as they came.
    #[arg(long)]
    pub raw: bool,
}

/// Which part of the record.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Go on with what comes, until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// The last N entries, or `all` [default: 50; with --since all since then].
    #[arg(short = 'n', long, value_name = "N", value_parser = lines)]
    pub lines: Option<LineCount>,
    /// What happened since then: `10m`, `10:41`, `2026-11-23 10:41`.
    #[arg(long, value_name = "T", value_parser = since::parse)]
    pub since: Option<DateTime>,
    /// Only what concerns this process.
    #[arg(long, value_name = "PROC")]
    pub process: Option<String>,
    /// Only what concerns this task.
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Print one JSON document a line.
    #[arg(long)]
    pub json: bool,
}

/// Which time is summed up.
#[derive(Debug, Clone, Args)]
pub struct DigestArgs {
    /// From then on: `10m`, `10:41`, `2026-11-23 10:41` [default: since you were there last].
    #[arg(long, value_name = "T", value_parser = since::parse)]
    pub since: Option<DateTime>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// How many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineCount {
    /// The last so many.
    Last(usize),
    /// All of them.
    All,
}

fn lines(text: &str) -> Result<LineCount, &'static str> {
    if text == "all" {
        return Ok(LineCount::All);
    }
    text.parse()
        .map(LineCount::Last)
        .map_err(|_| "write a number, or `all`")
}
