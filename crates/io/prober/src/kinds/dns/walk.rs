//! The walk from the roots down to the parent of a zone, and the parent's present delegation.
//!
//! The way down is kept for an hour: top-level domains do not move. What the parent says about the zone itself is never
//! kept: it is the first place where a lost registration shows, long before any resolver forgets the old answer.

use super::{Deadlines, Dns, QUESTION, key};
use crate::dns::records::{Delegation, Servers, below, read_delegation};
use crate::dns::wire::QueryError;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hickory_proto::rr::{Name, RecordType};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use types::fault::DnsFault;

/// How long a zone cut is cached.
const KEPT: Duration = Duration::from_secs(3_600);
/// How long a failure to find a top-level domain is cached, so that a thousand zones do not query a dead root in turn.
const FAILURE_KEPT: Duration = Duration::from_secs(2);
/// A way that fails is looked for again only when it is older than this: a dead top-level domain is no reason to ask the
/// roots with every question.
const TRUSTED: Duration = Duration::from_secs(10);
/// Zone cuts cached; above that all are forgotten and found again.
const CUTS_MAX: usize = 4_096;
/// Zone cuts passed on one walk.
const DEPTH_MAX: usize = 8;
/// Servers of one zone that are tried for one query.
pub(super) const TRIED_MAX: usize = 6;
/// Wait for one server before the next is queried concurrently.
const HEDGE: Duration = Duration::from_millis(300);

/// The parent zone's view of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// It is delegated, or the name exists there.
    Knows,
    /// The name does not exist there.
    Denies,
}

/// A zone cut and its servers.
#[derive(Clone, Debug)]
struct Cut {
    zone: Name,
    servers: Servers,
}

/// A cached zone cut, or the fault of the search.
#[derive(Debug)]
struct CachedCut {
    cut: Result<Cut, DnsFault>,
    since: Instant,
}

impl CachedCut {
    fn counts(&self) -> bool {
        self.since.elapsed() < if self.cut.is_ok() { KEPT } else { FAILURE_KEPT }
    }
}

/// The cache of zone cuts.
#[derive(Debug, Default)]
pub(super) struct CutCache {
    kept: Mutex<BTreeMap<String, CachedCut>>,
    /// One lock per top-level domain, so that many zones below it query the roots once.
    asking: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl CutCache {
    fn get(&self, zone: &Name) -> Option<Result<Cut, DnsFault>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key(zone)).filter(|kept| kept.counts()).map(|kept| kept.cut.clone())
    }

    fn put(&self, zone: &Name, cut: Result<Cut, DnsFault>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= CUTS_MAX {
            kept.clear();
        }
        kept.insert(key(zone), CachedCut { cut, since: Instant::now() });
    }

    /// Removes a cached cut that is old enough to have moved. Returns whether it was removed.
    fn forget(&self, cut: &Name) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.len();
        kept.retain(|_, known| {
            let on_the_way = known.cut.as_ref().is_ok_and(|known| known.zone.zone_of(cut));
            !on_the_way || known.since.elapsed() < TRUSTED
        });
        kept.len() < before
    }

    fn lock_of(&self, zone: &Name) -> Arc<tokio::sync::Mutex<()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(asking.entry(key(zone)).or_default())
    }
}

impl Dns {
    /// The servers of `zone` by the present reply of the parent.
    pub(super) async fn delegation(&self, zone: &Name, deadlines: Deadlines) -> Result<Servers, DnsFault> {
        match self.parent_says(zone, deadlines).await? {
            Delegation::Down { servers, .. } => Ok(servers),
            Delegation::End { .. } => Err(DnsFault::NotDelegated),
        }
    }

    /// Whether the parent has the zone.
    pub(crate) async fn parent(&self, zone: &Name, until: Instant) -> Result<Parent, DnsFault> {
        let span = until.saturating_duration_since(Instant::now());
        match self.parent_says(zone, Deadlines { until, step: QUESTION.min(span / 3) }).await {
            Ok(Delegation::Down { .. } | Delegation::End { exists: true }) => Ok(Parent::Knows),
            // A top-level domain that the roots do not delegate has nothing below it.
            Ok(Delegation::End { exists: false }) | Err(DnsFault::NotDelegated) => Ok(Parent::Denies),
            Err(fault) => Err(fault),
        }
    }

