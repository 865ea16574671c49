//! Groups alerts into incidents: one cause, the affected services, the unaffected ones.
//!
//! | module | holds |
//! |---|---|
//! | [`Diagnose`] | alerts in, incidents out |
//! | `cause` | the deepest failing resource that explains an alert |
//! | `colocation` | equal failures at one address or behind one alias |
//! | `traffic` | effects of what the edge measures: a surge explains overload beneath it |
//! | `topology` | position of resources in the graph, computed once per configuration |
//! | `impact` | whether an alert affects users, needs a page, or is independent |
//! | `debounce` | checks before an incident opens, and their time limit |
//! | `scope` | failing and healthy services and names |
//! | `recovery` | verification before an incident ends |
//! | `summary` | cause and end of an incident in one sentence |
//! | `symptoms` | slowness beside an incident |
//! | `state` | the fold of the journal |
//!
//! No clock, no I/O. Alerts of severity info never open an incident; those of severity warning open one without a page.

mod cause;
mod colocation;
mod debounce;
mod diagnose;
mod impact;
mod location;
mod recovery;
mod scope;
mod state;
mod summary;
mod symptoms;
mod topology;
mod traffic;

pub use diagnose::Diagnose;
