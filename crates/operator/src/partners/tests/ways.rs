//! By which way partners are asked, and how many at a time.

use std::net::{SocketAddr, TcpListener};

use probe::relay::{Accepted, Tunnel};

use super::{super::rehearsing::BEFORE_STORING, *};

fn identities() -> Identities {
    let pair = pair();
    let current = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
    Identities {
        current: current.unwrap(),
        previous: None,
    }
}

/// An agent that keeps each connection open for a while: where it is, and a list of how many there were
/// whenever one came.
fn slow_agent() -> (SocketAddr, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, open) = (Arc::<Mutex<Vec<usize>>>::default(), Arc::new(()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let open = Arc::clone(&open);
            noted.lock().unwrap().push(Arc::strong_count(&open) - 1);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(200));
                drop(open);
                drop(stream);
            });
        }
    });
    (address, seen)
}

pub(super) fn through(address: SocketAddr, number: u8) -> Call {
    Call {
        partner: Partner {
            host: format!("192.0.2.{number}"),
            port: 9191,
        },
        way: Way::Agent {
            pod: "coturn-0".to_owned(),
            address,
        },
        instead: Vec::new(),
    }
}

#[tokio::test]
async fn as_many_partners_as_may_be_named_are_asked_through_one_agent_a_few_at_a_time() {
    let (address, seen) = slow_agent();
    let (context, known) = (context(&[], |_| Value::Null), identities());
    let calls: Vec<_> = (1..=8).map(|number| through(address, number)).collect();
    let asked = calls.iter().map(|call| {
        let current = &known.current;
        context
            .partners
            .asked(call, current, &known, BEFORE_STORING)
    });
    let asked = futures::future::join_all(asked).await;
    assert_eq!(asked.len(), 8);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 8, "somebody was not asked");
    assert!(seen.iter().all(|open| *open <= 2), "{seen:?}");
}

#[tokio::test]
async fn whose_turn_does_not_come_is_told_so() {
    let (address, seen) = slow_agent();
    let (context, known) = (context(&[], |_| Value::Null), identities());
    let call = through(address, 1);
    let taken = [
        context.partners.places.take(&call.way, BESIDE).await,
        context.partners.places.take(&call.way, BESIDE).await,
    ];
    let asked = context
        .partners
        .asked(&call, &known.current, &known, Duration::from_millis(50))
        .await;
    let why = asked.result.unwrap_err();
    assert!(why.contains("its turn did not come"), "{why}");
    assert!(seen.lock().unwrap().is_empty());
    drop(taken);
}

/// Where an agent was that has died.
fn dead_agent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// An agent with this pair that relays once, to a partner whose port is closed.
fn relaying_agent(pair: &Identities) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let identity = pair.current.clone();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let known = Accepted(identity.fingerprints().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut tunnel = Tunnel::accept(stream, &identity, &known, deadline).unwrap();
        let waits = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        while tunnel.receive().is_err_and(waits) {}
        tunnel.send(b"").unwrap();
        tunnel.send(b"").unwrap();
        while tunnel.receive().is_ok() {}
    });
    address
}

/// Through the first of these agents, or instead through the others.
fn through_one_of(agents: &[SocketAddr]) -> Call {
    let mut ways = agents.iter().map(|address| through(*address, 1).way);
    Call {
        way: ways.next().unwrap(),
        instead: ways.collect(),
        ..through(agents[0], 1)
    }
}

#[tokio::test]
async fn where_an_agent_does_not_relay_the_next_one_is_asked_and_no_more() {
    let (context, known) = (context(&[], |_| Value::Null), identities());
    let (relaying, (last, seen)) = (relaying_agent(&known), slow_agent());
    let call = through_one_of(&[dead_agent(), relaying, last]);
    let asked = context
        .partners
        .asked(&call, &known.current, &known, BESIDE)
        .await;
    let outcome = asked.result.unwrap().outcome;
    assert_eq!(outcome, Outcome::Failed(Trouble::Closed));
    assert_eq!(asked.way, call.instead[0]);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn where_no_agent_relays_the_last_one_is_told_of() {
    let (context, known) = (context(&[], |_| Value::Null), identities());
    let call = through_one_of(&[dead_agent(), dead_agent(), slow_agent().0]);
    let asked = context
        .partners
        .asked(&call, &known.current, &known, BESIDE)
        .await;
    assert!(is_not_begun(&asked.result), "{:?}", asked.result);
    assert_eq!(asked.way, call.instead[1]);
}
