//! The controllers of workloads: one for each kind that the operator was given, so that a kind that
//! its Role does not allow holds back no other.

use std::sync::Arc;

use api::WorkloadRef;
use futures::{StreamExt as _, channel::mpsc::UnboundedReceiver, stream::BoxStream};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::{
    Api, Client,
    runtime::{
        controller::Action,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;

use super::{Setup, Shared, config, controller, heeding, references, stopped, tell};
use crate::{
    error::Error,
    health::Ready,
    watches::{self, Listed, Watch},
    workload::{self, Kind, PerKind, Workloads},
};

type Watched<K> = Option<Watch<K, BoxStream<'static, Event<K>>>>;

/// The watches of workloads.
pub struct Watches {
    stateful_sets: Watched<StatefulSet>,
    deployments: Watched<Deployment>,
    daemon_sets: Watched<DaemonSet>,
}

impl Watches {
    /// Those of the kinds that the operator was given.
    pub fn start(setup: &Setup) -> Self {
        Self {
            stateful_sets: watch(setup),
            deployments: watch(setup),
            daemon_sets: watch(setup),
        }
    }

    /// What they know.
    pub fn known(&self) -> Workloads {
        Workloads {
            stateful_sets: self.stateful_sets.as_ref().map(Watch::known),
            deployments: self.deployments.as_ref().map(Watch::known),
            daemon_sets: self.daemon_sets.as_ref().map(Watch::known),
        }
    }

    /// Runs a controller for each until `stop` says true.
    pub async fn run(
        self,
        calls: PerKind<UnboundedReceiver<String>>,
        shared: Arc<Shared>,
        stop: watch::Receiver<bool>,
    ) {
        futures::join!(
            passes(self.stateful_sets, calls.stateful_sets, &shared, &stop),
            passes(self.deployments, calls.deployments, &shared, &stop),
            passes(self.daemon_sets, calls.daemon_sets, &shared, &stop),
        );
    }
}

fn watch<K: Kind>(setup: &Setup) -> Watched<K> {
    let is_given = setup.workload_kinds.contains(&K::KIND);
    is_given.then(|| watch_kind(&setup.watch_client, &setup.namespace, &setup.health.ready))
}

fn watch_kind<K: Kind>(
    client: &Client,
    namespace: &str,
    ready: &Ready,
) -> Watch<K, BoxStream<'static, Event<K>>> {
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let config = watcher::Config::default();
    let watch = watches::watch(K::PLURAL, api, config, watches::as_it_is);
    ready.expect_if_allowed(K::PLURAL, watch.listed.clone());
    Watch {
        store: watch.store,
        listed: watch.listed,
        events: watch.events.boxed(),
    }
}

async fn passes<K: Kind>(
    watch: Watched<K>,
    calls: UnboundedReceiver<String>,
    shared: &Arc<Shared>,
    stop: &watch::Receiver<bool>,
) {
    let Some(watch) = watch else {
        return;
    };
    let listed = watch.listed.clone();
    let events = heeding(shared, watch.events, |shared, event| {
        let context = &shared.context;
        context
            .bell
            .heed_workload(&context.certificates.store, event);
        if let Event::Delete(gone) = event {
            shared.forget_workload(&workload::reference(gone));
        }
    });
    let namespace = shared.context.namespace.clone();
    let results = controller(events, watch.store)
        .reconcile_on(references(calls, namespace))
        .graceful_shutdown_on(stopped(stop.clone()))
        .with_config(config())
        .run(
            pass::<K>,
            |workload, error, shared| shared.failed(workload::object_name(&*workload), error),
            Arc::clone(shared),
        );
    let passes = results.for_each(async |result| {
        if let Err(controller::Error::ObjectNotFound(gone)) = &result {
            shared.forget_workload(&WorkloadRef {
                kind: K::KIND,
                name: gone.name.clone(),
            });
        }
        tell(&result);
    });
    tokio::select! {
        () = passes => {}
        // Before the list is complete nothing runs that would have to end; nor would that end by itself.
        () = stopped_unlisted(stop.clone(), listed) => {}
    }
}

async fn stopped_unlisted(stop: watch::Receiver<bool>, listed: Listed) {
    stopped(stop).await;
    if listed.is_complete() {
        std::future::pending::<()>().await;
    }
}

async fn pass<K: Kind>(workload: Arc<K>, shared: Arc<Shared>) -> Result<Action, Error> {
    let object = workload::object_name(&*workload);
    let pass = Box::pin(workload::reconcile(&shared.context, &*workload));
    shared.run(K::KIND.as_str(), object, pass).await
}
