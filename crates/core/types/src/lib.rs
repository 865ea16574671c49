//! Shared types: configuration, measurements, events, notifications.
//!
//! No clock, no async, no I/O. Every other crate uses these types and defines none of its own for the same concept.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | `Time` and its arithmetic |
//! | [`id`] | names of configured items, numbers of alerts, incidents and pages |
//! | [`resource`] | a node of the dependency graph: `domain.acme.app` |
//! | [`config`] | the configuration |
//! | [`database`] | one round of measurements of a database |
//! | [`deny_target`] | sources of traffic that can be denied |
//! | [`traffic`] | roll-ups of the edge, denials, the edge's policy |
//! | [`trace`] | one traced request of the edge |
//! | [`valve`] | the share of a service's clients that the edge lets in |
//! | [`wallclock`] | local times as instants |
//! | [`graph`] | the dependency graph, derived from the configuration |
//! | [`probe_targets`] | what the prober measures, and what it measures early |
//! | [`probe_result`] | one result of a probe |
//! | [`fault`] | kinds of faults, with a code and a text each |
//! | [`shown`] | external text, made safe to display |
//! | [`series`] | buckets of charts and days of strips, of stored samples |
//! | [`reseller`] | suffixes below which names are sold without an ICANN registry |
//! | [`actor`] | authors of commands |
//! | [`audit`] | acceptance criteria, and the exceptions that the configuration grants |
//! | [`alert`] | alerts: fault, severity, evidence |
//! | [`incident`] | incidents: cause, alerts, acknowledgement, notes |
//! | [`change`] | deploys and other changes of a system |
//! | [`effect`] | whether a change helped |
//! | [`matcher`] | conditions on labels, as Alertmanager has them |
//! | [`maintenance`] | scheduled maintenance, and which alerts it explains |
//! | [`likely_cause`] | which resource moved with an incident |
//! | [`event`] | events of the journal: a stable format |
//! | [`external`] | alerts that other systems report |
//! | [`pool`] | facts of one look at a pool behind another load balancer |
//! | [`ups`] | state of an uninterruptible power supply |
//! | [`headroom`] | shares of a knee, peaks and trends of pools and databases |
//! | [`percent`] | percentages for display, never rounded up |
//! | [`notification`] | messages to people, and their deliveries |
//! | [`phone`] | calls and SMS: what their callbacks are about |
//! | [`input`] | inputs of the engine: commands, observations, system |
//! | [`context`] | what the core crates react to |

pub mod actor;
pub mod alert;
pub mod audit;
pub mod change;
pub mod config;
pub mod context;
pub mod cron;
pub mod database;
pub mod deny_target;
pub mod effect;
pub mod event;
pub mod external;
pub mod fault;
pub mod graph;
pub mod headroom;
pub mod heartbeat;
pub mod held;
pub mod id;
pub mod incident;
pub mod input;
pub mod likely_cause;
pub mod load_test;
pub mod maintenance;
pub mod matcher;
pub mod notification;
pub mod page_test;
pub mod percent;
pub mod phone;
pub mod pool;
pub mod probe_result;
pub mod probe_targets;
pub mod reseller;
pub mod resource;
pub mod restore;
pub mod series;
mod shown;
pub mod silence;
pub mod subscription;
pub mod time;
pub mod trace;
pub mod traffic;
pub mod ups;
pub mod valve;
pub mod wallclock;

pub use actor::{Actor, ActorKind, Via};
pub use alert::{Alert, LastResult, SeenAt, Severity};
pub use change::{Change, RecordedChange};
pub use config::Config;
pub use context::{Context, Observed};
pub use database::DatabaseSeen;
pub use deny_target::DenyTarget;
pub use effect::Effect;
pub use event::{Event, EventKind, Events};
pub use fault::Fault;
pub use graph::Graph;
pub use headroom::Headroom;
pub use heartbeat::{Ping, PingKind};
pub use id::{
    AlertId, CallerId, ChangeId, ChannelId, DenialId, EscalationId, IncidentId, MaintenanceId, PageId,
    PersonId, PoolId, ProbeId, ScheduleId, ServiceId, SilenceId, UpdateId,
};
pub use incident::Incident;
pub use input::{Command, Input, Observation, System};
pub use likely_cause::LikelyCause;
pub use load_test::LoadTest;
pub use maintenance::{Maintenance, ScheduledMaintenance};
pub use notification::{Delivery, Notification, NotificationKey, Urgency};
pub use page_test::PageTest;
pub use phone::{PhoneMessage, PhoneOutcome, ShortLink};
pub use pool::PoolSeen;
pub use probe_result::{AddressSeen, Answer, ProbeResult};
pub use probe_targets::ProbeTargets;
pub use resource::{Kind, Resource};
pub use restore::Restore;
pub use silence::{KnownSilence, Silence};
pub use subscription::{PublicUpdate, Subscriber, SubscriberId};
pub use time::Time;
pub use trace::Trace;
pub use traffic::{Denial, Policy, Rollup};
pub use valve::{Valve, ValveReason};
