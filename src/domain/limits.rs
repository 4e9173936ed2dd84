//! Limits as people write them: `MIN..MAX`, in cores or in bytes.

use bytesize::ByteSize;

use crate::domain::role::Range;

/// A size as it is written in `roles.toml`: `512MB`, `2GB`, `256MiB`; `None` where it is no whole
/// number of such a unit.
#[must_use]
pub fn written(size: u64) -> Option<String> {
    const UNITS: [(&str, u64); 4] = [
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
    ];
    let whole = |unit: u64| size >= unit && size.is_multiple_of(unit);
    let (name, unit) = UNITS.into_iter().find(|(_, unit)| whole(*unit))?;
    Some(format!("{}{name}", size / unit))
}

/// More cores than any machine has.
const MOST_CORES: f64 = 65_536.0;

/// Why a text is no range of limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// There are no two ends.
    #[error("`{text}` is not a range; write MIN..MAX, for example {example}")]
    NoRange {
        /// What was written.
        text: String,
        /// A range of the same kind.
        example: &'static str,
    },
    /// An end is no amount.
    #[error("`{text}` is not {what}")]
    NoAmount {
        /// What was written.
        text: String,
        /// What it should have been.
        what: &'static str,
    },
    /// The ends are crossed.
    #[error("the minimum {min} is above the maximum {max}")]
    Crossed {
        /// As written.
        min: String,
        /// As written.
        max: String,
    },
}

/// Reads a range of cores, for example `0.5..2`.
///
/// # Errors
/// [`LimitsError`] if it is none.
pub fn cores(text: &str) -> Result<Range<f64>, LimitsError> {
    range(text, "0.5..2", |end| {
        let amount = end.parse::<f64>().ok();
        amount
            .filter(|cores| (0.0..=MOST_CORES).contains(cores))
            .ok_or("a number of cores")
    })
}

/// Reads a range of sizes, for example `256MB..1GB`.
///
/// # Errors
/// [`LimitsError`] if it is none.
pub fn sizes(text: &str) -> Result<Range<u64>, LimitsError> {
    range(text, "256MB..1GB", |end| {
        let size = end.parse::<ByteSize>();
        size.map(|size| size.as_u64())
            .map_err(|_| "a size; write for example 512MB")
    })
}

/// Whether the ends of a range are those of one: both amounts, and not crossed.
#[must_use]
pub fn is_range(range: Range<f64>) -> bool {
    (0.0..=MOST_CORES).contains(&range.min)
        && range.max <= MOST_CORES
        && range.min <= range.max
        && range.max > 0.0
}

fn range<T: PartialOrd>(
    text: &str,
    example: &'static str,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Range<T>, LimitsError> {
    let no_range = || LimitsError::NoRange {
        text: text.to_owned(),
        example,
    };
    let (min, max) = text.split_once("..").ok_or_else(no_range)?;
    let (min, max) = (min.trim(), max.trim());
    if min.is_empty() || max.is_empty() {
        return Err(no_range());
    }
    let end = |text: &str| {
        read(text).map_err(|what| LimitsError::NoAmount {
            text: text.to_owned(),
            what,
        })
    };
    let range = Range {
        min: end(min)?,
        max: end(max)?,
    };
    if range.min > range.max {
        return Err(LimitsError::Crossed {
            min: min.to_owned(),
            max: max.to_owned(),
        });
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_ends_that_are_not_crossed() {
        assert_eq!(cores("0.5..2"), Ok(Range { min: 0.5, max: 2.0 }));
        assert_eq!(
            sizes("256MB .. 1GB"),
            Ok(Range {
                min: 256_000_000,
                max: 1_000_000_000
            })
        );
        for (text, says) in [
            (
                "2",
                "`2` is not a range; write MIN..MAX, for example 0.5..2",
            ),
            (
                "..2",
                "`..2` is not a range; write MIN..MAX, for example 0.5..2",
            ),
            ("many..2", "`many` is not a number of cores"),
            ("NaN..2", "`NaN` is not a number of cores"),
            ("-1..2", "`-1` is not a number of cores"),
            ("3..2", "the minimum 3 is above the maximum 2"),
        ] {
            assert_eq!(
                cores(text).map_err(|error| error.to_string()),
                Err(says.to_owned())
            );
        }
        assert_eq!(
            sizes("1GB..512MB").map_err(|error| error.to_string()),
            Err("the minimum 1GB is above the maximum 512MB".to_owned())
        );
        assert_eq!(
            sizes("small..1GB").map_err(|error| error.to_string()),
            Err("`small` is not a size; write for example 512MB".to_owned())
        );
    }
}
