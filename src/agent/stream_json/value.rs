//! Looks into messages whose shape is not ours: what is missing or of another type is simply absent.

use serde_json::Value;
use uuid::Uuid;

/// A text field; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// A field that holds a UUID.
pub(super) fn uuid(value: &Value, key: &str) -> Option<Uuid> {
    Uuid::parse_str(text(value, key)).ok()
}

/// A field that holds a list; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A field that holds a count; 0 where there is none.
pub(super) fn count(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// A field that is `true`.
pub(super) fn is(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}
