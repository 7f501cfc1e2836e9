//! Requests to the API server by name, each with its failure told apart.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};

use api::names;

use crate::{
    error::{ApiFailure, Error, ObjectName},
    secret::{Apply, Overlap},
};

/// Reads an object; none if it does not exist.
pub async fn read<K>(api: &Api<K>, object: ObjectName, name: &str) -> Result<Option<K>, Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    api.get_opt(name).await.map_err(|error| Error::Read {
        object,
        failure: error.into(),
    })
}

/// Creates an object; fails if it exists.
pub async fn create<K>(api: &Api<K>, object: ObjectName, body: &K) -> Result<K, Error>
where
    K: Clone + Serialize + DeserializeOwned + Debug,
{
    let params = PostParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        dry_run: false,
    };
    api.create(&params, body)
        .await
        .map_err(|error| write_failure(object, error.into()))
}

/// Replaces exactly the revision that the body carries.
pub async fn replace<K>(
    api: &Api<K>,
    object: ObjectName,
    name: &str,
    body: &K,
    manager: &str,
) -> Result<K, Error>
where
    K: Clone + Serialize + DeserializeOwned + Debug,
{
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        dry_run: false,
    };
    api.replace(name, &params, body)
        .await
        .map_err(|error| write_failure(object, error.into()))
}

/// Applies in the name of a field manager that owns what is applied: onto exactly the revision that
/// the body carries, or, where it carries none, onto nothing that other managers have made otherwise.
/// Where that manager itself has made it a moment before, this is one of its writes among others.
pub async fn apply(
    api: &Api<Secret>,
    object: ObjectName,
    name: &str,
    apply: &Apply,
) -> Result<Secret, Error> {
    let params = PatchParams {
        force: apply.overlap == Overlap::Forced,
        ..PatchParams::apply(&apply.manager)
    };
    api.patch(name, &params, &Patch::Apply(&apply.body))
        .await
        .map_err(|error| write_failure(object, error.into()))
}

/// A write whose precondition did not hold is no failure of its own: the world moved.
pub fn write_failure(object: ObjectName, failure: ApiFailure) -> Error {
    if failure.is_stale() {
        Error::Changed { object }
    } else {
        Error::Write { object, failure }
    }
}

/// Secrets of a namespace.
pub fn secrets(client: &Client, namespace: &str) -> Api<Secret> {
    Api::namespaced(client.clone(), namespace)
}
