//! Real processes below the built binary's shim, driven as an instance drives it.
//!
//! Each test has a folder and a mark of its own, and ends by seeing that nobody with that mark is
//! left. Names begin with the promise that a test keeps, where there is one.

#[macro_use]
mod rig;

mod adopt;
mod exit;
mod input;
mod launch;
mod record;
mod sandbox;
mod stop;
