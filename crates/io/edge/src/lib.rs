//! The edge: client connections in, requests out to the servers of a pool, as `traffic` decides.
//!
//! An I/O crate: it has sockets, TLS and HTTP; `traffic` decides who may ask, who goes first and which server
//! answers. One thread and one runtime per core, each with its own listeners and connections; shared state is read
//! without a lock, or locked for less than a microsecond.
//!
//! | module | holds |
//! |---|---|
//! | [`edge`] | [`Edge`]: start, policy updates, stop |
//! | `listen`, `acceptor` | listening sockets; accepting a connection, its PROXY header, its protocol |
//! | `budget` | memory budget of request bodies that are held before a server is chosen |
//! | `connection_table`, [`descriptors`] | connection limits: the longest idle connection is closed for a new one; file descriptors |
//! | `proxy_protocol` | parser of the PROXY protocol header |
//! | `connection`, `stream` | state of one connection; plain or TLS socket |
//! | `serve` | one connection from its first byte to its last; parked while idle; `serve/http2`: HTTP/2 by the h2 crate |
//! | `request` | the phases of a request, in order |
//! | `phases` | accept, parse, identify, admit, cache, forward, respond, record: one file each |
//! | `cache` | stored responses: what may be stored, for how long it is fresh, one fetch for concurrent requests |
//! | `idempotency` | keys of writes that are delivered once, on disk |
//! | `offline` | files of the offline kit: script, worker, page |
//! | `exchange` | a request on its way through the phases |
//! | `head`, `fields`, `forwarded`, `client`, `probe_tokens` | head validation; hop-by-hop fields; trusted proxies; recognized clients and callers; mainstay's own probes |
//! | `request_body`, `inbound`, `uploads` | a request's body by either protocol; slow uploads |
//! | `upstream` | connections to servers, HTTP/1.1 and HTTP/2 codecs |
//! | `forward_error` | errors of forwarding |
//! | `tunnel` | bytes both ways after a 101; a Close frame between two frames when its server drains |
//! | `long_lived`, `departures` | WebSockets and event streams of a thread; closed over `drain_timeout` when their server or the edge drains |
//! | `pool`, `health` | a load balancer behind a lock and its waiting requests; health checks and DNS lookups |
//! | `tls` | certificates by name, reloaded when files change; verification of servers |
//! | `outgoing_headers` | headers that the edge adds, in one buffer |
//! | `shared`, `view`, `thread`, `ticks` | state of all threads, compiled policy, state of one thread, its coarse clock |
//! | [`telemetry`] | trace ids, request records, counters, traces |
//! | [`geo`] | country and autonomous system of an address |

mod acceptor;
mod budget;
mod cache;
mod client;
mod connection;
mod connection_table;
mod departures;
pub mod descriptors;
pub mod edge;
mod exchange;
mod fields;
mod forward_error;
mod forwarded;
pub mod geo;
mod grpc;
mod head;
mod health;
mod idempotency;
mod inbound;
mod listen;
mod long_lived;
mod offline;
mod outgoing_headers;
mod phases;
mod pool;
mod probe_tokens;
mod proxy_protocol;
mod request;
mod request_body;
mod serve;
mod shared;
mod stream;
pub mod telemetry;
mod thread;
mod ticks;
mod tls;
mod tunnel;
mod uploads;
mod upstream;
mod view;

pub use edge::{Edge, Sharing, StartError, Terms};
pub use geo::{GeoIpError, look as check_geoip};
pub use probe_tokens::ProbeTokens;
pub use tls::certificates::{Unusable, look as check_certificate};
