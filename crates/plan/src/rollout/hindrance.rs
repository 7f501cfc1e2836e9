//! What keeps the pods of a workload from starting, where that can be told: the user has to know before
//! the rollout counts as stuck.

use super::{Live, Mounted, Pod, Verdict, pod_by_pod};

/// What keeps pods from starting, or from being replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// No node takes a pod.
    NoNode,
    /// No node takes a pod as long as the pod that it is to replace holds the node's ports: the
    /// workload starts a pod before it ends an earlier one.
    PortsTaken,
    /// A pod was not seen to serve the certificate, and the next one does not go before it is.
    Unproven {
        /// Its name.
        pod: String,
        /// What the handshake with it told, if it told anything.
        why: Option<String>,
    },
    /// A pod of an earlier template is not Ready, and before it is Kubernetes replaces neither it nor any
    /// other ("Forced rollback" in the documentation of `StatefulSet`s).
    Wedged {
        /// Its name.
        pod: String,
    },
}

/// What keeps pods from starting, if that can be told. Where they wait for the ports of pods that end,
/// nothing is to be done.
pub fn of(live: &Live) -> Option<Hindrance> {
    wedged(live).or_else(|| without_a_node(live))
}

fn wedged(live: &Live) -> Option<Hindrance> {
    let holds_up = |pod: &&Pod| {
        pod.terminating.is_none()
            && pod.ready_since.is_none()
            && live.update_revision.is_some()
            && pod.revision != live.update_revision
    };
    let is_ordered = live.ordered && live.partition == 0;
    let pod = live.pods.iter().find(holds_up).filter(|_| is_ordered)?;
    Some(Hindrance::Wedged {
        pod: pod.name.clone(),
    })
}

fn without_a_node(live: &Live) -> Option<Hindrance> {
    let there = |pod: &&Pod| pod.terminating.is_none();
    let mut waiting = live.pods.iter().filter(there);
    waiting.find(|pod| pod.unschedulable)?;
    if !live.host_ports {
        return Some(Hindrance::NoNode);
    }
    let earlier = |pod: &Pod| pod.revision != live.update_revision && pod.ready_since.is_some();
    // Only a workload that starts a pod before it ends another has more of them than there shall be.
    let surges =
        live.pods.iter().filter(there).count() > usize::try_from(live.replicas).unwrap_or(0);
    if surges && live.pods.iter().filter(there).any(earlier) {
        return Some(Hindrance::PortsTaken);
    }
    let ends = live.pods.iter().any(|pod| pod.terminating.is_some());
    (!ends).then_some(Hindrance::NoNode)
}

/// A pod of which a handshake is awaited before the next one goes.
pub fn unproven(live: &Live, mounted: &Mounted) -> Option<Hindrance> {
    let goes = |pod: &Pod| pod_by_pod::leaves(live, pod, mounted);
    if !live.pods.iter().any(goes) {
        return None;
    }
    let (pod, verdict) = pod_by_pod::unproven(live, mounted)?;
    let why = match verdict {
        Verdict::Unreached(why) | Verdict::Nothing(why) => Some(why),
        Verdict::Another(endpoint, leaf) => Some(format!("{endpoint}: it serves sha256:{leaf}")),
        Verdict::Unasked | Verdict::Current | Verdict::Awaited => None,
    };
    Some(Hindrance::Unproven {
        pod: pod.name.clone(),
        why,
    })
}

impl Hindrance {
    /// What hinders, and what to do.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::NoNode => {
                "no node takes a pod: look at its events, and give it room or other rules of placement".to_owned()
            }
            Self::PortsTaken => {
                "no node takes a pod beside the one that it replaces, whose ports of the node it needs: set \
                 rollingUpdate of the workload's strategy to maxSurge 0 and maxUnavailable 1".to_owned()
            }
            Self::Unproven { pod, why: None } => {
                format!("the next pod goes once a handshake has shown that {pod} serves it")
            }
            Self::Unproven {
                pod,
                why: Some(why),
            } => format!(
                "the next pod goes once a handshake has shown that {pod} serves it, and it has not: {why}; where that \
                 is the network's doing, let the operator's pod reach {pod} there"
            ),
            Self::Wedged { pod } => format!(
                "{pod} is of an earlier template and not Ready, and Kubernetes (podManagementPolicy OrderedReady) replaces \
                 no pod before it is: if it does not become Ready by itself, delete pod {pod}"
            ),
        }
    }
}
