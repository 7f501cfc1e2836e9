//! The one write of a plan, and what its reply changes in the observation.

mod publish;
mod take_up;

use std::sync::Arc;

use api::{CoturnCertificate, CoturnCertificateStatus, Issuer, SerialNumber, Trigger, names};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, api::PostParams};
use pki::{IssuedPair, LeafRequest};
use plan::{
    Precondition, Version,
    certificate::{Action, Store},
    partner::Answer,
    publication::{Beginning, Held, Publication},
    rollout::Distrusted,
    store::{By, NewPair, Origin, PublishedName, RolledBack, StoreState},
};

use super::{
    observe::{Observation, Unasked},
    sign::{Signed, Signing},
};
use crate::{
    context::Context,
    error::{Error, ObjectName},
    requests,
    secret::{self, Base, StoreContent, read_store, version},
};

/// Performs an action and folds the reply into the observation.
pub async fn act(
    context: &Context,
    observation: &mut Observation,
    action: &Action,
    now: Timestamp,
) -> Result<(), Error> {
    let mut writer = Writer {
        context,
        observation,
        now,
    };
    match action {
        Action::Issue {
            trigger,
            beginning,
            store,
        } => writer.issue(*trigger, *beginning, store).await,
        Action::Recover { published, store } => writer.recover(published, store).await,
        Action::Adopt {
            published,
            store,
            publication,
            beginning,
            adoption,
        } => {
            writer
                .adopt(published, store, (*publication, *beginning), adoption)
                .await
        }
        Action::NoteRollback { store, lost } => writer.note_rollback(store, lost).await,
        Action::RollBack { store, by } => writer.roll_back(store, by).await,
        Action::Distrust { store, pod, uid } => writer.distrust(store, pod, uid).await,
        Action::DropPrevious { store } => writer.drop_previous(store).await,
        Action::Record {
            store,
            publication,
            secret,
        } => writer.record(store, *publication, secret).await,
        Action::Publish {
            store,
            secret,
            cause,
        } => writer.publish(store, secret, *cause).await,
        Action::WriteStatus(status) => writer.write_status(status).await,
    }
}

struct Writer<'a> {
    context: &'a Context,
    observation: &'a mut Observation,
    now: Timestamp,
}

