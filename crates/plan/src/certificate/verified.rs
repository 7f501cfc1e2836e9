//! Whether every pod was seen to serve the certificate in service.

use api::{ConditionType, Reason};
use jiff::Timestamp;

use super::{Observed, finding::Finding};
use crate::rollout::{Live, Mounted, Probe, Verdict, Workload, wanted};

/// What the handshakes with the pods tell, if any are asked for.
pub fn judge(observed: &Observed, now: Timestamp) -> Option<Finding> {
    if observed.resource.wanted.verifying.endpoints.is_empty() {
        return None;
    }
    let (Some(Workload::Present(live)), Some(mounted)) = (&observed.workload, observed.mounted())
    else {
        return Some(awaited("no pod is dialled yet"));
    };
    let mounted = mounted.at(observed.server_time(now)).within(live);
    if let Some(message) = cannot_tell_who_answers(observed, live) {
        return Some(Finding::unknown(Reason::Unreachable, message));
    }
    let mut pods: Vec<_> = live
        .pods
        .iter()
        .filter(|pod| pod.terminating.is_none())
        .map(|pod| (mounted.verdict(pod), pod.name.as_str()))
        .collect();
    pods.sort();
    let proven = pods
        .iter()
        .filter(|(it, _)| *it == Verdict::Current)
        .count();
    let of_all = format!("{proven} of {} pods were seen to serve it", live.replicas);
    Some(match pods.last() {
        Some((Verdict::Another(at, leaf), pod)) => Finding::no(
            Reason::ServesAnother,
            format!("{pod} serves sha256:{leaf} ({at}); {of_all}"),
        ),
        Some((Verdict::Nothing(how), pod)) => Finding::no(
            Reason::ServesNothing,
            format!(
                "{pod} serves no certificate ({how}): look whether coturn's options name the files that \
                 it mounts, and at its log; {of_all}"
            ),
        ),
        Some((Verdict::Unreached(why), pod)) => Finding::unknown(
            Reason::Unreachable,
            format!(
                "{pod} cannot be dialled ({why}): let the operator's pods reach it, or correct \
                 spec.verification.endpoints; {of_all}"
            ),
        ),
        Some((Verdict::Current, _))
            if i32::try_from(proven).is_ok_and(|it| it >= live.replicas) =>
        {
            Finding::yes(Reason::Verified, of_all)
        }
        Some((Verdict::Awaited | Verdict::Current | Verdict::Unasked, _)) | None => {
            kept(observed, live, &mounted).unwrap_or_else(|| awaited(&of_all))
        }
    })
}

fn awaited(message: &str) -> Finding {
    Finding::unknown(Reason::AwaitingProof, message.to_owned())
}

/// An address that is given is that of one pod.
fn cannot_tell_who_answers(observed: &Observed, live: &Live) -> Option<String> {
    let mut endpoints = observed.resource.wanted.verifying.endpoints.iter();
    let given = endpoints.find_map(|endpoint| endpoint.address)?;
    (live.replicas > 1).then(|| {
        format!(
            "spec.verification.endpoints names the address {given}, and there are {} pods: which of them answers there \
             is not known; leave the address out",
            live.replicas
        )
    })
}

/// What was told of this certificate, while an operator that has just started dials its pods.
fn kept(observed: &Observed, live: &Live, mounted: &Mounted) -> Option<Finding> {
    let completed = mounted.assurance.completed?;
    let mut awaited = live
        .pods
        .iter()
        .filter(|pod| mounted.verdict(pod) == Verdict::Awaited);
    if !awaited.all(|pod| pod.runs_since(&mounted.secret, completed)) {
        return None;
    }
    let conditions = &observed.resource.status.conditions;
    let told = conditions.iter().find(|condition| {
        condition.type_ == ConditionType::Verified.as_str()
            && condition.status == "True"
            && condition.observed_generation == Some(observed.resource.generation)
    })?;
    Some(Finding::yes(Reason::Verified, told.message.clone()))
}

/// The handshakes that are wanted at a time, and when the next is, by the API server's clock.
pub fn probes(observed: &Observed, now: Timestamp) -> (Vec<Probe>, Option<Timestamp>) {
    match (&observed.workload, observed.mounted()) {
        (Some(Workload::Present(live)), Some(mounted)) => {
            let now = observed.server_time(now);
            wanted(live, &mounted.at(now).within(live), now)
        }
        (Some(_) | None, _) => (Vec::new(), None),
    }
}
