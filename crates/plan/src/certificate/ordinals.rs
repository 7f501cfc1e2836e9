//! Names by ordinal: which ordinals a certificate shall name. The workload tells how many pods there
//! are, the store how many there were; fewer of them take nothing back.

use api::{Content, Leaf, OrdinalNames, Ordinals, Reason, Trigger, Wanted};

use super::{Observed, Stored, rollback};
use crate::{
    Refusal,
    rollout::{Predecessor, Workload, but_for},
    store::{Grown, StoreState},
};

impl Observed {
    /// What the resource asks for, with the names by ordinal that are known of.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let wanted = &self.resource.wanted;
        asked(self).map_or_else(|| wanted.clone(), |ordinals| wanted.with_names_of(ordinals))
    }

    /// What a certificate issued at this moment shall contain.
    #[must_use]
    pub fn content_to_issue(&self) -> Content {
        self.wanted().content
    }

    /// The record of a certificate that is issued at this moment: the ordinals that it names, and the
    /// certificates that it only adds names to.
    #[must_use]
    pub fn with_the_workload(&self, state: StoreState, trigger: Trigger) -> StoreState {
        let grown_from = match trigger {
            Trigger::ReplicasGrew => self
                .stored()
                .map(|stored| grown_from(self, stored))
                .unwrap_or_default(),
            Trigger::DoesNotExist
            | Trigger::SpecChanged
            | Trigger::Renewing
            | Trigger::Expired
            | Trigger::Corrupt
            | Trigger::Requested => Vec::new(),
        };
        StoreState {
            ordinals: seen(self),
            grown_from,
            ailing: self.ailing_before(trigger),
            ..state
        }
    }

    /// Pods that are no witnesses of a certificate that is issued at this moment. After certificates that were
    /// taken back only who was not Ready before the first of them either: the others broke with them, or are on
    /// their way back. They go first, and where one does not come up, no other pod is tried. What has expired
    /// must be replaced in the others whatever is wrong with one.
    fn ailing_before(&self, trigger: Trigger) -> Vec<String> {
        let failed = |stored: &&Stored| rollback::failed_attempts(self, stored).is_some();
        let before = self.stored().filter(failed).map(|it| &it.state.ailing);
        let ailing = self.ailing();
        match (trigger, before) {
            (Trigger::Expired, _) | (_, None) => ailing,
            (
                Trigger::DoesNotExist
                | Trigger::SpecChanged
                | Trigger::Renewing
                | Trigger::Corrupt
                | Trigger::Requested
                | Trigger::ReplicasGrew,
                Some(before),
            ) => {
                let broke: Vec<_> = but_for(before, ailing.iter(), |it| it.as_str()).collect();
                let is_older = |pod: &&String| !broke.contains(pod);
                ailing.iter().filter(is_older).cloned().collect()
            }
        }
    }

    /// The value of the annotation `coturncert.dev/renew` that a certificate answers which is issued at
    /// this moment. Growth answers none: who asks for a certificate wants every pod on it.
    #[must_use]
    pub fn answered_by(&self, trigger: Trigger) -> Option<&str> {
        let is_growth = trigger == Trigger::ReplicasGrew;
        self.resource.renew.as_deref().filter(|_| !is_growth)
    }

    /// Certificates that the one in service only adds names to.
    pub(super) fn predecessors(&self, stored: &Stored) -> Vec<Predecessor> {
        let named = stored.state.ordinals;
        let lacks = |grown: &Grown| {
            let all = named.into_iter().flat_map(Ordinals::range);
            all.filter(|ordinal| !grown.ordinals.contains(*ordinal))
                .collect()
        };
        let predecessor = |grown: &Grown| Predecessor {
            leaf: grown.leaf,
            lacks: lacks(grown),
            until: self.renewal_between(grown.not_before, grown.not_after),
        };
        stored.state.grown_from.iter().map(predecessor).collect()
    }
}

/// All of them: each names at least one pod less than the next, so that there are fewer than names.
/// What is forgotten would be restarted.
fn grown_from(observed: &Observed, stored: &Stored) -> Vec<Grown> {
    let leaf = &stored.current.leaf;
    let asked = observed.resource.wanted.ordinals.as_ref();
    let ordinals = asked.and_then(|names| remembered(observed, names));
    let last = ordinals.map(|ordinals| Grown {
        leaf: leaf.fingerprint,
        ordinals,
        not_before: leaf.not_before,
        not_after: leaf.not_after,
    });
    let earlier = stored.state.grown_from.iter().cloned();
    earlier.chain(last).collect()
}

