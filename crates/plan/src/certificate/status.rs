//! The status of a certificate, from what was observed and decided.

use api::{
    AuthorityStatus, CertificateStatus, CoturnCertificateStatus, HistoryEntry, PodNotCurrent,
    Reason, RolloutStatus,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Authority, Decision, Observed, Published, Store, Stored, conditions, partners, rollback,
    verified,
};
use crate::rollout::{Mounted, Progress, Stage};

/// Pods named in status, at most.
const PODS_NAMED: usize = 16;

/// The status that should be stored. While there is no usable store, what it held last stays named:
/// pods may go on serving it, and a certificate that is lost was once there.
pub fn of(observed: &Observed, decision: &Decision, now: Timestamp) -> CoturnCertificateStatus {
    let resource = &observed.resource;
    // What a store that was put back does not know stays named until the store has noted it: nothing
    // else tells that it was put back.
    let stored = observed.stored().filter(|_| observed.lost().is_none());
    CoturnCertificateStatus {
        observed_generation: Some(resource.generation),
        conditions: conditions::judge(observed, decision, now).into_conditions(
            resource.generation,
            &resource.status.conditions,
            now,
        ),
        certificate: stored
            .map(|stored| certificate(observed, stored))
            .or_else(|| resource.status.certificate.clone()),
        authority: authority(&observed.authority),
        rollout: if is_unread(observed) {
            resource.status.rollout.clone()
        } else {
            rollout(observed, now)
        },
        partners: partners::status(observed),
        history: stored.map_or_else(|| resource.status.history.clone(), history),
        failed_attempts: stored.and_then(|stored| rollback::failed_attempts(observed, stored)),
        next_attempt_time: stored
            .and_then(|stored| rollback::retry(observed, stored))
            .map(|retry| Time(retry.at)),
    }
}

/// Whether one of the Secrets is there or not, nobody knows: nothing is told of the pods then.
fn is_unread(observed: &Observed) -> bool {
    matches!(observed.store, Store::Unreadable(_))
        || matches!(observed.published, Published::Unreadable(_))
}

fn certificate(observed: &Observed, stored: &Stored) -> CertificateStatus {
    let leaf = &stored.current.leaf;
    let content = leaf.content.as_ref();
    CertificateStatus {
        serial_number: leaf.serial.to_string(),
        fingerprint: leaf.fingerprint.to_string(),
        sdp_fingerprint: Some(leaf.fingerprint.to_sdp()),
        issuer: leaf.issuer.clone(),
        not_before: Time(leaf.not_before),
        not_after: Time(leaf.not_after),
        renewal_time: Time(observed.renewal_of(leaf)),
        dns_names: content
            .iter()
            .flat_map(|content| content.dns_names.iter().cloned())
            .collect(),
        ip_addresses: content
            .iter()
            .flat_map(|content| content.ip_addresses.iter().map(ToString::to_string))
            .collect(),
        key_algorithm: leaf.key_algorithm.clone(),
    }
}

fn authority(authority: &Authority) -> Option<AuthorityStatus> {
    match authority {
        Authority::Unusable(_) | Authority::Itself => None,
        Authority::Usable(facts) => Some(AuthorityStatus {
            subject: facts.subject.clone(),
            root_fingerprint: facts.root_fingerprint.to_string(),
            not_after: Time(facts.not_after),
        }),
    }
}

fn rollout(observed: &Observed, now: Timestamp) -> Option<RolloutStatus> {
    let Some((progress, mounted)) = observed.progress(now).zip(observed.mounted()) else {
        return kept(observed);
    };
    if observed.stays_told(&progress) {
        return observed.resource.status.rollout.clone();
    }
    Some(RolloutStatus {
        completed_at: completed(observed, &mounted, &progress, now).map(Time),
        fingerprint: mounted.current.to_string(),
        started_at: mounted.published_since().map(Time),
        current: progress.current,
        total: progress.total,
        not_current: progress
            .not_current
            .iter()
            .take(PODS_NAMED)
            .map(|(pod, evidence)| PodNotCurrent {
                pod: pod.clone(),
                reason: evidence.describe().to_owned(),
            })
            .collect(),
    })
}

/// What was told of the pods while the Secret holds something else for a time: that all were on the
/// certificate in service once stays true.
fn kept(observed: &Observed) -> Option<RolloutStatus> {
    observed.resource.wanted.workload.as_ref()?;
    let current = observed.stored()?.current.leaf.fingerprint.to_string();
    let told = observed.resource.status.rollout.as_ref();
    told.filter(|told| told.fingerprint == current).cloned()
}

/// How long after its publication a certificate may be taken back, where pods cannot be dialled.
const ON_TRIAL: SignedDuration = SignedDuration::from_hours(1);

/// When every pod was on the certificate in service for the first time, and was seen to serve it, where
/// that is asked for.
fn completed(
    observed: &Observed,
    mounted: &Mounted,
    progress: &Progress,
    now: Timestamp,
) -> Option<Timestamp> {
    if observed.was_completed() {
        let told = observed.resource.status.rollout.as_ref()?;
        return told.completed_at.as_ref().map(|time| time.0);
    }
    let is_proven = verified::judge(observed, now).is_none_or(|finding| finding.holds());
    let now = observed.server_time(now);
    let is_tried = now >= mounted.published_since()? + ON_TRIAL;
    (progress.stage == Stage::Done && (is_proven || is_tried)).then_some(now)
}

fn history(stored: &Stored) -> Vec<HistoryEntry> {
    stored
        .state
        .history
        .iter()
        .map(|issuance| HistoryEntry {
            time: Time(issuance.time),
            what: issuance.what,
            reason: issuance.trigger,
            serial_number: issuance.serial.to_string(),
        })
        .collect()
}

/// The status after a pass that ended in the middle.
#[must_use]
pub fn broken_off_status(
    before: &CoturnCertificateStatus,
    generation: i64,
    reason: Reason,
    message: &str,
    now: Timestamp,
) -> CoturnCertificateStatus {
    CoturnCertificateStatus {
        observed_generation: Some(generation),
        conditions: conditions::broken_off(reason, message, generation, &before.conditions, now),
        ..before.clone()
    }
}

/// The status of a resource that cannot be acted on: what was in service stays named, the
/// conditions say why nothing is done.
#[must_use]
pub fn unusable_status(
    before: &CoturnCertificateStatus,
    generation: i64,
    reason: Reason,
    message: &str,
    now: Timestamp,
) -> CoturnCertificateStatus {
    CoturnCertificateStatus {
        observed_generation: Some(generation),
        conditions: conditions::unusable(reason, message, generation, &before.conditions, now),
        ..before.clone()
    }
}
