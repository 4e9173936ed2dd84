//! Commands about clusters.

use clap::Subcommand;

use crate::cli::args::JsonArg;
use crate::domain::cluster::MOST;

/// A command about clusters.
#[derive(Debug, Clone, Subcommand)]
pub enum ClusterVerb {
    /// List the clusters: who is up, who is wanted, and how that differs from roles.toml.
    Ls(JsonArg),
    /// Hire who is missing and start all of it; starts an instance if none runs.
    Start {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Stop all of it after their current tasks.
    Stop {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Stop those who are up and start them again with what is on disk now.
    Restart {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        /// Of each role one when the one before is up again; answers at once.
        #[arg(long)]
        rolling: bool,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Bring roles of it to numbers: hires and starts, or stops, idle ones first.
    Scale {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        /// How many of a role; roles that are not named stay.
        #[arg(value_name = "ROLE=N", required = true, value_parser = size)]
        sizes: Vec<(String, u32)>,
        #[command(flatten)]
        json: JsonArg,
    },
}

fn size(text: &str) -> Result<(String, u32), String> {
    let wrong = || "write it as ROLE=N, for example qa_engineer=2".to_owned();
    let (role, count) = text.split_once('=').ok_or_else(wrong)?;
    let count: u32 = count.parse().map_err(|_| wrong())?;
    if role.is_empty() {
        return Err(wrong());
    }
    if count > MOST {
        return Err(format!("at most {MOST} of a role"));
    }
    Ok((role.to_owned(), count))
}
