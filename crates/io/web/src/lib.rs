//! The public status page, the console of the team and the HTTP API.
//!
//! Uses sockets and one folder; makes no decisions. It shows the views that the event loop publishes, and sends it the
//! commands of people. A command is confirmed only after the event loop confirmed it.
//!
//! | module | contents |
//! |---|---|
//! | [`state`] | `WebState`: the published views, sessions, heartbeat |
//! | [`params`] | parameters of requests, checked |
//! | [`router`](mod@router) | the routes |
//! | `server` | the listening socket: rendered documents first, the router for the rest, every wait bounded |
//! | `control_socket` | the same over a Unix socket, for the command line |
//! | `connections` | limits of connections |
//! | [`cache`] | rendered documents: path -> bytes in three encodings |
//! | [`snapshot`] | copy of the status page on disk |
//! | [`command`] | commands to the event loop |
//! | [`session`] | sign-in links, sessions, form tokens |
//! | `audited` | the audit, for API and console |
//! | `auth` | who may see and do what |
//! | `bearer` | bearer tokens of requests |
//! | [`status_page`] | the public pages, Statuspage JSON, feeds, badge |
//! | [`console`] | the pages of the team |
//! | [`api`] | the HTTP API |
//! | `intake` | changes that other systems report |
//! | `alerts` | alerts that other systems hand in |
//! | [`alert_sources`] | the sources that may do so |
//! | [`sources`] | the sources that may report them |
//! | [`subscribe`] | subscriptions of visitors |
//! | [`subscriptions`] | what a running process provides for them |
//! | `client` | the client of a request |
//! | [`callbacks`] | links in notifications, requests of phone providers |
//! | [`phones`] | phone channels: secrets, numbers of people |
//! | [`metrics`] | `/metrics` |
//! | [`edge`] | what a running edge provides |
//! | [`samples`] | stored latencies, as the journal has them |
//! | [`latency`] | latencies over a range: drawing, texts, the public ones |
//! | [`problem`] | errors: RFC 9457 for programs, a message page for people |
//! | `message_page` | a page with a message and a button |
//! | [`json`] | durations in JSON |
//! | [`clock`] | the clock |
//! | `wording` | English for the facts in the views |
//! | [`design`] | texts, icons and the files under `web/` |
//!
//! **Invariant**: a request for the status page never waits for the event loop, a lock or the disk.

pub mod alert_sources;
mod alerts;
pub mod api;
mod audited;
mod auth;
mod bearer;
pub mod cache;
pub mod callbacks;
mod client;
pub mod clock;
pub mod command;
mod connections;
pub mod console;
mod control_socket;
pub mod design;
pub mod edge;
mod intake;
pub mod json;
pub mod latency;
mod message_page;
pub mod metrics;
pub mod params;
pub mod phones;
pub mod ping_targets;
mod pings;
pub mod post_mortem;
pub mod problem;
mod rates;
pub mod router;
pub mod samples;
mod server;
pub mod session;
pub mod snapshot;
pub mod sources;
pub mod state;
pub mod status_page;
pub mod subscribe;
pub mod subscriptions;
mod wording;

pub use command::{CommandError, CommandRequest, CommandResult};
pub use control_socket::serve_control;
pub use edge::{Edge, NoEdge};
pub use router::router;
pub use samples::{Samples, SamplesError};
pub use server::serve;
pub use state::{WebSettings, WebState};
pub use subscriptions::{Subscriptions, SubscriptionsError};
