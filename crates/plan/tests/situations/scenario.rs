//! A scenario: what there is, what may go wrong, and how much of it. It is searched exhaustively.

use api::OnFailure;

use crate::{
    canonical::{canonical, is_at_rest},
    endings, evictions,
    facts::{Certificate, DAY, Name, StoreThing},
    guarantees, hands, kubernetes,
    memory::Memory,
    operator, probing,
    search::{Judged, Space},
    state::{Break, Budget, Earlier, HOUR, LONG, Operator, Setting, State, TICK, WHILE},
    step::{Hand, Move, Passing, Reply, Seen, Step},
    workload,
};

/// More steps than it takes until everything is in place.
const MOST_STEPS: usize = 1000;

/// A scenario and its bounds.
pub struct Scenario {
    pub name: &'static str,
    pub certificates: usize,
    pub pods: usize,
    pub operators: usize,
    /// Whether it begins with everything in place.
    pub settled: bool,
    pub budget: Budget,
    /// Which faults of operators there are.
    pub faults: &'static [Fault],
    /// What others may do.
    pub hands: &'static [Hand],
    /// How time may pass.
    pub passing: &'static [Passing],
    pub setting: Setting,
    /// How one container may break when it starts.
    pub may_break: Option<Break>,
    pub memory: Memory,
}

/// What goes wrong with an operator and its way to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Crash,
    LostReply,
    Conflict,
    LateRead,
}

impl Default for Scenario {
    /// One certificate, one pod, one operator, all at rest, and nothing happens.
    fn default() -> Self {
        Self {
            name: "",
            certificates: 1,
            pods: 1,
            operators: 1,
            settled: true,
            budget: Budget {
                faults: 0,
                events: 0,
            },
            faults: &[],
            hands: &[],
            passing: &[],
            setting: Setting {
                on_failure: OnFailure::Hold,
                ..Setting::default()
            },
            may_break: None,
            memory: Memory::default(),
        }
    }
}

