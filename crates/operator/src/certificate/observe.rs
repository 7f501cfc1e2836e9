//! Everything that a plan for a certificate looks at, read by name and remembered by revision.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use api::{CoturnCertificate, Issuer, Partner, Reason, Wanted, names};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use plan::{
    Refusal,
    certificate::{Authority, Observed, Published, Resource, Rival, Store, is_incumbent},
};

use crate::{
    context::{Context, Guarded},
    error::{Error, ObjectName, remedy, unnamed_secret},
    requests,
    secret::{read_published, read_store, value, version},
    workload,
};

/// How much an observation trusts what was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Facts of a revision that a watch still reports: enough to find that nothing is to be done.
    Remembered,
    /// Read from the API server in this pass: what a write is decided on.
    Confirmed,
}

/// An observation, with what it was taken from as far as a write may need it.
pub struct Observation {
    /// The resource as read.
    pub object: Arc<CoturnCertificate>,
    /// What plan looks at.
    pub observed: Observed,
    /// The authority, able to sign, if there is one and it was read in this pass.
    pub authority: Option<pki::Authority>,
    /// The store Secret, if it was read or written in this pass.
    pub store: Option<Secret>,
    /// The published Secret, if it was read or written in this pass.
    pub published: Option<Secret>,
    /// How it was written last in this pass.
    pub publication: LastPublication,
    /// Partners that could not be shown the certificate that was issued in this pass.
    pub unasked: Vec<Unasked>,
}

/// A partner that could not be asked.
pub struct Unasked {
    /// Whom.
    pub partner: Partner,
    /// Why.
    pub why: String,
}

/// How the published Secret was written.
#[derive(Default)]
pub struct LastPublication {
    /// Field managers in whose name.
    pub owners: Vec<String>,
    /// The field manager whose write was undone by it, if it undid one.
    pub undone_by: Option<String>,
}

/// Observes a certificate.
pub async fn observe(
    context: &Context,
    object: Arc<CoturnCertificate>,
    wanted: Wanted,
    freshness: Freshness,
    now: Timestamp,
) -> Result<Observation, Error> {
    let resource = resource(&object, wanted);
    let reader = Reader {
        context,
        namespace: &resource.namespace,
        freshness,
        now,
        failed: AtomicBool::new(false),
    };
    let (authority, signer) = match &resource.wanted.issuer {
        Issuer::Ca { secret } => reader.authority(secret).await?,
        Issuer::SelfSigned => (Authority::Itself, None),
    };
    // The store first: what it recorded last is never newer than the published Secret that is read
    // after it. The other way round a Secret of earlier would be recorded as if it had come back.
    let (store, store_secret) = reader.store(&resource).await?;
    let (published, published_secret) = reader.published(&resource.wanted.secret_name).await?;
    let workload = match &resource.wanted.workload {
        Some(reference) => Some(workload::observe(context, reference, freshness).await?),
        None => None,
    };
    if freshness == Freshness::Confirmed && !reader.failed.into_inner() {
        context.facts.confirmed.note(&resource.name, now);
    }
    let rivals = rivals(context, &resource);
    let proofs = context.prober.proofs(&resource.name);
    let answers = context.partners.answers(&resource.name);
    let contested = context
        .restorations
        .of(&resource.wanted.secret_name, |it| it.contest(now));
    Ok(Observation {
        object,
        observed: Observed {
            resource,
            authority,
            store,
            published,
            rivals,
            workload,
            contest: contested,
            proofs,
            answers,
            failed: None,
            clock_ahead: context.clock.ahead(),
        },
        authority: signer,
        store: store_secret,
        published: published_secret,
        publication: LastPublication::default(),
        unasked: Vec::new(),
    })
}

fn created(object: &CoturnCertificate) -> Timestamp {
    let created = object.metadata.creation_timestamp.as_ref();
    created.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

fn resource(object: &CoturnCertificate, wanted: Wanted) -> Resource {
    Resource {
        name: object.name_any(),
        namespace: object.namespace().unwrap_or_default(),
        version: version(&object.metadata),
        generation: object.metadata.generation.unwrap_or_default(),
        created: created(object),
        wanted,
        renew: object.annotations().get(names::RENEW).cloned(),
        rollback_to: object.annotations().get(names::ROLLBACK_TO).cloned(),
        status: object.status.clone().unwrap_or_default(),
    }
}

fn rivals(context: &Context, resource: &Resource) -> Vec<Rival> {
    context
        .certificates
        .store
        .state()
        .iter()
        .filter(|other| other.name_any() != resource.name)
        .filter_map(|other| rival(other, &resource.wanted.secret_name))
        .collect()
}

/// What another resource claims. Of one that cannot be read nobody knows: it keeps the Secret that
/// names it, and wins none.
fn rival(other: &Guarded, secret: &str) -> Option<Rival> {
    let readable = match &other.0 {
        Ok(readable) if readable.spec.secret_name != secret => return None,
        Ok(readable) => Some(readable),
        Err(_) => None,
    };
    Some(Rival {
        name: other.name_any(),
        created: readable.map_or(Timestamp::MAX, created),
        incumbent: readable
            .and_then(|readable| readable.status.as_ref())
            .is_some_and(is_incumbent),
    })
}

struct Reader<'a> {
    context: &'a Context,
    namespace: &'a str,
    freshness: Freshness,
    now: Timestamp,
    /// Whether the API server answered a read by an error that nothing will tell the end of.
    failed: AtomicBool,
}

