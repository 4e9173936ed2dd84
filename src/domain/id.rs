//! Identifiers: newtypes over numbers that are issued once and never reused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an id that cannot be read looked like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {form}")]
pub struct IdError {
    text: String,
    form: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $width:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{:0", $width, "}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| IdError {
                        text: text.to_owned(),
                        form: concat!($prefix, "_N"),
                    })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A supervised process; keeps its id over restarts.
    ProcessId, "proc", 3
);
id!(
    /// A named member of staff.
    EmployeeId, "emp", 3
);
id!(
    /// A unit of work in the queue.
    TaskId, "task", 4
);
id!(
    /// One life of a process, from launch to exit report.
    RunId, "run", 6
);
id!(
    /// Something that waits on a person.
    RequestId, "req", 4
);
id!(
    /// Something that is wrong, from when it was noticed on.
    AlertId, "alert", 4
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_padded_and_read_back() {
        assert_eq!(ProcessId(1).to_string(), "proc_001");
        assert_eq!(TaskId(31).to_string(), "task_0031");
        assert_eq!("proc_001".parse(), Ok(ProcessId(1)));
        assert_eq!("proc_1234".parse(), Ok(ProcessId(1234)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "proc_", "proc_x", "task_1", "proc_+1", "1"] {
            assert!(text.parse::<ProcessId>().is_err(), "{text}");
        }
    }
}
