//! What of a scan says nothing: it is told, and never said to be well.

use coturn::ListenerKind;
use probe::{Answer, Spoken, Trouble};

use crate::{
    facts::{Heard, name},
    report::Gap,
    rules::is_old,
};

/// What a listener of this kind is scanned for.
pub(super) fn what(kind: ListenerKind) -> String {
    format!("what {} accepts", name(kind))
}

/// What was not seen of a listener.
pub(super) fn gaps(heard: &Heard) -> Vec<Gap> {
    let what = format!("{} at {}", what(heard.kind), heard.at);
    if let Some(why) = unheard(heard) {
        return vec![Gap::new(what, why)];
    }
    let versions = &heard.scan.versions;
    let mut gaps: Vec<_> = versions
        .iter()
        .filter_map(|spoken| of_version(heard, spoken, &what))
        .collect();
    gaps.extend(silenced(heard, &what));
    gaps.extend(versions.iter().flat_map(|spoken| of_groups(spoken, &what)));
    gaps.extend(missing(versions, &what));
    gaps
}

/// Why nothing can be said of a listener; none if something can. Silence is no evidence, and a closed
/// port only where it has to be open.
fn unheard(heard: &Heard) -> Option<String> {
    let is_closed = |spoken: &Spoken| spoken.answer == Answer::Failed(Trouble::Closed);
    let versions = &heard.scan.versions;
    if heard.has_answered() || (heard.is_evidence && versions.iter().any(is_closed)) {
        return None;
    }
    let mut troubles = versions.iter().filter_map(failure);
    troubles.next().map(ToString::to_string)
}

fn failure(spoken: &Spoken) -> Option<&Trouble> {
    match &spoken.answer {
        Answer::Failed(trouble) => Some(trouble),
        Answer::Accepted(_) | Answer::Refused(_) | Answer::NotTested(_) => None,
    }
}

fn of_version(heard: &Heard, spoken: &Spoken, what: &str) -> Option<Gap> {
    let why = match &spoken.answer {
        Answer::NotTested(why) => why.clone(),
        Answer::Failed(Trouble::Closed) if !heard.has_answered() => return None,
        Answer::Failed(trouble) if !is_silenced(spoken) => trouble.to_string(),
        Answer::Failed(_) | Answer::Accepted(_) | Answer::Refused(_) => return None,
    };
    Some(Gap::new(format!("{what} in {}", spoken.version), why))
}

/// Before 4.6.2 coturn leaves a client of an old version that is switched off waiting.
fn silenced(heard: &Heard, what: &str) -> Option<Gap> {
    let silenced = heard.scan.versions.iter().filter(|it| is_silenced(it));
    let versions: Vec<_> = silenced.map(|it| it.version.to_string()).collect();
    (!versions.is_empty()).then(|| {
        Gap::new(
            format!("{what} in {}", versions.join(", ")),
            "not accepted, by silence: so coturn before 4.6.2 treats a version that is switched off",
        )
    })
}

fn is_silenced(spoken: &Spoken) -> bool {
    is_old(spoken.version) && matches!(spoken.answer, Answer::Failed(Trouble::Silent(_)))
}

/// Groups of suites whose offer came to no end, by what came of it.
fn of_groups(spoken: &Spoken, what: &str) -> Vec<Gap> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for offer in &spoken.offers {
        let Some(trouble) = offer.trouble() else {
            continue;
        };
        let (why, group) = (trouble.to_string(), offer.group.to_string());
        match told.iter_mut().find(|(it, _)| *it == why) {
            Some((_, groups)) => groups.push(group),
            None => told.push((why, vec![group])),
        }
    }
    let gap = |(why, groups): (String, Vec<String>)| {
        let groups = groups.join(", ");
        Gap::new(format!("{what} in {} of {groups}", spoken.version), why)
    };
    told.into_iter().map(gap).collect()
}

