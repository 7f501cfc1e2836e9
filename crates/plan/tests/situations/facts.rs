//! What the model's API server holds: small values that are told apart quickly, and what `plan` is
//! told of them.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

use api::CoturnCertificateStatus;
use jiff::{SignedDuration, Timestamp};
use model::{Content, Identity, Object};
use plan::{
    Version,
    certificate::{self, Published, PublishedSecret, Store, Stored},
    store::StoreState,
};
use serde::Serialize;

use crate::support;

/// The first second of day 0.
const EPOCH: i64 = 1_800_000_000;
/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// Days that a certificate is valid for, as `Case::fresh` asks for it.
pub const DURATION: i64 = 365;

/// Which certificate.
pub type Certificate = usize;
/// A leaf of the operator's, by the order in which they were stored.
pub type Leaf = u8;

/// Which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    Resource(Certificate),
    Store(Certificate),
    Published(Certificate),
    Workload,
}

/// A certificate with the key that matches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pair {
    /// Of the operator's.
    Ours(Leaf),
    /// Of somebody else's.
    Foreign,
    /// That which the chart puts into the Secret.
    Chart,
}

/// What an object holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    Resource(Resource),
    Store(StoreThing),
    Published(PublishedThing),
    Workload(WorkloadThing),
}

impl Content for Thing {
    fn may_become(&self, _next: &Self) -> bool {
        true
    }

