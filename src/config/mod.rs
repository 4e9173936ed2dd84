//! Reads `roles.toml`, prompts, tools and environments into a checked catalogue.
//!
//! [`find`] says where the configuration comes from, [`load`] reads it and reports every mistake at once,
//! [`prompt::load`] reads a role's prompt, [`tools`] and [`environment`] say what a role means to its agent.
//! Nothing here runs a program or keeps state; `docs/guide/roles.md` tells users the same.

mod check;
mod document;
mod embedded;
mod env_file;
pub mod environment;
mod init;
mod layer;
mod lint;
mod load;
mod mistakes;
mod nearest;
mod origins;
mod parse;
pub mod prompt;
mod reader;
mod reference;
mod resolve;
mod restart;
mod source;
mod tasks;
pub mod tools;
mod values;

pub use embedded::{PROMPTS, ROLES};
pub use init::{InitError, Initialized, init};
pub use lint::{Finding, lint};
pub use load::{Loaded, load, load_text};
pub use mistakes::{MistakeEntry, Mistakes};
pub use nearest::nearest;
pub use resolve::COMMAND_OVERRIDE;
pub use source::{FindError, Origin, ROLES_FILE, Source, UserFolders, find, find_with};
pub use tasks::{FileTask, TaskFile};
