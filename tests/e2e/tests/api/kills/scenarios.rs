//! The scenarios, each with the writes that it takes.

use e2e::fixtures::COTURN;

use super::{
    deeds,
    scenario::{
        End, Operator, PUBLISHED, Pair, READY, Restarted, STATUS, STORE, Scenario, Setting, USUAL,
        WORKLOAD, at_least, exactly,
    },
    sweep,
};
use crate::scene::SECOND;

/// The operator has no record of what the pods read.
const UNKNOWN: &[(&str, &str)] = &[("Unknown", "PodUnknown")];

/// The same if the pod is of the second of a publication.
const PERHAPS_UNKNOWN: &[(&str, &str)] = &[("True", "Ready"), ("Unknown", "PodUnknown")];

/// Somebody else has the Secret.
const NOT_OWNED: &[(&str, &str)] = &[("False", "SecretNotOwned")];

/// A certificate is issued while another is in service, and its pods are restarted once.
const REPLACED: End = End {
    certificates: 1,
    changes: 1,
    restarted: Restarted::All,
    pair: Pair::Another,
    ready: READY,
};
/// Nothing is issued, and nothing restarted.
const AS_BEFORE: End = End {
    certificates: 0,
    changes: 0,
    restarted: Restarted::Only(0),
    pair: Pair::Kept,
    ready: READY,
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_first_issuance_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-first",
        setting: USUAL,
        prepared: deeds::a_workload,
        operator: Operator::LooksOn,
        done: deeds::create_certificate,
        writes: vec![exactly(2, STORE), exactly(1, PUBLISHED), exactly(2, STATUS)],
        end: End {
            certificates: 1,
            changes: 0,
            restarted: Restarted::Only(0),
            pair: Pair::Another,
            ready: READY,
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_change_of_names_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-names",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::change_the_names,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, WORKLOAD),
            exactly(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_requested_renewal_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-renewal",
        setting: USUAL,
        prepared: deeds::two_pods,
        operator: Operator::LooksOn,
        done: deeds::ask_for_a_renewal,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, WORKLOAD),
            exactly(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_an_expiry_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-expired",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::StartsAfterwards,
        done: deeds::let_it_expire,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, WORKLOAD),
            at_least(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_store_was_lost_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-store-lost",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::lose_the_store,
        writes: vec![exactly(1, STORE), exactly(1, STATUS)],
        end: End {
            ready: UNKNOWN,
            ..AS_BEFORE
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_store_was_corrupted_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-store-corrupt",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::corrupt_the_store,
        writes: vec![exactly(1, STORE), exactly(1, STATUS)],
        end: End {
            ready: UNKNOWN,
            ..AS_BEFORE
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_both_secrets_were_lost_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-both-lost",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::StartsAfterwards,
        done: deeds::lose_both,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, WORKLOAD),
            at_least(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_an_older_store_was_put_back_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-older-store",
        setting: USUAL,
        prepared: deeds::renewed_once,
        operator: Operator::LooksOn,
        done: deeds::put_the_store_back,
        writes: vec![exactly(1, STORE), exactly(1, STATUS)],
        end: End {
            ready: PERHAPS_UNKNOWN,
            ..AS_BEFORE
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_both_older_secrets_were_put_back_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-older-both",
        setting: USUAL,
        prepared: deeds::renewed_once,
        operator: Operator::StartsAfterwards,
        done: deeds::put_both_back,
        writes: vec![exactly(2, STORE), exactly(1, STATUS)],
        end: End {
            pair: Pair::PutBack,
            ready: UNKNOWN,
            ..AS_BEFORE
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_published_secret_was_deleted_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-deleted",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::lose_the_published_secret,
        writes: vec![exactly(1, STORE), exactly(1, PUBLISHED)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_published_secret_was_overwritten_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-overwritten",
        setting: USUAL,
        prepared: deeds::a_settled_pod,
        operator: Operator::LooksOn,
        done: deeds::put_a_foreign_pair_there,
        writes: vec![exactly(2, STORE), exactly(1, PUBLISHED)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_repair_at_its_start_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-overwritten-before",
        setting: USUAL,
        prepared: deeds::a_settled_pod,
        operator: Operator::StartsAfterwards,
        done: deeds::put_a_foreign_pair_there,
        writes: vec![exactly(2, STORE), exactly(1, PUBLISHED)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_other_roots_were_put_there_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-roots",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::put_other_roots_there,
        writes: vec![exactly(1, PUBLISHED)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_metadata_was_stripped_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-metadata",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::strip_the_metadata,
        writes: vec![exactly(1, PUBLISHED)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_change_of_the_template_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-template",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::change_the_template,
        writes: vec![exactly(1, PUBLISHED), exactly(1, STATUS)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_renewal_of_two_certificates_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-two",
        setting: Setting {
            certificates: &[COTURN, SECOND],
            ..USUAL
        },
        prepared: deeds::two_certificates,
        operator: Operator::LooksOn,
        done: deeds::ask_for_both_renewals,
        writes: vec![
            exactly(2, STORE),
            exactly(2, "secrets/second-coturn-cert-store"),
            exactly(1, PUBLISHED),
            exactly(1, "secrets/second"),
            exactly(1, WORKLOAD),
            exactly(2, STATUS),
            exactly(2, "coturncertificates/second/status"),
        ],
        end: End {
            certificates: 2,
            ..REPLACED
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_renewal_without_pods_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-no-pods",
        setting: USUAL,
        prepared: deeds::no_pods,
        operator: Operator::LooksOn,
        done: deeds::ask_for_a_renewal,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, WORKLOAD),
            // Until the workload's controller has seen the change, a rollout is under way.
            at_least(1, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_resource_was_made_anew_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-anew",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::LooksOn,
        done: deeds::create_it_anew,
        writes: vec![exactly(1, STATUS)],
        end: AS_BEFORE,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_beside_a_strangers_secret_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-stranger",
        setting: USUAL,
        prepared: deeds::one_pod,
        operator: Operator::StartsAfterwards,
        done: deeds::put_a_strangers_secret_there,
        writes: vec![exactly(1, STORE), exactly(1, STATUS)],
        end: End {
            pair: Pair::Strangers,
            ready: NOT_OWNED,
            ..AS_BEFORE
        },
    })
    .await;
}