    fn takes_any_revision(&self) -> bool {
        !matches!(self, Self::Resource(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    pub renew: Option<u8>,
    /// The leaf that somebody asks to be put back into service.
    pub rollback_to: Option<Leaf>,
    pub status: Sealed<CoturnCertificateStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreThing {
    Corrupt,
    Good {
        current: Pair,
        previous: Option<Pair>,
        state: Sealed<StoreState>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublishedThing {
    /// Whether its annotation names the certificate.
    pub claimed: bool,
    /// None: something that is no pair.
    pub pair: Option<Pair>,
    /// The operator's mark.
    pub mark: Option<Leaf>,
    /// Whether its label names the operator.
    pub labelled: bool,
    /// When the pair was written.
    pub written: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadThing {
    /// Leaf of each certificate that the pod template is annotated with.
    pub template: Vec<Option<Leaf>>,
    /// The same of the template that its controller has seen.
    pub seen_template: Vec<Option<Leaf>>,
    /// Whether its controller has seen the last change.
    pub observed: bool,
    /// When it was changed.
    pub changed: i64,
}

/// A value with the digest of its encoding and the marks in it, so that it is encoded once and compared
/// quickly.
#[derive(Clone, Debug)]
pub struct Sealed<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    digest: u128,
    marks: Vec<Known>,
    value: T,
}

/// A time, or the uid of an object, within a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Time(i64),
    Uid(u32),
}

/// A value whose marks can be renamed.
pub trait Marked: Clone + Serialize {
    /// The same value with each mark renamed, in a fixed order.
    fn renamed(&self, rename: &mut dyn FnMut(Known) -> Known) -> Self;
}

impl<T: Marked> Sealed<T> {
    pub fn new(value: T) -> Self {
        let encoded = serde_json::to_vec(&value).unwrap();
        let mut marks = Vec::new();
        drop(value.renamed(&mut |mark| {
            marks.push(mark);
            mark
        }));
        Self(Arc::new(Inner {
            digest: digest(&encoded),
            marks,
            value,
        }))
    }

    pub fn rename(&mut self, rename: &mut dyn FnMut(Known) -> Known) {
        let renamed: Vec<_> = self.0.marks.iter().map(|mark| rename(*mark)).collect();
        if renamed != self.0.marks {
            let mut next = renamed.into_iter();
            *self = Self::new(self.renamed(&mut |_| next.next().unwrap()));
        }
    }
}

impl<T> Deref for Sealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> Hash for Sealed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.digest.hash(state);
    }
}

/// 128 bits, so that two values with one digest are not to be expected.
pub fn digest(value: &impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        value.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(EPOCH + second).unwrap()
}

pub fn second(time: Timestamp) -> i64 {
    time.as_second() - EPOCH
}

pub fn version(identity: Identity) -> Version {
    Version {
        uid: uid(identity.uid),
        resource_version: identity.revision.to_string(),
    }
}

pub fn uid(number: u32) -> String {
    format!("uid-{number}")
}

pub fn uid_number(uid: &str) -> Option<u32> {
    uid.strip_prefix("uid-")?.parse().ok()
}

/// The uid of a pod: no two of one name are created at one time.
pub fn pod_uid(ordinal: usize, created: i64) -> String {
    format!("pod-{ordinal} of {created}")
}

/// The name in a pod's uid, and when it was created.
pub fn of_pod_uid(uid: &str) -> Option<(&str, i64)> {
    let (name, created) = uid.split_once(" of ")?;
    Some((name, created.parse().ok()?))
}

pub fn identity(version: &Version) -> Identity {
    Identity {
        uid: uid_number(&version.uid).unwrap(),
        revision: version.resource_version.parse().unwrap(),
    }
}

/// Days on which leaves were signed, by the signer's clock.
pub type Days = Vec<i64>;

/// The first second that a leaf is valid no more.
pub fn end_of(leaf: Leaf, days: &Days) -> i64 {
    // Of two that were signed on one day the second is the later one.
    (days[usize::from(leaf) - 1] + DURATION) * DAY + i64::from(leaf)
}

impl Pair {
    pub fn facts(self, days: &Days) -> certificate::Pair {
        match self {
            Self::Ours(leaf) => {
                let end = at(end_of(leaf, days));
                let start = end - SignedDuration::from_secs(DURATION * DAY + 300);
                support::pair(u32::from(leaf), start, end)
            }
            Self::Foreign => support::foreign(),
            Self::Chart => support::pair(777, at(-DAY), at(3650 * DAY)),
        }
    }
}

pub fn store(object: Option<&Object<Thing>>, days: &Days) -> Store {
    let Some(object) = object else {
        return Store::Absent;
    };
    let version = version(object.identity);
    match &object.content {
        Thing::Store(StoreThing::Good {
            current,
            previous,
            state,
        }) => Store::Present(Box::new(Stored {
            version,
            current: current.facts(days),
            previous: previous.map(|pair| pair.facts(days)),
            state: (**state).clone(),
        })),
        Thing::Store(StoreThing::Corrupt) => Store::Corrupt(version),
        Thing::Resource(_) | Thing::Published(_) | Thing::Workload(_) => Store::NotAStore,
    }
}

pub fn published(object: Option<&Object<Thing>>, owner: &str, days: &Days) -> Published {
    let Some((thing, identity)) = object.and_then(|it| Some((it.published()?, it.identity))) else {
        return Published::Absent;
    };
    let pair = thing.pair.map(|pair| pair.facts(days));
    let template = support::published(pair, at(thing.written));
    let mut annotations = template.annotations.clone();
    annotations.clear();
    if thing.claimed {
        annotations.insert(api::names::CERTIFICATE_NAME.to_owned(), owner.to_owned());
    }
    if let Some(leaf) = thing.mark {
        let mark = support::fingerprint(u32::from(leaf)).to_string();
        annotations.insert(api::names::WRITTEN_FINGERPRINT.to_owned(), mark);
    }
    let mut labels = template.labels.clone();
    labels.retain(|_, _| thing.labelled);
    support::present(PublishedSecret {
        version: version(identity),
        owner: thing.claimed.then(|| owner.to_owned()),
        annotations,
        labels,
        ..template
    })
}

/// What is asked of an object of a known kind.
pub trait Kinds {
    fn resource(&self) -> Option<&Resource>;
    fn published(&self) -> Option<&PublishedThing>;
    fn workload(&self) -> Option<&WorkloadThing>;
    fn store(&self) -> Option<&StoreThing>;
}

impl Kinds for Object<Thing> {
    fn resource(&self) -> Option<&Resource> {
        match &self.content {
            Thing::Resource(resource) => Some(resource),
            Thing::Store(_) | Thing::Published(_) | Thing::Workload(_) => None,
        }
    }

    fn published(&self) -> Option<&PublishedThing> {
        match &self.content {
            Thing::Published(published) => Some(published),
            Thing::Store(_) | Thing::Resource(_) | Thing::Workload(_) => None,
        }
    }

    fn workload(&self) -> Option<&WorkloadThing> {
        match &self.content {
            Thing::Workload(workload) => Some(workload),
            Thing::Store(_) | Thing::Published(_) | Thing::Resource(_) => None,
        }
    }

    fn store(&self) -> Option<&StoreThing> {
        match &self.content {
            Thing::Store(store) => Some(store),
            Thing::Resource(_) | Thing::Published(_) | Thing::Workload(_) => None,
        }
    }
}
