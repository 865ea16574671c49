//! DNS: zones, the servers that serve them, a caching resolver.
//!
//! | module | holds |
//! |---|---|
//! | [`zone`] | a zone and what it answers |
//! | [`parking`] | a server that has the same answer to everything |
//! | [`server`] | a DNS server on UDP and TCP |
//! | [`walk`] | alert an answer from the root servers down |
//! | [`memory`] | what a resolver remembers, and how long |
//! | [`resolver`] | a caching resolver made of the last two |

pub mod memory;
pub mod parking;
pub mod resolver;
pub mod server;
pub mod walk;
pub mod zone;

pub use resolver::Resolver;

use crate::TestbedError;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record};

/// Reads a domain name, absolute whether it ends in a dot or not.
///
/// # Errors
/// [`TestbedError::BadName`].
pub fn name(text: &str) -> Result<Name, TestbedError> {
    let mut name = Name::from_ascii(text).map_err(|_| TestbedError::BadName(text.to_owned()))?;
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

/// What a server says to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsReply {
    /// The response code.
    pub code: ResponseCode,
    /// Whether it speaks from authority.
    pub authoritative: bool,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section: a referral's name servers, or the SOA of a "no".
    pub authorities: Vec<Record>,
    /// The additional section: glue.
    pub additionals: Vec<Record>,
}

impl DnsReply {
    /// Nothing but a code.
    #[must_use]
    pub fn only(code: ResponseCode) -> Self {
        Self {
            code,
            authoritative: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        }
    }
}

/// An SOA record with this negative TTL.
fn soa(origin: &Name, first_server: &Name, serial: u32, negative_ttl: u32) -> Record {
    let contact = origin.prepend_label("hostmaster").unwrap_or_else(|_| origin.clone());
    let data = SOA::new(first_server.clone(), contact, serial, 3_600, 600, 604_800, negative_ttl);
    Record::from_rdata(origin.clone(), negative_ttl, RData::SOA(data))
}
