//! A reloader beside coturn that cannot see it.

use api::RolloutStrategy;
use plan::rollout::Reloader;
use rstest::rstest;

use crate::support::{Case, Sts, hours, minutes};

/// A workload with a reloader, whose pod started that long ago; the certificate came ten hours ago.
fn beside(reloader: Reloader, strategy: RolloutStrategy, age: jiff::SignedDuration) -> Case {
    let sts = Sts::of(1).pod(age).with(|live| live.reloader = reloader);
    Case::converged()
        .with_workload(sts)
        .with(|observed| observed.resource.wanted.strategy = strategy)
}

fn blind() -> Reloader {
    Reloader::Blind {
        container: "coturn-cert-reloader".to_owned(),
    }
}

#[rstest]
#[case::before_anything_is_reloaded(minutes(50))]
#[case::while_something_is(hours(50))]
fn a_blind_reloader_is_told_of_with_what_would_have_it_see(#[case] age: jiff::SignedDuration) {
    let case = beside(blind(), RolloutStrategy::Reload, age);
    let told = case.message("RolledOut");
    assert!(told.contains("container coturn-cert-reloader"), "{told}");
    assert!(told.contains("set shareProcessNamespace: true"), "{told}");
}

#[rstest]
#[case::it_sees(Reloader::Sees, RolloutStrategy::Reload)]
#[case::it_has_another_name(Reloader::NotKnown, RolloutStrategy::Reload)]
#[case::pods_are_replaced(blind(), RolloutStrategy::PodByPod)]
#[case::pods_are_restarted(blind(), RolloutStrategy::RollingRestart)]
fn nothing_is_told_of_a_reloader_that_sees_or_is_not_needed(
    #[case] reloader: Reloader,
    #[case] strategy: RolloutStrategy,
) {
    let told = beside(reloader, strategy, minutes(50)).message("RolledOut");
    assert!(!told.contains("shareProcessNamespace"), "{told}");
}
