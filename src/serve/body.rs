//! Reads bodies and queries of requests, with errors that say what is wrong in a document of ours.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::serve::error::ApiError;

/// How long the whole of it may take to come.
const WHOLE: Duration = Duration::from_secs(60);

/// The bytes of a request's body.
#[derive(Debug)]
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Ok(bytes) = timeout(WHOLE, Bytes::from_request(request, state)).await else {
            return Err(ApiError::Late);
        };
        bytes.map(Self).map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::TooLong
            } else {
                ApiError::Invalid(rejection.body_text())
            }
        })
    }
}

/// The query of a request.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(params)| Self(params))
            .map_err(|rejection| ApiError::Invalid(rejection.body_text()))
    }
}

/// The id, or the name, in the path of a request.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err: Display>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|rejection| ApiError::Invalid(rejection.body_text()))?;
        id(&text).map(Self)
    }
}

/// Reads an id.
pub(super) fn id<T: FromStr<Err: Display>>(text: &str) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: T::Err| ApiError::Invalid(error.to_string()))
}

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
