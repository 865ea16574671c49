//! What all threads of the edge share. Nothing in it is locked for longer than a moment.

use crate::geo::Geo;
use crate::seeing::Seeing;
use crate::tls::certificates::Certificates;
use crate::view::View;
use arc_swap::ArcSwap;
use guard::Meters;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub(crate) struct Shared {
    /// The instant at which ticks count zero.
    pub(crate) zero: Instant,
    pub(crate) meters: Meters,
    pub(crate) seeing: Seeing,
    pub(crate) geo: ArcSwap<Geo>,
    /// The files that `geo` is made of: countries and networks.
    pub(crate) places: Mutex<(Option<PathBuf>, Option<PathBuf>)>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) connections: Arc<Connections>,
    /// Set once: finish what is under way and take nothing new.
    pub(crate) draining: AtomicBool,
    view: ArcSwap<View>,
    /// Counts the views, so that a thread sees with one load whether it has the newest.
    version: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        view: View,
        seeing: Seeing,
        zero: Instant,
        certificates: Arc<Certificates>,
        tls: Arc<ServerConfig>,
    ) -> Self {
        Self {
            zero,
            meters: Meters::new(Meters::USUAL, fastrand::u64(..)),
            seeing,
            geo: ArcSwap::from_pointee(Geo::default()),
            places: Mutex::default(),
            certificates,
            tls,
            connections: Arc::default(),
            draining: AtomicBool::new(false),
            view: ArcSwap::from_pointee(view),
            version: AtomicU64::new(1),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn publish(&self, view: View) {
        self.view.store(Arc::new(view));
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// How many connections are open, altogether and from each address.
#[derive(Default)]
pub(crate) struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    all: u32,
    each: HashMap<IpAddr, u32>,
}

impl Connections {
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.0.lock().unwrap_or_else(PoisonError::into_inner).all)
    }

    /// One more, where there is room. `each` is for one address, an IPv6 one by its /64; `None` for declared hops.
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr, all: u32, each: Option<u32>) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= all {
            return None;
        }
        let from = each.map(|each| (network(from), each));
        if let Some((from, each)) = from {
            let has = open.each.entry(from).or_insert(0);
            if *has >= each {
                return None;
            }
            *has += 1;
        }
        open.all += 1;
        Some(Place { connections: Arc::clone(self), from: from.map(|(from, _)| from) })
    }
}

/// A connection's place among those that are open.
pub(crate) struct Place {
    connections: Arc<Connections>,
    from: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(from) = self.from
            && let Some(has) = open.each.get_mut(&from)
        {
            *has -= 1;
            if *has == 0 {
                open.each.remove(&from);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from(u128::from(six) >> 64 << 64)),
        four => four,
    }
}
