//! Where each probe's question was last answered, or failed: by its addresses and its alias.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::{ProbeId, ProbeResult, SeenAt};

/// The places of all probes since boot.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_probe: BTreeMap<ProbeId, Place>,
    by_address: BTreeMap<IpAddr, BTreeSet<ProbeId>>,
    by_alias: BTreeMap<String, BTreeSet<ProbeId>>,
}

#[derive(Debug, Default)]
struct Place {
    /// Where the newest answer failed: what an alert that opens with it tells.
    failed: SeenAt,
    /// Where the newest answer that reached an address came from.
    known: SeenAt,
}

impl Places {
    /// Notes where an answer came from.
    pub(crate) fn note(&mut self, sample: &ProbeResult) {
        let all: BTreeSet<IpAddr> = sample.addresses.iter().map(|seen| seen.address).collect();
        let bad = sample.addresses.iter().filter(|seen| seen.fault.is_some()).map(|seen| seen.address);
        let bad: BTreeSet<IpAddr> = bad.collect();
        let alias = sample.alias.clone().filter(|_| !all.is_empty());
        let place = self.by_probe.entry(sample.probe.clone()).or_default();
        // An answer that no address spoiled is judged as a whole: it failed wherever it came from.
        let addresses = if bad.is_empty() { all.clone() } else { bad };
        place.failed = SeenAt { addresses, alias: alias.clone() };
        let now = SeenAt { addresses: all, alias };
        if now.is_empty() || now == place.known {
            return;
        }
        let was = std::mem::replace(&mut place.known, now.clone());
        self.forget_place(&sample.probe, &was);
        for address in now.addresses {
            self.by_address.entry(address).or_default().insert(sample.probe.clone());
        }
        if let Some(alias) = now.alias {
            self.by_alias.entry(alias).or_default().insert(sample.probe.clone());
        }
    }

    /// Where the newest answer of a probe failed.
    pub(crate) fn failed(&self, probe: &ProbeId) -> SeenAt {
        self.by_probe.get(probe).map(|place| place.failed.clone()).unwrap_or_default()
    }

    /// Probes that were last answered at one of these addresses, or behind the same alias.
    pub(crate) fn at<'a>(&'a self, place: &'a SeenAt) -> impl Iterator<Item = &'a ProbeId> {
        let addresses = place.addresses.iter().filter_map(|address| self.by_address.get(address));
        let alias = place.alias.as_ref().and_then(|alias| self.by_alias.get(alias));
        alias.into_iter().chain(addresses).flatten()
    }

    /// Forgets probes that left the configuration.
    pub(crate) fn retain(&mut self, stays: impl Fn(&ProbeId) -> bool) {
        let gone: Vec<ProbeId> = self.by_probe.keys().filter(|probe| !stays(probe)).cloned().collect();
        for probe in gone {
            if let Some(place) = self.by_probe.remove(&probe) {
                self.forget_place(&probe, &place.known);
            }
        }
    }

    fn forget_place(&mut self, probe: &ProbeId, place: &SeenAt) {
        for address in &place.addresses {
            let empty = self.by_address.get_mut(address).is_some_and(|probes| {
                probes.remove(probe);
                probes.is_empty()
            });
            if empty {
                self.by_address.remove(address);
            }
        }
        let Some(alias) = &place.alias else { return };
        let empty = self.by_alias.get_mut(alias).is_some_and(|probes| {
            probes.remove(probe);
            probes.is_empty()
        });
        if empty {
            self.by_alias.remove(alias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::probe_result::{Answer, Phases};
    use types::{AddressSeen, Fault};

    fn sample(probe: &str, addresses: &[(&str, bool)], alias: Option<&str>) -> ProbeResult {
        let seen = |(address, bad): &(&str, bool)| AddressSeen {
            address: address.parse().unwrap(),
            fault: bad.then_some(Fault::Refused),
        };
        ProbeResult {
            addresses: addresses.iter().map(seen).collect(),
            alias: alias.map(str::to_owned),
            ..ProbeResult::new(probe.into(), Phases::default(), Answer::Failed(Fault::Refused))
        }
    }

    fn at(places: &Places, place: &SeenAt) -> Vec<String> {
        places.at(place).map(|probe| probe.0.clone()).collect()
    }

    #[test]
    fn a_place_is_known_by_its_probes_until_they_move_or_leave() {
        let mut places = Places::default();
        places.note(&sample("a", &[("192.0.2.1", false), ("192.0.2.2", true)], Some("lb.acme.com")));
        places.note(&sample("b", &[("192.0.2.2", false)], None));
        assert_eq!(places.failed(&"a".into()).addresses.len(), 1, "only the address that failed");
        assert_eq!(places.failed(&"b".into()).addresses.len(), 1, "judged as a whole");
        let two = places.failed(&"b".into());
        assert_eq!(at(&places, &two), ["a", "b"]);

        // A question that got as far as no address changes nothing about where the probe stands.
        places.note(&sample("b", &[], None));
        assert!(places.failed(&"b".into()).is_empty());
        assert_eq!(at(&places, &two), ["a", "b"]);

        places.note(&sample("b", &[("192.0.2.3", true)], None));
        assert_eq!(at(&places, &two), ["a"]);
        places.retain(|probe| probe.0 != "a");
        assert!(at(&places, &two).is_empty());
        assert!(places.by_alias.is_empty());
    }
}