/// The ordinals that a certificate shall name, if the resource wants any and they are known.
fn asked(observed: &Observed) -> Option<Ordinals> {
    let names = observed.resource.wanted.ordinals.as_ref()?;
    match names.count {
        Some(count) => Some(Ordinals {
            start: start(observed, names),
            count,
        }),
        None => seen(observed),
    }
}

/// The first ordinal: as the resource says, else as the workload has it, else the usual one.
fn start(observed: &Observed, names: &OrdinalNames) -> u32 {
    let of_workload = || live(observed, names).map(|live| live.start);
    let remembered = || Some(observed.stored()?.state.ordinals?.start);
    names
        .start
        .or_else(of_workload)
        .or_else(remembered)
        .unwrap_or_default()
}

/// The most replicas seen, at this moment or before. At least one: the first pod is to come.
fn seen(observed: &Observed) -> Option<Ordinals> {
    let names = observed.resource.wanted.ordinals.as_ref()?;
    let live = live(observed, names);
    let before = remembered(observed, names);
    let joined = match (before, live) {
        (Some(before), Some(live)) => before.joined(live),
        (before, live) => before.or(live)?,
    };
    // A workload whose numbers moved far away leaves the old ones behind.
    let kept = live.filter(|_| joined.count > names.most).unwrap_or(joined);
    Some(Ordinals {
        count: kept.count.clamp(1, names.most),
        ..kept
    })
}

fn live(observed: &Observed, names: &OrdinalNames) -> Option<Ordinals> {
    match observed.workload.as_ref()? {
        Workload::Present(live) => Some(Ordinals {
            start: names.start.unwrap_or(live.first_ordinal),
            count: u32::try_from(live.replicas).unwrap_or_default(),
        }),
        Workload::Missing | Workload::Unreadable(_) => None,
    }
}

/// The ordinals that the certificate in service was issued for. Where no record tells, its names do.
fn remembered(observed: &Observed, names: &OrdinalNames) -> Option<Ordinals> {
    let stored = observed.stored()?;
    let recorded = stored.state.ordinals.map(|recorded| Ordinals {
        start: names.start.unwrap_or(recorded.start),
        ..recorded
    });
    recorded.or_else(|| named_in(&stored.current.leaf, observed, names))
}

fn named_in(leaf: &Leaf, observed: &Observed, names: &OrdinalNames) -> Option<Ordinals> {
    let dns_names = &leaf.content.as_ref()?.dns_names;
    let live = live(observed, names).map(|live| live.start);
    let start = names.start.or(live).unwrap_or_default();
    let has_a_name = |ordinal: &u32| dns_names.contains(&names.name(*ordinal));
    let possible = start..start.saturating_add(api::MOST_NAMES);
    let count = possible.take_while(has_a_name).count();
    let count = u32::try_from(count).unwrap_or_default();
    (count > 0).then_some(Ordinals { start, count })
}

/// Whether the leaf would be as specified if the workload had not grown.
pub fn only_grew(observed: &Observed, stored: &Stored) -> bool {
    let wanted = &observed.resource.wanted;
    let Some(names) = wanted
        .ordinals
        .as_ref()
        .filter(|names| names.count.is_none())
    else {
        return false;
    };
    let before = remembered(observed, names).map(|before| wanted.with_names_of(before));
    before.is_some_and(|before| stored.satisfies(&before))
}

/// Why nothing can be issued while nobody knows how many pods there are.
pub fn unknown(observed: &Observed) -> Option<Refusal> {
    let resource = &observed.resource;
    let workload = resource.wanted.workload.as_ref();
    resource.wanted.ordinals.as_ref()?;
    if asked(observed).is_some() {
        return None;
    }
    if let Some(Workload::Unreadable(refusal)) = &observed.workload {
        return Some(refusal.clone());
    }
    let named = workload.map_or_else(String::new, |it| {
        format!("{} {}/{}", it.kind, resource.namespace, it.name)
    });
    Some(Refusal {
        reason: Reason::WorkloadNotFound,
        message: format!(
            "the names by ordinal are not known: {named} does not exist; create it, or set \
             spec.ordinalDNSNames.count"
        ),
    })
}

/// Pods that the certificate has no name for, in words, if there are any.
pub fn shortfall(observed: &Observed) -> Option<String> {
    let names = observed.resource.wanted.ordinals.as_ref()?;
    let (asked, live) = (asked(observed)?, live(observed, names)?);
    let nameless = live.range().find(|ordinal| !asked.contains(*ordinal))?;
    let cause = names.count.map_or_else(
        || format!("a certificate holds at most {} names", api::MOST_NAMES),
        |count| format!("spec.ordinalDNSNames names {count} of {} pods", live.count),
    );
    Some(format!(
        "{cause}: {} is not among them",
        names.name(nameless)
    ))
}
