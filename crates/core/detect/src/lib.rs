//! Turns probe results and roll-ups of the edge into alerts, only on change.
//!
//! | module | holds |
//! |---|---|
//! | [`Detect`] | state, counters, and the order in which an answer is judged |
//! | `aspects` | one module per kind of answer: answer to verdict |
//! | `traffic` | the same for the edge's roll-ups: surges, limit conflicts, pools, unknown hosts |
//! | `heartbeat` | jobs that report by heartbeats |
//! | `external` | alerts of other systems |
//! | `pool` | what is remembered of pools, servers in words, the layer that starves idle capacity |
//! | `activity` | whether a server works |
//! | `restarts` | ends and starts of a server, and whether it is in a crash loop |
//! | `slowness` | latencies that are slower than usual |
//! | `violation` | verdicts, violations, and the repetitions that they need |
//! | `aspect` | which faults exclude one another, and which mean the same |
//! | `streak` | consecutive answers of one aspect, and the action that follows |
//! | `connectivity` | whether mainstay itself is isolated |
//! | `lookup` | schedule of registry lookups |
//! | `places` | addresses and alias of each probe's last answer |
//! | `index` | lookup tables derived from the configuration |
//! | `state` | the fold of the journal |
//! | `volatile` | counters since boot |
//! | `alert` | alerts that are about to open, events of one call |
//!
//! No clock, no I/O. The fold of the journal ([`Detect::state_text`]) and the counters since boot are separate: losing
//! the latter costs a few answers, never an alert.

mod activity;
mod alert;
mod aspect;
mod aspects;
mod connectivity;
mod creeping;
mod detect;
mod external;
mod heartbeat;
mod index;
mod lookup;
mod places;
mod pool;
mod restarts;
mod slowness;
mod state;
mod streak;
mod traffic;
mod violation;
mod volatile;

pub use self::detect::Detect;
pub use heartbeat::Job;
pub use state::Registration;
