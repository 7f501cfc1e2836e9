//! The API server of a cluster in memory: writes under their preconditions.

use api::{Trigger, names};
use plan::{
    Precondition, RenewalPolicy, Version,
    certificate::{
        Action, Observed, Pair, PublishCause, Published, PublishedSecret, Store, Stored,
    },
    publication::{Beginning, Held, Publication},
    renewal_time,
    store::{Adoption, NewPair, Origin, PublishedName, Root, StoreState},
};

use super::{
    cluster::{Cluster, Stale, TICK},
    pair, present, published, root_of,
};

/// A pair for the store.
struct New {
    pair: Pair,
    root: Option<Root>,
    origin: Origin,
    beginning: Beginning,
}

impl Cluster {
    /// A write to the API server.
    pub fn take(&mut self, seen: &Observed, action: &Action) -> Result<(), Stale> {
        self.clock += TICK;
        match action {
            Action::Issue {
                trigger,
                beginning,
                store,
            } => self.issue(*trigger, *beginning, store),
            Action::Recover { store, .. } => {
                let Published::Present(secret) = &seen.published else {
                    return Err(Stale);
                };
                let pair = secret.pair.clone().ok_or(Stale)?;
                let publication = Publication {
                    held: Held::Leaf(pair.leaf.fingerprint),
                    from: secret.written,
                };
                let origin = Origin::Recovered(secret.adoption());
                let uid = secret.version.uid.clone();
                self.take_up(
                    store,
                    &uid,
                    publication,
                    New {
                        pair,
                        root: None,
                        origin,
                        beginning: Beginning::Unknown,
                    },
                )
            }
            Action::Adopt {
                store,
                published,
                publication,
                beginning,
                adoption,
            } => {
                let Published::Present(secret) = &seen.published else {
                    return Err(Stale);
                };
                let pair = secret.pair.clone().ok_or(Stale)?;
                let origin = Origin::Adopted((**adoption).clone());
                let root = secret.root;
                self.take_up(
                    store,
                    &published.uid,
                    *publication,
                    New {
                        pair,
                        root,
                        origin,
                        beginning: *beginning,
                    },
                )
            }
            Action::NoteRollback { store, lost } => {
                self.store_is(&Precondition::At(store.clone()))?;
                let (clock, resource) = (self.clock, self.truth.resource.clone());
                self.change_store(|state| state.after_a_rollback(lost, resource.asked(), clock))
            }
            Action::Record {
                store,
                publication,
                secret,
            } => {
                self.store_is(&Precondition::At(store.clone()))?;
                self.change_store(|state| state.with_publication(*publication, secret))
            }
            Action::RollBack { store, by } => self.roll_back(store, by),
            Action::Distrust { store, pod, uid } => {
                self.store_is(&Precondition::At(store.clone()))?;
                self.distrust(pod, uid)
            }
            Action::DropPrevious { store } => self.drop_previous(store),
            Action::Publish { secret, cause, .. } => {
                let current = seen.stored().ok_or(Stale)?.current.clone();
                self.publish(secret, *cause, current)
            }
            Action::WriteStatus(status) => {
                self.truth.resource.status = (**status).clone();
                Ok(())
            }
        }
    }

    /// The pair of the published Secret, for the store.
    fn take_up(
        &mut self,
        store: &Precondition,
        uid: &str,
        publication: Publication,
        new: New,
    ) -> Result<(), Stale> {
        let secret = PublishedName {
            name: "tls".to_owned(),
            uid: Some(uid.to_owned()),
            adoption: None,
        };
        self.put_pair(store, new)?;
        self.change_store(|state| state.with_publication(publication, &secret))
    }

    fn issue(
        &mut self,
        trigger: Trigger,
        beginning: Beginning,
        store: &Precondition,
    ) -> Result<(), Stale> {
        self.store_is(store)?;
        assert!(self.is_justified(trigger), "{trigger} at {}", self.clock);
        let wanted = &self.truth.resource.wanted;
        let start = self.clock - super::minutes(5);
        let mut issued = pair(self.revision, start, self.clock + wanted.duration);
        issued.leaf.signer = wanted.issuer.signer();
        issued.leaf.content = Some(self.truth.content_to_issue());
        let new = New {
            root: Some(root_of(&issued.leaf)),
            pair: issued,
            origin: Origin::Issued(trigger),
            beginning,
        };
        self.put_pair(store, new)?;
        self.issued.push(trigger);
        Ok(())
    }

