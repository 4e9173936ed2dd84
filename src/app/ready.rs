//! What an instance says to the one who started it: one line on the ready pipe.

use serde::{Deserialize, Serialize};

/// The line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// It is up: both sockets answer.
    Up,
    /// Another one has the state folder.
    Taken {
        /// Its PID, where the kernel tells.
        holder: Option<u32>,
    },
    /// It cannot be.
    Failed {
        /// Why, cause after cause.
        causes: Vec<String>,
        /// What to do about it.
        remedy: Option<String>,
    },
}

impl Word {
    /// Puts an error and its causes together.
    pub(crate) fn failed(error: &dyn std::error::Error, remedy: Option<&str>) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source())
            .map(ToString::to_string)
            .collect();
        Self::Failed {
            causes,
            remedy: remedy.map(ToOwned::to_owned),
        }
    }

    /// As it is written.
    pub(crate) fn line(&self) -> String {
        // Of strings and numbers alone: it can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As it is read.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_line_and_reads_back() {
        let error = std::io::Error::other("the disk\nis full");
        for word in [
            Word::Up,
            Word::Taken { holder: Some(7) },
            Word::failed(&error, Some("make room")),
        ] {
            assert!(!word.line().contains('\n'));
            assert_eq!(Word::read(&word.line()), Some(word));
        }
        assert_eq!(Word::read("warming up"), None);
    }
}
