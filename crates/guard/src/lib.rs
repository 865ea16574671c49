//! Judges requests, chooses servers, sheds what is too much: what the edge asks before it lets anything through.
//!
//! Pure: no clock, no async, no I/O, no randomness. The edge hands in the tick, facts, and seeds. A request's way:
//! [`Policy::route`] by host, [`Route::judge`] (denials, limits, rank), [`Origin::arrive`] (a server, a place in the queue, or
//! a refusal), [`Origin::done`].
//!
//! | module | holds |
//! |---|---|
//! | [`tick`] | time as the edge tells it |
//! | [`policy`] | the plan and the denials, ready to be asked |
//! | [`route`] | one service: its judgement of a request |
//! | [`facts`] | what is known of a request, and what is made of it |
//! | [`caller`] | our own programs, which are not visitors |
//! | [`meters`] | how much everybody owes: one table for all threads |
//! | [`rate`] | the arithmetic of a limit |
//! | [`origin`] | one pool: who goes where, who waits, who comes again |
//! | [`pass`] | what known visitors show, and what is shown from hop to hop |
//! | [`top`] | the most frequent of a stream, in constant memory |
//! | `place` | countries, systems and networks, looked up |
//! | `agent` | who says that it is a robot |
//! | `path` | paths as the plan writes them |
//! | `chance` | chance from a seed |

mod agent;
pub mod caller;
mod chance;
pub mod facts;
pub mod meters;
pub mod origin;
pub mod pass;
mod path;
mod place;
pub mod policy;
pub mod rate;
pub mod route;
pub mod tick;
pub mod top;

pub use caller::Caller;
pub use facts::{Class, Facts, Limit, Quota, Refusal, Verdict, Who};
pub use meters::Meters;
pub use origin::{Admission, Arrival, Failure, Origin, Outcome, Permit, Shed, ShedWhy, Ticket, Woken};
pub use pass::{Carried, Pass};
pub use policy::Policy;
pub use route::Route;
pub use tick::Tick;
pub use top::Top;
