//! What must hold in the end, whatever befell the operator.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use api::{CoturnCertificate, names};
use e2e::{
    fixtures,
    proxy::{Mark, Proxy},
    wait,
};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition,
};

use super::{
    run::Disturbance,
    scenario::{Pair, Restarted, Scenario, Times, Written},
    workload::State,
};
use crate::scene::{Scene, published_of};

/// An operator that asks for nothing for so long writes nothing more.
const QUIET: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(250);

type Data = Option<BTreeMap<String, ByteString>>;

/// The world before anything is done to it.
pub struct Before {
    issued: BTreeSet<String>,
    workload: State,
    published: Data,
}

/// What the world is to become.
pub struct Expectation<'a> {
    before: Before,
    scenario: &'a Scenario,
    disturbance: &'a Disturbance,
    what: &'a str,
}

/// Who writes.
pub struct Writers<'a> {
    /// The proxy of the operator that runs.
    pub acting: &'a Proxy,
    /// That of the one that was killed.
    pub killed: Option<Proxy>,
}

impl Writers<'_> {
    /// What was under way when one was killed is counted once it is done.
    fn writes(&self) -> Vec<Mark> {
        let mut writes = self.acting.writes();
        writes.extend(self.killed.iter().flat_map(Proxy::writes));
        writes
    }
}

impl Before {
    pub async fn of(scenario: &Scenario, scene: &Scene) -> Self {
        Self {
            issued: scene.issued().await,
            workload: State::of(scene, scenario.setting.workload).await,
            published: scene.world.published().await,
        }
    }

    pub fn expecting<'a>(
        self,
        scenario: &'a Scenario,
        disturbance: &'a Disturbance,
        what: &'a str,
    ) -> Expectation<'a> {
        Expectation {
            before: self,
            scenario,
            disturbance,
            what,
        }
    }
}

