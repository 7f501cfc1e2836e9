//! One handshake of a scan.

use std::sync::LazyLock;

use openssl::{
    error::ErrorStack,
    pkey::{Id, PKey, Public},
    ssl::{
        Ssl, SslCipherRef, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslStream,
        SslVerifyMode, SslVersion, StatusType, cipher_name,
    },
};

use super::{Accepted, Ephemeral, Version};
use crate::{
    Certificate, Demand, Group, Outcome, Suite, Trouble,
    dial::{self, MTU},
    socket::Socket,
    wire::Wire,
};

/// `SSL_OP_LEGACY_SERVER_CONNECT`: servers that know nothing of RFC 5746 are spoken to as well.
const LEGACY_SERVERS: SslOptions = SslOptions::from_bits_retain(0x4);
/// OpenSSL's word for a server that knows nothing of RFC 5746.
const LEGACY: &str = "unsafe legacy renegotiation disabled";
/// OpenSSL's word for a suite that it was built without.
const NONE: &str = "(NONE)";

/// What is offered.
pub(super) struct Offering<'a> {
    pub(super) version: Version,
    pub(super) suites: &'a [Suite],
    pub(super) server_name: Option<&'a str>,
    /// Whether a server has to know RFC 5746.
    pub(super) is_strict: bool,
}

/// How a handshake went.
pub(super) enum Reply {
    Chosen(Chosen),
    WithoutSecureRenegotiation,
    Ended(Outcome),
}

/// What was seen of a server that chose a suite.
pub(super) struct Chosen {
    pub(super) accepted: Accepted,
    pub(super) chain: Vec<Certificate>,
    pub(super) demand: Demand,
    pub(super) has_staple: bool,
}

/// Why this OpenSSL cannot offer a version; none if it can. It takes the number of a version that it was
/// built without, and says so only when the handshake begins.
pub(super) fn unavailable(version: Version) -> Option<String> {
    let suites: Vec<_> = Group::ALL.into_iter().flat_map(Group::suites).collect();
    let offering = Offering {
        version,
        suites: &version.divided(&suites).0,
        server_name: None,
        is_strict: true,
    };
    let begun = offering.context().and_then(|context| {
        let ssl = Ssl::new(&context)?;
        SslStream::new(ssl, std::io::empty()).map(|mut stream| stream.connect())
    });
    let error = match begun {
        Ok(Ok(())) => return None,
        // Without an error of OpenSSL's own it is the stream that ended, after the offer was made.
        Ok(Err(error)) => dial::reason(error.ssl_error()?),
        Err(stack) => dial::reason(&stack),
    };
    Some(format!("OpenSSL was built without {version} ({error})"))
}

/// The suites that this OpenSSL can offer. It knows the names of some (IDEA, SEED) that it has no cipher
/// for.
static AVAILABLE: LazyLock<Vec<Suite>> = LazyLock::new(|| {
    let all = Group::ALL.into_iter().flat_map(Group::suites);
    all.filter(|suite| is_available(*suite)).collect()
});

fn is_available(suite: Suite) -> bool {
    let name = cipher_name(suite.name);
    let alone = SslContext::builder(SslMethod::tls_client()).and_then(|mut context| {
        if suite.group == Group::Tls13 {
            context.set_ciphersuites(suite.name)
        } else {
            context.set_cipher_list(&format!("{name}:@SECLEVEL=0"))
        }
    });
    name != NONE && alone.is_ok()
}

impl Version {
    const fn of_openssl(self) -> SslVersion {
        match self {
            Self::Ssl30 => SslVersion::SSL3,
            Self::Tls10 => SslVersion::TLS1,
            Self::Tls11 => SslVersion::TLS1_1,
            Self::Tls12 => SslVersion::TLS1_2,
            Self::Tls13 => SslVersion::TLS1_3,
            Self::Dtls10 => SslVersion::DTLS1,
            Self::Dtls12 => SslVersion::DTLS1_2,
        }
    }

