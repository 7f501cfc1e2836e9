//! One of several replicas acts: the holder of a Lease. Writes are safe without it (each names the
//! revision it replaces); the Lease keeps replicas from working against each other's reads.
//!
//! As in client-go, another holder's Lease counts as expired once this process has seen it unchanged
//! for the Lease's duration by its own monotonic clock: no two clocks are compared. The holder counts
//! from before its last renewal was sent, so from earlier than anybody else, and stops for good
//! before the others may start.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client};
use tokio::time::Instant;

use crate::{
    error::{Category, Error, ObjectName},
    requests,
};

/// How long a Lease holds without being renewed.
const DURATION: Duration = Duration::from_secs(30);
/// How often it is renewed, or looked at.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long after a renewal that failed the next one is tried.
const RETRY: Duration = Duration::from_secs(2);
/// After this long without a renewal the holder stops acting, before anybody else may start.
const SURRENDER: Duration = Duration::from_secs(20);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(8);

/// This replica's part in the election.
pub struct Candidate {
    api: Api<Lease>,
    namespace: String,
    name: String,
    identity: String,
    seen: Option<(String, Instant)>,
    renewed: Option<Instant>,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This replica holds the Lease.
    Leader,
    /// Another does.
    Standby,
}

impl Candidate {
    /// A candidate for the Lease of this name.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            seen: None,
            renewed: None,
        }
    }

    /// Waits until this replica holds the Lease. `seen` is called after each answer of the server.
    pub async fn acquire(&mut self, mut answered: impl FnMut()) {
        loop {
            match self.attempt().await {
                Ok(Standing::Leader) => return answered(),
                Ok(Standing::Standby) => answered(),
                Err(error) => tracing::warn!(%error, "the Lease could not be read or written"),
            }
            tokio::time::sleep(RENEWAL).await;
        }
    }

    /// Renews the Lease until it is lost, or could not be renewed for too long. Then the caller must
    /// stop acting at once.
    pub async fn hold(&mut self, mut answered: impl FnMut()) {
        let elapsed = SURRENDER.saturating_sub(self.left());
        let mut pause = RENEWAL.saturating_sub(elapsed);
        loop {
            tokio::time::sleep(pause.min(self.left())).await;
            match tokio::time::timeout(self.left(), self.attempt()).await {
                Ok(Ok(Standing::Leader)) => {
                    pause = RENEWAL;
                    answered();
                    continue;
                }
                Ok(Ok(Standing::Standby)) => return,
                Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be renewed"),
                Err(_) => tracing::warn!("the Lease could not be renewed in time"),
            }
            pause = RETRY;
            if self.left().is_zero() {
                return;
            }
        }
    }

    /// How long this replica may still act without a renewal.
    fn left(&self) -> Duration {
        self.renewed.map_or(Duration::ZERO, |renewed| {
            SURRENDER.saturating_sub(renewed.elapsed())
        })
    }

    /// Lets others take over at once.
    pub async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.read().await else {
            return;
        };
        let Some(spec) = lease.spec.as_mut() else {
            return;
        };
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = None;
            if let Err(error) = self.write(&lease).await {
                tracing::debug!(%error, "the Lease was not released");
            }
        }
    }

    async fn attempt(&mut self) -> Result<Standing, Error> {
        let begun = Instant::now();
        let standing = self.stand().await?;
        if standing == Standing::Leader {
            self.renewed = Some(begun);
        }
        Ok(standing)
    }

    async fn stand(&mut self) -> Result<Standing, Error> {
        let Some(lease) = self.read().await? else {
            return self.claim(None).await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder == self.identity || holder.is_empty() || self.has_expired(&lease, &spec) {
            return self.claim(Some(&lease)).await;
        }
        Ok(Standing::Standby)
    }

    fn has_expired(&mut self, lease: &Lease, spec: &LeaseSpec) -> bool {
        let revision = lease.metadata.resource_version.clone().unwrap_or_default();
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        match &self.seen {
            Some((seen, since)) if *seen == revision => since.elapsed() >= duration,
            Some(_) | None => {
                self.seen = Some((revision, Instant::now()));
                false
            }
        }
    }

    async fn claim(&self, before: Option<&Lease>) -> Result<Standing, Error> {
        let now = MicroTime(Timestamp::now());
        let spec = before
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let continued = spec.holder_identity.as_deref() == Some(&self.identity);
        let transitions = spec.lease_transitions.unwrap_or_default();
        let lease = Lease {
            metadata: before.map_or_else(|| self.metadata(), |lease| lease.metadata.clone()),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if continued {
                    spec.acquire_time.clone()
                } else {
                    Some(now.clone())
                },
                renew_time: Some(now),
                lease_transitions: Some(if continued {
                    transitions
                } else {
                    transitions + 1
                }),
                ..spec
            }),
        };
        let written = if before.is_some() {
            self.write(&lease).await
        } else {
            self.create(&lease).await
        };
        match written {
            Ok(()) => Ok(Standing::Leader),
            Err(error) if error.category() == Category::Stale => Ok(Standing::Standby),
            Err(error) => Err(error),
        }
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        }
    }

    fn object(&self) -> ObjectName {
        ObjectName::new("Lease", &self.namespace, &self.name)
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        self.in_time(requests::read(&self.api, self.object(), &self.name))
            .await
    }

    async fn create(&self, lease: &Lease) -> Result<(), Error> {
        self.in_time(requests::create(&self.api, self.object(), lease))
            .await
            .map(drop)
    }

    async fn write(&self, lease: &Lease) -> Result<(), Error> {
        let manager = api::names::FIELD_MANAGER;
        self.in_time(requests::replace(
            &self.api,
            self.object(),
            &self.name,
            lease,
            manager,
        ))
        .await
        .map(drop)
    }

    async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::time::timeout(REQUEST, request)
            .await
            .unwrap_or_else(|_| {
                Err(Error::Deadline {
                    object: self.object(),
                    seconds: REQUEST.as_secs(),
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        // Nothing is asked of the server here.
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        Candidate::new(Client::try_from(config).unwrap(), "wire", "lease", "this")
    }

    fn lease(revision: &str, seconds: i32) -> (Lease, LeaseSpec) {
        let spec = LeaseSpec {
            holder_identity: Some("other".to_owned()),
            lease_duration_seconds: Some(seconds),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            resource_version: Some(revision.to_owned()),
            ..ObjectMeta::default()
        };
        let lease = Lease {
            metadata,
            spec: Some(spec.clone()),
        };
        (lease, spec)
    }

    /// Whether the Lease has expired for a candidate that saw revision 1 that long ago.
    fn has_expired(revision: &str, seconds: i32, seen_ago: Duration) -> bool {
        let mut candidate = candidate();
        candidate.seen = Some((
            "1".to_owned(),
            Instant::now().checked_sub(seen_ago).unwrap(),
        ));
        let (lease, spec) = lease(revision, seconds);
        candidate.has_expired(&lease, &spec)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_seen_for_the_first_time_is_not_expired_whatever_its_times_say() {
        let (lease, spec) = lease("1", 0);
        assert!(!candidate().has_expired(&lease, &spec));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_does_not_change_for_its_duration_is_expired() {
        assert!(!has_expired("1", 30, Duration::from_secs(29)));
        assert!(has_expired("1", 30, Duration::from_secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_renewed_is_not_expired() {
        assert!(!has_expired("2", 30, Duration::from_mins(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_without_a_sensible_duration_is_held_to_our_own() {
        assert!(!has_expired("1", -1, Duration::from_secs(29)));
        assert!(has_expired("1", -1, DURATION));
    }

    /// The holder's passes are dropped at its surrender. What may still run is a request that was
    /// sent already: it has the time of one to reach the API server.
    #[test]
    fn the_holder_stops_before_anybody_else_may_start() {
        assert!(SURRENDER + REQUEST < DURATION);
        assert!(RENEWAL + RETRY < SURRENDER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_cannot_be_renewed_is_surrendered_in_time() {
        let mut candidate = candidate();
        for age in [Duration::ZERO, Duration::from_secs(15), SURRENDER] {
            let renewed = Instant::now().checked_sub(age).unwrap();
            candidate.renewed = Some(renewed);
            candidate.hold(|| panic!("nobody answers")).await;
            let stopped = renewed.elapsed();
            assert!(stopped >= SURRENDER && stopped < SURRENDER + Duration::from_secs(1));
        }
    }
}
