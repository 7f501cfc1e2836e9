//! Whether coturn would let a partner in: what the partner shows, held against what coturn trusts, as
//! coturn itself does.

use api::Partner;
use coturn::{Entry, PeerNames, Verdict, Whitelist};
use jiff::Timestamp;
use plan::partner::Own;
use probe::{Certificate, Names, VerifyError};

use super::trust::Trust;
use crate::redact::{excerpt, redact};

/// Judges the chain that a partner has shown, leaf first. What coturn makes of it counts before the name
/// that the partner is dialled by, which coturn does not look for.
pub fn judge(
    partner: &Partner,
    chain: &[Certificate],
    trust: &Result<Trust, String>,
    now: Timestamp,
) -> Own {
    let names = match probe::names(chain) {
        Ok(names) => names,
        Err(error) => return Own::NotTrusted(redact(&error.to_string())),
    };
    let by_coturn = match trust {
        Ok(trust) => by_coturn(chain, &names, trust, now),
        Err(why) => Own::NotJudged(why.clone()),
    };
    match by_coturn {
        Own::NotTrusted(_) => by_coturn,
        Own::Trusted | Own::NotJudged(_) => foreign(partner, names).unwrap_or(by_coturn),
    }
}

fn by_coturn(chain: &[Certificate], names: &Names, trust: &Trust, now: Timestamp) -> Own {
    let issuers = match probe::verify(chain, &trust.bundle, now) {
        Ok(issuers) => issuers,
        Err(VerifyError::OpenSsl(why)) => {
            return Own::NotJudged(redact(&format!("OpenSSL failed: {why}")));
        }
        Err(error @ VerifyError::NotForClients) => {
            return Own::NotTrusted(format!(
                "{error}, and it dials coturn with the same one: coturn turns it away; have the partner add clientAuth"
            ));
        }
        Err(
            error @ (VerifyError::Chain
            | VerifyError::Bundle
            | VerifyError::EmptyBundle
            | VerifyError::NotTrusted(_)),
        ) => return Own::NotTrusted(unverified(chain, trust, &error)),
    };
    let peer = PeerNames {
        issuers,
        ..peer(names.clone())
    };
    match trust.whitelist.judge(&peer) {
        Verdict::AnyTrusted | Verdict::Listed { .. } => Own::Trusted,
        Verdict::Refused(refusal) => Own::NotTrusted(format!(
            "{}; add `federation-remote-whitelist=<the partner's host>,<the common name of its CA>` to turnserver.conf",
            excerpt(&refusal.to_string())
        )),
    }
}

/// What is wrong with a chain, and where to look.
fn unverified(chain: &[Certificate], trust: &Trust, error: &VerifyError) -> String {
    let last = chain.last().map(|last| pki::Served::parse(&last.der));
    let issuer = match last {
        Some(Ok(last)) => last.issuer,
        Some(Err(_)) | None => "an unreadable name".to_owned(),
    };
    redact(&format!(
        "{error}, by CA-file ({}); the chain that it shows ends with a certificate that {issuer} issued: add that CA \
         there if it is missing, or else have the partner put its certificate right",
        trust.authorities
    ))
}

/// That the certificate does not bear the name by which the partner is called, compared as the fork
/// compares names.
fn foreign(partner: &Partner, names: Names) -> Option<Own> {
    if partner.host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let called = Entry {
        host: partner.host.clone(),
        issuer: None,
    };
    let shown = if names.has_san {
        names.dns_names.join(", ")
    } else {
        names.common_name.clone().unwrap_or_default()
    };
    let bears = Whitelist::new(vec![called]).judge(&peer(names));
    (!bears.is_accepted()).then(|| {
        Own::NotTrusted(redact(&format!(
            "it does not bear the name {}, by which spec.verification.partners calls the partner, but: {shown}; \
             correct the name there, or have the partner put its certificate right",
            partner.host
        )))
    })
}

fn peer(names: Names) -> PeerNames {
    PeerNames {
        dns_names: names.dns_names,
        common_name: names.common_name,
        has_san: names.has_san,
        issuers: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
