//! Worlds in a few lines: a certificate with everything in place, or nothing, and what is changed
//! of it.

mod cluster;
mod hands;
mod scaling;
mod surge;
mod taking_back;
mod workload;
mod writes;

use std::collections::BTreeMap;

use api::{
    AuthorityFacts, CommonName, Content, CoturnCertificateStatus, Coverage, Fingerprint, Issuer,
    KeyKind, Leaf, Reason, RolloutStrategy, SecretAdoptionPolicy, SecretTemplate, SerialNumber,
    Signer, Subject, Usage, Wanted, names,
};
use jiff::{SignedDuration, Timestamp};
use plan::{
    Precondition, Refusal, Version,
    certificate::{
        Action, Authority, Digest, Observed, Pair, Plan, Published, PublishedSecret, Resource,
        Store, Stored, TemplateKeys, plan,
    },
    publication::{Held, Publication, PublicationLog},
    store::{Asked, Issuance, Root, StoreState},
};

pub use cluster::Cluster;
pub use workload::{Sts, done, draining, terminating, waiting, workload};

/// The time at which tests look, whole seconds.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub const fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

pub const fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// When the pair in service of [`Case::converged`] was published.
pub fn published_at() -> Timestamp {
    now() - hours(10)
}

pub fn fingerprint(number: u32) -> Fingerprint {
    Fingerprint::from_digest(bytes(number))
}

