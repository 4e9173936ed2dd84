//! What a view asks of the terminal that hosts it.

use jiff::Timestamp;

use crate::domain::command::Command;

/// One thing for the host to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Give an order; the answer comes back through `View::answered`.
    Order {
        /// Ties the answer to the order.
        ticket: u64,
        /// The order.
        command: Command,
    },
    /// Detach this terminal.
    Detach,
    /// Open the person's editor; its text comes back through `View::edited`.
    Edit {
        /// Ties the text to the request.
        ticket: u64,
        /// What it begins with.
        text: String,
        /// The end of the file's name, for the editor's colours.
        suffix: &'static str,
    },
    /// Leave for the demo: simulated employees in place of the agent that is missing.
    Demo,
    /// Put a text into the terminal's clipboard.
    Copy(String),
    /// Set the terminal's title.
    Title(String),
    /// Sum up what happened since then; it comes back through `View::away`.
    Digest {
        /// From then on; `None` for everything that is on record.
        since: Option<Timestamp>,
    },
    /// Call the person: something newly needs one, or went wrong.
    Call(String),
}
