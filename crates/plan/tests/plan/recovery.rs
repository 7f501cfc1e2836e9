//! What is left of the store and of the published Secret decides what stays in service: the store
//! wins, a newer pair of the operator's before an older one, and only where neither is of use a new
//! certificate is issued.

use api::Fingerprint;
use plan::{
    certificate::{Observed, Obstacle, Published, PublishedSecret, Step, Store, Stored},
    rollout::Stage,
};
use rstest::rstest;

use crate::support::{Case, Cluster, Sts, foreign, hours, minutes, pair, present, published, root};

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

fn stage(cluster: &Cluster) -> Stage {
    cluster.truth.progress(cluster.clock).unwrap().stage
}

/// Both Secrets are older, and something keeps the store from being written for a while.
#[rstest]
#[case::the_user(|it: &mut Observed| it.resource.wanted.suspend = true, |it: &mut Observed| it.resource.wanted.suspend = false)]
#[case::a_refusal(
    |it: &mut Observed| it.failed = Some(refused()),
    |it: &mut Observed| it.failed = None
)]
fn what_was_put_back_is_noted_also_after_a_status_was_written(
    #[case] hold: fn(&mut Observed),
    #[case] release: fn(&mut Observed),
) {
    let mut history = History::of_a_renewal();
    history.leave(Left::Older, Left::Older);
    let cluster = &mut history.cluster;
    let named = cluster.truth.resource.status.certificate.clone();
    hold(&mut cluster.truth);
    assert!(cluster.rests_within(60));
    assert_eq!(cluster.truth.resource.status.certificate, named);
    assert!(cluster.truth.progress(cluster.clock).is_none());

    release(&mut cluster.truth);
    assert!(cluster.rests_within(60));
    assert_eq!(stage(cluster), Stage::Unknown);
    assert!(cluster.stamped.len() == 1 && cluster.issued.len() == 2);
}

fn refused() -> Obstacle {
    Obstacle {
        step: Step::Issue,
        refusal: crate::support::refusal(api::Reason::ApiUnavailable),
    }
}

#[test]
fn a_store_that_is_put_back_twice_is_noticed_twice() {
    let mut history = History::of_a_renewal();
    for _ in 0..2 {
        history.leave(Left::Older, Left::Older);
        assert!(history.cluster.rests_within(60));
        assert_eq!(stage(&history.cluster), Stage::Unknown);
    }
}

#[test]
fn a_status_that_is_older_than_a_store_of_many_certificates_tells_of_no_loss() {
    let mut history = History::of_a_renewal();
    let cluster = &mut history.cluster;
    let status = cluster.truth.resource.status.clone();
    for number in 0..12 {
        cluster.clock += minutes(60);
        cluster.truth.resource.renew = Some(format!("again {number}"));
        assert!(cluster.rests_within(60));
    }
    cluster.truth.resource.status = status;
    assert_eq!(cluster.truth.lost(), None);
}

#[test]
fn a_newer_pair_of_another_root_with_a_mark_of_its_own_is_put_right() {
    let mut history = History::of_a_renewal();
    let cluster = &mut history.cluster;
    let before = leaf(&cluster.truth);
    // Only the root tells: the resource was made anew, so its status names nothing.
    cluster.truth.resource.status = api::CoturnCertificateStatus::default();
    cluster.truth.resource.renew = None;
    let copied = pair(77, cluster.clock, cluster.clock + hours(9000));
    let version = secret(&cluster.truth).version.clone();
    cluster.truth.published = present(PublishedSecret {
        version,
        root: Some(root(2)),
        ..published(Some(copied), cluster.clock)
    });
    assert!(cluster.rests_within(60));
    assert_eq!(leaf(&cluster.truth), before);
    assert_eq!(
        secret(&cluster.truth).pair.as_ref(),
        Some(&stored(&cluster.truth).current)
    );
    assert!(cluster.stamped.len() == 1 && cluster.issued.len() == 2);
}
