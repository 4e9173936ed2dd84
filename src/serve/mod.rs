//! HTTP on the instance's unix socket: JSON in, JSON out, for scripts, agents and our own command line.
//!
//! It reads snapshots and gives orders through the [`Handle`](crate::runtime::handle::Handle); it holds
//! no truth of its own and decides nothing but who may call. Its documents are its own types
//! ([`wire`]), so that a change inside the program does not change what scripts read.

mod alerts;
mod approvals;
mod body;
mod clusters;
mod door;
mod error;
mod events;
#[cfg(test)]
pub(crate) mod fixture;
mod gate;
mod hire;
mod instance;
mod logs;
mod processes;
mod roles;
#[cfg(test)]
pub(crate) mod scripted;
mod server;
mod tasks;
#[cfg(test)]
mod tests;
mod why;
pub mod wire;
mod worktrees;

pub use instance::Trial;
pub use server::run;
