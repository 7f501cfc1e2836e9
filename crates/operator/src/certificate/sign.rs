//! Signing, with whatever key the resource asks for, and the rehearsal of what was signed.

use api::{Content, Usage};
use jiff::Timestamp;
use pki::{Authority, IssuedPair, LeafRequest};
use plan::store::Root;
use probe::{Purposes, Rehearsal, rehearse};

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
        signed.map_err(|_| Error::SigningInterrupted)?
    }

    fn signed(&self, request: &LeafRequest, now: Timestamp) -> Result<Signed, Error> {
        let signed = match self {
            Self::By(authority) => Signed {
                pair: pki::issue(authority, request, now)?,
                root: Some(Root::of(authority.facts())),
            },
            Self::Itself => {
                let pair = pki::issue_self_signed(request, now)?;
                let root = secret::root_of(pair.certificate.as_bytes(), pair.root.as_bytes());
                Signed { pair, root }
            }
        };
        rehearse(&Rehearsal {
            certificates: signed.pair.certificate.as_bytes(),
            key: signed.pair.key.as_bytes(),
            roots: signed.pair.root.as_bytes(),
            purposes: purposes(&request.content),
            dns_names: &request.content.dns_names,
            ip_addresses: &request.content.ip_addresses,
            now,
        })?;
        Ok(signed)
    }
}

/// What a certificate is to be good for; without an extendedKeyUsage it is restricted to nothing (RFC
/// 5280, section 4.2.1.12).
fn purposes(content: &Content) -> Purposes {
    let is_for = |usage| content.usages.contains(&usage);
    match (is_for(Usage::ServerAuth), is_for(Usage::ClientAuth)) {
        (true, true) | (false, false) => Purposes::Both,
        (true, false) => Purposes::Server,
        (false, true) => Purposes::Client,
    }
}

#[cfg(test)]
mod tests {
    use pki::testing::{NOW, TestCa, request};

    use super::*;

    fn signed(signing: &Signing) -> Signed {
        signing.signed(&request(&["a.example.com"]), NOW).unwrap()
    }

    fn by_an_authority() -> Signing {
        let ca = TestCa::example();
        let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
        Signing::By(Box::new(authority))
    }

    #[test]
    fn what_coturn_would_choke_on_is_not_signed_for_it() {
        let mut unusable = request(&["a.example.com"]);
        unusable.content.usages = [Usage::KeyAgreement, Usage::ServerAuth].into();
        for signing in [by_an_authority(), Signing::Itself] {
            let error = signing.signed(&unusable, NOW).err().unwrap();
            assert!(matches!(error, Error::Rehearsal(_)), "{error}");
        }
    }

    #[test]
    fn what_is_for_one_purpose_is_rehearsed_for_that() {
        for usage in [Usage::ServerAuth, Usage::ClientAuth] {
            let mut request = request(&["a.example.com"]);
            request.content.usages = [Usage::DigitalSignature, usage].into();
            by_an_authority().signed(&request, NOW).unwrap();
        }
        let mut for_anything = request(&["a.example.com"]);
        for_anything.content.usages = [Usage::DigitalSignature].into();
        by_an_authority().signed(&for_anything, NOW).unwrap();
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
