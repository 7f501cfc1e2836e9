//! Writing the published Secret.

use api::{SecretAdoptionPolicy, names};
use k8s_openapi::api::core::v1::Secret;
use plan::{Precondition, Version, certificate::PublishCause, contest::LastWritten};

use super::{super::observe::LastPublication, Writer};
use crate::{
    error::Error,
    requests,
    secret::{self, PublishedContent, read_published, version},
};

impl Writer<'_> {
    pub(super) async fn publish(
        &mut self,
        store: &Version,
        precondition: &Precondition,
        cause: PublishCause,
    ) -> Result<(), Error> {
        let source = self.store_secret(store).await?;
        let resource = &self.observation.observed.resource;
        let name = resource.wanted.secret_name.clone();
        let stored = self.observation.observed.stored();
        let leaf = stored
            .map(|stored| &stored.current.leaf)
            .ok_or_else(|| self.changed(&name))?;
        let pair = secret::current(&source).ok_or_else(|| self.changed(&name))?;
        let content = PublishedContent {
            namespace: &resource.namespace,
            name: &name,
            owner: &resource.name,
            pair,
            fingerprint: leaf.fingerprint,
            template: &resource.wanted.secret_template,
            adoption: stored.and_then(|stored| stored.state.adoption.as_ref()),
        };
        let undone_by = self.undone_by(&name, cause);
        let mut owners = Vec::new();
        let reply = match precondition {
            Precondition::Absent => self.create(&content, cause, &mut owners).await?,
            Precondition::At(version) => {
                let before = self.published_secret(version)?;
                self.overwrite(before, &content, cause, &mut owners).await?
            }
        };
        let (by, now) = (undone_by.clone(), self.now);
        let last = LastWritten {
            at: secret::operator_wrote(&reply.metadata),
            beside: secret::last_writer(&reply.metadata),
        };
        self.context.restorations.count(name.clone(), |it| {
            it.wrote(last);
            if cause.is_restoration() {
                it.restored(by, now);
            }
        });
        let published = read_published(Some(&reply));
        let facts = &self.context.facts.published;
        facts.put(&name, Some(version(&reply.metadata)), published.clone());
        self.observation.observed.published = published;
        self.observation.published = Some(reply);
        self.observation.publication = LastPublication { owners, undone_by };
        Ok(())
    }
}

impl Writer<'_> {
    /// The field manager that undid what is put right; once that is done, nothing tells of it.
    fn undone_by(&self, secret: &str, cause: PublishCause) -> Option<String> {
        let restorations = &self.context.restorations;
        let last = restorations.of(secret, |it| Some(it.last().clone()));
        let undone_by = self
            .observation
            .observed
            .undone_by(&last.unwrap_or_default());
        undone_by.filter(|_| cause.is_restoration())
    }

    /// A Secret that somebody had applied is applied in that name again, as long as it is shared: who
    /// makes it in one request under the operator's name leaves no doubt whose it is.
    async fn create(
        &self,
        content: &PublishedContent<'_>,
        cause: PublishCause,
        owners: &mut Vec<String>,
    ) -> Result<Secret, Error> {
        let object = self.object(content.name);
        let api = requests::secrets(&self.context.client, content.namespace);
        let applied = secret::applied_like(content);
        let policy = self.observation.observed.resource.wanted.adoption;
        let shared = content
            .adoption
            .filter(|_| policy == SecretAdoptionPolicy::Adopt);
        let owner = shared.and_then(|it| it.applier.as_ref());
        let Some(apply) = owner.and_then(|owner| secret::created_by(owner, &applied)) else {
            let body = secret::write_published(None, content);
            return requests::create(&api, object, &body).await;
        };
        let created = requests::apply(&api, object, content.name, &apply).await?;
        owners.push(apply.manager);
        self.overwrite(&created, content, cause, owners).await
    }

    /// What others own by server-side apply is written in their name, the rest under the operator's
    /// own. Killed in between, the pair is there, and the labels and annotations are missing.
    async fn overwrite(
        &self,
        before: &Secret,
        content: &PublishedContent<'_>,
        cause: PublishCause,
        owners: &mut Vec<String>,
    ) -> Result<Secret, Error> {
        let (object, name) = (self.object(content.name), content.name);
        let api = requests::secrets(&self.context.client, content.namespace);
        let mut live = before.clone();
        for owner in secret::appliers(&before.metadata) {
            let wanted = secret::write_published(Some(&live), content);
            if let Some(apply) = secret::apply(&live, &wanted, &owner) {
                live = requests::apply(&api, object.clone(), name, &apply).await?;
                if !owners.contains(&owner) {
                    owners.push(owner);
                }
            }
        }
        let wanted = secret::write_published(Some(&live), content);
        if wanted == live {
            return Ok(live);
        }
        requests::replace(&api, object, name, &wanted, manager(cause)).await
    }
}

/// A write that leaves the pair alone goes under a manager of its own, so that the time at which
/// the pair was published stays readable.
const fn manager(cause: PublishCause) -> &'static str {
    match cause {
        PublishCause::Missing
        | PublishCause::Deleted
        | PublishCause::Superseded
        | PublishCause::Overwritten => names::FIELD_MANAGER,
        PublishCause::TakenOver | PublishCause::Roots | PublishCause::Metadata => {
            names::METADATA_FIELD_MANAGER
        }
    }
}
