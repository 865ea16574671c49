//! A caching resolver: what it knows it says until the TTL has run out, be it true or not.
//!
//! It believes the parent about a delegation and keeps that as long as the parent said, as Unbound and BIND do by
//! default; an authority's own NS records do not prolong it.

use super::memory::{Kept, Memory};
use super::server::Answers;
use super::walk::{Root, address, walk};
use super::{DnsReply, server};
use crate::address_block::DnsSockets;
use crate::tasks::{Tasks, lock};
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Timeout of a query.
const QUESTION: Duration = Duration::from_secs(8);

/// A caching resolver on UDP and TCP. Stops when dropped.
pub struct Resolver {
    shared: Arc<Shared>,
    address: SocketAddrV4,
    _tasks: Tasks,
}

struct Shared {
    root: Root,
    memory: Mutex<Memory>,
}

impl Resolver {
    /// Starts the server. `root` is the root of the tree.
    #[must_use]
    pub fn start(sockets: DnsSockets, root: Root) -> Self {
        let address = sockets.address;
        let shared = Arc::new(Shared { root, memory: Mutex::default() });
        let mut tasks = Tasks::default();
        server::serve(&mut tasks, sockets, Arc::clone(&shared));
        Self { shared, address, _tasks: tasks }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// The first address of a name, by what is remembered or else looked up.
    pub async fn look_up(&self, name: &Name) -> Option<Ipv4Addr> {
        self.shared.find(&Query::query(name.clone(), RecordType::A)).await?.answers.iter().find_map(address)
    }

    /// The first address of a name without cache, as for a first-time client.
    pub async fn look_up_uncached(&self, name: &Name) -> Option<Ipv4Addr> {
        let nothing = Mutex::default();
        let query = Query::query(name.clone(), RecordType::A);
        let kept = timeout(QUESTION, walk(self.shared.root, &nothing, &query, 0)).await.ok()??;
        kept.answers.iter().find_map(address)
    }

    /// Forgets everything it knows.
    pub fn forget(&self) {
        lock(&self.shared.memory).clear();
    }

    /// See [`Memory::old_until`]: until when each name may still be answered as it was before `since`.
    #[must_use]
    pub fn old_until(&self, zone: &Name, names: &[Name], since: Instant) -> Vec<Instant> {
        lock(&self.shared.memory).old_until(zone, names, since, Instant::now())
    }
}

impl Shared {
    async fn find(&self, query: &Query) -> Option<Kept> {
        let (name, kind) = (query.name().to_lowercase(), query.query_type());
        let remembered = lock(&self.memory).answer(&name, kind, Instant::now()).cloned();
        if remembered.is_some() {
            return remembered;
        }
        let found = timeout(QUESTION, walk(self.root, &self.memory, query, 0)).await.ok()??;
        lock(&self.memory).keep(name, kind, found.clone(), Instant::now());
        Some(found)
    }
}

impl Answers for Shared {
    async fn answer(&self, query: Query) -> DnsReply {
        let Some(kept) = self.find(&query).await else { return DnsReply::only(ResponseCode::ServFail) };
        let left = kept.until.saturating_duration_since(Instant::now()).as_secs();
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        // The owner's name goes back in the spelling of the question; what is left of the TTL counts down for all.
        let aged =
            |record: &Record, owner: &Name| Record::from_rdata(owner.clone(), left, record.data.clone());
        DnsReply {
            answers: kept.answers.iter().map(|record| aged(record, query.name())).collect(),
            authorities: kept.authorities.iter().map(|record| aged(record, &record.name)).collect(),
            ..DnsReply::only(kept.code)
        }
    }

    fn recurses(&self) -> bool {
        true
    }
}
