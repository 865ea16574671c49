//! The file with the subscribers of the status page: their addresses, and the progress of each update to each of them.
//!
//! Addresses are personal data. They are therefore not in the journal, which never forgets, but in this file, where a
//! deletion is one: the row is removed and its bytes are overwritten.
//!
//! | module | contents |
//! |---|---|
//! | [`store`] | [`Store`]: opening, recovery after a crash |
//! | `tables` | the SQL tables |
//! | `people` | subscribers: requests, confirmations, changes, deletion |
//! | `deliveries` | updates, and how far each of them is with each subscriber |
//! | `progress` | how far a message is |
//! | `rows` | rows of subscribers |
//! | `letters` | mails about a subscription itself |
//!
//! # Invariants
//!
//! * A message is recorded as *sending* before its last byte leaves, and as *sent* after the server has taken it. One that
//!   was *sending* when the process ended is in doubt: it is not sent again, and the next update has its words.
//! * Memory is bounded: subscribers are read in pages.
//! * Decides nothing: order, matching, delays and limits are arguments.

mod deliveries;
mod letters;
mod people;
mod progress;
mod rows;
pub mod store;
mod tables;

pub use deliveries::{Claimed, Totals};
pub use letters::Letter;
pub use people::{Added, Counts};
pub use progress::Progress;
pub use store::{Recovered, Store, StoreError};
