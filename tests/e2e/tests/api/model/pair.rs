//! One object on the real API server and in the model, and the same writes to both.

use e2e::{World, wait};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions},
};
use model::{Identity, Precondition, Refused, Server};
use serde_json::Value;

use super::{Body, Kind, Numbers, kinds::Part};

/// A write to both.
#[derive(Debug)]
enum Write {
    Create(Body),
    Replace(Demand, Body),
    Patch(Demand, Part),
    Delete(Demand),
}

/// Which of the identities that were seen a write demands.
#[derive(Clone, Copy, Debug)]
struct Demand {
    uid: Option<usize>,
    revision: Option<usize>,
}

/// A revision of the object, as both know it.
#[derive(Clone, Debug)]
struct Seen {
    model: Identity,
    uid: String,
    revision: String,
}

/// One object on both.
pub struct Both {
    kind: Kind,
    seed: u64,
    name: String,
    real: Api<DynamicObject>,
    model: Server<String, Body>,
    seen: Vec<Seen>,
    manager: &'static str,
}

impl Both {
    pub fn new(world: &World, kind: Kind, seed: u64) -> Self {
        Self {
            kind,
            seed,
            name: format!("object-{seed}"),
            real: Api::namespaced_with(world.client.clone(), &world.namespace, &kind.resource()),
            model: Server::default(),
            seen: Vec::new(),
            manager: "model",
        }
    }

    /// One write that looks random. Whether it moved the object, or why it was refused: the same on
    /// both, or the test fails.
    pub async fn write(&mut self, numbers: &mut Numbers) -> Result<bool, Refused> {
        let write = self.any(numbers);
        let before = self.seen.last().filter(|_| self.model_has_it()).cloned();
        let real = self.performed(&write).await;
        let model = self.modelled(&write);
        let context = format!("{:?}, sequence {}: {write:?}", self.kind, self.seed);
        let moved = match (&real, model) {
            (Ok(reply), Ok(identity)) => {
                let moved = before.as_ref().map(|it| it.model) != identity;
                let real_moved = before
                    .as_ref()
                    .map(|it| (it.uid.clone(), it.revision.clone()))
                    != identity_of(reply.as_ref());
                assert_eq!(moved, real_moved, "whether it moved the object: {context}");
                Ok(moved)
            }
            (Err(real), Err(model)) => {
                assert_eq!(*real, model, "{context}");
                Err(model)
            }
            (real, model) => panic!("the API server: {real:?}, the model: {model:?}: {context}"),
        };
        self.compare_content(&context).await;
        moved
    }

    fn model_has_it(&self) -> bool {
        self.model.get(&self.name).is_some()
    }

    fn any(&self, numbers: &mut Numbers) -> Write {
        let demand = self.demand(numbers);
        if !self.model_has_it() && !numbers.once_in(4) {
            return Write::Create(self.kind.body(numbers));
        }
        match numbers.below(10) {
            0 => Write::Create(self.kind.body(numbers)),
            1 => Write::Delete(demand),
            2..=5 => Write::Patch(demand, self.kind.part(numbers)),
            _ => Write::Replace(demand, self.kind.body(numbers)),
        }
    }

    /// Mostly the identity seen last; at times an earlier one, or none.
    fn demand(&self, numbers: &mut Numbers) -> Demand {
        let mut choose = || match (self.seen.len(), numbers.below(6)) {
            (0, _) | (_, 0) => None,
            (seen, 1) => usize::try_from(numbers.below(u64::try_from(seen).unwrap())).ok(),
            (seen, _) => Some(seen - 1),
        };
        Demand {
            uid: choose(),
            revision: choose(),
        }
    }

    fn modelled(&mut self, write: &Write) -> Result<Option<Identity>, Refused> {
        let precondition = |demand: &Demand| Precondition {
            uid: demand.uid.map(|it| self.seen[it].model.uid),
            revision: demand.revision.map(|it| self.seen[it].model.revision),
        };
        match write {
            Write::Create(body) => self.model.create(self.name.clone(), body.clone()).map(Some),
            Write::Replace(demand, body) => {
                let demanded = precondition(demand);
                self.model
                    .replace(&self.name, demanded, body.clone())
                    .map(Some)
            }
            Write::Patch(demand, part) => {
                let demanded = precondition(demand);
                self.model
                    .patch(&self.name, demanded, |body| body.set(part))
                    .map(Some)
            }
            Write::Delete(demand) => {
                let demanded = precondition(demand);
                self.model.delete(&self.name, demanded).map(|()| None)
            }
        }
    }

