//! The root that a published chain leads to.

use api::Fingerprint;

use crate::{certificate::Certificate, pem};

/// A root certificate, by itself and by what a chain finds it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootIdentity {
    /// SHA-256 of its DER encoding.
    pub fingerprint: Fingerprint,
    /// As [`api::AuthorityFacts::root_anchor`].
    pub anchor: Fingerprint,
}

/// The certificate among `roots` (a `ca.crt`) that signed the last one of `chain` (a `tls.crt`),
/// if one did.
pub fn root_of(chain: &[u8], roots: &[u8]) -> Option<RootIdentity> {
    let last = parsed(chain)?.pop()?;
    let signed =
        |root: &Certificate| last.issuer() == root.subject() && last.verify_signature(root).is_ok();
    let root = parsed(roots)?.into_iter().find(signed)?;
    Some(RootIdentity {
        fingerprint: root.fingerprint(),
        anchor: root.anchor_fingerprint().ok()?,
    })
}

fn parsed(bundle: &[u8]) -> Option<Vec<Certificate>> {
    let certificates = pem::certificates(bundle).ok()?;
    certificates
        .into_iter()
        .map(|der| Certificate::parse(der).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Authority, issue,
        testing::{CaBuilder, NOW, TestCa, request},
    };

    #[test]
    fn the_root_of_a_published_chain_is_the_authoritys() {
        let root = TestCa::example();
        let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
        let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
        let pair = issue(&authority, &request(&["a.example.com"]), NOW).unwrap();

        let found = root_of(pair.certificate.as_bytes(), pair.root.as_bytes()).unwrap();

        assert_eq!(found.fingerprint, authority.facts().root_fingerprint);
        assert_eq!(found.anchor, authority.facts().root_anchor);
    }

    #[test]
    fn a_root_of_the_same_name_that_did_not_sign_is_not_taken() {
        let (ca, namesake) = (TestCa::example(), TestCa::example());
        let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
        let pair = issue(&authority, &request(&["a.example.com"]), NOW).unwrap();

        assert_eq!(
            root_of(pair.certificate.as_bytes(), namesake.root().as_bytes()),
            None
        );
        assert_eq!(root_of(pair.certificate.as_bytes(), b"no PEM"), None);
    }
}
