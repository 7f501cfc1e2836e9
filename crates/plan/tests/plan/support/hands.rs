//! What others do to a cluster in memory: the hands of people, of backup tools, of the kubelet.

use plan::{
    Precondition,
    certificate::{Observed, Pair, Published, Store},
    rollout,
};

use super::{
    cluster::{Cluster, TICK},
    foreign, present, published,
};

impl Cluster {
    /// Somebody else overwrites the published Secret.
    pub fn overwrite(&mut self, pair: Option<Pair>) {
        self.clock += TICK;
        self.revision += 1;
        if let Published::Present(secret) = &mut self.truth.published {
            secret.version.resource_version = self.revision.to_string();
            secret.pair = pair;
            secret.written = self.clock;
        }
    }

    /// Somebody deletes the published Secret and creates one of their own.
    pub fn replace_by_a_stranger(&mut self) {
        self.clock += TICK;
        let mut secret = published(Some(foreign()), self.clock);
        secret.version = self.next("strange", &Precondition::Absent);
        secret.owner = None;
        secret.annotations.clear();
        self.truth.published = present(secret);
    }

    /// A backup tool puts the store of an earlier time back, over the one that is there.
    pub fn restore_store(&mut self, earlier: &Observed) {
        self.clock += TICK;
        let (Store::Present(there), Store::Present(older)) = (&self.truth.store, &earlier.store)
        else {
            return;
        };
        self.revision += 1;
        let mut restored = older.clone();
        restored.version = there.version.clone();
        restored.version.resource_version = self.revision.to_string();
        self.truth.store = Store::Present(restored);
    }

    /// A backup tool puts the published Secret of an earlier time back, over the one that is there.
    pub fn restore_published(&mut self, earlier: &Observed) {
        self.clock += TICK;
        let (Published::Present(there), Published::Present(older)) =
            (&self.truth.published, &earlier.published)
        else {
            return;
        };
        self.revision += 1;
        let mut restored = older.clone();
        restored.version = there.version.clone();
        restored.version.resource_version = self.revision.to_string();
        restored.written = self.clock;
        self.truth.published = Published::Present(restored);
    }

    /// Whether the Secret under the published name is somebody else's.
    pub fn has_a_stranger(&self) -> bool {
        match &self.truth.published {
            Published::Present(secret) => secret.owner.is_none(),
            Published::Absent | Published::Unreadable(_) => false,
        }
    }

    /// A container of a pod ends and starts again: it reads what is published.
    pub fn restart(&mut self, ordinal: usize) {
        self.clock += TICK;
        let (Some(rollout::Workload::Present(live)), Published::Present(secret)) =
            (&mut self.truth.workload, &self.truth.published)
        else {
            return;
        };
        if let Some(pod) = live
            .pods
            .get_mut(ordinal)
            .filter(|pod| pod.ready_since.is_some())
        {
            pod.started.insert("tls".to_owned(), vec![Some(self.clock)]);
            pod.ready_since = Some(self.clock);
            let read = secret.pair.as_ref().map(|it| it.leaf.fingerprint);
            self.serves.insert(pod.name.clone(), read);
        }
    }
}
