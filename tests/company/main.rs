//! The company at work: hub, actors, shims and agents together, in this process.

#[path = "../support/claude.rs"]
mod claude;
mod company;
mod ends;
#[path = "../support/fake_api.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of a request")]
mod fake_api;
mod fitness;
mod health;
mod real;
mod scripted;
mod simulated;
mod starts;
mod why;
mod worktrees;

/// What a test returns.
type Done = Result<(), Box<dyn std::error::Error>>;
