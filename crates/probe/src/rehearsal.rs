//! A pair is rehearsed before anybody sees it: two OpenSSL ends in memory shake hands by DTLS 1.2 as two
//! federated coturn servers do, each with this pair, each verifying the other.

use std::{collections::BTreeSet, net::IpAddr};

use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    ssl::{
        ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslStream,
        SslVerifyMode, SslVersion,
    },
    stack::Stack,
    x509::{
        X509, X509PurposeId, X509StoreContext, X509VerifyResult,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyParam,
    },
};

use crate::{
    Identity, IdentityError,
    dial::{MTU, reason},
    memory::{End, ends},
};

/// The suites of TLS 1.2 that Wire's fork of coturn offers for federation: AES with forward secrecy, GCM
/// and CBC, for RSA and ECDSA keys (`src/apps/relay/federation.c`).
const CIPHERS: &str = "ECDHE+AES:DHE+AES:!aNULL:!aPSK:!aSRP:!AESCCM";
/// OpenSSL's default of today (112 bits: RSA keys of 2048 bits). Another default of a later version must
/// not keep everybody from renewing at once.
pub(crate) const SECURITY_LEVEL: u32 = 2;
/// More turns than any handshake of two ends takes.
const TURNS: usize = 32;

/// A pair, and what it is to do.
pub struct Rehearsal<'a> {
    /// PEM: the leaf, then the intermediates.
    pub certificates: &'a [u8],
    /// PEM.
    pub key: &'a [u8],
    /// PEM: what partners trust.
    pub roots: &'a [u8],
    /// What it is for.
    pub purposes: Purposes,
    /// Names that partners look for.
    pub dns_names: &'a BTreeSet<String>,
    /// Addresses that partners look for.
    pub ip_addresses: &'a BTreeSet<IpAddr>,
    /// When.
    pub now: Timestamp,
}

/// What a certificate is for (extendedKeyUsage serverAuth and clientAuth).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purposes {
    /// As in federation: each end is a server to the one and a client to the other.
    Both,
    /// A server.
    Server,
    /// A client.
    Client,
}

impl Purposes {
    const fn serves(self) -> bool {
        match self {
            Self::Both | Self::Server => true,
            Self::Client => false,
        }
    }

    const fn dials(self) -> bool {
        match self {
            Self::Both | Self::Client => true,
            Self::Server => false,
        }
    }
}

/// Why a pair does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// It is no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What partners trust cannot be read.
    #[error("OpenSSL cannot read the roots")]
    Roots,
    /// OpenSSL failed.
    #[error("OpenSSL failed: {0}")]
    OpenSsl(String),
    /// An end does not accept what the other presents.
    #[error("{0} does not accept it: {1}")]
    NotAccepted(Verifier, String),
    /// The handshake failed otherwise.
    #[error("no handshake comes about: {0}")]
    NoHandshake(String),
    /// It is not the certificate of a name.
    #[error("it is not accepted for {0}: {1}")]
    Name(String, String),
}

/// Who verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// A server, the certificate of a client.
    Server,
    /// A client, the certificate of a server.
    Client,
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server => "a server that a client presents it to",
            Self::Client => "a client that it is served to",
        })
    }
}

impl From<ErrorStack> for RehearsalError {
    fn from(stack: ErrorStack) -> Self {
        Self::OpenSsl(reason(&stack))
    }
}

/// Rehearses a pair. Both ends enforce the chain to the roots, the validity at the given time and the
/// purpose of the certificate (extendedKeyUsage and keyUsage); then each name is verified.
pub fn rehearse(rehearsal: &Rehearsal<'_>) -> Result<(), RehearsalError> {
    let identity = Identity::from_pem(rehearsal.certificates, rehearsal.key)?;
    let trusted = X509::stack_from_pem(rehearsal.roots).map_err(|_| RehearsalError::Roots)?;
    let stage = Stage {
        rehearsal,
        identity: &identity,
        trusted: &trusted,
    };
    stage.shake_hands()?;
    if rehearsal.purposes.serves() {
        stage.verify_names()?;
    }
    Ok(())
}

struct Stage<'a> {
    rehearsal: &'a Rehearsal<'a>,
    identity: &'a Identity,
    trusted: &'a [X509],
}