fn bytes(number: u32) -> [u8; 32] {
    let mut bytes = [0x5c; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub fn version(name: &str, revision: u64) -> Version {
    Version {
        uid: name.to_owned(),
        resource_version: revision.to_string(),
    }
}

pub fn content() -> Content {
    Content {
        dns_names: ["coturn.example.com".to_owned()].into(),
        ip_addresses: [].into(),
        common_name: Some("coturn.example.com".to_owned()),
        subject: Subject::default(),
        usages: Usage::DEFAULT.into(),
        key: KeyKind::EcdsaP256,
    }
}

/// What a certificate as wanted is good for.
pub fn coverage() -> Coverage {
    let content = content();
    Coverage {
        dns_names: content.dns_names,
        ip_addresses: content.ip_addresses,
        usages: content.usages,
        key: Some(content.key),
    }
}

/// A pair as wanted, told apart by its number.
pub fn pair(number: u32, not_before: Timestamp, not_after: Timestamp) -> Pair {
    Pair {
        leaf: Leaf {
            fingerprint: fingerprint(number),
            serial: SerialNumber::from_octets(&number.to_be_bytes()),
            issuer: "CN=CA".to_owned(),
            signer: Signer::Another,
            not_before,
            not_after,
            content: Some(content()),
            coverage: Some(coverage()),
            key_algorithm: "ECDSA-256".to_owned(),
        },
        digest: Digest {
            pair: bytes(number),
            roots: bytes(0),
        },
    }
}

/// The pair in service of [`Case::converged`]: a year long, ten hours old.
pub fn current() -> Pair {
    pair(1, published_at(), published_at() + hours(8760))
}

/// The pair that was in service before.
pub fn previous() -> Pair {
    pair(9, now() - hours(8000), now() + hours(700))
}

/// A pair of somebody else's.
pub fn foreign() -> Pair {
    let mut foreign = pair(666, now() - hours(1), now() + hours(800));
    foreign.leaf.content = None;
    foreign
}

pub fn root(number: u32) -> Root {
    Root {
        certificate: fingerprint(1000 + number),
        anchor: fingerprint(2000 + number),
    }
}

/// The root that the leaf chains to.
pub fn root_of(leaf: &Leaf) -> Root {
    match leaf.signer {
        Signer::Another => root(1),
        Signer::Itself => Root {
            certificate: leaf.fingerprint,
            anchor: leaf.fingerprint,
        },
    }
}

pub fn authority(number: u32) -> AuthorityFacts {
    AuthorityFacts {
        subject: "CN=CA".to_owned(),
        fingerprint: root(number).certificate,
        root_fingerprint: root(number).certificate,
        root_anchor: root(number).anchor,
        not_before: now() - hours(87_600),
        not_after: now() + hours(87_600),
    }
}

/// The resource asks for a self-signed certificate.
pub fn sign_itself(observed: &mut Observed) {
    observed.resource.wanted.issuer = Issuer::SelfSigned;
    observed.authority = Authority::Itself;
}

pub fn refusal(reason: Reason) -> Refusal {
    Refusal {
        reason,
        message: "put a renewed CA there".to_owned(),
    }
}

fn wanted() -> Wanted {
    Wanted {
        issuer: Issuer::Ca {
            secret: "coturn-ca".to_owned(),
        },
        content: content(),
        ordinals: None,
        common_name: CommonName::Specified,
        duration: hours(8760),
        renew_before: hours(720),
        secret_name: "tls".to_owned(),
        secret_template: SecretTemplate::default(),
        adoption: SecretAdoptionPolicy::Never,
        workload: None,
        strategy: RolloutStrategy::RollingRestart,
        on_failure: api::OnFailure::Rollback,
        verifying: api::Verifying::default(),
        suspend: false,
    }
}

fn annotations(pair: Option<&Pair>) -> BTreeMap<String, String> {
    let owner = (names::CERTIFICATE_NAME.to_owned(), "coturn".to_owned());
    let mark = pair.map(|pair| {
        let leaf = pair.leaf.fingerprint.to_string();
        (names::WRITTEN_FINGERPRINT.to_owned(), leaf)
    });
    [owner].into_iter().chain(mark).collect()
}

/// A published Secret as the operator writes it.
pub fn published(pair: Option<Pair>, written: Timestamp) -> PublishedSecret {
    PublishedSecret {
        version: version("published", 1),
        owner: Some("coturn".to_owned()),
        annotations: annotations(pair.as_ref()),
        root: pair.as_ref().map(|pair| root_of(&pair.leaf)),
        pair,
        written,
        created: written,
        secret_type: names::TLS_SECRET_TYPE.to_owned(),
        controller: None,
        applier: None,
        last_writer: None,
        lacks_a_key: false,
        operator_wrote: None,
        immutable: false,
        labels: BTreeMap::from([(
            names::MANAGED_BY_LABEL.to_owned(),
            names::FIELD_MANAGER.to_owned(),
        )]),
        template_keys: TemplateKeys::default(),
    }
}

/// The pair before was published first, and that in service from then on.
pub fn log_since(from: Timestamp) -> PublicationLog {
    let before = previous().leaf;
    let first = Publication {
        held: Held::Leaf(before.fingerprint),
        from: before.not_before,
    };
    PublicationLog::starting_with(first).with(Publication {
        held: Held::Leaf(current().leaf.fingerprint),
        from,
    })
}

/// A store whose pair in service was published and recorded.
pub fn stored() -> Stored {
    let current = current();
    Stored {
        version: version("store", 1),
        previous: Some(previous()),
        state: StoreState {
            log: log_since(published_at()),
            published_name: Some("tls".to_owned()),
            published_uid: Some("published".to_owned()),
            history: vec![Issuance {
                time: published_at(),
                what: api::HistoryEvent::Issued,
                trigger: Some(api::Trigger::DoesNotExist),
                serial: current.leaf.serial.clone(),
            }],
            ..StoreState::unknown(Some(root(1)), Asked::default())
        },
        current,
    }
}

/// What is observed of one certificate.
#[derive(Clone)]
pub struct Case(pub Observed);

impl Case {
    /// A resource and its CA; nothing was written yet.
    pub fn fresh() -> Self {
        Self(Observed {
            resource: Resource {
                name: "coturn".to_owned(),
                namespace: "wire".to_owned(),
                version: version("coturn", 1),
                generation: 1,
                created: now() - hours(11),
                wanted: wanted(),
                renew: None,
                rollback_to: None,
                status: CoturnCertificateStatus::default(),
            },
            authority: Authority::Usable(authority(1)),
            store: Store::Absent,
            published: Published::Absent,
            rivals: Vec::new(),
            workload: None,
            contest: None,
            proofs: plan::rollout::Proofs::default(),
            answers: plan::partner::Answers::new(),
            failed: None,
            clock_ahead: None,
        })
    }

    /// Everything is in place, and the status says so.
    pub fn converged() -> Self {
        let mut case = Self::fresh();
        case.0.store = Store::Present(Box::new(stored()));
        case.0.published = present(published(Some(current()), published_at()));
        case.reported()
    }

    pub fn with(mut self, change: impl FnOnce(&mut Observed)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn with_store(self, change: impl FnOnce(&mut Stored)) -> Self {
        self.with(|observed| match &mut observed.store {
            Store::Present(stored) => change(stored),
            other => panic!("no store, but {other:?}"),
        })
    }

    pub fn with_published(self, change: impl FnOnce(&mut PublishedSecret)) -> Self {
        self.with(|observed| match &mut observed.published {
            Published::Present(published) => change(published),
            other => panic!("no published Secret, but {other:?}"),
        })
    }

    /// Names a workload of this shape.
    pub fn with_workload(self, sts: Sts) -> Self {
        self.with(|observed| {
            observed.resource.wanted.workload = Some(workload());
            observed.workload = Some(sts.observed());
            // That all pods were on the certificate was told of others.
            if let Some(told) = &mut observed.resource.status.rollout {
                told.completed_at = None;
            }
        })
    }

    /// The status is written, as far as it differs.
    pub fn reported(mut self) -> Self {
        self.0.resource.status = self.status();
        self
    }

    /// The status as the plan wants it, also where it is stored already.
    pub fn status(&self) -> CoturnCertificateStatus {
        match self.plan().action {
            Some(Action::WriteStatus(status)) => *status,
            None => self.0.resource.status.clone(),
            Some(other) => panic!("not the status is due, but {other:?}"),
        }
    }

    pub fn plan(&self) -> Plan {
        plan(&self.0, now())
    }

    pub fn action(&self) -> Option<Action> {
        self.plan().action
    }

    /// Why a new certificate is issued, if that is what is due.
    pub fn issues(&self) -> Option<api::Trigger> {
        match self.action() {
            Some(Action::Issue { trigger, .. }) => Some(trigger),
            _ => None,
        }
    }

    /// A condition of the status that the plan wants: `True Ready`.
    pub fn condition(&self, kind: &str) -> String {
        let condition = self.find(kind);
        format!("{} {}", condition.status, condition.reason)
    }

    pub fn message(&self, kind: &str) -> String {
        self.find(kind).message
    }

    fn find(&self, kind: &str) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
        let conditions = self.status().conditions;
        conditions.into_iter().find(|it| it.type_ == kind).unwrap()
    }
}

pub fn present(published: PublishedSecret) -> Published {
    Published::Present(Box::new(published))
}

pub fn at(name: &str) -> Precondition {
    Precondition::At(version(name, 1))
}
