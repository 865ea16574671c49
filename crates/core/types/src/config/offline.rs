//! The offline kit of a service: what browsers keep of its site, and which writes are delivered later.

use std::time::Duration;

/// What a browser keeps of a site so that it goes on without a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offline {
    /// False: browsers that have the kit deliver what they keep and remove it.
    pub enabled: bool,
    /// Paths of pages, `/timer` or `/app/*`: they open without a connection, with their scripts, styles and images.
    pub pages: Vec<String>,
    /// Paths of other GET requests that are answered from the browser's cache while the network fails.
    pub get: Vec<String>,
    /// Requests that are kept in the browser and delivered once.
    pub writes: Vec<OfflineWrite>,
    /// Request headers that are kept with a write, besides its content type. Lower case.
    pub headers: Vec<String>,
    /// Time for which the edge remembers an idempotency key and its answer.
    pub keep: Duration,
    /// Writes that one browser keeps.
    pub max_writes: u32,
    /// Bytes of all writes that one browser keeps.
    pub max_bytes: u64,
    /// Maximum size of the body of one write, in bytes.
    pub max_body: u64,
    /// Whether the edge adds the script to pages.
    pub inject: bool,
}

/// A request that is kept in the browser while the network fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineWrite {
    /// `POST`.
    pub method: String,
    /// `/api/entries`, or `/api/*` for everything below.
    pub path: String,
}

impl Offline {
    /// The default of `keep`.
    pub const KEEP: Duration = Duration::from_secs(7 * 86_400);
    /// The default of `max_writes`.
    pub const MAX_WRITES: u32 = 1_000;
    /// The default of `max_bytes`.
    pub const MAX_BYTES: u64 = 10_000_000;
    /// The default of `max_body`.
    pub const MAX_BODY: u64 = 256_000;
}
