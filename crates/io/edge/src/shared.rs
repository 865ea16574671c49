//! State shared by all threads of the edge. No lock is held for longer than a moment.

use crate::budget::Budget;
use crate::connection_table::ConnectionTable;
use crate::geo::Geo;
use crate::telemetry::Telemetry;
use crate::tls::certificates::Certificates;
use crate::view::View;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use traffic::Meters;

/// Bytes of bodies that all requests together may hold before a server is chosen, and for retries: as many as a
/// small machine has to spare.
const BODIES_BYTES: usize = 64 << 20;

pub(crate) struct Shared {
    /// The instant at which ticks count zero.
    pub(crate) zero: Instant,
    pub(crate) meters: Meters,
    pub(crate) telemetry: Telemetry,
    pub(crate) geo: ArcSwap<Geo>,
    /// The files that `geo` is made of: countries and networks.
    pub(crate) places: Mutex<(Option<PathBuf>, Option<PathBuf>)>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) connections: Arc<ConnectionTable>,
    /// Bytes of bodies that are held before a server is chosen, and afterwards to be sent once more.
    pub(crate) bodies: Arc<Budget>,
    /// Set once: finish what is in progress and take nothing new.
    draining: AtomicBool,
    /// Ticks over which connections are then closed.
    drain_ticks: AtomicU32,
    view: ArcSwap<View>,
    /// Counts the views, so that a thread sees with one load whether it has the newest.
    version: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        view: View,
        telemetry: Telemetry,
        zero: Instant,
        certificates: Arc<Certificates>,
        tls: Arc<ServerConfig>,
    ) -> Self {
        Self {
            zero,
            meters: Meters::new(Meters::USUAL, fastrand::u64(..)),
            telemetry,
            geo: ArcSwap::from_pointee(Geo::default()),
            places: Mutex::default(),
            certificates,
            tls,
            connections: Arc::default(),
            bodies: Budget::new(BODIES_BYTES),
            draining: AtomicBool::new(false),
            drain_ticks: AtomicU32::new(0),
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
        self.draining.load(Ordering::Acquire)
    }

    /// Takes nothing new from now on; connections are closed over this many ticks.
    pub(crate) fn drain(&self, ticks: u32) {
        self.drain_ticks.store(ticks, Ordering::Relaxed);
        self.draining.store(true, Ordering::Release);
    }

    /// A random one of those ticks.
    pub(crate) fn drain_tick(&self) -> u32 {
        fastrand::u32(0..=self.drain_ticks.load(Ordering::Relaxed))
    }
}
