//! The nouns of the house: what the configuration declares, what is seen, what happened, what is owed.
//!
//! Pure: no clock, no async, no I/O. Every other crate speaks in these words and adds none of its own for the same thing.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | `Time` and the two sums we do with it |
//! | [`id`] | names of things the configuration declares, numbers of things that happened |
//! | [`resource`] | a node of the dependency graph: `domain.acme.app` |
//! | [`config`] | the declared world |
//! | [`traffic`] | what the edge counted in a second; what the team denied; the policy it serves by |
//! | [`trace`] | one request as the edge remembers it |
//! | [`graph`] | who needs whom, derived from the configuration |
//! | [`probe_targets`] | the standing questions, for the prober |
//! | [`probe_result`] | one answer to a probe |
//! | [`fault`] | what can be wrong with an answer, in words |
//! | [`shown`] | text from outside, made safe to show |
//! | [`reseller`] | suffixes below which names are sold without an ICANN registry |
//! | [`alert`] | something not as it should be, since when, on what evidence |
//! | [`incident`] | one cause, its alerts, its story |
//! | [`event`] | a line of the journal, in the past tense: a wire promise |
//! | [`percent`] | percentages for people, never rounded up |
//! | [`notification`] | what we owe to people, and how it went |
//! | [`input`] | everything that can happen to the mind |

pub mod alert;
pub mod config;
pub mod event;
pub mod fault;
pub mod graph;
pub mod id;
pub mod incident;
pub mod input;
pub mod notification;
pub mod percent;
pub mod probe_result;
pub mod probe_targets;
pub mod reseller;
pub mod resource;
pub mod shown;
pub mod time;
pub mod trace;
pub mod traffic;

pub use alert::{Alert, LastResult, SeenAt, Severity};
pub use config::Config;
pub use event::{Event, EventKind};
pub use fault::Fault;
pub use graph::Graph;
pub use id::{
    AlertId, CallerId, ChannelId, DenialId, EscalationId, IncidentId, PageId, PersonId, PoolId, ProbeId,
    ScheduleId, ServiceId, UpdateId,
};
pub use incident::Incident;
pub use input::Input;
pub use notification::{Delivery, Notification, NotificationKey, Urgency};
pub use probe_result::{AddressSeen, Answer, ProbeResult};
pub use probe_targets::ProbeTargets;
pub use resource::{Kind, Resource};
pub use time::Time;
pub use trace::Trace;
pub use traffic::{Denial, DenyWhat, Policy, Rollup};
