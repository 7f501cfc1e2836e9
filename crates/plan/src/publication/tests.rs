//! Logs of a few entries.

use super::*;

fn leaf(byte: u8) -> Held {
    Held::Leaf(Fingerprint::from_digest([byte; 32]))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn log(entries: &[(i64, Held)]) -> PublicationLog {
    entries.iter().fold(
        PublicationLog::empty(Beginning::First),
        |log, &(from, held)| {
            log.with(Publication {
                held,
                from: at(from),
            })
        },
    )
}

#[test]
fn the_same_publication_again_keeps_its_first_time() {
    let log = log(&[(10, leaf(1)), (20, leaf(1))]);
    assert_eq!(log.since(leaf(1)), Some(at(10)));
}

#[test]
fn only_the_last_sixteen_are_kept() {
    let entries: Vec<_> = (0..40)
        .map(|n| (n, leaf(u8::try_from(n).unwrap())))
        .collect();
    let log = log(&entries);
    assert_eq!(log.intervals.len(), KEPT);
    assert_eq!(log.last().unwrap().held, leaf(39));
}

#[test]
fn a_window_sees_every_publication_it_touches() {
    let log = log(&[(10, leaf(1)), (20, Held::Foreign), (30, leaf(1))]);
    let seen = |from, to| {
        log.during(at(from), at(to))
            .map(|interval| interval.held.unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(0, 9), []);
    assert_eq!(seen(12, 18), [leaf(1)]);
    assert_eq!(seen(18, 22), [leaf(1), Held::Foreign]);
    assert_eq!(seen(21, 29), [Held::Foreign]);
    assert_eq!(seen(31, 99), [leaf(1)]);
}

#[test]
fn what_was_published_before_a_recovered_log_is_not_known() {
    let recovered = PublicationLog::recovered(Publication {
        held: leaf(1),
        from: at(10),
    });
    let seen = |from, to| {
        recovered
            .during(at(from), at(to))
            .map(|interval| interval.held)
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(0, 9), [None]);
    assert_eq!(seen(9, 11), [None, Some(leaf(1))]);
    assert_eq!(seen(11, 12), [Some(leaf(1))]);
    assert_eq!(recovered.first(leaf(1)), Some(Timestamp::MIN));
}

#[test]
fn a_leaf_that_follows_another_was_not_published_before_a_recovered_log() {
    let log = PublicationLog::default()
        .with(Publication {
            held: leaf(1),
            from: at(10),
        })
        .with(Publication {
            held: leaf(2),
            from: at(20),
        });
    assert_eq!(log.first(leaf(2)), Some(at(20)));
}

#[test]
fn a_leaf_that_follows_something_foreign_may_have_been_published_before_a_recovered_log() {
    let log = PublicationLog::default()
        .with(Publication {
            held: Held::Foreign,
            from: at(10),
        })
        .with(Publication {
            held: leaf(1),
            from: at(20),
        });
    assert_eq!(log.first(leaf(1)), Some(Timestamp::MIN));
}

#[test]
fn a_log_survives_its_encoding() {
    let log = log(&[(10, leaf(1)), (20, Held::Foreign)]);
    let text = serde_json::to_string(&log).unwrap();
    assert_eq!(serde_json::from_str::<PublicationLog>(&text).unwrap(), log);
}

#[test]
fn content_of_a_kind_that_a_later_version_knows_counts_as_forgotten() {
    let text = r#"{"beginning":"First","intervals":[{"held":{"Quarantined":7},"from":"1970-01-01T00:00:10Z"}]}"#;
    let log: PublicationLog = serde_json::from_str(text).unwrap();
    assert_eq!(log.last(), None);
    assert_eq!(log.during(at(11), at(12)).next().unwrap().held, None);
}

#[test]
fn a_log_whose_beginning_is_not_told_began_somewhere() {
    let log: PublicationLog = serde_json::from_str("{}").unwrap();
    assert_eq!(log, PublicationLog::empty(Beginning::Unknown));
}

#[test]
fn a_leaf_that_is_overwritten_again_and_again_keeps_its_first_publication() {
    let entries: Vec<_> = (0..40)
        .map(|n| (n, if n % 2 == 0 { leaf(1) } else { Held::Foreign }))
        .collect();
    let log = log(&entries);
    assert!(log.intervals.len() <= KEPT);
    assert_eq!(log.first(leaf(1)), Some(at(0)));
    assert_eq!(
        log.last(),
        Some(Publication {
            held: Held::Foreign,
            from: at(39)
        })
    );
}

proptest::proptest! {
    #[test]
    fn what_is_forgotten_is_never_told_as_a_leaf_that_was_not_published_then(
        numbers in proptest::collection::vec(0_u8..4, 1..60),
    ) {
        let held = |number: &u8| match number {
            0 => Held::Foreign,
            number => leaf(*number),
        };
        let entries: Vec<_> = (0..).step_by(10).zip(numbers.iter().map(held)).collect();
        let log = log(&entries);
        for (from, truly) in entries {
            let said: Vec<_> = log.during(at(from + 4), at(from + 5)).map(|interval| interval.held).collect();
            let right = said == [Some(truly)] || said == [None];
            proptest::prop_assert!(right, "{said:?} at {from}, but it was {truly:?}");
        }
    }

    #[test]
    fn the_leaf_seen_last_keeps_its_first_publication(
        numbers in proptest::collection::vec(0_u8..4, 1..60),
    ) {
        // Two leaves, each put right before the next intrusion: as the operator does.
        let held = |number: &u8| match number {
            0 => Held::Foreign,
            1 => leaf(1),
            _ => leaf(2),
        };
        let entries: Vec<_> = (0..).step_by(10).zip(numbers.iter().map(held)).collect();
        let log = log(&entries);
        for wanted in [leaf(1), leaf(2)] {
            let first = entries.iter().find(|(_, held)| *held == wanted).map(|(from, _)| at(*from));
            proptest::prop_assert_eq!(log.first(wanted), first);
        }
    }
}
