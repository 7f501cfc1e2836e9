//! Certificates that sign themselves: what they do without, and what lies between one and a
//! certificate of a CA.

use api::{Issuer, Reason, Signer, Trigger};
use plan::{
    certificate::{Authority, Published, Store},
    rollout::Stage,
};
use rstest::rstest;

use crate::support::{
    Case, Cluster, Sts, authority, hours, minutes, now, pair, present, published, refusal, root_of,
    sign_itself,
};

/// What the resource asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A self-signed certificate.
    SelfSigned,
    /// One of the CA in the CA Secret.
    Ca,
    /// The same, and there is no such Secret.
    CaMissing,
}

fn asking(case: Case, asked: Asked) -> Case {
    case.with(|it| match asked {
        Asked::SelfSigned => sign_itself(it),
        Asked::Ca => {}
        Asked::CaMissing => {
            it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing));
        }
    })
}

/// In service, published and reported: a self-signed certificate, as asked for.
fn converged() -> Case {
    Case::converged()
        .with(sign_itself)
        .with_store(|it| {
            it.current.leaf.signer = Signer::Itself;
            it.state.root = Some(root_of(&it.current.leaf));
        })
        .with_published(|it| {
            let pair = it.pair.as_mut().unwrap();
            pair.leaf.signer = Signer::Itself;
            it.root = Some(root_of(&pair.leaf));
        })
        .reported()
}

/// In service and asked for: a certificate of the CA. What is asked for then changes.
fn of_a_ca(asked: Asked) -> Case {
    asking(Case::converged(), asked)
}

/// The same from a self-signed certificate.
fn of_itself(asked: Asked) -> Case {
    let ca = Issuer::Ca {
        secret: "coturn-ca".to_owned(),
    };
    let usable = converged().with(|it| {
        it.resource.wanted.issuer = ca;
        it.authority = Authority::Usable(authority(1));
    });
    asking(usable, asked)
}

#[test]
fn a_self_signed_certificate_needs_nothing_but_its_resource() {
    let mut cluster = Cluster::of(Case::fresh().with(sign_itself));
    assert!(cluster.rests_within(10));
    assert_eq!(cluster.issued, [Trigger::DoesNotExist]);
    let status = &cluster.truth.resource.status;
    assert_eq!(status.authority, None);
    let issued = cluster.truth.stored().unwrap().current.leaf.fingerprint;
    let told = status.certificate.as_ref().unwrap();
    assert_eq!(told.sdp_fingerprint, Some(issued.to_sdp()));
}

#[test]
fn a_converged_self_signed_certificate_needs_nothing() {
    assert_eq!(converged().action(), None);
    assert_eq!(converged().condition("Ready"), "True Ready");
}

#[rstest]
#[case::asked_for_as_it_is(of_itself(Asked::SelfSigned), None)]
#[case::a_ca_is_asked_for(of_itself(Asked::Ca), Some(Trigger::SpecChanged))]
#[case::a_ca_that_is_missing(of_itself(Asked::CaMissing), None)]
#[case::of_a_ca_as_asked_for(of_a_ca(Asked::Ca), None)]
#[case::a_self_signed_one_is_asked_for(of_a_ca(Asked::SelfSigned), None)]
fn a_self_signed_certificate_gives_way_to_one_of_a_ca_and_not_the_other_way_round(
    #[case] case: Case,
    #[case] expected: Option<Trigger>,
) {
    assert_eq!(case.issues(), expected);
}

#[rstest]
#[case::asked_for_as_it_is(of_itself(Asked::SelfSigned), "True Issued", "True Ready")]
#[case::a_ca_that_is_missing(
    of_itself(Asked::CaMissing),
    "False AuthorityMissing",
    "False AuthorityMissing"
)]
#[case::a_self_signed_one_is_asked_for(
    of_a_ca(Asked::SelfSigned),
    "False AwaitingPartnerConfirmation",
    "False AwaitingPartnerConfirmation"
)]
fn what_is_in_service_is_told_by_what_is_asked_for(
    #[case] case: Case,
    #[case] issued: &str,
    #[case] ready: &str,
) {
    assert_eq!(case.condition("Issued"), issued);
    assert_eq!(case.condition("Ready"), ready);
}

#[test]
fn a_certificate_of_a_ca_whose_root_is_unknown_waits_as_well() {
    let case = of_a_ca(Asked::SelfSigned).with_store(|it| it.state.root = None);
    assert_eq!(
        case.condition("Issued"),
        "False AwaitingPartnerConfirmation"
    );
}

#[test]
fn an_expired_certificate_of_a_ca_may_be_replaced_by_a_self_signed_one() {
    let case =
        of_a_ca(Asked::SelfSigned).with_store(|it| it.current.leaf.not_after = now() - hours(1));
    assert_eq!(case.issues(), Some(Trigger::Expired));
}

