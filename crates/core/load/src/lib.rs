//! Load tests: which rate is next, when a rate is too much, and where the knee is.
//!
//! Pure: measurements and elapsed time in, decisions out. What sends the requests is the crate `load_generator`.
//!
//! | module | contents |
//! |---|---|
//! | `asked` | what a person asked for, checked against the bounds of the target |
//! | `search` | the rates of a test: a ramp until the target no longer keeps up, then bisection; or given rates |
//! | `step` | judges one step while it runs, and when it has ended |
//! | `knee` | the knee of measured steps |
//! | `production` | addresses that a load test must not reach |
//! | `wording` | results in words |

mod asked;
mod knee;
mod production;
mod search;
mod step;
pub mod wording;

pub use asked::{Asked, OutOfBounds, Rates};
pub use knee::knee;
pub use production::{Production, Protected};
pub use search::{Next, Recovery, Search};
pub use step::{Measured, Observed, Overload, Step, StepJudge, Totals};
