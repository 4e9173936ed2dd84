//! Carries effects out and reports what happened: the hub, its handle, one actor a process.
//!
//! [`start`] puts the company together from the state folder, takes up the runs of an earlier
//! instance, and serves until a shutdown is done. `docs/ARCHITECTURE.md` explains the flow.

mod actor;
mod alarm;
pub(crate) mod children;
mod clock;
mod context;
mod exits;
pub mod fitness;
pub mod flights;
pub mod git;
mod good;
pub mod handle;
mod hub;
mod journal;
mod launch;
pub mod logs;
mod lookup;
mod place;
mod preflight;
mod prepare;
mod preview;
mod reading;
mod reaper;
mod recorder;
mod run;
mod sampler;
mod sandbox;
mod start;
mod updates;
mod watched;
pub mod work;

pub use crate::store::{Events, EventsError};
pub use context::Folders;
pub use journal::Rotation;
pub use start::{Running, RuntimeOptions, StartError, start, understands};
pub use watched::Looking;