#[test]
fn a_self_signed_certificate_awaits_no_confirmation_of_its_successor() {
    let case = converged().with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(case.issues(), Some(Trigger::Requested));
}

#[rstest]
#[case::before_a_third_is_left(hours(265), None)]
#[case::with_a_third_left(hours(240), Some(Trigger::Renewing))]
fn a_self_signed_certificate_of_30_days_is_renewed_at_a_third_left(
    #[case] left: jiff::SignedDuration,
    #[case] expected: Option<Trigger>,
) {
    let dated = {
        let mut dated = pair(1, now() + left - hours(720), now() + left);
        dated.leaf.signer = Signer::Itself;
        dated
    };
    let case = converged()
        .with(|it| {
            it.resource.wanted.duration = hours(720);
            it.resource.wanted.renew_before = hours(240);
        })
        .with_store(|it| it.current = dated.clone())
        .with_published(|it| it.pair = Some(dated.clone()));
    assert_eq!(case.issues(), expected);
}

/// Three pods on a certificate of the CA, and nothing left to do.
fn pods_on_a_certificate_of_a_ca() -> Cluster {
    let mut cluster = Cluster::of(Case::fresh().with_workload(Sts::of(3)));
    assert!(cluster.rests_within(60));
    cluster.clock += minutes(60);
    cluster
}

fn signer(cluster: &Cluster) -> Signer {
    cluster.truth.stored().unwrap().current.leaf.signer
}

#[test]
fn the_message_tells_the_way_from_a_ca_to_self_signed_certificates() {
    let mut cluster = pods_on_a_certificate_of_a_ca();
    sign_itself(&mut cluster.truth);
    cluster.truth.resource.generation += 1;
    assert!(cluster.rests_within(60));
    let conditions = &cluster.truth.resource.status.conditions;
    let issued = conditions.iter().find(|it| it.type_ == "Issued").unwrap();
    let way =
        "set spec.suspend, delete Secrets coturn-coturn-cert-store and tls, remove spec.suspend";
    assert!(issued.message.ends_with(way), "{}", issued.message);
    assert_eq!(signer(&cluster), Signer::Another);

    cluster.truth.resource.wanted.suspend = true;
    assert!(cluster.rests_within(60));
    cluster.truth.store = Store::Absent;
    cluster.truth.published = Published::Absent;
    cluster.truth.resource.wanted.suspend = false;
    assert!(cluster.rests_within(60));
    assert_eq!(signer(&cluster), Signer::Itself);
    assert_eq!((cluster.issued.len(), cluster.stamped.len()), (2, 1));
}

/// Three pods on the second of two self-signed certificates, and the cluster as it was on the first.
fn renewed() -> (Cluster, plan::certificate::Observed) {
    let mut cluster = Cluster::of(Case::fresh().with_workload(Sts::of(3)).with(sign_itself));
    assert!(cluster.rests_within(60));
    let first = cluster.truth.clone();
    cluster.clock += minutes(60);
    cluster.truth.resource.renew = Some("once".to_owned());
    assert!(cluster.rests_within(60));
    cluster.clock += minutes(60);
    (cluster, first)
}

#[test]
fn a_renewal_of_a_self_signed_certificate_is_one_rollout() {
    let (cluster, _) = renewed();
    assert_eq!((cluster.issued.len(), cluster.stamped.len()), (2, 1));
    let stage = cluster.truth.progress(cluster.clock).unwrap().stage;
    assert_eq!(stage, Stage::Done);
}

#[test]
fn an_older_store_does_not_bring_an_older_self_signed_certificate_back() {
    let (mut cluster, first) = renewed();
    let second = cluster.wrote_last().unwrap();
    cluster.restore_store(&first);
    assert!(cluster.rests_within(60));
    let stored = cluster.truth.stored().unwrap();
    assert_eq!(stored.current.leaf.fingerprint, second);
    assert_eq!((cluster.issued.len(), cluster.stamped.len()), (2, 1));
}

#[test]
fn a_self_signed_certificate_of_elsewhere_is_not_taken_up_whatever_its_dates() {
    let (mut cluster, _) = renewed();
    let before = cluster.truth.stored().unwrap().current.clone();
    // Nothing tells what it is: the resource was made anew.
    cluster.truth.resource.status = api::CoturnCertificateStatus::default();
    cluster.truth.resource.renew = None;
    let mut copied = pair(77, cluster.clock, cluster.clock + hours(9000));
    copied.leaf.signer = Signer::Itself;
    let Published::Present(there) = &cluster.truth.published else {
        panic!("nothing is published")
    };
    let version = there.version.clone();
    cluster.truth.published = present(plan::certificate::PublishedSecret {
        version,
        ..published(Some(copied), cluster.clock)
    });
    assert!(cluster.rests_within(60));
    assert_eq!(cluster.truth.stored().unwrap().current, before);
    assert_eq!(cluster.stamped.len(), 1);
}
