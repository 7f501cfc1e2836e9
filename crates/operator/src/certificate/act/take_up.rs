//! Taking up what the published Secret holds as the pair in service.

use api::names;
use plan::{
    Precondition, Version,
    certificate::{Published, PublishedSecret},
    publication::{Beginning, Held, Publication},
    store::{Adoption, NewPair, Origin, PublishedName, Root},
};

use super::{Writer, encode};
use crate::{
    error::Error,
    secret::{self, StoreContent},
};

/// What is taken up from the published Secret.
struct Taken {
    publication: Publication,
    beginning: Beginning,
    /// The root that the pair chains to, where known.
    root: Option<Root>,
    /// PEM, where they do not lie beside the pair.
    roots: Vec<u8>,
    origin: Origin,
}

impl Writer<'_> {
    /// Takes up what the operator published itself.
    pub(super) async fn recover(
        &mut self,
        published: &Version,
        store: &Precondition,
    ) -> Result<(), Error> {
        let facts = self.published_facts(published)?;
        let leaf = facts.pair.as_ref().map(|pair| pair.leaf.fingerprint);
        let publication = Publication {
            held: Held::Leaf(leaf.ok_or_else(|| self.changed(&self.store_name()))?),
            from: facts.written,
        };
        let taken = Taken {
            publication,
            beginning: Beginning::Unknown,
            root: facts.root,
            roots: Vec::new(),
            origin: Origin::Recovered(facts.adoption()),
        };
        self.take_up(published, store, taken).await
    }

    /// Takes up what somebody else made. Where no root lies beside the pair, it may be the
    /// authority's that vouches for it.
    pub(super) async fn adopt(
        &mut self,
        published: &Version,
        store: &Precondition,
        (publication, beginning): (Publication, Beginning),
        adoption: &Adoption,
    ) -> Result<(), Error> {
        let facts = self.published_facts(published)?;
        let roots = match facts.root {
            Some(_) => Vec::new(),
            None => self.authoritys_roots(),
        };
        let taken = Taken {
            publication,
            beginning,
            root: facts.root.or_else(|| self.root_among(&roots)),
            roots,
            origin: Origin::Adopted(adoption.clone()),
        };
        self.take_up(published, store, taken).await
    }

    async fn take_up(
        &mut self,
        published: &Version,
        store: &Precondition,
        taken: Taken,
    ) -> Result<(), Error> {
        let name = self.store_name();
        let facts = self.published_facts(published)?;
        let leaf = facts.pair.as_ref().map(|pair| pair.leaf.clone());
        let source = self.published_secret(published)?;
        let (Some(leaf), Some(certificate), Some(key)) = (
            leaf,
            secret::value(source, names::TLS_CRT),
            secret::value(source, names::TLS_KEY),
        ) else {
            return Err(self.changed(&name));
        };
        let beside = secret::value(source, names::CA_CRT).unwrap_or_default();
        let roots = match (taken.root, facts.root) {
            (Some(_), None) => taken.roots.as_slice(),
            (Some(_) | None, Some(_)) | (None, None) => beside,
        };
        let state = self
            .state_with(&NewPair {
                leaf: &leaf,
                root: taken.root,
                origin: taken.origin,
                beginning: taken.beginning,
                handled_renew: self.observation.observed.resource.renew.as_deref(),
                handled_rollback: self.observation.observed.resource.rollback_to.as_deref(),
                time: self.now,
            })
            .with_publication(
                taken.publication,
                &PublishedName {
                    name: self.published_name(),
                    uid: Some(published.uid.clone()),
                    adoption: None,
                },
            );
        let content = StoreContent {
            certificate,
            key,
            roots,
        };
        let body = secret::written(self.base(&name, store)?, &content, &state)
            .map_err(|error| encode(self.object(&name), &error))?;
        self.write_store(&name, store, body).await
    }

    /// The authority's roots, if it was read in this pass.
    fn authoritys_roots(&self) -> Vec<u8> {
        let authority = self.observation.authority.as_ref();
        authority.map_or_else(Vec::new, |authority| authority.roots().as_bytes().to_vec())
    }

    /// The root among these that the published pair chains to.
    fn root_among(&self, roots: &[u8]) -> Option<Root> {
        let source = self.observation.published.as_ref()?;
        secret::root_of(secret::value(source, names::TLS_CRT)?, roots)
    }

    /// What is known of the published Secret of exactly this revision.
    fn published_facts(&self, wanted: &Version) -> Result<&PublishedSecret, Error> {
        match &self.observation.observed.published {
            Published::Present(facts) if facts.version == *wanted => Ok(facts),
            Published::Absent | Published::Unreadable(_) | Published::Present(_) => {
                Err(self.changed(&self.published_name()))
            }
        }
    }
}
