//! The command line: arguments, a client of the instance's HTTP interface, tables, JSON and exit codes.
//!
//! It decides nothing about the company: it asks the instance, prints the answer, and says by its exit
//! code what came of it. `docs/cli.md` is the contract. It alone prints error chains.

mod alerts;
mod args;
mod client;
mod cluster;
mod doctor;
mod duration;
mod error;
mod events;
mod exit;
mod fields;
mod format;
mod inbox;
mod init;
mod instance;
mod logs;
mod manual;
mod output;
mod place;
mod process;
mod ps;
mod report;
mod resolve;
mod roles;
mod run;
mod service;
mod since;
mod table;
mod task;
mod task_add;
#[cfg(test)]
mod tests;
mod upgrade;
mod why;
mod work;

pub use args::{Cli, Verb};
pub use run::main;
