//! One certificate: from its resource, its authority, its store and its published Secret to the one
//! write that is due.

mod claim;
mod conditions;
mod status;
mod trigger;

use std::collections::BTreeMap;

use api::{AuthorityFacts, CoturnCertificateStatus, Leaf, RolloutStrategy, Trigger, Wanted};
use jiff::{SignedDuration, Timestamp};

pub use claim::Rival;
pub use status::unusable_status;

use crate::{
    Precondition, Refusal, RenewalPolicy, Version,
    publication::{Held, Publication},
    renewal_time,
    rollout::{Mounted, Progress, Workload, assess},
    store::StoreState,
};

/// Everything that is known about a certificate.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource.
    pub resource: Resource,
    /// The CA Secret.
    pub authority: Authority,
    /// The store Secret.
    pub store: Store,
    /// The published Secret.
    pub published: Published,
    /// The resources of the namespace that name the same published Secret, without this one.
    pub rivals: Vec<Rival>,
    /// The workload, if the resource names one.
    pub workload: Option<Workload>,
    /// What failed in this pass.
    pub failed: Option<Obstacle>,
}

/// A `CoturnCertificate`.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// Its revision.
    pub version: Version,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// What it asks for.
    pub wanted: Wanted,
    /// Value of the annotation `coturncert.dev/renew`.
    pub renew: Option<String>,
    /// Its status as stored.
    pub status: CoturnCertificateStatus,
}

/// The CA Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// It may sign.
    Usable(AuthorityFacts),
    /// It is missing, unreadable, or its content may not sign.
    Unusable(Refusal),
}

/// The store Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// It does not exist.
    Absent,
    /// Something else has its name.
    NotAStore,
    /// It could not be read from the API server.
    Unreadable(Refusal),
    /// It exists, but its content is unusable.
    Corrupt(Version),
    /// It holds a pair.
    Present(Box<Stored>),
}

/// A usable store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its revision.
    pub version: Version,
    /// The pair in service.
    pub current: Pair,
    /// The pair before, if it is still usable.
    pub previous: Option<Pair>,
    /// What it remembers.
    pub state: StoreState,
}

/// A pair, by what can be told without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The leaf.
    pub leaf: Leaf,
    /// Whether two Secrets hold the same bytes.
    pub digest: Digest,
}

/// SHA-256 over the bytes of `tls.crt` and `tls.key`, and over those of `ca.crt`, to compare
/// Secrets. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Over the pair.
    pub pair: [u8; 32],
    /// Over the roots.
    pub roots: [u8; 32],
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The published Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It does not exist.
    Absent,
    /// It could not be read from the API server.
    Unreadable(Refusal),
    /// It exists.
    Present(Box<PublishedSecret>),
}

/// A published Secret that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSecret {
    /// Its revision.
    pub version: Version,
    /// The resource that its annotation names.
    pub owner: Option<String>,
    /// The pair that it holds, if it is one.
    pub pair: Option<Pair>,
    /// When `tls.crt` and `tls.key` were written last, by the API server's clock.
    pub written: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Keys of labels and annotations that were set from an earlier template.
    pub template_keys: TemplateKeys,
}

/// Keys that a `secretTemplate` set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateKeys {
    /// Labels.
    pub labels: Vec<String>,
    /// Annotations.
    pub annotations: Vec<String>,
}

/// The one write of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sign a new pair and write it into the store as the one in service.
    Issue {
        /// Why.
        trigger: Trigger,
        /// The store's revision.
        store: Precondition,
    },
    /// Take the pair of the published Secret up into the store.
    Recover {
        /// The published Secret's revision.
        published: Version,
        /// The store's revision.
        store: Precondition,
    },
    /// Record in the store what the published Secret holds.
    Record {
        /// The store's revision.
        store: Version,
        /// What it holds, and from when.
        publication: Publication,
        /// The published Secret's uid.
        published_uid: String,
    },
    /// Write the pair in service into the published Secret.
    Publish {
        /// The store's revision, which the pair is taken from.
        store: Version,
        /// The published Secret's revision.
        secret: Precondition,
        /// What is wrong with it.
        cause: PublishCause,
    },
    /// Write the status.
    WriteStatus(Box<CoturnCertificateStatus>),
}

/// Why the published Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishCause {
    /// It does not exist.
    Missing,
    /// It holds an earlier pair of the operator's.
    Superseded,
    /// It holds something else.
    Overwritten,
    /// Only its labels, annotations or roots differ.
    Metadata,
}

