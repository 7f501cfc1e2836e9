//! The operators' passes over a certificate: each reads, and writes what the real `plan` decides, one
//! write at a time, with the replies folded into what it has read.

use api::CoturnCertificateStatus;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use model::{Identity, Refused};
use plan::{
    Precondition,
    certificate::{Action, Observed, PublishCause, Published, Store, plan},
    publication::{Beginning, Held, Publication},
    rollout::Distrusted,
    store::{NewPair, Origin, PublishedName, Root, StoreState},
};

use crate::{
    facts::{
        Certificate, DAY, Kinds as _, Leaf, Name, Pair, PublishedThing, Resource, Sealed,
        StoreThing, Thing, at, identity, second,
    },
    guarantees,
    memory::{Memory, Wish},
    state::{SECRETS, State, View},
    step::{Reply, Seen},
    support::{authority, root},
    taking_back,
};

/// Conditions carry the time of their last transition, which decides nothing.
const TRANSITION: Timestamp = Timestamp::UNIX_EPOCH;

/// A pass begins. None if it finds nothing to do. One that finds only the status to be written writes
/// it in the same step: what it tells is judged of each situation anyway, and nothing else is decided
/// on it.
pub fn read(
    state: &State,
    memory: &Memory,
    operator: usize,
    certificate: Certificate,
    seen: Seen,
) -> Result<Option<State>, String> {
    let mut view = state.view(operator, certificate);
    let earlier = &state.earlier[certificate];
    match seen {
        Seen::AsTheyAre => {}
        Seen::EarlierStore => view.store.clone_from(&earlier.store),
    }
    let said = memory.said(state, operator, certificate, &view);
    if !said.is_due() {
        return Ok(None);
    }
    let mut next = state.clone();
    next.operators[operator].passes[certificate] = Some(Box::new(view));
    if said.asks_for == Wish::Status {
        write(&mut next, memory, operator, certificate, Reply::Arrives)?;
    }
    Ok(Some(next))
}

/// The write that is due in a pass, and whether the pass goes on.
pub fn write(
    state: &mut State,
    memory: &Memory,
    operator: usize,
    certificate: Certificate,
    reply: Reply,
) -> Result<(), String> {
    let Some(mut view) = state.operators[operator].passes[certificate].take() else {
        return Ok(());
    };
    let now = state.clock(operator);
    let observed = state.seen_by(operator, certificate, &view);
    let action = match plan(&observed, now).action {
        Some(action) if reply != Reply::Conflict => action,
        Some(_) | None => return Ok(()),
    };
    let before = state.clone();
    let written = Writer {
        state: &mut *state,
        view: &view,
        observed: &observed,
        certificate,
        now,
    }
    .take(&action);
    let Ok((name, _)) = written else {
        return Ok(());
    };
    guarantees::of_a_write(&before, state, operator, certificate, &action, &view)?;
    taking_back::note(&before, state, certificate, &action);
    let object = state.server.get(&name).cloned();
    match name {
        Name::Resource(_) => view.resource = object.unwrap_or(view.resource),
        Name::Store(_) => view.store = object,
        Name::Published(_) => view.published = object,
        Name::Workload => {}
    }
    if reply == Reply::Arrives && memory.said(state, operator, certificate, &view).is_due() {
        state.operators[operator].passes[certificate] = Some(view);
    }
    Ok(())
}

/// A write of a pass over a certificate.
pub struct Writer<'a> {
    pub state: &'a mut State,
    pub view: &'a View,
    pub observed: &'a Observed,
    pub certificate: Certificate,
    pub now: Timestamp,
}

