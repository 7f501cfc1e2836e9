//! One pod restarted alone: where the template asks for nothing more, and only that pod's end brings
//! it onto the certificate. Never beside a rollout, never two at a time, ever later where it does not
//! help.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Doubt, Evidence, Live, Mounted, NotCurrent, Pod, evidence, pod_by_pod, reload,
};

/// Whether the operator may delete a pod of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SingleRestarts {
    /// The user allowed it.
    Allowed,
    /// The user did not.
    #[default]
    NotAllowed,
}

/// How long after a publication a pod may be deleted. Times are whole seconds: what is created in
/// the second of the publication cannot be told from what was created before it.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(5);

/// How old a pod must be, from the second time on that somebody overwrote the Secret; doubled each
/// further time. What was deleted may well start with something foreign again.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// A pod that is to be restarted alone.
#[derive(Clone, Copy, Debug)]
pub struct Restart<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// For which certificate.
    pub mounted: &'a Mounted,
    /// From when on.
    pub from: Timestamp,
}

impl Restart<'_> {
    /// The write.
    pub fn action(&self) -> Action {
        Action::RestartPod {
            pod: self.pod.name.clone(),
            version: self.pod.version.clone(),
        }
    }
}

/// The pod to restart alone for one of the certificates, if there is one and nothing else moves.
pub fn next<'a>(live: &'a Live, certificates: &[&'a Mounted]) -> Option<Restart<'a>> {
    let restarts = certificates.iter().filter_map(|mounted| due(live, mounted));
    restarts.min_by_key(|restart| restart.from)
}

/// The pod to restart alone for a certificate. One that is not Ready goes first: its calls are cut
/// already.
pub fn due<'a>(live: &'a Live, mounted: &'a Mounted) -> Option<Restart<'a>> {
    let may_restart = live.single_restarts == SingleRestarts::Allowed
        && mounted.strategy == RolloutStrategy::RollingRestart
        && !live.holds_back()
        && live.mounts.contains(&mounted.secret);
    let is_in_vain = mounted.is_replacing_in_vain(live);
    let published = mounted
        .published_since()
        .filter(|_| may_restart && !is_in_vain)?;
    let pods = live
        .pods
        .iter()
        .filter(|pod| is_wrong(live, pod, mounted))
        .filter(|pod| rests_but_for(live, |it| it.name == pod.name));
    let restarts = pods.map(|pod| Restart {
        pod,
        mounted,
        from: (published + SETTLE.max(reload::patience_with(pod, mounted)))
            .max(not_before(pod, mounted)),
    });
    restarts.min_by_key(|restart| {
        let ready = restart.pod.ready_since.is_some();
        (ready, restart.from, restart.pod.name.clone())
    })
}

/// Whether only its own end brings a pod onto the certificate.
pub fn is_wrong(live: &Live, pod: &Pod, mounted: &Mounted) -> bool {
    match evidence::of(pod, mounted) {
        Evidence::NotCurrent(NotCurrent::LacksItsName)
        | Evidence::Unknown(Doubt::MayLackItsName) => true,
        Evidence::NotCurrent(NotCurrent::StartedBefore | NotCurrent::StartedWithForeign) => {
            live.is_stamped_for(mounted) && live.is_of_the_template(pod)
        }
        // What is about to be taken back is not tried again.
        Evidence::NotCurrent(NotCurrent::ServesAnother) => pod_by_pod::is_to_go_once(pod, mounted),
        Evidence::NotCurrent(NotCurrent::ServesNothing) => {
            let is_taken_back = mounted.assurance.reverts && mounted.assurance.completed.is_none();
            !is_taken_back && pod_by_pod::is_to_go_once(pod, mounted)
        }
        Evidence::Current
        | Evidence::NotCurrent(NotCurrent::DoesNotMount)
        | Evidence::NotStarted
        | Evidence::Unknown(
            Doubt::Overwritten
            | Doubt::BeforeTheLog
            | Doubt::Predecessor
            | Doubt::Unproven
            | Doubt::Unreached,
        ) => false,
    }
}

/// Whether every pod that there shall be is there, of the revision it shall have and, but for these,
/// Ready: what was restarted before has come back, and no rollout is under way.
pub fn rests_but_for(live: &Live, may_not_be_ready: impl Fn(&Pod) -> bool) -> bool {
    let updated = live.pods.iter().filter(|it| live.is_of_the_template(it));
    let to_update = if live.holds_back() {
        // Pods of an earlier template stay until the user deletes them.
        0
    } else {
        live.replicas - live.partition.min(live.replicas)
    };
    let is_still =
        |it: &Pod| it.terminating.is_none() && (it.ready_since.is_some() || may_not_be_ready(it));
    live.observed
        && i32::try_from(live.pods.len()) == Ok(live.replicas)
        && i32::try_from(updated.count()).is_ok_and(|updated| updated >= to_update)
        && live.pods.iter().all(is_still)
}

/// The pause grows with each time that somebody overwrote the Secret, which the log tells: nothing
/// has to be remembered of earlier restarts.
fn not_before(pod: &Pod, mounted: &Mounted) -> Timestamp {
    match mounted.log.overwritten_since(mounted.current) {
        0 | 1 => Timestamp::MIN,
        times => pod.created + FIRST_PAUSE * (1 << (times - 2).min(8)),
    }
}
