//! Names and times are renamed so that equal situations are equal. Uids and revisions are counted
//! anew. Of the times of a day, the spans between them are kept as far as `plan` can tell them apart:
//! nothing, moments, longer than what is due soon after a publication waits, longer than the kubelet takes
//! to bring a change into a pod, longer than the budget of a rollout's step, longer than an hour. The day
//! itself is kept: certificates are dated by it.

use std::collections::BTreeMap;

use api::CoturnCertificateStatus;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use model::{Identity, Object};
use plan::{
    publication::{Publication, PublicationLog},
    store::StoreState,
};

use crate::{
    facts::{
        DAY, Known, Marked, Name, Sealed, StoreThing, Thing, at, of_pod_uid, second, uid,
        uid_number,
    },
    probing::Glimpse,
    state::{HOUR, Intent, LONG, Pod, State, TICK, View, WHILE},
};

/// A name or a time in a state.
pub enum Mark<'a> {
    Time(&'a mut i64),
    Uid(&'a mut u32),
    Revision(Name, &'a mut u32),
}

type Visit<'v> = &'v mut dyn FnMut(Mark<'_>);

/// Renames everything in a state.
pub fn canonical(mut state: State) -> State {
    let mut seen = Seen::default();
    state.visit(&mut |mark| seen.note(&mark));
    let renaming = seen.renaming(state.now);
    if !renaming.is_identity() {
        state.visit(&mut |mark| renaming.rename(mark));
    }
    state.now = renaming.now;
    state.server.continue_from(renaming.last());
    state
}

/// Longer than this span nobody has moved.
pub fn is_at_rest(state: &State) -> bool {
    let mut latest = i64::MIN;
    let now = state.now;
    state.clone().visit(&mut |mark| {
        if let Mark::Time(time) = mark
            && *time <= now
        {
            latest = latest.max(*time);
        }
    });
    now.saturating_sub(latest) >= LONG
}

#[derive(Default)]
struct Seen {
    times: BTreeMap<i64, i64>,
    uids: BTreeMap<u32, u32>,
    revisions: BTreeMap<(Name, u32), u32>,
}

struct Renaming {
    seen: Seen,
    now: i64,
}

impl Seen {
    fn note(&mut self, mark: &Mark<'_>) {
        match mark {
            Mark::Time(time) => {
                self.times.insert(**time, **time);
            }
            Mark::Uid(uid) => {
                self.uids.insert(**uid, **uid);
            }
            Mark::Revision(name, revision) => {
                self.revisions.insert((*name, **revision), **revision);
            }
        }
    }

    fn renaming(mut self, now: i64) -> Renaming {
        for (number, uid) in (1..).zip(self.uids.values_mut()) {
            *uid = number;
        }
        let mut last = (None, 0);
        for ((name, _), revision) in &mut self.revisions {
            last = (
                Some(*name),
                if last.0 == Some(*name) { last.1 + 1 } else { 1 },
            );
            *revision = last.1;
        }
        let now = self.rename_times(now);
        Renaming { seen: self, now }
    }

    /// Returns the time that stands for `now`.
    fn rename_times(&mut self, now: i64) -> i64 {
        let mut before: Option<(i64, i64)> = None;
        let mut renamed_now = None;
        for (&time, renamed) in &mut self.times {
            if time > now && renamed_now.is_none() {
                renamed_now = Some(follow(before, now, 0));
            }
            *renamed = follow(before, time, TICK);
            before = Some((time, *renamed));
        }
        renamed_now.unwrap_or_else(|| follow(before, now, 0))
    }
}

/// The time that stands for `time` after one that stands for another, both of one day, or after the
/// beginning of its day.
fn follow(before: Option<(i64, i64)>, time: i64, moment: i64) -> i64 {
    let day = time.div_euclid(DAY);
    let (before, renamed) = before
        .filter(|(before, _)| before.div_euclid(DAY) == day)
        .unwrap_or((day * DAY, day * DAY));
    renamed
        + match time - before {
            0 => 0,
            1..10 => moment,
            10..60 => WHILE,
            60..600 => 200,
            600..3600 => LONG,
            _ => HOUR,
        }
}

impl Renaming {
    fn is_identity(&self) -> bool {
        let seen = &self.seen;
        seen.times.iter().all(|(a, b)| a == b)
            && seen.uids.iter().all(|(a, b)| a == b)
            && seen.revisions.iter().all(|((_, a), b)| a == b)
    }

    fn rename(&self, mark: Mark<'_>) {
        match mark {
            Mark::Time(time) => *time = self.seen.times[time],
            Mark::Uid(uid) => *uid = self.seen.uids[uid],
            Mark::Revision(name, revision) => {
                *revision = self.seen.revisions[&(name, *revision)];
            }
        }
    }

    fn last(&self) -> Identity {
        let highest = |it: Option<&u32>| it.copied().unwrap_or(0);
        Identity {
            uid: highest(self.seen.uids.values().max()),
            revision: highest(self.seen.revisions.values().max()),
        }
    }
}

impl State {
    fn visit(&mut self, visit: Visit<'_>) {
        for (name, object) in self.server.objects_mut() {
            visit_object(*name, object, visit);
        }
        visit_pods(&mut self.pods, visit);
        for (certificate, earlier) in self.earlier.iter_mut().enumerate() {
            visit_option(Name::Store(certificate), earlier.store.as_mut(), visit);
            visit_option(Name::Store(certificate), earlier.backup.as_mut(), visit);
            visit_option(
                Name::Published(certificate),
                earlier.published.as_mut(),
                visit,
            );
        }
        for operator in &mut self.operators {
            for (certificate, pass) in operator.passes.iter_mut().enumerate() {
                if let Some(view) = pass {
                    view.visit(certificate, visit);
                }
            }
            if let Some(intent) = &mut operator.intent {
                intent.visit(visit);
            }
            visit_proofs(&mut operator.proofs, visit);
        }
    }
}

impl View {
    fn visit(&mut self, certificate: usize, visit: Visit<'_>) {
        visit_object(Name::Resource(certificate), &mut self.resource, visit);
        visit_option(Name::Store(certificate), self.store.as_mut(), visit);
        visit_option(Name::Published(certificate), self.published.as_mut(), visit);
        visit_option(Name::Workload, self.workload.as_mut(), visit);
        visit_pods(&mut self.pods, visit);
        visit_proofs(&mut self.proofs, visit);
    }
}

impl Intent {
    fn visit(&mut self, visit: Visit<'_>) {
        match self {
            Self::Stamp(stamp) => visit_identity(Name::Workload, &mut stamp.at, visit),
            Self::Restore(restoration) => {
                visit_identity(Name::Workload, &mut restoration.at, visit);
            }
            Self::Evict(eviction) => {
                visit(Mark::Time(&mut eviction.created));
                if let Some(started) = &mut eviction.started {
                    visit(Mark::Time(started));
                }
            }
        }
    }
}

fn visit_proofs(proofs: &mut [Option<Glimpse>], visit: Visit<'_>) {
    for glimpse in proofs.iter_mut().flatten() {
        visit(Mark::Time(&mut glimpse.after));
    }
}

fn visit_identity(name: Name, identity: &mut Identity, visit: Visit<'_>) {
    visit(Mark::Uid(&mut identity.uid));
    visit(Mark::Revision(name, &mut identity.revision));
}

fn visit_option(name: Name, object: Option<&mut Object<Thing>>, visit: Visit<'_>) {
    if let Some(object) = object {
        visit_object(name, object, visit);
    }
}

fn visit_object(name: Name, object: &mut Object<Thing>, visit: Visit<'_>) {
    visit_identity(name, &mut object.identity, visit);
    match &mut object.content {
        Thing::Resource(resource) => visit_sealed(&mut resource.status, visit),
        Thing::Store(StoreThing::Good { state, .. }) => visit_sealed(state, visit),
        Thing::Store(StoreThing::Corrupt) => {}
        Thing::Published(published) => visit(Mark::Time(&mut published.written)),
        Thing::Workload(workload) => visit(Mark::Time(&mut workload.changed)),
    }
}

fn visit_pods(pods: &mut [Option<Pod>], visit: Visit<'_>) {
    for pod in pods.iter_mut().flatten() {
        visit(Mark::Time(&mut pod.created));
        let others = [&mut pod.started, &mut pod.ready];
        for time in others.into_iter().flatten() {
            visit(Mark::Time(time));
        }
    }
}

fn visit_sealed<T: Marked>(sealed: &mut Sealed<T>, visit: Visit<'_>) {
    sealed.rename(&mut |mark| match mark {
        Known::Time(mut time) => {
            visit(Mark::Time(&mut time));
            Known::Time(time)
        }
        Known::Uid(mut uid) => {
            visit(Mark::Uid(&mut uid));
            Known::Uid(uid)
        }
    });
}

type Rename<'r> = &'r mut dyn FnMut(Known) -> Known;

fn moved(time: Timestamp, rename: Rename<'_>) -> Timestamp {
    match rename(Known::Time(second(time))) {
        Known::Time(renamed) => at(renamed),
        Known::Uid(_) => time,
    }
}

impl Marked for StoreState {
    fn renamed(&self, rename: Rename<'_>) -> Self {
        let mut state = self.clone();
        state.log = moved_log(&self.log, rename);
        for line in &mut state.history {
            line.time = moved(line.time, rename);
        }
        if let Some(rolled_back) = &mut state.rolled_back {
            rolled_back.at = moved(rolled_back.at, rename);
            rolled_back.published = rolled_back.published.map(|time| moved(time, rename));
        }
        for pod in &mut state.distrusted {
            if let Some((name, created)) = of_pod_uid(&pod.uid)
                && let Known::Time(created) = rename(Known::Time(created))
            {
                pod.uid = format!("{name} of {created}");
            }
        }
        if let Some(number) = self.published_uid.as_deref().and_then(uid_number)
            && let Known::Uid(renamed) = rename(Known::Uid(number))
        {
            state.published_uid = Some(uid(renamed));
        }
        state
    }
}

fn moved_log(log: &PublicationLog, rename: Rename<'_>) -> PublicationLog {
    log.during(Timestamp::MIN, Timestamp::MAX)
        .filter_map(|interval| Some((interval.held?, interval.from)))
        .fold(
            PublicationLog::empty(log.beginning()),
            |log, (held, from)| {
                let from = moved(from, rename);
                log.with(Publication { held, from })
            },
        )
}

impl Marked for CoturnCertificateStatus {
    fn renamed(&self, rename: Rename<'_>) -> Self {
        let mut status = self.clone();
        let started = status
            .rollout
            .iter_mut()
            .flat_map(|it| [it.started_at.as_mut(), it.completed_at.as_mut()])
            .flatten();
        // That of the next attempt is as long after what was taken back as ever, and no time of its own.
        for time in started.chain(status.history.iter_mut().map(|line| &mut line.time)) {
            *time = Time(moved(time.0, rename));
        }
        status
    }
}