impl Scenario {
    /// How it begins: the budget is given once everything is in place.
    pub fn beginning(&self) -> State {
        let mut state = canonical(State::fresh(self));
        for taken in 0.. {
            if !self.settled || self.has_ended(&state) {
                break;
            }
            assert!(taken < MOST_STEPS, "{}: it never settles", self.name);
            let step = self.ordinary(&state)[0];
            state = self.after(&state, step).unwrap();
        }
        state.budget = self.budget;
        let late_volumes = self
            .hands
            .iter()
            .any(|it| matches!(it, Hand::RestartWithEarlier(_)));
        let restored = |hand: &Hand| matches!(hand, Hand::RestoreStore(_));
        let late_reads = self.has(Fault::LateRead);
        for (certificate, earlier) in (0..).zip(&mut state.earlier) {
            let get = |name| state.server.get(&name).cloned();
            *earlier = Earlier {
                is_kept: [late_reads, late_volumes],
                store: get(Name::Store(certificate)),
                published: get(Name::Published(certificate)),
                backup: get(Name::Store(certificate)).filter(|_| self.hands.iter().any(restored)),
            };
            earlier.forget();
        }
        state
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    fn has_ended(&self, state: &State) -> bool {
        self.ordinary(state).is_empty()
    }

    /// What operators and Kubernetes do by themselves; time passes only if they do nothing.
    fn ordinary(&self, state: &State) -> Vec<Step> {
        let operators = (0..self.operators).flat_map(|it| self.of_operator(state, it));
        let kubernetes = kubernetes::moves(state).into_iter().map(Step::Kubernetes);
        let mut steps: Vec<_> = operators.chain(kubernetes).collect();
        if steps.is_empty() && !is_at_rest(state) {
            steps.push(Step::Time(Passing::Rest));
        }
        steps
    }

    fn of_operator(&self, state: &State, it: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for certificate in 0..self.certificates {
            if state.operators[it].passes[certificate].is_some() {
                steps.push(Step::Write(it, certificate, Reply::Arrives));
            } else if self.memory.said_of(state, it, certificate).is_due() {
                steps.push(Step::Read(it, certificate, Seen::AsTheyAre));
            }
        }
        if state.operators[it].intent.is_some() {
            steps.push(Step::Act(it, Reply::Arrives));
        } else if self.memory.decided(state, it).is_some() {
            steps.push(Step::Decide(it));
        }
        let probes = probing::pods(state, &self.memory, it);
        steps.extend(probes.into_iter().map(|pod| Step::Probe(it, pod)));
        steps
    }

    fn operators_rest(&self, state: &State) -> bool {
        (0..self.operators).all(|it| self.of_operator(state, it).is_empty())
    }

    /// What goes wrong with operators.
    fn of_faults(&self, state: &State, it: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for certificate in 0..self.certificates {
            if state.operators[it].passes[certificate].is_some() {
                let replies = [
                    (Fault::LostReply, Reply::Lost),
                    (Fault::Conflict, Reply::Conflict),
                ];
                let possible = replies.iter().filter(|(fault, _)| self.has(*fault));
                steps.extend(possible.map(|(_, reply)| Step::Write(it, certificate, *reply)));
            } else if self.has(Fault::LateRead) {
                steps.push(Step::Read(it, certificate, Seen::EarlierStore));
            }
        }
        let acts = state.operators[it].intent.is_some();
        steps.extend((acts && self.has(Fault::Conflict)).then_some(Step::Act(it, Reply::Conflict)));
        let loses = state.operators[it].has_something_to_lose();
        steps.extend((loses && self.has(Fault::Crash)).then_some(Step::Crash(it)));
        steps
    }

    fn newest_day(state: &State, certificate: Certificate) -> Option<i64> {
        match state.stored(certificate)? {
            StoreThing::Good {
                current: crate::facts::Pair::Ours(leaf),
                ..
            } => Some(state.truth.days[usize::from(*leaf) - 1]),
            StoreThing::Good { .. } | StoreThing::Corrupt => None,
        }
    }

    /// Much time passes between passes only. A process that sleeps within one is as one that others
    /// overtake, which two operators show.
    fn may_pass(state: &State, passing: Passing) -> bool {
        if state.operators.iter().any(Operator::is_busy) {
            return false;
        }
        match passing {
            Passing::Rest => false,
            Passing::AWhile(it) => state
                .published(it)
                .is_some_and(|it| it.written == state.now),
            Passing::Pause => state.budget.faults > 0,
            Passing::AnHour => state.budget.events > 0,
            Passing::ToRenewal(it) | Passing::ToExpiry(it) => {
                state.budget.events > 0
                    && Self::newest_day(state, it).is_some_and(|day| state.now < then(day, passing))
            }
        }
    }
}

/// The time until which it passes, for a certificate signed on a day.
fn then(day: i64, passing: Passing) -> i64 {
    match passing {
        // Thirty days before the end, and up to three more of jitter.
        Passing::ToRenewal(_) => (day + 336) * DAY,
        Passing::ToExpiry(_) => (day + 366) * DAY,
        Passing::Rest | Passing::Pause | Passing::AWhile(_) | Passing::AnHour => 0,
    }
}

impl Space for Scenario {
    type State = State;
    type Step = Step;

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = self.ordinary(state);
        if state.budget.faults > 0 {
            steps.extend((0..self.operators).flat_map(|it| self.of_faults(state, it)));
        }
        let hands = self.hands.iter().copied().filter(|hand| {
            let budget = if hand.is_ordinary() {
                state.budget.events
            } else {
                state.budget.faults
            };
            (budget > 0 || hand.is_free()) && hand.is_possible(state)
        });
        steps.extend(hands.map(Step::Hand));
        let chances = kubernetes::chances(state, self.setting.reloads);
        steps.extend(chances.into_iter().map(Step::Kubernetes));
        let passing = self
            .passing
            .iter()
            .copied()
            .filter(|it| Self::may_pass(state, *it));
        steps.extend(passing.map(Step::Time));
        steps
    }

    fn after(&self, state: &State, step: Step) -> Result<State, String> {
        let mut next = state.clone();
        next.now += TICK;
        next.spend(step);
        match step {
            Step::Read(it, certificate, seen) => {
                let read = operator::read(&next, &self.memory, it, certificate, seen)?;
                next = read.unwrap_or_else(|| state.clone());
            }
            Step::Write(it, certificate, reply) => {
                operator::write(&mut next, &self.memory, it, certificate, reply)?;
            }
            Step::Decide(it) => {
                let intent = self.memory.decided(&next, it);
                if let Some(intent) = &intent {
                    guarantees::of_a_decision(&next, it, intent)?;
                }
                next.operators[it].intent = intent;
            }
            Step::Act(it, reply) => workload::act(&mut next, it, reply)?,
            Step::Probe(it, pod) => probing::dial(&mut next, it, pod),
            Step::Crash(it) => {
                next.operators[it].intent = None;
                next.operators[it].passes.fill(None);
                next.operators[it].proofs.fill(None);
            }
            Step::Kubernetes(it) => {
                if let Move::Delete(pod) = it {
                    evictions::of_a_deletion(&next, pod)?;
                }
                kubernetes::take(&mut next, it);
            }
            Step::Hand(hand) => {
                let noted = self.operators_rest(state);
                hands::act(&mut next, hand, noted);
            }
            Step::Time(passing) => Self::pass(&mut next, passing),
        }
        next.note_what_reached_all();
        Ok(canonical(next))
    }