/// What to do for a certificate, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The write, if one is due.
    pub action: Option<Action>,
    /// When time alone may change this plan.
    pub next_check: Timestamp,
}

/// A resource is looked at again at least this often, by the wall clock.
const RESYNC: SignedDuration = SignedDuration::from_hours(1);

/// Decides what to do for a certificate.
#[must_use]
pub fn plan(observed: &Observed, now: Timestamp) -> Plan {
    let decision = decide(observed, now);
    let status = status::of(observed, &decision, now);
    let next_check = next_check(observed, now);
    let action = match decision {
        Decision::Act(action) => Some(action),
        Decision::Wait(_) | Decision::Converged => {
            (status != observed.resource.status).then(|| Action::WriteStatus(Box::new(status)))
        }
    };
    Plan { action, next_check }
}

/// What the Secrets need, the status aside.
enum Decision {
    /// A write.
    Act(Action),
    /// A write that is not possible, and why.
    Wait(Obstacle),
    /// Nothing.
    Converged,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Of what.
    pub step: Step,
    /// Why.
    pub refusal: Refusal,
}

/// The step that cannot be taken; it decides which condition tells so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Signing, and writing the store.
    Issue,
    /// Writing the published Secret.
    Publish,
    /// Any: the user asked for no writes.
    Suspended,
}

fn decide(observed: &Observed, now: Timestamp) -> Decision {
    if observed.resource.wanted.suspend {
        return wait(Step::Suspended, claim::suspended(observed));
    }
    if let Some(obstacle) = &observed.failed {
        return Decision::Wait(obstacle.clone());
    }
    if let Some(refusal) = claim::refusal(observed) {
        return wait(Step::Publish, refusal);
    }
    match &observed.store {
        Store::NotAStore => wait(Step::Issue, claim::store_taken(observed)),
        Store::Unreadable(refusal) => wait(Step::Issue, refusal.clone()),
        Store::Absent => fill(observed, Precondition::Absent, Trigger::DoesNotExist, now),
        Store::Corrupt(version) => fill(
            observed,
            Precondition::At(version.clone()),
            Trigger::Corrupt,
            now,
        ),
        Store::Present(stored) => serve(observed, stored, now),
    }
}

fn wait(step: Step, refusal: Refusal) -> Decision {
    Decision::Wait(Obstacle { step, refusal })
}

/// There is no usable store: take up what is published, or issue.
fn fill(observed: &Observed, store: Precondition, trigger: Trigger, now: Timestamp) -> Decision {
    let published = match &observed.published {
        Published::Present(published) => published,
        Published::Absent | Published::Unreadable(_) => {
            return issue(observed, store, trigger, now);
        }
    };
    match &published.pair {
        Some(pair) if now < pair.leaf.not_after => Decision::Act(Action::Recover {
            published: published.version.clone(),
            store,
        }),
        Some(_) => issue(observed, store, Trigger::Expired, now),
        None => issue(observed, store, Trigger::Corrupt, now),
    }
}

fn issue(observed: &Observed, store: Precondition, trigger: Trigger, now: Timestamp) -> Decision {
    match trigger::obstacle(observed, trigger, now) {
        Some(refusal) => wait(Step::Issue, refusal),
        None => Decision::Act(Action::Issue { trigger, store }),
    }
}

/// There is a store: what it holds is published and recorded, then replaced if its time has come.
fn serve(observed: &Observed, stored: &Stored, now: Timestamp) -> Decision {
    if let Some(action) = publish(observed, stored, now) {
        return Decision::Act(action);
    }
    match trigger::due(observed, stored, now) {
        Some(trigger) => issue(
            observed,
            Precondition::At(stored.version.clone()),
            trigger,
            now,
        ),
        None => Decision::Converged,
    }
}

