//! The attach protocol: the thin client in a person's terminal, and the host that draws for it.
//!
//! - [`client`] puts the terminal into its modes, forwards events, writes the bytes it is sent and
//!   leaves the terminal as it was. [`modes`], `input`, `output` and `editor` are its parts.
//! - [`host`] accepts clients for the instance and draws for each one a screen of its own.
//! - [`wire`] is what passes between the two.
//!
//! The client asks its terminal nothing, so nothing waits for an answer; the host waits for no
//! client, so a terminal that does not read costs frames and nothing else.

mod calls;
mod capabilities;
pub mod client;
mod editor;
mod ending;
mod filter;
pub mod host;
mod input;
mod looks;
pub mod modes;
mod output;
mod post;
#[cfg(test)]
mod rehearsal;
mod remote;
mod screen;
mod searches;
mod signals;
mod windows;
pub mod wire;
mod works;
