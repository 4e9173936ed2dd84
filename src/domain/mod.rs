//! Every decision of the program, pure: no I/O, no async, no clock, no randomness.
//!
//! Its value `fleet::Fleet` takes inputs and answers with effects; `docs/ARCHITECTURE.md` has the map.

pub mod alert;
pub mod automation;
pub mod chronicle;
pub mod clean;
pub mod cluster;
pub mod command;
pub mod diff;
pub mod digest;
pub mod effect;
pub mod event;
pub mod exit;
pub mod fault;
pub mod fitness;
pub mod fleet;
pub mod flight;
pub mod health;
pub mod id;
pub mod inbox;
pub mod limits;
pub mod log;
pub mod mention;
pub mod names;
pub mod nearest;
pub mod order;
pub mod preview;
pub mod process;
pub mod queue;
pub mod restart;
pub mod role;
pub mod sandbox;
pub mod scale;
pub mod schedule;
pub mod secret;
pub mod snapshot;
pub mod sustained;
pub mod task;
pub mod task_list;
pub mod template;
pub mod time;
pub mod updates;
pub mod waits;
pub mod work;
pub mod worktree;
pub mod written;
