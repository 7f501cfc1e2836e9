//! What is told of restarts beside how far they are: whether the operator may make them, who stays as
//! it is, whether there is time for all of them, and who cannot spare them.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};

use super::{Observed, finding::Finding};
use crate::rollout::{Live, SingleRestarts, Workload, longest_rollout, staying};

/// How the operator may do what the user is asked to do.
pub fn by_the_operator(observed: &Observed) -> &'static str {
    let Some(live) = live(observed) else {
        return "";
    };
    if observed.resource.wanted.strategy != RolloutStrategy::RollingRestart {
        return "";
    }
    let would_restart = observed
        .mounted()
        .is_some_and(|mounted| live.has_a_pod_to_restart_alone(&mounted));
    match live.single_restarts {
        SingleRestarts::NotAllowed if would_restart => {
            ". With the chart's value restartPods=true the operator restarts such a pod by itself"
        }
        SingleRestarts::NotAllowed | SingleRestarts::Allowed if live.partition > 0 => {
            ". The operator leaves pods to the partition of its updateStrategy: lower it, or delete them"
        }
        SingleRestarts::NotAllowed | SingleRestarts::Allowed => "",
    }
}

/// A finding of the rollout with what else is to be told of it.
pub fn beside(observed: &Observed, mut rolled_out: Finding, now: Timestamp) -> Finding {
    let notes = [
        gives_way(observed),
        stays(observed, now),
        too_late(observed),
        blindness(observed),
    ];
    for note in notes.into_iter().flatten() {
        rolled_out.message = format!("{}; {note}", rolled_out.message);
    }
    rolled_out
}

/// That another certificate of the workload restarts its pods in another way than is asked for here.
fn gives_way(observed: &Observed) -> Option<String> {
    let strategy = observed.resource.wanted.strategy;
    let by = match strategy {
        RolloutStrategy::PodByPod | RolloutStrategy::Reload => {
            live(observed)?.rolled_by.as_ref()?
        }
        RolloutStrategy::RollingRestart | RolloutStrategy::None => return None,
    };
    Some(format!(
        "by a rolling restart, as CoturnCertificate {by} of the same workload asks for one: give both the same strategy"
    ))
}

/// That nobody can have coturn reload, where that is asked for.
fn blindness(observed: &Observed) -> Option<String> {
    live(observed)?.blindness(&observed.mounted()?)
}

/// Pods that are current although they serve an earlier certificate.
fn stays(observed: &Observed, now: Timestamp) -> Option<String> {
    let (count, until) = staying(observed.workload.as_ref()?, &observed.mounted()?, now)?;
    Some(format!(
        "{count} of them with an earlier certificate that has their names, at least until {until}"
    ))
}

/// That a rolling restart that begins with the renewal may end after the certificate, if it may, and
/// what to set.
#[must_use]
pub fn too_late(observed: &Observed) -> Option<String> {
    let resource = &observed.resource;
    let live = live(observed).filter(|live| live.mounts.contains(&resource.wanted.secret_name))?;
    let what = match resource.wanted.strategy {
        RolloutStrategy::RollingRestart if live.holds_back() => return None,
        RolloutStrategy::RollingRestart => "a rolling restart",
        RolloutStrategy::PodByPod => "replacing pod by pod",
        RolloutStrategy::Reload => "replacing pod by pod, where coturn does not reload,",
        RolloutStrategy::None => return None,
    };
    let leaf = &observed.stored()?.current.leaf;
    let lifetime = leaf.not_after.duration_since(leaf.not_before);
    let margin = resource.wanted.renew_before.min(lifetime / 3);
    let needed = whole_minutes(longest_rollout(live));
    (margin < needed).then(|| {
        format!(
            "{what} may take {} (replicas {}, terminationGracePeriodSeconds {}), but a renewal begins only \
             {} before the certificate expires: {}",
            words(needed),
            live.replicas,
            live.grace_period.as_secs(),
            words(margin),
            remedy(observed, needed),
        )
    })
}

/// At most a third of the lifetime takes effect.
fn remedy(observed: &Observed, needed: SignedDuration) -> String {
    let wanted = &observed.resource.wanted;
    let renew_before = (wanted.renew_before < needed)
        .then(|| format!("set spec.renewBefore to at least {}", words(needed)));
    let duration = (wanted.duration / 3 < needed)
        .then(|| format!("set spec.duration to at least {}", words(needed * 3)));
    let asked: Vec<_> = [renew_before, duration].into_iter().flatten().collect();
    if asked.is_empty() {
        format!(
            "the certificate in service is valid too short; the next one must be valid for at least {}, and its CA \
             longer",
            words(needed * 3)
        )
    } else {
        asked.join(", ")
    }
}

fn live(observed: &Observed) -> Option<&Live> {
    match observed.workload.as_ref()? {
        Workload::Present(live) => Some(live),
        Workload::Missing | Workload::Unreadable(_) => None,
    }
}

/// Rounded up.
fn whole_minutes(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_mins((duration.as_secs() + 59) / 60)
}

/// As a duration is written in a specification.
fn words(duration: SignedDuration) -> String {
    let (hours, minutes) = (duration.as_mins() / 60, duration.as_mins() % 60);
    match (hours, minutes) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}
