//! A small model of the Kubernetes API server: objects with an identity, and the writes that it takes
//! or refuses. What an object holds is the user's own: plan's model check keeps observed facts in it,
//! the comparison with the real kube-apiserver keeps Secrets and StatefulSets.

use std::collections::BTreeMap;

/// What tells one revision of one object from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// `metadata.uid`: an object created anew under the same name has another.
    pub uid: u32,
    /// `metadata.resourceVersion`: moves with each write that changes something.
    pub revision: u32,
}

/// An object as the API server keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object<C> {
    /// Its identity.
    pub identity: Identity,
    /// Everything else.
    pub content: C,
}

/// The rules of a kind.
pub trait Content: Clone + PartialEq {
    /// Whether an object that holds `self` may be made to hold `next`.
    fn may_become(&self, next: &Self) -> bool;

    /// Whether a replacement without a resourceVersion is taken, whatever it replaces. Built-in kinds
    /// take it, custom resources do not.
    fn takes_any_revision(&self) -> bool {
        true
    }
}

/// What a write demands of the object that it meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Precondition {
    /// That it has this uid.
    pub uid: Option<u32>,
    /// That it is at this resourceVersion.
    pub revision: Option<u32>,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// An object of this name exists (409).
    AlreadyExists,
    /// None does (404).
    NotFound,
    /// It is not the object, or the revision, that the write demands (409).
    Conflict,
    /// The kind does not admit it (422).
    Invalid,
}

/// The objects of a cluster, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server<N: Ord, C> {
    objects: BTreeMap<N, Object<C>>,
    last: Identity,
}

impl From<Identity> for Precondition {
    fn from(identity: Identity) -> Self {
        Self {
            uid: Some(identity.uid),
            revision: Some(identity.revision),
        }
    }
}

impl<N: Ord, C> Default for Server<N, C> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            last: Identity {
                uid: 0,
                revision: 0,
            },
        }
    }
}

impl<N: Ord, C: Content> Server<N, C> {
    /// Reads an object.
    pub fn get(&self, name: &N) -> Option<&Object<C>> {
        self.objects.get(name)
    }

    /// Creates an object.
    pub fn create(&mut self, name: N, content: C) -> Result<Identity, Refused> {
        if self.objects.contains_key(&name) {
            return Err(Refused::AlreadyExists);
        }
        self.last.uid += 1;
        self.last.revision += 1;
        let identity = self.last;
        self.objects.insert(name, Object { identity, content });
        Ok(identity)
    }

    /// Replaces an object as a whole (PUT).
    pub fn replace(
        &mut self,
        name: &N,
        demanded: Precondition,
        content: C,
    ) -> Result<Identity, Refused> {
        let object = self.objects.get(name).ok_or(Refused::NotFound)?;
        if demanded.uid.is_some_and(|uid| uid != object.identity.uid) {
            return Err(Refused::Conflict);
        }
        if demanded.revision.is_none() && !object.content.takes_any_revision() {
            return Err(Refused::Invalid);
        }
        self.change(name, demanded, content)
    }

    /// Changes a part of an object (PATCH). A uid in it is a part of the object that cannot be changed;
    /// only a revision is a precondition.
    pub fn patch(
        &mut self,
        name: &N,
        demanded: Precondition,
        change: impl FnOnce(&mut C),
    ) -> Result<Identity, Refused> {
        let object = self.objects.get(name).ok_or(Refused::NotFound)?;
        let by_revision = Precondition {
            uid: None,
            ..demanded
        };
        if by_revision.holds_of(object.identity) && !demanded.holds_of(object.identity) {
            return Err(Refused::Invalid);
        }
        let mut content = object.content.clone();
        change(&mut content);
        self.change(name, by_revision, content)
    }

    /// A write that changes nothing moves nothing.
    fn change(&mut self, name: &N, demanded: Precondition, next: C) -> Result<Identity, Refused> {
        let object = self.objects.get_mut(name).ok_or(Refused::NotFound)?;
        if !demanded.holds_of(object.identity) {
            return Err(Refused::Conflict);
        }
        if !object.content.may_become(&next) {
            return Err(Refused::Invalid);
        }
        if object.content != next {
            self.last.revision += 1;
            object.identity.revision = self.last.revision;
            object.content = next;
        }
        Ok(object.identity)
    }

    /// Deletes an object.
    pub fn delete(&mut self, name: &N, demanded: Precondition) -> Result<(), Refused> {
        let object = self.objects.get(name).ok_or(Refused::NotFound)?;
        if !demanded.holds_of(object.identity) {
            return Err(Refused::Conflict);
        }
        self.objects.remove(name);
        Ok(())
    }

    /// Every object, for a search that renames identities and times so that equal situations are
    /// equal.
    pub fn objects_mut(&mut self) -> impl Iterator<Item = (&N, &mut Object<C>)> {
        self.objects.iter_mut()
    }

    /// Lets the next identities follow these.
    pub fn continue_from(&mut self, last: Identity) {
        self.last = last;
    }
}

impl Precondition {
    fn holds_of(self, identity: Identity) -> bool {
        self.uid.is_none_or(|uid| uid == identity.uid)
            && self.revision.is_none_or(|it| it == identity.revision)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    impl Content for u8 {
        fn may_become(&self, next: &Self) -> bool {
            *next != 255
        }
    }

    fn server() -> (Server<&'static str, u8>, Identity) {
        let mut server = Server::default();
        let identity = server.create("a", 1).unwrap();
        (server, identity)
    }

    #[test]
    fn a_write_that_changes_nothing_moves_nothing() {
        let (mut server, identity) = server();
        assert_eq!(server.replace(&"a", identity.into(), 1), Ok(identity));
    }

    #[test]
    fn a_write_of_an_earlier_revision_is_refused() {
        let (mut server, identity) = server();
        server.replace(&"a", identity.into(), 2).unwrap();
        let late = server.replace(&"a", identity.into(), 3);
        assert_eq!(late, Err(Refused::Conflict));
    }

    #[test]
    fn an_object_created_anew_is_another() {
        let (mut server, identity) = server();
        server.delete(&"a", Precondition::default()).unwrap();
        let anew = server.create("a", 1).unwrap();
        assert_ne!(anew.uid, identity.uid);
        let by_uid = Precondition {
            uid: Some(identity.uid),
            revision: None,
        };
        assert_eq!(server.delete(&"a", by_uid), Err(Refused::Conflict));
    }

    #[test]
    fn another_uid_in_a_patch_is_a_change_that_no_kind_admits() {
        let (mut server, identity) = server();
        let another = Precondition {
            uid: Some(identity.uid + 1),
            revision: None,
        };
        assert_eq!(server.patch(&"a", another, |_| ()), Err(Refused::Invalid));
        assert_eq!(server.replace(&"a", another, 1), Err(Refused::Conflict));
    }

    #[test]
    fn what_the_kind_does_not_admit_is_refused() {
        let (mut server, _) = server();
        let refused = server.patch(&"a", Precondition::default(), |content| *content = 255);
        assert_eq!(refused, Err(Refused::Invalid));
    }
}
