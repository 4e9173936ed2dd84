//! The simulated agent: a stand-in for Claude Code that needs no account.
//!
//! `headcount __agent [flags]` takes the flags of `claude -p` and speaks its stream-json protocol on
//! stdin and stdout, so that everything above the driver can be tried, shown and tested offline. What
//! it does is written in the task itself (see `script`); tools and permissions are real. It names
//! itself `simulated` wherever the protocol has room for a name.
//!
//! It is a program of its own that happens to live in this binary: it imports nothing of ours, and
//! uses threads, so that a fault it is told to have (a spin, a stop, a leak) is its own.

mod bash;
mod clock;
mod control;
mod environment;
mod files;
mod flags;
mod greeting;
mod intake;
mod output;
mod pattern;
mod permission;
mod process;
mod result;
mod rules;
mod script;
mod session;
mod shell;
mod signals;
mod state;
mod stream;
mod tools;
mod trouble;
mod turn;
mod usage;
mod work;

/// The hidden subcommand that makes this binary the simulated agent.
pub const COMMAND: &str = "__agent";

pub use process::entry;
