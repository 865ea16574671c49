//! Each delegated server, queried directly for the zone and for each name.

use super::{Deadlines, Dns, looked_up};
use crate::dns::records::{Addresses, Delegation, KEPT_MAX, Servers, read_delegation};
use crate::dns::wire::{QueryError, code_fault, plain, question_name};
use futures_util::future::{join, join_all};
use hickory_proto::rr::{Name, RData, RecordType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::fault::DnsFault;
use types::probe_result::ServerAnswer;

/// Servers queried, and addresses of each.
const SERVERS_MAX: usize = 13;
const PLACES_MAX: usize = 4;
/// Further cuts followed below the zone.
const BELOW_MAX: usize = 3;

/// One server's addresses of one name, before aliases into other zones are followed.
type Said = Result<Addresses, DnsFault>;

struct Asked {
    server: String,
    address: Option<IpAddr>,
    soa: Result<u32, DnsFault>,
    names: Vec<Said>,
    zone_servers: BTreeSet<String>,
}

impl Dns {
    /// Queries every delegated server for the serial of the zone and for each host. In the order of their names.
    pub(super) async fn servers(
        &self,
        zone: &Name,
        delegated: &Servers,
        hosts: &[String],
        deadlines: Deadlines,
    ) -> Vec<ServerAnswer> {
        let asked = delegated.iter().take(SERVERS_MAX).map(|(server, glue)| async move {
            let places = self.places(server, glue, deadlines).await;
            // IPv6 is used only if there is no IPv4 address: this machine often has no IPv6, which is no fault of the server.
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
            let all = places.into_iter().map(|place| self.server(zone, server, place, hosts, deadlines));
            join_all(all).await.into_iter().flatten().collect()
        });
        let asked: Vec<Asked> = join_all(asked).await.into_iter().flatten().collect();
        self.without_aliases(asked, deadlines).await
    }

    /// Queries one address of one server. `None` if this machine has no route to its address family.
    async fn server(
        &self,
        zone: &Name,
        server: &str,
        place: IpAddr,
        hosts: &[String],
        deadlines: Deadlines,
    ) -> Option<Asked> {
        let soa = match self.soa(zone, place, deadlines).await {
            Err(QueryError::NoRoute(_)) if place.is_ipv6() => return None,
            Err(trouble) => Err(trouble.fault()),
            Ok(soa) => soa,
        };
        let (names, zone_servers) = match &soa {
            // A server that is silent or does not serve the zone has the same result for every name in it.
            Err(fault @ (DnsFault::Silent | DnsFault::Lame)) => {
                (vec![Err(fault.clone()); hosts.len()], BTreeSet::new())
            }
            _ => {
                let names = join_all(hosts.iter().map(|host| self.said(zone, place, host, deadlines)));
                join(names, self.zone_servers(zone, place, deadlines)).await
            }
        };
        Some(Asked { server: server.to_owned(), address: Some(place), soa, names, zone_servers })
    }

    /// Whom a server itself names for the zone. Of a server that holds an old or another zone this differs, whichever
    /// names the configuration has below it.
    async fn zone_servers(&self, zone: &Name, place: IpAddr, deadlines: Deadlines) -> BTreeSet<String> {
        let server = self.at(place);
        let asked = self.names.wire().query(server, zone, RecordType::NS, false, deadlines.step()).await;
        let Ok(answer) = asked else { return BTreeSet::new() };
        let named = answer.answers.iter().filter_map(|record| match &record.data {
            RData::NS(server) if record.name == *zone => Some(plain(&server.0)),
            _ => None,
        });
        if answer.metadata.authoritative { named.take(KEPT_MAX).collect() } else { BTreeSet::new() }
    }

    async fn soa(
        &self,
        zone: &Name,
        place: IpAddr,
        deadlines: Deadlines,
    ) -> Result<Result<u32, DnsFault>, QueryError> {
        let server = self.at(place);
        let answer = self.names.wire().query(server, zone, RecordType::SOA, false, deadlines.step()).await?;
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

    /// A server's addresses of a host. If a part of the zone is delegated further, those servers are queried.
    async fn said(&self, zone: &Name, place: IpAddr, host: &str, deadlines: Deadlines) -> Said {
        let name = question_name(host).ok_or(DnsFault::NxDomain)?;
        let (mut cut, mut places) = (zone.clone(), vec![place]);
        let mut failed = DnsFault::NotAuthoritative;
        for _ in 0..=BELOW_MAX {
            let server = self.at(*places.first().ok_or(DnsFault::Silent)?);
            match self.addresses_at(server, &name, false, deadlines).await {
                Err(DnsFault::NotAuthoritative) => {}
                said => return said,
            }
            let answer = self.names.wire().query(server, &name, RecordType::A, false, deadlines.step()).await;
            match read_delegation(&answer.map_err(QueryError::fault)?, &cut, &name) {
                Ok(Delegation::Down { cut: deeper, servers }) => {
                    places = self.all_places(&servers, deadlines).await;
                    cut = deeper;
                }
                Ok(Delegation::End { .. }) => return Ok(Addresses::default()),
                Err(fault) => {
                    failed = fault;
                    break;
                }
            }
        }
        Err(failed)
    }

    /// Looks up where aliases lead that leave the servers' own zones: each once, so that all servers are compared by the
    /// alias and not by the choice of another party's load balancer.
    async fn without_aliases(&self, asked: Vec<Asked>, deadlines: Deadlines) -> Vec<ServerAnswer> {
        let said = asked.iter().flat_map(|asked| &asked.names).flatten();
        let aliases: BTreeSet<String> = said.filter_map(|a| a.alias.as_ref().map(super::key)).collect();
        let looked = aliases.iter().map(|alias| async move {
            let found = tokio::time::timeout_at(deadlines.until, self.names.resolve(alias)).await;
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
        let answers = asked.into_iter().map(|asked| ServerAnswer {
            server: asked.server,
            address: asked.address,
            soa: asked.soa,
            names: asked.names.into_iter().map(resolved).collect(),
            zone_servers: asked.zone_servers,
        });
        answers.collect()
    }
}