impl Reader<'_> {
    async fn authority(&self, name: &str) -> Result<(Authority, Option<pki::Authority>), Error> {
        let facts = &self.context.facts.authorities;
        if self.freshness == Freshness::Remembered
            && let Some(known) = facts.get(name, self.context.secrets.version(name).as_ref())
            && self.still_holds(&known)
        {
            return Ok((known, None));
        }
        let secret = match self.read(name).await? {
            Ok(secret) => secret,
            Err(refusal) => {
                facts.forget(name);
                return Ok((Authority::Unusable(refusal), None));
            }
        };
        let (authority, signer) = self.judge(name, secret.as_ref());
        facts.put(
            name,
            secret.map(|secret| version(&secret.metadata)),
            authority.clone(),
        );
        Ok((authority, signer))
    }

    /// An authority comes and goes with time alone; what is unusable is judged anew each time.
    fn still_holds(&self, authority: &Authority) -> bool {
        match authority {
            Authority::Usable(facts) => (facts.not_before..facts.not_after).contains(&self.now),
            Authority::Unusable(_) | Authority::Itself => false,
        }
    }

    fn judge(&self, name: &str, secret: Option<&Secret>) -> (Authority, Option<pki::Authority>) {
        let refuse = |reason, message: String| {
            let message = format!("CA Secret {}/{name} {message}", self.namespace);
            (Authority::Unusable(Refusal { reason, message }), None)
        };
        let Some(secret) = secret else {
            return refuse(
                Reason::AuthorityMissing,
                "does not exist; create it with tls.crt and tls.key, the operator goes on by itself".into(),
            );
        };
        let content = pki::CaSecret {
            certificate: value(secret, names::TLS_CRT),
            key: value(secret, names::TLS_KEY),
            root: value(secret, names::CA_CRT),
        };
        match pki::Authority::load(&content, self.now) {
            Ok(signer) => (Authority::Usable(signer.facts().clone()), Some(signer)),
            Err(error) => refuse(error.reason(), format!("cannot sign: {error}")),
        }
    }

    async fn store(&self, resource: &Resource) -> Result<(Store, Option<Secret>), Error> {
        let name = &names::store_secret(&resource.name);
        let facts = &self.context.facts.stores;
        if let Some(known) = self.remembered(facts, name) {
            return Ok((known, None));
        }
        Ok(match self.read(name).await? {
            Err(refusal) => {
                facts.forget(name);
                (Store::Unreadable(refusal), None)
            }
            Ok(secret) => {
                let store = read_store(secret.as_ref(), resource.asked());
                let version = secret.as_ref().map(|secret| version(&secret.metadata));
                facts.put(name, version, store.clone());
                (store, secret)
            }
        })
    }

    async fn published(&self, name: &str) -> Result<(Published, Option<Secret>), Error> {
        let facts = &self.context.facts.published;
        if let Some(known) = self.remembered(facts, name) {
            return Ok((known, None));
        }
        Ok(match self.read(name).await? {
            Err(refusal) => {
                facts.forget(name);
                (Published::Unreadable(refusal), None)
            }
            Ok(secret) => {
                let published = read_published(secret.as_ref());
                let version = secret.as_ref().map(|secret| version(&secret.metadata));
                facts.put(name, version, published.clone());
                (published, secret)
            }
        })
    }

    fn remembered<T: Clone>(&self, facts: &crate::facts::Remembered<T>, name: &str) -> Option<T> {
        match self.freshness {
            Freshness::Remembered => facts.get(name, self.context.secrets.version(name).as_ref()),
            Freshness::Confirmed => None,
        }
    }

    /// Reads a Secret. What the API server answers instead is told in status, and what was known is
    /// forgotten by the caller, or the next pass would tell that again without a read; no answer is
    /// an error of this pass.
    async fn read(&self, name: &str) -> Result<Result<Option<Secret>, Refusal>, Error> {
        let object = ObjectName::new("Secret", self.namespace, name);
        if !self.context.secrets.covers(name) {
            let remedy = unnamed_secret(name);
            let message = format!("{object} is not among the operator's Secrets; {remedy}");
            return Ok(Err(Refusal {
                reason: Reason::Forbidden,
                message,
            }));
        }
        let api = requests::secrets(&self.context.client, self.namespace);
        match requests::read(&api, object, name).await {
            Ok(read) => Ok(Ok(read)),
            Err(error) => {
                let remedy = remedy(&error);
                let mut refusal = error.unread().ok_or(error)?;
                if let Some(remedy) = remedy {
                    refusal.message = format!("{}; {remedy}", refusal.message);
                }
                if refusal.reason != Reason::Forbidden {
                    self.failed.store(true, Ordering::Relaxed);
                }
                Ok(Err(refusal))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
    use serde_json::json;

    use super::*;

    fn other(secret: &str) -> Guarded {
        let object = json!({
            "apiVersion": "coturncert.dev/v1alpha1",
            "kind": "CoturnCertificate",
            "metadata": {"name": "other", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"issuer": {"ca": {"secretName": "ca"}}, "secretName": secret},
        });
        DeserializeGuard(Ok(serde_json::from_value(object).unwrap()))
    }

    #[test]
    fn a_resource_that_names_the_same_secret_is_a_rival_of_its_age() {
        let rival = rival(&other("tls"), "tls").unwrap();
        assert_eq!(rival.name, "other");
        assert_eq!(rival.created, "2026-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_resource_that_names_another_secret_is_none() {
        assert_eq!(rival(&other("another"), "tls"), None);
    }

    #[test]
    fn a_resource_that_cannot_be_read_keeps_what_it_has_and_wins_nothing() {
        let unreadable: Guarded = DeserializeGuard(Err(InvalidObject {
            error: "unknown variant".to_owned(),
            metadata: kube::core::ObjectMeta {
                name: Some("other".to_owned()),
                ..Default::default()
            },
        }));
        let rival = rival(&unreadable, "tls").unwrap();
        assert_eq!(
            (rival.name.as_str(), rival.created),
            ("other", Timestamp::MAX)
        );
    }
}
