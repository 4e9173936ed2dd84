//! `headcount`: a terminal UI process manager for AI employees.
//!
//! The map of the modules, and what each may import, is in `docs/ARCHITECTURE.md`.

pub mod agent;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod os;
pub mod runtime;
pub mod serve;
pub mod store;
pub mod terminal;
pub mod tui;
pub mod watch;
