//! What a Deployment's controller does with its defaults in a cluster in memory: one pod more than there
//! shall be, and none less.

use plan::{certificate::Published, rollout};

use super::{
    cluster::{Cluster, TICK},
    scaling::successor,
};

impl Cluster {
    /// Starts a pod that waits for its Secret, ends one of an earlier template, or adds one.
    pub fn deployment_steps(&mut self) -> bool {
        self.clock += TICK;
        self.starts_a_waiting_pod() || self.ends_an_earlier_pod() || self.adds_a_pod()
    }

    fn starts_a_waiting_pod(&mut self) -> bool {
        let (Some(rollout::Workload::Present(live)), Published::Present(secret)) =
            (&mut self.truth.workload, &self.truth.published)
        else {
            return false;
        };
        let mut waiting = live.pods.iter_mut().filter(|pod| pod.ready_since.is_none());
        let Some(pod) = waiting.next() else {
            return false;
        };
        pod.started.insert("tls".to_owned(), vec![Some(self.clock)]);
        pod.ready_since = Some(self.clock);
        let read = secret.pair.as_ref().map(|it| it.leaf.fingerprint);
        self.serves.insert(pod.name.clone(), read);
        true
    }

    /// Only if there is one more than there shall be, and all of them are Ready.
    fn ends_an_earlier_pod(&mut self) -> bool {
        let Some(rollout::Workload::Present(live)) = &mut self.truth.workload else {
            return false;
        };
        let all_run = live.pods.iter().all(|pod| pod.ready_since.is_some());
        let surplus = live.pods.len() > usize::try_from(live.replicas).unwrap();
        let earlier = |pod: &rollout::Pod| pod.revision != live.update_revision;
        let Some(ended) = live.pods.iter().position(earlier) else {
            return false;
        };
        if all_run && surplus {
            let ended = live.pods.remove(ended);
            self.serves.remove(&ended.name);
        }
        all_run && surplus
    }

    fn adds_a_pod(&mut self) -> bool {
        let Some(rollout::Workload::Present(live)) = &mut self.truth.workload else {
            return false;
        };
        let wanted = usize::try_from(live.replicas).unwrap();
        let updated = live.pods.iter();
        let updated = updated.filter(|pod| pod.revision == live.update_revision);
        if updated.count() >= wanted || live.pods.len() > wanted {
            return false;
        }
        self.revision += 1;
        let name = format!("coturn-{}", self.revision);
        let pod = successor(live, 0, self.clock);
        live.pods.push(rollout::Pod { name, ..pod });
        true
    }
}
