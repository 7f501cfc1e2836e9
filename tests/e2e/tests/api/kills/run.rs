//! One run of a scenario: undisturbed, with the operator killed after one of its writes, or with the
//! reply to one of them lost.

use std::sync::{Arc, Mutex};

use e2e::{
    operator::{self, Operator},
    proxy::{Blow, Fate, Mark, Proxy},
    wait,
};

use super::{
    oracles::{Before, Writers},
    scenario::{self, Scenario},
};
use crate::scene::Scene;

#[derive(Clone, Debug)]
pub enum Disturbance {
    None,
    KilledAfter(Mark),
    ReplyLost(Mark),
}

pub async fn run(scenario: &Scenario, disturbance: &Disturbance) {
    // Shown if the run fails.
    let what = format!("{}: {disturbance:?}", scenario.name);
    let scene = Scene::of(scenario.name, scenario.setting.certificates).await;
    let mut stage = Stage::prepared(scenario, &scene).await;
    let before = Before::of(scenario, &scene).await;
    stage.disturb(scenario, &scene, disturbance).await;
    let expectation = before.expecting(scenario, disturbance, &what);
    if let Disturbance::KilledAfter(mark) | Disturbance::ReplyLost(mark) = disturbance {
        wait::until(&format!("{what}: the write"), async || {
            stage.proxy.has_struck().then_some(())
        })
        .await;
        assert!(stage.proxy.writes().contains(mark), "{what}");
    }
    let killed = match disturbance {
        Disturbance::KilledAfter(_) => Some(stage.replaced(scenario, &scene).await),
        Disturbance::None | Disturbance::ReplyLost(_) => None,
    };
    let writers = Writers {
        acting: &stage.proxy,
        killed,
    };
    expectation.until_met(&scene, &writers).await;
    expectation.judge(&scene, &writers).await;
}

/// An operator and the proxy that it speaks through.
struct Stage {
    operator: Operator,
    proxy: Proxy,
    /// Whom a blow kills.
    victim: Arc<Mutex<u32>>,
}

impl Stage {
    async fn prepared(scenario: &Scenario, scene: &Scene) -> Self {
        let stage = Self::start(scenario, scene).await;
        (scenario.prepared)(scene).await;
        scene.until_calm(&stage.proxy).await;
        stage
    }

    async fn start(scenario: &Scenario, scene: &Scene) -> Self {
        let proxy = Proxy::start(scene.world.client.clone()).await;
        let operator = scene.start_with(&proxy, scenario.setting.arguments);
        Self {
            victim: Arc::new(Mutex::new(operator.id())),
            operator,
            proxy,
        }
    }

    /// Another operator in the place of the one that was killed. Returns the proxy of that.
    async fn replaced(&mut self, scenario: &Scenario, scene: &Scene) -> Proxy {
        self.operator.kill();
        std::mem::replace(self, Self::start(scenario, scene).await).proxy
    }

    async fn disturb(&mut self, scenario: &Scenario, scene: &Scene, disturbance: &Disturbance) {
        match scenario.operator {
            scenario::Operator::LooksOn => {
                self.proxy.begin(self.blow(disturbance));
                (scenario.done)(scene).await;
            }
            scenario::Operator::StartsAfterwards => {
                self.operator.kill();
                (scenario.done)(scene).await;
                self.proxy.begin(self.blow(disturbance));
                let mut victim = self.victim.lock().unwrap();
                self.operator = scene.start_with(&self.proxy, scenario.setting.arguments);
                *victim = self.operator.id();
            }
        }
    }

    fn blow(&self, disturbance: &Disturbance) -> Option<Blow> {
        let (on, fate) = match disturbance {
            Disturbance::None => return None,
            Disturbance::KilledAfter(mark) => (mark, self.fatal()),
            Disturbance::ReplyLost(mark) => (mark, Fate::ReplyLost),
        };
        Some(Blow {
            on: on.clone(),
            fate,
        })
    }

    fn fatal(&self) -> Fate {
        let victim = Arc::clone(&self.victim);
        Fate::Fatal(Arc::new(move || operator::kill(*victim.lock().unwrap())))
    }
}