    /// Whether what is there, and not only what was seen, asks for a certificate: after it was
    /// issued it does so no more.
    fn is_justified(&self, trigger: Trigger) -> bool {
        let resource = &self.truth.resource;
        let Some(stored) = self.truth.stored() else {
            return true;
        };
        let leaf = &stored.current.leaf;
        let policy = RenewalPolicy {
            renew_before: resource.wanted.renew_before,
            uid: &resource.version.uid,
        };
        match trigger {
            Trigger::DoesNotExist | Trigger::Corrupt => false,
            Trigger::SpecChanged => {
                let wanted = self.truth.wanted();
                let satisfies = |content| wanted.is_satisfied_by(content);
                leaf.signer != wanted.issuer.signer()
                    || !leaf.content.as_ref().is_some_and(satisfies)
            }
            Trigger::ReplicasGrew => {
                let content = self.truth.content_to_issue();
                leaf.content.as_ref() != Some(&content)
            }
            Trigger::Requested => resource.renew != stored.state.handled_renew,
            Trigger::Renewing => {
                self.clock >= renewal_time(leaf.not_before, leaf.not_after, policy)
            }
            Trigger::Expired => self.clock >= leaf.not_after,
        }
    }

    fn put_pair(&mut self, store: &Precondition, new: New) -> Result<(), Stale> {
        self.store_is(store)?;
        let New {
            pair,
            root,
            origin,
            beginning,
        } = new;
        let trigger = origin.trigger();
        self.stored.insert(pair.leaf.fingerprint);
        let version = self.next("store", store);
        let before = self.truth.stored();
        let state = StoreState::with_pair(
            before.map(|stored| &stored.state),
            &NewPair {
                leaf: &pair.leaf,
                root,
                origin,
                beginning,
                handled_renew: match trigger {
                    Some(trigger) => self.truth.answered_by(trigger),
                    None => self.truth.resource.renew.as_deref(),
                },
                handled_rollback: self.truth.resource.rollback_to.as_deref(),
                time: self.clock,
            },
        );
        let previous = before.map(|stored| stored.current.clone());
        let state = match trigger {
            Some(trigger) => self.truth.with_the_workload(state, trigger),
            None => state,
        };
        self.truth.store = Store::Present(Box::new(Stored {
            version,
            current: pair,
            previous,
            state,
        }));
        Ok(())
    }

    pub(super) fn change_store(
        &mut self,
        change: impl FnOnce(&StoreState) -> StoreState,
    ) -> Result<(), Stale> {
        self.revision += 1;
        let Store::Present(stored) = &mut self.truth.store else {
            return Err(Stale);
        };
        stored.state = change(&stored.state);
        stored.version.resource_version = self.revision.to_string();
        Ok(())
    }

    fn publish(&mut self, at: &Precondition, cause: PublishCause, pair: Pair) -> Result<(), Stale> {
        let there = match &self.truth.published {
            Published::Present(secret) => Some(&secret.version),
            Published::Absent | Published::Unreadable(_) => None,
        };
        holds(at, there)?;
        assert!(
            self.stored.contains(&pair.leaf.fingerprint),
            "published, but never stored"
        );
        assert_ne!(cause, PublishCause::Roots, "nobody changes roots here");
        // A write of metadata leaves the time of the pair as it was.
        let written = match &self.truth.published {
            Published::Present(secret)
                if matches!(cause, PublishCause::Metadata | PublishCause::TakenOver) =>
            {
                secret.written
            }
            _ => self.clock,
        };
        self.wrote = Some(pair.leaf.fingerprint);
        let mut secret = PublishedSecret {
            version: self.next("published", at),
            ..published(Some(pair), written)
        };
        if let Some(adoption) = self
            .truth
            .stored()
            .and_then(|it| it.state.adoption.as_ref())
        {
            adopt(&mut secret, adoption);
        }
        self.truth.published = present(secret);
        Ok(())
    }

    fn store_is(&self, at: &Precondition) -> Result<(), Stale> {
        let there = match &self.truth.store {
            Store::Present(stored) => Some(&stored.version),
            Store::Corrupt(version) => Some(version),
            Store::Absent | Store::NotAStore | Store::Unreadable(_) => None,
        };
        holds(at, there)
    }

    pub(super) fn next(&mut self, name: &str, before: &Precondition) -> Version {
        self.revision += 1;
        let uid = match before {
            Precondition::Absent => format!("{name}-{}", self.revision),
            Precondition::At(version) => version.uid.clone(),
        };
        Version {
            uid,
            resource_version: self.revision.to_string(),
        }
    }
}

/// A Secret that somebody else made keeps its type and its labels.
fn adopt(secret: &mut PublishedSecret, adoption: &Adoption) {
    secret.secret_type.clone_from(&adoption.secret_type);
    secret.labels.clone_from(&adoption.labels);
    secret.annotations.extend(adoption.annotations.clone());
    secret
        .annotations
        .insert(names::ADOPTED.to_owned(), adoption.leaf.to_string());
}

fn holds(wanted: &Precondition, there: Option<&Version>) -> Result<(), Stale> {
    let holds = match wanted {
        Precondition::Absent => there.is_none(),
        Precondition::At(version) => there == Some(version),
    };
    holds.then_some(()).ok_or(Stale)
}
