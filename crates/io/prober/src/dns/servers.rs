//! Each delegated server, asked directly: does it serve the zone, and what does it say for each name?

use super::records::{Addresses, KEPT_MAX, Servers, Way, way};
use super::wire::{Trouble, code_fault, plain, question_name};
use super::{Dns, Pace, looked_up};
use futures_util::future::{join, join_all};
use hickory_proto::rr::{Name, RData, RecordType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::fault::DnsFault;
use types::probe_result::ServerAnswer;

/// Servers asked, and addresses of each.
const SERVERS_MAX: usize = 13;
const PLACES_MAX: usize = 4;
/// Further cuts followed below the zone.
const BELOW_MAX: usize = 3;

/// What one server says for one name, before aliases that lead elsewhere are followed.
type Said = Result<Addresses, DnsFault>;

struct Asked {
    server: String,
    address: Option<IpAddr>,
    soa: Result<u32, DnsFault>,
    names: Vec<Said>,
    zone_servers: BTreeSet<String>,
}

impl Dns {
    /// Asks every delegated server for the serial of the zone and for each host. In the order of their names.
    pub(super) async fn servers(
        &self,
        zone: &Name,
        delegated: &Servers,
        hosts: &[String],
        pace: Pace,
    ) -> Vec<ServerAnswer> {
        let asked = delegated.iter().take(SERVERS_MAX).map(|(server, glue)| async move {
            let places = self.places(server, glue, pace).await;
            // IPv6 is asked only where there is nothing else: it is often missing on our side, and that is not theirs.
            let four: Vec<IpAddr> = places.iter().copied().filter(IpAddr::is_ipv4).take(PLACES_MAX).collect();
            let places = if four.is_empty() { places.into_iter().take(PLACES_MAX).collect() } else { four };
            if places.is_empty() {
                let silent = vec![Err(DnsFault::Silent); hosts.len()];
                let address = glue.first().copied();
                return vec![Asked {
                    server: server.clone(),
                    address,
                    soa: Err(DnsFault::Silent),
                    names: silent,
                    zone_servers: BTreeSet::new(),
                }];
            }
            let all = places.into_iter().map(|place| self.server(zone, server, place, hosts, pace));
            join_all(all).await.into_iter().flatten().collect()
        });
        let asked: Vec<Asked> = join_all(asked).await.into_iter().flatten().collect();
        self.without_aliases(asked, pace).await
    }

    /// One address of one server. `None` where this machine has no way to that kind of address.
    async fn server(
        &self,
        zone: &Name,
        server: &str,
        place: IpAddr,
        hosts: &[String],
        pace: Pace,
    ) -> Option<Asked> {
        let soa = match self.soa(zone, place, pace).await {
            Err(Trouble::NoRoute(_)) if place.is_ipv6() => return None,
            Err(trouble) => Err(trouble.fault()),
            Ok(soa) => soa,
        };
        let (names, zone_servers) = match &soa {
            // Whoever is silent or will not serve the zone says the same about everything in it.
            Err(fault @ (DnsFault::Silent | DnsFault::Lame)) => {
                (vec![Err(fault.clone()); hosts.len()], BTreeSet::new())
            }
            _ => {
                let names = join_all(hosts.iter().map(|host| self.said(zone, place, host, pace)));
                join(names, self.zone_servers(zone, place, pace)).await
            }
        };
        Some(Asked { server: server.to_owned(), address: Some(place), soa, names, zone_servers })
    }

    /// Whom a server itself names for the zone. Of a server that holds an old or another zone this differs, whichever
    /// names the configuration has below it.
    async fn zone_servers(&self, zone: &Name, place: IpAddr, pace: Pace) -> BTreeSet<String> {
        let server = self.at(place);
        let asked = self.names.wire().ask(server, zone, RecordType::NS, false, pace.step()).await;
        let Ok(answer) = asked else { return BTreeSet::new() };
        let named = answer.answers.iter().filter_map(|record| match &record.data {
            RData::NS(server) if record.name == *zone => Some(plain(&server.0)),
            _ => None,
        });
        if answer.metadata.authoritative { named.take(KEPT_MAX).collect() } else { BTreeSet::new() }
    }

    async fn soa(&self, zone: &Name, place: IpAddr, pace: Pace) -> Result<Result<u32, DnsFault>, Trouble> {
        let server = self.at(place);
        let answer = self.names.wire().ask(server, zone, RecordType::SOA, false, pace.step()).await?;
        if let Some(fault) = code_fault(answer.metadata.response_code) {
            return Ok(Err(fault));
        }
        let serial = answer.answers.iter().find_map(|record| match &record.data {
            RData::SOA(soa) if record.name == *zone => Some(soa.serial),
            _ => None,
        });
        Ok(match serial {
            _ if !answer.metadata.authoritative => Err(DnsFault::NotAuthoritative),
            Some(serial) => Ok(serial),
            None => Err(DnsFault::Garbage { why: "speaks for the zone but shows no SOA record".to_owned() }),
        })
    }

    /// What a server says for a host. Where a part of the zone is delegated further, the answer is fetched from there.
    async fn said(&self, zone: &Name, place: IpAddr, host: &str, pace: Pace) -> Said {
        let name = question_name(host).ok_or(DnsFault::NxDomain)?;
        let (mut cut, mut places) = (zone.clone(), vec![place]);
        let mut failed = DnsFault::NotAuthoritative;
        for _ in 0..=BELOW_MAX {
            let server = self.at(*places.first().ok_or(DnsFault::Silent)?);
            match self.addresses_at(server, &name, false, pace).await {
                Err(DnsFault::NotAuthoritative) => {}
                said => return said,
            }
            let answer = self.names.wire().ask(server, &name, RecordType::A, false, pace.step()).await;
            match way(&answer.map_err(Trouble::fault)?, &cut, &name) {
                Ok(Way::Down { cut: deeper, servers }) => {
                    places = self.all_places(&servers, pace).await;
                    cut = deeper;
                }
                Ok(Way::End { .. }) => return Ok(Addresses::default()),
                Err(fault) => {
                    failed = fault;
                    break;
                }
            }
        }
        Err(failed)
    }

    /// Looks up where aliases lead that leave the servers' own zones: each once, so that all servers are compared by the
    /// alias and not by the mood of somebody else's load balancer.
    async fn without_aliases(&self, asked: Vec<Asked>, pace: Pace) -> Vec<ServerAnswer> {
        let said = asked.iter().flat_map(|asked| &asked.names).flatten();
        let aliases: BTreeSet<String> = said.filter_map(|a| a.alias.as_ref().map(super::key)).collect();
        let looked = aliases.iter().map(|alias| async move {
            let found = tokio::time::timeout_at(pace.until, self.names.resolve(alias)).await;
            let found = found.map_or(Err(DnsFault::Silent), |found| found.map_err(looked_up));
            (alias.clone(), found.map(|found| found.into_iter().collect::<BTreeSet<IpAddr>>()))
        });
        let looked: BTreeMap<String, Result<BTreeSet<IpAddr>, DnsFault>> =
            join_all(looked).await.into_iter().collect();
        let resolved = |said: Said| match said {
            Ok(Addresses { alias: Some(alias), .. }) => {
                looked.get(&super::key(&alias)).cloned().unwrap_or(Err(DnsFault::Silent))
            }
            Ok(Addresses { found, .. }) => Ok(found),
            Err(fault) => Err(fault),
        };
        let told = asked.into_iter().map(|asked| ServerAnswer {
            server: asked.server,
            address: asked.address,
            soa: asked.soa,
            names: asked.names.into_iter().map(resolved).collect(),
            zone_servers: asked.zone_servers,
        });
        told.collect()
    }
}
