//! Decoding that keeps what it can read: a status or a store may have been written by a later version,
//! and a part of it that is not understood must not make the rest unusable.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

#[derive(Deserialize)]
#[serde(untagged, bound = "T: DeserializeOwned")]
enum Part<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Part<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// The value, or its default.
///
/// # Errors
///
/// Only if the input is no well-formed value at all.
pub fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Part::deserialize(deserializer)?.known().unwrap_or_default())
}

/// Those elements of a list that can be read.
///
/// # Errors
///
/// As [`or_default`].
pub fn elements<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let parts: Vec<Part<T>> = or_default(deserializer)?;
    Ok(parts.into_iter().filter_map(Part::known).collect())
}
