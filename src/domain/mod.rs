//! Every decision of the program, pure: no I/O, no async, no clock, no randomness.
//!
//! Its value [`fleet::Fleet`] takes inputs and answers with effects; `docs/ARCHITECTURE.md` has the map.

pub mod fault;
pub mod id;
pub mod role;
