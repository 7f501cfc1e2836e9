//! What partners have to know of before it replaces a certificate in service: another root, or none
//! where there was one. Until somebody says that they do, the working certificate stays.

use api::{AuthorityFacts, Reason, SecretAdoptionPolicy, Signer};
use jiff::Timestamp;

use super::{Authority, Observed, Stored};
use crate::{Refusal, store::Root};

/// What partners do not trust yet, if the next certificate asks that of them. A self-signed
/// certificate in service holds nothing back: nobody trusts it by a root, and whoever knows its
/// fingerprint has to learn the next one's in any case.
pub fn awaited(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Refusal> {
    let leaf = &stored.current.leaf;
    if now >= leaf.not_after || leaf.signer == Signer::Itself {
        return None;
    }
    let what = match &observed.authority {
        Authority::Usable(facts) => other_root(observed, stored, facts)?,
        Authority::Itself => no_root(stored),
        Authority::Unusable(_) => return None,
    };
    Some(Refusal {
        reason: Reason::AwaitingPartnerConfirmation,
        message: format!("{what}: {}", start_over(observed)),
    })
}

/// A leaf in service is not replaced by one of another root: the partner does not trust that yet.
fn other_root(observed: &Observed, stored: &Stored, facts: &AuthorityFacts) -> Option<String> {
    let Some(in_service) = stored.state.root else {
        return stored.is_adopted().then(|| unknown_root(observed, stored));
    };
    if in_service.is_trusted_like(&Root::of(facts)) {
        return None;
    }
    Some(format!(
        "CA Secret {} holds a CA with root sha256:{}, but the certificate in service chains to root sha256:{}, which \
         the partner is known to trust; put a CA of that root back. Once the partner trusts the other root, start \
         over with it",
        observed.resource.ca_secret(),
        facts.root_fingerprint,
        in_service.certificate,
    ))
}

/// Somebody else made the certificate in service, and nothing told, when it was taken over, by which
/// root partners trust it. That is not judged again: whichever CA is there by then, the way is the same.
fn unknown_root(observed: &Observed, stored: &Stored) -> String {
    format!(
        "the certificate in service was signed by {}, and when it was taken over CA Secret {} did not hold the CA that \
         signed it; it stays until it expires. Once the partner trusts the CA that is there, start over with it",
        stored.current.leaf.issuer,
        observed.resource.ca_secret(),
    )
}

/// Whoever checks a chain refuses what no CA signed.
fn no_root(stored: &Stored) -> String {
    format!(
        "spec.issuer.selfSigned asks for a certificate that no CA vouches for, but the one in service was signed by \
         {}, which the partner is known to trust; set spec.issuer.ca again. Once every partner goes by the \
         certificate's fingerprint, start over",
        stored.current.leaf.issuer,
    )
}

/// Without the suspension each of the two Secrets would be rebuilt from the other.
fn start_over(observed: &Observed) -> String {
    let resource = &observed.resource;
    let secret = &resource.wanted.secret_name;
    // The operator waits for the chart, and takes over what that has by then.
    let anew = match (resource.wanted.adoption, &observed.authority) {
        (SecretAdoptionPolicy::Never, _) => String::new(),
        (SecretAdoptionPolicy::Adopt, Authority::Itself) => {
            format!("have its chart make {secret} again with a self-signed certificate, ")
        }
        (SecretAdoptionPolicy::Adopt, Authority::Usable(_) | Authority::Unusable(_)) => format!(
            "have its chart make {secret} again with a certificate of the CA that is there, as by an upgrade with that, "
        ),
    };
    format!(
        "set spec.suspend, delete Secrets {} and {secret}, {anew}remove spec.suspend",
        api::names::store_secret(&resource.name),
    )
}
