//! Bytes in JSON: as text where they are UTF-8, which they nearly always are, else as numbers.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A byte string on the wire.
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        put(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

fn put<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => serializer.collect_seq(bytes),
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes(text.as_bytes().to_vec()))
    }

    fn visit_string<E>(self, text: String) -> Result<Bytes, E> {
        Ok(Bytes(text.into_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}

/// For `#[serde(with)]` on `Vec<u8>`.
pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        put(bytes, s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        Ok(Bytes::deserialize(d)?.0)
    }
}

/// For `#[serde(with)]` on `PathBuf`.
pub(crate) mod path {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        path: &std::path::Path,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        put(path.as_os_str().as_bytes(), s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
        Ok(OsString::from_vec(Bytes::deserialize(d)?.0).into())
    }
}

/// For `#[serde(with)]` on `Option<PathBuf>`.
pub(crate) mod maybe_path {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref()
            .map(|path| Bytes(path.as_os_str().as_bytes().to_vec()))
            .serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Bytes>::deserialize(d)?.map(|bytes| OsString::from_vec(bytes.0).into()))
    }
}

/// For `#[serde(with)]` on `Vec<OsString>`.
pub(crate) mod list {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(list: &[OsString], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(list.iter().map(|text| Bytes(text.as_bytes().to_vec())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<OsString>, D::Error> {
        let list = Vec::<Bytes>::deserialize(d)?;
        Ok(list
            .into_iter()
            .map(|bytes| OsString::from_vec(bytes.0))
            .collect())
    }
}

/// For `#[serde(with)]` on `Vec<(OsString, OsString)>`.
pub(crate) mod pairs {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        pairs: &[(OsString, OsString)],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes = |text: &OsString| Bytes(text.as_bytes().to_vec());
        s.collect_seq(
            pairs
                .iter()
                .map(|(name, value)| (bytes(name), bytes(value))),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<(OsString, OsString)>, D::Error> {
        let text = |bytes: Bytes| OsString::from_vec(bytes.0);
        let pairs = Vec::<(Bytes, Bytes)>::deserialize(d)?;
        Ok(pairs
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        for (bytes, json) in [
            (&b"a \"b\"\n"[..], r#""a \"b\"\n""#),
            (b"\xff\x00", "[255,0]"),
        ] {
            let text = serde_json::to_string(&Bytes(bytes.to_vec())).expect("is written");
            assert_eq!(text, json);
            let back: Bytes = serde_json::from_str(&text).expect("is read");
            assert_eq!(back.0, bytes);
        }
    }
}
