//! Everything that may happen.

use std::fmt::{self, Display, Formatter};

use crate::facts::Certificate;

/// Which operator.
pub type Operator = usize;
/// Which pod.
pub type Ordinal = usize;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A pass over a certificate begins: everything is read.
    Read(Operator, Certificate, Seen),
    /// A pass over a certificate writes.
    Write(Operator, Certificate, Reply),
    /// The pass over the workload reads everything and decides.
    Decide(Operator),
    /// The pass over the workload does what it decided.
    Act(Operator, Reply),
    /// An operator dials a pod.
    Probe(Operator, Ordinal),
    /// An operator is killed and started again.
    Crash(Operator),
    /// The StatefulSet's controller, or the kubelet.
    Kubernetes(Move),
    /// Somebody else.
    Hand(Hand),
    /// Time passes.
    Time(Passing),
}

/// How a pass sees the Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    AsTheyAre,
    /// The store as it was before its last change, and the published Secret as it is: operators read
    /// them in this order.
    EarlierStore,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Arrives,
    /// It takes place, and its reply is lost: the pass ends.
    Lost,
    /// Somebody changed the object and changed it back: it is refused.
    Conflict,
}

/// What Kubernetes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The controller sees the template.
    Observe,
    Create(Ordinal),
    Delete(Ordinal),
    /// A pod has ended.
    Gone(Ordinal),
    /// A pod's container starts and reads its Secrets.
    Start(Ordinal),
    /// The same, and it breaks.
    Break(Ordinal),
    /// A pod's process takes up what is published: a reloader beside it had it do so.
    Reload(Ordinal),
}

impl Move {
    /// Whether it may be any time, or never.
    pub const fn is_chance(self) -> bool {
        matches!(self, Self::Reload(_) | Self::Break(_))
    }
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Writes something into the published Secret that is no pair.
    Garbage(Certificate),
    /// Writes another valid pair there.
    ForeignPair(Certificate),
    /// Helm puts the chart's Secret back: its pair and its labels.
    Clobber(Certificate),
    /// Removes the operator's label.
    Relabel(Certificate),
    /// Deletes the published Secret and creates another under its name.
    Stranger(Certificate),
    DeletePublished(Certificate),
    DeleteStore(Certificate),
    CorruptStore(Certificate),
    /// A backup tool puts the store back as it was at the beginning.
    RestoreStore(Certificate),
    /// Asks for a new certificate.
    Renew(Certificate),
    /// Asks for the certificate before.
    RollBackTo(Certificate),
    /// The next container to start never becomes Ready.
    Break,
    /// No pod can be reached.
    Firewall,
    /// Pods can be reached again.
    FirewallAway,
    /// Puts the pod template back to one without the operator's annotation.
    Unstamp,
    /// A container ends and starts again in its pod, which shows the Secrets as they are.
    Restart(Ordinal),
    /// The same while the pod still shows what was published before.
    RestartWithEarlier(Ordinal),
    /// An operator's clock jumps beyond the renewal of its certificates.
    ClockForward(Operator),
    /// An operator's clock jumps to before its certificates were issued.
    ClockBackward(Operator),
    /// An operator's clock is put right.
    ClockRight(Operator),
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// Nobody has anything to do, until all budgets are spent.
    Rest,
    /// The same while somebody has.
    Pause,
    /// Until the newest certificate is to be renewed.
    ToRenewal(Certificate),
    /// Until the newest certificate has expired.
    ToExpiry(Certificate),
    /// Longer than what is due soon after a publication waits, right after it.
    AWhile(Certificate),
    /// Longer than another certificate waits after the first that was taken back.
    AnHour,
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = |operator: &Operator| {
            if *operator == 0 {
                "operator A"
            } else {
                "operator B"
            }
        };
        match self {
            Self::Read(operator, certificate, seen) => {
                write!(
                    f,
                    "{} reads for certificate {certificate} ({seen:?})",
                    name(operator)
                )
            }
            Self::Write(operator, certificate, reply) => {
                write!(
                    f,
                    "{} writes for certificate {certificate}, its reply: {reply:?}",
                    name(operator)
                )
            }
            Self::Decide(operator) => write!(f, "{} decides on a rollout", name(operator)),
            Self::Act(operator, reply) => {
                write!(
                    f,
                    "{} does it to the workload, its reply: {reply:?}",
                    name(operator)
                )
            }
            Self::Probe(operator, pod) => write!(f, "{} dials pod {pod}", name(operator)),
            Self::Crash(operator) => write!(f, "{} is killed", name(operator)),
            Self::Kubernetes(it) => write!(f, "Kubernetes: {it:?}"),
            Self::Hand(it) => write!(f, "somebody: {it:?}"),
            Self::Time(it) => write!(f, "time passes: {it:?}"),
        }
    }
}
