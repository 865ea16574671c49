//! A registrar's parking servers: the same answer to everything, whatever zone the question is in.

use super::{DnsReply, soa};
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::{A, NS};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::Ipv4Addr;

/// Data of parking servers.
#[derive(Clone, Debug)]
pub struct Parking {
    /// The servers and their addresses: the only names with addresses of their own.
    pub servers: Vec<(Name, Ipv4Addr)>,
    /// Address of every other name.
    pub address: Ipv4Addr,
    /// For how many seconds that is good.
    pub ttl: u32,
    /// For how many seconds a "no" is good.
    pub negative_ttl: u32,
}

impl Parking {
    /// The answer to a question.
    #[must_use]
    pub fn answer(&self, query: &Query) -> DnsReply {
        let asked = query.name();
        let record = |data: RData| Record::from_rdata(asked.clone(), self.ttl, data);
        let root = Name::root();
        let first = self.servers.first().map_or(&root, |(name, _)| name);
        let start = soa(asked, first, 1, self.negative_ttl);
        let answers: Vec<Record> = match query.query_type() {
            RecordType::A => {
                let own = self.servers.iter().find(|(name, _)| name == asked);
                vec![record(RData::A(A(own.map_or(self.address, |(_, address)| *address))))]
            }
            RecordType::NS => {
                self.servers.iter().map(|(name, _)| record(RData::NS(NS(name.clone())))).collect()
            }
            RecordType::SOA => vec![start.clone()],
            _ => Vec::new(),
        };
        let authorities = if answers.is_empty() { vec![start] } else { Vec::new() };
        DnsReply { authoritative: true, answers, authorities, ..DnsReply::only(ResponseCode::NoError) }
    }
}
