//! An exhaustive search, breadth first: what is found is found by a shortest way. Afterwards it is seen
//! whether what goes on by itself comes to an end on every way.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Display,
    hash::Hash,
};

use crate::{cycle, facts::digest};

/// More states than any scenario has.
const MOST_STATES: usize = 400_000;

/// What is searched.
pub trait Space {
    type State: Clone + Hash;
    type Step: Copy + Display;

    /// Every step that may be taken, by anybody.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;

    /// The situation after a step, or the guarantee that it breaks.
    fn after(&self, state: &Self::State, step: Self::Step) -> Result<Self::State, String>;

    /// The guarantee that a situation breaks, if it breaks one.
    fn judge(&self, state: &Self::State, steps: &[Self::Step]) -> Result<Judged, String>;

    /// Whether a step from a situation is of those that must not go on for ever.
    fn must_end(&self, state: &Self::State, step: Self::Step) -> bool;

    /// A situation in a line.
    fn describe(&self, state: &Self::State) -> String;
}

/// What a situation is that breaks no guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Somebody has something to do.
    Moving,
    /// Nobody has, for ever.
    AtRest,
}

/// What a search went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    pub states: usize,
    pub steps: usize,
    pub depth: u32,
    pub at_rest: usize,
}

/// A broken guarantee, and the shortest way to it.
pub struct Broken {
    pub guarantee: String,
    pub way: Vec<String>,
}

/// How a state was reached first.
struct Origin<S> {
    from: u32,
    step: S,
    depth: u32,
}

struct Search<'s, S: Space> {
    space: &'s S,
    initial: &'s S::State,
    /// Digests of 128 bits stand for the states; each has a number.
    seen: HashMap<u128, u32>,
    origins: Vec<Option<Origin<S::Step>>>,
    /// From which state to which the steps lead that must not go on for ever.
    ending: Vec<(u32, u32, S::Step)>,
    waiting: VecDeque<(u32, S::State)>,
    extent: Extent,
}

/// Goes through every state that can be reached.
pub fn exhaust<S: Space>(space: &S, initial: &S::State) -> Result<Extent, Broken> {
    let mut search = Search {
        space,
        initial,
        seen: HashMap::from([(digest(initial), 0)]),
        origins: Vec::from([None]),
        ending: Vec::new(),
        waiting: VecDeque::from([(0, initial.clone())]),
        extent: Extent::default(),
    };
    while let Some((number, state)) = search.waiting.pop_front() {
        search.expand(number, &state)?;
        if search.seen.len() > MOST_STATES {
            let guarantee = format!("more than {MOST_STATES} states");
            return Err(search.broken(guarantee, number, None));
        }
    }
    search.ends()?;
    search.extent.states = search.seen.len();
    Ok(search.extent)
}

impl<S: Space> Search<'_, S> {
    fn expand(&mut self, number: u32, state: &S::State) -> Result<(), Broken> {
        let steps = self.space.steps(state);
        match self.space.judge(state, &steps) {
            Ok(Judged::Moving) => {}
            Ok(Judged::AtRest) => self.extent.at_rest += 1,
            Err(guarantee) => return Err(self.broken(guarantee, number, None)),
        }
        for step in steps {
            self.extent.steps += 1;
            match self.space.after(state, step) {
                Ok(next) => {
                    let reached = self.reach(number, step, next);
                    if self.space.must_end(state, step) {
                        self.ending.push((number, reached, step));
                    }
                }
                Err(guarantee) => return Err(self.broken(guarantee, number, Some(step))),
            }
        }
        Ok(())
    }

    /// The number of the state that a step leads to.
    fn reach(&mut self, from: u32, step: S::Step, next: S::State) -> u32 {
        let number = u32::try_from(self.origins.len()).unwrap();
        let known = *self.seen.entry(digest(&next)).or_insert(number);
        if known == number {
            let depth = 1 + self.depth(from);
            self.extent.depth = self.extent.depth.max(depth);
            self.origins.push(Some(Origin { from, step, depth }));
            self.waiting.push_back((number, next));
        }
        known
    }

    /// Equal situations are one state, so whatever goes on for ever goes round.
    fn ends(&self) -> Result<(), Broken> {
        let states = self.origins.len();
        let Some(round) = cycle::find(states, &self.ending) else {
            return Ok(());
        };
        let first = round[0];
        let guarantee = "guarantee 6: it goes on for ever".to_owned();
        let mut broken = self.broken(guarantee, first.0, None);
        broken
            .way
            .push("and from there round and round:".to_owned());
        let steps = round.iter().map(|(_, _, step)| step.to_string());
        broken.way.extend(steps);
        Err(broken)
    }

    fn depth(&self, number: u32) -> u32 {
        let origin = self.origins[usize::try_from(number).unwrap()].as_ref();
        origin.map_or(0, |origin| origin.depth)
    }

    fn broken(&self, guarantee: String, mut number: u32, last: Option<S::Step>) -> Broken {
        let mut steps: Vec<_> = last.into_iter().collect();
        while let Some(origin) = &self.origins[usize::try_from(number).unwrap()] {
            steps.push(origin.step);
            number = origin.from;
        }
        steps.reverse();
        Broken {
            guarantee,
            way: self.told(&steps),
        }
    }

    /// The steps are taken once more, to tell what became of each.
    fn told(&self, steps: &[S::Step]) -> Vec<String> {
        let mut state = self.initial.clone();
        let mut way = vec![format!(
            "in the beginning\n      {}",
            self.space.describe(&state)
        )];
        for step in steps {
            let mut line = step.to_string();
            if let Ok(next) = self.space.after(&state, *step) {
                line = format!("{line}\n      {}", self.space.describe(&next));
                state = next;
            }
            way.push(line);
        }
        way
    }
}
