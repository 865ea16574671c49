//! A zone and what it answers: its own records, wildcards, referrals to what it has delegated.

use super::{DnsReply, soa};
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::{A, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    servers: Vec<Name>,
    serial: u32,
    negative_ttl: u32,
    ttl: u32,
    records: BTreeMap<Name, Vec<Record>>,
    /// Name servers of what is delegated.
    cuts: BTreeMap<Name, Vec<Record>>,
    /// Addresses of name servers below a cut: known here, not spoken for.
    glue: BTreeMap<Name, Vec<Record>>,
}

impl Zone {
    /// An empty zone with its name servers; all its own records are good for `ttl` seconds.
    #[must_use]
    pub fn new(origin: Name, servers: Vec<Name>, ttl: u32, negative_ttl: u32) -> Self {
        let mut zone = Self {
            servers: servers.clone(),
            serial: 1,
            negative_ttl,
            ttl,
            records: BTreeMap::new(),
            cuts: BTreeMap::new(),
            glue: BTreeMap::new(),
            origin,
        };
        let apex = servers
            .into_iter()
            .map(|server| Record::from_rdata(zone.origin.clone(), ttl, RData::NS(NS(server))))
            .collect();
        zone.records.insert(zone.origin.clone(), apex);
        zone
    }

    /// Its name.
    #[must_use]
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// Adds an address; `*.` names are wildcards.
    pub fn add_address(&mut self, name: Name, address: Ipv4Addr) {
        let record = Record::from_rdata(name.clone(), self.ttl, RData::A(A(address)));
        self.records.entry(name).or_default().push(record);
        self.serial += 1;
    }

    /// Delegates a name, instead of whatever it was delegated to before. Addresses of servers inside this zone go along
    /// as glue; those elsewhere must be resolved by the client.
    pub fn delegate(&mut self, cut: Name, servers: &[(Name, Ipv4Addr)], ttl: u32) {
        let mut set = Vec::new();
        for (server, address) in servers {
            set.push(Record::from_rdata(cut.clone(), ttl, RData::NS(NS(server.clone()))));
            if self.origin.zone_of(server) && !self.records.contains_key(server) {
                let glue = Record::from_rdata(server.clone(), ttl, RData::A(A(*address)));
                self.glue.insert(server.clone(), vec![glue]);
            }
        }
        self.cuts.insert(cut, set);
        self.serial += 1;
    }

    /// Takes a name out of the zone.
    pub fn undelegate(&mut self, cut: &Name) {
        self.cuts.remove(cut);
        self.serial += 1;
    }

    /// Its answer to a question about something at or below its origin.
    #[must_use]
    pub fn answer(&self, query: &Query) -> DnsReply {
        let asked = query.name();
        if let Some((cut, servers)) = self.cut_above(asked) {
            // A question for DS at the cut itself belongs to the parent (RFC 4035, 3.1.4.1).
            if !(query.query_type() == RecordType::DS && cut == asked) {
                return self.referral(servers);
            }
            return self.no(ResponseCode::NoError);
        }
        if query.query_type() == RecordType::SOA && *asked == self.origin {
            return self.yes(vec![self.soa()]);
        }
        let Some(holder) = self.holder(asked) else { return self.no(ResponseCode::NXDomain) };
        let found: Vec<Record> = self
            .records
            .get(&holder)
            .into_iter()
            .flatten()
            .filter(|record| record.record_type() == query.query_type())
            .map(|record| Record::from_rdata(asked.clone(), record.ttl, record.data.clone()))
            .collect();
        if found.is_empty() { self.no(ResponseCode::NoError) } else { self.yes(found) }
    }

    fn soa(&self) -> Record {
        let root = Name::root();
        soa(&self.origin, self.servers.first().unwrap_or(&root), self.serial, self.negative_ttl)
    }

    fn yes(&self, answers: Vec<Record>) -> DnsReply {
        DnsReply { authoritative: true, answers, ..DnsReply::only(ResponseCode::NoError) }
    }

    fn no(&self, code: ResponseCode) -> DnsReply {
        DnsReply { authoritative: true, authorities: vec![self.soa()], ..DnsReply::only(code) }
    }

    fn referral(&self, servers: &[Record]) -> DnsReply {
        let mut additionals = Vec::new();
        for record in servers {
            let RData::NS(NS(server)) = &record.data else { continue };
            let known = self.glue.get(server).or_else(|| self.records.get(server));
            additionals
                .extend(known.into_iter().flatten().filter(|r| r.record_type() == RecordType::A).cloned());
        }
        DnsReply { authorities: servers.to_vec(), additionals, ..DnsReply::only(ResponseCode::NoError) }
    }

