//! One handshake with a partner, and what it tells in words that a condition can carry.

use std::{net::SocketAddr, time::Duration};

use api::Partner;
use plan::partner::{Answer, Way};
use probe::{
    Alert, Demand, Identity, Limits, Outcome, Protocol, Relay, Report, Target, Trouble, dial,
    dial_through,
};

use crate::{identities::Identities, redact::redact};

/// How long a handshake may take: half of what coturn itself gives a partner.
const TIME: Duration = Duration::from_secs(5);

/// A handshake with a partner, on a thread of its own; or why there was none.
pub async fn dialled(
    partner: &Partner,
    way: &Way,
    identity: Identity,
    known: &Identities,
) -> Result<Report, String> {
    let limits = Limits {
        time: TIME,
        ..Limits::default()
    };
    let dialling = match way {
        Way::Operator => {
            let target = target(partner).await?;
            tokio::task::spawn_blocking(move || dial(&target, Some(&identity), limits))
        }
        Way::Agent { address, .. } => {
            let relay = Relay {
                address: *address,
                identities: [Some(known.current.clone()), known.previous.clone()]
                    .into_iter()
                    .flatten()
                    .collect(),
            };
            let partner = probe::Partner {
                host: partner.host.to_ascii_lowercase(),
                port: partner.port,
            };
            tokio::task::spawn_blocking(move || {
                dial_through(&relay, &partner, Some(&identity), limits)
            })
        }
    };
    dialling
        .await
        .map_err(|_| "the handshake was broken off".to_owned())
}

/// Whether an agent did not relay, so that the partner was not dialled at all.
pub fn is_not_begun(result: &Result<Report, String>) -> bool {
    let outcome = result.as_ref().map(|report| &report.outcome);
    matches!(outcome, Ok(Outcome::Failed(Trouble::NotBegun(_))))
}

/// Where a partner is, by the resolver of the operator's pod.
async fn target(partner: &Partner) -> Result<Target, String> {
    let host = partner.host.as_str();
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let found = tokio::time::timeout(TIME, tokio::net::lookup_host((host, partner.port))).await;
    let unknown = |why: &str| format!("the name {host} is not resolved: {why}");
    let mut addresses = found
        .map_err(|_| unknown("no answer in time"))?
        .map_err(|error| unknown(&error.to_string()))?;
    let address: SocketAddr = addresses.next().ok_or_else(|| unknown("no address"))?;
    Ok(Target {
        address,
        protocol: Protocol::Dtls12,
        server_name: (!is_address).then(|| host.to_owned()),
    })
}

/// What a partner made of what it was shown: nothing, unless it asked for it. The words are in part the
/// agent's, the resolver's and OpenSSL's.
pub fn answer(result: &Result<Report, String>) -> Answer {
    let report = match result {
        Ok(report) => report,
        Err(why) => return Answer::Unreached(redact(why)),
    };
    match (&report.outcome, report.demand) {
        (Outcome::Completed, Demand::Asked) => Answer::Accepted,
        (Outcome::Completed, Demand::NotAsked | Demand::Unknown) => Answer::NotAsked,
        (Outcome::Refused(alert), Demand::Asked) => Answer::Refused(told(*alert)),
        (Outcome::Refused(alert), Demand::NotAsked | Demand::Unknown) => {
            Answer::Unreached(format!(
                "it ends the handshake before it asks for a certificate: {}",
                told(*alert)
            ))
        }
        (Outcome::Unanswered | Outcome::Failed(_), _) => {
            Answer::Unreached(redact(&report.outcome.to_string()))
        }
    }
}

fn told(alert: Alert) -> String {
    format!("{} ({alert})", alert.meaning())
}
