//! Judges samples and roll-ups: alerts, only on change.
//!
//! | module | holds |
//! |---|---|
//! | [`Detect`] | the thinker: what it knows from the journal, what it counted since boot |
//! | `verdict` | what one answer means, lane by lane |
//! | `tls`, `delegation`, `registration` | the same for certificates, name servers and registries |
//! | `lane` | which faults take one another's place, and which mean the same |
//! | `tally` | how often in a row, and what follows |
//! | `share` | which share of the answers, where it is never enough in a row |
//! | `addresses` | which of several addresses behind one name |
//! | `blind` | whether it is us |
//! | `dates` | registrations over time: what was told, what comes close, what nobody has confirmed |
//! | `pace` | when a registry is asked before its turn |
//! | `places` | at which addresses, and behind which alias, each probe was answered |
//! | `traffic` | the same for what the edge counts: surges, limits that fight, pools, names nobody watches |
//! | `index` | what follows from the configuration once |
//! | `known` | the fold of the journal |
//!
//! Pure: takes `now`, asks nobody. What stands in the journal ([`Detect::known_text`]) and what was counted since boot are
//! kept apart; losing the latter costs a few samples, never an alert.

mod addresses;
mod blind;
mod dates;
mod delegation;
mod detect;
mod index;
mod known;
mod lane;
mod pace;
mod places;
mod registration;
mod share;
mod tally;
mod tls;
mod traffic;
mod verdict;

pub use self::detect::Detect;
pub use known::Registration;
