//! The composition root: builds the instance, joins its parts, shuts them down in order.
//!
//! - [`place`] says where an instance keeps its things.
//! - [`start`] finds the running instance of a workspace, or starts one without a terminal.
//! - [`instance`] is that instance from its lock to its end.
//! - [`fitness`] finds out whether a company can work, without one.
//! - [`upgrade`] finds out whether this build can take over from it.
//! - [`screen`] attaches this terminal to it.

mod engine;
pub mod fitness;
pub mod instance;
mod own_log;
pub mod place;
mod ready;
mod running;
pub mod screen;
mod sockets;
pub mod start;
pub mod upgrade;