fn publish(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Action> {
    let Published::Present(published) = &observed.published else {
        return Some(Action::Publish {
            store: stored.version.clone(),
            secret: Precondition::Absent,
            cause: PublishCause::Missing,
        });
    };
    let held = held(published, stored);
    if !is_recorded(published, stored, held) {
        return Some(Action::Record {
            store: stored.version.clone(),
            publication: Publication {
                held,
                from: written(published, stored, now),
            },
            published_uid: published.version.uid.clone(),
        });
    }
    let cause = match held {
        Held::Foreign => PublishCause::Overwritten,
        Held::Leaf(leaf) if leaf != stored.current.leaf.fingerprint => PublishCause::Superseded,
        Held::Leaf(_) if claim::metadata_differs(observed, stored, published) => {
            PublishCause::Metadata
        }
        Held::Leaf(_) => return None,
    };
    Some(Action::Publish {
        store: stored.version.clone(),
        secret: Precondition::At(published.version.clone()),
        cause,
    })
}

/// Whether the store knows what the published Secret holds, and that it is this very object.
fn is_recorded(published: &PublishedSecret, stored: &Stored, held: Held) -> bool {
    stored.state.log.last().map(|last| last.held) == Some(held)
        && stored.state.published_uid.as_deref() == Some(&published.version.uid)
}

/// Since when the published Secret holds what it holds. A writer that clears
/// `metadata.managedFields` hides the time of its write, which cannot lie before the publication
/// recorded last; then the time of the observation stands for it.
fn written(published: &PublishedSecret, stored: &Stored, now: Timestamp) -> Timestamp {
    let recorded = stored.state.log.last().map(|last| last.from);
    match recorded {
        Some(recorded) if published.written < recorded => now.max(recorded),
        Some(_) | None => published.written,
    }
}

/// What the published Secret holds, in the terms of the log: exactly a pair of the store's, or
/// something foreign.
fn held(published: &PublishedSecret, stored: &Stored) -> Held {
    let Some(pair) = &published.pair else {
        return Held::Foreign;
    };
    [Some(&stored.current), stored.previous.as_ref()]
        .into_iter()
        .flatten()
        .find(|known| known.digest.pair == pair.digest.pair)
        .map_or(Held::Foreign, |known| Held::Leaf(known.leaf.fingerprint))
}

impl Action {
    /// The step that this write belongs to; none for the status itself.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Issue { .. } | Self::Recover { .. } | Self::Record { .. } => Some(Step::Issue),
            Self::Publish { .. } => Some(Step::Publish),
            Self::WriteStatus(_) => None,
        }
    }
}

impl Observed {
    /// The store, if it is usable.
    #[must_use]
    pub fn stored(&self) -> Option<&Stored> {
        match &self.store {
            Store::Present(stored) => Some(stored),
            Store::Absent | Store::NotAStore | Store::Unreadable(_) | Store::Corrupt(_) => None,
        }
    }

    /// The certificate as the workload's controller sees it: none before there is one.
    #[must_use]
    pub fn mounted(&self) -> Option<Mounted> {
        let stored = self.stored()?;
        let Published::Present(published) = &self.published else {
            return None;
        };
        let current = stored.current.leaf.fingerprint;
        (held(published, stored) == Held::Leaf(current)).then(|| Mounted {
            certificate: self.resource.name.clone(),
            secret: self.resource.wanted.secret_name.clone(),
            current,
            log: stored.state.log.clone(),
            strategy: self.strategy(),
        })
    }

    /// A suspended resource restarts nothing either.
    fn strategy(&self) -> RolloutStrategy {
        if self.resource.wanted.suspend {
            RolloutStrategy::None
        } else {
            self.resource.wanted.strategy
        }
    }

    /// How far the workload is on the certificate in service.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        Some(assess(self.workload.as_ref()?, &self.mounted()?, now))
    }

    fn renewal_of(&self, leaf: &Leaf) -> Timestamp {
        let policy = RenewalPolicy {
            renew_before: self.resource.wanted.renew_before,
            uid: &self.resource.version.uid,
        };
        renewal_time(leaf.not_before, leaf.not_after, policy)
    }
}

/// The next time at which the clock alone may change the plan, at most an hour away.
fn next_check(observed: &Observed, now: Timestamp) -> Timestamp {
    let leaf = observed.stored().map(|stored| &stored.current.leaf);
    let dates = leaf
        .into_iter()
        .flat_map(|leaf| [observed.renewal_of(leaf), leaf.not_after]);
    let authority = match &observed.authority {
        Authority::Usable(facts) => Some(facts.not_after),
        Authority::Unusable(_) => None,
    };
    let rollout = observed
        .progress(now)
        .and_then(|progress| progress.next_check);
    dates
        .chain(authority)
        .chain(rollout)
        .filter(|time| *time > now)
        .fold(now + RESYNC, Timestamp::min)
}
