//! How many partners are asked at one time.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plan::partner::Way;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// In all.
const AT_ONCE: usize = 4;
/// Through one agent: half of what it relays for, as one that has ended may not have been noticed there.
const THROUGH_AN_AGENT: usize = agent::RELAYED_AT_ONCE / 2;

/// Places for those that are asked.
#[derive(Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    agents: Arc<Mutex<HashMap<SocketAddr, Arc<Semaphore>>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            agents: Arc::default(),
        }
    }
}

/// A place, until this is dropped.
pub struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_the_agent: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// A place for a way, within the time; none if all stayed taken.
    pub async fn take(&self, way: &Way, time: Duration) -> Option<Place> {
        timeout(time, self.awaited(way)).await.ok().flatten()
    }

    /// Who waits for an agent keeps nobody else from asking.
    async fn awaited(&self, way: &Way) -> Option<Place> {
        let of_the_agent = match way {
            Way::Operator => None,
            Way::Agent { address, .. } => Some(self.agent(*address).acquire_owned().await.ok()?),
        };
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place {
            _of_all: of_all,
            _of_the_agent: of_the_agent,
        })
    }

    /// Agents come and go with their pods: whom nobody waits for is forgotten.
    fn agent(&self, address: SocketAddr) -> Arc<Semaphore> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.retain(|_, places| Arc::strong_count(places) > 1);
        let free = || Arc::new(Semaphore::new(THROUGH_AN_AGENT));
        Arc::clone(agents.entry(address).or_insert_with(free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn through(port: u16) -> Way {
        Way::Agent {
            pod: format!("coturn-{port}"),
            address: ([192, 0, 2, 1], port).into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_asked_for_fewer_than_it_relays_for() {
        let places = Places::default();
        let mut taken = Vec::new();
        for _ in 0..THROUGH_AN_AGENT {
            taken.push(places.take(&through(1), SHORT).await.unwrap());
        }
        assert!(places.take(&through(1), SHORT).await.is_none());
        assert!(places.take(&through(2), SHORT).await.is_some());
        taken.pop();
        assert!(places.take(&through(1), SHORT).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_asked_at_once_whatever_the_way() {
        let places = Places::default();
        let mut taken = Vec::new();
        for port in 0..AT_ONCE {
            let way = through(u16::try_from(port).unwrap());
            taken.push(places.take(&way, SHORT).await.unwrap());
        }
        assert!(places.take(&Way::Operator, SHORT).await.is_none());
        taken.pop();
        assert!(places.take(&Way::Operator, SHORT).await.is_some());
    }

    #[tokio::test]
    async fn an_agent_that_nobody_asks_is_forgotten() {
        let places = Places::default();
        for port in 1..10 {
            drop(places.take(&through(port), SHORT).await);
        }
        assert_eq!(places.agents.lock().unwrap().len(), 1);
    }
}
