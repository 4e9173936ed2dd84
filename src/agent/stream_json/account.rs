//! What is told of the account: its login, and its usage limit.

use jiff::Timestamp;
use serde_json::Value;

use crate::agent::stream_json::value::text;

/// Whether there is a login or a key. Other providers have their own ways, which are not told.
pub(super) fn logged_in(account: &Value) -> Option<bool> {
    let has = |key| !matches!(text(account, key), "" | "none");
    if has("tokenSource") || has("apiKeySource") {
        return Some(true);
    }
    matches!(text(account, "apiProvider"), "" | "firstParty").then_some(false)
}

/// Whether the words are about the account's limit; a short rate limit of a key says the same code.
pub(super) fn is_usage_limit(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("usage limit reached")
        || (text.contains("limit") && (text.contains("resets") || text.contains("hit your")))
}

/// The time behind a bar, as older versions put it: `… limit reached|1795398488`.
pub(super) fn reset_in(text: &str) -> Option<Timestamp> {
    instant(text.rsplit_once('|')?.1.trim().parse().ok()?)
}

/// Seconds or milliseconds since 1970.
pub(super) fn instant(number: i64) -> Option<Timestamp> {
    if number > 100_000_000_000 {
        Timestamp::from_millisecond(number).ok()
    } else {
        Timestamp::from_second(number).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_limit_is_told_from_a_short_rate_limit_by_its_words() {
        for (words, limit, until) in [
            ("You've hit your session limit · resets 2:13am", true, None),
            ("You've hit your monthly spend limit.", true, None),
            (
                "Claude AI usage limit reached|1795400000",
                true,
                Some(1_795_400_000),
            ),
            (
                "API Error: Request rejected (429) · Rate limited",
                false,
                None,
            ),
        ] {
            assert_eq!(is_usage_limit(words), limit, "{words}");
            assert_eq!(reset_in(words).map(Timestamp::as_second), until, "{words}");
        }
        assert_eq!(instant(1_795_400_000_000), instant(1_795_400_000));
        assert_eq!(instant(i64::MAX), None);
    }
}