    async fn performed(&self, write: &Write) -> Result<Option<Value>, Refused> {
        let params = PostParams {
            field_manager: Some(self.manager.to_owned()),
            dry_run: false,
        };
        let written = match write {
            Write::Create(body) => {
                let object = self.object(body.manifest(), None);
                self.real.create(&params, &object).await.map(Some)
            }
            Write::Replace(demand, body) => {
                let object = self.object(body.manifest(), Some(demand));
                self.real
                    .replace(&self.name, &params, &object)
                    .await
                    .map(Some)
            }
            Write::Patch(demand, part) => {
                let params = PatchParams {
                    field_manager: Some(self.manager.to_owned()),
                    ..PatchParams::default()
                };
                let mut patch = part.patch(self.kind);
                self.demand_in(&mut patch, demand);
                self.real
                    .patch(&self.name, &params, &Patch::Merge(patch))
                    .await
                    .map(Some)
            }
            Write::Delete(demand) => {
                let params = DeleteParams {
                    preconditions: Some(Preconditions {
                        uid: demand.uid.map(|it| self.seen[it].uid.clone()),
                        resource_version: demand.revision.map(|it| self.seen[it].revision.clone()),
                    }),
                    ..DeleteParams::default()
                };
                self.real.delete(&self.name, &params).await.map(|_| None)
            }
        };
        match written {
            Ok(reply) => Ok(reply.map(|it| serde_json::to_value(it).unwrap())),
            Err(error) => Err(class(&error)),
        }
    }

    fn object(&self, mut manifest: Value, demand: Option<&Demand>) -> DynamicObject {
        let resource = self.kind.resource();
        manifest["apiVersion"] = resource.api_version.into();
        manifest["kind"] = resource.kind.into();
        manifest["metadata"]["name"] = self.name.clone().into();
        if let Some(demand) = demand {
            self.demand_in(&mut manifest, demand);
        }
        serde_json::from_value(manifest).unwrap()
    }

    fn demand_in(&self, body: &mut Value, demand: &Demand) {
        if let Some(uid) = demand.uid {
            body["metadata"]["uid"] = self.seen[uid].uid.clone().into();
        }
        if let Some(revision) = demand.revision {
            body["metadata"]["resourceVersion"] = self.seen[revision].revision.clone().into();
        }
    }

    async fn compare_content(&mut self, context: &str) {
        let real = self.settled().await;
        let model = self.model.get(&self.name);
        let held = real.as_ref().map(|object| self.kind.read(object));
        assert_eq!(
            held,
            model.map(|object| object.content.clone()),
            "content after {context}"
        );
        if let (Some(real), Some(model)) = (&real, model) {
            let (uid, revision) = identity_of(Some(real)).unwrap();
            self.seen.push(Seen {
                model: model.identity,
                uid,
                revision,
            });
        }
    }

    /// The object once its controller, if it has one, has told all it has to tell in its status.
    async fn settled(&self) -> Option<Value> {
        wait::until("the StatefulSet's status", async || {
            let object = self.real.get_opt(&self.name).await.unwrap();
            let Some(object) = object.map(|it| serde_json::to_value(it).unwrap()) else {
                return Some(None);
            };
            let status = &object["status"];
            let settled = self.kind != Kind::StatefulSet
                || (status["observedGeneration"] == object["metadata"]["generation"]
                    && status["updateRevision"].is_string()
                    && status["currentRevision"] == status["updateRevision"]);
            settled.then_some(Some(object))
        })
        .await
    }
}

fn identity_of(object: Option<&Value>) -> Option<(String, String)> {
    let text = |key: &str| object?["metadata"][key].as_str().map(str::to_owned);
    Some((text("uid")?, text("resourceVersion")?))
}

fn class(error: &kube::Error) -> Refused {
    match error {
        kube::Error::Api(status) if status.is_already_exists() => Refused::AlreadyExists,
        kube::Error::Api(status) if status.is_not_found() => Refused::NotFound,
        kube::Error::Api(status) if status.is_conflict() => Refused::Conflict,
        kube::Error::Api(status) if status.is_invalid() => Refused::Invalid,
        other => panic!("{other}"),
    }
}
