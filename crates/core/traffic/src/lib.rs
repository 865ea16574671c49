//! Judges requests, chooses servers, sheds what is too much: what the edge asks before it lets anything through.
//!
//! Pure: no clock, no async, no I/O, no randomness. The edge hands in the tick, facts, and seeds. A request's way:
//! [`Policy::route`] by host, [`Route::judge`] (denials, limits, rank), [`Origin::arrive`] (a server, a place in the queue, or
//! a refusal), [`Origin::done`].
//!
//! | module | holds |
//! |---|---|
//! | [`tick`] | time as the edge tells it |
//! | [`policy`] | the configuration and the denials, ready to be asked |
//! | [`route`] | one service: its judgement of a request |
//! | [`facts`] | what is known of a request, and what is made of it |
//! | [`caller`] | our own programs, which are not visitors |
//! | [`meters`] | how much everybody owes: one table for all threads |
//! | [`rate`] | the arithmetic of a limit |
//! | [`origin`] | one pool: who goes where, who waits, who comes again |
//! | [`admission`] | what is said between the edge and a pool |
//! | `clients` | requests in flight by client and age |
//! | `overload` | whether servers are overloaded |
//! | `concurrency` | how many requests at once a pool is given |
//! | `demand` | how much is asked, beside what is usual |
//! | `proven` | how many clients at once are known to fit |
//! | `ceiling` | how many a second, when its servers refuse |
//! | `share` | which visitors are let through when not all can be |
//! | `queue` | who waits, and who is next |
//! | `budget` | how often requests may be sent again |
//! | `pool`, `server` | which servers get requests, and which one the next |
//! | [`pass`] | what known visitors show, and what is shown from hop to hop |
//! | [`top`] | the most frequent of a stream, in constant memory |
//! | `place` | countries, systems and networks, looked up |
//! | `agent` | who says that it is a robot |
//! | `path` | paths as the configuration writes them |
//! | [`target`] | targets of requests in one spelling |
//! | `chance` | chance from a seed |

pub mod admission;
mod agent;
mod budget;
pub mod caller;
mod ceiling;
mod chance;
mod clients;
mod concurrency;
mod demand;
pub mod facts;
pub mod meters;
pub mod origin;
mod overload;
pub mod pass;
mod path;
mod place;
pub mod policy;
mod pool;
mod proven;
mod queue;
pub mod rate;
pub mod route;
mod server;
mod share;
pub mod target;
pub mod tick;
pub mod top;
mod window;

pub use admission::{Admission, Arrival, Failure, Outcome, Permit, Shed, ShedWhy, Ticket, Woken};
pub use caller::Caller;
pub use facts::{Class, Facts, Limit, Quota, Refusal, Verdict, Who};
pub use meters::Meters;
pub use origin::Origin;
pub use pass::{Carried, Pass};
pub use policy::Policy;
pub use route::Route;
pub use tick::Tick;
pub use top::Top;
