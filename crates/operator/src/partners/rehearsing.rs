//! The next certificate is shown to partners before it is stored.

use std::time::Duration;

use api::Partner;
use pki::IssuedPair;
use plan::partner::{Answer, Call, Rehearsed};
use probe::Identity;

use super::{NO_STORE, Partners, dialling::answer};
use crate::{error::Error, identities::Identities};

/// How long a partner may wait for its turn. By then as many as a resource may name had theirs, though none
/// answered.
pub(super) const BEFORE_STORING: Duration = Duration::from_secs(20);

impl Partners {
    /// Presents a pair that nobody has seen yet to partners, and tells what each answered. What an agent
    /// is known by is the pair that is published; the key of the new one stays here.
    pub async fn rehearse(
        &self,
        certificate: &str,
        calls: Vec<Call>,
        pair: &IssuedPair,
    ) -> Result<Vec<Rehearsed>, Error> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let next = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
        let next = next.map_err(|error| error.to_string());
        let known = self.identities(certificate).await?;
        let known = known.ok_or_else(|| NO_STORE.to_owned());
        let asked = calls.into_iter().map(async |call| match (&next, &known) {
            (Ok(next), Ok(known)) => self.shown(call, next, known).await,
            (Err(why), _) | (_, Err(why)) => Rehearsed {
                next: answer(&Err(why.clone())),
                partner: call.partner,
                current: None,
            },
        });
        Ok(futures::future::join_all(asked).await)
    }

    async fn shown(&self, call: Call, next: &Identity, known: &Identities) -> Rehearsed {
        let shown = self.asked(&call, next, known, BEFORE_STORING).await;
        let again = Call {
            partner: call.partner.clone(),
            way: shown.way,
            instead: Vec::new(),
        };
        let current = async {
            let asked = self.asked(&again, &known.current, known, BEFORE_STORING);
            answer(&asked.await.result)
        };
        rehearsed(call.partner, answer(&shown.result), current).await
    }
}

/// What a partner made of the next certificate. Who refuses that is shown the one in service right away:
/// whether it lets that in at this moment decides, and not what it did a day ago.
async fn rehearsed(
    partner: Partner,
    next: Answer,
    current: impl Future<Output = Answer>,
) -> Rehearsed {
    let current = match &next {
        Answer::Refused(_) => Some(current.await),
        Answer::Accepted | Answer::NotAsked | Answer::Unreached(_) => None,
    };
    Rehearsed {
        partner,
        next,
        current,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn refuses() -> Answer {
        Answer::Refused("unknown CA".to_owned())
    }

    #[rstest]
    #[case::accepted(Answer::Accepted, None)]
    #[case::refused(refuses(), Some(refuses()))]
    #[case::asked_for_none(Answer::NotAsked, None)]
    #[case::silent(Answer::Unreached("silent".to_owned()), None)]
    #[tokio::test]
    async fn who_refuses_the_next_certificate_and_nobody_else_is_shown_the_one_in_service(
        #[case] next: Answer,
        #[case] expected: Option<Answer>,
    ) {
        let partner = Partner {
            host: "192.0.2.7".to_owned(),
            port: 9191,
        };
        let rehearsed = rehearsed(partner, next, async { refuses() }).await;
        assert_eq!(rehearsed.current, expected);
    }
}