impl Writer<'_> {
    fn take(&mut self, action: &Action) -> Result<(Name, Identity), Refused> {
        match action {
            Action::Issue {
                trigger,
                beginning,
                store,
            } => self.issue(*trigger, *beginning, store),
            Action::Recover { store, .. } => self.recover(store),
            Action::Adopt { .. } => panic!("no resource asks for that"),
            Action::NoteRollback { store, lost } => {
                let (asked, now) = (self.observed.resource.asked(), self.now);
                self.record(store, |state| state.after_a_rollback(lost, asked, now))
            }
            Action::Record {
                store,
                publication,
                secret,
            } => self.record(store, |state| state.with_publication(*publication, secret)),
            Action::RollBack { store, by } => self.roll_back(store, by),
            Action::Distrust { store, pod, uid } => self.record(store, |state| {
                state.with_distrusted(Distrusted {
                    pod: pod.clone(),
                    uid: uid.clone(),
                })
            }),
            Action::DropPrevious { store } => self.drop_previous(store),
            Action::Publish { secret, cause, .. } => self.publish(secret, *cause),
            Action::WriteStatus(status) => self.write_status(status),
        }
    }

    fn issue(
        &mut self,
        trigger: api::Trigger,
        beginning: Beginning,
        store: &Precondition,
    ) -> Result<(Name, Identity), Refused> {
        let leaf = Leaf::try_from(self.state.truth.days.len() + 1).unwrap();
        let mut days = self.state.truth.days.clone();
        days.push(second(self.now).div_euclid(DAY));
        let pair = Pair::Ours(leaf);
        let state = self.state_with(&NewPair {
            leaf: &pair.facts(&days).leaf,
            root: Some(Root::of(&authority(1))),
            origin: Origin::Issued(trigger),
            beginning,
            handled_renew: self.observed.resource.renew.as_deref(),
            handled_rollback: self.observed.resource.rollback_to.as_deref(),
            time: self.now,
        });
        let state = self.observed.with_the_workload(state, trigger);
        let written = self.put_pair(store, pair, state)?;
        self.state.truth.days = days;
        Ok(written)
    }

    fn recover(&mut self, store: &Precondition) -> Result<(Name, Identity), Refused> {
        let object = self.view.published.as_ref().ok_or(Refused::Conflict)?;
        let pair = object
            .published()
            .and_then(|it| it.pair)
            .ok_or(Refused::Conflict)?;
        let Published::Present(facts) = &self.observed.published else {
            return Err(Refused::Conflict);
        };
        let leaf = pair.facts(&self.state.truth.days).leaf;
        let publication = Publication {
            held: Held::Leaf(leaf.fingerprint),
            from: facts.written,
        };
        let secret = PublishedName {
            name: SECRETS[self.certificate].to_owned(),
            uid: Some(facts.version.uid.clone()),
            adoption: None,
        };
        let state = self.state_with(&NewPair {
            leaf: &leaf,
            root: Some(root(1)),
            origin: Origin::Recovered(None),
            beginning: Beginning::Unknown,
            handled_renew: self.observed.resource.renew.as_deref(),
            handled_rollback: self.observed.resource.rollback_to.as_deref(),
            time: self.now,
        });
        self.put_pair(store, pair, state.with_publication(publication, &secret))
    }

    fn state_with(&self, pair: &NewPair<'_>) -> StoreState {
        let before = self.observed.stored().map(|stored| &stored.state);
        StoreState::with_pair(before, pair)
    }

    fn put_pair(
        &mut self,
        at: &Precondition,
        current: Pair,
        state: StoreState,
    ) -> Result<(Name, Identity), Refused> {
        let thing = StoreThing::Good {
            current,
            previous: self.in_store().map(|(current, _)| current),
            state: Sealed::new(state),
        };
        self.put(Name::Store(self.certificate), at, Thing::Store(thing))
    }

    /// The pair in service and the one before, as read.
    pub fn in_store(&self) -> Option<(Pair, Option<Pair>)> {
        match self.view.store.as_ref()?.store()? {
            StoreThing::Good {
                current, previous, ..
            } => Some((*current, *previous)),
            StoreThing::Corrupt => None,
        }
    }

    fn drop_previous(&mut self, at: &plan::Version) -> Result<(Name, Identity), Refused> {
        let (Store::Present(stored), Some((current, _))) = (&self.observed.store, self.in_store())
        else {
            return Err(Refused::Conflict);
        };
        let thing = StoreThing::Good {
            current,
            previous: None,
            state: Sealed::new(stored.state.clone()),
        };
        let at = Precondition::At(at.clone());
        self.put(Name::Store(self.certificate), &at, Thing::Store(thing))
    }

    fn record(
        &mut self,
        at: &plan::Version,
        change: impl FnOnce(&StoreState) -> StoreState,
    ) -> Result<(Name, Identity), Refused> {
        let (Store::Present(stored), Some((current, previous))) =
            (&self.observed.store, self.in_store())
        else {
            return Err(Refused::Conflict);
        };
        let thing = StoreThing::Good {
            current,
            previous,
            state: Sealed::new(change(&stored.state)),
        };
        let at = Precondition::At(at.clone());
        self.put(Name::Store(self.certificate), &at, Thing::Store(thing))
    }

    fn publish(
        &mut self,
        at: &Precondition,
        cause: PublishCause,
    ) -> Result<(Name, Identity), Refused> {
        let (pair, _) = self.in_store().ok_or(Refused::Conflict)?;
        let before = self.view.published.as_ref().and_then(|it| it.published());
        let written = match cause {
            PublishCause::Metadata | PublishCause::Roots => before.map(|it| it.written),
            PublishCause::TakenOver => panic!("no resource asks for that"),
            PublishCause::Missing
            | PublishCause::Deleted
            | PublishCause::Superseded
            | PublishCause::Overwritten => None,
        };
        let mark = match pair {
            Pair::Ours(leaf) => Some(leaf),
            Pair::Foreign | Pair::Chart => None,
        };
        let thing = PublishedThing {
            claimed: true,
            pair: Some(pair),
            mark,
            labelled: true,
            written: written.unwrap_or(self.state.now),
        };
        self.put(
            Name::Published(self.certificate),
            at,
            Thing::Published(thing),
        )
    }

    fn write_status(
        &mut self,
        status: &CoturnCertificateStatus,
    ) -> Result<(Name, Identity), Refused> {
        let mut status = taking_back::without_the_next_attempt(status, self.observed.stored());
        if let Some(rollout) = &mut status.rollout {
            let noted = rollout.completed_at.take();
            let is_new = noted
                .as_ref()
                .is_some_and(|it| it.0 == self.state.server_time());
            let latest = Time(at(self.state.latest_start_or_publication(self.certificate)));
            rollout.completed_at = noted.map(|it| if is_new { latest } else { it });
        }
        for condition in &mut status.conditions {
            condition.last_transition_time = Time(TRANSITION);
        }
        let thing = Thing::Resource(Resource {
            renew: self.view.resource.resource().and_then(|it| it.renew),
            rollback_to: self.view.resource.resource().and_then(|it| it.rollback_to),
            status: Sealed::new(status),
        });
        let at = Precondition::At(self.observed.resource.version.clone());
        self.put(Name::Resource(self.certificate), &at, thing)
    }

    pub fn put(
        &mut self,
        name: Name,
        at: &Precondition,
        thing: Thing,
    ) -> Result<(Name, Identity), Refused> {
        self.state.note_earlier(name);
        let written = match at {
            Precondition::Absent => self.state.server.create(name, thing)?,
            Precondition::At(version) => {
                self.state
                    .server
                    .replace(&name, identity(version).into(), thing)?
            }
        };
        Ok((name, written))
    }
}
