//! Keys of writes that are delivered once, on disk: the key before its request is forwarded, the answer afterwards.
//!
//! A store of its own, apart from the journal: a request waits for one commit that many requests share, and for nothing else.
//! When the disk fails, requests with a key are refused; all others go on.

mod answer;
mod keeper;
mod store;
mod table;
mod usage;

pub(crate) use answer::StoredAnswer;
pub(crate) use keeper::{Asked, Unavailable};
pub(crate) use store::{KeyStore, RememberedKey, Reply};
pub(crate) use usage::Usage;

use std::time::Duration;

/// The key of a request, and what holds for it.
pub(crate) struct Keyed {
    pub(crate) key: Box<str>,
    pub(crate) keep: Duration,
    pub(crate) max_body: u64,
}
