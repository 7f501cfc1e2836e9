//! Watches that go on whatever happens: what a test sees by them is not to end with a busy API server.

use std::{fmt::Debug, time::Duration};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Config, Event},
};
use serde::de::DeserializeOwned;

/// Before a watch that failed begins anew: an API server that is away refuses it at once.
const PAUSE: Duration = Duration::from_millis(100);

/// What happens to the objects of an API. After an error they are listed anew.
pub fn events<K>(objects: Api<K>, config: Config) -> BoxStream<'static, Event<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    told(watcher::watcher(objects, config).boxed())
}

fn told<T, E>(events: BoxStream<'static, Result<T, E>>) -> BoxStream<'static, T>
where
    T: Send + 'static,
    E: Send + 'static,
{
    stream::unfold(events, async |mut events| {
        loop {
            match events.next().await? {
                Ok(event) => return Some((event, events)),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_watch_that_fails_goes_on_after_a_pause_each_time() {
        let began = Instant::now();
        let events = stream::iter([Ok(1), Err("away"), Err("still away"), Ok(2)]);
        let told: Vec<_> = told(events.boxed()).collect().await;
        assert_eq!(told, [1, 2]);
        assert!(began.elapsed() >= 2 * PAUSE);
    }
}