    fn judge(&self, state: &State, steps: &[Step]) -> Result<Judged, String> {
        for operator in 0..self.operators {
            guarantees::of_a_situation(state, &self.memory, operator)?;
        }
        let moving = steps.iter().any(|step| step.is_by_itself());
        if moving {
            return Ok(Judged::Moving);
        }
        endings::of_the_end(state)?;
        Ok(Judged::AtRest)
    }

    /// Two operators whose clocks differ tell different things for as long as both act.
    fn must_end(&self, state: &State, step: Step) -> bool {
        let mut clocks = state.operators.iter().map(|operator| operator.skew);
        let first = clocks.next();
        step.is_by_itself() && clocks.all(|clock| Some(clock) == first)
    }

    fn describe(&self, state: &State) -> String {
        state.describe()
    }
}

impl Scenario {
    fn pass(state: &mut State, passing: Passing) {
        match passing {
            Passing::Rest | Passing::Pause => state.now += LONG,
            Passing::AWhile(_) => state.now += WHILE - TICK,
            Passing::AnHour => state.now += HOUR,
            Passing::ToRenewal(it) | Passing::ToExpiry(it) => {
                if let Some(day) = Self::newest_day(state, it) {
                    state.now = then(day, passing);
                }
            }
        }
    }
}

impl Step {
    /// Whether operators, Kubernetes or nothing but rest brings it about.
    fn is_by_itself(self) -> bool {
        match self {
            Self::Read(_, _, seen) => seen == Seen::AsTheyAre,
            Self::Write(_, _, reply) | Self::Act(_, reply) => reply == Reply::Arrives,
            Self::Kubernetes(it) => !it.is_chance(),
            Self::Time(passing) => passing == Passing::Rest,
            Self::Decide(_) | Self::Probe(..) => true,
            Self::Crash(_) | Self::Hand(_) => false,
        }
    }
}

impl State {
    fn spend(&mut self, step: Step) {
        let ordinary = match step {
            Step::Hand(hand) if hand.is_free() => return,
            Step::Kubernetes(it) if it.is_chance() => return,
            Step::Time(Passing::AWhile(_)) => return,
            Step::Hand(hand) => hand.is_ordinary(),
            Step::Time(Passing::ToRenewal(_) | Passing::ToExpiry(_) | Passing::AnHour) => true,
            _ if step.is_by_itself() => return,
            _ => false,
        };
        if ordinary {
            self.budget.events -= 1;
        } else {
            self.budget.faults -= 1;
        }
    }

    /// In a line, for people.
    pub fn describe(&self) -> String {
        let certificates = (0..self.certificates()).map(|it| {
            let published = self.published(it).map(|secret| secret.pair);
            format!("store {:?}, published {published:?}", self.current(it))
        });
        let pods = self.pods.iter().map(|pod| match pod {
            None => "none".to_owned(),
            Some(pod) if pod.terminating => "ending".to_owned(),
            Some(pod) if pod.started.is_none() => "waiting".to_owned(),
            Some(pod) => match pod.broken {
                Some(broken) => format!("{:?} {broken:?}", pod.reads),
                None => format!("{:?}", pod.reads),
            },
        });
        format!(
            "day {}, {}; template {:?}; pods {}; seen {:?}",
            self.now.div_euclid(DAY),
            certificates.collect::<Vec<_>>().join("; "),
            self.workload().template,
            pods.collect::<Vec<_>>().join(", "),
            self.operators
                .iter()
                .flat_map(|operator| &operator.proofs)
                .flatten()
                .map(|glimpse| (glimpse.shown, glimpse.again))
                .collect::<Vec<_>>(),
        )
    }
}
