//! Scenarios in which pods are dialled, take certificates up by themselves, go one by one, or break.

use api::{OnFailure, RolloutStrategy};

use crate::{
    scenario::{Fault, Scenario},
    scenarios::{ALL_FAULTS, budget, check},
    state::{Break, Setting},
    step::{Hand, Passing},
};

const fn setting(strategy: RolloutStrategy, on_failure: OnFailure) -> Setting {
    Setting {
        strategy,
        on_failure,
        dialled: true,
        reloads: false,
    }
}

#[test]
fn what_breaks_a_pod_is_taken_back_and_only_pods_that_had_it_are_restarted() {
    check(&Scenario {
        name: "taken back",
        pods: 2,
        setting: Setting {
            dialled: false,
            ..setting(RolloutStrategy::RollingRestart, OnFailure::Rollback)
        },
        budget: budget(2, 2),
        faults: ALL_FAULTS,
        hands: &[Hand::Break, Hand::Renew(0)],
        passing: &[Passing::AnHour],
        ..Scenario::default()
    });
}

#[test]
fn a_pod_that_serves_nothing_is_found_and_what_it_broke_with_is_taken_back() {
    check(&Scenario {
        name: "mute pod",
        pods: 2,
        setting: setting(RolloutStrategy::RollingRestart, OnFailure::Rollback),
        may_break: Some(Break::Mute),
        budget: budget(0, 1),
        hands: &[Hand::Renew(0)],
        ..Scenario::default()
    });
}

#[test]
fn who_cannot_be_reached_is_not_known_and_restarts_nothing() {
    check(&Scenario {
        name: "firewall",
        setting: setting(RolloutStrategy::RollingRestart, OnFailure::Rollback),
        may_break: Some(Break::Mute),
        budget: budget(2, 1),
        faults: &[Fault::Crash, Fault::LateRead],
        hands: &[Hand::Firewall, Hand::FirewallAway, Hand::Renew(0)],
        ..Scenario::default()
    });
}

#[test]
fn pods_go_one_by_one_and_each_is_seen_to_serve_the_certificate_before_the_next() {
    check(&Scenario {
        name: "pod by pod",
        pods: 2,
        setting: setting(RolloutStrategy::PodByPod, OnFailure::Rollback),
        may_break: Some(Break::Mute),
        budget: budget(1, 1),
        faults: ALL_FAULTS,
        hands: &[
            Hand::Break,
            Hand::Firewall,
            Hand::FirewallAway,
            Hand::Renew(0),
        ],
        passing: &[Passing::AWhile(0)],
        ..Scenario::default()
    });
}

/// What broke is not the certificate's matter: the next one breaks in the same pod.
#[test]
fn another_attempt_begins_with_the_pod_that_broke_and_leaves_the_others_alone() {
    check(&Scenario {
        name: "pod by pod, again",
        pods: 2,
        setting: Setting {
            dialled: false,
            ..setting(RolloutStrategy::PodByPod, OnFailure::Rollback)
        },
        may_break: Some(Break::NeverReady),
        budget: budget(0, 2),
        hands: &[Hand::Renew(0)],
        passing: &[Passing::AnHour],
        ..Scenario::default()
    });
}

/// Pods start again in place meanwhile.
#[test]
fn nobody_is_evicted_after_a_rolling_restart_but_who_has_what_was_taken_back() {
    check(&Scenario {
        name: "left over",
        pods: 2,
        setting: Setting {
            dialled: false,
            ..setting(RolloutStrategy::RollingRestart, OnFailure::Rollback)
        },
        may_break: Some(Break::NeverReady),
        budget: budget(2, 1),
        hands: &[Hand::Renew(0), Hand::Restart(0), Hand::Restart(1)],
        ..Scenario::default()
    });
}

const RELOADS: Setting = Setting {
    reloads: true,
    ..setting(RolloutStrategy::Reload, OnFailure::Rollback)
};

#[test]
fn what_is_taken_up_without_a_restart_restarts_nothing() {
    check(&Scenario {
        name: "reload",
        pods: 2,
        setting: RELOADS,
        may_break: Some(Break::Mute),
        budget: budget(1, 1),
        faults: &[Fault::Crash],
        hands: &[Hand::Renew(0)],
        ..Scenario::default()
    });
}

#[test]
fn who_may_have_taken_it_up_and_cannot_be_reached_is_not_restarted() {
    check(&Scenario {
        name: "reload behind a firewall",
        setting: RELOADS,
        may_break: Some(Break::Mute),
        budget: budget(2, 1),
        faults: &[Fault::Crash, Fault::LateRead],
        hands: &[Hand::Firewall, Hand::FirewallAway, Hand::Renew(0)],
        ..Scenario::default()
    });
}

#[test]
fn a_pod_that_serves_another_certificate_again_and_again_is_replaced_once() {
    check(&Scenario {
        name: "replaced once",
        setting: RELOADS,
        budget: budget(2, 0),
        faults: &[Fault::Crash],
        hands: &[Hand::ForeignPair(0)],
        ..Scenario::default()
    });
}

const BESIDE_A_RELOADER: Setting = Setting {
    reloads: true,
    ..setting(RolloutStrategy::RollingRestart, OnFailure::Rollback)
};

#[test]
fn a_rolling_restart_beside_a_reloader_restarts_no_pod_that_was_seen_to_be_current() {
    check(&Scenario {
        name: "rolling restart beside a reloader",
        setting: BESIDE_A_RELOADER,
        budget: budget(1, 1),
        faults: &[Fault::Crash],
        hands: &[
            Hand::Garbage(0),
            Hand::Restart(0),
            Hand::RestartWithEarlier(0),
            Hand::Renew(0),
        ],
        ..Scenario::default()
    });
}

#[test]
fn what_a_reloader_takes_up_of_foreign_hands_is_found() {
    check(&Scenario {
        name: "foreign hands beside a reloader",
        setting: BESIDE_A_RELOADER,
        budget: budget(3, 0),
        hands: &[Hand::ForeignPair(0), Hand::RestartWithEarlier(0)],
        ..Scenario::default()
    });
}

#[test]
fn the_certificate_before_is_put_back_once_for_who_asks() {
    check(&Scenario {
        name: "put back by hand",
        pods: 2,
        setting: setting(RolloutStrategy::PodByPod, OnFailure::Hold),
        budget: budget(1, 2),
        faults: &[Fault::LostReply],
        hands: &[Hand::RollBackTo(0), Hand::Renew(0)],
        ..Scenario::default()
    });
}