    fn cut_above(&self, asked: &Name) -> Option<(&Name, &[Record])> {
        let cut = self.cuts.iter().find(|(cut, _)| cut.zone_of(asked))?;
        Some((cut.0, cut.1.as_slice()))
    }

    /// The name whose records answer for `asked`: itself, or the wildcard of its closest encloser (RFC 4592).
    fn holder(&self, asked: &Name) -> Option<Name> {
        if self.exists(asked) {
            return Some(asked.clone());
        }
        let mut above = asked.base_name();
        while self.origin.zone_of(&above) {
            if self.exists(&above) {
                let wildcard = above.prepend_label("*").ok()?;
                return self.records.contains_key(&wildcard).then_some(wildcard);
            }
            if above.is_root() {
                break;
            }
            above = above.base_name();
        }
        None
    }

    /// Whether the name has records, or something below it has: an empty name between two full ones exists.
    fn exists(&self, name: &Name) -> bool {
        *name == self.origin || self.records.keys().chain(self.cuts.keys()).any(|full| name.zone_of(full))
    }
}

/// Response of a server of these zones: from the closest zone; REFUSED without one.
#[must_use]
pub fn answer(zones: &[Zone], query: &Query) -> DnsReply {
    let closest = zones
        .iter()
        .filter(|zone| zone.origin.zone_of(query.name()))
        .max_by_key(|zone| zone.origin.num_labels());
    closest.map_or_else(|| DnsReply::only(ResponseCode::Refused), |zone| zone.answer(query))
}

#[cfg(test)]
mod tests {
    use super::super::name;
    use super::*;

    fn ask(zones: &[Zone], asked: &str, kind: RecordType) -> String {
        let said = answer(zones, &Query::query(name(asked).unwrap(), kind));
        let section = |records: &[Record]| {
            let texts: Vec<String> = records
                .iter()
                .map(|r| {
                    format!(
                        "{} {} {}",
                        r.name,
                        r.record_type(),
                        if r.record_type() == RecordType::SOA { String::new() } else { r.data.to_string() }
                    )
                })
                .collect();
            texts.join("; ")
        };
        let flag = if said.authoritative { "aa" } else { "--" };
        format!(
            "{:?} {flag} [{}] [{}] [{}]",
            said.code,
            section(&said.answers).trim(),
            section(&said.authorities).trim(),
            section(&said.additionals)
        )
    }

    #[test]
    fn answers_referrals_and_refusals() {
        let n = |text: &str| name(text).unwrap();
        let here = Ipv4Addr::new(127, 9, 9, 1);
        let mut app = Zone::new(n("app"), vec![n("a.tld.example")], 60, 5);
        app.delegate(n("acme.app"), &[(n("ns1.dnshost.example"), here)], 20);
        app.delegate(n("inside.app"), &[(n("ns1.inside.app"), here)], 20);
        let mut acme = Zone::new(n("shop.example"), vec![n("ns1.dnshost.example")], 12, 5);
        acme.add_address(n("*.shop.example"), here);
        acme.add_address(n("a.deep.shop.example"), here);
        let zones = [app, acme];
        for (asked, kind, said) in [
            ("acme.app", RecordType::NS, "NoError -- [] [acme.app. NS ns1.dnshost.example.] []"),
            ("demo.acme.app", RecordType::A, "NoError -- [] [acme.app. NS ns1.dnshost.example.] []"),
            (
                "x.inside.app",
                RecordType::A,
                "NoError -- [] [inside.app. NS ns1.inside.app.] [ns1.inside.app. A 127.9.9.1]",
            ),
            ("acme.app", RecordType::DS, "NoError aa [] [app. SOA] []"),
            ("other.app", RecordType::A, "NXDomain aa [] [app. SOA] []"),
            ("app", RecordType::SOA, "NoError aa [app. SOA] [] []"),
            ("demo.shop.example", RecordType::A, "NoError aa [demo.shop.example. A 127.9.9.1] [] []"),
            ("demo.shop.example", RecordType::AAAA, "NoError aa [] [shop.example. SOA] []"),
            // A wildcard does not reach below a name that exists, even an empty one (RFC 4592, 2.2.2).
            ("deep.shop.example", RecordType::A, "NoError aa [] [shop.example. SOA] []"),
            ("b.deep.shop.example", RecordType::A, "NXDomain aa [] [shop.example. SOA] []"),
            ("elsewhere.io", RecordType::A, "Refused -- [] [] []"),
        ] {
            assert_eq!(ask(&zones, asked, kind), said, "{asked} {kind}");
        }
    }
}