    async fn parent_says(&self, zone: &Name, deadlines: Deadlines) -> Result<Delegation, DnsFault> {
        let (start, remembered) = self.start(zone, deadlines).await?;
        let walked = self.down(start.clone(), zone, deadlines).await;
        // The cached cut may have moved: the walk is repeated from the roots before a fault is reported.
        let stale = walked.is_err();
        if stale && remembered && Instant::now() < deadlines.until && self.cuts.forget(&start.zone) {
            let (start, _) = self.start(zone, deadlines).await?;
            return self.down(start, zone, deadlines).await;
        }
        walked
    }

    /// The deepest known cut above `zone`, and whether it was cached.
    async fn start(&self, zone: &Name, deadlines: Deadlines) -> Result<(Cut, bool), DnsFault> {
        let mut above = zone.base_name();
        while !above.is_root() {
            match self.cuts.get(&above) {
                Some(Ok(cut)) => return Ok((cut, true)),
                Some(Err(fault)) if above.iter().len() == 1 => return Err(fault),
                _ => above = above.base_name(),
            }
        }
        let root = Cut { zone: Name::root(), servers: Servers::new() };
        let top = zone.trim_to(1);
        if !below(zone, &top) {
            // A top-level domain itself: its parent are the roots.
            return Ok((root, false));
        }
        let lock = self.cuts.lock_of(&top);
        let _alone = lock.lock().await;
        if let Some(found) = self.cuts.get(&top) {
            return found.map(|cut| (cut, true));
        }
        let found = match self.step(&root, &top, deadlines).await {
            Ok(Delegation::Down { cut, servers }) => Ok(Cut { zone: cut, servers }),
            Ok(Delegation::End { .. }) => Err(DnsFault::NotDelegated),
            Err(fault) => Err(fault),
        };
        self.cuts.put(&top, found.clone());
        found.map(|cut| (cut, false))
    }

    /// Walks from a cut down to the servers of `zone` without the cache.
    async fn down(&self, mut cut: Cut, zone: &Name, deadlines: Deadlines) -> Result<Delegation, DnsFault> {
        for _ in 0..DEPTH_MAX {
            match self.step(&cut, zone, deadlines).await? {
                end @ Delegation::End { .. } => return Ok(end),
                Delegation::Down { cut: reached, servers } if reached == *zone => {
                    return Ok(Delegation::Down { cut: reached, servers });
                }
                Delegation::Down { cut: reached, servers } => {
                    cut = Cut { zone: reached.clone(), servers };
                    self.cuts.put(&reached, Ok(cut.clone()));
                }
            }
        }
        Err(DnsFault::Garbage { why: "its delegation never ends".to_owned() })
    }

    /// Queries the servers of one cut for the next, staggered; the first usable reply counts.
    async fn step(&self, cut: &Cut, zone: &Name, deadlines: Deadlines) -> Result<Delegation, DnsFault> {
        let places: Vec<IpAddr> = if cut.zone.is_root() {
            self.roots.iter().copied().take(TRIED_MAX * 2).collect()
        } else {
            self.all_places(&cut.servers, deadlines).await
        };
        self.first_usable(&places, cut, zone, deadlines).await
    }

    async fn first_usable(
        &self,
        places: &[IpAddr],
        cut: &Cut,
        zone: &Name,
        deadlines: Deadlines,
    ) -> Result<Delegation, DnsFault> {
        let mut waiting = places.iter();
        let mut asked = FuturesUnordered::new();
        let mut failed = DnsFault::Silent;
        loop {
            if let Some(place) = waiting.next() {
                let server = self.at(*place);
                asked.push(async move {
                    let answer =
                        self.names.wire().query(server, zone, RecordType::NS, false, deadlines.step()).await;
                    read_delegation(&answer.map_err(QueryError::fault)?, &cut.zone, zone)
                });
            } else if asked.is_empty() {
                return Err(failed);
            }
            let patience = if waiting.len() == 0 { deadlines.until } else { Instant::now() + HEDGE };
            tokio::select! {
                Some(answer) = asked.next() => match answer {
                    Ok(way) => return Ok(way),
                    // A fault in a reply takes precedence over a timeout.
                    Err(fault) => {
                        if failed == DnsFault::Silent {
                            failed = fault;
                        }
                    }
                },
                () = sleep_until(patience) => {
                    if Instant::now() >= deadlines.until {
                        return Err(failed);
                    }
                }
            }
        }
    }
}
