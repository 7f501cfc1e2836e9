//! The model of the API server that plan's exhaustive check runs on, compared with the real one:
//! random sequences of writes, with right, stale and missing preconditions, must end alike.

mod kinds;
mod pair;

use std::{collections::BTreeMap, io::Write as _};

use e2e::World;
use model::Refused;

use kinds::{Body, Kind};
use pair::Both;

/// Sequences for each kind.
const SEQUENCES: u64 = 60;
/// Writes of a sequence.
const LENGTH: usize = 14;

/// Numbers that look random and are the same in each run (splitmix64).
pub struct Numbers(u64);

impl Numbers {
    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Whether one of so many cases is met.
    pub fn once_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }
}

/// What came of the writes, for the report: a comparison that only sees refusals compares nothing.
#[derive(Default)]
struct Outcomes(BTreeMap<String, usize>);

impl Outcomes {
    fn count(&mut self, kind: Kind, outcome: Result<bool, Refused>) {
        let told = match outcome {
            Ok(true) => format!("{kind:?} written"),
            Ok(false) => format!("{kind:?} unchanged"),
            Err(refused) => format!("{kind:?} {refused:?}"),
        };
        *self.0.entry(told).or_default() += 1;
    }

    fn of(&self, told: &str) -> usize {
        self.0.get(told).copied().unwrap_or(0)
    }
}

async fn compare(world: &World, kind: Kind, outcomes: &mut Outcomes) -> usize {
    let mut writes = 0;
    for seed in 0..SEQUENCES {
        let mut numbers = Numbers(seed);
        let mut both = Both::new(world, kind, seed);
        for _ in 0..LENGTH {
            let outcome = both.write(&mut numbers).await;
            outcomes.count(kind, outcome);
            writes += 1;
        }
    }
    writes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_of_the_api_server_answers_as_the_real_one_does() {
    let world = World::empty("model").await;
    let mut outcomes = Outcomes::default();
    let mut writes = 0;
    for kind in [Kind::Secret, Kind::StatefulSet, Kind::CoturnCertificate] {
        writes += compare(&world, kind, &mut outcomes).await;
        for seen in [
            "written",
            "unchanged",
            "AlreadyExists",
            "NotFound",
            "Conflict",
        ] {
            let told = format!("{kind:?} {seen}");
            assert!(outcomes.of(&told) > 0, "no write came out as: {told}");
        }
    }
    for kind in [Kind::Secret, Kind::StatefulSet, Kind::CoturnCertificate] {
        assert!(outcomes.of(&format!("{kind:?} Invalid")) > 0);
    }
    // Not by the macro, whose output is shown for tests that fail alone.
    let told = writeln!(
        std::io::stderr(),
        "the model and the API server agree on {writes} writes in {} sequences: {:?}",
        3 * SEQUENCES,
        outcomes.0
    );
    drop(told);
}
