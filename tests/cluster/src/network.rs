//! The addresses of a cluster, and the link between this machine and the cluster's network
//! namespace. Only addresses of this machine are used; no packet leaves it.

use std::{fmt, fs, net::Ipv4Addr, process::Command};

use serde::{Deserialize, Serialize};

use crate::{Error, command};

/// The link's end inside the cluster's network namespace.
pub(crate) const UPLINK: &str = "uplink";

/// An IPv4 address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cidr {
    address: Ipv4Addr,
    prefix: u8,
}

impl Cidr {
    const fn new(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self {
            address: Ipv4Addr::new(a, b, c, d),
            prefix,
        }
    }

    fn mask(prefix: u8) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = Self::mask(self.prefix.min(other.prefix));
        (self.address.to_bits() ^ other.address.to_bits()) & mask == 0
    }

    /// The `n`th address of the range; 0 is the network's own.
    pub(crate) fn nth(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() + n)
    }

    fn with_prefix(self, offset: u32, prefix: u8) -> Self {
        Self {
            address: self.nth(offset),
            prefix,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// The address ranges of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) pods: Cidr,
    pub(crate) services: Cidr,
    link: Cidr,
    /// The name of the link's end on this machine.
    interface: String,
}

impl Network {
    /// Chooses ranges that no route of this machine overlaps.
    pub(crate) fn choose(id: &str) -> Result<Self, Error> {
        let table = "/proc/net/route";
        let routes = fs::read_to_string(table).map_err(Error::file("read", table))?;
        let block = free_block(seed(id), &routed(&routes)).ok_or(Error::NoFreeNetwork)?;
        Ok(Self {
            pods: block.with_prefix(0, 20),
            services: block.with_prefix(0x8000, 20),
            link: block.with_prefix(0xff00, 30),
            interface: interface(id),
        })
    }

    /// The node's address, where the API server listens.
    pub(crate) fn node(&self) -> Ipv4Addr {
        self.link.nth(2)
    }

    /// This machine's address on the link.
    pub(crate) fn host(&self) -> Ipv4Addr {
        self.link.nth(1)
    }

    /// Links this machine with the network namespace of `pid` and routes pods and services there.
    /// The link and its routes end with the namespace.
    pub(crate) fn connect(&self, pid: i32) -> Result<(), Error> {
        let Self {
            pods,
            services,
            link,
            interface,
        } = self;
        let (host, node) = (self.host(), self.node());
        ip(&format!(
            "link add {interface} type veth peer name {UPLINK} netns {pid}\n\
             addr add {host}/{prefix} dev {interface}\n\
             link set {interface} up\n\
             route add {pods} via {node} dev {interface}\n\
             route add {services} via {node} dev {interface}\n",
            prefix = link.prefix,
        ))
    }

    /// Configures the namespace's end. Call it inside the namespace once [`UPLINK`] is there.
    pub(crate) fn configure_inside(&self) -> Result<(), Error> {
        let Self { services, link, .. } = self;
        let node = self.node();
        // A bridge without ports: what the proxy does not translate ends there instead of turning in
        // circles between the two ends of the link.
        ip(&format!(
            "link set lo up\n\
             addr add {node}/{prefix} dev {UPLINK}\n\
             link set {UPLINK} up\n\
             link add services type bridge\n\
             link set services up\n\
             route add {services} dev services src {node}\n",
            prefix = link.prefix,
        ))
    }
}

/// Removes the link of a cluster whose namespace has ended but whose link the kernel still has.
pub(crate) fn disconnect(id: &str) -> Result<(), Error> {
    if !is_connected(id) {
        return Ok(());
    }
    match ip(&format!("link del {}\n", interface(id))) {
        Err(_) if !is_connected(id) => Ok(()),
        outcome => outcome,
    }
}

/// Whether this machine has the link of the cluster `id`.
pub(crate) fn is_connected(id: &str) -> bool {
    fs::exists(format!("/sys/class/net/{}", interface(id))).unwrap_or(false)
}

fn interface(id: &str) -> String {
    format!("cocert-{id}")
}

fn ip(batch: &str) -> Result<(), Error> {
    command::output_of_input(Command::new("ip").args(["-batch", "-"]), batch).map(drop)
}

/// Clusters that start at once begin their search at different places.
fn seed(id: &str) -> u32 {
    u32::from_str_radix(id, 16).unwrap_or(0)
}

fn free_block(seed: u32, taken: &[Cidr]) -> Option<Cidr> {
    let ranges = [
        (Cidr::new(10, 0, 0, 0, 8), 256),
        (Cidr::new(172, 16, 0, 0, 12), 16),
    ];
    ranges
        .into_iter()
        .flat_map(|(range, blocks)| {
            (0..blocks).map(move |n| range.with_prefix(((seed.wrapping_add(n)) % blocks) << 16, 16))
        })
        .find(|block| !taken.iter().any(|route| route.overlaps(*block)))
}

/// The destinations in `/proc/net/route`, without the default route. Its numbers are in the
/// machine's byte order, which is little-endian wherever these tests run.
fn routed(table: &str) -> Vec<Cidr> {
    let number = |field: &str| u32::from_str_radix(field, 16).ok().map(u32::swap_bytes);
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let address = Ipv4Addr::from_bits(number(fields.get(1)?)?);
            let prefix = u8::try_from(number(fields.get(7)?)?.count_ones()).ok()?;
            (prefix > 0).then_some(Cidr { address, prefix })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
vpn0\t0000070A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";

    #[test]
    fn routes_are_read_without_the_default_route() {
        assert_eq!(
            routed(TABLE),
            [Cidr::new(192, 0, 2, 0, 24), Cidr::new(10, 7, 0, 0, 16)]
        );
    }

    #[rstest]
    #[case(Cidr::new(10, 7, 0, 0, 16), Cidr::new(10, 7, 9, 0, 24), true)]
    #[case(Cidr::new(10, 7, 9, 0, 24), Cidr::new(10, 0, 0, 0, 8), true)]
    #[case(Cidr::new(10, 7, 0, 0, 16), Cidr::new(10, 8, 0, 0, 16), false)]
    #[case(Cidr::new(10, 7, 0, 0, 32), Cidr::new(10, 7, 0, 1, 32), false)]
    fn ranges_overlap_if_one_holds_the_other(
        #[case] one: Cidr,
        #[case] other: Cidr,
        #[case] overlap: bool,
    ) {
        assert_eq!(one.overlaps(other), overlap);
        assert_eq!(other.overlaps(one), overlap);
    }

    #[test]
    fn a_routed_block_is_passed_over() {
        assert_eq!(
            free_block(7, &routed(TABLE)),
            Some(Cidr::new(10, 8, 0, 0, 16))
        );
    }

    #[test]
    fn the_search_goes_round_and_then_to_the_second_range() {
        let all_but_first = (1..=255)
            .map(|n| Cidr::new(10, n, 0, 0, 16))
            .collect::<Vec<_>>();
        assert_eq!(
            free_block(9, &all_but_first),
            Some(Cidr::new(10, 0, 0, 0, 16))
        );
        let ten = [Cidr::new(10, 0, 0, 0, 8)];
        assert_eq!(free_block(2, &ten), Some(Cidr::new(172, 18, 0, 0, 16)));
        assert_eq!(free_block(2, &[ten[0], Cidr::new(172, 0, 0, 0, 8)]), None);
    }
}
