//! The edge: visitors' connections in, requests out to the servers of a pool, as guard decides.
//!
//! A toucher: sockets, TLS and HTTP are its business; who may ask, who goes first and which server answers is guard's. One
//! thread and one runtime a core, each with listeners and connections of its own; what they share is read without a lock, or
//! locked for less than a microsecond.
//!
//! | module | holds |
//! |---|---|
//! | [`edge`] | [`Edge`]: started, given new policies, stopped |
//! | `listen`, `accept` | doors; a connection's place, its PROXY header, its protocol |
//! | `budget` | bytes of bodies held before a server is chosen, bounded for the whole process |
//! | `connections`, [`descriptors`] | limits of connections, the one idle longest makes room; file descriptors |
//! | `proxy_protocol` | its header: bytes in, address out |
//! | `serve`, `line`, `stream` | a connection from its first byte to its last, parked while idle; `serve/http2` by the crate below hyper |
//! | `request` | one request: examined, judged, admitted, relayed; `visit`: what it is answered |
//! | `head`, `forwarded`, `known` | smuggling and hop-by-hop rules; who asks behind hops; known visitors and own callers |
//! | `refuse`, `body` | small honest pages; what follows the head |
//! | `content`, `inbound` | a request's body, by either protocol: read before a server's place is held, where it is short |
//! | `upstream` | towards servers: HTTP/1.1 in the visitor's own task, HTTP/2 by the crate below hyper |
//! | `tunnel` | after a 101 |
//! | `pool`, `health` | guard's origin behind a lock, those that wait; checks of health, names looked up |
//! | `tls` | certificates by name, followed as files change; servers' certificates judged |
//! | `own` | fields of the edge's own in one buffer |
//! | `shared`, `view`, `thread`, `ticks` | what all threads share, what one has for itself, its coarse clock |
//! | [`seeing`] | ids, records, counts, traces |
//! | [`geo`] | countries and autonomous systems |

mod accept;
mod body;
mod budget;
mod connections;
mod content;
pub mod descriptors;
pub mod edge;
mod fields;
mod forwarded;
pub mod geo;
mod grpc;
mod head;
mod health;
mod inbound;
mod known;
mod line;
mod listen;
mod own;
mod pool;
mod proxy_protocol;
mod refuse;
mod request;
pub mod seeing;
mod serve;
mod shared;
mod stream;
mod thread;
mod ticks;
mod tls;
mod tunnel;
mod uploads;
mod upstream;
mod view;

pub use edge::{Edge, Sharing, StartError, Terms};
pub use geo::look as look_at_places;
pub use tls::certificates::{Unusable, look as look_at_certificate};
