//! Ports of the loopback interface for the components of a control plane without a node.

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
};

use crate::Error;

/// Where the kernel says which ports it gives to whoever asks for any (`ip(7)`).
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Lower ports belong to well-known services.
const CANDIDATES: RangeInclusive<u16> = 10_000..=65_535;

/// Ports that nobody listens on. They are free again until the components listen there: so they are
/// none that the kernel would give to another program meanwhile, and the search begins anywhere,
/// for others who search at the same moment.
pub(crate) fn free<const N: usize>() -> Result<[u16; N], Error> {
    let ephemeral = fs::read_to_string(EPHEMERAL).unwrap_or_default();
    let mut candidates = candidates(range(&ephemeral).as_ref());
    let start = RandomState::new().build_hasher().finish();
    let start = usize::try_from(start % candidates.len().max(1) as u64).unwrap_or_default();
    candidates.rotate_left(start);
    // All are held until the last is found, so they differ.
    let listeners: Vec<TcpListener> = candidates.into_iter().filter_map(listen).take(N).collect();
    let mut ports = [0; N];
    if listeners.len() < N {
        return Err(Error::Ports {
            source: io::ErrorKind::AddrInUse.into(),
        });
    }
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        let address = listener.local_addr();
        *port = address.map_err(|source| Error::Ports { source })?.port();
    }
    Ok(ports)
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

/// Without the ephemeral ones, unless that leaves hardly any.
fn candidates(ephemeral: Option<&RangeInclusive<u16>>) -> Vec<u16> {
    let is_ephemeral = |port: &u16| ephemeral.is_some_and(|range| range.contains(port));
    let outside: Vec<u16> = CANDIDATES.filter(|port| !is_ephemeral(port)).collect();
    if outside.len() < 100 {
        CANDIDATES.collect()
    } else {
        outside
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_the_kernel_gives_to_others_are_left_alone() {
        let candidates = candidates(range("32768\t60999\n").as_ref());
        assert!(candidates.contains(&32_767) && candidates.contains(&61_000));
        assert!(!candidates.contains(&32_768) && !candidates.contains(&60_999));
    }

    #[test]
    fn a_machine_that_gives_away_nearly_all_ports_has_candidates_too() {
        assert!(!candidates(range("1024 65535").as_ref()).is_empty());
    }

    #[test]
    fn free_ports_differ() {
        let [one, two, three] = free().unwrap();
        assert!(one != two && two != three && one != three);
    }
}
