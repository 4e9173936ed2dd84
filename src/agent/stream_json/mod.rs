//! Claude Code's stream-json: one JSON object a line, both ways, on pipes.
//!
//! [`command_line`] launches it, [`encode`] tells it, [`Reader`] understands it, [`fault_of_exit`]
//! says why it is gone. Nothing here keeps state but the reader, and that only about the line to
//! come: a reader that begins in the middle of a run says the same of what follows, but for a line
//! that introduces the model once more. `docs/claude-code.md` describes the conversation.

mod account;
mod ask;
mod command;
mod diff;
mod encode;
mod exit;
mod fit;
mod framing;
mod reader;
mod render;
mod rule;
mod text;
mod turn;
mod value;
mod work;

pub(super) use command::command_line;
pub use encode::{encode, ping};
pub use exit::fault_of_exit;
pub use fit::{fault_of_silence, fault_of_version, login, unsettled};
pub use framing::LONGEST_LINE;
pub use reader::{Reader, Said};

/// The oldest version of Claude Code that all of this was tried with.
pub const OLDEST_TRIED: &str = "2.1.330";

/// Whether a version that an agent or `claude --version` reports is older than what was tried.
/// What does not look like a version is not.
#[must_use]
pub fn is_older_than_tried(version: &str) -> bool {
    let parts = |text: &str| -> Option<Vec<u32>> {
        let number = text.split_whitespace().next()?;
        number.split('.').map(|part| part.parse().ok()).collect()
    };
    match (parts(version), parts(OLDEST_TRIED)) {
        (Some(version), Some(oldest)) => version < oldest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_older_than_tried;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, older) in [
            ("2.1.330", false),
            ("2.1.330 (Claude Code)", false),
            ("2.1.99", true),
            ("1.0.128 (Claude Code)", true),
            ("2.2.0", false),
            ("3", false),
            ("nightly", false),
            ("", false),
        ] {
            assert_eq!(is_older_than_tried(version), older, "{version}");
        }
    }
}
