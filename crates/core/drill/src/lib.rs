//! Scripts of known outages, and the score of a run.
//!
//! Pure: a script is text, a run is a list of events with their times. Who carries a script out, against real parts or
//! in virtual time, is somebody else's business.
//!
//! | module | holds |
//! |---|---|
//! | [`script`] | what a script says, typed: steps, acts, milestones, limits |
//! | [`parse`] | text -> [`Script`], or the line that is wrong and what was expected |
//! | [`reached`] | whether the events of a run have reached a milestone, and when |
//! | [`score`] | how we did: as an object, as a [table](score::table), and [what missed its limit](score::judge) |
//! | [`timeline`] | the run for a person, beside the times of the outage in life |
//! | [`story`] | what must happen, without times: compared with a golden file |

pub mod parse;
pub mod reached;
pub mod score;
pub mod script;
pub mod story;
pub mod timeline;

pub use parse::ScriptError;
pub use reached::reached;
pub use score::{Score, Witness, judge, score};
pub use script::{Act, Limits, Milestone, Script, Step};
pub use story::{differences, story};
pub use timeline::timeline;