impl Stage<'_> {
    fn shake_hands(&self) -> Result<(), RehearsalError> {
        let [client_end, server_end] = ends();
        let purposes = self.rehearsal.purposes;
        let mut client = self.end(SslMethod::dtls_client(), purposes.serves(), client_end)?;
        let mut server = self.end(SslMethod::dtls_server(), purposes.dials(), server_end)?;
        let mut done = [false; 2];
        for _ in 0..TURNS {
            done[0] = done[0] || took_place(&client.connect(), &client, Verifier::Client)?;
            done[1] = done[1] || took_place(&server.accept(), &server, Verifier::Server)?;
            if done == [true; 2] {
                return Ok(());
            }
        }
        Err(RehearsalError::NoHandshake(
            "it does not come to an end".to_owned(),
        ))
    }

    /// An end with the pair, which verifies what it is shown if that is what the pair is for.
    fn end(
        &self,
        method: SslMethod,
        verifies: bool,
        end: End,
    ) -> Result<SslStream<End>, RehearsalError> {
        let mut context = SslContext::builder(method)?;
        self.prepare(&mut context, verifies)?;
        let mut ssl = Ssl::new(&context.build())?;
        ssl.set_mtu(MTU)?;
        ssl.param_mut().set_time(self.rehearsal.now.as_second());
        Ok(SslStream::new(ssl, end)?)
    }

    fn prepare(&self, context: &mut SslContextBuilder, verifies: bool) -> Result<(), ErrorStack> {
        context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
        context.set_cipher_list(CIPHERS)?;
        context.set_security_level(SECURITY_LEVEL);
        context.set_options(SslOptions::NO_QUERY_MTU);
        self.identity.present(context)?;
        context.set_verify_cert_store(self.store(None)?)?;
        context.set_verify(if verifies {
            SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT
        } else {
            SslVerifyMode::NONE
        });
        Ok(())
    }

    /// What is trusted, and for what it is verified, if not by a handshake.
    fn store(&self, parameters: Option<&X509VerifyParam>) -> Result<X509Store, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        for root in self.trusted {
            store.add_cert(root.clone())?;
        }
        if let Some(parameters) = parameters {
            store.set_param(parameters)?;
        }
        Ok(store.build())
    }

    fn verify_names(&self) -> Result<(), RehearsalError> {
        for name in self.rehearsal.dns_names {
            // A partner looks for a host.
            let host = name.replacen('*', "a", 1);
            self.verify_name(name, |parameters| parameters.set_host(&host))?;
        }
        for address in self.rehearsal.ip_addresses {
            self.verify_name(&address.to_string(), |parameters| {
                parameters.set_ip(*address)
            })?;
        }
        Ok(())
    }

    fn verify_name(
        &self,
        name: &str,
        look_for: impl FnOnce(&mut X509VerifyParam) -> Result<(), ErrorStack>,
    ) -> Result<(), RehearsalError> {
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_time(self.rehearsal.now.as_second());
        parameters.set_purpose(X509PurposeId::SSL_SERVER)?;
        look_for(&mut parameters)?;
        let store = self.store(Some(&parameters))?;
        let result = self.identity.verify(&store)?;
        if result == X509VerifyResult::OK {
            return Ok(());
        }
        let why = result.error_string().to_owned();
        Err(RehearsalError::Name(name.to_owned(), why))
    }
}

/// Whether an end has done its part; an error that only waits for the other end is none.
fn took_place(
    result: &Result<(), openssl::ssl::Error>,
    stream: &SslStream<End>,
    verifier: Verifier,
) -> Result<bool, RehearsalError> {
    let error = match result {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    if [ErrorCode::WANT_READ, ErrorCode::WANT_WRITE].contains(&error.code()) {
        return Ok(false);
    }
    let judged = stream.ssl().verify_result();
    let is_its_part = stream.ssl().verify_mode() != SslVerifyMode::NONE;
    if is_its_part && judged != X509VerifyResult::OK {
        let why = judged.error_string().to_owned();
        return Err(RehearsalError::NotAccepted(verifier, why));
    }
    let why = error.ssl_error().map_or_else(|| error.to_string(), reason);
    Err(RehearsalError::NoHandshake(why))
}

impl Identity {
    /// Verifies the leaf by its chain to what a store trusts.
    fn verify(&self, store: &X509Store) -> Result<X509VerifyResult, ErrorStack> {
        let mut chain = Stack::new()?;
        for certificate in self.intermediates() {
            chain.push(certificate.clone())?;
        }
        let mut context = X509StoreContext::new()?;
        context.init(store, self.leaf(), &chain, |context| {
            context.verify_cert()?;
            Ok(context.error())
        })
    }
}
