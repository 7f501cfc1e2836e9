//! Pods that break with a certificate, while it is being rolled out. Later on a pod that breaks has
//! other reasons.

use jiff::{SignedDuration, Timestamp};

use super::{Evidence, Live, Mounted, NotCurrent, Pod, Trust, evidence, longest_rollout};

/// A pod that broke with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub pod: String,
    /// How it shows.
    pub symptom: Symptom,
}

/// How it shows that a pod broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// It serves no certificate.
    ServesNothing,
    /// It serves another certificate, and did so after it was replaced, too.
    ServesAnother,
    /// Its containers ended time and again.
    Crashes,
    /// It runs for ten minutes and was never Ready.
    NeverReady,
}

/// How often containers may end before that counts. The kubelet forgets what ran for ten minutes: who is
/// killed now and then does not back off.
const CRASHES: u32 = 3;

/// How long a certificate is on trial at least: where pods cannot be dialled nobody knows that all serve it.
const TRIAL: SignedDuration = SignedDuration::from_hours(24);

/// Whether a pod that breaks is the certificate's matter: for as long as its rollout may well take, and later as
/// long as nobody is on it. A PodDisruptionBudget, or a rollout that is paused, may keep the first pod waiting
/// for days.
fn is_on_trial(live: &Live, mounted: &Mounted, published: Timestamp, pod: &Pod) -> bool {
    let trial = longest_rollout(live).saturating_mul(2).max(TRIAL);
    let is_on_it =
        |pod: &Pod| pod.ready_since.is_some() && evidence::of(pod, mounted) == Evidence::Current;
    pod.created < published + trial || !live.pods.iter().any(is_on_it)
}

/// Whether a pod was made for a certificate. Times are whole seconds: of the second of its publication the
/// template tells by which the pod was made.
fn is_made_for(pod: &Pod, mounted: &Mounted, published: Timestamp) -> bool {
    let made_by = pod.fingerprints.get(&mounted.secret);
    pod.created > published
        || (pod.created == published && made_by == Some(&mounted.current.to_string()))
}

/// How long a pod may run without being Ready.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// The first pod that broke with the certificate in service, if one did before all were on it.
#[must_use]
pub fn of(live: &Live, mounted: &Mounted, now: Timestamp) -> Option<Failure> {
    let published = mounted
        .published_since()
        .filter(|_| mounted.assurance.completed.is_none())?;
    let mut pods: Vec<_> = live.pods.iter().collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    // Who is about to be replaced for what it serves has its successor tell what handshakes are worth.
    let is_waited_for = live.pods.iter().any(|pod| {
        evidence::of(pod, mounted) == Evidence::NotCurrent(NotCurrent::ServesAnother)
            && mounted.trust(pod) == Trust::Withdrawn
    });
    let there = pods
        .into_iter()
        .filter(|pod| pod.terminating.is_none() && is_on_trial(live, mounted, published, pod));
    let broken = there.filter_map(|pod| {
        let symptom = symptom(pod, mounted, published, now)?;
        let counts = !is_waited_for || !symptom.is_of_a_handshake();
        counts.then(|| Failure {
            pod: pod.name.clone(),
            symptom,
        })
    });
    mounted
        .but_for_who_was_ailing(broken, |failure| &failure.pod)
        .next()
}

fn symptom(pod: &Pod, mounted: &Mounted, published: Timestamp, now: Timestamp) -> Option<Symptom> {
    match evidence::of(pod, mounted) {
        Evidence::NotCurrent(NotCurrent::ServesNothing) => return Some(Symptom::ServesNothing),
        Evidence::NotCurrent(NotCurrent::ServesAnother) if mounted.trust(pod) == Trust::Lost => {
            return Some(Symptom::ServesAnother);
        }
        Evidence::Current
        | Evidence::NotStarted
        | Evidence::Unknown(_)
        | Evidence::NotCurrent(_) => {}
    }
    if pod.ready_since.is_some() || !mounted.is_needed_by(pod) {
        return None;
    }
    let is_made_for_it = is_made_for(pod, mounted, published);
    let ran_with_it = |began: Timestamp| is_made_for_it || began > published;
    if pod.restarts >= CRASHES && pod.backs_off.is_some_and(ran_with_it) {
        return Some(Symptom::Crashes);
    }
    if !is_made_for_it {
        return None;
    }
    // Its node's clock may be behind.
    let started = pod.running_since(&mounted.secret)?.max(pod.created);
    let runs = now.duration_since(started);
    (runs > PATIENCE).then_some(Symptom::NeverReady)
}

impl Symptom {
    const fn is_of_a_handshake(self) -> bool {
        match self {
            Self::ServesNothing | Self::ServesAnother => true,
            Self::Crashes | Self::NeverReady => false,
        }
    }
}

impl Mounted {
    fn is_needed_by(&self, pod: &Pod) -> bool {
        pod.started.contains_key(&self.secret)
    }
}

impl Pod {
    /// Since when all containers run that mount a Secret.
    fn running_since(&self, secret: &str) -> Option<Timestamp> {
        let starts: Option<Vec<_>> = self.started.get(secret)?.iter().copied().collect();
        starts?.into_iter().max()
    }
}

impl Failure {
    /// What broke, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let pod = &self.pod;
        match self.symptom {
            Symptom::ServesNothing => format!(
                "{pod} started with it and serves no certificate: coturn could not load its files"
            ),
            Symptom::ServesAnother => format!(
                "{pod} started with it and serves another certificate, as it did before it was replaced"
            ),
            Symptom::Crashes => {
                format!("{pod} ended time and again with it and is not Ready")
            }
            Symptom::NeverReady => format!(
                "{pod} started with it and did not become Ready in {} min",
                PATIENCE.as_mins()
            ),
        }
    }
}
