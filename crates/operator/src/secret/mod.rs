//! Secrets as they lie in the API server: what they say, and how they are written. Pure: nothing
//! here talks to a server.

mod appliers;
mod digest;
mod published;
mod store;

use jiff::Timestamp;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use plan::{Version, store::Root};

pub use appliers::{Apply, Overlap, appliers, apply, created_by};
pub use published::{
    PublishedContent, applied_like, last_writer, operator_wrote, read_published, write_published,
};
pub use store::{
    Base, StoreContent, current, previous, read_store, recorded, with_the_pair_before,
    without_the_pair_before, written,
};

/// The bytes under a key of a Secret.
pub fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    secret
        .data
        .as_ref()?
        .get(key)
        .map(|bytes| bytes.0.as_slice())
}

fn bytes(value: &[u8]) -> ByteString {
    ByteString(value.to_vec())
}

/// The root that a chain leads to, among those beside it.
pub fn root_of(chain: &[u8], roots: &[u8]) -> Option<Root> {
    let root = pki::root_of(chain, roots)?;
    Some(Root {
        certificate: root.fingerprint,
        anchor: root.anchor,
    })
}

/// Identity and revision of an object as the API server returned it.
pub fn version(metadata: &ObjectMeta) -> Version {
    Version {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn created(metadata: &ObjectMeta) -> Timestamp {
    metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

#[cfg(test)]
mod tests;