/// Suites that were not offered.
fn missing(versions: &[Spoken], what: &str) -> Option<Gap> {
    let mut missing: Vec<&str> = Vec::new();
    let offers = versions.iter().flat_map(|spoken| &spoken.offers);
    for suite in offers.flat_map(|offer| &offer.missing) {
        if !missing.contains(suite) {
            missing.push(suite);
        }
    }
    (!missing.is_empty()).then(|| {
        let why = "OpenSSL was built without these suites, here";
        Gap::new(format!("{what} of {}", missing.join(", ")), why)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probe::{Accepted, Alert, Demand, Group, Offer, Scan, Version};

    use super::*;

    const SILENT: Answer = Answer::Failed(Trouble::Silent(Duration::from_secs(5)));

    fn spoken(version: Version, answer: Answer) -> Spoken {
        Spoken {
            version,
            answer,
            offers: Vec::new(),
            chain: Vec::new(),
            demand: Demand::Unknown,
            has_staple: false,
            has_secure_renegotiation: true,
        }
    }

    fn heard(versions: Vec<Spoken>) -> Heard {
        Heard {
            kind: ListenerKind::Tls,
            at: "192.0.2.1:5349".to_owned(),
            scan: Scan { versions },
            is_evidence: true,
        }
    }

    fn accepted() -> Answer {
        Answer::Accepted(vec![Accepted {
            suite: "TLS_AES_128_GCM_SHA256".to_owned(),
            ephemeral: None,
        }])
    }

    fn told(heard: &Heard) -> Vec<String> {
        let gaps = gaps(heard).into_iter();
        gaps.map(|gap| format!("{}: {}", gap.what, gap.why))
            .collect()
    }

    #[test]
    fn silence_is_no_evidence_and_a_closed_port_only_where_it_has_to_be_open() {
        let silent = heard(vec![spoken(Version::Tls12, SILENT)]);
        assert_eq!(told(&silent).len(), 1);
        let closed = Answer::Failed(Trouble::Closed);
        let mut closed = heard(vec![spoken(Version::Tls12, closed)]);
        assert_eq!(told(&closed), [""; 0]);
        closed.is_evidence = false;
        assert_eq!(told(&closed).len(), 1);
        let refused = Answer::Refused(Alert::HANDSHAKE_FAILURE);
        assert_eq!(told(&heard(vec![spoken(Version::Tls12, refused)])), [""; 0]);
    }

    #[test]
    fn a_version_whose_handshake_came_to_no_end_is_told() {
        let cut = spoken(Version::Tls13, Answer::Failed(Trouble::Cut));
        let heard = heard(vec![spoken(Version::Tls12, accepted()), cut]);
        let gap = "what TLS accepts at 192.0.2.1:5349 in TLS 1.3: \
                   the connection was closed during the handshake";
        assert_eq!(told(&heard), [gap]);
    }

    #[test]
    fn old_versions_that_are_not_answered_beside_others_that_are_make_one_line() {
        let heard = heard(vec![
            spoken(Version::Tls10, SILENT),
            spoken(Version::Tls11, SILENT),
            spoken(Version::Tls12, accepted()),
        ]);
        let told = told(&heard);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("in TLS 1.0, TLS 1.1: not accepted, by silence"));
    }

    #[test]
    fn a_group_whose_handshake_came_to_no_end_is_told_also_beside_suites_that_are_accepted() {
        let mut tls12 = spoken(Version::Tls12, accepted());
        let offer = |group, answer, rest| Offer {
            group,
            answer,
            rest,
            missing: Vec::new(),
        };
        tls12.offers = vec![
            offer(Group::Rc4, Answer::Failed(Trouble::Cut), None),
            offer(Group::RsaCbc, accepted(), Some(Trouble::Cut)),
            offer(Group::RsaAead, accepted(), None),
        ];
        let told = told(&heard(vec![tls12]));
        let groups = format!("in TLS 1.2 of {}, {}:", Group::Rc4, Group::RsaCbc);
        assert!(told.len() == 1 && told[0].contains(&groups), "{told:?}");
    }
}
