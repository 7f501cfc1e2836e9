//! What is left of the store and of the published Secret decides what stays in service: the store
//! wins, a newer pair of the operator's before an older one, and only where neither is of use a new
//! certificate is issued.

use api::Fingerprint;
use plan::{
    certificate::{Observed, Published, PublishedSecret, Store, Stored},
    rollout::Stage,
};
use rstest::rstest;

use crate::support::{Case, Cluster, Sts, foreign, minutes, present};

/// What became of one of the two Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It was deleted.
    Absent,
    /// It is as it was.
    Valid,
    /// Its content is unusable.
    Corrupt,
    /// A backup of before the last renewal was put back.
    Older,
    /// It is as it was, and its resource was deleted and created again.
    Orphan,
}

/// What is in service in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InService {
    /// The certificate of before the renewal. Pods that started with the lost one are not judged.
    First,
    /// The certificate of the renewal, without any restart.
    Second,
    /// A new one, on every pod.
    New,
}

/// Three pods on the second certificate, with the Secrets of that time and of the first.
struct History {
    cluster: Cluster,
    first: Observed,
}

impl History {
    fn of_a_renewal() -> Self {
        let case = Case::fresh().with_workload(Sts::of(3));
        let mut cluster = Cluster::of(case);
        assert!(cluster.rests_within(60));
        let first = cluster.truth.clone();
        cluster.clock += minutes(60);
        cluster.truth.resource.renew = Some("once".to_owned());
        assert!(cluster.rests_within(60));
        cluster.clock += minutes(60);
        Self { cluster, first }
    }

    fn leave(&mut self, store: Left, published: Left) {
        let clock = self.cluster.clock;
        let truth = &mut self.cluster.truth;
        if [store, published].contains(&Left::Orphan) {
            "born again".clone_into(&mut truth.resource.version.uid);
            truth.resource.status = api::CoturnCertificateStatus::default();
            truth.resource.renew = None;
        }
        match store {
            Left::Valid | Left::Orphan => {}
            Left::Absent => truth.store = Store::Absent,
            Left::Corrupt => truth.store = Store::Corrupt(stored(truth).version.clone()),
            Left::Older => {
                let version = stored(truth).version.clone();
                let older = stored(&self.first).clone();
                truth.store = Store::Present(Box::new(Stored { version, ..older }));
            }
        }
        match published {
            Left::Valid | Left::Orphan => {}
            Left::Absent => truth.published = Published::Absent,
            Left::Corrupt => {
                truth.published = present(PublishedSecret {
                    pair: None,
                    written: clock,
                    ..secret(truth).clone()
                });
            }
            Left::Older => {
                truth.published = present(PublishedSecret {
                    version: secret(truth).version.clone(),
                    written: clock,
                    ..secret(&self.first).clone()
                });
            }
        }
        self.cluster.clock += minutes(5);
    }
}

fn stored(observed: &Observed) -> &Stored {
    observed.stored().unwrap()
}

fn secret(observed: &Observed) -> &PublishedSecret {
    match &observed.published {
        Published::Present(secret) => secret,
        other => panic!("{other:?}"),
    }
}

fn leaf(observed: &Observed) -> Fingerprint {
    stored(observed).current.leaf.fingerprint
}

use InService::{First, New, Second};

#[rstest]
#[case::absent(Left::Absent, [New, Second, New, First, Second])]
#[case::valid(Left::Valid, [Second, Second, Second, Second, Second])]
#[case::corrupt(Left::Corrupt, [New, Second, New, First, Second])]
#[case::older(Left::Older, [First, Second, First, First, Second])]
#[case::orphan(Left::Orphan, [Second, Second, Second, Second, Second])]
fn what_is_left_of_store_and_published_secret_decides(
    #[case] store: Left,
    #[case] expected: [InService; 5],
) {
    let lefts = [
        Left::Absent,
        Left::Valid,
        Left::Corrupt,
        Left::Older,
        Left::Orphan,
    ];
    for (published, expected) in lefts.into_iter().zip(expected) {
        let History { mut cluster, first } = {
            let mut history = History::of_a_renewal();
            history.leave(store, published);
            history
        };
        let second = cluster.wrote_last().unwrap();
        let (issued, stamped) = (cluster.issued.len(), cluster.stamped.len());
        assert!(cluster.rests_within(80), "{store:?}, {published:?}");

        let found = match leaf(&cluster.truth) {
            it if it == leaf(&first) => First,
            it if it == second => Second,
            _ => New,
        };
        assert_eq!(found, expected, "{store:?}, {published:?}");
        let stage = cluster.truth.progress(cluster.clock).unwrap().stage;
        let made = (
            cluster.issued.len() - issued,
            cluster.stamped.len() - stamped,
        );
        let (stage_wanted, made_wanted) = match expected {
            First => (Stage::Unknown, (0, 0)),
            Second => (Stage::Done, (0, 0)),
            New => (Stage::Done, (1, 1)),
        };
        assert_eq!(
            (stage, made),
            (stage_wanted, made_wanted),
            "{store:?}, {published:?}"
        );
        let pair = secret(&cluster.truth).pair.as_ref();
        assert_eq!(pair, Some(&stored(&cluster.truth).current));
    }
}

#[test]
fn a_pair_of_somebody_elses_in_the_place_of_a_lost_store_is_not_taken_up() {
    let History { mut cluster, .. } = History::of_a_renewal();
    cluster.overwrite(Some(foreign()));
    cluster.truth.store = Store::Absent;
    assert!(cluster.rests_within(60));
    assert_ne!(leaf(&cluster.truth), foreign().leaf.fingerprint);
    assert_eq!(cluster.issued.last(), Some(&api::Trigger::Corrupt));
}

#[test]
fn a_secret_that_was_handed_over_by_its_annotation_alone_is_taken_up() {
    let mut cluster = Cluster::of(Case::fresh().with_workload(Sts::of(3)));
    cluster.replace_by_a_stranger();
    let Published::Present(secret) = &mut cluster.truth.published else {
        panic!("no Secret")
    };
    secret.owner = Some("coturn".to_owned());
    secret.pair = Some(crate::support::current());
    assert!(cluster.rests_within(60));
    assert_eq!(
        leaf(&cluster.truth),
        crate::support::current().leaf.fingerprint
    );
    assert!(cluster.issued.is_empty() && cluster.stamped.is_empty());
}

#[test]
fn a_lost_certificate_is_told_of_in_the_history() {
    let mut history = History::of_a_renewal();
    let lost = stored(&history.cluster.truth).current.leaf.serial.clone();
    history.leave(Left::Older, Left::Older);
    assert!(history.cluster.rests_within(60));
    let status = &history.cluster.truth.resource.status;
    let newest = &status.history[0];
    assert_eq!(newest.what, api::HistoryEvent::Lost);
    assert_eq!(newest.serial_number, lost.to_string());
}
