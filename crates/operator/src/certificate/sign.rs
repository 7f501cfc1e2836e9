//! Signing, with whatever key the resource asks for.

use jiff::Timestamp;
use pki::{Authority, IssueError, IssuedPair, LeafRequest};
use plan::store::Root;

use crate::{error::Error, secret};

/// Whose key signs.
pub enum Signing {
    /// An authority's.
    By(Box<Authority>),
    /// The certificate's own.
    Itself,
}

/// A pair, and the root that it chains to.
pub struct Signed {
    pub pair: IssuedPair,
    pub root: Option<Root>,
}

impl Signing {
    /// Signs on a thread of its own: an RSA key takes up to seconds.
    pub async fn sign(self, request: LeafRequest, now: Timestamp) -> Result<Signed, Error> {
        let signed = tokio::task::spawn_blocking(move || self.signed(&request, now)).await;
        Ok(signed.map_err(|_| Error::SigningInterrupted)??)
    }

    fn signed(&self, request: &LeafRequest, now: Timestamp) -> Result<Signed, IssueError> {
        match self {
            Self::By(authority) => Ok(Signed {
                pair: pki::issue(authority, request, now)?,
                root: Some(Root::of(authority.facts())),
            }),
            Self::Itself => {
                let pair = pki::issue_self_signed(request, now)?;
                let root = secret::root_of(pair.certificate.as_bytes(), pair.root.as_bytes());
                Ok(Signed { pair, root })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pki::testing::{NOW, TestCa, request};

    use super::*;

    fn signed(signing: &Signing) -> Signed {
        signing.signed(&request(&["a.example.com"]), NOW).unwrap()
    }

    #[test]
    fn a_self_signed_leaf_is_the_root_that_it_chains_to() {
        let Signed { pair, root } = signed(&Signing::Itself);
        assert_eq!(pair.leaf.signer, api::Signer::Itself);
        assert_eq!(root.unwrap().certificate, pair.leaf.fingerprint);
    }

    #[test]
    fn the_root_of_an_authoritys_leaf_is_the_one_that_lies_beside_it() {
        let ca = TestCa::example();
        let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
        let Signed { pair, root } = signed(&Signing::By(Box::new(authority)));
        let beside = secret::root_of(pair.certificate.as_bytes(), pair.root.as_bytes());
        assert!(root.is_some());
        assert_eq!(root, beside);
    }
}
