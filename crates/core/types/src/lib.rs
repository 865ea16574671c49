//! The nouns of the house: what the plan declares, what is seen, what happened, what is owed.
//!
//! Pure: no clock, no async, no I/O. Every other crate speaks in these words and adds none of its own for the same thing.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | `Time` and the two sums we do with it |
//! | [`id`] | names of things the plan declares, numbers of things that happened |
//! | [`thing`] | a node of the dependency graph: `domain.acme.app` |
//! | [`plan`] | the declared world |
//! | [`traffic`] | what the edge counted in a second; what the team denied; the policy it serves by |
//! | [`trace`] | one request as the edge remembers it |
//! | [`graph`] | who needs whom, derived from the plan |
//! | [`rounds`] | the standing questions, for the prober |
//! | [`sample`] | one answer to a probe |
//! | [`fault`] | what can be wrong with an answer, in words |
//! | [`shown`] | text from outside, made safe to show |
//! | [`reseller`] | suffixes below which names are sold without an ICANN registry |
//! | [`finding`] | something not as it should be, since when, on what evidence |
//! | [`incident`] | one cause, its findings, its story |
//! | [`event`] | a line of the journal, in the past tense: a wire promise |
//! | [`percent`] | percentages for people, never rounded up |
//! | [`effect`] | what we owe to people, and how it went |
//! | [`input`] | everything that can happen to the mind |

pub mod effect;
pub mod event;
pub mod fault;
pub mod finding;
pub mod graph;
pub mod id;
pub mod incident;
pub mod input;
pub mod percent;
pub mod plan;
pub mod reseller;
pub mod rounds;
pub mod sample;
pub mod shown;
pub mod thing;
pub mod time;
pub mod trace;
pub mod traffic;

pub use effect::{Effect, EffectKey, Outcome, Urgency};
pub use event::{Event, Happened};
pub use fault::Fault;
pub use finding::{Finding, Looked, SeenAt, Weight};
pub use graph::Graph;
pub use id::{
    CallerId, ChannelId, DenialId, FindingId, IncidentId, LadderId, PageId, PersonId, PoolId, PostId,
    ProbeId, RotaId, ServiceId,
};
pub use incident::Incident;
pub use input::Input;
pub use plan::Plan;
pub use rounds::Rounds;
pub use sample::{AddressSeen, Answer, Sample};
pub use thing::{Kind, Thing};
pub use time::Time;
pub use trace::Trace;
pub use traffic::{Denial, DenyWhat, Policy, Rollup};
