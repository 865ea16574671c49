//! Location of each probe's last answer or failure: addresses and alias.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::{ProbeId, ProbeResult, SeenAt};

/// Locations of all probes since boot.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_probe: BTreeMap<ProbeId, Place>,
    by_address: BTreeMap<IpAddr, BTreeSet<ProbeId>>,
    by_alias: BTreeMap<String, BTreeSet<ProbeId>>,
}

#[derive(Debug, Default)]
struct Place {
    /// Location of the newest failure, for an alert that opens with it.
    failed: SeenAt,
    /// Location of the newest answer that reached an address.
    last: SeenAt,
}

impl Places {
    /// Records the location of an answer.
    pub(crate) fn note(&mut self, result: &ProbeResult) {
        let all: BTreeSet<IpAddr> = result.addresses.iter().map(|seen| seen.address).collect();
        let bad = result.addresses.iter().filter(|seen| seen.fault.is_some()).map(|seen| seen.address);
        let bad: BTreeSet<IpAddr> = bad.collect();
        let alias = result.alias.clone().filter(|_| !all.is_empty());
        let place = self.by_probe.entry(result.probe.clone()).or_default();
        // Without a bad address the answer is judged as a whole: every address counts as failed.
        let addresses = if bad.is_empty() { all.clone() } else { bad };
        place.failed = SeenAt { addresses, alias: alias.clone() };
        let now = SeenAt { addresses: all, alias };
        if now.is_empty() || now == place.last {
            return;
        }
        let was = std::mem::replace(&mut place.last, now.clone());
        self.forget_place(&result.probe, &was);
        for address in now.addresses {
            self.by_address.entry(address).or_default().insert(result.probe.clone());
        }
        if let Some(alias) = now.alias {
            self.by_alias.entry(alias).or_default().insert(result.probe.clone());
        }
    }

    /// Location of the newest failure of a probe.
    pub(crate) fn failed(&self, probe: &ProbeId) -> SeenAt {
        self.by_probe.get(probe).map(|place| place.failed.clone()).unwrap_or_default()
    }

    /// Probes whose last answer came from one of these addresses or the same alias.
    pub(crate) fn at<'a>(&'a self, place: &'a SeenAt) -> impl Iterator<Item = &'a ProbeId> {
        let addresses = place.addresses.iter().filter_map(|address| self.by_address.get(address));
        let alias = place.alias.as_ref().and_then(|alias| self.by_alias.get(alias));
        alias.into_iter().chain(addresses).flatten()
    }

    /// Forgets probes that are no longer configured.
    pub(crate) fn retain(&mut self, stays: impl Fn(&ProbeId) -> bool) {
        let gone: Vec<ProbeId> = self.by_probe.keys().filter(|probe| !stays(probe)).cloned().collect();
        for probe in gone {
            if let Some(place) = self.by_probe.remove(&probe) {
                self.forget_place(&probe, &place.last);
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

    fn result(probe: &str, addresses: &[(&str, bool)], alias: Option<&str>) -> ProbeResult {
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
    fn probes_are_found_by_location_until_they_move_or_are_removed() {
        let mut places = Places::default();
        places.note(&result("a", &[("192.0.2.1", false), ("192.0.2.2", true)], Some("lb.acme.com")));
        places.note(&result("b", &[("192.0.2.2", false)], None));
        assert_eq!(places.failed(&"a".into()).addresses.len(), 1, "only the address that failed");
        assert_eq!(places.failed(&"b".into()).addresses.len(), 1, "judged as a whole");
        let two = places.failed(&"b".into());
        assert_eq!(at(&places, &two), ["a", "b"]);

        // A failure before any address leaves the location as it was.
        places.note(&result("b", &[], None));
        assert!(places.failed(&"b".into()).is_empty());
        assert_eq!(at(&places, &two), ["a", "b"]);

        places.note(&result("b", &[("192.0.2.3", true)], None));
        assert_eq!(at(&places, &two), ["a"]);
        places.retain(|probe| probe.0 != "a");
        assert!(at(&places, &two).is_empty());
        assert!(places.by_alias.is_empty());
    }
}
