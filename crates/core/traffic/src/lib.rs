//! Traffic policy of the edge: denials, valves, rate limits, load balancing, queueing and load shedding.
//!
//! Pure: no clock, no async, no I/O, no randomness. The edge passes in the tick, facts, and seeds. The steps of a
//! request: [`Policy::route`] by host, [`Route::judge`] (denials, valve, limits, class), [`LoadBalancer::arrive`] (a server,
//! a place in the queue, or a refusal), [`LoadBalancer::done`].
//!
//! | module | holds |
//! |---|---|
//! | [`tick`] | monotonic time in microseconds |
//! | [`policy`] | configuration and denials, compiled for lookup |
//! | [`route`] | one service: the verdict on a request |
//! | [`facts`] | facts about a request, and the verdict |
//! | [`caller`] | the team's own programs, which are not clients |
//! | [`meters`] | debts of all limits: one table for all threads |
//! | [`rate`] | arithmetic of a rate limit |
//! | [`load_balancer`] | one pool: server choice, queue, load shedding, retries |
//! | [`admission`] | types between the edge and a pool |
//! | `client_filter` | which clients were seen, in few bits |
//! | `client_number` | numbers by which clients are told apart |
//! | `clients` | requests in flight by client and age |
//! | `overload` | overload detection |
//! | `opens`, `open_rate` | WebSockets and event streams that begin: held, and paced by what each server completes |
//! | [`drain`] | the time over which long-lived connections are closed |
//! | `concurrency` | adaptive concurrency limit of a pool |
//! | `demand` | request rate compared with the usual one |
//! | `proven` | number of concurrent clients that were served without slowdown |
//! | `ceiling` | request rate limit of a pool whose servers refuse |
//! | `crowd` | holding back subnets that send far more clients than usual |
//! | `share` | sampling of clients under overload |
//! | `queue` | queue of waiting requests by class and client |
//! | `retry_budget` | budget of retries |
//! | `pool`, `server` | server states and the choice of a server |
//! | [`idempotency`], `offline` | keys of writes that are delivered once; paths of the offline kit |
//! | [`top_k`] | most frequent keys of a stream, in constant memory |
//! | `source_rules`, `cidr_map` | rules by country, autonomous system and CIDR |
//! | `valve` | the share of clients that is let in |
//! | `user_agent` | robots that declare themselves |
//! | `path_pattern` | path patterns of the configuration |
//! | [`target`] | normalized request targets |
//! | `random` | pseudo-random numbers from a seed |

pub mod admission;
pub mod caller;
mod ceiling;
mod cidr_map;
mod client_filter;
mod client_number;
mod clients;
mod concurrency;
mod crowd;
mod demand;
pub mod drain;
pub mod facts;
pub mod idempotency;
pub mod load_balancer;
pub mod meters;
mod offline;
mod open_rate;
mod opens;
mod overload;
mod path_pattern;
pub mod policy;
mod pool;
mod proven;
mod queue;
mod random;
pub mod rate;
mod retry_budget;
pub mod route;
mod server;
mod share;
mod source_rules;
pub mod target;
pub mod tick;
pub mod top_k;
mod user_agent;
mod valve;
mod window;

pub use admission::{
    Admission, Arrival, Failure, Open, Opening, Outcome, Permit, Shed, ShedWhy, Ticket, Woken,
};
pub use caller::Caller;
pub use client_number::subnet_number;
pub use facts::{Class, Facts, Held, Identity, Limit, Quota, Refusal, Verdict};
pub use load_balancer::LoadBalancer;
pub use meters::Meters;
pub use offline::OfflinePaths;
pub use policy::Policy;
pub use route::Route;
pub use tick::Tick;
pub use top_k::TopK;
