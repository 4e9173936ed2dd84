//! Reads request bodies: one document or a list of them, with errors that say what is wrong.

use axum::body::Bytes;
use serde::de::DeserializeOwned;

use crate::serve::error::ApiError;

/// The longest body that is read, in bytes: room for a task of 1 MiB however its JSON is escaped.
pub(super) const LONGEST: usize = 8 * 1024 * 1024;

/// One document or several, as the client sent it.
#[derive(Debug)]
pub(super) enum OneOrMany<T> {
    /// An object.
    One(T),
    /// A list of objects.
    Many(Vec<T>),
}

/// Reads a document; the content type is not looked at, so that a plain `curl -d` works.
pub(super) fn read<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::Invalid(format!("the request cannot be read: {error}")))
}

/// Reads a document that may be left out.
pub(super) fn read_or_default<T: DeserializeOwned + Default>(bytes: &Bytes) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    read(bytes)
}

/// Reads a document or a list of them.
pub(super) fn read_some<T: DeserializeOwned>(bytes: &Bytes) -> Result<OneOrMany<T>, ApiError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        let many: Vec<T> = read(bytes)?;
        if many.is_empty() {
            return Err(ApiError::Invalid("the list is empty".to_owned()));
        }
        Ok(OneOrMany::Many(many))
    } else {
        read(bytes).map(OneOrMany::One)
    }
}
