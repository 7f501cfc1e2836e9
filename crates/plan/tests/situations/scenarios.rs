//! The scenarios, each searched exhaustively within its bounds.

use std::{io::Write as _, time::Instant};

use crate::{
    scenario::{Fault, Scenario},
    search::exhaust,
    state::Budget,
    step::{Hand, Passing},
};

pub fn check(scenario: &Scenario) {
    let started = Instant::now();
    let outcome = exhaust(scenario, &scenario.beginning());
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(extent) if extent.at_rest == 0 => {
            panic!("{}: nothing ever comes to rest", scenario.name)
        }
        // Not by the macro, whose output is shown for tests that fail alone.
        Ok(extent) => drop(writeln!(
            std::io::stderr(),
            "{}: {} states, {} at rest, {} steps, at most {} deep, {seconds:.1} s",
            scenario.name,
            extent.states,
            extent.at_rest,
            extent.steps,
            extent.depth,
        )),
        Err(broken) => panic!(
            "{}: {}\n  the shortest way there, found in {seconds:.1} s:\n    {}",
            scenario.name,
            broken.guarantee,
            broken.way.join("\n    "),
        ),
    }
}

pub const ALL_FAULTS: &[Fault] = &[
    Fault::Crash,
    Fault::LostReply,
    Fault::Conflict,
    Fault::LateRead,
];

pub fn budget(faults: u8, events: u8) -> Budget {
    Budget { faults, events }
}

#[test]
fn a_first_issuance_ends_well_whatever_happens() {
    check(&Scenario {
        name: "first issuance",
        settled: false,
        budget: budget(2, 0),
        faults: ALL_FAULTS,
        hands: &[
            Hand::Garbage(0),
            Hand::ForeignPair(0),
            Hand::Stranger(0),
            Hand::DeletePublished(0),
            Hand::DeleteStore(0),
        ],
        passing: &[Passing::Pause],
        ..Scenario::default()
    });
}

#[test]
fn a_renewal_ends_well_whatever_happens() {
    check(&Scenario {
        name: "renewal",
        pods: 2,
        budget: budget(1, 1),
        faults: ALL_FAULTS,
        hands: &[
            Hand::Renew(0),
            Hand::Break,
            Hand::DeletePublished(0),
            Hand::CorruptStore(0),
            Hand::Relabel(0),
        ],
        passing: &[Passing::ToRenewal(0), Passing::ToExpiry(0), Passing::Pause],
        ..Scenario::default()
    });
}

#[test]
fn a_renewal_in_the_middle_of_another_ends_well() {
    check(&Scenario {
        name: "two renewals",
        pods: 2,
        budget: budget(0, 2),
        hands: &[Hand::Renew(0)],
        passing: &[Passing::ToRenewal(0)],
        ..Scenario::default()
    });
}

#[test]
fn two_operators_at_once_do_what_one_does() {
    check(&Scenario {
        name: "two operators",
        operators: 2,
        budget: budget(1, 1),
        faults: ALL_FAULTS,
        hands: &[Hand::Renew(0)],
        ..Scenario::default()
    });
}

#[test]
fn two_operators_at_once_issue_one_first_certificate() {
    check(&Scenario {
        name: "two operators, first issuance",
        operators: 2,
        settled: false,
        budget: budget(1, 0),
        faults: ALL_FAULTS,
        hands: &[Hand::DeleteStore(0)],
        ..Scenario::default()
    });
}

#[test]
fn two_operators_whose_clocks_differ_come_to_rest_once_they_agree() {
    check(&Scenario {
        name: "two operators, one clock wrong",
        operators: 2,
        budget: budget(1, 1),
        hands: &[
            Hand::ClockForward(0),
            Hand::ClockBackward(0),
            Hand::ClockRight(0),
            Hand::Renew(0),
        ],
        ..Scenario::default()
    });
}

#[test]
fn two_certificates_of_one_workload_share_its_rollouts() {
    check(&Scenario {
        name: "two certificates on one workload",
        certificates: 2,
        budget: budget(1, 1),
        faults: &[Fault::Crash, Fault::Conflict],
        hands: &[Hand::Renew(0), Hand::Garbage(0)],
        passing: &[Passing::ToRenewal(0)],
        ..Scenario::default()
    });
}

#[test]
fn what_helm_and_others_write_is_put_right() {
    check(&Scenario {
        name: "clobber",
        budget: budget(2, 1),
        faults: &[Fault::Crash],
        hands: &[
            Hand::Clobber(0),
            Hand::Garbage(0),
            Hand::Restart(0),
            Hand::RestartWithEarlier(0),
            Hand::Renew(0),
        ],
        ..Scenario::default()
    });
}

#[test]
fn three_disturbances_of_what_converged_are_put_right() {
    check(&Scenario {
        name: "three foreign hands",
        budget: budget(3, 0),
        faults: &[Fault::Crash, Fault::LostReply],
        hands: &[
            Hand::Clobber(0),
            Hand::Garbage(0),
            Hand::Stranger(0),
            Hand::DeletePublished(0),
            Hand::DeleteStore(0),
            Hand::CorruptStore(0),
            Hand::Relabel(0),
            Hand::Restart(0),
            Hand::RestartWithEarlier(0),
        ],
        ..Scenario::default()
    });
}

#[test]
fn clocks_that_jump_break_nothing() {
    check(&Scenario {
        name: "clocks",
        budget: budget(1, 1),
        hands: &[
            Hand::ClockForward(0),
            Hand::ClockBackward(0),
            Hand::ClockRight(0),
            Hand::Renew(0),
        ],
        passing: &[Passing::ToRenewal(0)],
        ..Scenario::default()
    });
}

#[test]
fn a_pod_that_never_becomes_ready_stops_nothing_else() {
    check(&Scenario {
        name: "failing pod",
        pods: 2,
        budget: budget(2, 1),
        faults: &[Fault::Crash],
        hands: &[Hand::Break, Hand::Renew(0)],
        passing: &[Passing::ToRenewal(0), Passing::ToExpiry(0), Passing::Pause],
        ..Scenario::default()
    });
}

#[test]
fn a_store_that_is_put_back_takes_no_newer_pair_out_of_service() {
    check(&Scenario {
        name: "store put back",
        budget: budget(2, 1),
        faults: &[Fault::Crash],
        hands: &[
            Hand::RestoreStore(0),
            Hand::DeletePublished(0),
            Hand::Garbage(0),
            Hand::Renew(0),
        ],
        ..Scenario::default()
    });
}

#[test]
fn a_template_that_is_put_back_restarts_nothing_more_by_the_operator() {
    check(&Scenario {
        name: "stamp taken away",
        budget: budget(2, 1),
        faults: &[Fault::Crash],
        hands: &[Hand::Unstamp, Hand::Renew(0), Hand::Garbage(0)],
        ..Scenario::default()
    });
}