impl Writer<'_> {
    async fn issue(
        &mut self,
        trigger: Trigger,
        beginning: Beginning,
        store: &Precondition,
    ) -> Result<(), Error> {
        let name = self.store_name();
        let observed = &self.observation.observed;
        let request = LeafRequest {
            content: observed.content_to_issue(),
            duration: observed.resource.wanted.duration,
        };
        let signing = match &observed.resource.wanted.issuer {
            Issuer::SelfSigned => Signing::Itself,
            Issuer::Ca { .. } => {
                let read = self.observation.authority.take();
                Signing::By(Box::new(read.ok_or_else(|| self.changed(&name))?))
            }
        };
        let Signed { pair, root } = signing.sign(request, self.now).await?;
        self.ask_partners_first(&pair).await?;
        let state = self.state_with(&NewPair {
            leaf: &pair.leaf,
            root,
            origin: Origin::Issued(trigger),
            beginning,
            handled_renew: self.observation.observed.answered_by(trigger),
            handled_rollback: self.observation.observed.resource.rollback_to.as_deref(),
            time: self.now,
        });
        let state = self.observation.observed.with_the_workload(state, trigger);
        let content = StoreContent {
            certificate: pair.certificate.as_bytes(),
            key: pair.key.as_bytes(),
            roots: pair.root.as_bytes(),
        };
        let body = secret::written(self.base(&name, store)?, &content, &state)
            .map_err(|error| encode(self.object(&name), &error))?;
        self.write_store(&name, store, body).await
    }

    /// Presents a certificate to the partners before anybody else sees it. One that lets in that in
    /// service and refuses this one keeps it from being stored. Who cannot be asked does not, and is told
    /// of.
    async fn ask_partners_first(&mut self, pair: &IssuedPair) -> Result<(), Error> {
        let observed = &self.observation.observed;
        let calls = observed.partners_to_ask_first(self.now);
        let asked = self
            .context
            .partners
            .rehearse(&observed.resource.name, calls, pair)
            .await?;
        let mut objections = asked
            .iter()
            .filter_map(|rehearsed| observed.partner_objects(rehearsed));
        if let Some(refusal) = objections.next() {
            return Err(Error::Objection(refusal));
        }
        let unasked = asked.into_iter().filter_map(|rehearsed| {
            let partner = rehearsed.partner;
            match rehearsed.next {
                Answer::Unreached(why) => Some(Unasked { partner, why }),
                Answer::Accepted | Answer::Refused(_) | Answer::NotAsked => None,
            }
        });
        self.observation.unasked = unasked.collect();
        Ok(())
    }

    async fn note_rollback(&mut self, store: &Version, lost: &SerialNumber) -> Result<(), Error> {
        let Store::Present(stored) = &self.observation.observed.store else {
            return Err(self.changed(&self.store_name()));
        };
        let asked = self.observation.observed.resource.asked();
        let state = stored.state.after_a_rollback(lost, asked, self.now);
        self.write_record(store, &state).await
    }

    /// The store with the pair before in service, and that in service as the one before.
    async fn roll_back(&mut self, store: &Version, by: &By) -> Result<(), Error> {
        let (name, observed) = (self.store_name(), &self.observation.observed);
        let pairs = observed.stored().and_then(|stored| {
            Some((
                stored,
                &stored.current.leaf,
                &stored.previous.as_ref()?.leaf,
            ))
        });
        let (stored, from, to) = pairs.ok_or_else(|| self.changed(&name))?;
        let rolled_back = RolledBack {
            from: from.fingerprint,
            to: to.fingerprint,
            at: self.now,
            published: stored
                .state
                .log_of(&observed.resource.wanted.secret_name)
                .since(Held::Leaf(from.fingerprint)),
            generation: observed.resource.generation,
            by: by.clone(),
        };
        let asked = observed.resource.rollback_to.as_deref();
        let state = stored
            .state
            .with_the_pair_before(rolled_back, &to.serial, asked);
        let before = self.store_secret(store).await?;
        let body = secret::with_the_pair_before(&before, &state)
            .map_err(|error| encode(self.object(&name), &error))?
            .ok_or_else(|| self.changed(&name))?;
        self.write_store(&name, &Precondition::At(store.clone()), body)
            .await
    }

    async fn distrust(&mut self, store: &Version, pod: &str, uid: &str) -> Result<(), Error> {
        let Store::Present(stored) = &self.observation.observed.store else {
            return Err(self.changed(&self.store_name()));
        };
        let state = stored.state.with_distrusted(Distrusted {
            pod: pod.to_owned(),
            uid: uid.to_owned(),
        });
        self.write_record(store, &state).await
    }

    /// The store without the pair before.
    async fn drop_previous(&mut self, store: &Version) -> Result<(), Error> {
        let before = self.store_secret(store).await?;
        let body = secret::without_the_pair_before(&before);
        self.write_store(&self.store_name(), &Precondition::At(store.clone()), body)
            .await
    }

    async fn record(
        &mut self,
        store: &Version,
        publication: Publication,
        secret: &PublishedName,
    ) -> Result<(), Error> {
        let Store::Present(stored) = &self.observation.observed.store else {
            return Err(self.changed(&self.store_name()));
        };
        let state = stored.state.with_publication(publication, secret);
        self.write_record(store, &state).await
    }

    /// The store with another record, and the same pairs.
    async fn write_record(&mut self, store: &Version, state: &StoreState) -> Result<(), Error> {
        let name = self.store_name();
        let before = self.store_secret(store).await?;
        let body =
            secret::recorded(&before, state).map_err(|error| encode(self.object(&name), &error))?;
        self.write_store(&name, &Precondition::At(store.clone()), body)
            .await
    }

    async fn write_status(&mut self, status: &CoturnCertificateStatus) -> Result<(), Error> {
        let before = &self.observation.object;
        let resource = &mut self.observation.observed.resource;
        let object = ObjectName::new("CoturnCertificate", &resource.namespace, &resource.name);
        let body = CoturnCertificate {
            metadata: ObjectMeta {
                name: before.metadata.name.clone(),
                namespace: before.metadata.namespace.clone(),
                uid: Some(resource.version.uid.clone()),
                resource_version: Some(resource.version.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: before.spec.clone(),
            status: Some(status.clone()),
        };
        let api: Api<CoturnCertificate> =
            Api::namespaced(self.context.client.clone(), &resource.namespace);
        let params = PostParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            dry_run: false,
        };
        let reply = api
            .replace_status(&resource.name, &params, &body)
            .await
            .map_err(|error| requests::write_failure(object, error.into()))?;
        resource.version = version(&reply.metadata);
        resource.status = reply.status.clone().unwrap_or_default();
        self.observation.object = Arc::new(reply);
        Ok(())
    }

    fn state_with(&self, pair: &NewPair<'_>) -> StoreState {
        let before = self
            .observation
            .observed
            .stored()
            .map(|stored| &stored.state);
        StoreState::with_pair(before, pair)
    }

    async fn write_store(
        &mut self,
        name: &str,
        precondition: &Precondition,
        body: Secret,
    ) -> Result<(), Error> {
        let api = requests::secrets(&self.context.client, self.namespace());
        let object = self.object(name);
        let reply = match precondition {
            Precondition::Absent => requests::create(&api, object, &body).await?,
            Precondition::At(_) => {
                requests::replace(&api, object, name, &body, names::FIELD_MANAGER).await?
            }
        };
        let store = read_store(Some(&reply), self.observation.observed.resource.asked());
        self.context
            .facts
            .stores
            .put(name, Some(version(&reply.metadata)), store.clone());
        self.observation.observed.store = store;
        self.observation.store = Some(reply);
        Ok(())
    }

    /// The store Secret of exactly this revision: as read in this pass, or read again.
    async fn store_secret(&self, wanted: &Version) -> Result<Secret, Error> {
        let name = self.store_name();
        if let Some(known) = self.observation.store.as_ref()
            && version(&known.metadata) == *wanted
        {
            return Ok(known.clone());
        }
        let api = requests::secrets(&self.context.client, self.namespace());
        requests::read(&api, self.object(&name), &name)
            .await?
            .filter(|secret| version(&secret.metadata) == *wanted)
            .ok_or_else(|| self.changed(&name))
    }

    fn published_secret(&self, wanted: &Version) -> Result<&Secret, Error> {
        self.observation
            .published
            .as_ref()
            .filter(|known| version(&known.metadata) == *wanted)
            .ok_or_else(|| self.changed(&self.observation.observed.resource.wanted.secret_name))
    }

    fn base<'b>(&'b self, name: &'b str, precondition: &Precondition) -> Result<Base<'b>, Error> {
        match precondition {
            Precondition::Absent => Ok(Base::New {
                namespace: self.namespace(),
                name,
            }),
            Precondition::At(wanted) => self
                .observation
                .store
                .as_ref()
                .filter(|known| version(&known.metadata) == *wanted)
                .map(Base::Existing)
                .ok_or_else(|| self.changed(name)),
        }
    }

    fn namespace(&self) -> &str {
        &self.observation.observed.resource.namespace
    }

    fn store_name(&self) -> String {
        names::store_secret(&self.observation.observed.resource.name)
    }

    fn published_name(&self) -> String {
        self.observation
            .observed
            .resource
            .wanted
            .secret_name
            .clone()
    }

    fn object(&self, secret: &str) -> ObjectName {
        ObjectName::new("Secret", self.namespace(), secret)
    }

    fn changed(&self, secret: &str) -> Error {
        Error::Changed {
            object: self.object(secret),
        }
    }
}

fn encode(object: ObjectName, error: &serde_json::Error) -> Error {
    Error::Encode {
        object,
        message: error.to_string(),
    }
}
