//! Where a scenario takes place: a namespace with a workload whose pods a test's kubelet runs, and
//! watches on everything that the operator writes there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use api::names;
use e2e::{
    World, fixtures,
    history::History,
    kubelet::Kubelet,
    operator::{Operator, Start, plain_kubeconfig},
    proxy::Proxy,
    wait,
};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::PostParams;

/// Name of the second of two resources, and of its published Secret.
pub const SECOND: &str = "second";
/// An operator that has asked for nothing for so long has done what it had to do.
const CALM: Duration = Duration::from_millis(700);

pub struct Scene {
    pub world: World,
    pub kubelet: Kubelet,
    watched: Vec<Watched>,
    kept: Mutex<BTreeMap<String, Secret>>,
}

/// What was written for a resource.
pub struct Watched {
    pub store: History,
    pub published: History,
}

impl Scene {
    pub async fn of(name: &str, certificates: &[&str]) -> Self {
        let world = World::with_ca(name).await;
        let mut watched = Vec::new();
        for certificate in certificates {
            let store = names::store_secret(certificate);
            watched.push(Watched {
                store: History::of(world.api(), &store).await,
                published: History::of(world.api(), published_of(certificate)).await,
            });
        }
        // Without it no pod is admitted.
        wait::until("the service account of pods", async || {
            let found = world.api::<ServiceAccount>().get_opt("default").await;
            found.ok()?.map(drop)
        })
        .await;
        Self {
            kubelet: Kubelet::of(world.api(), world.api()),
            world,
            watched,
            kept: Mutex::default(),
        }
    }

    pub fn start(&self, proxy: &Proxy) -> Operator {
        self.start_with(proxy, &[])
    }

    /// The same with more on its command line.
    pub fn start_with(&self, proxy: &Proxy, arguments: &[&str]) -> Operator {
        Operator::start(&Start {
            namespace: &self.world.namespace,
            kubeconfig: &plain_kubeconfig(self.world.folder(), proxy.address()),
            log: &self.log_path(),
            secret_names: &[],
            arguments,
        })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).expect("the log")
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.world.folder().join("operator.log")
    }

    /// Waits until the operator behind the proxy has done what it had to do.
    pub async fn until_calm(&self, proxy: &Proxy) {
        wait::until("an operator that asks for nothing", async || {
            proxy.is_calm_for(CALM).then_some(())
        })
        .await;
    }

    pub fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// Serial numbers of all certificates that the operator ever put into a store.
    pub async fn issued(&self) -> BTreeSet<String> {
        for watched in &self.watched {
            watched.store.until_up_to_date().await;
        }
        let revisions = self
            .watched
            .iter()
            .flat_map(|it| it.store.written_by_operator());
        revisions.filter_map(|store| serial(&store)).collect()
    }

    /// Puts a Secret aside as it is.
    pub async fn keep(&self, name: &str) {
        let secret = self.world.secret(name).await.expect("the Secret");
        self.kept.lock().unwrap().insert(name.to_owned(), secret);
    }

    /// A Secret that was put aside.
    pub fn kept(&self, name: &str) -> Secret {
        self.kept.lock().unwrap()[name].clone()
    }

    /// Gives a Secret the content and annotations that it had when it was put aside.
    pub async fn put_back(&self, name: &str) {
        let older = self.kept(name);
        let mut secret = self.world.secret(name).await.expect("the Secret");
        secret.data = older.data;
        secret.metadata.annotations = older.metadata.annotations;
        self.replace(&secret).await;
    }

    /// Writes a Secret as somebody else.
    pub async fn replace(&self, secret: &Secret) {
        let params = PostParams {
            field_manager: Some("somebody-else".to_owned()),
            dry_run: false,
        };
        let name = secret.metadata.name.as_deref().expect("a name");
        let api = self.world.api::<Secret>();
        api.replace(name, &params, secret).await.expect("a write");
    }
}

/// Name of the published Secret of a resource.
pub fn published_of(certificate: &str) -> &str {
    match certificate {
        fixtures::COTURN => fixtures::PUBLISHED,
        other => other,
    }
}

/// Serial number of the certificate in service by a store.
fn serial(store: &Secret) -> Option<String> {
    let data = store.data.as_ref()?;
    let leaf = pki::inspect(&data.get("current.crt")?.0, &data.get("current.key")?.0);
    Some(leaf.ok()?.serial.to_string())
}
