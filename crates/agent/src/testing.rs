//! Pairs for tests.

use jiff::Timestamp;
use pki::{
    Authority, IssuedPair, issue,
    testing::{CaBuilder, TestCa, request},
};

/// Another pair each time.
pub fn issued() -> IssuedPair {
    of(&TestCa::example())
}

/// One whose leaf has an intermediate behind it.
pub fn with_an_intermediate() -> IssuedPair {
    let root = CaBuilder::root("CN=Root").build();
    of(&CaBuilder::intermediate("CN=Intermediate", &root).build())
}

fn of(ca: &TestCa) -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = Authority::load(&ca.secret().as_secret(), now).unwrap();
    issue(&authority, &request(&["coturn.example.com"]), now).unwrap()
}
