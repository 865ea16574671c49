//! The most frequent subnets, clients and paths of one service, in constant memory, and its distinct clients.

use super::distinct::Distinct;
use super::record::RequestRecord;
use super::text::Text;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use traffic::TopK;

/// Entries kept of each list. A key with more than a 64th of all requests is certainly in the list.
const REMEMBERED: usize = 64;
/// Entries reported of each list.
const REPORTED: usize = 10;
/// Requests in a second of one thread above which only one in [`EVERY`] is counted, with that weight.
const ALL_UNTIL: u64 = 1_000;
const EVERY: u64 = 8;

/// The most frequent keys of one route since the last roll-up.
#[derive(Clone, Debug)]
pub(super) struct TopLists {
    subnets: TopK<IpNet>,
    clients: TopK<Client>,
    paths: TopK<Text<96>>,
    /// All clients, counted without sampling.
    pub(super) distinct: Distinct,
}

/// The key of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Recognized(u64),
    Address(IpAddr),
}

impl Client {
    fn of(record: &RequestRecord) -> Self {
        record.recognized.map_or_else(
            || match record.client.to_canonical() {
                IpAddr::V6(address) => {
                    Self::Address(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into())
                }
                address @ IpAddr::V4(_) => Self::Address(address),
            },
            Self::Recognized,
        )
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recognized(number) => write!(f, "recognized:{number:016x}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Default for TopLists {
    fn default() -> Self {
        Self {
            subnets: TopK::new(REMEMBERED),
            clients: TopK::new(REMEMBERED),
            paths: TopK::new(REMEMBERED),
            distinct: Distinct::default(),
        }
    }
}

impl TopLists {
    /// Counts a request, the `number`th of its route in this second.
    pub(super) fn note(&mut self, record: &RequestRecord, number: u64) {
        let client = Client::of(record);
        self.distinct.note(client);
        let weight = if number <= ALL_UNTIL {
            1
        } else if number.is_multiple_of(EVERY) {
            EVERY
        } else {
            return;
        };
        self.subnets.add_many(&types::traffic::subnet(record.client), weight);
        self.clients.add_many(&client, weight);
        self.paths.add_many(&record.path, weight);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.subnets.merge(&other.subnets);
        self.clients.merge(&other.clients);
        self.paths.merge(&other.paths);
        self.distinct.unite(&other.distinct);
    }

    pub(super) fn clear(&mut self) {
        self.subnets.clear();
        self.clients.clear();
        self.paths.clear();
        self.distinct.clear();
    }

    pub(super) fn subnets(&self) -> Vec<(String, u8)> {
        shares(&self.subnets)
    }

    pub(super) fn clients(&self) -> Vec<(String, u8)> {
        shares(&self.clients)
    }

    pub(super) fn paths(&self) -> Vec<(String, u8)> {
        shares(&self.paths)
    }
}

/// Returns the largest with their share in whole percent; those below one percent are left out.
fn shares<K: fmt::Display>(top: &TopK<K>) -> Vec<(String, u8)> {
    let all = top.total().max(1);
    let share = |count: u64| u8::try_from((count * 100 + all / 2) / all).unwrap_or(100).min(100);
    let first = top.first(REPORTED).into_iter();
    first.map(|(key, count)| (key.to_string(), share(count))).filter(|(_, share)| *share > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::id::Ids;
    use http::{Method, Version};

    fn record(client: &str, recognized: Option<u64>, path: &str) -> RequestRecord {
        let mut record = RequestRecord::new(0, client.parse().unwrap(), Ids::fresh());
        record.recognized = recognized;
        record.asks(Version::HTTP_11, &Method::GET, "acme.com", path);
        record
    }

    #[test]
    fn flood_from_three_subnets_is_listed_with_shares() {
        let mut top_lists = TopLists::default();
        let random = &mut fastrand::Rng::with_seed(5);
        for number in 1..=40_000 {
            let (client, path) = match random.u32(0..100) {
                0..50 => (format!("192.0.2.{}", random.u8(..)), "/login".to_owned()),
                50..80 => (format!("198.51.100.{}", random.u8(..)), "/login".to_owned()),
                80..92 => (format!("2001:db8:7:{:x}::1", random.u16(..)), "/login".to_owned()),
                _ => (format!("10.{}.{}.1", random.u8(..), random.u8(..)), format!("/{}", random.u16(..))),
            };
            top_lists.note(&record(&client, None, &path), number);
        }
        let subnets = top_lists.subnets();
        let names: Vec<&str> = subnets[..3].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["192.0.2.0/24", "198.51.100.0/24", "2001:db8:7::/48"]);
        for ((_, share), expected) in subnets.iter().zip([50, 30, 12]) {
            assert!(share.abs_diff(expected) <= 3, "{subnets:?}");
        }
        assert_eq!(top_lists.paths()[0].0, "/login");
        assert!(top_lists.paths()[0].1.abs_diff(92) <= 3, "{:?}", top_lists.paths());
    }

    #[test]
    fn recognized_client_on_many_addresses_is_one_key() {
        let (mut one, mut other) = (TopLists::default(), TopLists::default());
        for number in 1..=100 {
            one.note(&record(&format!("192.0.2.{number}"), Some(7), "/a"), number);
            other.note(&record("2001:db8::1:0:0:9", None, "/b"), number);
        }
        one.add(&other);
        let expected = vec![("recognized:0000000000000007".to_owned(), 50), ("2001:db8::".to_owned(), 50)];
        let mut clients = one.clients();
        clients.sort_by(|left, right| right.0.cmp(&left.0));
        assert_eq!(clients, expected);
        one.clear();
        assert_eq!((one.clients(), one.subnets(), one.paths()), (vec![], vec![], vec![]));
    }
}
