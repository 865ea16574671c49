//! Reading of a reply: the addresses of a name, the delegation of a zone. Pure.

use super::wire::plain;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use types::fault::DnsFault;

/// CNAME records followed within one answer.
const CHAIN_MAX: usize = 16;
/// Addresses and servers read from one reply at most.
pub(crate) const KEPT_MAX: usize = 64;

/// Name servers by name, with their glue addresses.
pub(crate) type Servers = BTreeMap<String, BTreeSet<IpAddr>>;

/// The addresses of a name in a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The addresses; empty when there are none, or when `alias` must be queried.
    pub(crate) found: BTreeSet<IpAddr>,
    /// Where the chain of CNAME records ends, when it ends without an address.
    pub(crate) alias: Option<Name>,
    /// Where the chain of CNAME records ends, when there is one.
    pub(crate) end: Option<Name>,
    /// The shortest time to live in the chain.
    pub(crate) ttl: Option<u32>,
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

/// Follows the CNAME records of an answer from `name` to its addresses. `None` when they lead in a circle.
pub(crate) fn addresses(message: &Message, name: &Name) -> Option<Addresses> {
    let mut at = name;
    let mut ttl: Option<u32> = None;
    let mut shorten = |new: u32| ttl = Some(ttl.map_or(new, |old| old.min(new)));
    for step in 0..CHAIN_MAX {
        let mut found = BTreeSet::new();
        for record in message.answers.iter().filter(|record| record.name == *at) {
            if let Some(address) = address(record).filter(|_| found.len() < KEPT_MAX) {
                found.insert(address);
                shorten(record.ttl);
            }
        }
        let next = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *at => Some((&target.0, record.ttl)),
            _ => None,
        });
        match next {
            Some((target, record_ttl)) if found.is_empty() => {
                shorten(record_ttl);
                at = target;
            }
            _ => {
                let alias = (found.is_empty() && step > 0).then(|| at.to_lowercase());
                let end = (step > 0).then(|| at.to_lowercase());
                return Some(Addresses { found, alias, end, ttl });
            }
        }
    }
    None
}

/// A server's reply about the delegation of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delegation {
    /// These serve `cut`, which is the zone or lies above it.
    Down {
        /// The zone of the servers.
        cut: Name,
        /// The servers.
        servers: Servers,
    },
    /// The zone is not delegated.
    End {
        /// Whether the name exists within the zone above.
        exists: bool,
    },
}

/// Reads the reply of a server of the zone `above` to a query for the NS records of `zone`.
pub(crate) fn read_delegation(message: &Message, above: &Name, zone: &Name) -> Result<Delegation, DnsFault> {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(super::wire::code_fault(code).unwrap_or(DnsFault::ServFail));
    }
    let named = || {
        let records = message.answers.iter().chain(&message.authorities);
        records.filter_map(|record| match &record.data {
            RData::NS(server) if below(&record.name, above) && record.name.zone_of(zone) => {
                Some((&record.name, &server.0))
            }
            _ => None,
        })
    };
    // The deepest cut wins; a referral upwards or sideways is no delegation.
    if let Some(cut) = named().map(|(owner, _)| owner).max_by_key(|owner| owner.iter().len()) {
        let mut servers = Servers::new();
        for (_, server) in named().filter(|(owner, _)| *owner == cut).take(KEPT_MAX) {
            servers.entry(plain(server)).or_default();
        }
        // Glue is believed only for names that this very server speaks for.
        for record in message.additionals.iter().filter(|record| above.zone_of(&record.name)) {
            if let (Some(found), Some(address)) = (servers.get_mut(&plain(&record.name)), address(record))
                && found.len() < KEPT_MAX
            {
                found.insert(address);
            }
        }
        return Ok(Delegation::Down { cut: cut.to_lowercase(), servers });
    }
    if message.metadata.authoritative {
        Ok(Delegation::End { exists: code == ResponseCode::NoError })
    } else {
        Err(DnsFault::NotAuthoritative)
    }
}

/// Whether `name` lies strictly below `zone`.
pub(crate) fn below(name: &Name, zone: &Name) -> bool {
    zone.zone_of(name) && name.iter().len() > zone.iter().len()
}

