//! The company at work: hub, actors, shims and agents together, in this process.

mod chain;
#[path = "../support/claude.rs"]
mod claude;
mod clusters;
mod company;
mod ends;
#[path = "../support/fake_api.rs"]
mod fake_api;
mod fitness;
mod health;
mod messages;
mod real;
mod sandbox;
mod scripted;
mod simulated;
mod starts;
mod trouble;
mod why;
mod worktrees;

/// What a test returns.
type Done = Result<(), Box<dyn std::error::Error>>;
