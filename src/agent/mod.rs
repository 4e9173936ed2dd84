//! Drivers: how an agent is launched, told, and understood.
//!
//! A driver turns a launch into a command line, an [`Order`](crate::domain::order::Order) into bytes
//! for the agent's standard input, and the agent's bytes into [`Fact`](crate::domain::event::Fact)s
//! and lines for reading. It starts nothing and keeps no clock: the shim launches, the process actor
//! reads and writes. How Claude Code is driven is in `docs/claude-code.md`.

pub mod driver;
pub mod exit;
pub mod find;
pub mod launch;
pub mod plain;
mod shown;
pub mod simulated;
pub mod stream_json;
pub mod terminal;
