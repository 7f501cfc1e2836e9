//! What a chain that was served is worth to who trusts a bundle, and what its leaf is called: as coturn's
//! fork sees both (`federation_cert_verify`, `src/apps/relay/federation.c`).

use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    nid::Nid,
    stack::Stack,
    x509::{
        X509, X509NameRef, X509PurposeId, X509StoreContext, X509StoreContextRef, X509VerifyResult,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyParam,
    },
};

use crate::{Certificate, dial::reason, rehearsal::SECURITY_LEVEL};

/// Why a chain is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A certificate of the chain cannot be read, or there is none.
    #[error("OpenSSL cannot read the served certificates")]
    Chain,
    /// The bundle cannot be read.
    #[error("OpenSSL cannot read the bundle")]
    Bundle,
    /// The bundle holds no certificate.
    #[error("the bundle holds no certificate")]
    EmptyBundle,
    /// The chain does not lead to the bundle, has expired, is for another purpose or too weak: in the
    /// words of OpenSSL.
    #[error("{0}")]
    NotTrusted(String),
    /// The chain is trusted, but not for clients.
    #[error("its certificate is not for clients (extendedKeyUsage clientAuth)")]
    NotForClients,
    /// OpenSSL failed.
    #[error("OpenSSL failed: {0}")]
    OpenSsl(String),
}

impl From<ErrorStack> for VerifyError {
    fn from(stack: ErrorStack) -> Self {
        Self::OpenSsl(reason(&stack))
    }
}

/// What the leaf of a chain is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// DNS names of its subjectAltName, in their order.
    pub dns_names: Vec<String>,
    /// The first common name of its subject.
    pub common_name: Option<String>,
    /// Whether it has a subjectAltName, whatever is in it.
    pub has_san: bool,
}

/// What the leaf of a served chain (leaf first) is called. Text that is no UTF-8 is shown as far as it is.
pub fn names(chain: &[Certificate]) -> Result<Names, VerifyError> {
    let leaf = parsed(chain)?.0;
    let names = leaf.subject_alt_names();
    let dns_names = names.iter().flatten().filter_map(|name| name.dnsname());
    Ok(Names {
        dns_names: dns_names.map(str::to_owned).collect(),
        common_name: common_name(leaf.subject_name()),
        has_san: names.is_some(),
    })
}

/// Verifies a served chain (leaf first) as OpenSSL does for an end that trusts a bundle (PEM, one file), once
/// as that of a server and once as that of a client: the fork dials with the pair that it serves. To a
/// self-signed certificate of the bundle, at this time, with keys and signatures of at least 112 bits. No
/// name is looked for, and no CRL. Returns the first common name of the issuer of each certificate in the
/// verified chain, the root included.
pub fn verify(
    chain: &[Certificate],
    bundle: &[u8],
    now: Timestamp,
) -> Result<Vec<String>, VerifyError> {
    let trusted = trusted(bundle)?;
    let issuers = verify_for(X509PurposeId::SSL_SERVER, chain, &trusted, now)?;
    match verify_for(X509PurposeId::SSL_CLIENT, chain, &trusted, now) {
        Ok(_) => Ok(issuers),
        Err(VerifyError::NotTrusted(_)) => Err(VerifyError::NotForClients),
        Err(error) => Err(error),
    }
}

fn verify_for(
    purpose: X509PurposeId,
    chain: &[Certificate],
    trusted: &[X509],
    now: Timestamp,
) -> Result<Vec<String>, VerifyError> {
    let (leaf, others) = parsed(chain)?;
    let store = store(trusted, purpose, now)?;
    let mut context = X509StoreContext::new()?;
    let (result, issuers) = context.init(&store, &leaf, &others, |context| {
        context.verify_cert()?;
        Ok((context.error(), issuers(context)))
    })?;
    if result == X509VerifyResult::OK {
        Ok(issuers)
    } else {
        Err(VerifyError::NotTrusted(result.error_string().to_owned()))
    }
}

fn parsed(chain: &[Certificate]) -> Result<(X509, Stack<X509>), VerifyError> {
    let parse = |certificate: &Certificate| {
        X509::from_der(&certificate.der).map_err(|_| VerifyError::Chain)
    };
    let (leaf, rest) = chain.split_first().ok_or(VerifyError::Chain)?;
    let mut others = Stack::new()?;
    for certificate in rest {
        others.push(parse(certificate)?)?;
    }
    Ok((parse(leaf)?, others))
}

fn trusted(bundle: &[u8]) -> Result<Vec<X509>, VerifyError> {
    let trusted = X509::stack_from_pem(bundle).map_err(|_| VerifyError::Bundle)?;
    if trusted.is_empty() {
        return Err(VerifyError::EmptyBundle);
    }
    Ok(trusted)
}

fn store(
    trusted: &[X509],
    purpose: X509PurposeId,
    now: Timestamp,
) -> Result<X509Store, VerifyError> {
    let mut store = X509StoreBuilder::new()?;
    for certificate in trusted {
        store.add_cert(certificate.clone())?;
    }
    let mut parameters = X509VerifyParam::new()?;
    parameters.set_time(now.as_second());
    parameters.set_purpose(purpose)?;
    parameters.set_auth_level(SECURITY_LEVEL.cast_signed());
    store.set_param(&parameters)?;
    Ok(store.build())
}

fn issuers(context: &X509StoreContextRef) -> Vec<String> {
    let chain = context.chain().into_iter().flatten();
    chain
        .filter_map(|certificate| common_name(certificate.issuer_name()))
        .collect()
}

/// The first common name, byte for byte as it is encoded: the fork compares no other.
fn common_name(name: &X509NameRef) -> Option<String> {
    let entry = name.entries_by_nid(Nid::COMMONNAME).next()?;
    Some(String::from_utf8_lossy(entry.data().as_slice()).into_owned())
}
