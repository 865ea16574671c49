//! Scripts of known outages, and the score of a run.
//!
//! Pure: a script is text, a run is a list of events with their times. Other crates run scripts, against real servers.
//!
//! | module | holds |
//! |---|---|
//! | [`script`] | a parsed script: steps, acts, milestones, limits |
//! | [`parse`] | text -> [`Script`], or the invalid line and what was expected |
//! | [`reached`] | whether the events of a run have reached a milestone, and when |
//! | [`score`] | the score: as an object, as a [table](score::table), and [the limits missed](score::judge); [`score::pool`]: of a shrinking pool; [`score::management`]: of a crash loop; [`score::power`]: of a power cut |
//! | [`timeline`] | the run as a table, beside the timeline of the reported outage |
//! | [`story`] | the essential events without times, compared with a golden file |

pub mod parse;
pub mod reached;
pub mod score;
pub mod script;
pub mod story;
pub mod timeline;

pub use parse::{Mistake, ScriptError};
pub use reached::reached;
pub use score::{Observations, Score, judge, score};
pub use script::{Act, Limits, Milestone, Script, Step};
pub use story::{differences, story};
pub use timeline::timeline;
