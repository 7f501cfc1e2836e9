//! The store Secret: the pair in service, the pair before it, and the record of both.
//!
//! Keys: `current.crt`, `current.key`, `current-ca.crt`, the same for `previous`, and `state.json`.

use std::collections::BTreeMap;

use api::names;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use plan::{
    certificate::{Pair, Store, Stored},
    store::{Asked, Root, StoreState},
};

use super::{bytes, digest, root_of, value, version};

const STATE: &str = "state.json";
const CURRENT: Keys = Keys {
    certificate: "current.crt",
    key: "current.key",
    roots: "current-ca.crt",
};
const PREVIOUS: Keys = Keys {
    certificate: "previous.crt",
    key: "previous.key",
    roots: "previous-ca.crt",
};

/// Under which keys of a Secret the parts of a pair lie.
pub(super) struct Keys {
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
    pub(super) roots: &'static str,
}

/// The bytes of a pair, as a Secret carries them. Has no Debug: one part is a private key.
pub struct StoreContent<'a> {
    /// The certificate chain, PEM.
    pub certificate: &'a [u8],
    /// The private key, PEM.
    pub key: &'a [u8],
    /// The roots, PEM.
    pub roots: &'a [u8],
}

/// What a Secret under the store's name is. A usable pair stays in service also if the record
/// beside it is lost; then `renew`, the value of the resource's annotation `coturncert.dev/renew`,
/// counts as handled.
pub fn read_store(secret: Option<&Secret>, asked: Asked<'_>) -> Store {
    let Some(secret) = secret else {
        return Store::Absent;
    };
    if secret.type_.as_deref() != Some(names::STORE_SECRET_TYPE) {
        return Store::NotAStore;
    }
    let version = version(&secret.metadata);
    let Some(current) = pair(secret, &CURRENT) else {
        return Store::Corrupt(version);
    };
    Store::Present(Box::new(Stored {
        version,
        current,
        previous: pair(secret, &PREVIOUS),
        state: state(secret).unwrap_or_else(|| StoreState::unknown(root(secret), asked)),
    }))
}

/// The root that the pair in service chains to, by what lies beside it.
fn root(secret: &Secret) -> Option<Root> {
    current(secret).and_then(|pair| root_of(pair.certificate, pair.roots))
}

/// The pair under these keys, if it is one.
pub(super) fn pair(secret: &Secret, keys: &Keys) -> Option<Pair> {
    let certificate = value(secret, keys.certificate)?;
    let key = value(secret, keys.key)?;
    let roots = value(secret, keys.roots).unwrap_or_default();
    let leaf = pki::inspect(certificate, key).ok()?;
    Some(Pair {
        leaf,
        digest: digest::of(certificate, key, roots),
    })
}

fn state(secret: &Secret) -> Option<StoreState> {
    let state: StoreState = serde_json::from_slice(value(secret, STATE)?).ok()?;
    Some(StoreState {
        root: state.root.or_else(|| root(secret)),
        ..state
    })
}

/// The pair in service.
pub fn current(store: &Secret) -> Option<StoreContent<'_>> {
    content(store, &CURRENT)
}

/// The pair before.
pub fn previous(store: &Secret) -> Option<StoreContent<'_>> {
    content(store, &PREVIOUS)
}

fn content<'a>(store: &'a Secret, keys: &Keys) -> Option<StoreContent<'a>> {
    Some(StoreContent {
        certificate: value(store, keys.certificate)?,
        key: value(store, keys.key)?,
        roots: value(store, keys.roots).unwrap_or_default(),
    })
}

/// The store Secret with another pair in service; the one before becomes the previous one.
pub fn written(
    base: Base<'_>,
    pair: &StoreContent<'_>,
    state: &StoreState,
) -> Result<Secret, serde_json::Error> {
    let mut data = BTreeMap::new();
    if let Base::Existing(before) = base
        && let Some(previous) = current(before)
        && pki::inspect(previous.certificate, previous.key).is_ok()
    {
        put(&mut data, &PREVIOUS, &previous);
    }
    put(&mut data, &CURRENT, pair);
    put_state(&mut data, state)?;
    Ok(secret(base, data))
}

/// The store Secret with the pair before in service, and that in service as the one before; none if there
/// is no pair before.
pub fn with_the_pair_before(
    before: &Secret,
    state: &StoreState,
) -> Result<Option<Secret>, serde_json::Error> {
    let (Some(current), Some(previous)) = (content(before, &CURRENT), content(before, &PREVIOUS))
    else {
        return Ok(None);
    };
    let mut data = BTreeMap::new();
    put(&mut data, &CURRENT, &previous);
    put(&mut data, &PREVIOUS, &current);
    put_state(&mut data, state)?;
    Ok(Some(secret(Base::Existing(before), data)))
}

/// The store Secret without the pair before.
pub fn without_the_pair_before(before: &Secret) -> Secret {
    let mut after = before.clone();
    let data = after.data.get_or_insert_default();
    for key in [PREVIOUS.certificate, PREVIOUS.key, PREVIOUS.roots] {
        data.remove(key);
    }
    after
}

/// The store Secret with another record and the same pairs.
pub fn recorded(before: &Secret, state: &StoreState) -> Result<Secret, serde_json::Error> {
    let mut after = before.clone();
    put_state(after.data.get_or_insert_default(), state)?;
    Ok(after)
}

/// What a store Secret is written over.
#[derive(Clone, Copy)]
pub enum Base<'a> {
    /// Nothing: it is created.
    New {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// The store as read; its revision is the write's precondition.
    Existing(&'a Secret),
}

fn secret(base: Base<'_>, data: BTreeMap<String, ByteString>) -> Secret {
    match base {
        Base::New { namespace, name } => Secret {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                labels: Some(
                    [(
                        names::MANAGED_BY_LABEL.to_owned(),
                        names::FIELD_MANAGER.to_owned(),
                    )]
                    .into(),
                ),
                ..ObjectMeta::default()
            },
            type_: Some(names::STORE_SECRET_TYPE.to_owned()),
            data: Some(data),
            ..Secret::default()
        },
        Base::Existing(before) => Secret {
            data: Some(data),
            ..before.clone()
        },
    }
}

fn put(data: &mut BTreeMap<String, ByteString>, keys: &Keys, pair: &StoreContent<'_>) {
    data.insert(keys.certificate.to_owned(), bytes(pair.certificate));
    data.insert(keys.key.to_owned(), bytes(pair.key));
    data.insert(keys.roots.to_owned(), bytes(pair.roots));
}

fn put_state(
    data: &mut BTreeMap<String, ByteString>,
    state: &StoreState,
) -> Result<(), serde_json::Error> {
    data.insert(STATE.to_owned(), ByteString(serde_json::to_vec(state)?));
    Ok(())
}
