//! Every reason for which an authority is not used, a pair is not readable, or a leaf is not
//! signed. The texts are read at night: what is wrong, and what to do where that is known. None
//! names the Secret (the caller knows it) and none carries bytes of a key.

mod authority;
mod issue;
mod pair;

pub use authority::AuthorityError;
pub use issue::IssueError;
pub use pair::PairError;

/// What a key of a Secret should hold.
fn role(field: &str) -> &'static str {
    match field {
        api::names::TLS_KEY => "private key",
        api::names::CA_CRT => "root certificate",
        _ => "certificate",
    }
}