impl Expectation<'_> {
    /// Waits until the world is as it is to be, and the operator at rest.
    pub async fn until_met(&self, scene: &Scene, writers: &Writers<'_>) {
        let started = Instant::now();
        loop {
            let unmet = match self.unfinished(writers) {
                Some(unfinished) => Some(unfinished),
                None => self.unmet(scene).await,
            };
            let Some(unmet) = unmet else {
                return;
            };
            assert!(
                started.elapsed() < wait::DEADLINE,
                "{}: {unmet} after {:?}",
                self.what,
                writers.writes(),
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// What the operator that runs has still to do. Where the world looks as it did before, nothing
    /// but its requests tells that it has looked.
    fn unfinished(&self, writers: &Writers<'_>) -> Option<String> {
        if let Some(secret) = self.unread(writers.acting) {
            return Some(format!("Secret {secret} is still to be read"));
        }
        if let Some(object) = self.unwritten(&writers.writes()) {
            return Some(format!("{object} is still to be written"));
        }
        let is_at_rest = writers.acting.is_calm_for(QUIET);
        (!is_at_rest).then(|| "the operator is not yet at rest".to_owned())
    }

    fn unread(&self, proxy: &Proxy) -> Option<String> {
        let certificates = self.scenario.setting.certificates.iter();
        certificates
            .flat_map(|name| [names::store_secret(name), published_of(name).to_owned()])
            .find(|secret| !proxy.has_read(&format!("secrets/{secret}")))
    }

    fn unwritten(&self, writes: &[Mark]) -> Option<&str> {
        let times = self.times(writes);
        let mut expected = self.expected();
        let unwritten = expected.find(|written| {
            let (Times::Exactly(least) | Times::AtLeast(least)) = written.times;
            times.get(written.object).is_none_or(|found| *found < least)
        });
        Some(unwritten?.object)
    }

    /// What is not yet as it is to be.
    async fn unmet(&self, scene: &Scene) -> Option<String> {
        for name in self.scenario.setting.certificates {
            if let Some(unmet) = self.unmet_of(scene, name).await {
                return Some(format!("{name}: {unmet}"));
            }
        }
        if self.issued(scene).await < self.scenario.end.certificates {
            return Some("a certificate is still to be issued".to_owned());
        }
        let workload = State::of(scene, self.scenario.setting.workload).await;
        if self.changes(&workload) < self.scenario.end.changes {
            return Some("the workload is still to be stamped".to_owned());
        }
        if self.restarted(&workload) < self.to_be_restarted() {
            return Some("pods are still to be restarted".to_owned());
        }
        workload.unsettled.map(str::to_owned)
    }

    async fn unmet_of(&self, scene: &Scene, name: &str) -> Option<String> {
        let resource = scene.world.api::<CoturnCertificate>().get(name).await;
        let told = told(&resource.expect("the resource"));
        let is_strangers = self.scenario.end.pair == Pair::Strangers;
        let is_met = told.as_ref().is_some_and(|[ready, rolled_out]| {
            let mut expected = self.scenario.end.ready.iter();
            expected.any(|it| {
                *it == (&ready.status, &ready.reason)
                    && (ready.status == rolled_out.status || is_strangers)
            })
        });
        if !is_met {
            return Some(format!("it tells {told:?}"));
        }
        if is_strangers {
            return None;
        }
        let store = scene.world.secret(&names::store_secret(name)).await;
        let published = scene.world.secret(published_of(name)).await;
        store
            .zip(published)
            .is_none_or(|(store, published)| !is_published(&store, &published))
            .then(|| "what is in service is not published".to_owned())
    }

    /// Stops the test unless the end is the one that was to come, and came in the way it should.
    pub async fn judge(&self, scene: &Scene, writers: &Writers<'_>) {
        self.judge_writes(&writers.writes());
        self.judge_certificates(scene).await;
        self.judge_pair(scene).await;
        self.judge_workload(scene).await;
        for watched in scene.watched() {
            // Whoever else writes there in a scenario, writes a pair as well.
            watched.published.assert_only_matching_pairs_of_anybody();
            watched
                .store
                .assert_only_pairs("current.crt", "current.key");
        }
        scene.world.assert_no_key_in(&scene.log()).await;
    }

    /// The same writes in each run, none of them twice.
    fn judge_writes(&self, writes: &[Mark]) {
        let mut times = self.times(writes);
        for written in self.expected() {
            let found = times.remove(written.object).unwrap_or_default();
            let admitted = written.times.admits(found);
            assert!(admitted, "{}: {} {writes:?}", self.what, written.object);
        }
        assert!(times.is_empty(), "{}: {times:?} too", self.what);
    }

    fn expected(&self) -> impl Iterator<Item = &Written> {
        let expected = self.scenario.writes.iter();
        expected.filter(|written| self.counts(written.object))
    }

    /// How often each object was written.
    fn times<'w>(&self, writes: &'w [Mark]) -> BTreeMap<&'w str, usize> {
        let mut times = BTreeMap::new();
        for object in writes.iter().map(|write| write.object.as_str()) {
            if self.counts(object) {
                *times.entry(object).or_default() += 1;
            }
        }
        times
    }

    /// How often the status is written depends on what the operator lived to see.
    fn counts(&self, object: &str) -> bool {
        match self.disturbance {
            Disturbance::None => true,
            Disturbance::KilledAfter(_) | Disturbance::ReplyLost(_) => !object.ends_with("/status"),
        }
    }

    async fn judge_certificates(&self, scene: &Scene) {
        let issued = self.issued(scene).await;
        assert_eq!(issued, self.scenario.end.certificates, "{}", self.what);
    }

    async fn issued(&self, scene: &Scene) -> usize {
        let issued = scene.issued().await;
        issued.difference(&self.before.issued).count()
    }

    fn changes(&self, after: &State) -> i64 {
        after.generation - self.before.workload.generation
    }

    fn restarted(&self, after: &State) -> usize {
        self.before.workload.pods.difference(&after.pods).count()
    }

    fn to_be_restarted(&self) -> usize {
        match self.scenario.end.restarted {
            Restarted::All => self.before.workload.pods.len(),
            Restarted::Only(pods) => pods,
        }
    }

    async fn judge_pair(&self, scene: &Scene) {
        let after = scene.world.published().await;
        let before = &self.before.published;
        let certificate = |data: &Data| data.as_ref().map(|it| it[names::TLS_CRT].clone());
        match self.scenario.end.pair {
            Pair::Kept => assert_eq!(&after, before, "{}", self.what),
            Pair::OnlyRoots => {
                assert_eq!(certificate(&after), certificate(before), "{}", self.what);
                assert!(after.unwrap().contains_key(names::CA_CRT), "{}", self.what);
            }
            Pair::Another => {
                assert_ne!(certificate(&after), certificate(before), "{}", self.what);
            }
            Pair::PutBack | Pair::Strangers => {
                let put_there = scene.kept(fixtures::PUBLISHED).data;
                assert_eq!(after, put_there, "{}", self.what);
            }
        }
    }

    async fn judge_workload(&self, scene: &Scene) {
        let after = State::of(scene, self.scenario.setting.workload).await;
        let (changes, end) = (self.changes(&after), &self.scenario.end);
        assert_eq!(changes, end.changes, "{}: {after:?}", self.what);
        let (restarted, to_be) = (self.restarted(&after), self.to_be_restarted());
        assert_eq!(restarted, to_be, "{}: {after:?}", self.what);
    }
}

/// Ready and RolledOut, if they are those of the newest generation.
fn told(resource: &CoturnCertificate) -> Option<[Condition; 2]> {
    let conditions = &resource.status.as_ref()?.conditions;
    let of = |kind: &str| {
        let mut found = conditions
            .iter()
            .filter(|condition| condition.type_ == kind);
        let newest = resource.metadata.generation;
        found
            .find(|condition| condition.observed_generation == newest)
            .cloned()
    };
    Some([of("Ready")?, of("RolledOut")?])
}

/// Whether both halves of the pair in service are what is published.
fn is_published(store: &Secret, published: &Secret) -> bool {
    let halves = [
        ("current.crt", names::TLS_CRT),
        ("current.key", names::TLS_KEY),
    ];
    halves.into_iter().all(|(stored, shown)| {
        let in_service = value(store, stored);
        in_service.is_some() && in_service == value(published, shown)
    })
}

fn value<'a>(secret: &'a Secret, key: &str) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(key)
}