#[cfg(test)]
mod tests {
    use super::super::wire::question_name;
    use super::*;
    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, CNAME, NS};
    use std::net::Ipv4Addr;

    fn name(text: &str) -> Name {
        if text == "." { Name::root() } else { question_name(text).unwrap() }
    }

    fn record(owner: &str, ttl: u32, data: RData) -> Record {
        Record::from_rdata(name(owner), ttl, data)
    }

    fn cname(owner: &str, target: &str) -> Record {
        record(owner, 300, RData::CNAME(CNAME(name(target))))
    }

    fn ns(owner: &str, server: &str) -> Record {
        record(owner, 300, RData::NS(NS(name(server))))
    }

    fn a(owner: &str, last: u8) -> Record {
        record(owner, 60, RData::A(A(Ipv4Addr::new(192, 0, 2, last))))
    }

    fn message(answers: Vec<Record>, authorities: Vec<Record>, additionals: Vec<Record>) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        message.answers = answers;
        message.authorities = authorities;
        message.additionals = additionals;
        message
    }

    #[test]
    fn a_chain_of_aliases_is_followed_to_its_end() {
        let parsed = message(
            vec![a("c.acme.app", 1), cname("A.acme.app", "b.acme.app"), cname("b.acme.app", "c.acme.app")],
            vec![],
            vec![],
        );
        let read = addresses(&parsed, &name("a.acme.app")).unwrap();
        assert_eq!(read.found, BTreeSet::from([IpAddr::from([192, 0, 2, 1])]));
        assert_eq!((read.alias, read.ttl), (None, Some(60)));

        let open = message(vec![cname("a.acme.app", "edge.cdn.example")], vec![], vec![]);
        assert_eq!(addresses(&open, &name("a.acme.app")).unwrap().alias, Some(name("edge.cdn.example")));

        let circle = message(
            vec![cname("a.acme.app", "b.acme.app"), cname("b.acme.app", "a.acme.app")],
            vec![],
            vec![],
        );
        assert_eq!(addresses(&circle, &name("a.acme.app")), None);
        let nothing = message(vec![a("other.acme.app", 9)], vec![], vec![]);
        assert_eq!(addresses(&nothing, &name("a.acme.app")), Some(Addresses::default()));
    }

    #[test]
    fn a_referral_leads_down_and_nowhere_else() {
        let read = |m: &Message, above: &str| match read_delegation(m, &name(above), &name("acme.co.uk")) {
            Ok(Delegation::Down { cut, servers }) => format!("{} {servers:?}", plain(&cut)),
            other => format!("{other:?}"),
        };
        let down = message(
            vec![],
            vec![ns("CO.uk", "NS1.nic.uk"), ns("co.uk", "ns.elsewhere.net")],
            vec![a("ns1.nic.uk", 1), a("ns.elsewhere.net", 2)],
        );
        insta::assert_snapshot!(read(&down, "uk"), @r#"co.uk {"ns.elsewhere.net": {}, "ns1.nic.uk": {192.0.2.1}}"#);
        insta::assert_snapshot!(read(&down, "co.uk"), @"Err(NotAuthoritative)");
        let upwards = message(vec![], vec![ns(".", "a.root-servers.net")], vec![]);
        insta::assert_snapshot!(read(&upwards, "uk"), @"Err(NotAuthoritative)");
        let sideways = message(vec![], vec![ns("evil.uk", "ns.evil.uk")], vec![]);
        insta::assert_snapshot!(read(&sideways, "uk"), @"Err(NotAuthoritative)");
        let mut gone = message(vec![], vec![], vec![]);
        gone.metadata.response_code = ResponseCode::NXDomain;
        gone.metadata.authoritative = true;
        insta::assert_snapshot!(read(&gone, "uk"), @"Ok(End { exists: false })");
        gone.metadata.response_code = ResponseCode::ServFail;
        insta::assert_snapshot!(read(&gone, "uk"), @"Err(ServFail)");
        let itself = message(vec![ns("acme.co.uk", "ns1.acme.co.uk")], vec![], vec![a("ns1.acme.co.uk", 3)]);
        insta::assert_snapshot!(read(&itself, "co.uk"), @r#"acme.co.uk {"ns1.acme.co.uk": {192.0.2.3}}"#);
    }
}