    const fn is_of_datagrams(self) -> bool {
        match self {
            Self::Dtls10 | Self::Dtls12 => true,
            Self::Ssl30 | Self::Tls10 | Self::Tls11 | Self::Tls12 | Self::Tls13 => false,
        }
    }

    /// Those of the version's suites that this OpenSSL has, and those that it was built without.
    pub(super) fn divided(self, suites: &[Suite]) -> (Vec<Suite>, Vec<Suite>) {
        let of_version = suites.iter().copied().filter(|suite| self.has(*suite));
        of_version.partition(|suite| AVAILABLE.contains(suite))
    }
}

impl Offering<'_> {
    /// Makes the offer. An error is one of this end.
    pub(super) fn make(&self, wire: Wire<Socket>) -> Result<Reply, ErrorStack> {
        let context = self.context()?;
        let mut ssl = Ssl::new(&context)?;
        if let Some(name) = self.server_name {
            ssl.set_hostname(name)?;
        }
        if self.version.is_of_datagrams() {
            ssl.set_mtu(MTU)?;
        }
        ssl.set_status_type(StatusType::OCSP)?;
        let mut stream = SslStream::new(ssl, wire)?;
        let outcome = dial::connect(&mut stream);
        let reply = reply(&stream, outcome);
        // The server need not keep what nobody will use; it may be gone already.
        let _ = stream.shutdown();
        Ok(reply)
    }

    fn context(&self) -> Result<SslContext, ErrorStack> {
        let method = if self.version.is_of_datagrams() {
            SslMethod::dtls_client()
        } else {
            SslMethod::tls_client()
        };
        let mut context = SslContext::builder(method)?;
        context.set_security_level(0);
        context.set_verify(SslVerifyMode::NONE);
        context.set_options(SslOptions::NO_QUERY_MTU);
        if !self.is_strict {
            context.set_options(LEGACY_SERVERS);
        }
        context.set_min_proto_version(Some(self.version.of_openssl()))?;
        context.set_max_proto_version(Some(self.version.of_openssl()))?;
        self.set_suites(&mut context)?;
        Ok(context.build())
    }

    fn set_suites(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        let names = |of: fn(&Suite) -> &str| self.suites.iter().map(of).collect::<Vec<_>>();
        if self.version == Version::Tls13 {
            return context.set_ciphersuites(&names(|suite| suite.name).join(":"));
        }
        let names = names(|suite| cipher_name(suite.name)).join(":");
        context.set_cipher_list(&format!("{names}:@SECLEVEL=0"))
    }
}

fn reply(stream: &SslStream<Wire<Socket>>, outcome: Outcome) -> Reply {
    if outcome == Outcome::Failed(Trouble::Broken(LEGACY.to_owned())) {
        return Reply::WithoutSecureRenegotiation;
    }
    let ssl = stream.ssl();
    let is_completed = outcome == Outcome::Completed;
    match ssl.current_cipher().and_then(SslCipherRef::standard_name) {
        None => Reply::Ended(outcome),
        Some(suite) => Reply::Chosen(Chosen {
            accepted: Accepted {
                suite: suite.to_owned(),
                ephemeral: ephemeral(ssl),
            },
            chain: dial::chain(ssl),
            demand: stream.get_ref().handshake.demand(is_completed),
            has_staple: ssl.ocsp_status().is_some(),
        }),
    }
}

fn ephemeral(ssl: &SslRef) -> Option<Ephemeral> {
    let key = ssl.peer_tmp_key().ok()?;
    Some(match key.id() {
        Id::DH => Ephemeral::Dh(key.bits()),
        Id::EC => Ephemeral::Curve(curve(&key)?),
        Id::X25519 => Ephemeral::Curve("X25519".to_owned()),
        Id::X448 => Ephemeral::Curve("X448".to_owned()),
        _ => return None,
    })
}

fn curve(key: &PKey<Public>) -> Option<String> {
    let name = key.ec_key().ok()?.group().curve_name()?;
    name.short_name().ok().map(str::to_owned)
}
